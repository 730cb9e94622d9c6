"""The actor PPO trains: rsl_rl's MLP, optionally around a known base action."""

from __future__ import annotations

from typing import Any

import torch
from rsl_rl.models import MLPModel
from tensordict import TensorDict
from torch import Tensor


class ResidualMLPModel(MLPModel):
    """An MLP whose output is added to a part of its own (raw) input.

    A teacher that is told a good action (the hover throttle, say) need only learn what to add to
    it.

    Args:
        base_columns: ``[begin, end]`` of the base action in the concatenated observation; one
            column is added to every action, ``num_actions`` columns one to each.
    """

    def __init__(self, *args: Any, base_columns: list[int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.base_columns = slice(*base_columns)

    def forward(
        self,
        obs: TensorDict,
        masks: Tensor | None = None,
        hidden_state: Any = None,
        stochastic_output: bool = False,
    ) -> Tensor:
        raw = torch.cat([obs[group] for group in self.obs_groups], dim=-1)
        mean = self.mlp(self.obs_normalizer(raw)) + raw[..., self.base_columns]
        if self.distribution is None:
            return mean
        if stochastic_output:
            self.distribution.update(mean)
            return self.distribution.sample()
        return self.distribution.deterministic_output(mean)
