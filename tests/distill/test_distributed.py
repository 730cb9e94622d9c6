"""Two processes, one student (gloo on the CPU)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from robo_ts.policies import PolicyBundle

ROOT = Path(__file__).parents[2]


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
        cwd=ROOT,
    )


def test_processes_with_other_worlds_keep_one_student(tmp_path: Path) -> None:
    done = torchrun(str(ROOT / "tests/distill/two_processes.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (torch.load(tmp_path / f"{i}.pt", weights_only=True) for i in range(2))
    assert not torch.equal(one["seen"], two["seen"])
    assert torch.equal(one["weights"], two["weights"])
    both = torch.cat([one["seen"], two["seen"]], dim=1).reshape(-1, 2)
    for found in (one, two):
        assert torch.allclose(found["mean"], both.mean(dim=0), atol=1e-5)
        assert torch.allclose(found["variance"], both.var(dim=0, unbiased=False), atol=1e-5)


@pytest.mark.slow
def test_the_distil_stage_runs_under_torchrun_and_leaves_one_bundle(tmp_path: Path) -> None:
    folder = f"run_dir={tmp_path / 'run'}"
    settings = ["recipe=smoke", "engine.threads=1", "torch_threads=1", folder]
    robo_ts = [sys.executable, "-m", "robo_ts.cli"]
    subprocess.run([*robo_ts, "teach", *settings], check=True, capture_output=True)
    done = torchrun("-m", "robo_ts.cli", "distill", *settings)
    assert done.returncode == 0, done.stderr[-3000:]
    bundle = PolicyBundle.load(tmp_path / "run" / "student" / "bundle")
    assert bundle.lineage["samples"] == 2 * 4 * 32 * 64
    assert not list((tmp_path / "run").rglob("checkpoint*.pt"))


def test_other_stages_refuse_several_processes(tmp_path: Path) -> None:
    done = torchrun("-m", "robo_ts.cli", "pipeline", "recipe=smoke", f"run_dir={tmp_path / 'run'}")
    assert done.returncode != 0
    assert "one process for every stage but 'distill'" in done.stderr
