"""One round of learning: minibatches of sequences, chunked back-propagation, one optimiser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from robo_ts.distill.augment import augment
from robo_ts.distill.config import DistillConfig
from robo_ts.distill.dataset import LATENT, Rollout, SequenceDataset
from robo_ts.distill.heads import Heads
from robo_ts.distill.losses import LOSSES, masked_mean
from robo_ts.distributed import all_mean, average_gradients
from robo_ts.errors import RoboTSError
from robo_ts.optimizers import make_optimizer
from robo_ts.policies import Policy
from robo_ts.policies.memory import detached
from robo_ts.policies.policy import Output


class Updater:
    """Improves the student on a data set.

    Args:
        student: the policy.
        heads: what it learns besides.
        config: the distiller's settings.
        generator: draws minibatches, on the host.
        device_generator: draws image augmentations, on the student's device.
    """

    def __init__(
        self,
        student: Policy,
        heads: Heads,
        config: DistillConfig,
        generator: torch.Generator,
        device_generator: torch.Generator,
    ) -> None:
        self.student, self.heads, self.config = student, heads, config
        self.generator, self.device_generator = generator, device_generator
        self.parameters: list[nn.Parameter] = [*student.parameters(), *heads.parameters()]
        self.optimizer = make_optimizer(
            config.optimizer, self.parameters, config.learning_rate, config.betas
        )
        self._images = set(student.spec.images())

    def learning_rate(self, iteration: int) -> float:
        """The rate of a round: a cosine over all rounds."""
        config = self.config
        share = min(iteration / config.iterations, 1.0)
        low = config.final_learning_rate
        return low + 0.5 * (config.learning_rate - low) * (1.0 + math.cos(math.pi * share))

    def run(
        self, dataset: SequenceDataset, iteration: int, averaged: Policy | None
    ) -> dict[str, float]:
        """All epochs of one round. Returns its measurements.

        Raises:
            RoboTSError: when the loss is not finite or no label may be learnt from.
        """
        rate = self.learning_rate(iteration)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums: dict[str, Tensor] = {}
        count = 0
        self.student.train()
        for _ in range(self.config.epochs):
            for batch in dataset.minibatches(self.config.minibatches, self.generator):
                for losses in self._chunks(batch, iteration):
                    losses["grad_norm"] = self._descend(losses["total"])
                    for name, value in losses.items():
                        sums[name] = sums.get(name, 0.0) + value.detach()
                    count += 1
                    if averaged is not None:
                        _approach(averaged, self.student, 1.0 - self.config.ema)
        self.student.eval()
        means = {name: all_mean(float(value) / count) for name, value in sums.items()}
        if not math.isfinite(means["total"]):
            raise RoboTSError(
                "a finite imitation loss",
                f"{means['total']} in round {iteration}",
                "lower distill.learning_rate or look at the teacher's labels",
            )
        measured = {"loss": means.pop("imitation"), "grad_norm": means.pop("grad_norm")}
        total = means.pop("total")
        if means:
            measured |= {"loss_total": total} | {f"loss_{k}": v for k, v in means.items()}
        return measured | {"learning_rate": rate}

    def _descend(self, loss: Tensor) -> Tensor:
        for parameter in self.parameters:  # the optimiser's zero_grad, without its bookkeeping
            parameter.grad = None
        loss.backward()
        average_gradients(self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        self.optimizer.step()
        return norm

    def _chunks(self, batch: Rollout, iteration: int) -> Iterator[dict[str, Tensor]]:
        """The losses of each chunk in turn; gradients stop where a chunk begins, memory does
        not."""
        config, hidden = self.config, batch.hidden
        device = batch.starts.device.type
        fresh = batch.fresh
        for begin in range(0, config.steps_per_iteration, config.bptt_length):
            fields = batch.steps(slice(begin, begin + config.bptt_length))
            obs = {k[4:]: v for k, v in fields.items() if k.startswith("obs.")}
            for name in self._images:
                obs[name] = augment(obs[name], config.augment, self.device_generator)
            with torch.autocast(device, torch.bfloat16, enabled=config.bf16):
                output, hidden = self.student.run(obs, hidden, fields["starts"])
            hidden = tuple(
                part.to(kept.dtype)
                for part, kept in zip(detached(hidden), batch.hidden, strict=True)
            )
            weight = fields["valid"].float() * batch.weight
            if begin == 0 and config.burn_in:
                weight[: config.burn_in] *= fresh
            yield self._losses(_full(output), fields, weight, iteration)

    def _losses(
        self, output: Output, fields: dict[str, Tensor], weight: Tensor, iteration: int
    ) -> dict[str, Tensor]:
        config, heads = self.config, self.heads
        label, std = fields["label"], fields.get("std")

        def term(name: str) -> Tensor:
            return masked_mean(LOSSES[name].function(output, label, std), weight)

        imitation = term(config.loss)
        found = {"imitation": imitation}
        total = config.loss_weight.at(iteration) * imitation
        for name, schedule in config.extra_losses.items():
            found[name] = term(name)
            total = total + schedule.at(iteration) * found[name]
        everywhere = torch.ones_like(weight)
        if heads.names:
            found["auxiliary"] = masked_mean(
                heads.auxiliary_loss(output.latent, fields), everywhere
            )
            total = total + config.auxiliary_weight.at(iteration) * found["auxiliary"]
        if heads.latent is not None:
            found["latent"] = masked_mean(heads.latent_loss(output.latent, fields[LATENT]), weight)
            total = total + config.latent_weight.at(iteration) * found["latent"]
        if heads.failure is not None:
            loss = heads.failure_loss(output.latent, fields["outcome"])
            found["failure"] = masked_mean(loss, (fields["outcome"] != 0).float())
            total = total + found["failure"]
        own = getattr(self.student, "extra_losses", None)
        for name, extra in own(output, fields).items() if own is not None else ():
            found[name] = masked_mean(extra.value, everywhere if extra.everywhere else weight)
            total = total + extra.weight * found[name]
        return {"total": total, **found}

    def state_dict(self) -> dict[str, Any]:
        """For bit-exact resume."""
        return {"optimizer": self.optimizer.state_dict(), "heads": self.heads.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.heads.load_state_dict(state["heads"])


def _full(output: Output) -> Output:
    """In float32, in which losses are computed."""
    std = None if output.std is None else output.std.float()
    return Output(output.action.float(), std, output.latent.float())


@torch.no_grad()
def _approach(averaged: Policy, student: Policy, share: float) -> None:
    """Move the averaged student's weights towards the student's; copy its statistics."""
    for mine, theirs in zip(averaged.parameters(), student.parameters(), strict=True):
        mine.lerp_(theirs, share)
    for mine, theirs in zip(averaged.buffers(), student.buffers(), strict=True):
        mine.copy_(theirs)
