"""The one policy class: normaliser -> encoder -> memory -> decoder -> action."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from robo_ts.env.observations import ObservationSpec
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.policies.config import PolicyConfig
from robo_ts.policies.memory import Hidden, Memory, masked
from robo_ts.policies.normalizer import Normalizer

_ACTIVATIONS = {"relu": nn.ReLU, "elu": nn.ELU, "tanh": nn.Tanh, "silu": nn.SiLU}


class Policy(nn.Module):
    """A deterministic policy over named observation groups.

    It knows which groups it reads and in which order; it never touches the others, so what is not
    in its contract cannot leak into its actions.

    Args:
        config: the architecture.
        spec: the groups it reads, in order.
        num_actions: length of the action vector.
    """

    def __init__(self, config: PolicyConfig, spec: ObservationSpec, num_actions: int) -> None:
        super().__init__()
        self.config, self.spec, self.num_actions = config, spec, num_actions
        size = spec.size()
        self.normalizer = Normalizer(size) if config.normalize else nn.Identity()
        self.encoder, size = _dense(size, config.encoder, config.activation)
        self.memory = None
        if config.memory != "none":
            self.memory = Memory(config.memory, size, config.memory_size, config.memory_layers)
            size = config.memory_size
        self.decoder, size = _dense(size, config.decoder, config.activation)
        self.head = nn.Linear(size, num_actions)
        self.base = base_columns(config.base_term, spec, num_actions)

    # -- inputs ------------------------------------------------------------------------------------

    def inputs(self, obs: Mapping[str, Tensor]) -> Tensor:
        """Concatenate the policy's groups, checking each: ``(..., spec.size())``."""
        parts = []
        for name, group in self.spec.items():
            if name not in obs.keys():  # noqa: SIM118 - a TensorDict iterates over its batch
                raise RoboTSError(
                    f"an observation group {name!r}",
                    f"groups {sorted(obs.keys())}",
                    "give the policy the groups of its contract",
                )
            value = obs[name]
            if value.shape[-1] != group.size:
                raise RoboTSError(
                    f"group {name!r} with {group.size} numbers per world",
                    f"shape {tuple(value.shape)}",
                    "use the task and the observation terms the policy was trained with",
                )
            parts.append(value)
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    # -- acting ------------------------------------------------------------------------------------

    @property
    def is_recurrent(self) -> bool:
        """Whether the policy carries a state from step to step."""
        return self.memory is not None

    def initial_state(self, num: int) -> Hidden:
        """The memory at an episode's start; an empty tuple without memory."""
        return self.memory.initial(num) if self.memory is not None else ()

    def forward(self, obs: Mapping[str, Tensor], hidden: Hidden = ()) -> tuple[Tensor, Hidden]:
        """One step.

        Args:
            obs: groups of shape ``(num, size)``.
            hidden: the memory before the step.

        Returns:
            Unclipped actions ``(num, num_actions)`` and the memory after the step.
        """
        return self.step_vector(self.inputs(obs), hidden)

    def step_vector(self, x: Tensor, hidden: Hidden = ()) -> tuple[Tensor, Hidden]:
        """As :meth:`forward`, from the concatenated observation ``(num, spec.size())``."""
        y = self.encoder(self.normalizer(x))
        if self.memory is not None:
            y, hidden = self.memory.step(y, hidden)
        return self._action(y, x), hidden

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

    def clip(self, action: Tensor) -> Tensor:
        """Actions within ``config.action_clip``."""
        bound = self.config.action_clip
        return action.clamp(-bound, bound) if bound else action

    def sequence(
        self, obs: Mapping[str, Tensor], hidden: Hidden, starts: Tensor
    ) -> tuple[Tensor, Hidden]:
        """A whole chunk at once, with the gradients of the step-by-step loop.

        Args:
            obs: groups of shape ``(time, num, size)``.
            hidden: the memory before the first step.
            starts: ``(time, num)`` bool; where true, an episode begins with that step.

        Returns:
            Unclipped actions ``(time, num, num_actions)`` and the memory after the last step.
        """
        x = self.inputs(obs)
        y = self.encoder(self.normalizer(x))
        if self.memory is not None:
            y, hidden = self.memory.sequence(y, hidden, starts)
        return self._action(y, x), hidden

    def reset_state(self, hidden: Hidden, done: Tensor) -> Hidden:
        """Clear the memory of finished episodes; ``done (num,)`` bool."""
        return masked(hidden, done)

    def _action(self, latent: Tensor, x: Tensor) -> Tensor:
        action = self.head(self.decoder(latent))
        return action if self.base is None else action + x[..., self.base]

    def num_parameters(self) -> int:
        """Trainable numbers."""
        return sum(p.numel() for p in self.parameters())


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
