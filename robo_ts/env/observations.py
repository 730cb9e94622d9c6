"""Observation groups: ordered terms with size, unit and frame, deployable or privileged."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from robo_ts.errors import RoboTSError, did_you_mean

IMAGE_KINDS = ("uint8", "uint16", "float16", "float32")


@dataclass(frozen=True)
class Term:
    """One named piece of an observation vector.

    Attributes:
        name: what it is.
        size: how many numbers.
        unit: physical unit (``m``, ``m/s``, ``1`` for none).
        frame: the frame it is expressed in (``world``, ``body``, ``none``).
    """

    name: str
    size: int
    unit: str = "1"
    frame: str = "none"


@dataclass(frozen=True)
class ObservationGroup:
    """Terms that are read together, in this order.

    Attributes:
        name: the key in the observation TensorDict.
        terms: the ordered terms.
        deployable: whether sensors of the real robot give every term; otherwise it is privileged.
        image: ``(channels, height, width)`` when the group is one camera's image, whose tensor then
            is ``(num_envs, channels, height, width)`` and stays uint8 (colour) or uint16 or float16
            (depth); empty for a vector.
        dtype: how an image is stored, one of ``IMAGE_KINDS``; vectors are float32.
        points: how many points the vector holds when it is a point cloud (x, y, z of each, m),
            which policies read regardless of their order; 0 for any other vector.
    """

    name: str
    terms: tuple[Term, ...]
    deployable: bool
    image: tuple[int, ...] = ()
    dtype: str = "uint8"
    points: int = 0

    def __post_init__(self) -> None:
        if self.dtype not in IMAGE_KINDS:
            raise RoboTSError(
                f"a dtype among {', '.join(IMAGE_KINDS)}",
                f"{self.dtype!r} in group {self.name!r}",
                did_you_mean(self.dtype, IMAGE_KINDS),
            )
        if self.image and (len(self.image) != 3 or math.prod(self.image) != self.size):
            raise RoboTSError(
                "an image group with (channels, height, width) and one term of that many numbers",
                f"image {self.image} and {self.size} numbers in group {self.name!r}",
                "give it one Term of size channels * height * width",
            )
        if self.points and (self.image or self.size != 3 * self.points):
            raise RoboTSError(
                f"a point cloud with one term of {3 * self.points} numbers",
                f"{self.size} numbers in group {self.name!r}",
                "give it x, y and z of every point and nothing else",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one world's observation."""
        return self.image or (self.size,)

    @property
    def size(self) -> int:
        """Length of the group's vector."""
        return sum(term.size for term in self.terms)

    def slices(self) -> dict[str, slice]:
        """Where each term lies in the group's vector."""
        ends, found = 0, {}
        for term in self.terms:
            found[term.name] = slice(ends, ends + term.size)
            ends += term.size
        return found


class ObservationSpec(Mapping[str, ObservationGroup]):
    """All groups an environment emits, by name."""

    def __init__(self, groups: Iterable[ObservationGroup]) -> None:
        self._groups = {group.name: group for group in groups}

    def __getitem__(self, name: str) -> ObservationGroup:
        if name not in self._groups:
            raise RoboTSError(
                "an observation group the task emits", repr(name), did_you_mean(name, self._groups)
            )
        return self._groups[name]

    def __contains__(self, name: object) -> bool:
        return name in self._groups

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def select(self, names: Iterable[str]) -> ObservationSpec:
        """The named groups only, in the order of ``names``."""
        return ObservationSpec([self[name] for name in names])

    def size(self) -> int:
        """Length of all groups concatenated."""
        return sum(group.size for group in self._groups.values())

    def privileged(self) -> list[str]:
        """Names of the groups that no sensor gives."""
        return [name for name, group in self._groups.items() if not group.deployable]

    def vectors(self) -> list[str]:
        """Names of the groups that are vectors."""
        return [name for name, group in self._groups.items() if not group.image]

    def images(self) -> list[str]:
        """Names of the groups that are images."""
        return [name for name, group in self._groups.items() if group.image]

    def to_json(self) -> list[dict[str, Any]]:
        """The contract as plain data, in order."""
        found = []
        for group in self._groups.values():
            data = asdict(group)
            if not data["image"]:
                del data["image"]
            # Named only where it says something new, so that older contracts keep their hash.
            if data["dtype"] == "uint8":
                del data["dtype"]
            if not data["points"]:
                del data["points"]
            found.append(data)
        return found

    @staticmethod
    def from_json(data: Iterable[Mapping[str, Any]]) -> ObservationSpec:
        """Rebuild from :meth:`to_json`."""
        return ObservationSpec(
            ObservationGroup(
                name=group["name"],
                terms=tuple(Term(**term) for term in group["terms"]),
                deployable=bool(group["deployable"]),
                image=tuple(group.get("image", ())),
                dtype=str(group.get("dtype", "uint8")),
                points=int(group.get("points", 0)),
            )
            for group in data
        )

    def digest(self) -> str:
        """Hash of the contract; equal if and only if order, sizes, units and frames are equal."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]
