"""Settings of the soccer task."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import (
    check_at_least_one,
    check_finite,
    check_not_negative,
    check_one_of,
    check_positive,
    check_shares,
)
from robo_ts.envs.soccer.eyes.config import EyesConfig
from robo_ts.envs.soccer.walkers import WALKERS
from robo_ts.errors import RoboTSError

# Decide the lengths of the observation groups, so they are not settings: one teammate and two
# opponents have places in every view, and may be absent. So one network plays 1v0 to 2v2.
MAX_TEAM = 2
# Opponents the critic can tell apart.
OPPONENT_IDS = 16
AIMS = ("score", "get_up", "walk")


@dataclass
class StartConfig:
    """Where episodes begin: shares of three kinds.

    Attributes:
        kickoff: ball in the middle, every player in its own half, looking at the ball.
        set_piece: ball anywhere in the attacked half; the first player of the home team near it,
            turned anyhow.
        anywhere: ball and players anywhere, turned anyhow.
        nearest: of the set piece's player to the ball, m.
        farthest: of the same, m.
        ball_x: greatest distance of the ball from the halfway line, m.
        ball_y: greatest distance of the ball from the pitch's long axis, m.
        lying: share of the players of the home team that begin on the floor, on their front or
            back.
        unseen: they lie as none does in training.
    """

    kickoff: float = 1.0
    set_piece: float = 0.0
    anywhere: float = 0.0
    nearest: float = 0.4
    farthest: float = 2.0
    ball_x: float = 2.0
    ball_y: float = 1.5
    lying: float = 0.0
    unseen: bool = False

    def __post_init__(self) -> None:
        check_not_negative(self, "task.start", ("kickoff", "set_piece", "anywhere"))
        check_shares(self, "task.start", ("lying",))
        if self.kickoff + self.set_piece + self.anywhere <= 0.0:
            raise RoboTSError(
                "a share above 0 for one of task.start.kickoff, set_piece and anywhere",
                "none",
                "raise one",
            )
        if not 0.3 <= self.nearest <= self.farthest:
            raise RoboTSError(
                "0.3 <= task.start.nearest <= farthest",
                f"{self.nearest} and {self.farthest}",
                "leave room between player and ball",
            )
        if not (0.0 <= self.ball_x <= 2.2 and 0.0 <= self.ball_y <= 1.7):
            raise RoboTSError(
                "task.start.ball_x in [0, 2.2] and ball_y in [0, 1.7]",
                f"{self.ball_x} and {self.ball_y}",
                "keep the ball off the ramps",
            )


@dataclass
class RewardConfig:
    """Weights; every one is what an event, a metre or a second is worth.

    Attributes:
        scored: for a goal of the own team.
        conceded: lost for a goal of the other team, own goals included.
        approach: per m by which the player nearest to the ball in its team walks towards the place
            behind the ball, from where it can be kicked at the goal.
        advance: per m by which the ball comes nearer to the attacked goal.
        facing: per s and cosine of the angle between line of sight and ball, seen from above.
        out_of_play: lost by everyone when the ball leaves the pitch.
        fallen: lost per s by a player that lies on the floor, which earns nothing else meanwhile.
    """

    scored: float = 5.0
    conceded: float = 5.0
    approach: float = 0.5
    advance: float = 1.5
    facing: float = 0.1
    out_of_play: float = 0.2
    fallen: float = 5.0

    def __post_init__(self) -> None:
        check_finite(self, "task.reward")


@dataclass
class LegsRewardConfig:
    """Weights of what walkers with legs are paid beside the game; all per s.

    After table S3 of Haarnoja et al. 2023 (arXiv 2304.13653), whose weights are per step of 25 ms.

    Attributes:
        rising: for how upright the torso and how high the shoulders are, each as a share of
            standing; their product.
        pose: for the product of the two shares above and that of the joints' closeness to standing.
        forward: per m/s forward, up to ``pace``.
        pace: faster than this is not paid for, m/s.
        upright: where the tilt is below 0.2 rad; nothing above 0.4 rad.
        sideways: lost per m/s to the side and per rad/s of turning.
        effort: lost per N m of the knees' torque above 5 N m's half, the mean of both.
        jerk: lost for the mean square of the change of the actions in a step.
    """

    rising: float = 0.0
    pose: float = 0.0
    forward: float = 0.0
    pace: float = 0.6
    upright: float = 0.0
    sideways: float = 0.0
    effort: float = 0.0
    jerk: float = 0.0

    def __post_init__(self) -> None:
        check_finite(self, "task.legs")


@dataclass
class PerceptionConfig:
    """Virtual perception: what a camera and a detector would tell, without pictures.

    Attributes:
        sight: things farther than this are not detected, m.
        dropout: share of the things in the picture that the detector misses, each step anew.
        noise: standard deviation of a detected position, m.
        noise_per_m: added to it per m of distance.
        delay: control steps between a picture and what is made of it.
    """

    sight: float = 6.0
    dropout: float = 0.05
    noise: float = 0.01
    noise_per_m: float = 0.03
    delay: int = 1

    def __post_init__(self) -> None:
        check_positive(self, "task.perception", ("sight",))
        check_not_negative(self, "task.perception", ("noise", "noise_per_m", "delay"))
        check_shares(self, "task.perception", ("dropout",))


@dataclass
class SoccerConfig:
    """The soccer task.

    Attributes:
        aim: what success is: ``score`` (the game), ``get_up`` (standing within 1.5 s, and to the
            end) or ``walk`` (forward at 0.5 m/s). The latter two are drills of walkers with legs.
        walker: what the players are: a name of ``walkers/``.
        team_size: players per team, 1 or 2. Those of the home team learn.
        opponents: who the away team is, drawn at every kick-off: ``chaser``, ``goalkeeper``,
            ``random``, ``still``, or the folder of a policy bundle. Empty: there is no away team.
        episode_s: time limit, s.
        end_on_goal: whether a goal ends the episode; if not, a kick-off follows.
        end_on_fall: whether the fall of a home player ends it; only walkers with legs fall.
        start: how episodes begin.
        reward: its weights.
        perception: what the group ``perception`` lacks.
        eyes: what head cameras see.
        neck: whether players can turn their heads; without, they look straight ahead.
        legs: what walkers with legs are paid beside the game.
    """

    aim: str = "score"
    walker: str = "box"
    team_size: int = 1
    opponents: list[str] = field(default_factory=lambda: ["chaser"])
    episode_s: float = 50.0
    end_on_goal: bool = True
    end_on_fall: bool = True
    start: StartConfig = field(default_factory=StartConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    perception: PerceptionConfig = field(default_factory=PerceptionConfig)
    eyes: EyesConfig = field(default_factory=EyesConfig)
    neck: bool = True
    legs: LegsRewardConfig = field(default_factory=LegsRewardConfig)

    def __post_init__(self) -> None:
        check_one_of("task.walker", self.walker, tuple(WALKERS))
        check_one_of("task.aim", self.aim, AIMS)
        check_at_least_one(self, "task", ("team_size",))
        check_positive(self, "task", ("episode_s",))
        if self.team_size > MAX_TEAM:
            raise RoboTSError(
                f"task.team_size of at most {MAX_TEAM}", str(self.team_size), "lower it"
            )
        if len(self.opponents) > OPPONENT_IDS:
            raise RoboTSError(
                f"at most {OPPONENT_IDS} task.opponents, which is as many as the critic can name",
                str(len(self.opponents)),
                "leave some out",
            )
        self._check_legs()

    def _check_legs(self) -> None:
        has_legs = WALKERS[self.walker].on_the_ground
        if not has_legs and (self.aim != "score" or self.start.lying):
            raise RoboTSError(
                "a walker with legs for task.aim other than score and for task.start.lying",
                self.walker,
                "set task.walker=op3",
            )
        if self.aim != "score" and self.opponents:
            raise RoboTSError(
                f"task.opponents=[] for the drill task.aim={self.aim}",
                str(list(self.opponents)),
                "leave them out",
            )

    @property
    def away_size(self) -> int:
        """Players of the away team."""
        return self.team_size if self.opponents else 0
