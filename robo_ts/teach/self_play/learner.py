"""PPO whose opponents are drawn from its own past."""

from __future__ import annotations

import copy
from typing import Any, cast

import torch

from robo_ts.env.base import TaskEnv
from robo_ts.env.players import HasSeats
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy
from robo_ts.seeds import derive
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.curriculum import VariantCurriculum
from robo_ts.teach.ppo import PPOTeacher
from robo_ts.teach.self_play.config import SelfPlayConfig
from robo_ts.teach.self_play.pool import SnapshotPool


class SelfPlay:
    """A PPO teacher, a pool of its snapshots, and the seats these take.

    Only who its opponent is, which the task may tell the critic, sets it apart from learning alone;
    the actor never knows.

    Args:
        env: the worlds, with seats that others take (:class:`robo_ts.env.players.HasSeats`).
        obs_groups: the groups of the sets ``actor`` and ``critic``.
        config: PPO's settings.
        self_play: settings of the pool.
        seed: seed of everything the learner draws.

    Raises:
        RoboTSError: for an environment without seats, or others it does not know.
    """

    def __init__(
        self,
        env: TaskEnv,
        obs_groups: dict[str, list[str]],
        config: PPOConfig,
        self_play: SelfPlayConfig,
        seed: int = 0,
    ) -> None:
        if not hasattr(env, "seat"):
            raise RoboTSError(
                "a task in which others can play, with a method seat(players, weights)",
                type(env).__name__,
                "use method=ppo",
            )
        self.env, self.config = env, self_play
        self.ppo = PPOTeacher(env, obs_groups, config, seed)
        self.pool = SnapshotPool(self_play, self._untrained(seed))
        self._others = [cast(HasSeats, env).player(name) for name in self_play.others]
        self._seat()

    @property
    def curriculum(self) -> VariantCurriculum | None:
        """That of the worlds' variants, if they have any."""
        return self.ppo.curriculum

    @property
    def iteration(self) -> int:
        """Rounds learnt so far."""
        return self.ppo.iteration

    @property
    def samples(self) -> int:
        """Control steps gathered so far, over all rows."""
        return self.ppo.samples

    def learn_one(self) -> dict[str, float]:
        """One round, before which a snapshot may be taken."""
        if self.iteration and self.iteration % self.config.snapshot_every == 0:
            self.pool.add(self.iteration, self.ppo.policy())
            self._seat()
        numbers = self.ppo.learn_one()
        return numbers | {"opponents": float(self._playing)}

    def policy(self) -> Policy:
        """The current teacher."""
        return self.ppo.policy()

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the future of the training; a copy."""
        return {"pool": copy.deepcopy(self.pool.state_dict()), "ppo": self.ppo.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; what follows equals a run that never stopped."""
        self.pool.load_state_dict(state["pool"])
        self._seat()  # first, because the worlds say by number who plays in them
        self.ppo.load_state_dict(state["ppo"])

    def _seat(self) -> None:
        selves, others, share = self.pool.players(), self._others, self.config.others_share
        weights = [share / len(others) for _ in others]
        weights += [(1.0 - share * bool(others)) / len(selves) for _ in selves]
        # The others first: the critic knows opponents by their places, and these never move.
        players = [*others, *selves]
        self._playing = len(players)
        cast(HasSeats, self.env).seat(players, weights)

    def _untrained(self, seed: int) -> Policy:
        """The actor as it was before it was given anything to start from."""
        policy = self.ppo.policy()
        with torch.random.fork_rng():
            torch.manual_seed(derive(seed, "untrained"))
            for module in policy.modules():
                if isinstance(module, torch.nn.Linear):
                    module.reset_parameters()
        for name, value in (("mean", 0.0), ("scale", 1.0), ("variance", 1.0)):
            getattr(policy.normalizer, name).fill_(value)
        return policy
