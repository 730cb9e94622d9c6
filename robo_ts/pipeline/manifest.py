"""What a run is made of: everything needed to make it again and to judge its figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robo_ts.files import sha256
from robo_ts.lineage import command, commit, hardware, versions
from robo_ts.paths import ASSET_DIR, CONFIG_DIR
from robo_ts.pipeline.config import Run


def manifest(run: Run) -> dict[str, Any]:
    """Command, settings' digest, hashes of inputs, versions, hardware, seed, commit."""
    return {
        "task": run.task,
        "recipe": run.recipe,
        "seed": run.config.seed,
        "command": command(),
        "config_digest": run.digest(),
        "inputs": inputs(run),
        "versions": versions(),
        "hardware": hardware(),
        "commit": commit(),
    }


def inputs(run: Run) -> dict[str, str]:
    """Hashes of the package's own assets and configs, and of policies that were given."""
    found = {"assets": sha256(ASSET_DIR), "configs": sha256(CONFIG_DIR)}
    for name in ("teacher_bundle", "student_bundle"):
        given = getattr(run.config, name)
        if given and Path(given).exists():
            found[name] = sha256(Path(given))
    return found
