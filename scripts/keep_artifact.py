"""Keep a finished run's policies: ``python scripts/keep_artifact.py RUN_DIR artifacts/NAME``.

Copies the bundles of teacher and student, the exported files, the measured numbers and the
manifest, in place of what was there; of a run that was only to teach, the teacher's bundle and what
its gate measured. Of self-play also the snapshots kept for later policies to play against.
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
_POOL = {"teacher/pool": "pool"}
_TAUGHT = {
    "teacher/bundle": "teacher",
    "teacher/done.json": "teacher.json",
    "manifest.json": "manifest.json",
}


def main(run_dir: str, out: str) -> None:
    """Copy what is worth keeping.

    Raises:
        RoboTSError: when the run is not finished.
    """
    run, kept = Path(run_dir), Path(out)
    wanted = _KEPT if (run / "student").exists() else _TAUGHT
    if (run / "teacher" / "pool").exists():
        wanted = wanted | _POOL
    missing = [name for name in wanted if not (run / name).exists()]
    if missing:
        raise RoboTSError(
            f"a finished run in {run}", f"no {', '.join(missing)}", "give the command again"
        )
    kept.mkdir(parents=True, exist_ok=True)
    # What other runs left beside it stays: policies of other stages may lie in the same folder.
    for place in {*_KEPT.values(), *_TAUGHT.values(), *_POOL.values()}:
        if (kept / place).is_dir():
            shutil.rmtree(kept / place)
        (kept / place).unlink(missing_ok=True)
    for name, place in wanted.items():
        if (run / name).is_dir():
            shutil.copytree(run / name, kept / place, ignore=shutil.ignore_patterns("done.json"))
        else:
            shutil.copy(run / name, kept / place)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
