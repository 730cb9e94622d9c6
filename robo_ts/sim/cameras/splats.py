"""3D Gaussian splats: scenes of them, and files of captured ones.

A splat is an ellipsoid of fog: a position, a rotation, three standard deviations, a colour and an
opacity (Kerbl et al. 2023, "3D Gaussian Splatting for Real-Time Radiance Field Rendering"). The
renderer shows them around and in front of the model's geoms; they cast and receive no light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robo_ts.errors import RoboTSError

# The constant of degree-zero spherical harmonics, by which 3DGS files scale colours.
_SH0 = 0.28209479177387814
_COLOUR = ("f_dc_0", "f_dc_1", "f_dc_2")
_SCALE = ("scale_0", "scale_1", "scale_2")
_ROTATION = ("rot_0", "rot_1", "rot_2", "rot_3")
_NEEDED = ("x", "y", "z", *_COLOUR, "opacity", *_SCALE, *_ROTATION)
_KINDS = {
    kind: layout
    for kinds, layout in (
        (("char", "int8"), "i1"),
        (("uchar", "uint8"), "u1"),
        (("short", "int16"), "<i2"),
        (("ushort", "uint16"), "<u2"),
        (("int", "int32"), "<i4"),
        (("uint", "uint32"), "<u4"),
        (("float", "float32"), "<f4"),
        (("double", "float64"), "<f8"),
    )
    for kind in kinds
}


@dataclass(frozen=True)
class SplatScene:
    """Splats that belong together, such as one room.

    Attributes:
        position: centres in the world's frame, ``(n, 3)`` m.
        rotation: unit quaternions, w first, ``(n, 4)``.
        scale: standard deviations along the splat's own axes, ``(n, 3)`` m.
        rgba: colour and opacity in [0, 1], ``(n, 4)``.
    """

    position: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    rgba: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.position)
        for name, width in (("position", 3), ("rotation", 4), ("scale", 3), ("rgba", 4)):
            value = np.ascontiguousarray(getattr(self, name), np.float32)
            if value.shape != (n, width) or not n:
                raise RoboTSError(
                    f"splats with {name} of shape (n, {width}), n >= 1",
                    str(value.shape),
                    "give one row per splat",
                )
            if not np.isfinite(value).all():
                raise RoboTSError(f"finite {name} of splats", "NaN or Inf", "drop these splats")
            object.__setattr__(self, name, value)
        norm = np.linalg.norm(self.rotation, axis=1, keepdims=True)
        if (norm < 1e-6).any() or (self.scale <= 0.0).any():
            raise RoboTSError(
                "splats with unit quaternions and positive scales",
                "a zero among them",
                "drop these splats",
            )
        object.__setattr__(self, "rotation", self.rotation / norm)
        object.__setattr__(self, "rgba", self.rgba.clip(0.0, 1.0))

    def __len__(self) -> int:
        return len(self.position)

    @staticmethod
    def joined(scenes: Sequence[SplatScene]) -> SplatScene:
        """All splats of several scenes, one after the other."""
        names = ("position", "rotation", "scale", "rgba")
        return SplatScene(*(np.concatenate([getattr(s, n) for s in scenes]) for n in names))

    def moved(
        self,
        position: Sequence[float] = (0.0, 0.0, 0.0),
        rotation: Sequence[float] = (1.0, 0.0, 0.0, 0.0),
        scale: float = 1.0,
    ) -> SplatScene:
        """The scene scaled, then turned, then shifted: captures rarely are in metres, z up.

        Args:
            position: shift, m.
            rotation: unit quaternion, w first.
            scale: factor on all lengths.
        """
        turn = np.asarray(rotation, np.float64) / np.linalg.norm(rotation)
        turned = scale * self.position @ _matrix(turn).T
        return SplatScene(
            turned + np.asarray(position),
            _product(turn, self.rotation),
            scale * self.scale,
            self.rgba,
        )

    def thinned(self, num: int) -> SplatScene:
        """The ``num`` splats that cover most: by opacity times the area of their two long axes."""
        if num >= len(self):
            return self
        long = np.sort(self.scale, axis=1)[:, 1:].prod(axis=1)
        kept = np.sort(np.argsort(-long * self.rgba[:, 3], kind="stable")[:num])
        return SplatScene(
            self.position[kept], self.rotation[kept], self.scale[kept], self.rgba[kept]
        )

    def without(self, low: Sequence[float], high: Sequence[float]) -> SplatScene:
        """The scene without the splats whose centres lie in a box, such as where the robot is."""
        inside = ((self.position >= low) & (self.position <= high)).all(axis=1)
        kept = ~inside
        return SplatScene(
            self.position[kept], self.rotation[kept], self.scale[kept], self.rgba[kept]
        )


def load_ply(path: str | Path) -> SplatScene:
    """Read a captured scene: a binary little-endian ``.ply`` in the layout of 3DGS.

    Opacities are logits, scales logarithms, and colours coefficients of degree zero; higher degrees
    are left out. Bring the scene into the model's frame with :meth:`SplatScene.moved`.

    Raises:
        RoboTSError: when the file is no such file; the message says what it lacks.
    """
    path = Path(path)
    if not path.is_file():
        raise RoboTSError("a .ply file of Gaussian splats", f"no file {path}", "mend the path")
    content = path.read_bytes()
    count, columns, begin = _header(content, path)
    names = [name for name, _ in columns]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        packed = any(name.startswith("packed_") for name in names)
        raise RoboTSError(
            "a .ply with the properties of 3D Gaussian splats",
            f"{path} without {', '.join(missing)}",
            "decompress it first" if packed else "export the scene as 3DGS .ply, not as a mesh",
        )
    layout = np.dtype(columns)
    if len(content) - begin < count * layout.itemsize:
        raise RoboTSError(
            f"{count} splats of {layout.itemsize} bytes in {path}",
            f"{len(content) - begin} bytes after the header",
            "copy the file again: it is cut off",
        )
    table = np.frombuffer(content, layout, count, begin)

    def stacked(wanted: Sequence[str]) -> np.ndarray:
        return np.stack([table[name] for name in wanted], axis=1).astype(np.float64)

    opacity = 1.0 / (1.0 + np.exp(-stacked(["opacity"]).clip(-50.0, 50.0)))
    colour = 0.5 + _SH0 * stacked(_COLOUR)
    return SplatScene(
        stacked(("x", "y", "z")),
        stacked(_ROTATION),
        np.exp(stacked(_SCALE).clip(-30.0, 30.0)),
        np.concatenate([colour, opacity], axis=1),
    )


def save_ply(path: str | Path, scene: SplatScene) -> None:
    """Write a scene as :func:`load_ply` reads it, for other programs to show."""
    columns = [(name, "<f4") for name in _NEEDED]
    table = np.zeros(len(scene), columns)
    opacity = scene.rgba[:, 3].astype(np.float64).clip(1e-6, 1.0 - 1e-6)
    parts = [
        (("x", "y", "z"), scene.position),
        (_COLOUR, (scene.rgba[:, :3] - 0.5) / _SH0),
        (("opacity",), np.log(opacity / (1.0 - opacity))[:, None]),
        (_SCALE, np.log(scene.scale)),
        (_ROTATION, scene.rotation),
    ]
    for names, values in parts:
        for index, name in enumerate(names):
            table[name] = values[:, index]
    head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(scene)}"]
    head += [f"property float {name}" for name in _NEEDED]
    Path(path).write_bytes("\n".join([*head, "end_header\n"]).encode() + table.tobytes())


def _header(content: bytes, path: Path) -> tuple[int, list[tuple[str, str]], int]:
    """Number of vertices, their columns, and where the first one begins."""
    end = content.find(b"end_header\n", 0, 1 << 16)
    if not content.startswith(b"ply") or end < 0:
        raise RoboTSError(
            "a .ply file of Gaussian splats",
            f"{path}, which does not begin like a .ply",
            "export the scene as 3DGS .ply",
        )
    lines = content[:end].decode("ascii", "replace").split("\n")
    words = [line.split() for line in lines if line.strip()]
    if ["format", "binary_little_endian", "1.0"] not in words:
        found = next((" ".join(w[1:]) for w in words if w[0] == "format"), "no format")
        raise RoboTSError(
            "a .ply in binary_little_endian 1.0", f"{found} in {path}", "save it as binary"
        )
    elements = [w for w in words if w[0] == "element"]
    if not elements or elements[0][1] != "vertex" or not elements[0][2:3]:
        raise RoboTSError(
            "a .ply whose first element is vertex",
            f"{' '.join(elements[0]) if elements else 'none'} in {path}",
            "decompress it or export it as 3DGS .ply",
        )
    columns = []
    for line in words[words.index(elements[0]) + 1 :]:
        if line[0] == "element":
            break
        if line[0] == "property":
            if len(line) != 3 or line[1] not in _KINDS:
                raise RoboTSError(
                    "plain numbers as properties of a splat",
                    f"{' '.join(line)!r} in {path}",
                    "export the scene as 3DGS .ply, not as a mesh",
                )
            columns.append((line[2], _KINDS[line[1]]))
    count = elements[0][2]
    if not count.isdigit() or not int(count):
        raise RoboTSError("one splat or more", f"{count} in {path}", "export the scene again")
    return int(count), columns, end + len(b"end_header\n")


def _matrix(quaternion: np.ndarray) -> np.ndarray:
    w, x, y, z = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _product(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Quaternion products ``one * many (n, 4)``."""
    w, x, y, z = one
    matrix = np.array([[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]])
    return many @ matrix.T
