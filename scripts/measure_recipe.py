"""A recipe with several seeds, in every trial of its task, as one JSON file.

``python scripts/measure_recipe.py task=quadrotor recipe=raptor --seeds 3 --json OUT.json``

Runs that are finished are not run again; started again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from robo_ts.bench.recipe import measure, show
from robo_ts.files import write_json


def main() -> None:
    """Parse the command line, run, fly, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="+", help="of robo-ts pipeline: task=..., recipe=..., ...")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on")
    parser.add_argument("--trials", default="", help="names of trials or groups, with commas")
    parser.add_argument(
        "--beside", action="append", default=[], metavar="NAME=PATH", help="a policy to fly too"
    )
    parser.add_argument("--json", type=Path, required=True, help="write the figures here")
    given = parser.parse_args()
    trials = [word for word in given.trials.split(",") if word]
    figures = measure(given.words, range(given.seeds), trials, given.beside)
    write_json(given.json, figures)
    show(figures)


if __name__ == "__main__":
    main()
