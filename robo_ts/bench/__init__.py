"""Speed of simulation and tasks against the raw engine, side by side in one run."""

from robo_ts.bench.report import print_report
from robo_ts.bench.run import run_bench

__all__ = ["print_report", "run_bench"]
