"""Machines and launches with one fault each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from robo_ts.distill import DatasetConfig, DistillConfig
from robo_ts.doctor import examine, launch
from robo_ts.doctor.finding import Finding
from robo_ts.doctor.machine import Machine
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.envs.benchmarks.reacher import ReacherConfig
from robo_ts.pipeline.config import PipelineConfig, Run
from robo_ts.sim import EngineConfig

SOUND = Machine(cores=4, versions={"mujoco": "4.0.0", "mujoco-warp": "4.0.0"})


def test_a_sound_machine_has_no_findings():
    assert examine.this_machine(SOUND).findings == ()


@pytest.mark.parametrize(
    ("changes", "check", "where"),
    [
        ({"variables": {"OMP_NUM_THREADS": "64"}}, "threads", "OMP_NUM_THREADS"),
        ({"cores": 64, "quota": 2.0}, "threads", "container"),
        ({"torch_threads": 8}, "threads", "torch"),
        ({"variables": {"OMP_WAIT_POLICY": "ACTIVE"}}, "threads", "OMP_WAIT_POLICY"),
        ({"gl": ()}, "graphics", "OpenGL"),
        ({"variables": {"MUJOCO_GL": "osmesa"}}, "graphics", "MUJOCO_GL"),
        ({"variables": {"MUJOCO_GL": "glfw"}}, "graphics", "MUJOCO_GL"),
        ({"gpu_devices": ("/dev/nvidia0",)}, "cuda", "/dev/nvidia0"),
        ({"gpu_devices": ("/dev/nvidia0",), "cuda_build": "12.8"}, "cuda", "/dev/nvidia0"),
        ({"disk_gib": 0.2}, "space", "disk"),
        ({"shared_mib": 64.0}, "space", "/dev/shm"),
        ({"versions": {"mujoco": "4.0.0", "mujoco-warp": "3.9.0"}}, "versions", "mujoco-warp"),
    ],
)
def test_a_fault_of_the_machine_is_found(changes: dict[str, Any], check: str, where: str):
    findings = examine.this_machine(replace(SOUND, **changes)).counted
    assert [(f.check, f.where) for f in findings] == [(check, where)]


def test_why_cuda_is_not_used_is_told():
    hidden = {"CUDA_VISIBLE_DEVICES": ""}
    gpu = replace(SOUND, gpu_devices=("/dev/nvidia0",), cuda_build="12.8", variables=hidden)
    assert "hides it" in examine.this_machine(gpu).counted[0].found
    cpu_build = replace(SOUND, gpu_devices=("/dev/nvidia0",))
    assert "CPU build" in examine.this_machine(cpu_build).counted[0].found


def _run(**config: Any) -> Run:
    task = ReacherConfig()
    return Run("reacher", "planned", PipelineConfig(task=task, **config))


def _launch(run: Run, machine: Machine = SOUND) -> list[tuple[str, str]]:
    findings: tuple[Finding, ...] = examine.before_launch(run, machine).counted
    return [(f.check, f.where) for f in findings]


def test_a_sound_launch_has_no_findings():
    assert _launch(_run()) == []


def test_a_data_set_beyond_its_budget_is_found_before_launch():
    wide = DistillConfig(num_envs=4096, dataset=DatasetConfig(window=100, budget_gb=0.5))
    assert _launch(_run(distill=wide)) == [("memory", "data set")]


def test_a_run_that_does_not_fit_the_machine_is_found_before_launch():
    distill = DistillConfig(num_envs=4096, dataset=DatasetConfig(window=100, budget_gb=50.0))
    assert _launch(_run(distill=distill), replace(SOUND, memory_gib=0.5)) == [
        ("memory", "this machine")
    ]


def test_more_threads_than_cores_are_found_before_launch():
    assert _launch(_run(torch_threads=16)) == [("threads", "torch_threads")]


def test_a_gpu_left_idle_is_found_before_launch():
    assert _launch(_run(), replace(SOUND, cuda=True)) == [("cuda", "engine")]
    assert _launch(_run(engine=EngineConfig("warp", device="cpu")), SOUND) == []


def test_memory_of_images_is_counted_as_they_are_stored():
    camera = ObservationGroup("camera", (Term("rgb", 3 * 64 * 64),), True, image=(3, 64, 64))
    distill = DistillConfig(
        num_envs=1000, steps_per_iteration=50, bptt_length=50, dataset=DatasetConfig(window=2)
    )
    config = PipelineConfig(task=ReacherConfig(), distill=distill)
    need = launch.needs(config, ObservationSpec([camera]), 4)
    images = 3 * 64 * 64  # bytes: they stay uint8
    assert images <= need.transition < images + 64
    assert need.dataset == pytest.approx(1000 * 50 * 2 * images / 2**30, rel=0.01)
    assert need.update > 0.25 * 1000 / 4 * 50 * images * 4 / 2**30
