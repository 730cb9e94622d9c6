"""Train a grasp teacher and student, measure and export them: ``python scripts/train_grasp.py``.

Takes the same settings as ``robo-ts pipeline``, for example ``recipe=smoke seed=1``. A run that was
stopped goes on where its last checkpoint stands when the same command is given again; every round
is written to ``<run>/teacher/metrics.jsonl``.
"""

import sys

from robo_ts.cli import main

if __name__ == "__main__":
    sys.exit(main(["pipeline", "task=grasp", *sys.argv[1:]]))
