"""The hands: a model file and what the task has to know about it.

A hand of your own needs nothing but these two. Write its MJCF, make a :class:`Hand` of it, and name
it in the task's settings as ``hand: "your_package.module:HAND"``.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import mujoco
import numpy as np

from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.paths import asset


@dataclass(frozen=True)
class Hand:
    """A hand.

    In its MJCF the palm faces +x and the fingers point along +z. There are

    - a root body ``palm`` with the sites ``palm`` (the middle of its face: what the wrist moves and
      turns) and ``grasp`` (where a held object lies), and a camera ``palm``;
    - per finger a body ``<finger>_base``, where it begins, and the sites ``<finger>_tip`` and
      ``<finger>_link``, from which distances to the object are measured;
    - position actuators for the finger joints, on joints or on fixed tendons.

    Collision bits: links ``contype 1``; tips ``contype 5, conaffinity 4``, so that they also
    collide with each other.

    Attributes:
        name: what users call it.
        file: its MJCF; relative paths are looked for under ``assets/``.
        fingers: names, the thumb first.
        open: actuator targets at the start, by name, rad (m for slides); others are zero.
        closed: actuator targets towards which a scripted grasp closes, by name.
        synergies: a JSON file of grasp synergies, under ``assets/``; empty when there are none.
    """

    name: str
    file: str
    fingers: tuple[str, ...]
    open: dict[str, float] = field(default_factory=dict)
    closed: dict[str, float] = field(default_factory=dict)
    synergies: str = ""

    def spec(self) -> mujoco.MjSpec:
        """The hand's model, checked.

        Raises:
            RoboTSError: when something the task needs is missing.
        """
        spec = mujoco.MjSpec.from_file(str(self._path(self.file)))
        sites = [s for f in self.fingers for s in (f"{f}_tip", f"{f}_link")]
        needed = {
            "body": ["palm", *(f"{finger}_base" for finger in self.fingers)],
            "site": ["palm", "grasp", *sites],
            "camera": ["palm"],
            "actuator": [*self.open, *self.closed],
        }
        for kind, names in needed.items():
            missing = [name for name in names if getattr(spec, kind)(name) is None]
            if missing:
                raise RoboTSError(
                    f"a hand whose model has the {kind} {', '.join(missing)}",
                    f"{self.file}, which does not",
                    "add it; envs/grasp/hands.py says what a hand's file must have",
                )
        return spec

    def pose(self, which: dict[str, float], actuators: list[str]) -> np.ndarray:
        """Targets in the order of ``actuators``."""
        return np.array([which.get(name, 0.0) for name in actuators])

    def load_synergies(self, actuators: list[str]) -> np.ndarray:
        """Directions in which targets move together, ``(synergies, actuators)`` rad.

        Raises:
            RoboTSError: when the hand has none, or some for other actuators.
        """
        if not self.synergies:
            raise RoboTSError(
                f"a hand with synergies, for task.action=synergy ({self.name})",
                "one without",
                "make them with scripts/grasp_synergies.py, or set task.action=joint",
            )
        data = json.loads(self._path(self.synergies).read_text())
        if data["actuators"] != actuators:
            raise RoboTSError(
                f"synergies of the actuators {actuators}",
                str(data["actuators"]),
                "make them anew with scripts/grasp_synergies.py",
            )
        return np.array(data["components"])

    def _path(self, name: str) -> Path:
        return Path(name) if Path(name).is_absolute() else asset(name)


def _fingers(joints: dict[str, float], fingers: tuple[str, ...]) -> dict[str, float]:
    return {f"{f}_{joint}": value for f in fingers for joint, value in joints.items()}


ALLEGRO = Hand(
    name="allegro",
    file="robots/allegro/allegro.xml",
    fingers=("thumb", "index", "middle", "ring"),
    open={
        "thumb_opposition": 1.3,
        "thumb_abduction": 0.3,
        **_fingers({"proximal": 0.5, "medial": 0.4, "distal": 0.2}, ("index", "middle", "ring")),
    },
    closed={
        "thumb_opposition": 1.35,
        "thumb_abduction": 0.5,
        "thumb_medial": 0.7,
        "thumb_distal": 0.7,
        **_fingers({"proximal": 1.3, "medial": 0.9, "distal": 0.7}, ("index", "middle", "ring")),
    },
    synergies="robots/allegro/synergies.json",
)

LEAP = Hand(
    name="leap",
    file="robots/leap/leap.xml",
    fingers=("thumb", "index", "middle", "ring"),
    open={
        "thumb_opposition": 1.5,
        "thumb_twist": 0.3,
        "thumb_medial": -0.1,
        "thumb_distal": 0.1,
        **_fingers({"proximal": 0.4, "medial": 0.4, "distal": 0.2}, ("index", "middle", "ring")),
    },
    closed={
        "thumb_opposition": 1.5,
        "thumb_twist": 0.3,
        "thumb_medial": 0.8,
        "thumb_distal": 0.6,
        **_fingers({"proximal": 1.2, "medial": 0.9, "distal": 0.6}, ("index", "middle", "ring")),
    },
    synergies="robots/leap/synergies.json",
)

_FOUR = ("index", "middle", "ring", "little")
SHADOW = Hand(
    name="shadow",
    file="robots/shadow/shadow.xml",
    fingers=("thumb", *_FOUR),
    open={
        "thumb_opposition": 0.6,
        "thumb_proximal": 1.1,
        "thumb_medial": -0.2,
        **_fingers({"proximal": 0.3, "end": 0.5}, _FOUR),
    },
    closed={
        "thumb_opposition": 0.6,
        "thumb_proximal": 1.2,
        "thumb_medial": 0.5,
        "thumb_distal": 0.8,
        **_fingers({"proximal": 1.3, "end": 1.8}, _FOUR),
    },
    synergies="robots/shadow/synergies.json",
)

HANDS = {hand.name: hand for hand in (ALLEGRO, LEAP, SHADOW)}


def get_hand(name: str) -> Hand:
    """A hand of ours by name, or anybody's as ``package.module:NAME``.

    Raises:
        RoboTSError: when there is none.
    """
    if name in HANDS:
        return HANDS[name]
    module, colon, attribute = name.partition(":")
    if not colon:
        raise RoboTSError(
            "the name of a hand, or package.module:NAME", repr(name), did_you_mean(name, HANDS)
        )
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RoboTSError(f"a hand at {name}", str(error), "mend the path") from error
    if not isinstance(found, Hand):
        raise RoboTSError(
            f"a Hand at {name}", type(found).__name__, "build one with envs.grasp.hands.Hand"
        )
    return found
