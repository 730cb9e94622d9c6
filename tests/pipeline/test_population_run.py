"""A population in a run: shared out, put together, measured member by member, learnt from."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from robo_ts.distill import PolicyTeacher
from robo_ts.env.pool import POOL_MEMBER
from robo_ts.errors import BundleError, GateFailed, RoboTSError
from robo_ts.evaluate import Episodes
from robo_ts.pipeline import gate, ray_tasks
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.pipeline import begin, run_stage
from robo_ts.pipeline.population import put_together, shared_out, train_share
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.pipeline.stages import load_fitting
from robo_ts.pipeline.trials import compare
from robo_ts.pipeline.worlds import env_maker
from robo_ts.policies import PolicyBundle, PopulationPolicy
from robo_ts.policies.policy import Output
from tests.pipeline.small_population import same, words


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes longer than these tests; that it changes nothing is tested elsewhere."""
    for module in ("envs.quadrotor.twin", "teach.apg", "distill.windows", "sim.analytic"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_members_are_shared_out_evenly_and_put_together_in_order(
    limit: float, tmp_path: Path
) -> None:
    assert shared_out(range(5), 2) == [[0, 1], [2, 3, 4]]
    # A limit on each world's pull does not depend on who else is trained here.
    run = compose_run(words(tmp_path, f"apg.max_world_grad={limit}"))
    whole = put_together(run, [train_share(run, range(4))])
    parts = put_together(run, [train_share(run, [1, 3]), train_share(run, [0, 2])])
    assert same(whole, parts)
    wrong = put_together(run, [train_share(run, [1, 3])])
    assert not same(whole, wrong)


def test_a_run_trains_measures_and_keeps_all_of_them(tmp_path: Path) -> None:
    result = run_stage(compose_run(words(tmp_path)), "teach")
    assert result["samples"] == 8 * 4 * 3
    assert result["members"]["count"] == result["members"]["kept"] == 4
    rows = json.loads((tmp_path / "teacher" / "members.json").read_text())
    assert sorted(row["member"] for row in rows) == [0, 1, 2, 3]
    assert [row["episodes"] for row in rows] == [2, 2, 2, 2]
    keys = [(row["success"], row["return"]) for row in rows]
    assert keys == sorted(keys) and result["members"]["worst"] == rows[:4]
    bundle = PolicyBundle.load(tmp_path / "teacher" / "bundle")
    assert isinstance(bundle.policy, PopulationPolicy) and bundle.policy.members == 4
    assert bundle.lineage["pool"]["pool"] == 4 and bundle.digest() == result["digest"]


def test_members_below_the_gate_are_dropped_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flown = gate.run_episodes

    def the_third_fails(*args: Any) -> Episodes:
        episodes = flown(*args)
        episodes.metrics["success"] = episodes.metrics[POOL_MEMBER] != 2
        return episodes

    monkeypatch.setattr(gate, "run_episodes", the_third_fails)
    run = compose_run(words(tmp_path, "gate.member_success=0.6", "gate.success=0.9"))
    result = run_stage(run, "teach")
    worst = result["members"]["worst"][0]
    assert worst["member"] == 2 and not worst["kept"] and result["members"]["kept"] == 3
    assert result["gate"]["episodes"] == 6 and result["gate"]["mean"] == 1.0
    bundle = PolicyBundle.load(tmp_path / "teacher" / "bundle")
    assert isinstance(bundle.policy, PopulationPolicy)
    assert bundle.policy.kept.tolist() == [True, True, False, True]


def test_a_population_without_a_good_member_is_no_teacher(tmp_path: Path) -> None:
    run = compose_run(words(tmp_path, "gate.member_success=1", "task.limit_velocity=0.001"))
    with pytest.raises(GateFailed, match="none of 4"):
        run_stage(run, "teach")


@pytest.mark.parametrize("engine", ["cpu", "analytic"])
def test_any_world_is_labelled_by_the_teacher_of_its_drone(tmp_path: Path, engine: str) -> None:
    run = compose_run(words(tmp_path, f"rollout_engine={engine}"))
    policy = put_together(run, [train_share(run, range(4))])
    policy.kept[3] = False
    env = env_maker(run, training=True, rollout=True)(7, 3)
    obs = env.reset()
    index = obs["pool"][:, 0].long()
    own = Output(torch.zeros(7, 4), None, torch.zeros(7, 1))
    label = PolicyTeacher(policy, 7).label(obs, own)
    for world in range(7):
        alone = policy.member(int(index[world]))
        action, _ = alone.act({"privileged": obs["privileged"][world : world + 1]})
        assert torch.allclose(label.action[world], action[0], atol=1e-6)
    assert label.known.tolist() == (index != 3).tolist()
    turned = obs.clone()
    turned["pool"] = obs["pool"].flip(0)
    wrong = PolicyTeacher(policy, 7).label(turned, own)
    assert not torch.allclose(label.action[0], wrong.action[0], atol=1e-4)
    env.close()


@pytest.mark.parametrize("distiller", ["windows", "rounds"])
def test_a_student_is_made_of_a_given_population(tmp_path: Path, distiller: str) -> None:
    run_stage(compose_run(words(tmp_path / "first")), "teach")
    given = tmp_path / "first" / "teacher" / "bundle"
    small = [
        f"teacher_bundle={given}",
        f"distiller={distiller}",
        "finetune=none",
        "windows.num_envs=8",
        "windows.iterations=2",
        "windows.window=4",
        "windows.first_window=4",
        "distill.num_envs=6",
        "distill.iterations=2",
        "distill.steps_per_iteration=4",
        "distill.bptt_length=4",
        "distill.minibatches=1",
    ]
    run = compose_run(words(tmp_path / "second", *small))
    result = run_stage(run, "distill")
    assert result["parameters"] == 2068
    evaluated = run_stage(run, "evaluate")
    assert evaluated["student_in_pool"]["success"]["episodes"] == 8
    pairs = evaluated["teacher_to_student"]
    assert sum(pairs[k] for k in ("both", "only_first", "only_second", "neither")) == 8


def test_a_population_of_another_pool_is_refused(tmp_path: Path) -> None:
    run_stage(compose_run(words(tmp_path)), "teach")
    bundle = tmp_path / "teacher" / "bundle"
    load_fitting(compose_run(words(tmp_path)), bundle)
    for change, said in (
        ("training.drones.pool_seed=1", "pool_seed=0"),
        ("training.drones.weak_share=0.5", "weak_share=0.25"),
    ):
        with pytest.raises(BundleError, match=said):
            load_fitting(compose_run(words(tmp_path, change)), bundle)
    with pytest.raises(BundleError, match="a run without a pool"):
        load_fitting(compose_run(["recipe=raptor"]), bundle)
    with pytest.raises(BundleError, match="robots of its pool only"):
        compare([str(bundle)], "quadrotor", ["hold"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["population=-1"], "population >= 0"),
        (["method=ppo"], "method=apg for a population of 4"),
        (["training.drones.pool=3"], r"training.drones.pool=4, as many robots"),
        (["apg.num_envs=10"], "apg.num_envs that is a multiple of the 4"),
        (["windows.num_envs=511"], "windows.num_envs that is a multiple"),
        (["tuning.drones.pool=3", "tune.num_envs=8"], "tune.num_envs that is a multiple of the 3"),
        (["processes=5"], "at most 4 processes"),
        (["gate.episodes=3"], "gate.episodes >= 4"),
        (["gate.member_success=2"], r"gate.member_success in \[0, 1\]"),
        (["launcher=rai"], "did you mean ray"),
        (["population=0", "launcher=ray"], "a population for launcher=ray"),
        (["ray.cpus=0"], "ray.cpus > 0"),
        (["ray.tasks=-1"], "ray.tasks >= 0"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, more: list[str], said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        compose_run(words(tmp_path, *more))


def test_the_recipe_keeps_pool_and_population_together() -> None:
    run = compose_run(["recipe=population", "population=128"])
    assert run.training_task.drones.pool == 128
    assert run.config.task.drones.pool == run.tuning_task.drones.pool == 0


def test_who_launches_is_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    plain, ray = compose_run(words(tmp_path)), compose_run(words(tmp_path, "launcher=ray"))
    assert plain.digest() == ray.digest()
    assert plain.digest() != compose_run(words(tmp_path, "population=2")).digest()


# -- launcher=ray ----------------------------------------------------------------------------------


def test_ray_is_asked_for_by_name_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RoboTSError, match=r"robo_ts\[ray\]"):
        run_stage(compose_run(words(tmp_path, "launcher=ray")), "teach")


def test_finished_shares_are_kept_and_only_the_missing_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = compose_run(words(tmp_path, "launcher=ray"))
    folder, asked = begin(run), []
    place = folder.stage("teacher") / "shares"
    ray_tasks._keep(place, train_share(run, [1, 2]), 7.5)

    class Cluster:
        """Stands in for a cluster: what is asked of it is done here."""

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    def tasks(_: object, run: object, robots: list[int]):
        asked.append(robots)
        yield from (train_share(run, [robot]) for robot in robots)  # type: ignore[arg-type]

    monkeypatch.setattr(ray_tasks, "_cluster", lambda _: Cluster())
    monkeypatch.setattr(ray_tasks, "_tasks", tasks)
    result = run_stage(run, "teach")
    assert asked == [[0, 3]] and result["samples"] == 8 * 4 * 3
    assert result["seconds"] > 7.5 and not place.exists()
    whole = put_together(run, [train_share(run, range(4))])
    found = PolicyBundle.load(tmp_path / "teacher" / "bundle").policy
    assert same(whole, found)


def test_shares_of_other_settings_are_not_taken_over(tmp_path: Path) -> None:
    run = compose_run(words(tmp_path, "launcher=ray"))
    ray_tasks._keep(begin(run).stage("teacher") / "shares", train_share(run, [1]), 1.0)
    other = compose_run(words(tmp_path, "launcher=ray", "seed=1"))
    with pytest.raises(RoboTSError, match="seed"):
        RunDir(tmp_path).open(other)


def test_a_damaged_share_is_named(tmp_path: Path) -> None:
    place = tmp_path / "shares"
    place.mkdir()
    (place / "0-1.safetensors").write_bytes(b"nothing")
    with pytest.raises(RoboTSError, match=r"0-1\.safetensors"):
        ray_tasks._finished(place)


def test_a_ray_that_would_listen_outwards_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray, private, constants = (types.ModuleType(f"ray{name}") for name in ("", "_", "constants"))
    constants.ENABLE_RAY_CLUSTER = True  # type: ignore[attr-defined]
    ray.is_initialized = lambda: False  # type: ignore[attr-defined]
    names = ("ray", "ray._private", "ray._private.ray_constants")
    for name, module in zip(names, (ray, private, constants), strict=True):
        monkeypatch.setitem(sys.modules, name, module)
    before = dict(os.environ)
    with pytest.raises(RoboTSError, match="loopback interface only"):
        run_stage(compose_run(words(tmp_path, "launcher=ray")), "teach")
    assert dict(os.environ) == before
