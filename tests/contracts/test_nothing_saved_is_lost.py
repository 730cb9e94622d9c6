"""A run may die at any moment: what was saved stays whole, and the next attempt goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.policies import PolicyBundle

SMALL = [
    "task=quadrotor",
    "recipe=smoke",
    "teacher.iterations=40",
    "teacher.num_envs=32",
    "distill.iterations=25",
    "distill.num_envs=16",
    "checkpoint_seconds=0.2",
    "torch_threads=1",
    "engine.threads=1",
]
COMMAND = [sys.executable, "-m", "robo_ts.cli"]


def _run(stage: str, folder: Path, *more: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, stage, *SMALL, f"run_dir={folder}", *more],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **kwargs,
    )


def _kill_once_it_saved(stage: str, folder: Path, checkpoint: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, stage, *SMALL, f"run_dir={folder}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_killed_run_goes_on_to_the_very_same_student(tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for stage, name in (("teach", "teacher"), ("distill", "student")):
        assert _run(stage, whole).returncode == 0
        _kill_once_it_saved(stage, broken, broken / name / "checkpoint.pt")
        assert not (broken / name / "done.json").exists()
        assert (broken / name / "checkpoint.pt").exists()
        assert _run(stage, broken).returncode == 0
        a = PolicyBundle.load(whole / name / "bundle")
        b = PolicyBundle.load(broken / name / "bundle")
        assert a.digest() == b.digest()
        rows = (broken / name / "metrics.jsonl").read_text().splitlines()
        planned = 40 if name == "teacher" else 25
        assert len(rows) == planned


def test_a_full_disk_is_one_clear_message_and_loses_nothing(tmp_path: Path):
    folder = tmp_path / "run"
    assert _run("teach", folder).returncode == 0
    kept = PolicyBundle.load(folder / "teacher" / "bundle").digest()

    def small_files_only() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    failed = _run("distill", folder, preexec_fn=small_files_only, env={**os.environ})
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr
    assert "expected to write" in failed.stderr
    assert "fix" in failed.stderr
    assert PolicyBundle.load(folder / "teacher" / "bundle").digest() == kept
    assert _run("distill", folder).returncode == 0


def test_what_a_killed_writer_left_neither_blocks_the_folder_nor_stays(tmp_path: Path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".config.yaml.123.tmp").write_text("half")
    run = compose_run(["recipe=smoke", f"run_dir={folder}"])
    RunDir(folder).open(run)
    assert [p.name for p in folder.iterdir()] == ["config.yaml"]
    (folder / "teacher").mkdir()
    (folder / "teacher" / ".checkpoint.pt.123.tmp").write_text("half")
    RunDir(folder).open(run)
    assert not list(folder.rglob(".*.tmp"))
