"""The comparison with rsl_rl is fair, and gives every figure it promises."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from robo_ts.bench import SUITE, Measurement, chosen
from robo_ts.bench.distill import ImageSizes, Sizes, run_bench_distill, run_suite
from robo_ts.bench.distill.contestants import (
    GROUP,
    copy_weights,
    make_data,
    our_student,
    our_updater,
    their_distillation,
    their_student,
)
from robo_ts.bench.distill.memory import CAMERA, image_kind, learn_from_images, storage_bytes
from robo_ts.bench.distill.report import print_distill
from robo_ts.cli import main
from robo_ts.errors import RoboTSError
from robo_ts.files import write_json

SIZES = Sizes(num_envs=6, steps=12, bptt_length=12, observations=5, actions=3, episode=4.0)
IMAGES = ImageSizes(num_envs=8, steps=4, minibatches=2, image=(3, 16, 16))


def test_both_networks_have_the_same_parameters_up_to_the_standard_deviation() -> None:
    theirs, ours = their_student(SIZES), our_student(SIZES)
    count = sum(p.numel() for p in theirs.parameters())
    assert count - SIZES.actions == ours.num_parameters()


def test_with_copied_weights_both_networks_say_the_same_throughout_episodes() -> None:
    torch.manual_seed(0)
    data = make_data(SIZES, seed=1)
    assert data.done.any()
    theirs, ours = their_student(SIZES), our_student(SIZES)
    copy_weights(theirs, ours)
    starts = torch.ones_like(data.done)
    starts[1:] = data.done[:-1]
    with torch.no_grad():
        said, _ = ours.sequence({GROUP: data.obs}, ours.initial_state(SIZES.num_envs), starts)
        for obs, done, wanted in zip(data.obs, data.done, said, strict=True):
            torch.testing.assert_close(theirs(_td(obs)), wanted)
            theirs.reset(done)


def test_one_update_of_either_gives_the_same_gradient_up_to_the_number_of_steps_summed() -> None:
    torch.manual_seed(0)
    data = make_data(SIZES, seed=1)
    theirs, ours = their_student(SIZES), our_student(SIZES)
    copy_weights(theirs, ours)
    their_distillation(SIZES, data, theirs, max_grad_norm=1e9).update()
    updater, dataset = our_updater(SIZES, data, ours, minibatches=1, max_grad_norm=1e9)
    updater.run(dataset, 0, None)
    pairs = {
        "rnn.rnn.weight_hh_l0": "memory.rnn.weight_hh_l0",
        "rnn.rnn.weight_ih_l0": "memory.rnn.weight_ih_l0",
        "mlp.0.weight": "decoder.0.weight",
        "mlp.2.bias": "head.bias",
    }
    for name, own in pairs.items():
        wanted, found = theirs.get_parameter(name).grad, ours.get_parameter(own).grad
        assert wanted is not None and found is not None and wanted.any()
        # rsl_rl sums the loss over the steps, we take its mean.
        torch.testing.assert_close(SIZES.steps * found, wanted, rtol=1e-4, atol=1e-6)


def test_a_measurement_holds_rates_ratios_memory_and_where_they_come_from(tmp_path: Path) -> None:
    found = run_bench_distill(
        (4, 6), 4, 2, seconds=0.02, rounds=2, seed=3, threads=1, images=[IMAGES]
    )
    assert [cell["num_envs"] for cell in found["cells"]] == [4, 6]
    for cell in found["cells"]:
        assert set(cell["rates"]) == {"rsl_rl", "ours", "recommended"}
        for name, rate in cell["rates"].items():
            assert rate > 0 and math.isfinite(rate)
            assert len(cell["rounds"][name]) == len(cell["rounds_wall"][name]) == 2
        for name in ("ours_over_rsl_rl", "recommended_over_rsl_rl", "ours_over_rsl_rl_wall"):
            low, high = cell[name]["ci95"]
            assert 0 < low <= cell[name]["iqm"] <= high
    assert (found["seed"], found["torch_threads"], found["bptt_length"]) == (3, 1, 2)
    memory = found["memory"][0]
    assert memory["ours_bytes"] > 0 and memory["ours_over_rsl_rl"] > 0
    images, numbers = 8 * 4 * 3 * 16 * 16, 8 * 4 * 8
    assert memory["ours_dataset_bytes"] >= images + 2 * 4 * numbers
    # Observation, action and label, reward and end.
    assert memory["rsl_rl_storage_uint8_bytes"] == images + 4 * 3 * numbers + 5 * 8 * 4
    assert {"cpu", "cores"} <= set(found["hardware"])
    assert {"torch", "rsl-rl-lib", "robo_ts"} <= set(found["versions"])
    assert "commit" in found

    write_json(tmp_path / "bench.json", found)
    assert json.loads((tmp_path / "bench.json").read_text())["cells"] == found["cells"]
    console = Console(file=io.StringIO(), width=120)
    print_distill(found, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "samples/s" in text and "storage alone" in text and "same steps" in text


def test_the_data_set_whose_memory_is_measured_is_full_of_images() -> None:
    dataset = learn_from_images(IMAGES, seed=0)
    assert len(dataset) == IMAGES.num_envs
    images = dataset.newest().obs[CAMERA]
    assert images.dtype == torch.uint8
    assert images.flatten(2).any(dim=-1).all()


def test_rsl_rls_storage_is_counted_in_what_its_own_cnn_reads() -> None:
    # Fails once its CNN reads uint8: then the comparison of memory has to be told anew.
    assert image_kind() is torch.float32
    small, large = (storage_bytes(IMAGES, kind) for kind in (torch.uint8, torch.float32))
    assert large - small == 3 * 8 * 4 * 3 * 16 * 16


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"rounds": 0}, "more"),
        ({"num_envs": []}, "more"),
        ({"steps": 6, "bptt_length": 4}, "divisor"),
        ({"num_envs": [1]}, "raise"),
    ],
)
def test_impossible_comparisons_are_refused(wrong: dict, hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        run_bench_distill(**wrong)
    assert hint in failure.value.fix


def test_several_seeds_are_refused_where_one_is_enough() -> None:
    with pytest.raises(RoboTSError, match="one seed"):
        run_suite(seeds=range(3))


@pytest.mark.parametrize(
    "words", [["distill", "sim"], ["distil"], ["distill", "--task", "quadrotor"], ["--seeds", "2"]]
)
def test_words_that_do_not_go_together_are_refused(
    words: list[str], capsys: pytest.CaptureFixture
) -> None:
    assert main(["bench", *words]) == 2
    assert "expected" in capsys.readouterr().err


def test_speed_words_go_together_and_others_alone() -> None:
    assert chosen(["sim", "env"]) is None
    assert chosen(["distill"]) == "distill"


def test_every_measurement_of_the_suite_is_there() -> None:
    from robo_ts.bench.suite import _load

    for measurement in SUITE.values():
        assert callable(_load(measurement.run)) and callable(_load(measurement.show))


def test_the_command_runs_a_measurement_of_the_suite_and_writes_its_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    fake = Measurement("a fake", f"{__name__}:fake_run", f"{__name__}:fake_show")
    monkeypatch.setitem(SUITE, "fake", fake)
    path = tmp_path / "fake.json"
    words = ["fake", "--seed", "2", "--seeds", "3", "--threads", "1", "--json", str(path)]
    assert main(["bench", *words]) == 0
    assert json.loads(path.read_text()) == {"seeds": [2, 3, 4], "threads": 1}
    assert "seeds [2, 3, 4]" in capsys.readouterr().out


def fake_run(seeds: Sequence[int] | None, threads: int) -> dict[str, Any]:
    """Stands in for a measurement."""
    return {"seeds": list(seeds or []), "threads": threads}


def fake_show(figures: dict[str, Any]) -> None:
    """Stands in for what prints it."""
    print("seeds", figures["seeds"])


def _td(values: torch.Tensor):
    from tensordict import TensorDict

    return TensorDict({GROUP: values}, batch_size=[len(values)])
