"""Running statistics equal those of all the data at once."""

from __future__ import annotations

import pytest
import torch

from robo_ts.policies.normalizer import Normalizer

DATA = 3.0 * torch.randn(1000, 4, generator=torch.Generator().manual_seed(0)) + torch.tensor(
    [0.0, 10.0, -5.0, 100.0]
)


@pytest.mark.parametrize("cuts", [[1000], [1, 999], [500, 500], [100, 300, 7, 593], [10] * 100])
def test_merged_statistics_equal_those_of_the_whole(cuts: list[int]) -> None:
    normalizer = Normalizer(4)
    for part in DATA.split(cuts):
        normalizer.update(part)
    assert torch.allclose(normalizer.mean, DATA.mean(dim=0), rtol=1e-5, atol=1e-4)
    variance = DATA.var(dim=0, unbiased=False)
    assert torch.allclose(normalizer.variance, variance, rtol=1e-4)
    assert torch.allclose(normalizer.scale, variance.sqrt() + 1e-2, rtol=1e-4)
    assert int(normalizer.count) == 1000


def test_what_comes_out_has_mean_zero_and_deviation_one() -> None:
    normalizer = Normalizer(4)
    normalizer.update(DATA)
    out = normalizer(DATA)
    assert out.mean(dim=0).abs().max() < 1e-3
    assert (out.std(dim=0) - 1).abs().max() < 1e-2


def test_sequences_count_like_rows() -> None:
    one, two = Normalizer(4), Normalizer(4)
    one.update(DATA)
    two.update(DATA.reshape(10, 100, 4))
    assert torch.equal(one.mean, two.mean) and torch.equal(one.scale, two.scale)


def test_before_any_data_it_changes_nothing() -> None:
    assert torch.equal(Normalizer(4)(DATA), DATA)


def test_constant_inputs_stay_finite() -> None:
    normalizer = Normalizer(2)
    normalizer.update(torch.full((10, 2), 7.0))
    out = normalizer(torch.tensor([[7.0, 7.5]]))
    assert torch.isfinite(out).all() and not out[0, 0]


def test_statistics_are_saved_but_not_trained() -> None:
    normalizer, other = Normalizer(4), Normalizer(4)
    normalizer.update(DATA)
    assert list(normalizer.parameters()) == []
    other.load_state_dict(normalizer.state_dict())
    other.update(DATA[:10])
    normalizer.update(DATA[:10])
    assert torch.equal(normalizer(DATA), other(DATA))
