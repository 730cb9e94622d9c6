"""The one policy class: normaliser -> encoder -> memory -> decoder -> action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.policies.config import PolicyConfig
from robo_ts.policies.images import ImageEncoder
from robo_ts.policies.memory import Hidden, Memory
from robo_ts.policies.normalizer import Normalizer
from robo_ts.policies.points import PointEncoder

_ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU, "tanh": nn.Tanh, "silu": nn.SiLU}
# Natural logarithm of the least and the greatest standard deviation.
_LOG_STD = (-5.0, 2.0)


class Output(NamedTuple):
    """What the network gives for one step or a whole chunk; tensors share their leading dimensions.

    Attributes:
        action: the mean action, not clipped, ``(..., num_actions)``.
        std: its standard deviation; None for a deterministic policy.
        latent: what the last dense layers are fed with, ``(..., width)``.
    """

    action: Tensor
    std: Tensor | None
    latent: Tensor


class Policy(nn.Module):
    """A policy over named observation groups: vectors, images or both.

    It knows which groups it reads and in which order; it never touches the others, so what is not
    in its contract cannot leak into its actions. What acts is the mean; a standard deviation, where
    there is one, serves learning.

    Args:
        config: the architecture.
        spec: the groups it reads, in order.
        num_actions: length of the action vector.
    """

    _plain: Tensor | None  # columns of the vectors that are no point cloud; None where none is

    def __init__(self, config: PolicyConfig, spec: ObservationSpec, num_actions: int) -> None:
        super().__init__()
        self.config, self.spec, self.num_actions = config, spec, num_actions
        self._vectors = spec.select(spec.vectors())
        size = self._vectors.size()
        self.normalizer = Normalizer(size) if config.normalize and size else nn.Identity()
        self._clouds, plain = _columns(self._vectors)
        size = len(plain)
        self.register_buffer(
            "_plain", torch.tensor(plain) if self._clouds else None, persistent=False
        )
        self.encoder, size = _dense(size, config.encoder if size else [], config.activation)
        self.images = nn.ModuleDict(
            {
                name: ImageEncoder(
                    spec[name].image, config.channels, config.image_features, config.patch
                )
                for name in spec.images()
            }
        )
        self.points = nn.ModuleDict(
            {name: PointEncoder(config.channels, config.image_features) for name in self._clouds}
        )
        size += (len(self.images) + len(self.points)) * config.image_features
        self.memory = None
        if config.memory != "none":
            self.memory = Memory(
                config.memory,
                size,
                config.memory_size,
                config.memory_layers,
                config.learn_initial_state,
            )
            size = config.memory_size
        self.latent_size = size
        self.decoder, size = _dense(size, config.decoder, config.activation)
        self.head = nn.Linear(size, num_actions)
        self.base = base_columns(config.base_term, self._vectors, num_actions)
        self.std_head = self.log_std = None
        if config.std == "state":
            self.std_head = nn.Linear(size, num_actions)
            nn.init.constant_(self.std_head.bias, math.log(config.initial_std))
            nn.init.orthogonal_(self.std_head.weight, 0.01)
        elif config.std == "constant":
            self.log_std = nn.Parameter(torch.full((num_actions,), math.log(config.initial_std)))

    # -- inputs ------------------------------------------------------------------------------------

    @property
    def vectors(self) -> ObservationSpec:
        """The groups :meth:`inputs` concatenates, in order."""
        return self._vectors

    def inputs(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Concatenate the policy's vectors, checking every group: ``(..., size)``."""
        parts = [self._checked(obs, name) for name in self.spec if not self.spec[name].image]
        for name in self.images:
            self._checked(obs, name)
        if not parts:
            first = obs[self.spec.images()[0]]
            return torch.zeros(*first.shape[:-3], 0, device=first.device)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _checked(self, obs: Mapping[str, Tensor], name: str) -> Tensor:
        if name not in obs.keys():  # noqa: SIM118 - a TensorDict iterates over its batch
            raise RoboTSError(
                f"an observation group {name!r}",
                f"groups {sorted(obs.keys())}",
                "give the policy the groups of its contract",
            )
        value, shape = obs[name], self.spec[name].shape
        if tuple(value.shape[-len(shape) :]) != shape:
            raise RoboTSError(
                f"group {name!r} with {' x '.join(map(str, shape))} numbers per world",
                f"shape {tuple(value.shape)}",
                "use the task and the observation terms the policy was trained with",
            )
        return value

    # -- acting ------------------------------------------------------------------------------------

    @property
    def is_recurrent(self) -> bool:
        """Whether the policy carries a state from step to step."""
        return self.memory is not None

    def initial_state(self, num: int) -> Hidden:
        """The memory at an episode's start: zeros, or what was learnt, without gradient; an empty
        tuple without memory."""
        return self.memory.initial(num) if self.memory is not None else ()

    def run(
        self, obs: Mapping[str, Tensor], hidden: Hidden = (), starts: Tensor | None = None
    ) -> tuple[Output, Hidden]:
        """One step, or a whole chunk when ``starts`` is given, with all the network has to say.

        Args:
            obs: groups of shape ``(num, ...)``, or ``(time, num, ...)`` for a chunk.
            hidden: the memory before the first step.
            starts: ``(time, num)`` bool; where true, an episode begins with that step.

        Returns:
            The output and the memory after the last step.
        """
        x = self.inputs(obs)
        y = self._encoded(x, [obs[name] for name in self.images])
        if self.memory is not None:
            if starts is None:
                y, hidden = self.memory.step(y, hidden)
            else:
                y, hidden = self.memory.sequence(y, hidden, starts)
        return self._output(y, x), hidden

    def forward(self, obs: Mapping[str, Tensor], hidden: Hidden = ()) -> tuple[Tensor, Hidden]:
        """One step.

        Args:
            obs: groups of shape ``(num, ...)``.
            hidden: the memory before the step.

        Returns:
            Unclipped actions ``(num, num_actions)`` and the memory after the step.
        """
        output, hidden = self.run(obs, hidden)
        return output.action, hidden

    def step_vector(
        self, x: Tensor, hidden: Hidden = (), images: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Hidden]:
        """As :meth:`forward`, from the concatenated vectors ``(num, size)`` as :meth:`inputs` gives
        them, and the images in the order of ``spec.images()``."""
        y = self._encoded(x, images)
        if self.memory is not None:
            y, hidden = self.memory.step(y, hidden)
        return self._output(y, x).action, hidden

    @torch.no_grad()
    def act(self, obs: Mapping[str, Tensor], hidden: Hidden = ()) -> tuple[Tensor, Hidden]:
        """What the robot does: clipped actions, and the next memory.

        Raises:
            RoboTSError: when a group or the memory is missing or does not fit.
        """
        self._check_memory(obs, hidden)
        action, hidden = self(obs, hidden)
        return self.clip(action), hidden

    def _check_memory(self, obs: Mapping[str, Tensor], hidden: Hidden) -> None:
        first = next(iter(self.spec), "")
        if self.memory is None or first not in obs.keys():  # noqa: SIM118 - a TensorDict again
            return  # a missing group is named by inputs()
        expected = [tuple(part.shape) for part in self.initial_state(len(obs[first]))]
        got = [tuple(part.shape) for part in hidden]
        if got != expected:
            raise RoboTSError(
                f"the memory of {len(obs[first])} worlds, of shapes {expected}",
                f"shapes {got}" if got else "none",
                "begin with policy.initial_state(num) and pass on what act() returned",
            )

    def known(self, obs: Mapping[str, Tensor]) -> Tensor | None:
        """Where its actions are fit to be learnt from, ``(num,)`` bool; None everywhere."""
        return None

    def clip(self, action: Tensor) -> Tensor:
        """Actions within ``config.action_clip``."""
        bound = self.config.action_clip
        return action.clamp(-bound, bound) if bound else action

    def sequence(
        self, obs: Mapping[str, Tensor], hidden: Hidden, starts: Tensor
    ) -> tuple[Tensor, Hidden]:
        """The actions of :meth:`run` over a whole chunk, with the gradients of the plain loop."""
        output, hidden = self.run(obs, hidden, starts)
        return output.action, hidden

    def reset_state(self, hidden: Hidden, done: Tensor) -> Hidden:
        """Start the memory of finished episodes anew; ``done (num,)`` bool."""
        return hidden if self.memory is None else self.memory.cleared(hidden, done)

    def begun(self, hidden: Hidden, starts: Tensor) -> Hidden:
        """As :meth:`reset_state`, with a gradient into a learnt initial state."""
        return hidden if self.memory is None else self.memory.begun(hidden, starts)

    def _encoded(self, x: Tensor, images: Sequence[Tensor]) -> Tensor:
        parts = []
        if self._plain is None:
            parts += [self.encoder(self.normalizer(x))] if x.shape[-1] else []
        else:
            # Points keep their metres: statistics of the first point, the second, ... say nothing.
            if len(self._plain):
                parts += [self.encoder(self.normalizer(x)[..., self._plain])]
            parts += [encode(x[..., self._clouds[n]]) for n, encode in self.points.items()]
        parts += [encode(image) for encode, image in zip(self.images.values(), images, strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _output(self, latent: Tensor, x: Tensor) -> Output:
        y = self.decoder(latent)
        action = self.head(y)
        if self.base is not None:
            action = action + x[..., self.base]
        return Output(action, self._std(y, action), latent)

    def _std(self, y: Tensor, action: Tensor) -> Tensor | None:
        """The standard deviation that goes with ``action``, from the decoder's features."""
        # Bounded, because one world with a vanishing std would outweigh all the others.
        if self.std_head is not None:
            return self.std_head(y).clamp(*_LOG_STD).exp()
        if self.log_std is not None:
            return self.log_std.clamp(*_LOG_STD).exp().expand_as(action)
        return None

    def num_parameters(self) -> int:
        """Trainable numbers."""
        return sum(p.numel() for p in self.parameters())


def _columns(spec: ObservationSpec) -> tuple[dict[str, slice], list[int]]:
    """Where point clouds lie in the concatenated vectors, and the columns of all the rest."""
    clouds, plain, begin = {}, [], 0
    for name, group in spec.items():
        if group.points:
            clouds[name] = slice(begin, begin + group.size)
        else:
            plain += range(begin, begin + group.size)
        begin += group.size
    return clouds, plain


def base_columns(term: str, spec: ObservationSpec, num_actions: int) -> slice | None:
    """Columns of ``group.term`` in the concatenated observation; None for an empty name.

    Raises:
        RoboTSError: when the term does not exist or has neither one number nor one per action.
    """
    if not term:
        return None
    begin = 0
    known = []
    for name, group in spec.items():
        for piece, where in group.slices().items():
            known.append(f"{name}.{piece}")
            size = where.stop - where.start
            if known[-1] == term:
                if size not in (1, num_actions):
                    raise RoboTSError(
                        f"a base term with 1 or {num_actions} numbers",
                        f"{term} with {size}",
                        "choose a term that is an action",
                    )
                return slice(begin + where.start, begin + where.stop)
        begin += group.size
    raise RoboTSError(
        "a base term group.term the policy reads", repr(term), did_you_mean(term, known)
    )


def _dense(size: int, widths: list[int], activation: str) -> tuple[nn.Sequential, int]:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Linear(size, width), _ACTIVATIONS[activation]()]
        size = width
    return nn.Sequential(*layers), size
