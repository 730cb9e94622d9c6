"""Train soccer policies stage by stage: ``python scripts/train_soccer.py score match team``.

Each stage is a recipe, starts from the one before, and keeps its folder under ``runs/soccer/``:
what is finished there is not done again, what was interrupted goes on. ``--stop teach`` leaves
the students out. Further words are settings of every stage, as for ``robo-ts pipeline``.
"""

import argparse
import sys
from pathlib import Path

from robo_ts.cli import main

# A stage's recipe, and the stage whose teacher it starts from.
STAGES = {"score": ("default", ""), "match": ("match", "score"), "team": ("team", "match")}


def run(stages: list[str], settings: list[str], root: Path, stop: str) -> int:
    """Run the named stages in their order; the exit status of the first that fails."""
    for name, (recipe, before) in STAGES.items():
        if name not in stages:
            continue
        words = ["task=soccer", f"recipe={recipe}", f"run_dir={root / name}"]
        if before and (root / before / "teacher" / "done.json").is_file():
            words.append(f"teacher.start_from={root / before / 'teacher' / 'bundle'}")
        print(f"{name}: robo-ts {stop} {' '.join([*words, *settings])}", flush=True)
        status = main([stop, *words, *settings])
        if status:
            return status
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE or key=value")
    parser.add_argument("--root", type=Path, default=Path("runs/soccer"))
    parser.add_argument("--stop", choices=("teach", "pipeline"), default="pipeline")
    given = parser.parse_args()
    wanted = [word for word in given.stages if "=" not in word] or list(STAGES)
    unknown = sorted(set(wanted) - set(STAGES))
    if unknown:
        parser.error(f"expected stages among {', '.join(STAGES)}, got {', '.join(unknown)}")
    sys.exit(run(wanted, [word for word in given.stages if "=" in word], given.root, given.stop))
