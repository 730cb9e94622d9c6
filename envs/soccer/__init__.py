"""Play soccer, alone or in teams, with a box or a humanoid."""

from robo_ts.env.registry import TaskSpec
from robo_ts.envs.soccer.config import SoccerConfig
from robo_ts.envs.soccer.task import Soccer
from robo_ts.envs.soccer.trials import trials
from robo_ts.envs.soccer.view import view

TASK = TaskSpec(
    name="soccer",
    description="score, alone or against a team, seeing what a head camera sees",
    config=SoccerConfig,
    build=Soccer,
    obs_groups={
        "actor": ["privileged"],
        "critic": ["privileged", "opponent"],
        "teacher": ["privileged"],
        "student": ["proprioception", "perception"],
    },
    outcomes=("own_goal", "ball_found"),
    cameras={"eyes": {"enabled": True}},
    # One teammate and two opponents have places in every view; with fewer, some stay empty.
    resting_terms=("*.*teammate_*", "*.*opponent_*"),
    trials=trials,
    view=view,
)

__all__ = ["TASK", "Soccer", "SoccerConfig"]
