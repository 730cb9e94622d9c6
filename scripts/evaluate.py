"""Measure a run's policies or one bundle: ``python scripts/evaluate.py bundle=DIR``."""

import sys

from robo_ts.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
