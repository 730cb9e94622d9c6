"""What cameras give, as observation groups."""

from __future__ import annotations

import math

from robo_ts.env.observations import ObservationGroup, Term
from robo_ts.sim.cameras import CameraConfig, Cameras
from robo_ts.sim.cameras.layout import Layout, image_layout


def camera_groups(cameras: Cameras) -> list[ObservationGroup]:
    """One group for each tensor of :meth:`Cameras.read`, in the same order."""
    return [_group(layout, layout.name) for layout in cameras.layouts]


def image_group(camera: CameraConfig, output: str, name: str) -> ObservationGroup:
    """The group of one output of a camera under a name of its own, as for tasks in which several
    players, each with a camera, share one."""
    return _group(image_layout(camera, output), name)


def _group(layout: Layout, name: str) -> ObservationGroup:
    term = Term(layout.term, math.prod(layout.shape), layout.unit, layout.frame)
    image = layout.shape if len(layout.shape) == 3 else ()
    return ObservationGroup(
        name=name,
        terms=(term,),
        deployable=layout.deployable,
        image=image,
        dtype=layout.dtype if image else "uint8",  # vectors are float32 whatever this says
        points=0 if image else layout.shape[0] // 3,
    )
