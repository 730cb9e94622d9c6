"""A student that foretells a frozen teacher's inputs, and adapters that mend what it gets wrong.

After DriveAdapter (Jia et al., ICCV 2023, arXiv 2308.00398): the teacher's knowledge of acting is
kept as it is; the student learns to perceive. Fed with predicted inputs alone a frozen teacher
does poorly, for it has never seen inputs with such errors, so after each of its layers a small
residual network, which also sees the student's own features, brings the layer back to what the
teacher would have had there.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from robo_ts.checks import check_finite
from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.policies.config import PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.policy import Output, Policy

KIND = "adapter"


@dataclass
class AdapterConfig:
    """What stands between the student's perception and its action.

    Attributes:
        adapters: whether adapters stand after the teacher's layers; if not, the teacher just runs
            on the predicted inputs.
        width: of each adapter's hidden layer.
        alignment: weight of the distance to the teacher's own features, layer by layer.
        regression: weight of the error of the predicted inputs, in the teacher's normalised units.
    """

    adapters: bool = True
    width: int = 128
    alignment: float = 1.0
    regression: float = 1.0

    def __post_init__(self) -> None:
        check_finite(self, "adapter")
        if self.width < 1:
            raise RoboTSError("adapter.width >= 1", str(self.width), "raise it")
        for name in ("alignment", "regression"):
            if not getattr(self, name) >= 0.0:
                raise RoboTSError(f"adapter.{name} >= 0", str(getattr(self, name)), "0 is off")


class ExtraLoss(NamedTuple):
    """A loss of the student's own, beside the imitation of actions.

    Attributes:
        value: per step, ``(...)``.
        weight: in the sum of all losses.
        everywhere: whether it also counts where the teacher's label may not be learnt from.
    """

    value: Tensor
    weight: float
    everywhere: bool


class AdapterPolicy(Policy):
    """Encoder, images and memory as in :class:`Policy`, then the frozen teacher with adapters.

    Groups that teacher and student both read go to the teacher as they are; the others are
    predicted, in the units of the teacher's normaliser. It acts from the groups of ``spec`` only.

    The teacher is copied, and its weights are buffers of this policy: no optimiser finds them.

    Args:
        config: the perception; without a base term.
        spec: the groups the student reads, in order.
        teacher: a policy of vectors without memory.
        adapter: adapters and the weights of their losses.

    Raises:
        RoboTSError: for a teacher that cannot be adapted, or has nothing to be predicted.
    """

    def __init__(
        self,
        config: PolicyConfig,
        spec: ObservationSpec,
        teacher: Policy,
        adapter: AdapterConfig | None = None,
    ) -> None:
        super().__init__(config, spec, teacher.num_actions)
        self.adapter = adapter or AdapterConfig()
        _check(config, spec, teacher)
        self.teacher = _frozen(teacher)
        self._pieces = list(_pieces(spec, teacher.spec))
        #: Privileged groups the losses need; the distiller stores them as ``aux.<group>``.
        self.wants = [name for name in teacher.spec if name not in spec]
        width = self.head.in_features
        self.head = nn.Linear(width, sum(teacher.spec[name].size for name in self.wants))
        sizes = [linear.out_features for linear, _ in _layers(self.teacher)]
        sizes += [self.num_actions] if self.adapter.adapters else []
        self.adapters = nn.ModuleList(
            [_adapter(size, width, self.adapter.width) for size in sizes]
            if self.adapter.adapters
            else []
        )

    def architecture(self) -> dict[str, Any]:
        """All that is needed to build it again, as plain data; see :func:`rebuild`."""
        return {
            "kind": KIND,
            **self.config.architecture(),
            "adapter": asdict(self.adapter),
            "teacher": {
                "architecture": self.teacher.config.architecture(),
                "observation": self.teacher.spec.to_json(),
            },
        }

    def predicted(self, latent: Tensor, x: Tensor) -> Tensor:
        """What it takes the teacher's inputs to be, raw: ``(..., teacher.spec.size())``.

        Args:
            latent: ``Output.latent`` ``(..., latent_size)``.
            x: its own inputs ``(..., size)``, as :meth:`inputs` gives them.
        """
        return self._teacher_input(self.head(self.decoder(latent)), x)

    def extra_losses(self, output: Output, fields: Mapping[str, Tensor]) -> dict[str, ExtraLoss]:
        """The losses on predicted inputs and on features, against the true privileged state.

        Args:
            output: what :meth:`run` gave for these steps.
            fields: ``obs.<group>`` for the student's groups, ``aux.<group>`` for :attr:`wants`.
        """
        x = self.inputs({k[4:]: v for k, v in fields.items() if k.startswith("obs.")})
        # Features are computed once more, from the latent, so that acting keeps no state.
        y = self.decoder(output.latent)
        foretold = self.head(y)
        with torch.no_grad():
            parts = [
                x[..., source] if shared else fields[f"aux.{name}"]
                for name, shared, source, _ in self._pieces
            ]
            truth = self.teacher.normalizer(torch.cat(parts, dim=-1))
            wanted = [truth[..., place] for _, shared, _, place in self._pieces if not shared]
        found: dict[str, ExtraLoss] = {}
        if self.adapter.regression:
            error = (foretold - torch.cat(wanted, dim=-1)).square().mean(dim=-1)
            found["regression"] = ExtraLoss(error, self.adapter.regression, True)
        if self.adapter.alignment and _layers(self.teacher):
            features = self._features(self._teacher_input(foretold, x), y)
            gaps, h = [], truth
            for mine, (linear, activation) in zip(features, _layers(self.teacher), strict=True):
                h = activation(linear(h))
                gaps.append(functional.smooth_l1_loss(mine, h, reduction="none").mean(dim=-1))
            gap = torch.stack(gaps).mean(dim=0)
            found["alignment"] = ExtraLoss(gap, self.adapter.alignment, False)
        return found

    def _output(self, latent: Tensor, x: Tensor) -> Output:
        y = self.decoder(latent)
        raw = self._teacher_input(self.head(y), x)
        features = self._features(raw, y)
        last = features[-1] if features else self.teacher.normalizer(raw)
        action = self._adapted(len(features), self.teacher.head(last), y)
        if self.teacher.base is not None:
            action = action + raw[..., self.teacher.base]
        return Output(action, self._std(y, action), latent)

    def _features(self, raw: Tensor, y: Tensor) -> list[Tensor]:
        """The teacher's layers one after the other, each adapted.

        Args:
            raw: the teacher's inputs, in part predicted.
            y: the student's features.
        """
        h, features = self.teacher.normalizer(raw), []
        for index, (linear, activation) in enumerate(_layers(self.teacher)):
            h = self._adapted(index, activation(linear(h)), y)
            features.append(h)
        return features

    def _adapted(self, index: int, h: Tensor, y: Tensor) -> Tensor:
        if not len(self.adapters):
            return h
        return h + self.adapters[index](torch.cat([h, y], dim=-1))

    def _teacher_input(self, foretold: Tensor, x: Tensor) -> Tensor:
        norm = self.teacher.normalizer
        parts = []
        for _, shared, source, place in self._pieces:
            if shared:
                parts.append(x[..., source])
            elif isinstance(norm, Normalizer):
                parts.append(norm.mean[place] + norm.scale[place] * foretold[..., source])
            else:
                parts.append(foretold[..., source])
        return torch.cat(parts, dim=-1)


def rebuild(
    architecture: Mapping[str, Any], spec: ObservationSpec, num_actions: int
) -> AdapterPolicy:
    """A policy from :meth:`AdapterPolicy.architecture`; its weights have to be loaded yet."""
    words = dict(architecture)
    adapter, card = AdapterConfig(**words.pop("adapter")), words.pop("teacher")
    words.pop("kind")
    seen = ObservationSpec.from_json(card["observation"])
    teacher = Policy(PolicyConfig(**card["architecture"]), seen, num_actions)
    return AdapterPolicy(PolicyConfig(**words), spec, teacher, adapter)


def _check(config: PolicyConfig, spec: ObservationSpec, teacher: Policy) -> None:
    if config.base_term:
        raise RoboTSError(
            "an adapter student without a base term",
            repr(config.base_term),
            "leave student.base_term empty; a base term of the teacher's is kept",
        )
    if type(teacher) is not Policy or teacher.memory is not None or teacher.spec.images():
        raise RoboTSError(
            "a teacher to adapt that is a plain policy of vectors without memory",
            f"a {type(teacher).__name__} with memory {teacher.config.memory!r} and images "
            f"{teacher.spec.images()}",
            "train such a teacher, or distil with a plain student",
        )
    for name in teacher.spec:
        if name in spec and spec[name] != teacher.spec[name]:
            raise RoboTSError(
                f"group {name!r} as the teacher reads it: {teacher.spec[name].terms}",
                f"{spec[name].terms}",
                "train the teacher on this version of the task",
            )
    if all(name in spec for name in teacher.spec):
        raise RoboTSError(
            "a teacher that reads more than the student",
            f"{list(teacher.spec)}, all of which the student reads",
            "there is nothing to predict: use the teacher itself",
        )


def _frozen(teacher: Policy) -> Policy:
    """A copy whose weights are buffers, so that nothing can train them by mistake."""
    teacher = copy.deepcopy(teacher)
    for module in teacher.modules():
        for name, weight in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, weight.detach().clone())
    return teacher


def _pieces(
    mine: ObservationSpec, theirs: ObservationSpec
) -> Iterator[tuple[str, bool, slice, slice]]:
    """Of each teacher group: its name, whether the student reads it too, its columns in the
    student's inputs (or else in the prediction), and its columns in the teacher's inputs."""
    columns, begin = {}, 0
    for name in mine.vectors():
        columns[name] = slice(begin, begin + mine[name].size)
        begin += mine[name].size
    foretold = place = 0
    for name, group in theirs.items():
        source = columns.get(name, slice(foretold, foretold + group.size))
        foretold += 0 if name in columns else group.size
        yield name, name in columns, source, slice(place, place + group.size)
        place += group.size


def _layers(policy: Policy) -> list[tuple[nn.Linear, nn.Module]]:
    """The dense layers before the head, each with its activation."""
    modules = [*policy.encoder, *policy.decoder]
    return list(zip(modules[::2], modules[1::2], strict=True))  # type: ignore[arg-type]


def _adapter(size: int, features: int, width: int) -> nn.Sequential:
    last = nn.Linear(width, size)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(size + features, width), nn.ReLU(), last)
