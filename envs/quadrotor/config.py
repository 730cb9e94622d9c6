"""Settings of the quadrotor task; the defaults are RAPTOR's published distribution."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_finite, check_not_negative, check_positive, check_shares
from robo_ts.errors import RoboTSError
from robo_ts.sim import Range


@dataclass
class DroneRanges:
    """The distribution of drones (RAPTOR, ``sample_dynamics_parameters.cpp``).

    Attributes:
        thrust_to_weight: all rotors' greatest thrust over weight.
        mass_root: cube root of the mass in kg, so that mass covers 0.02 to 5 kg.
        size_deviation: u, with rotor distance scaled by 1 + u (u >= 0) or 1 / (1 - u) (u < 0).
        torque_to_inertia: roll acceleration one pair of rotors can give, rad/s^2.
        torque_constant: rotor drag torque per thrust, m.
        rise_time: motor time constant while speeding up, s.
        fall_time: motor time constant while slowing down, s.
        disturbance: factor d; per episode a constant force of standard deviation
            U(0, d (t2w - 1)) t2w m / 3 per axis acts on the drone.
    """

    thrust_to_weight: Range = field(default_factory=lambda: Range(1.5, 5.0))
    mass_root: Range = field(default_factory=lambda: Range(0.02 ** (1 / 3), 5.0 ** (1 / 3)))
    size_deviation: Range = field(default_factory=lambda: Range(-0.1, 0.1, "normal"))
    torque_to_inertia: Range = field(default_factory=lambda: Range(40.0, 1200.0))
    torque_constant: Range = field(default_factory=lambda: Range(0.005, 0.05))
    rise_time: Range = field(default_factory=lambda: Range(0.03, 0.10))
    fall_time: Range = field(default_factory=lambda: Range(0.03, 0.30))
    disturbance: float = 0.3

    def __post_init__(self) -> None:
        check_not_negative(self, "task.drones", ("disturbance",))


@dataclass
class StartRanges:
    """Where episodes start (RAPTOR's L2F defaults).

    Attributes:
        position: greatest distance from the origin per axis, m.
        velocity: greatest speed per axis, m/s.
        angular_velocity: greatest rate per axis, rad/s.
        tilt: greatest rotation angle about a random axis, rad.
        rotor_speed: greatest rotor speed, of 1.
        centred: share of episodes that start level and at rest in the origin.
    """

    position: float = 0.5
    velocity: float = 1.0
    angular_velocity: float = 1.0
    tilt: float = 1.0
    rotor_speed: float = 0.5
    centred: float = 0.1

    def __post_init__(self) -> None:
        distances = ("position", "velocity", "angular_velocity", "tilt")
        check_not_negative(self, "task.start", distances)
        check_shares(self, "task.start", ("rotor_speed", "centred"))


@dataclass
class RewardWeights:
    """Weights of the reward terms; the first five are RAPTOR's "Squared" reward.

    Attributes:
        alive: added in every step.
        position: per m of distance to the reference.
        yaw: per rad of 2 acos(1 - |q_z|).
        action_rate: per unit of |a_t - a_{t-1}|.
        termination: added when the episode is terminated.
        speeding: per m/s by which a speed along an axis exceeds its soft limit.
        soft_limit: that limit, as a share of ``limit_velocity``.
        saturation: per unit by which an action leaves [-1, 1].
        scale: multiplies the sum.
    """

    alive: float = 1.5
    position: float = 1.0
    yaw: float = 0.1
    action_rate: float = 1.0
    termination: float = 100.0
    speeding: float = 0.0
    soft_limit: float = 0.8
    saturation: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_finite(self, "task.reward")
        check_not_negative(self, "task.reward", ("soft_limit",))


@dataclass
class QuadrotorConfig:
    """The quadrotor task.

    Attributes:
        substeps: Runge-Kutta steps of 10 ms per control step; 1 gives 100 Hz, as in RAPTOR.
        episode_steps: time limit in control steps.
        moving_reference: share of episodes whose reference moves (second-order Langevin path).
        success_distance: greatest mean distance to the reference over the last quarter, m.
        limit_arms: terminate beyond this many arm lengths per axis from the reference.
        limit_velocity: terminate beyond this speed per axis, m/s.
        limit_angular_velocity: terminate beyond this rate per axis, rad/s.
        drones: the distribution of drones.
        start: the distribution of starts.
        reward: the reward's weights.
    """

    substeps: int = 1
    episode_steps: int = 500
    moving_reference: float = 0.5
    success_distance: float = 0.2
    limit_arms: float = 20.0
    limit_velocity: float = 2.0
    limit_angular_velocity: float = 35.0
    drones: DroneRanges = field(default_factory=DroneRanges)
    start: StartRanges = field(default_factory=StartRanges)
    reward: RewardWeights = field(default_factory=RewardWeights)

    def __post_init__(self) -> None:
        for name, low in (("substeps", 1), ("episode_steps", 4)):
            if getattr(self, name) < low:
                raise RoboTSError(f"task.{name} >= {low}", str(getattr(self, name)), "raise it")
        limits = ("limit_arms", "limit_velocity", "limit_angular_velocity")
        check_positive(self, "task", ("success_distance", *limits))
        check_shares(self, "task", ("moving_reference",))
