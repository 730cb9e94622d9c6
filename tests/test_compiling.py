"""Compiled formulas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from robo_ts import compiling
from robo_ts.compiling import compiled

CPU = torch.device("cpu")


def _unchecked(function: Callable[..., tuple[Tensor, ...]]) -> Callable[..., tuple[Tensor, ...]]:
    return compiled(function, CPU, gradients=False, checks=False)


def test_unchecked_formulas_compute_what_they_say_from_every_calls_arguments() -> None:
    fast = _unchecked(lambda x, y: (x * y + 1.0, torch.where(x > 0, y, -y)))
    for seed in range(3):
        x, y = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(seed))
        total, chosen = fast(x, y)
        torch.testing.assert_close(total, x * y + 1.0)
        torch.testing.assert_close(chosen, torch.where(x > 0, y, -y))


def test_two_of_the_same_function_do_not_share_what_they_closed_over() -> None:
    def times(factor: float) -> Callable[..., tuple[Tensor, ...]]:
        return _unchecked(lambda x: (factor * x,))

    twice, thrice = times(2.0), times(3.0)
    assert [f(torch.ones(2))[0][0].item() for f in (twice, thrice, twice)] == [2.0, 3.0, 2.0]


def test_a_tensor_that_is_no_argument_is_refused() -> None:
    hidden = torch.ones(3)
    with pytest.raises(Exception, match="FakeTensor"):
        _unchecked(lambda x: (x + hidden,))(torch.zeros(3))


def test_without_a_compiler_formulas_run_as_they_are_with_one_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    compiling._can_compile.cache_clear()
    try:
        with pytest.warns(UserWarning, match="no C\\+\\+ compiler was found") as warned:
            plain = [compiled(lambda x: (2.0 * x,), CPU, checks=checks) for checks in (True, False)]
        assert len(warned) == 1
        for function in plain:
            assert function(torch.ones(2))[0].tolist() == [2.0, 2.0]
            assert type(function).__name__ == "function"
    finally:
        compiling._can_compile.cache_clear()
