"""Train soccer policies stage by stage: ``python scripts/train_soccer.py score match team``.

Without a stage, all those of the box. ``op3_get_up``, ``op3_walk``, ``op3_score`` and ``op3_agent``
are the humanoid's; the last makes one player of the teachers of the first and the third.

Each stage is a recipe, begins with the teacher of the one before, and keeps its folder under
``runs/soccer/``: what is finished there is not done again, what was interrupted goes on. ``score``,
``match`` and ``team`` go on to teach that teacher; ``eyes`` and ``eyes_match`` make players of it
that see. ``--stop teach`` leaves the students out. Further words are settings of every stage, as
for ``robo-ts pipeline``.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

from robo_ts.cli import main


class Stage(NamedTuple):
    """A recipe, and what it does with the teacher of another stage.

    Attributes:
        recipe: its name.
        before: the other stage; empty for none.
        taken_as: the setting that takes the teacher's bundle.
        plays: whether that teacher is also one of the opponents trained against.
        beside: a stage whose teacher is the other one of two.
    """

    recipe: str
    before: str = ""
    taken_as: str = "teacher.start_from"
    plays: bool = False
    beside: str = ""


STAGES = {
    "score": Stage("default"),
    "match": Stage("match", "score"),
    "team": Stage("team", "match"),
    "eyes": Stage("eyes", "score", "teacher_bundle"),
    "eyes_match": Stage("eyes_match", "match", "teacher_bundle", plays=True),
    "op3_get_up": Stage("op3_get_up"),
    "op3_walk": Stage("op3_walk"),
    "op3_score": Stage("op3_score", "op3_walk"),
    "op3_agent": Stage("op3_agent", "op3_score", "teacher_bundle", beside="op3_get_up"),
}


def settings_of(name: str, root: Path) -> list[str]:
    """The words of ``robo-ts pipeline`` for a stage, as far as the one before has finished."""
    stage = STAGES[name]
    words = ["task=soccer", f"recipe={stage.recipe}", f"run_dir={root / name}"]
    other = root / stage.beside / "teacher"
    if stage.beside and (other / "done.json").is_file():
        words.append(f"route.bundles=[{other / 'bundle'}]")
    before = root / stage.before / "teacher"
    if stage.before and (before / "done.json").is_file():
        words.append(f"{stage.taken_as}={before / 'bundle'}")
        if stage.plays:
            words.append(f"training.opponents=[{before / 'bundle'},chaser,goalkeeper,random]")
    return words


def run(stages: list[str], settings: list[str], root: Path, stop: str) -> int:
    """Run the named stages in their order; the exit status of the first that fails."""
    for name in STAGES:
        if name not in stages:
            continue
        words = [*settings_of(name, root), *settings]
        print(f"{name}: robo-ts {stop} {' '.join(words)}", flush=True)
        status = main([stop, *words])
        if status:
            return status
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE or key=value")
    parser.add_argument("--root", type=Path, default=Path("runs/soccer"))
    parser.add_argument("--stop", choices=("teach", "pipeline"), default="pipeline")
    given = parser.parse_intermixed_args()
    wanted = [word for word in given.stages if "=" not in word]
    wanted = wanted or [name for name in STAGES if not name.startswith("op3")]
    unknown = sorted(set(wanted) - set(STAGES))
    if unknown:
        parser.error(f"expected stages among {', '.join(STAGES)}, got {', '.join(unknown)}")
    sys.exit(run(wanted, [word for word in given.stages if "=" in word], given.root, given.stop))
