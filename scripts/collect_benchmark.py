"""Keep a finished run's figures: ``python scripts/collect_benchmark.py RUN_DIR out.json``.

Writes summary, manifest, evaluation and the training curves (thinned) as one JSON file; of a run
that was only to teach, what the gate measured instead of a summary.
"""

import sys
from pathlib import Path

from robo_ts.bench.recipe import STAGES
from robo_ts.files import read_json, write_json
from robo_ts.progress import read_metrics


def main(run_dir: str, out: str) -> None:
    """Collect one run."""
    run = Path(run_dir)
    taught = run / "teacher" / "done.json"
    summary = run / "summary.json"
    stages = [name for name in STAGES if (run / name / "metrics.jsonl").is_file()]
    write_json(
        out,
        {
            **(read_json(summary) if summary.is_file() else {"teacher": read_json(taught)}),
            "manifest": read_json(run / "manifest.json"),
            "evaluation": {path.stem: read_json(path) for path in sorted(_reports(run))},
            "curves": {stage: _curve(run / stage) for stage in stages},
        },
    )


def _reports(run: Path) -> list[Path]:
    return [path for path in (run / "eval").glob("*.json") if path.stem != "done"]


def _curve(stage: Path) -> list[dict[str, float]]:
    """Every tenth round: seconds, samples, success or points while training, loss."""
    wanted = ("iteration", "samples", "seconds", "success", "points", "loss")
    rows = read_metrics(stage / "metrics.jsonl")
    return [{k: row[k] for k in wanted if k in row} for row in rows[9::10]]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
