"""The architecture of a policy, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from robo_ts.checks import check_finite
from robo_ts.errors import RoboTSError, did_you_mean

MEMORIES = ("none", "gru", "lstm")
ACTIVATIONS = ("relu", "elu", "tanh", "silu")


@dataclass
class PolicyConfig:
    """How observations become actions.

    Attributes:
        encoder: widths of the dense layers before the memory.
        activation: after each of these layers.
        memory: ``none``, ``gru`` or ``lstm``.
        memory_size: width of the memory.
        memory_layers: stacked layers of the memory.
        decoder: widths of the dense layers between the memory and the action.
        normalize: whether inputs pass a running mean and variance first.
        base_term: ``group.term`` whose raw value is added to the action; empty for none.
        action_clip: actions are clipped to plus and minus this; 0 for none.
    """

    encoder: list[int] = field(default_factory=lambda: [64])
    activation: str = "relu"
    memory: str = "gru"
    memory_size: int = 64
    memory_layers: int = 1
    decoder: list[int] = field(default_factory=list)
    normalize: bool = True
    base_term: str = ""
    action_clip: float = 1.0

    def __post_init__(self) -> None:
        check_finite(self)
        if self.memory not in MEMORIES:
            raise RoboTSError(
                f"a memory among {', '.join(MEMORIES)}",
                repr(self.memory),
                did_you_mean(self.memory, MEMORIES),
            )
        if self.activation not in ACTIVATIONS:
            raise RoboTSError(
                f"an activation among {', '.join(ACTIVATIONS)}",
                repr(self.activation),
                did_you_mean(self.activation, ACTIVATIONS),
            )
        widths = [*self.encoder, *self.decoder]
        if self.memory != "none":
            widths += [self.memory_size, self.memory_layers]
        if min(widths, default=1) < 1:
            raise RoboTSError("layer widths >= 1", str(widths), "mend the policy config")
        if not self.action_clip >= 0.0:
            raise RoboTSError("an action_clip >= 0", str(self.action_clip), "use 0 for no clip")
