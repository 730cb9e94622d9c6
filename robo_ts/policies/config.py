"""The architecture of a policy, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from robo_ts.checks import check_finite, check_one_of
from robo_ts.errors import RoboTSError

MEMORIES = ("none", "gru", "lstm")
STDS = ("none", "constant", "state")
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
        learn_initial_state: whether the memory at an episode's start is learnt; else it is zero.
        decoder: widths of the dense layers between the memory and the action.
        normalize: whether inputs pass a running mean and variance first.
        base_term: ``group.term`` whose raw value is added to the action; empty for none.
        action_clip: actions are clipped to plus and minus this; 0 for none.
        std: the action's standard deviation: ``none`` (a deterministic policy), ``constant`` (one
            learnt number per action) or ``state`` (a second head).
        initial_std: of either, at the start.
        channels: of each image encoder's convolutions (3 x 3, stride 2, the first 5 x 5), and of
            the layers that every point of a point cloud passes.
        image_features: numbers each image or point encoder gives.
        patch: side of the squares of pixels that an image encoder's first convolution reads, side
            by side (as in ViT, arXiv 2010.11929), several times cheaper than 5 x 5 at stride 2; 0
            for the latter.
    """

    encoder: list[int] = field(default_factory=lambda: [64])
    activation: str = "relu"
    memory: str = "gru"
    memory_size: int = 64
    memory_layers: int = 1
    learn_initial_state: bool = False
    decoder: list[int] = field(default_factory=list)
    normalize: bool = True
    base_term: str = ""
    action_clip: float = 1.0
    std: str = "none"
    initial_std: float = 0.3
    channels: list[int] = field(default_factory=lambda: [16, 32, 32])
    image_features: int = 64
    patch: int = 0

    def __post_init__(self) -> None:
        check_finite(self)
        check_one_of("a memory", self.memory, MEMORIES)
        check_one_of("an activation", self.activation, ACTIVATIONS)
        check_one_of("a std", self.std, STDS)
        if self.learn_initial_state and self.memory == "none":
            raise RoboTSError(
                "a memory, for learn_initial_state=true",
                "memory=none",
                "set memory=gru or memory=lstm, or learn_initial_state=false",
            )
        if not self.initial_std > 0.0:
            raise RoboTSError("initial_std > 0", str(self.initial_std), "raise it")
        widths = [*self.encoder, *self.decoder, *self.channels, self.image_features]
        if self.memory != "none":
            widths += [self.memory_size, self.memory_layers]
        if min(widths, default=1) < 1:
            raise RoboTSError("layer widths >= 1", str(widths), "mend the policy config")
        if self.patch < 0:
            raise RoboTSError("a patch >= 0", str(self.patch), "use 0 for 5 x 5 at stride 2")
        if not self.action_clip >= 0.0:
            raise RoboTSError("an action_clip >= 0", str(self.action_clip), "use 0 for no clip")

    def architecture(self) -> dict[str, Any]:
        """All of it as plain data. What policies were made without, before there was the setting,
        is left out, so that their digests stay what they were."""
        words = asdict(self)
        for name in ("learn_initial_state", "patch"):
            if not words[name]:
                del words[name]
        return words
