"""Keep a finished run's policies: ``python scripts/keep_artifact.py RUN_DIR artifacts/NAME``.

Copies the bundles of teacher and student, the exported files, the measured numbers and the
manifest, in place of what was there.
"""

import shutil
import sys
from pathlib import Path

from robo_ts.errors import RoboTSError

_KEPT = {
    "teacher/bundle": "teacher",
    "student/bundle": "student",
    "export": "export",
    "manifest.json": "manifest.json",
    "summary.json": "summary.json",
}


def main(run_dir: str, out: str) -> None:
    """Copy what is worth keeping.

    Raises:
        RoboTSError: when the run is not finished.
    """
    run, kept = Path(run_dir), Path(out)
    missing = [name for name in _KEPT if not (run / name).exists()]
    if missing:
        raise RoboTSError(
            f"a finished run in {run}", f"no {', '.join(missing)}", "give the command again"
        )
    if kept.exists():
        shutil.rmtree(kept)
    kept.mkdir(parents=True)
    for name, place in _KEPT.items():
        if (run / name).is_dir():
            shutil.copytree(run / name, kept / place, ignore=shutil.ignore_patterns("done.json"))
        else:
            shutil.copy(run / name, kept / place)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
