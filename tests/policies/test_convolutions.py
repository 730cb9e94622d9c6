"""The image encoder."""

from __future__ import annotations

import torch

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
