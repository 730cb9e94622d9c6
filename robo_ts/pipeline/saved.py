"""A run as its folder tells it, for those who look at runs and do not make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from robo_ts.env import get_task
from robo_ts.errors import RoboTSError
from robo_ts.files import read_json
from robo_ts.pipeline.complaints import to_object
from robo_ts.pipeline.config import PipelineConfig, Run
from robo_ts.pipeline.run_dir import RunDir

# Stage by the name the pipeline knows its result by.
RESULTS = {"teach": "teacher", "distill": "student", "evaluate": "eval", "export": "export"}


def saved_settings(path: str | Path) -> dict[str, Any]:
    """The content of a run's ``config.yaml`` as plain data: ``task``, ``recipe``, ``config``.

    Raises:
        RoboTSError: when there is no run, or its settings cannot be read.
    """
    path = Path(path)
    file = path / "config.yaml"
    if not file.is_file():
        raise RoboTSError(
            f"a run's folder at {path} (with config.yaml)",
            "a folder without it" if path.is_dir() else "no such folder",
            f"{_nearby(path)}'robo-ts pipeline' makes runs, in runs/ unless run_dir= says "
            "otherwise",
        )
    try:
        kept = yaml.safe_load(file.read_text())
        if not all(isinstance(kept[key], kind) for key, kind in _KINDS.items()):
            raise TypeError(f"another kind of {' or '.join(_KINDS)}")
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise RoboTSError(
            f"the settings of a run in {file}",
            f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
            "restore the file; without it nobody knows what the run was",
        ) from error
    return kept


_KINDS = {"task": str, "recipe": str, "config": dict}


def _nearby(path: Path) -> str:
    """Runs that lie beside a missing one."""
    there = sorted(p.parent.name for p in path.parent.glob("*/config.yaml"))[:5]
    return f"beside it lie {', '.join(there)}; " if there else ""


def load_run(path: str | Path) -> Run:
    """The run that a folder holds, its settings as they were; nothing in the folder changes.

    Raises:
        RoboTSError: when there is none, or one of a version with other settings.
    """
    path = Path(path)
    kept = saved_settings(path)
    task = get_task(kept["task"])
    schema = OmegaConf.structured(PipelineConfig(task=task.config()))
    try:
        config = to_object(OmegaConf.merge(schema, kept["config"]))  # type: ignore[arg-type]
    except (OmegaConfBaseException, ValueError) as error:
        raise RoboTSError(
            f"settings in {path / 'config.yaml'} that this version of robo_ts knows",
            str(error).partition("\n")[0],
            "use the version that made the run (manifest.json names its commit), or run it anew",
        ) from error
    run = Run(kept["task"], kept["recipe"], config)
    run.config.run_dir = str(path)
    return run


def results(path: str | Path) -> dict[str, dict[str, Any]]:
    """What the finished stages of a run left, by the pipeline's names (``teach``, ``distill``,
    ``evaluate``, ``export``)."""
    folder = RunDir(Path(path))
    return {
        name: read_json(folder.stage(stage) / "done.json")
        for name, stage in RESULTS.items()
        if folder.is_done(stage)
    }
