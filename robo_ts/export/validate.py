"""Proof that the exported file is the policy: by its golden trace, and in closed loop."""

from __future__ import annotations

import copy
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robo_ts.errors import RoboTSError
from robo_ts.export.contract import GOLDEN_FILE, ONNX_FILE
from robo_ts.export.runtime import Runtime, load

if TYPE_CHECKING:  # a robot replays the golden trace without torch
    from robo_ts.env.base import TaskEnv
    from robo_ts.policies import PolicyBundle


class ExportMismatch(RoboTSError):
    """The exported file does not act like the policy; ``comparison`` has the numbers."""

    comparison: Comparison | None = None


@dataclass(frozen=True)
class Comparison:
    """How close the exported file stayed to the policy.

    Attributes:
        max_abs_diff: greatest difference of an action, over all steps and worlds.
        max_hidden_diff: greatest difference of the memory, relative to ``max(1, |value|)``; 0 for
            policies without memory.
        steps_compared: control steps of the rollout.
        worlds: worlds stepped together.
        episodes: episodes that ended inside the rollout; with 0 the reset rule was not tested.
        tolerance: what both differences had to stay within.
        worst: where the greatest action difference was.
    """

    max_abs_diff: float
    max_hidden_diff: float
    steps_compared: int
    worlds: int
    episodes: int
    tolerance: float
    worst: str


def replay_golden(folder: str | Path, threads: int = 1) -> float:
    """Repeat ``golden.npz`` with ``policy.onnx``.

    Every step begins from the memory that the trace has there, so that rounding does not grow in
    a policy that is stable only in closed loop; what the file makes of it, and of an episode's
    start, is compared. Needs no torch, so it also runs on the robot's computer.

    Args:
        folder: the export's folder.
        threads: threads of one inference.

    Returns:
        The greatest absolute difference of actions and memory.

    Raises:
        RoboTSError: for a missing or damaged file, or a trace of another policy.
    """
    folder = Path(folder)
    runtime = load(folder / ONNX_FILE, threads)
    golden = _read_golden(folder / GOLDEN_FILE, runtime)
    states = runtime.contract["hidden"] or {"inputs": [], "outputs": []}
    steps, worlds = golden["starts"].shape
    runtime.reset(worlds)
    greatest = 0.0
    for step in range(steps):
        starts, before = golden["starts"][step], [golden[name][step] for name in states["inputs"]]
        runtime.reset(mask=starts)
        fresh = [(h[:, starts], b[:, starts]) for h, b in zip(runtime.hidden, before, strict=True)]
        runtime.remember(before)
        seen = {one["group"]: golden[one["input"]][step] for one in runtime.images}
        pairs = [(runtime.act(golden["observations"][step], seen), golden["actions"][step])]
        after = [golden[name][step] for name in states["outputs"]]
        pairs += zip(runtime.hidden, after, strict=True)
        pairs += fresh if starts.any() else []
        greatest = max(greatest, *(float(np.abs(got - true).max()) for got, true in pairs))
    return greatest


def compare_closed_loop(
    bundle: PolicyBundle,
    onnx_path: str | Path,
    env: TaskEnv,
    steps: int,
    seed: int = 0,
    tolerance: float = 1e-4,
) -> Comparison:
    """Step the torch policy and the ONNX file side by side; the file's actions drive the worlds.

    Both see the same observations. The file keeps its own memory through the whole rollout; the
    policy takes every step from the memory that the file has, and both clear the rows of finished
    episodes by their own means, which are compared, too. Were each to keep its own, rounding would
    grow without bound in a policy that, as a controller may be, is stable only in closed loop.

    Args:
        bundle: the policy.
        onnx_path: the file made from it.
        env: worlds of its task; they are reset and stepped.
        steps: control steps; take more than an episode's length, so that memories are reset.
        seed: seed of the worlds.
        tolerance: greatest allowed difference of actions and memory.

    Raises:
        ExportMismatch: when the difference exceeds the tolerance.
        RoboTSError: when file, policy and environment do not belong together.
    """
    bundle.check_fits(env.name, env.spec, env.num_actions)
    runtime = load(onnx_path)
    _check_same(runtime, bundle.digest(), str(onnx_path))
    gap = _roll_out(bundle, runtime, env, steps, seed)
    comparison = Comparison(
        max_abs_diff=gap.action,
        max_hidden_diff=gap.hidden,
        steps_compared=steps,
        worlds=env.num_envs,
        episodes=gap.episodes,
        tolerance=tolerance,
        worst=gap.worst,
    )
    # Written so that a NaN fails, too.
    if not (gap.action <= tolerance and gap.hidden <= tolerance):
        error = ExportMismatch(
            f"actions and memory within {tolerance:g} of the policy's in all {steps} steps",
            f"actions {gap.action:.3g} apart ({gap.worst}), memory {gap.hidden:.3g} apart",
            "export the bundle anew; if it stays, compare the versions of torch and onnxruntime, "
            "and look whether memory is cleared at episode ends",
        )
        error.comparison = comparison
        raise error
    return comparison


@dataclass
class _Gap:
    """The greatest differences so far."""

    names: list[str]
    action: float = 0.0
    hidden: float = 0.0
    episodes: int = 0
    worst: str = "nowhere"

    def add_action(self, got: np.ndarray, true: np.ndarray, step: int) -> None:
        apart = np.abs(got - true)
        world, column = np.unravel_index(
            int(apart.argmax()), apart.shape
        )  # a NaN counts as greatest
        value = float(apart[world, column])
        if not value <= self.action and not np.isnan(self.action):
            self.action = value
            self.worst = f"step {step}, world {world}, {self.names[int(column)]}"

    def add_hidden(self, got: np.ndarray, true: np.ndarray) -> None:
        apart = np.abs(got - true) / np.maximum(1.0, np.abs(true))
        self.hidden = float(np.maximum(self.hidden, apart.max()))


def _roll_out(bundle: PolicyBundle, runtime: Runtime, env: TaskEnv, steps: int, seed: int) -> _Gap:
    import torch

    # On the CPU even for worlds on a GPU, whose recurrent kernels may round to TF32.
    policy = copy.deepcopy(bundle.policy).cpu().eval()
    gap = _Gap(runtime.action_names)
    obs = env.reset(seed=seed)
    hidden = policy.initial_state(env.num_envs)
    runtime.reset(env.num_envs)
    for step in range(steps):
        groups = {name: obs[name].cpu() for name in policy.spec}
        true, hidden = policy.act(groups, hidden)
        got = runtime.act({name: value.numpy() for name, value in groups.items()})
        gap.add_action(got, true.numpy(), step)
        for mine, theirs in zip(runtime.hidden, hidden, strict=True):
            gap.add_hidden(mine, theirs.numpy())
        result = env.step(torch.from_numpy(got).to(env.device))
        done = result.done.cpu()
        gap.episodes += int(done.sum())
        hidden = policy.reset_state(hidden, done)
        runtime.reset(mask=done.numpy())
        for mine, theirs in zip(runtime.hidden, hidden, strict=True):
            gap.add_hidden(mine, theirs.numpy())
        hidden = tuple(torch.from_numpy(part.copy()) for part in runtime.hidden)
        obs = result.obs
    return gap


def _check_same(runtime: Runtime, digest: str, what: str) -> None:
    if runtime.contract["policy_digest"] != digest:
        raise RoboTSError(
            f"{what} and an ONNX file of one policy",
            f"policies {digest[:12]} and {runtime.contract['policy_digest'][:12]}",
            "export the bundle and record its golden trace anew",
        )


def _read_golden(path: Path, runtime: Runtime) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            golden = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RoboTSError(
            f"a readable golden trace {path}",
            str(error),
            "record it anew with robo_ts.export.record_golden",
        ) from error
    states = runtime.contract["hidden"] or {"inputs": [], "outputs": []}
    images = [one["input"] for one in runtime.images]
    needed = {"observations", "actions", "starts", "policy_digest", *images}
    needed |= {*states["inputs"], *states["outputs"]}
    missing = needed - set(golden)
    if missing:
        raise RoboTSError(
            f"{path} with {', '.join(sorted(missing))}",
            f"arrays {sorted(golden)}",
            "record it anew with robo_ts.export.record_golden",
        )
    _check_same(runtime, str(golden["policy_digest"]), str(path))
    return golden
