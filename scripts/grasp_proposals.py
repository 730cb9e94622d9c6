"""Synthesise grasps, try them in simulation, learn to propose them, and measure all of it.

``python scripts/grasp_proposals.py --json benchmarks/grasp-proposals.json objects=8 each=64``

Words are settings of ``envs/grasp/proposals/config.py``. Finished stages are not done again; an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from robo_ts.envs.grasp.proposals.config import ProposalsConfig
from robo_ts.envs.grasp.proposals.run import run
from robo_ts.errors import RoboTSError
from robo_ts.files import check_writable, write_json
from robo_ts.lineage import command, commit, hardware, versions
from robo_ts.sim import EngineConfig


def settings(words: list[str]) -> ProposalsConfig:
    """The settings that words such as ``synthesis.iterations=200`` make.

    Raises:
        RoboTSError: for a word that is none.
    """
    try:
        usual = OmegaConf.structured(ProposalsConfig)
        found = OmegaConf.to_object(OmegaConf.merge(usual, OmegaConf.from_dotlist(words)))
    except OmegaConfBaseException as error:
        raise RoboTSError(
            "settings of envs/grasp/proposals/config.py as key=value",
            f"{error.full_key or ''}: {str(error).partition(chr(10))[0]}",
            "mend the word",
        ) from error
    assert isinstance(found, ProposalsConfig)
    return found


def main() -> int:
    """Parse the command line, run, print, write; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", metavar="key=value")
    parser.add_argument("--run-dir", type=Path, default=None, help="runs/proposals-HAND-seedN")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None, help="write the figures here too")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    try:
        config = settings(given.words)
        folder = given.run_dir or Path(f"runs/proposals-{config.hand}-seed{config.seed}")
        for path in (folder / "figures.json", given.json):
            if path is not None:
                check_writable(path)
        figures = run(config, folder, EngineConfig(threads=given.threads))
        if given.json:
            made = {
                "command": command(),
                "commit": commit(),
                "versions": versions(),
                "hardware": hardware(),
            }
            write_json(given.json, made | figures)
    except RoboTSError as error:
        print(f"grasp_proposals: {error}", file=sys.stderr)
        return 2
    show(figures)
    return 0


def show(figures: dict) -> None:
    """A line per kind of grasps."""
    print(f"{'':18s} grasps   held  valid    Q1  penetration mm (median)")
    for name, row in {"synthesised": figures["synthesised"], **figures["unseen"]}.items():
        print(
            f"{name:18s} {row['grasps']:6d} {row['held_all_directions']:6.1%} {row['valid']:6.1%}"
            f" {row['q1']:.3f}  {row['penetration_mm']['median']:.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
