"""Which tasks exist, how they are built, and how other packages add theirs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from robo_ts.env import get_task, list_tasks, make_env, registry
from robo_ts.env.adapters.gymnasium import BatchedEnv
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import compose_run
from robo_ts.sim import EngineConfig
from robo_ts.sim.cpu import CpuSim
from robo_ts.tasks import register_gymnasium

FOREIGN_TASK = """
import dataclasses
from pathlib import Path
from robo_ts.envs.quadrotor import TASK as QUADROTOR

TASK = dataclasses.replace(QUADROTOR, name="juggling", config_dir=Path(__file__).parent)
"""


def test_every_listed_task_can_be_loaded_under_its_own_name() -> None:
    assert "quadrotor" in list_tasks()
    for name in list_tasks():
        task = get_task(name)
        assert task.name == name
        assert task.description
        task.config()


def test_an_unknown_task_suggests_close_names() -> None:
    with pytest.raises(RoboTSError) as caught:
        get_task("quadroter")
    assert "'quadroter'" in caught.value.got
    assert "did you mean quadrotor?" in caught.value.fix


def test_a_name_close_to_nothing_lists_all_tasks() -> None:
    with pytest.raises(RoboTSError, match=r"choose one of: .*quadrotor"):
        get_task("xyz")


def test_make_env_starts_every_world(engine: EngineConfig) -> None:
    env = make_env("quadrotor", 3, QuadrotorConfig(episode_steps=8), engine, seed=1)
    assert env.num_envs == 3
    assert env.max_episode_steps == 8
    assert (env.observe()["proprioception"] != 0).any(dim=1).all()
    env.close()


def test_a_config_of_another_task_is_refused_with_the_right_class() -> None:
    with pytest.raises(RoboTSError) as caught:
        make_env("quadrotor", 1, config={"episode_steps": 8})
    assert "QuadrotorConfig" in caught.value.expected
    assert caught.value.got == "dict"
    assert "robo_ts.envs.quadrotor.config.QuadrotorConfig" in caught.value.fix


def test_zero_worlds_are_refused() -> None:
    with pytest.raises(RoboTSError, match="num_envs >= 1"):
        make_env("quadrotor", 0)


@pytest.mark.parametrize("num_envs", ["4", 1.5, None])
def test_worlds_are_counted_in_whole_numbers(num_envs: Any) -> None:
    for make in (
        lambda: make_env("quadrotor", num_envs),
        lambda: BatchedEnv(num_envs, "quadrotor"),
    ):
        with pytest.raises(RoboTSError, match="num_envs as a whole number"):
            make()


def test_an_engine_may_be_given_by_its_name() -> None:
    env = make_env("quadrotor", 1, engine="cpu")
    assert isinstance(env.sim, CpuSim)
    env.close()
    with pytest.raises(RoboTSError, match="an engine among cpu, warp"):
        make_env("quadrotor", 1, engine="gpu")
    with pytest.raises(RoboTSError, match="an EngineConfig or an engine's name"):
        make_env("quadrotor", 1, engine=3)  # type: ignore[arg-type]


def test_a_package_adds_a_task_through_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: EngineConfig
) -> None:
    (tmp_path / "their_juggling.py").write_text(FOREIGN_TASK)
    info = tmp_path / "their_juggling-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their_juggling\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[robo_ts.tasks]\njuggling = their_juggling:TASK\n")
    (tmp_path / "recipe" / "juggling").mkdir(parents=True)
    (tmp_path / "recipe" / "juggling" / "quick.yaml").write_text(
        "# @package _global_\nteacher: {num_envs: 7}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert "juggling" in list_tasks()
    assert get_task("juggling").name == "juggling"
    make_env("juggling", 1, engine=engine).close()
    run = compose_run(["task=juggling", "recipe=quick", "task.references.langevin=0.25"])
    assert (run.config.teacher.num_envs, run.config.task.references.langevin) == (7, 0.25)
    register_gymnasium()
    assert gymnasium.registry.pop("RoboTS/Juggling-v0").kwargs == {"task": "juggling"}


def test_the_way_to_add_a_task_is_documented() -> None:
    assert '[project.entry-points."robo_ts.tasks"]' in (registry.__doc__ or "")


def test_gymnasium_knows_every_own_task_however_often_they_are_registered(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.delitem(gymnasium.registry, "RoboTS/Quadrotor-v0", raising=False)
    register_gymnasium()
    register_gymnasium()
    assert not [w for w in recwarn if "Overriding" in str(w.message)]
    gymnasium.make("RoboTS/Quadrotor-v0").close()
    gymnasium.make_vec("RoboTS/Quadrotor-v0", num_envs=8).close()


def test_a_fresh_process_finds_the_tasks_by_the_module_in_the_id() -> None:
    code = (
        "import gymnasium;"
        "gymnasium.make('robo_ts.env.adapters.gymnasium:RoboTS/Quadrotor-v0').reset()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
