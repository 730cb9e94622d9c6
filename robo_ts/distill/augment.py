"""Images changed anew for every minibatch, so that a student does not learn one camera by heart.

What a real camera keeps for a whole episode (where it is mounted, its colours, dirt on its lens)
is drawn once per world and holds over the whole sequence: a picture that jumped from frame to frame
would show a student with memory motion that there is not. What a real sensor draws anew for every
frame (noise and holes in depth) is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.checks import check_finite
from robo_ts.errors import RoboTSError

COLOUR = (torch.uint8,)
DEPTH = (torch.uint16, torch.float16, torch.float32)


@dataclass
class AugmentConfig:
    """How much images are changed; zero is off. Colour is uint8; every other kind is depth.

    Attributes:
        shift: pixels an image is moved by at most, each way, its edge repeated (random shifts of
            DrQ, arXiv 2004.13649).
        cutout: share of the area of one rectangle set to zero (arXiv 1708.04552), in [0, 1).
        brightness: greatest change of all colours, as a share of full scale.
        contrast: greatest relative change of the distance from mid-grey, in [0, 1].
        colour: greatest relative change of each channel by itself, in [0, 1].
        depth_noise: standard deviation of the noise of every pixel, in the images' unit (metres,
            or counts of uint16). A depth of zero means no return and stays.
        depth_holes: probability of every pixel to have no return.
    """

    shift: int = 0
    cutout: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    depth_noise: float = 0.0
    depth_holes: float = 0.0

    def __post_init__(self) -> None:
        check_finite(self, "augment")
        for name in ("shift", "depth_noise"):
            if not getattr(self, name) >= 0:
                raise RoboTSError(f"augment.{name} >= 0", str(getattr(self, name)), "raise it")
        for name in ("brightness", "contrast", "colour", "depth_holes"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise RoboTSError(
                    f"augment.{name} in [0, 1]", str(getattr(self, name)), "give a share"
                )
        if not 0.0 <= self.cutout < 1.0:
            raise RoboTSError("augment.cutout in [0, 1)", str(self.cutout), "leave some image")


def augment(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Images changed at random; the given ones stay as they are.

    Args:
        images: ``(time, num, channels, height, width)``, uint8 for colour, uint16, float16 or
            float32 for depth.
        config: how much.
        generator: source of all chance; may be of another device.

    Returns:
        Images of the same shape and kind; the very same ones when nothing is on.

    Raises:
        RoboTSError: when the images are of another shape or kind.
    """
    if images.dim() != 5 or images.dtype not in COLOUR + DEPTH:
        raise RoboTSError(
            "images (time, num, channels, height, width) of uint8, uint16, float16 or float32",
            f"{tuple(images.shape)} of {images.dtype}",
            "keep images in observation groups of their own",
        )
    if not images.numel():
        return images
    changed = images
    if config.shift:
        changed = _shifted(changed, config.shift, generator)
    if images.dtype in COLOUR:
        if config.brightness or config.contrast or config.colour:
            changed = _recoloured(changed, config, generator)
    elif config.depth_noise or config.depth_holes:
        changed = _disturbed(changed, config, generator)
    if config.cutout:
        changed = _cut(changed, config.cutout, generator)
    return changed


def _uniform(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    """Numbers in [0, 1) on the device of ``like``, float32."""
    return torch.rand(shape, generator=generator, device=generator.device).to(like.device)


def _as_signed(images: Tensor) -> Tensor:
    """The same memory as a kind that torch can index and mask: uint16 is not everywhere."""
    return images.view(torch.int16) if images.dtype == torch.uint16 else images


def _shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    num, height, width = images.shape[1], images.shape[3], images.shape[4]
    offset = (_uniform((2, num, 1), images, generator) * (2 * most + 1)).long() - most
    rows = (torch.arange(height, device=images.device) + offset[0]).clamp_(0, height - 1)
    columns = (torch.arange(width, device=images.device) + offset[1]).clamp_(0, width - 1)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).reshape(1, num, 1, -1)
    flat = _as_signed(images).flatten(3)
    moved = flat.gather(3, pixels.expand(flat.shape))
    return moved.view(images.dtype).reshape(images.shape)


def _recoloured(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    num, channels = images.shape[1:3]
    draw = 2.0 * _uniform((2 + channels, num, 1, 1), images, generator) - 1.0
    lift, contrast = 255.0 * config.brightness * draw[0], 1.0 + config.contrast * draw[1]
    gain = 1.0 + config.colour * draw[2:].transpose(0, 1)  # (num, channels, 1, 1)
    # Contrast is about mid-grey, not about an image's mean, which changes from frame to frame.
    scale = (contrast[:, None] * gain).to(torch.float32)
    offset = contrast[:, None] * -127.5 + 127.5 + lift[:, None]
    changed = images.to(torch.float32).mul_(scale).add_(offset)
    return changed.round_().clamp_(0.0, 255.0).to(torch.uint8)


def _disturbed(images: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    changed, device = images, generator.device
    if config.depth_noise:
        noise = torch.randn(images.shape, generator=generator, device=device).to(images.device)
        depth = images.to(torch.float32)
        noisy = noise.mul_(config.depth_noise).add_(depth)
        if images.dtype == torch.uint16:
            noisy.round_().clamp_(0.0, 65535.0)
        changed = torch.where(depth == 0.0, depth, noisy.clamp_min_(0.0)).to(images.dtype)
    if config.depth_holes:
        holes = _uniform(tuple(images.shape), images, generator) < config.depth_holes
        changed = _as_signed(changed).masked_fill(holes, 0).view(images.dtype)
    return changed


def _cut(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    num, height, width = images.shape[1], images.shape[3], images.shape[4]
    sides = [max(round(size * share**0.5), 1) for size in (height, width)]
    inside = []
    for size, side in zip((height, width), sides, strict=True):
        first = (_uniform((num, 1), images, generator) * (size - side + 1)).long()
        place = torch.arange(size, device=images.device) - first
        inside.append((place >= 0) & (place < side))
    mask = inside[0][:, None, :, None] & inside[1][:, None, None, :]  # (num, 1, height, width)
    return _as_signed(images).masked_fill(mask, 0).view(images.dtype)
