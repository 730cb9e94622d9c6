"""Which geoms belong to bodies that are named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mujoco
import numpy as np

from robo_ts.errors import RoboTSError, did_you_mean


def geoms_of(model: mujoco.MjModel, bodies: Sequence[str]) -> np.ndarray:
    """Ids of the geoms of some bodies and of all bodies below them, in order.

    Raises:
        RoboTSError: for a body the model does not have.
    """
    wanted = np.zeros(model.nbody, bool)
    for name in bodies:
        found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name)
        if found < 0:
            names = [model.body(i).name for i in range(model.nbody)]
            raise RoboTSError("a body of the model", repr(name), did_you_mean(name, names))
        wanted[found] = True
    for body in range(1, model.nbody):  # parents come first
        wanted[body] |= wanted[model.body_parentid[body]] and model.body_parentid[body] > 0
    return np.flatnonzero(wanted[model.geom_bodyid])


def class_labels(model: mujoco.MjModel, classes: Mapping[str, Sequence[str]]) -> np.ndarray:
    """Label of every geom, ``(ngeom,)`` uint8: 1, 2, ... by class, 0 for none.

    Raises:
        RoboTSError: for unknown bodies and for geoms in two classes.
    """
    labels = np.zeros(model.ngeom, np.uint8)
    for label, (name, bodies) in enumerate(classes.items(), start=1):
        geoms = geoms_of(model, bodies)
        if labels[geoms].any():
            other = list(classes)[int(labels[geoms].max()) - 1]
            raise RoboTSError(
                "classes that share no body", f"{other!r} and {name!r}", "name each body once"
            )
        labels[geoms] = label
    return labels
