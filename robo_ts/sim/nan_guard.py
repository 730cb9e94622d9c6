"""Stop a run whose worlds became non-finite, and keep what is needed to see why."""

from __future__ import annotations

import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import mujoco
import numpy as np

from robo_ts.errors import RoboTSError, SimulationDiverged


@dataclass
class NanGuardConfig:
    """When to look for non-finite states.

    Attributes:
        enabled: look at all.
        every: steps between two looks on a GPU, where each look waits for the device; the CPU looks
            at every step, because there a look is almost free.
        dump_dir: folder that receives one sub-folder per incident.
        max_worlds: worlds written to a dump.
    """

    enabled: bool = True
    every: int = 16
    dump_dir: str = "runs/nan_dumps"
    max_worlds: int = 8

    def __post_init__(self) -> None:
        if self.every < 1 or self.max_worlds < 1:
            raise RoboTSError(
                "nan_guard.every and max_worlds >= 1",
                f"{self.every} and {self.max_worlds}",
                "raise them, or set nan_guard.enabled=false",
            )


def raise_diverged(
    config: NanGuardConfig,
    model: mujoco.MjModel,
    env_ids: np.ndarray,
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    reason: str,
) -> None:
    """Write the dump and raise.

    Args:
        before: state fields ``(num_envs, ...)`` of the last step known to be finite.
        after: state fields ``(num_envs, ...)`` now.

    Raises:
        SimulationDiverged: always; its ``dump`` attribute names the folder.
    """
    worst = env_ids[: config.max_worlds]
    folder = (
        Path(config.dump_dir) / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**6:06d}"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mujoco.mj_saveModel(model, str(folder / "model.mjb"))
        arrays = {f"before_{k}": v[worst] for k, v in before.items()}
        arrays |= {f"after_{k}": v[worst] for k, v in after.items()}
        np.savez_compressed(folder / "states.npz", allow_pickle=False, env_ids=worst, **arrays)
        (folder / "reason.json").write_text(
            json.dumps({"reason": reason, "env_ids": env_ids.tolist()}, indent=2)
        )
        where = f"look at {folder} (robo_ts.sim.load_dump opens it)"
    except OSError as error:
        where = f"the dump could not be written ({error.strerror}); free some space to get one"
    failure = SimulationDiverged(
        "finite states in every world",
        f"{reason} in {len(env_ids)} worlds (first: {', '.join(map(str, worst))})",
        f"{where}; usual causes: a too large time step, too stiff contacts, extreme parameters",
    )
    failure.dump = str(folder)
    raise failure


def load_dump(folder: str | Path) -> tuple[mujoco.MjModel, dict[str, np.ndarray]]:
    """The model and the states of a dump written by the guard.

    Returns:
        The model and the arrays: ``env_ids`` and, per state field, ``before_*`` and ``after_*``.
    """
    folder = Path(folder)
    if not (folder / "states.npz").is_file():
        raise RoboTSError(
            "a dump folder with states.npz and model.mjb",
            str(folder),
            "give the folder named in the error message of the run",
        )
    try:
        model = mujoco.MjModel.from_binary_path(str(folder / "model.mjb"))
        with np.load(folder / "states.npz", allow_pickle=False) as arrays:
            return model, {key: arrays[key] for key in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise RoboTSError(
            f"an undamaged dump in {folder}", str(error), "run again to get a new one"
        ) from error
