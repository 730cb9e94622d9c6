"""All variants in turn, round after round, so that a busy machine hits all alike."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from robo_ts.bench.engines import run_engines
from robo_ts.bench.env import EnvStepper
from robo_ts.bench.formulas import run_formulas
from robo_ts.bench.sim import raw_stepper, sim_stepper, steps_per_second
from robo_ts.env import get_task, make_env
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.lineage import commit, hardware, versions
from robo_ts.sim import EngineConfig

WHAT = ("sim", "env")


def run_bench(
    what: Sequence[str] = WHAT,
    num_envs: int = 4096,
    engine: EngineConfig | None = None,
    seconds: float = 10.0,
    seed: int = 0,
    task: str = "quadrotor",
    rounds: int = 20,
    beside: Sequence[str] = (),
) -> dict[str, Any]:
    """Control steps per second of a task's worlds: raw engine, :class:`BatchSim`, whole task.

    Args:
        what: ``sim``, ``env`` or both; the raw engine is always measured beside them.
        num_envs: number of worlds.
        engine: the engine; the CPU when left out.
        seconds: measured time per variant, over all rounds.
        seed: of the task's generators.
        task: a name of :func:`robo_ts.env.list_tasks`.
        rounds: every variant is measured once per round.
        beside: engines on which a task whose physics are formulas is measured beside these, with
            ``sim``.

    Returns:
        Plain data: ``rates`` (medians over the rounds, in world steps per second), the ratios
        ``sim_over_raw`` and ``env_over_raw`` (medians of each round's ratio), every round's rates,
        and the hardware, versions, commit and seed they belong to. With ``sim``, and for a task
        whose physics are formulas, ``analytic`` says how fast these are on one core, and
        ``engines`` how fast the whole task is on those of ``beside``, with as many worlds.

    Raises:
        RoboTSError: for an unknown word in ``what``.
    """
    for word in what:
        if word not in WHAT:
            raise RoboTSError(
                f"words among {', '.join(WHAT)}", repr(word), did_you_mean(word, WHAT)
            )
    if rounds < 1 or seconds <= 0:
        raise RoboTSError(
            "at least one round and some time", f"{rounds} rounds in {seconds} s", "ask for more"
        )
    engine = engine or EngineConfig()
    env = make_env(task, num_envs, engine=engine, seed=seed)
    env.scatter_episode_steps()
    whole = EnvStepper(env, get_task(task).plain_action)
    whole.step()  # writes controls that fit the worlds
    twin = make_env(task, num_envs, engine=engine, seed=seed).sim
    start, control = env.sim.state_dict(), env.sim.read("ctrl").clone()

    variants = {"raw": raw_stepper(twin, start, control, env.substeps)}
    if "sim" in what:
        variants["sim"] = sim_stepper(twin, start, control, env.substeps)
    if "env" in what:
        variants["env"] = (whole.step, lambda: None)
    share = seconds / rounds
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for index in range(rounds + 1):
        # Every other round runs backwards, so that no variant always follows the same one.
        names = list(variants) if index % 2 else list(reversed(variants))
        for name in names:
            wanted = share if index else 0.2 * share
            rate = env.sim.num_envs * steps_per_second(variants[name], wanted, env.device)
            if index:  # the first round only warms up
                measured[name].append(rate)
    formulas = run_formulas(task, seed, 0.5 * seconds) if "sim" in what else None
    engines = run_engines(task, beside, seed, 0.5 * seconds) if formulas and beside else None
    found = {
        "task": task,
        "num_envs": num_envs,
        "substeps": env.substeps,
        "engine": asdict(engine),
        "threads": getattr(env.sim, "threads", None),
        "torch_threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "device": str(env.device),
        "seed": seed,
        "seconds": seconds,
        "unit": "control steps of one world per second, median over rounds",
        "rates": {name: statistics.median(rates) for name, rates in measured.items()},
        **{f"{name}_over_raw": _ratio(measured, name) for name in variants if name != "raw"},
        **({"analytic": formulas} if formulas else {}),
        **({"engines": engines} if engines else {}),
        "resets_per_step": whole.resets_per_step,
        "rounds": measured,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }
    env.close()
    twin.close()
    return found


def _ratio(measured: dict[str, list[float]], name: str) -> float:
    pairs = zip(measured[name], measured["raw"], strict=True)
    return statistics.median(own / raw for own, raw in pairs)
