"""Settings of the grasp task."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_not_negative, check_one_of, check_positive
from robo_ts.envs.grasp.eyes_config import EyesConfig
from robo_ts.envs.grasp.objects.object_set import SPLITS
from robo_ts.errors import RoboTSError
from robo_ts.sim import Range

ACTIONS = ("joint", "synergy")


@dataclass
class ObjectsConfig:
    """Which objects there are, and what they are made of.

    Attributes:
        count: generated objects.
        split: ``train``, ``instance`` (unseen objects of its families) or ``family`` (unseen ones).
        seed: of the generator.
        families: only these; all of the split when empty.
        meshes: a folder of own ``.obj`` or ``.stl`` files instead of generated objects.
        density: kg/m3, drawn for every episode.
        friction: between object and anything, drawn for every episode.
    """

    count: int = 60
    split: str = "train"
    seed: int = 0
    families: list[str] = field(default_factory=list)
    meshes: str = ""
    density: Range = field(default_factory=lambda: Range(200.0, 800.0))
    friction: Range = field(default_factory=lambda: Range(0.5, 1.2))

    def __post_init__(self) -> None:
        check_one_of("task.objects.split", self.split, SPLITS)
        check_at_least_one(self, "task.objects", ("count",))
        for name in ("density", "friction"):
            if getattr(self, name).low <= 0.0:
                raise RoboTSError(
                    f"task.objects.{name} above zero", str(getattr(self, name).low), "raise it"
                )


@dataclass
class StartConfig:
    """Where an episode begins.

    Every world draws a difficulty; at 0 the palm begins ``near`` above the object, at 1 anywhere
    within ``distance``, and in between in between.

    Attributes:
        difficulty: drawn for every episode; measure at 1.
        distance: from the object's middle to the hand's grasp point, m.
        elevation: of the hand as seen from the object, rad; pi/2 is straight above.
        near: of the fingertips above the object at difficulty 0, m.
        least_height: of the palm above the table, m.
        tilt: greatest pitch and roll of the palm away from facing down, rad.
        spread: greatest distance of the object from the table's middle along x and y, m.
        finger_noise: greatest change of the fingers' open pose, rad.
    """

    difficulty: Range = field(default_factory=lambda: Range(1.0, 1.0))
    distance: Range = field(default_factory=lambda: Range(0.15, 0.30))
    elevation: Range = field(default_factory=lambda: Range(0.35, 1.57))
    near: float = 0.0
    least_height: float = 0.15
    tilt: float = 0.3
    spread: float = 0.10
    finger_noise: float = 0.1

    def __post_init__(self) -> None:
        check_not_negative(
            self, "task.start", ("near", "least_height", "tilt", "spread", "finger_noise")
        )


@dataclass
class RewardConfig:
    """Weights of the reward's terms; see ``rewards.py``.

    Attributes:
        reach: for the hand's points being near the object's surface.
        approach: for the grasp point being near the object's middle, from afar.
        contact: for thumb and a finger touching the object.
        lift: for the object's height on the way to the goal, while touched.
        goal: for the object being near the goal, while touched.
        success: for the object being within the success distance, while touched.
        action: per squared action.
        action_rate: per squared change of action.
        table: for pressing on the table, per 10 N.
        push: for moving the object sideways before it is lifted, per m/s.
        failed: for an episode that ends early.
        scale: of the whole reward, for the learner's sake.
    """

    reach: float = 0.15
    approach: float = 0.1
    contact: float = 0.1
    lift: float = 0.5
    goal: float = 0.5
    success: float = 0.5
    action: float = 0.002
    action_rate: float = 0.001
    table: float = 0.02
    push: float = 0.05
    failed: float = 5.0
    scale: float = 0.2


@dataclass
class GoalGraspsConfig:
    """Grasps to aim at, as in UniDexGrasp's goal-conditioned policy; none by default.

    Attributes:
        file: valid grasps that ``scripts/grasp_proposals.py`` made of the task's objects; empty for
            a policy that finds its own.
        weight: of the reward for being near the goal grasp.
    """

    file: str = ""
    weight: float = 0.5


@dataclass
class PhysicsConfig:
    """How contacts are simulated: stiff, or policies learn to press fingers into objects.

    Attributes:
        timestep: s.
        time_constant: of contacts, s (``solref[0]``); at least twice the time step.
        impedance: of contacts at zero and at full penetration (``solimp[:2]``).
        iterations: of the Newton solver, and of its line search; below 20 hands diverge.
        impratio: friction's impedance over that of the normal force.
    """

    timestep: float = 0.005
    time_constant: float = 0.01
    impedance: list[float] = field(default_factory=lambda: [0.98, 0.995])
    iterations: int = 30
    impratio: float = 3.0

    def __post_init__(self) -> None:
        check_positive(self, "task.physics", ("timestep", "time_constant", "impratio"))
        if self.time_constant < 2.0 * self.timestep:
            raise RoboTSError(
                "task.physics.time_constant of at least two time steps",
                f"{self.time_constant} at a time step of {self.timestep}",
                "raise it or lower task.physics.timestep",
            )


@dataclass
class GraspConfig:
    """The grasp task.

    Attributes:
        hand: ``allegro``, ``leap``, ``shadow``, or ``package.module:HAND``.
        action: ``joint`` (every actuator) or ``synergy`` (the hand's own grasp synergies).
        control_hz: control steps per second; a whole number of physics steps must fit.
        episode_seconds: time limit.
        goal_height: how far the object is to be lifted, m.
        success_distance: from the goal, m.
        wrist_speed: of the wrist's target at action 1, m/s.
        turn_speed: of the wrist's target at action 1, rad/s.
        finger_speed: of the fingers' targets at action 1, rad/s.
        knocked_distance: an object pushed this far sideways while not lifted ends the episode, m.
        objects: which objects there are.
        start: where an episode begins.
        reward: the reward's weights.
        physics: how contacts are simulated.
        eyes: what students see with.
        goal_grasps: grasps to aim at.
    """

    hand: str = "allegro"
    action: str = "joint"
    control_hz: float = 20.0
    episode_seconds: float = 3.0
    goal_height: float = 0.2
    success_distance: float = 0.05
    wrist_speed: float = 0.5
    turn_speed: float = 2.0
    finger_speed: float = 4.0
    knocked_distance: float = 0.2
    objects: ObjectsConfig = field(default_factory=ObjectsConfig)
    start: StartConfig = field(default_factory=StartConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    physics: PhysicsConfig = field(default_factory=PhysicsConfig)
    eyes: EyesConfig = field(default_factory=EyesConfig)
    goal_grasps: GoalGraspsConfig = field(default_factory=GoalGraspsConfig)

    def __post_init__(self) -> None:
        check_one_of("task.action", self.action, ACTIONS)
        names = ("control_hz", "episode_seconds", "goal_height", "success_distance")
        check_positive(self, "task", names)
        check_positive(self, "task", ("wrist_speed", "turn_speed", "finger_speed"))
        steps = 1.0 / (self.control_hz * self.physics.timestep)
        if not round(steps) >= 1.0 or abs(steps - round(steps)) > 1e-6:
            raise RoboTSError(
                "a whole number of physics steps per control step",
                f"{steps:g} (task.control_hz={self.control_hz:g}, "
                f"task.physics.timestep={self.physics.timestep:g})",
                "set task.control_hz to 20, 25, 40 or 50, or change the time step",
            )

    @property
    def substeps(self) -> int:
        """Physics steps per control step."""
        return round(1.0 / (self.control_hz * self.physics.timestep))

    @property
    def episode_steps(self) -> int:
        """Time limit in control steps."""
        return round(self.episode_seconds * self.control_hz)
