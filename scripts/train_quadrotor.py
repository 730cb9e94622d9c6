"""Train a quadrotor teacher and student, measure and export them: ``python
scripts/train_quadrotor.py``.

Takes the same settings as ``robo-ts pipeline``, for example ``recipe=smoke seed=1``.
"""

import sys

from robo_ts.cli import main

if __name__ == "__main__":
    sys.exit(main(["pipeline", "task=quadrotor", *sys.argv[1:]]))
