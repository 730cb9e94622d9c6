"""The golden trace: what the policy itself did, for any runtime to repeat."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch

from robo_ts.env.base import TaskEnv
from robo_ts.errors import RoboTSError
from robo_ts.export.contract import GOLDEN_FILE, image_input, state_inputs, state_outputs
from robo_ts.files import atomic_path
from robo_ts.policies import PolicyBundle


def record_golden(
    bundle: PolicyBundle,
    env: TaskEnv,
    steps: int = 64,
    *,
    folder: str | Path,
    seed: int = 0,
    worlds: int = 4,
) -> Path:
    """Let the torch policy act in its task and write ``golden.npz``.

    The arrays are float32: ``observations (steps, worlds, n)`` (the vectors, concatenated),
    ``actions (steps, worlds, num_actions)``, and with memory ``h_in``, ``h_out`` (and ``c_in``,
    ``c_out``) ``(steps, layers, worlds, size)``, before and after each step. ``starts (steps,
    worlds)`` is true where an episode begins with that step and the memory with it; at least one
    begins in the midst of the trace. Images lie beside them as they were stored,
    ``image.<group> (steps, worlds, channels, height, width)``. ``policy_digest`` names the policy.

    Args:
        bundle: the policy.
        env: worlds of the bundle's task; they are reset and stepped.
        steps: control steps to record, at least 2.
        folder: the export's folder.
        seed: seed of the worlds.
        worlds: at most so many worlds are recorded, the first ones.

    Returns:
        The path of the file.

    Raises:
        RoboTSError: when the policy does not fit the environment, or for too few steps or worlds.
    """
    if steps < 2 or worlds < 1:
        raise RoboTSError(
            "at least 2 steps of 1 world", f"{steps} of {worlds}", "64 of 4 are a good choice"
        )
    bundle.check_fits(env.name, env.spec, env.num_actions)
    arrays = _roll_out(bundle, env, steps, seed, min(worlds, env.num_envs))
    path = Path(folder) / GOLDEN_FILE
    # Through an open file, because numpy adds .npz to the name of a temporary one.
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def _roll_out(
    bundle: PolicyBundle, env: TaskEnv, steps: int, seed: int, rows: int
) -> dict[str, np.ndarray]:
    # On the CPU even for worlds on a GPU, whose recurrent kernels may round to TF32.
    policy = copy.deepcopy(bundle.policy).cpu().eval()
    names_in, names_out = (f(policy.config.memory) for f in (state_inputs, state_outputs))
    trace: dict[str, list[np.ndarray]] = {}

    def keep(name: str, value: torch.Tensor, axis: int = 0) -> None:
        trace.setdefault(name, []).append(value.narrow(axis, 0, rows).numpy().copy())

    obs = env.reset(seed=seed)
    hidden = policy.initial_state(env.num_envs)
    starts = torch.ones(env.num_envs, dtype=torch.bool)
    seen_start = False
    for step in range(steps):
        if step == steps // 2 and not seen_start:
            # A good policy ends no episode so soon, yet the trace has to show what a start does.
            obs = env.reset(env_ids=torch.zeros(1, dtype=torch.long))
            starts[0] = True
        hidden = policy.reset_state(hidden, starts)
        groups = {name: obs[name].cpu() for name in policy.spec}
        action, after = policy.act(groups, hidden)
        keep("observations", policy.inputs(groups))
        for name in policy.spec.images():
            keep(image_input(name), groups[name])
        keep("starts", starts)
        keep("actions", action)
        for name, part in [
            *zip(names_in, hidden, strict=True),
            *zip(names_out, after, strict=True),
        ]:
            keep(name, part, axis=1)
        result = env.step(action.to(env.device))
        obs, hidden, starts = result.obs, after, result.done.cpu().clone()
        seen_start |= bool(starts[:rows].any()) and step + 1 < steps
    arrays = {name: np.stack(values) for name, values in trace.items()}
    arrays["policy_digest"] = np.array(bundle.digest())
    return arrays
