"""K teachers by analytic policy gradient at once, each as if it trained alone.

RAPTOR (Eschmann, Albani, Loianno 2025) distils 1000 teachers, one per drone. Here a population is
one batched network: every member flies worlds of its own robot, has its own weights, input
statistics and moments of Adam, its own gradient norm to be clipped, and its own check that the
gradient is finite. Nothing of one reaches another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from robo_ts.env.differentiable import DifferentiableEnv
from robo_ts.env.observations import ObservationSpec
from robo_ts.env.pool import POOL
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig, PopulationPolicy
from robo_ts.policies.feature_first import check_grouped
from robo_ts.seeds import derive
from robo_ts.teach.apg import AnalyticPolicyGradient, APGConfig
from robo_ts.teach.windows import Flown


def new_population(
    network: PolicyConfig,
    spec: ObservationSpec,
    num_actions: int,
    robots: Sequence[int],
    seed: int,
) -> PopulationPolicy:
    """Untrained members; each one's first weights depend on the seed and its robot's number alone.

    Args:
        network: the architecture of each.
        spec: the groups each reads.
        num_actions: length of the action vector.
        robots: the members' robots, by number in the pool.
        seed: of the weights; torch's global generator stays as it is.
    """
    own = spec.select([name for name in spec if name != POOL])
    made = []
    with torch.random.fork_rng(devices=[]):
        for robot in robots:
            torch.manual_seed(derive(seed, "member", robot))
            made.append(Policy(network, own, num_actions))
        return PopulationPolicy.of(made)


class PopulationGradient(AnalyticPolicyGradient):
    """Improves the members of a population independently of each other.

    Several processes train members of their own each; nothing is averaged over them.

    Args:
        env: the worlds of the members' robots, grouped; they go on from window to window.
        policy: improved in place.
        config: the settings; ``num_envs`` counts the worlds of the whole pool.
        robots: the members' robots, by number in the pool; all of it when left out.

    Attributes:
        costs: each member's cost in the last window, ``(K,)``.

    Raises:
        RoboTSError: when the worlds are not the members', or the optimizer mixes members.
    """

    together: ClassVar[bool] = False

    def __init__(
        self,
        env: DifferentiableEnv,
        policy: PopulationPolicy,
        config: APGConfig,
        robots: Sequence[int] | None = None,
    ) -> None:
        check_grouped(policy, env.observation(env.worlds), robots)
        if config.optimizer != "adam":  # others would let members decide each other's updates
            raise RoboTSError(
                "apg.optimizer=adam for a population", config.optimizer, "leave it at adam"
            )
        super().__init__(env, policy, config)
        self.members = policy.members
        self.costs = torch.zeros(policy.members, device=env.device)
        self._stuck = torch.zeros(policy.members, dtype=torch.bool, device=env.device)

    def _mean(self, cost: Tensor) -> Tensor:
        return cost.view(self.members, -1).mean(dim=1)

    def _averaged(self) -> int:
        return self.env.num_envs // self.members

    def learn_one(self) -> dict[str, float]:
        """One window and one update of every member.

        A member whose gradient is not finite stays as it is; ``stuck`` counts these, and the other
        numbers are those of the others.
        """
        measured = super().learn_one()
        sound = self.costs[~self._stuck]
        return measured | {
            "worst_cost": float(sound.max()) if len(sound) else float("nan"),
            "stuck": float(self._stuck.sum()),
        }

    def _fly(self, steps: int, looking: bool) -> Flown:
        flown = super()._fly(steps, looking)
        self.costs = flown.cost.detach()
        return flown._replace(cost=self.costs[~self._stuck].mean())

    def _descend(self, cost: Tensor) -> float:
        """One update by the members' costs ``(K,)``; the greatest norm of a gradient."""
        self.optimizer.zero_grad(set_to_none=True)
        cost.sum().backward()
        weights = [p for p in self._policy.parameters() if p.grad is not None]
        norms = torch.stack([_norm(p.grad) for p in weights]).square().sum(dim=0).sqrt()
        sound = torch.isfinite(norms)
        scale = (self.config.max_grad_norm / (norms + 1e-6)).clamp_max(1.0)
        for p in weights:
            assert p.grad is not None
            p.grad = torch.where(_wide(sound, p), p.grad * _wide(scale, p), 0.0)
        self._stuck = ~sound
        stuck = torch.nonzero(self._stuck).flatten()
        before = self._part(stuck)
        self.optimizer.step()
        self._restore(stuck, before)
        return float(norms[sound].max()) if bool(sound.any()) else float("nan")

    def _part(self, members: Tensor) -> list[tuple[Tensor, Tensor]]:
        """What an update may change of some members: tensors, and their rows as they are."""
        if not len(members):
            return []
        found = []
        for p in self._policy.parameters():
            if not self.optimizer.state[p]:  # as Adam itself would begin
                zero = torch.zeros((), dtype=torch.float32, device=p.device)
                moments = {n: torch.zeros_like(p) for n in _MOMENTS}
                self.optimizer.state[p] = {"step": zero, **moments}
            found.append((p, p.detach()[members].clone()))
            for name in _MOMENTS:
                moment = self.optimizer.state[p][name]
                found.append((moment, moment[members].clone()))
        return found

    @torch.no_grad()
    def _restore(self, members: Tensor, before: list[tuple[Tensor, Tensor]]) -> None:
        for tensor, rows in before:
            tensor[members] = rows

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"costs": self.costs.cpu()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.costs = state["costs"].to(self.env.device)


_MOMENTS = ("exp_avg", "exp_avg_sq")


def _norm(gradient: Tensor | None) -> Tensor:
    """Norm of each member's part, ``(K,)``."""
    assert gradient is not None
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.ndim - 1))
