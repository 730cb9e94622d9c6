"""The curriculum itself: success per variant on record, stages, and how often each is drawn."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from robo_ts.errors import RoboTSError
from robo_ts.seeds import derive
from robo_ts.teach.curriculum.clusters import representatives
from robo_ts.teach.curriculum.config import CurriculumConfig


@runtime_checkable
class VariantEnv(Protocol):
    """A task whose worlds show one of many variants, such as objects to grasp.

    Its ``evaluate()`` gives the variant's number as ``variant``.
    """

    @property
    def num_variants(self) -> int:
        """How many there are."""
        ...

    @property
    def variant_features(self) -> Tensor:
        """What variants are compared by, ``(variants, d)``."""
        ...

    def set_variant_weights(self, weights: Tensor) -> None:
        """How likely each is to be drawn at a reset, ``(variants,)``."""
        ...


def has_variants(env: object) -> bool:
    """Whether ``env`` is a :class:`VariantEnv`; computes no features."""
    return hasattr(env, "set_variant_weights")


class VariantCurriculum:
    """Keeps every variant's success, and from few variants goes on to all.

    Args:
        env: whose variants; its weights are set here.
        config: settings.
        seed: of the order of variants.

    Raises:
        RoboTSError: when the task has no variants.
    """

    def __init__(self, env: Any, config: CurriculumConfig, seed: int) -> None:
        if not has_variants(env):
            raise RoboTSError(
                "a task with variants, for teacher.curriculum",
                f"{env.name}, which has none",
                "set teacher.curriculum.kind=none",
            )
        self.env, self.config = env, config
        count = env.num_variants
        self.sizes = self._sizes(count)
        self.order = self._order(count, derive(seed, "curriculum"))
        self.stage = self.rounds = 0
        self.episodes = torch.zeros(count, dtype=torch.long)
        self.stage_episodes = torch.zeros(count, dtype=torch.long)
        self.success = torch.zeros(count)
        self._weigh()

    def add(self, variant: Tensor, success: Tensor) -> None:
        """Episodes that ended: which variant, and whether it went well, ``(n,)`` each."""
        variant, success = variant.cpu(), success.cpu().float()
        count = torch.bincount(variant, minlength=len(self.success))
        total = torch.zeros(len(self.success)).index_add_(0, variant, success)
        self.episodes += count
        self.stage_episodes += count
        # A plain mean at first, then one that forgets.
        old = (self.episodes - count).clamp_max(self.config.memory).float()
        seen = count > 0
        new = (old * self.success + total) / (old + count).clamp_min(1)
        self.success = torch.where(seen, new, self.success)

    def update(self) -> dict[str, float]:
        """After a round: perhaps the next stage; new weights. Returns its measurements."""
        self.rounds += 1
        config, active = self.config, self.active()
        known = self.stage_episodes[active]
        mean = float(self.success[active].mean())
        enough = float(known.float().mean()) >= config.episodes
        late = config.longest and self.rounds >= config.longest
        if self.stage + 1 < len(self.sizes) and ((enough and mean >= config.advance) or late):
            self.stage, self.rounds = self.stage + 1, 0
            self.stage_episodes.zero_()
        self._weigh()
        return {
            "variants": float(self.sizes[self.stage]),
            "variant_success": mean,
            "variants_mastered": float((self.success >= config.advance).sum()),
        }

    def active(self) -> Tensor:
        """The stage's variants."""
        return self.order[: self.sizes[self.stage]]

    def report(self) -> dict[str, list[Any]]:
        """Every variant's name, episodes and success, as plain data."""
        names = getattr(self.env, "variant_names", range(len(self.success)))
        return {
            "name": list(names),
            "episodes": self.episodes.tolist(),
            "success": self.success.tolist(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines what follows."""
        names = ("order", "episodes", "stage_episodes", "success")
        tensors = {name: getattr(self, name).clone() for name in names}
        return {**tensors, "stage": self.stage, "rounds": self.rounds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for name, value in state.items():
            setattr(self, name, value.clone() if isinstance(value, Tensor) else value)
        self._weigh()

    def _sizes(self, count: int) -> list[int]:
        if self.config.kind == "none":
            return [count]
        return [min(size or count, count) for size in self.config.stages]

    def _order(self, count: int, seed: int) -> Tensor:
        if self.config.kind == "geo":
            return representatives(self.env.variant_features, self.sizes, seed)
        if self.config.kind == "random":
            return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
        return torch.arange(count)

    def _weigh(self) -> None:
        weights = torch.zeros(len(self.success))
        active = self.active()
        weights[active] = 1.0 - self.config.focus * self.success[active]
        self.env.set_variant_weights(weights)
