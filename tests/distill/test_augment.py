"""Changes of images: off by default, the same over a sequence, and each kind by its own rules."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from robo_ts.distill.augment import AugmentConfig, augment
from robo_ts.errors import RoboTSError

KINDS = (torch.uint8, torch.uint16, torch.float16, torch.float32)
ALL = AugmentConfig(2, 0.1, 0.2, 0.2, 0.2, 0.5, 0.1)
COLOUR_ONLY = AugmentConfig(brightness=0.3, contrast=0.3, colour=0.3)
DEPTH_ONLY = AugmentConfig(depth_noise=0.5, depth_holes=0.2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(kind: torch.dtype, time: int = 4, num: int = 6, size: int = 12) -> Tensor:
    """Random images without a zero in them."""
    values = torch.randint(1, 255, (time, num, 3, size, size + 2), generator=generator(9))
    return values.to(kind)


def still(kind: torch.dtype) -> Tensor:
    """The same random image at all times."""
    return pictures(kind, time=1).to(torch.float32).repeat(5, 1, 1, 1, 1).to(kind)


def same(one: Tensor, two: Tensor) -> bool:
    """Equality; of uint16 too, which torch cannot compare everywhere."""
    return one.dtype == two.dtype and torch.equal(one.to(torch.float64), two.to(torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_change_the_very_same_images_come_back(kind: torch.dtype) -> None:
    images = pictures(kind)
    assert augment(images, AugmentConfig(), generator()) is images


@pytest.mark.parametrize("kind", KINDS)
def test_kind_and_shape_stay_and_the_given_images_too(kind: torch.dtype) -> None:
    images = pictures(kind)
    before = images.clone()
    changed = augment(images, ALL, generator())
    assert changed.dtype == kind and changed.shape == images.shape
    assert same(images, before) and not same(changed, before)
    assert bool(torch.isfinite(changed.to(torch.float32)).all())


@pytest.mark.parametrize("kind", KINDS)
def test_a_shift_moves_the_image_and_repeats_its_edge(kind: torch.dtype) -> None:
    images = pictures(kind, num=200)
    changed = augment(images, AugmentConfig(shift=2), generator()).to(torch.float64)
    padded = torch.nn.functional.pad(
        images.to(torch.float64).flatten(0, 1), (2, 2, 2, 2), mode="replicate"
    ).unflatten(0, images.shape[:2])
    height, width = images.shape[3:]
    found = torch.zeros(200, dtype=torch.long)
    for down in range(5):
        for right in range(5):
            moved = padded[..., down : down + height, right : right + width]
            found += (moved == changed).flatten(2).all(2).all(0) << (5 * down + right)
    assert bool((found > 0).all())
    assert len(found.unique()) == 25  # every shift in both directions occurs


@pytest.mark.parametrize("kind", KINDS)
def test_shift_and_cut_out_are_the_same_over_the_whole_sequence(kind: torch.dtype) -> None:
    changed = augment(still(kind), AugmentConfig(shift=3, cutout=0.2), generator())
    for step in changed[1:]:
        assert same(step, changed[0])


def test_colours_change_alike_over_time_and_otherwise_in_every_world() -> None:
    changed = augment(still(torch.uint8), COLOUR_ONLY, generator())
    for step in changed[1:]:
        assert torch.equal(step, changed[0])
    flat = torch.full((1, 50, 3, 2, 2), 100, dtype=torch.uint8)
    means = augment(flat, COLOUR_ONLY, generator()).double().mean(dim=(0, 3, 4))
    assert len(means.unique(dim=0)) > 45
    assert bool((means[:, 0] != means[:, 1]).any())


def test_brightness_and_contrast_keep_to_their_bounds() -> None:
    grey = torch.full((1, 500, 3, 1, 1), 100, dtype=torch.uint8)
    lift = augment(grey, AugmentConfig(brightness=0.1), generator()).double() - 100
    assert 24 <= float(lift.max()) <= 26 and -26 <= float(lift.min()) <= -24
    contrast = augment(grey, AugmentConfig(contrast=0.5), generator()).double()
    assert 85 <= float(contrast.min()) <= 88 and 112 <= float(contrast.max()) <= 115
    colour = augment(grey, AugmentConfig(colour=0.2), generator()).double()
    assert 79 <= float(colour.min()) <= 82 and 118 <= float(colour.max()) <= 121


def test_colours_that_leave_the_scale_stop_at_its_ends() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 1, 1, 2)
    images = images.expand(1, 400, 3, 4, 2)
    changed = augment(images, AugmentConfig(brightness=0.5), generator())
    assert bool((changed[..., 0] < 129).all()) and bool((changed[..., 1] > 126).all())


def test_a_cut_out_has_the_wanted_area_and_lies_elsewhere_in_every_world() -> None:
    images = torch.full((2, 300, 3, 20, 20), 7, dtype=torch.uint8)
    gone = augment(images, AugmentConfig(cutout=0.25), generator()) == 0
    assert bool((gone.flatten(3).sum(3) == 100).all())
    places = gone[0, :, 0].flatten(1).unique(dim=0)
    assert len(places) > 80  # of 121
    assert bool(gone.any(1).all())


@pytest.mark.parametrize("kind", KINDS[1:])
def test_holes_are_zeros_in_depth_drawn_anew_in_every_frame(kind: torch.dtype) -> None:
    images = pictures(kind, time=20, num=10)
    changed = augment(images, AugmentConfig(depth_holes=0.1), generator()).to(torch.float64)
    holes = changed == 0
    assert float(holes.double().mean()) == pytest.approx(0.1, abs=0.01)
    assert torch.equal(changed[~holes], images.to(torch.float64)[~holes])
    assert not torch.equal(holes[0], holes[1])


@pytest.mark.parametrize("kind", KINDS[1:])
def test_depth_noise_has_the_wanted_size_and_leaves_missing_returns(kind: torch.dtype) -> None:
    images = torch.full((10, 10, 1, 20, 20), 100.0).to(kind)
    images[:, :, :, :5] = 0
    changed = augment(images, AugmentConfig(depth_noise=4.0), generator()).to(torch.float64)
    assert not changed[:, :, :, :5].any()
    seen = changed[:, :, :, 5:]
    assert float(seen.std()) == pytest.approx(4.0, rel=0.03)
    assert float(seen.mean()) == pytest.approx(100.0, abs=0.1)
    assert not torch.equal(seen[0], seen[1])


def test_noise_stops_at_the_ends_of_the_scale() -> None:
    ends = torch.tensor([1, 65535]).to(torch.uint16).reshape(1, 1, 1, 1, 2).expand(1, 99, 1, 9, 2)
    changed = augment(ends.contiguous(), AugmentConfig(depth_noise=50.0), generator())
    changed = changed.to(torch.float32)
    assert float(changed[..., 0].max()) < 400 and float(changed[..., 1].min()) > 65000


def test_options_of_depth_leave_colour_alone_and_the_reverse() -> None:
    images = pictures(torch.uint8)
    assert augment(images, DEPTH_ONLY, generator()) is images
    for kind in KINDS[1:]:
        images = pictures(kind)
        assert augment(images, COLOUR_ONLY, generator()) is images


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_generator_gives_the_same_images(kind: torch.dtype) -> None:
    one, two, three = (augment(pictures(kind), ALL, generator(s)) for s in (1, 1, 2))
    assert same(one, two) and not same(one, three)


def test_sequences_taken_out_of_a_larger_array_are_changed_alike() -> None:
    images = pictures(torch.uint16)
    view = images.transpose(3, 4).contiguous().transpose(3, 4)
    assert not view.is_contiguous()
    assert same(augment(view, ALL, generator()), augment(images, ALL, generator()))


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"shift": -1}, "shift"),
        ({"cutout": 1.0}, "cutout"),
        ({"brightness": 1.5}, "brightness"),
        ({"depth_noise": -0.1}, "depth_noise"),
        ({"depth_holes": 2.0}, "depth_holes"),
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, float], hint: str) -> None:
    with pytest.raises(RoboTSError, match=hint):
        AugmentConfig(**wrong)  # type: ignore[arg-type]


def test_other_shapes_and_kinds_are_refused() -> None:
    for images in (torch.zeros(2, 3, 4, 5), torch.zeros(1, 1, 1, 2, 2, dtype=torch.float64)):
        with pytest.raises(RoboTSError, match="images"):
            augment(images, AugmentConfig(), generator())
