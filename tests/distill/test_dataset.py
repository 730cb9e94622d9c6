"""The window: what is kept, for how long, in how many bytes, and how it is handed out."""

from __future__ import annotations

import pytest
import torch
from tensordict import TensorDict
from torch import Tensor

from robo_ts.distill.dataset import WindowDataset
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


def make(window: int = 2, budget_gb: float = 1.0) -> WindowDataset:
    hidden = (torch.zeros(1, N, WIDTH),)
    groups = ["sensors", "camera"]
    return WindowDataset(
        window, STEPS, N, observation(0), groups, ACTIONS, hidden, budget_gb=budget_gb
    )


def fill(dataset: WindowDataset, value: float) -> None:
    dataset.begin((torch.full((1, N, WIDTH), value),))
    for step in range(STEPS):
        obs = observation(value + step)
        label = obs["sensors"][:, :ACTIONS] * 10
        valid = torch.arange(N) != step
        dataset.add(step, obs, label, valid, torch.arange(N) == step)
    dataset.end()


def slots(dataset: WindowDataset, seed: int = 0) -> list[float]:
    """The rollouts handed out, by the value they were filled with, in their order."""
    generator = torch.Generator().manual_seed(seed)
    return [float(batch.hidden[0][0, 0, 0]) for batch, _ in dataset.minibatches(1, generator)]


def test_what_went_in_comes_out_with_its_memory_and_its_flags() -> None:
    dataset = make()
    fill(dataset, 100.0)
    ((batch, newest),) = dataset.minibatches(1, torch.Generator().manual_seed(0))
    assert newest
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
    ((batch, _),) = dataset.minibatches(1, torch.Generator())
    assert set(batch.obs) == {"sensors", "camera"}
    assert batch.obs["camera"].dtype == torch.uint8
    assert batch.obs["camera"].shape == (STEPS, N, 6, 6, 3)


def test_the_newest_rollouts_replace_the_oldest() -> None:
    dataset = make(window=2)
    assert len(dataset) == 0
    lengths, kept = [], []
    for value in (10.0, 20.0, 30.0, 40.0):
        fill(dataset, value)
        lengths.append(len(dataset))
        kept.append(sorted(slots(dataset)))
    assert lengths == [1, 2, 2, 2]
    assert kept == [[10.0], [10.0, 20.0], [20.0, 30.0], [30.0, 40.0]]


def test_only_minibatches_of_the_newest_rollout_are_called_newest() -> None:
    dataset = make(window=3)
    for value in (10.0, 20.0, 30.0, 40.0, 50.0):
        fill(dataset, value)
    for batch, newest in dataset.minibatches(2, torch.Generator().manual_seed(0)):
        assert newest == (float(batch.hidden[0][0, 0, 0]) == 50.0)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_minibatches_hold_every_world_of_every_rollout_once(count: int) -> None:
    dataset = make(window=2)
    fill(dataset, 100.0)
    fill(dataset, 200.0)
    seen: dict[float, list[int]] = {100.0: [], 200.0: []}
    for batch, _ in dataset.minibatches(count, torch.Generator().manual_seed(0)):
        value = float(batch.hidden[0][0, 0, 0])
        seen[value] += ((batch.obs["sensors"][0, :, 0] - value) * 100).round().int().tolist()
    assert all(sorted(worlds) == list(range(N)) for worlds in seen.values())


def test_the_order_depends_on_the_generator_alone() -> None:
    dataset = make(window=2)
    fill(dataset, 100.0)
    fill(dataset, 200.0)

    def orders(seed: int) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return [b.obs["sensors"][0, :, 0] for b, _ in dataset.minibatches(2, generator)]

    assert all(torch.equal(a, b) for a, b in zip(orders(1), orders(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(orders(1), orders(2), strict=True))


def test_its_bytes_are_counted_before_they_are_taken() -> None:
    dataset = make(window=4)
    per_step = 4 * 4 + 6 * 6 * 3 + 4 * ACTIONS + 2
    assert dataset.bytes == 4 * STEPS * N * per_step
    kept = [*dataset._obs.values(), dataset._label, dataset._valid, dataset._starts]
    assert sum(t.numel() * t.element_size() for t in kept) == dataset.bytes


def test_a_window_over_budget_is_refused_with_both_figures() -> None:
    with pytest.raises(RoboTSError, match=r"at most 1 GiB(.|\n)*GiB") as failure:
        make(window=10**9)
    assert "distill.window" in failure.value.fix


def test_a_saved_window_is_restored() -> None:
    one, two = make(), make()
    for value in (10.0, 20.0, 30.0):
        fill(one, value)
    two.load_state_dict(one.state_dict())
    assert slots(two) == slots(one)
    fill(one, 40.0)
    fill(two, 40.0)
    for (a, _), (b, _) in zip(
        one.minibatches(2, torch.Generator().manual_seed(0)),
        two.minibatches(2, torch.Generator().manual_seed(0)),
        strict=True,
    ):
        assert torch.equal(a.label, b.label) and torch.equal(a.hidden[0], b.hidden[0])
