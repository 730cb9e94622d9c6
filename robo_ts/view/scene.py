"""The worlds in three dimensions: mjviser's geometry, one instance per world."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
import trimesh
from mjviser.conversions import group_geoms_by_visual_compat, merge_geoms, merge_sites

from robo_ts.env.viewing import Ground
from robo_ts.sim.variants import variant_slots
from robo_ts.view.layout import Grid, colour_of, fitting_distance
from robo_ts.view.shapes import joined, shown_pieces
from robo_ts.view.snapshot import FAILED, SUCCEEDED, LaneView, Snapshot

if TYPE_CHECKING:
    import viser

# Groups that MuJoCo shows by default.
_SHOWN_GROUPS = 3
_TRAIL = 28
# Of what is left between the panels of a usual window, and how it is seen.
_ASPECT, _FOVY = 0.96, 45.0
_VIEWPOINT = np.array([0.0, -0.64, 0.768])
_GOOD, _BAD = (188, 228, 196), (246, 200, 196)
_CHOSEN = (29, 36, 48)


class Scene:
    """All worlds of all lanes on the page.

    Args:
        server: the page.
        model: the model of all worlds.
        grid: where they stand.
        players: who acts, one name per lane.
        root: the body whose path is drawn.
        ground: a rectangle on every world's floor.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        model: mujoco.MjModel,
        grid: Grid,
        players: list[str],
        root: int,
        ground: Ground | None = None,
    ) -> None:
        self._server, self.grid, self._root, self._model = server, grid, root, model
        self._lanes, self._num = grid.offsets.shape[:2]
        self._players = players
        self._trail: deque[np.ndarray] = deque(maxlen=_TRAIL)
        server.scene.set_up_direction("+z")
        server.scene.configure_default_lights(enabled=False)
        server.scene.configure_environment_map(None)
        server.scene.add_light_ambient("/ambient", intensity=2.6)
        server.scene.add_light_directional("/sun", intensity=1.2, position=(-2.0, -3.0, 6.0))
        self._handles: list[Any] = []
        self._bodies = self._add_bodies(model)
        self._shapes: dict[tuple[int, int], tuple[bytes, list[tuple[Any, int]]]] = {}
        self._clicked: Any = None
        self._tiles = self._add_tiles()
        if ground is not None:
            self._add_ground(ground)
        self._labels = self._add_labels()
        self._outline = self._keep(
            server.scene.add_line_segments(
                "/chosen", np.zeros((4, 2, 3)), _CHOSEN, thickness=2.5, thickness_units="screen"
            )
        )
        self._lines: Any = None
        self._marks: Any = None
        self._aim_camera()

    def remove(self) -> None:
        """Take everything off the page."""
        shapes = [handle for _, pairs in self._shapes.values() for handle, _ in pairs]
        for handle in [*self._handles, *shapes, self._lines, self._marks]:
            if handle is not None:
                handle.remove()

    def on_click(self, callback: Any) -> None:
        """Call ``callback(world)`` when somebody clicks a world's robot."""
        self._clicked = callback
        for handle, _ in self._bodies:
            handle.on_click(lambda event: callback(int(event.instance_index or 0) % self._num))

    def rename(self, players: list[str]) -> None:
        """Other policies act now."""
        self._players = players
        for label, player in zip(self._labels, players, strict=True):
            label.text = player

    def forget_trails(self) -> None:
        """The paths begin anew."""
        self._trail.clear()

    def update(self, snapshot: Snapshot) -> None:
        """Show a moment."""
        positions = np.stack([lane.positions for lane in snapshot.lanes])
        quaternions = np.stack([lane.quaternions for lane in snapshot.lanes])
        scale = np.stack([lane.scale for lane in snapshot.lanes]).reshape(-1)
        placed = positions + self.grid.offsets[:, :, None]
        flat = placed.reshape(-1, *placed.shape[2:])
        turned = quaternions.reshape(-1, *quaternions.shape[2:])
        with self._server.atomic():
            for handle, body in self._bodies:
                handle.batched_positions = np.ascontiguousarray(flat[:, body])
                handle.batched_wxyzs = np.ascontiguousarray(turned[:, body])
                handle.batched_scales = scale
            for index, lane in enumerate(snapshot.lanes):
                self._place_shapes(index, lane, placed[index])
            self._colour_tiles(snapshot)
            self._mark(snapshot)
            self._draw_trails(placed[:, :, self._root])
            self._outline.points = self._around(snapshot.world)

    def look_at(self, world: int) -> None:
        """Bring every visitor's camera close to a world."""
        ring = self.grid.middle[:, world].astype(np.float64)
        target = ring.mean(axis=0) + np.array([0.0, 0.0, 0.4 * min(self.grid.cell)])
        reach = 0.5 * np.array([self.grid.cell[0] + np.ptp(ring[:, 0]), *(2 * [self.grid.cell[1]])])
        corners = target + np.array([[-1, -1, -1], [1, 1, 1], [-1, 1, 1], [1, -1, -1]]) * reach
        distance = fitting_distance(corners, target, _FOVY, _ASPECT, _VIEWPOINT)
        for client in self._server.get_clients().values():
            with client.atomic():
                client.camera.position = target + distance * _VIEWPOINT
                client.camera.look_at = target

    # -- what stands still -------------------------------------------------------------------------

    def _keep(self, handle: Any) -> Any:
        self._handles.append(handle)
        return handle

    def _add_bodies(self, model: mujoco.MjModel) -> list[tuple[Any, int]]:
        """One instanced mesh per body and look: ``(handle, body)``."""
        count = self._lanes * self._num
        found = []
        for body in range(model.nbody):
            for index, mesh in enumerate(_meshes(model, body)):
                handle = self._server.scene.add_batched_meshes_trimesh(
                    f"/bodies/{body}_{index}",
                    mesh,
                    np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (count, 1)),
                    np.zeros((count, 3)),
                    batched_scales=np.ones(count, np.float32),
                    lod="off",
                )
                found.append((self._keep(handle), body))
        return found

    def _add_tiles(self) -> Any:
        x, y = self.grid.cell
        thick = 0.012 * min(x, y)
        return self._add_slabs("/tiles", (0.94 * x, 0.94 * y), thick, thick, self._plain_tiles())

    def _add_ground(self, ground: Ground) -> None:
        """Just above the tiles and below the worlds' own floor, so that nothing flickers."""
        thick = 0.012 * min(self.grid.cell)
        self._add_slabs("/ground", ground.size, 0.4 * thick, 0.25 * thick, np.array(ground.rgb))

    def _add_slabs(
        self, name: str, size: tuple[float, float], depth: float, thick: float, colours: np.ndarray
    ) -> Any:
        """One in every cell, its middle ``depth`` below the floor."""
        mesh = trimesh.creation.box(extents=[*size, thick])
        middle = self.grid.middle.reshape(-1, 3) - np.array([0.0, 0.0, depth])
        return self._keep(
            self._server.scene.add_batched_meshes_simple(
                name,
                np.asarray(mesh.vertices, np.float32),
                np.asarray(mesh.faces),
                np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (len(middle), 1)),
                middle.astype(np.float32),
                batched_colors=colours.astype(np.uint8),
                flat_shading=True,
                lod="off",
                cast_shadow=False,
            )
        )

    def _plain_tiles(self) -> np.ndarray:
        pale = [
            [round(255 - 0.36 * (255 - part)) for part in colour_of(player, lane)]
            for lane, player in enumerate(self._players)
        ]
        return np.repeat(np.array(pale, np.uint8), self._num, axis=0)

    def _add_labels(self) -> list[Any]:
        labels = []
        for lane, player in enumerate(self._players):
            middle = self.grid.middle[lane]
            front = float(middle[:, 1].min()) - 0.6 * self.grid.cell[1]
            at = (float(middle[:, 0].mean()), front, float(middle[0, 2]))
            labels.append(
                self._keep(self._server.scene.add_label(f"/lane_{lane}", player, position=at))
            )
        return labels

    def _aim_camera(self) -> None:
        corners = self.grid.corners
        target = corners.mean(axis=0)
        distance = fitting_distance(corners, target, _FOVY, _ASPECT, _VIEWPOINT)
        camera = self._server.initial_camera
        camera.position = tuple(target + distance * _VIEWPOINT)
        camera.look_at = tuple(target)
        camera.fov = float(np.radians(_FOVY))
        camera.up = (0.0, 0.0, 1.0)

    # -- what moves --------------------------------------------------------------------------------

    def _place_shapes(self, lane: int, view: LaneView, placed: np.ndarray) -> None:
        """Bodies that look different in every world, each a mesh of its own."""
        if view.shapes is None or not view.shapes.shape[1]:
            return
        for world, row in enumerate(view.shapes):
            key = row.tobytes()
            if self._shapes.get((lane, world), (b"", []))[0] != key:
                self._replace_shape(lane, world, row)
            for handle, body in self._shapes[lane, world][1]:
                handle.position = placed[world, body]
                handle.wxyz = view.quaternions[world, body]

    def _replace_shape(self, lane: int, world: int, row: np.ndarray) -> None:
        for handle, _ in self._shapes.pop((lane, world), (b"", []))[1]:
            handle.remove()
        pairs = []
        for body, pieces in shown_pieces(self._model, row).items():
            vertices, triangles = joined(self._model, pieces)
            rgb = self._model.geom_rgba[pieces[0].slot][:3]
            handle = self._server.scene.add_mesh_simple(
                f"/shapes/{lane}_{world}_{body}",
                vertices,
                triangles,
                color=(round(255 * rgb[0]), round(255 * rgb[1]), round(255 * rgb[2])),
                flat_shading=True,
                side="double",
            )
            if self._clicked is not None:
                handle.on_click(lambda _: self._clicked(world))
            pairs.append((handle, body))
        self._shapes[lane, world] = (row.tobytes(), pairs)

    def _colour_tiles(self, snapshot: Snapshot) -> None:
        colours = self._plain_tiles()
        ended = np.stack([lane.ended for lane in snapshot.lanes]).reshape(-1)
        colours[ended == SUCCEEDED] = _GOOD
        colours[ended == FAILED] = _BAD
        if not np.array_equal(colours, self._tiles.batched_colors):
            self._tiles.batched_colors = colours

    def _mark(self, snapshot: Snapshot) -> None:
        marks = np.stack([lane.markers for lane in snapshot.lanes])
        if not marks.shape[2]:
            return
        placed = (marks + self.grid.offsets[:, :, None]).reshape(-1, 3).astype(np.float32)
        if self._marks is None:
            ball = trimesh.creation.icosphere(subdivisions=2, radius=0.02 * max(self.grid.cell))
            self._marks = self._server.scene.add_batched_meshes_simple(
                "/marks",
                np.asarray(ball.vertices, np.float32),
                np.asarray(ball.faces),
                np.tile(np.array([1.0, 0.0, 0.0, 0.0]), (len(placed), 1)),
                placed,
                batched_colors=(226, 60, 80),
                opacity=0.75,
                lod="off",
                cast_shadow=False,
            )
        self._marks.batched_positions = placed

    def _draw_trails(self, now: np.ndarray) -> None:
        """Append where the robots are, ``(lanes, num, 3)``, and draw from where they came."""
        if self._trail and np.abs(now - self._trail[-1]).max() > 0.5 * min(self.grid.cell):
            self._trail.clear()
        if self._trail and np.array_equal(now, self._trail[-1]):
            return  # paused: the path stays to be seen
        self._trail.append(now.copy())
        padded = [self._trail[0]] * (_TRAIL - len(self._trail)) + list(self._trail)
        points = np.stack(padded).reshape(_TRAIL, -1, 3)
        segments = np.stack([points[:-1], points[1:]], axis=2).reshape(-1, 2, 3)
        if self._lines is None:
            self._lines = self._server.scene.add_line_segments(
                "/trails",
                segments.astype(np.float32),
                self._trail_colours(),
                thickness=2.0,
                thickness_units="screen",
            )
        self._lines.points = segments.astype(np.float32)

    def _trail_colours(self) -> np.ndarray:
        """From pale to strong, ``(segments, 2, 3)``."""
        strong = np.repeat(
            np.array([colour_of(p, i) for i, p in enumerate(self._players)], np.float32),
            self._num,
            axis=0,
        )
        share = np.linspace(0.1, 1.0, _TRAIL)[:, None, None]
        each = 255.0 - share * (255.0 - strong[None])
        pairs = np.stack([each[:-1], each[1:]], axis=2).reshape(-1, 2, 3)
        return pairs.astype(np.uint8)

    def _around(self, world: int) -> np.ndarray:
        """The outline of a world's cell in every lane, ``(4 lanes, 2, 3)``."""
        x, y = 0.49 * self.grid.cell[0], 0.49 * self.grid.cell[1]
        corners = np.array([[-x, -y, 0.0], [x, -y, 0.0], [x, y, 0.0], [-x, y, 0.0]])
        ring = self.grid.middle[:, world, None] + corners
        return np.stack([ring, np.roll(ring, -1, axis=1)], axis=2).reshape(-1, 2, 3)


def _meshes(model: mujoco.MjModel, body: int) -> list[trimesh.Trimesh]:
    """What is seen of a body, in its frame: one mesh per look. Planes are drawn as the floor."""
    plane = int(mujoco.mjtGeom.mjGEOM_PLANE)
    slots = set(variant_slots(model).tolist())
    geoms = [
        geom
        for geom in range(model.ngeom)
        if model.geom_bodyid[geom] == body
        and geom not in slots
        and model.geom_group[geom] < _SHOWN_GROUPS
        and model.geom_type[geom] != plane
    ]
    sites = [
        site
        for site in range(model.nsite)
        if model.site_bodyid[site] == body and model.site_group[site] < _SHOWN_GROUPS
    ]
    found = [merge_geoms(model, group) for group in group_geoms_by_visual_compat(model, geoms)]
    return found + ([merge_sites(model, sites)] if sites else [])
