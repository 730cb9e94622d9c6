"""Settings of the grasp proposals."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_at_least_one, check_not_negative, check_positive


@dataclass
class EnergyConfig:
    """Weights of the energy's terms; those of DexGraspNet (Wang et al. 2022, arXiv 2210.02697).

    Attributes:
        contacts: chosen points of the hand that are to hold the object.
        distance: per m between these and the surface.
        penetration: per m that probes of the hand sink into the object, and the object's corners
            into the hand.
        table: per m that probes sink into the table.
        self_penetration: per m of overlap between fingers.
        limits: per rad beyond a joint's range.
        torque_arm: of a wrench's torque, 1/m; the same scale as in Q1.
    """

    contacts: int = 4
    distance: float = 100.0
    penetration: float = 100.0
    table: float = 100.0
    self_penetration: float = 10.0
    limits: float = 1.0
    torque_arm: float = 10.0


@dataclass
class SynthesisConfig:
    """Optimisation of grasps by annealing, after DexGraspNet's.

    Its published run takes 6,000 iterations: steps of 0.005 that decay by 0.95 every 50, a
    temperature of 18 that decays by 0.95 every 30, contacts that move with probability 0.5. These
    settings are for a sixth of that: longer steps, and contacts that rest more often.

    Attributes:
        iterations: steps tried per grasp.
        step: first step of a coordinate that is as steep as usual, m and rad.
        last_step: the same at the end.
        temperature: at first.
        last_temperature: at the end.
        switch: how likely each contact is moved to another point of the hand before a step.
        memory: of the running mean of squared slopes.
        near: where the palm begins, from the object's surface, m, least and greatest.
        jitter: greatest tilt of the palm at the beginning away from facing the surface, rad.
        spread: standard deviation of the fingers' open pose at the beginning, rad.
        polish: steps afterwards, with the contacts as they are: Adam, which knows each grasp's own
            slopes.
        polish_step: its first step, m and rad; it falls to zero along half a cosine.
        firmness: how many times as much penetrations and limits count while polishing.
        energy: what is minimised.
    """

    iterations: int = 1000
    step: float = 0.02
    last_step: float = 0.0002
    temperature: float = 3.0
    last_temperature: float = 0.001
    switch: float = 0.1
    memory: float = 0.98
    near: list[float] = field(default_factory=lambda: [0.005, 0.03])
    jitter: float = 0.5
    spread: float = 0.15
    polish: int = 150
    polish_step: float = 0.002
    firmness: float = 10.0
    energy: EnergyConfig = field(default_factory=EnergyConfig)

    def __post_init__(self) -> None:
        check_at_least_one(self, "synthesis", ("iterations",))
        check_positive(
            self,
            "synthesis",
            ("step", "last_step", "temperature", "last_temperature", "memory", "polish_step"),
        )
        names = ("switch", "jitter", "spread", "polish", "firmness")
        check_not_negative(self, "synthesis", names)


@dataclass
class TrialConfig:
    """What a grasp has to withstand in simulation.

    Attributes:
        seconds: under gravity, in each of six directions.
        settle: before that, without gravity, s.
        force: with which each finger that touches squeezes, N.
        friction: between hand and object.
        density: of the objects, kg/m3.
        moved: how far the object may move, m.
        penetration: how deep the hand may be in the object at first, m.
        table: how deep it may be in the table, on which the object is not tried, m.
        num_envs: worlds at once.
    """

    seconds: float = 1.0
    settle: float = 0.3
    force: float = 4.0
    friction: float = 0.8
    density: float = 400.0
    moved: float = 0.03
    penetration: float = 0.001
    table: float = 0.005
    num_envs: int = 768

    def __post_init__(self) -> None:
        check_positive(self, "trial", ("seconds", "force", "friction", "density", "moved"))
        check_at_least_one(self, "trial", ("num_envs",))


@dataclass
class ModelConfig:
    """Sizes and training of the proposal model.

    UniDexGrasp's networks are larger (PointNet++, 21 Glow blocks, 4,096 queries) and train for a
    day on a GPU; these are for one processor.

    Attributes:
        width: of encoders, couplings and the contact net.
        transforms: couplings of the flow.
        queries: rotations that normalise p(R|X) while training.
        grid: rotations that normalise it otherwise, and from which are drawn.
        points: of a cloud while training.
        batch: grasps per step.
        iterations: training steps.
        rate: Adam's first step size; it falls to zero along half a cosine.
        blur: how grasps are disturbed while training, so that a few hundred of them are not learnt
            by heart: standard deviations of translation, m, rotation, rad, fingers, rad.
    """

    width: int = 64
    transforms: int = 4
    queries: int = 256
    grid: int = 4608
    points: int = 128
    batch: int = 32
    iterations: int = 600
    rate: float = 0.001
    blur: list[float] = field(default_factory=lambda: [0.002, 0.12, 0.03])

    def __post_init__(self) -> None:
        names = ("width", "transforms", "queries", "grid", "points", "batch", "iterations")
        check_at_least_one(self, "model", names)
        check_positive(self, "model", ("rate",))


@dataclass
class RefineConfig:
    """Refinement of proposed grasps at test time.

    Attributes:
        iterations: of Adam.
        rate: its step, m and rad.
        contact: weight of the squared difference of contact maps, summed over the cloud.
        penetration: weight per m, as in the energy.
        table: weight per m.
        self_penetration: weight per m.
        limits: weight per rad.
    """

    iterations: int = 200
    rate: float = 0.001
    contact: float = 1.0
    penetration: float = 200.0
    table: float = 200.0
    self_penetration: float = 20.0
    limits: float = 10.0

    def __post_init__(self) -> None:
        check_at_least_one(self, "refine", ("iterations",))
        check_positive(self, "refine", ("rate",))


@dataclass
class ProposalsConfig:
    """One run of ``scripts/grasp_proposals.py``.

    Attributes:
        hand: as in the task.
        objects: objects to synthesise grasps for, and to train on.
        unseen: held-out instances of the same families to measure the model on.
        families: only these; all that there are when empty.
        each: grasps synthesised per object and round.
        rounds: how often; every round is kept by itself.
        samples: grasps per unseen object, of every kind that is compared.
        resolution: of the grids of distances.
        seed: of all chance.
        synthesis: of grasps.
        trial: what they have to withstand.
        model: what learns from those that do.
        refine: what mends its proposals.
    """

    hand: str = "allegro"
    objects: int = 8
    unseen: int = 4
    families: list[str] = field(default_factory=list)
    each: int = 64
    rounds: int = 1
    samples: int = 16
    resolution: int = 40
    seed: int = 0
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    trial: TrialConfig = field(default_factory=TrialConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        names = ("objects", "unseen", "each", "rounds", "samples", "resolution")
        check_at_least_one(self, "proposals", names)
