"""What the student learns beside its action: heads that only training knows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robo_ts.policies.normalizer import Normalizer


class Heads(nn.Module):
    """Linear heads on the student's latent; they are not part of the exported policy.

    Args:
        width: of the student's latent.
        auxiliary: size of every privileged term to regress, by name.
        teacher_latent: width of the teacher's latent to match; 0 for none.
        failure: whether to predict the failure of the episode.
    """

    def __init__(
        self, width: int, auxiliary: Mapping[str, int], teacher_latent: int, failure: bool
    ) -> None:
        super().__init__()
        # Module names may not contain dots; terms do.
        self.names = {name: name.replace(".", "__") for name in auxiliary}
        self.auxiliary = nn.ModuleDict(
            {self.names[name]: nn.Linear(width, size) for name, size in auxiliary.items()}
        )
        self.scales = nn.ModuleDict(
            {self.names[name]: Normalizer(size) for name, size in auxiliary.items()}
        )
        self.latent = nn.Linear(width, teacher_latent) if teacher_latent else None
        self.failure = nn.Linear(width, 1) if failure else None

    def observe(self, fields: Mapping[str, Tensor], anew: bool = False) -> None:
        """Gather the statistics by which targets are scaled, so that units do not matter; ``anew``
        forgets those gathered so far."""
        for name, module in self.names.items():
            scale = self.scales[module]
            assert isinstance(scale, Normalizer)
            if anew:
                scale.count.zero_()
            scale.update(fields[f"aux.{name}"])

    def auxiliary_loss(self, latent: Tensor, fields: Mapping[str, Tensor]) -> Tensor:
        """Squared error of the scaled terms per step, mean over terms: ``(...)``."""
        errors = []
        for name, module in self.names.items():
            target = self.scales[module](fields[f"aux.{name}"])
            errors.append((self.auxiliary[module](latent) - target).square().mean(dim=-1))
        return torch.stack(errors).mean(dim=0)

    def latent_loss(self, latent: Tensor, teacher: Tensor) -> Tensor:
        """Squared distance to the teacher's latent per step (RMA), ``(...)``."""
        assert self.latent is not None
        return (self.latent(latent) - teacher).square().mean(dim=-1)

    def failure_loss(self, latent: Tensor, outcome: Tensor) -> Tensor:
        """Cross-entropy of the predicted failure where the episode's end is known, else zero.

        The latent is taken as it is: foreseeing failure shall not change how the student acts.
        """
        assert self.failure is not None
        logit = self.failure(latent.detach()).squeeze(-1)
        failed = (outcome < 0).to(logit.dtype)
        loss = nn.functional.binary_cross_entropy_with_logits(logit, failed, reduction="none")
        return loss * (outcome != 0)

    def predicted_failure(self, latent: Tensor) -> Tensor | None:
        """Probability that the episode fails, ``(...)``; None without that head."""
        if self.failure is None:
            return None
        return torch.sigmoid(self.failure(latent)).squeeze(-1)
