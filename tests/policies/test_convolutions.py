"""The image encoder."""

from __future__ import annotations

import pytest
import torch

from robo_ts.errors import RoboTSError
from robo_ts.policies import PolicyConfig
from robo_ts.policies.images import ImageEncoder


def test_thousands_of_pictures_give_what_each_gives_alone() -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder((3, 12, 16), [4, 4], 8)
    pictures = torch.randint(0, 256, (2, 301, 3, 12, 16), dtype=torch.uint8)
    found = encoder(pictures)
    assert found.shape == (2, 301, 8)
    alone = torch.stack([encoder(pictures[1, i]) for i in range(250, 301, 10)])
    assert torch.allclose(found[1, 250:301:10], alone, atol=1e-6)
    found.square().sum().backward()
    whole = [p.grad.clone() for p in encoder.parameters() if p.grad is not None]
    encoder.zero_grad()
    for part in pictures.flatten(0, 1).split(100):
        encoder(part).square().sum().backward()
    parts = [p.grad for p in encoder.parameters() if p.grad is not None]
    assert len(parts) == len(whole) == 6
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_patch_is_read_by_itself() -> None:
    torch.manual_seed(0)
    encoder = ImageEncoder((1, 16, 16), [5], 3, patch=4)
    first = encoder.convolutions[0]
    image = torch.randint(0, 256, (1, 1, 16, 16), dtype=torch.uint8)
    changed = image.clone()
    changed[..., 4:8, 8:12] += 40  # one patch, in whichever place of the second row
    maps = [first(x.float()) for x in (image, changed)]
    differs = (maps[0] != maps[1]).any(dim=1)[0]
    assert maps[0].shape == (1, 5, 4, 4)
    assert differs.nonzero().tolist() == [[1, 2]]
    assert encoder(image).shape == (1, 3)


def test_too_many_patches_for_an_image_are_refused() -> None:
    with pytest.raises(RoboTSError, match="at least 16 pixels"):
        ImageEncoder((1, 8, 8), [4, 4], 3, patch=4)
    with pytest.raises(RoboTSError, match="patch"):
        PolicyConfig(patch=-1)


def test_a_policy_without_patches_is_described_as_before() -> None:
    assert "patch" not in PolicyConfig().architecture()
    assert PolicyConfig(patch=4).architecture()["patch"] == 4
