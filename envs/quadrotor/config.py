"""Settings of the quadrotor task; the defaults are RAPTOR's published distribution."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import (
    check_finite,
    check_not_negative,
    check_positive,
    check_range,
    check_shares,
)
from robo_ts.errors import RoboTSError
from robo_ts.sim import Range

# Shares of the Crazyflie's full thrust: at rest, and what grows linearly with rotor speed.
_GREATEST = 0.003525 + 0.014373 + 0.09223
IDLE, LINEAR = 0.003525 / _GREATEST, 0.014373 / _GREATEST
# There is room for so much latency of readings and of actions, s.
LONGEST_DELAY = 0.02


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
        disturbance_torque: standard deviation of a constant torque per axis and episode, as a share
            of what one pair of rotors can give.
        linear_thrust: share of the full thrust that grows linearly with rotor speed; above 1 the
            curve is concave.
        idle_thrust: share of the full thrust that the curve gives at rest; below zero where rotors
            must turn before they lift.
        sag: share of thrust lost at full load.
        weak_share: share of drones whose torque to inertia is drawn from ``weak`` instead.
        weak: torque to inertia of those, rad/s^2.
        pool: draw so many drones once and fly only these, each episode with a disturbance of its
            own; the group ``pool`` then tells which. 0 draws a fresh drone for every episode.
        pool_seed: of the pool's drones; nothing else decides them but the ranges above.
    """

    thrust_to_weight: Range = field(default_factory=lambda: Range(1.5, 5.0))
    mass_root: Range = field(default_factory=lambda: Range(0.02 ** (1 / 3), 5.0 ** (1 / 3)))
    size_deviation: Range = field(default_factory=lambda: Range(-0.1, 0.1, "normal"))
    torque_to_inertia: Range = field(default_factory=lambda: Range(40.0, 1200.0))
    torque_constant: Range = field(default_factory=lambda: Range(0.005, 0.05))
    rise_time: Range = field(default_factory=lambda: Range(0.03, 0.10))
    fall_time: Range = field(default_factory=lambda: Range(0.03, 0.30))
    disturbance: float = 0.3
    disturbance_torque: float = 0.0
    linear_thrust: Range = field(default_factory=lambda: Range(LINEAR, LINEAR))
    idle_thrust: Range = field(default_factory=lambda: Range(IDLE, IDLE))
    sag: Range = field(default_factory=Range)
    weak_share: float = 0.0
    weak: Range = field(default_factory=lambda: Range(40.0, 400.0, "log_uniform"))
    pool: int = 0
    pool_seed: int = 0

    def __post_init__(self) -> None:
        group = "task.drones"
        check_not_negative(self, group, ("disturbance", "disturbance_torque", "pool"))
        check_shares(self, group, ("weak_share",))
        check_range(self, group, ("thrust_to_weight",), 1.0, above=True)
        positive = ("mass_root", "torque_to_inertia", "weak", "rise_time", "fall_time")
        check_range(self, group, positive, 0.0, above=True)
        check_range(self, group, ("torque_constant",), 0.0)
        check_range(self, group, ("idle_thrust",), -0.5, 0.5)
        check_range(self, group, ("sag",), 0.0, 0.9)


@dataclass
class AirRanges:
    """What the air does; nothing by default.

    Attributes:
        drag: deceleration per relative speed, 1/s.
        gust_speed: standard deviation of the wind along each axis, m/s. It pulls at a drone through
            ``drag`` alone.
        gust_time: over which it changes, s.
        kick: standard deviation of the speed a poke gives along each axis, m/s; one in two seconds.
    """

    drag: Range = field(default_factory=Range)
    gust_speed: Range = field(default_factory=Range)
    gust_time: Range = field(default_factory=lambda: Range(0.5, 2.0))
    kick: Range = field(default_factory=Range)

    def __post_init__(self) -> None:
        check_range(self, "task.air", ("drag", "gust_speed", "kick"), 0.0)
        check_range(self, "task.air", ("gust_time",), 0.0, above=True)


@dataclass
class SensorRanges:
    """How sensors and the link to the motors err; not at all by default.

    Attributes:
        noise: white noise, in units of 1 cm, 5 cm/s and 0.1 rad/s.
        bias: standard deviation of each episode's constant error, in the same units.
        observation_delay: s, at most 20 ms.
        action_delay: s, at most 20 ms.
        latency: s in all, at most 20 ms; a random share of it delays readings, the rest actions. It
            adds to the other two, and neither exceeds 20 ms.
    """

    noise: Range = field(default_factory=Range)
    bias: Range = field(default_factory=Range)
    observation_delay: Range = field(default_factory=Range)
    action_delay: Range = field(default_factory=Range)
    latency: Range = field(default_factory=Range)

    def __post_init__(self) -> None:
        check_range(self, "task.sensors", ("noise", "bias"), 0.0)
        delays = ("observation_delay", "action_delay", "latency")
        check_range(self, "task.sensors", delays, 0.0, LONGEST_DELAY, unit="s")


@dataclass
class References:
    """What is flown; shares of episodes, the rest holds a fixed point.

    Attributes:
        langevin: smooth random paths (RAPTOR's).
        eight: figures of eight.
        step: one jump of the reference.
        period: of a figure of eight, s.
        length: of a figure of eight, m; it is half as wide.
        agility: figures of eight that ask for more than this share of a drone's spare acceleration
            are slowed down; 0 leaves all as they are.
        tilt: whether figures of eight lie in any plane; else they are level, the long side along x.
        jump: greatest jump per axis, m.
    """

    langevin: float = 0.5
    eight: float = 0.0
    step: float = 0.0
    period: Range = field(default_factory=lambda: Range(5.5, 5.5))
    length: Range = field(default_factory=lambda: Range(2.0, 2.0))
    agility: float = 0.0
    tilt: bool = False
    jump: float = 1.0

    def __post_init__(self) -> None:
        shares = (self.langevin, self.eight, self.step)
        if min(shares) < 0.0 or sum(shares) > 1.0 + 1e-9:
            raise RoboTSError(
                "task.references with shares of at least 0 that sum to at most 1",
                f"langevin {shares[0]}, eight {shares[1]}, step {shares[2]}",
                "lower them",
            )
        check_range(self, "task.references", ("period", "length"), 0.0, above=True)
        check_not_negative(self, "task.references", ("agility", "jump"))


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
class CostConfig:
    """What gradients go down.

    Attributes:
        position: per m of distance to the reference.
        yaw: per sqrt(2 |q_z|), which is what RAPTOR's yaw cost is for small angles.
        action_rate: per unit of |a_t - a_{t-1}|.
        saturation: per unit by which an action leaves [-1, 1].
        speed: per m/s beyond ``soft_speed`` along an axis, relative to the reference.
        soft_speed: m/s.
        spin: per rad/s beyond ``soft_spin`` about an axis.
        soft_spin: rad/s.
        far: per length (the distance at which an episode is terminated) beyond ``soft_far``.
        soft_far: of one such length.
        last: per m of the distance at a window's end, looking ahead 0.4 s.
        lost_distance: a drone this far from its reference along an axis costs nothing more and
            begins anew with the next window, m.
        lost_speed: the same for its speed along an axis, m/s.
        lost_rate: the same for its rate about an axis, rad/s.
    """

    position: float = 1.0
    yaw: float = 0.2
    action_rate: float = 1.0
    saturation: float = 0.5
    speed: float = 10.0
    soft_speed: float = 1.7
    spin: float = 1.0
    soft_spin: float = 25.0
    far: float = 10.0
    soft_far: float = 0.8
    last: float = 0.3
    lost_distance: float = 6.0
    lost_speed: float = 6.0
    lost_rate: float = 60.0

    def __post_init__(self) -> None:
        check_finite(self, "task.cost")
        check_positive(self, "task.cost", ("lost_distance", "lost_speed", "lost_rate"))


@dataclass
class QuadrotorConfig:
    """The quadrotor task.

    Attributes:
        substeps: Runge-Kutta steps of 10 ms per control step; 1 gives 100 Hz, as in RAPTOR.
        episode_steps: time limit in control steps.
        success_distance: greatest mean distance to the reference over the last quarter, m.
        limit_arms: terminate beyond this many arm lengths per axis from the reference.
        limit_velocity: terminate beyond this speed per axis, m/s.
        limit_angular_velocity: terminate beyond this rate per axis, rad/s.
        limits_end: whether breaking a limit ends an episode; else it is marked (``within_limits``),
            ends the reward, and the drone flies on until it is lost: 20 m away or out of control.
        vehicle: a named vehicle or a .yaml file to fly instead of drawn drones; empty for none. Of
            ``drones`` only the two disturbances then count.
        drones: the distribution of drones.
        air: what the air does.
        sensors: how sensors and the link to the motors err.
        real_share: share of episodes in which air, sensors and sag are as above; in the others they
            are perfect.
        references: what is flown.
        start: the distribution of starts.
        reward: the reward's weights.
        cost: the weights of what analytic gradients go down.
    """

    substeps: int = 1
    episode_steps: int = 500
    success_distance: float = 0.2
    limit_arms: float = 20.0
    limit_velocity: float = 2.0
    limit_angular_velocity: float = 35.0
    limits_end: bool = True
    vehicle: str = ""
    drones: DroneRanges = field(default_factory=DroneRanges)
    air: AirRanges = field(default_factory=AirRanges)
    sensors: SensorRanges = field(default_factory=SensorRanges)
    real_share: float = 1.0
    references: References = field(default_factory=References)
    start: StartRanges = field(default_factory=StartRanges)
    reward: RewardWeights = field(default_factory=RewardWeights)
    cost: CostConfig = field(default_factory=CostConfig)

    def __post_init__(self) -> None:
        for name, low in (("substeps", 1), ("episode_steps", 4)):
            if getattr(self, name) < low:
                raise RoboTSError(f"task.{name} >= {low}", str(getattr(self, name)), "raise it")
        limits = ("limit_arms", "limit_velocity", "limit_angular_velocity")
        check_positive(self, "task", ("success_distance", *limits))
        check_shares(self, "task", ("real_share",))
        if self.vehicle and self.drones.pool:
            raise RoboTSError(
                "a vehicle or a pool of drones",
                f"task.vehicle={self.vehicle} and task.drones.pool={self.drones.pool}",
                "leave one of them out",
            )
