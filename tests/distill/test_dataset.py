"""The window: what is kept, for how long, in how many bytes, and how it is handed out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill import DatasetConfig
from robo_ts.distill.dataset import SequenceDataset
from robo_ts.distill.replay import save_data
from robo_ts.errors import RoboTSError

STEPS, N, ACTIONS, WIDTH = 3, 8, 2, 5


def observation(value: float) -> TensorDict:
    """Row i of every group tells its world: value + i / 100."""
    rows = value + torch.arange(N) / 100
    return TensorDict(
        {
            "sensors": rows[:, None].expand(N, 4).contiguous(),
            "camera": torch.full((N, 6, 6, 3), int(value) % 256, dtype=torch.uint8),
            "privileged": torch.zeros(N, 9),
        },
        batch_size=[N],
    )


def row(value: float, step: int = 0) -> dict[str, Tensor]:
    obs = observation(value)
    return {
        "obs.sensors": obs["sensors"],
        "obs.camera": obs["camera"],
        "label": obs["sensors"][:, :ACTIONS] * 10,
        "valid": torch.arange(N) != step,
        "starts": torch.arange(N) == step,
    }


def make(window: int = 2, budget_gb: float = 1.0, **settings: Any) -> SequenceDataset:
    config = DatasetConfig(window=window, budget_gb=budget_gb, **settings)
    hidden = (torch.zeros(1, N, WIDTH),)
    generator = torch.Generator().manual_seed(0)
    return SequenceDataset(config, STEPS, N, row(0), hidden, generator)


def fill(
    dataset: SequenceDataset,
    value: float,
    uncertainty: Tensor | None = None,
    outcome: Tensor | None = None,
) -> None:
    dataset.begin((torch.full((1, N, WIDTH), value),))
    for step in range(STEPS):
        dataset.add(step, row(value + step, step))
    dataset.end(uncertainty, outcome)


def rounds(dataset: SequenceDataset, count: int = 1, seed: int = 0) -> list[float]:
    """The values of the rounds whose sequences are handed out, one per sequence."""
    generator = torch.Generator().manual_seed(seed)
    return [
        value
        for batch in dataset.minibatches(count, generator)
        for value in batch.hidden[0][0, :, 0].tolist()
    ]


def test_what_went_in_comes_out_with_its_memory_and_its_flags() -> None:
    dataset = make()
    fill(dataset, 100.0)
    (batch,) = dataset.minibatches(1, torch.Generator().manual_seed(0))
    assert batch.fresh.all()
    order = ((batch.obs["sensors"][0, :, 0] - 100) * 100).round().long()
    assert order.sort().values.tolist() == list(range(N))
    for step in range(STEPS):
        wanted = observation(100.0 + step)
        assert torch.equal(batch.obs["sensors"][step], wanted["sensors"][order])
        assert torch.equal(batch.obs["camera"][step], wanted["camera"][order])
        assert torch.equal(batch.label[step], wanted["sensors"][order][:, :ACTIONS] * 10)
        assert torch.equal(batch.valid[step], order != step)
        assert torch.equal(batch.starts[step], order == step)
    assert (batch.hidden[0] == 100).all()


def test_images_stay_uint8_and_other_groups_are_not_kept() -> None:
    dataset = make()
    fill(dataset, 1.0)
    (batch,) = dataset.minibatches(1, torch.Generator())
    assert set(batch.obs) == {"sensors", "camera"}
    assert batch.obs["camera"].dtype == torch.uint8
    assert batch.obs["camera"].shape == (STEPS, N, 6, 6, 3)


def test_the_newest_rounds_replace_the_oldest() -> None:
    dataset = make(window=2)
    assert len(dataset) == 0
    lengths, kept = [], []
    for value in (10.0, 20.0, 30.0, 40.0):
        fill(dataset, value)
        lengths.append(len(dataset))
        kept.append(sorted(set(rounds(dataset))))
    assert lengths == [N, 2 * N, 2 * N, 2 * N]
    assert kept == [[10.0], [10.0, 20.0], [20.0, 30.0], [30.0, 40.0]]


def test_only_sequences_of_the_newest_round_are_called_fresh() -> None:
    dataset = make(window=3)
    for value in (10.0, 20.0, 30.0, 40.0, 50.0):
        fill(dataset, value)
    for batch in dataset.minibatches(2, torch.Generator().manual_seed(0)):
        assert torch.equal(batch.fresh, batch.hidden[0][0, :, 0] == 50.0)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_minibatches_hold_every_world_of_every_round_once(count: int) -> None:
    dataset = make(window=2)
    fill(dataset, 100.0)
    fill(dataset, 200.0)
    seen: list[tuple[float, int]] = []
    for batch in dataset.minibatches(count, torch.Generator().manual_seed(0)):
        value = batch.hidden[0][0, :, 0]
        worlds = ((batch.obs["sensors"][0, :, 0] - value) * 100).round().int()
        seen += zip(value.tolist(), worlds.tolist(), strict=True)
    assert sorted(seen) == [(v, w) for v in (100.0, 200.0) for w in range(N)]


def test_the_order_depends_on_the_generator_alone() -> None:
    dataset = make(window=2)
    fill(dataset, 100.0)
    fill(dataset, 200.0)

    def orders(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [b.obs["sensors"][0, :, 0] for b in dataset.minibatches(2, generator)]

    assert all(torch.equal(a, b) for a, b in zip(orders(1), orders(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(orders(1), orders(2), strict=True))


def test_a_reservoir_holds_a_fair_sample_of_all_rounds() -> None:
    dataset = make(window=40, kind="reservoir")
    for value in range(400):
        fill(dataset, float(value))
    kept = torch.tensor(rounds(dataset))
    assert len(kept) == 40 * N
    # Ten equal spans of rounds hold a tenth of the sequences each, within five standard deviations.
    share = torch.histc(kept, bins=10, min=0, max=400) / len(kept)
    assert (share - 0.1).abs().max() < 5 * (0.1 * 0.9 / len(kept)) ** 0.5


def test_a_priority_shows_in_what_is_drawn_and_its_weight_takes_it_back() -> None:
    dataset = make(window=1, kind="prioritised")
    wrong = torch.arange(N) < N // 2
    sure = torch.full((N,), 0.01)
    sure[0] = 1.0  # uncertainties count relative to the greatest
    fill(dataset, 1.0, sure, torch.where(wrong, -1.0, 1.0))
    drawn = torch.zeros(N)
    for seed in range(200):
        for batch in dataset.minibatches(1, torch.Generator().manual_seed(seed)):
            drawn += torch.bincount(batch.slots, minlength=N)
            light = batch.weight[wrong[batch.slots]]
            heavy = batch.weight[~wrong[batch.slots]]
            if len(light) and len(heavy):
                assert light.max() < heavy.min()
    assert drawn[wrong].sum() > 3 * drawn[~wrong].sum()


def test_earlier_data_takes_its_share_of_every_minibatch(tmp_path: Path) -> None:
    old = make(window=2)
    fill(old, 100.0)
    fill(old, 200.0)
    save_data(tmp_path / "data", *old.stored())
    dataset = make(window=1, earlier=[str(tmp_path / "data")], earlier_share=0.5)
    fill(dataset, 30.0)
    for batch in dataset.minibatches(2, torch.Generator().manual_seed(0)):
        earlier = batch.slots < 0
        assert int(earlier.sum()) == len(batch.slots) // 2
        value = batch.hidden[0][0, :, 0]
        assert ((value == 100.0) | (value == 200.0))[earlier].all()
        assert (value == 30.0)[~earlier].all()
        assert not batch.fresh[earlier].any()
        assert torch.equal(batch.obs["camera"][1, :, 0, 0, 0], (value + 1).byte())
        assert batch.obs["camera"].dtype == torch.uint8


def test_earlier_data_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    old = make()
    fill(old, 1.0)
    fields, hidden = old.stored()
    save_data(tmp_path / "short", {k: v[:2] for k, v in fields.items()}, hidden)
    with pytest.raises(RoboTSError, match="steps_per_iteration"):
        make(earlier=[str(tmp_path / "short")])
    with pytest.raises(RoboTSError, match="readable JSON"):
        make(earlier=[str(tmp_path / "none")])
    empty = {k: v[:, :0] for k, v in fields.items()}
    save_data(tmp_path / "empty", empty, tuple(part[:, :0] for part in hidden))
    with pytest.raises(RoboTSError, match="no sequences"):
        make(earlier=[str(tmp_path / "empty")])


def test_an_empty_data_set_says_so() -> None:
    with pytest.raises(RoboTSError, match="an empty one"):
        next(make().minibatches(1, torch.Generator()))


@pytest.mark.parametrize("kind", ["window", "reservoir"])
def test_its_bytes_are_counted_before_they_are_taken(
    kind: str, capsys: pytest.CaptureFixture
) -> None:
    dataset = make(window=4, kind=kind)
    kept = [*dataset._fields.values(), *dataset._hidden]
    kept += [dataset.round, dataset.uncertainty, dataset.outcome]
    assert sum(t.numel() * t.element_size() for t in kept) == dataset.bytes
    hidden, generator = (torch.zeros(1, N, WIDTH),), torch.Generator()
    SequenceDataset(DatasetConfig(), STEPS, N, row(0), hidden, generator, announce=True)
    assert "GiB of 4 GiB allowed" in capsys.readouterr().err


def test_a_window_over_budget_is_refused_with_both_figures() -> None:
    with pytest.raises(RoboTSError, match=r"at most 1 GiB(.|\n)*GiB") as failure:
        make(window=10**9)
    assert "distill.dataset.window" in failure.value.fix


@pytest.mark.parametrize("kind", ["window", "reservoir", "prioritised"])
def test_a_saved_data_set_is_restored(kind: str) -> None:
    one, two = make(kind=kind), make(kind=kind)
    for value in (10.0, 20.0, 30.0):
        fill(one, value)
    two.load_state_dict(one.state_dict())
    assert rounds(two) == rounds(one)
    fill(one, 40.0)
    fill(two, 40.0)
    for a, b in zip(
        one.minibatches(2, torch.Generator().manual_seed(0)),
        two.minibatches(2, torch.Generator().manual_seed(0)),
        strict=True,
    ):
        assert torch.equal(a.label, b.label) and torch.equal(a.hidden[0], b.hidden[0])
