"""What cameras give, as observation groups."""

from __future__ import annotations

import math

from robo_ts.env.observations import ObservationGroup, Term
from robo_ts.sim.cameras import Cameras


def camera_groups(cameras: Cameras) -> list[ObservationGroup]:
    """One group for each tensor of :meth:`Cameras.read`, in the same order."""
    found = []
    for layout in cameras.layouts:
        term = Term(layout.term, math.prod(layout.shape), layout.unit, layout.frame)
        image = layout.shape if len(layout.shape) == 3 else ()
        found.append(
            ObservationGroup(
                name=layout.name,
                terms=(term,),
                deployable=layout.deployable,
                image=image,
                dtype=layout.dtype if image else "uint8",  # vectors are float32 whatever this says
                points=0 if image else layout.shape[0] // 3,
            )
        )
    return found
