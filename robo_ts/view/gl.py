"""Which off-screen OpenGL MuJoCo shall use; imports nothing heavy."""

from __future__ import annotations

import ctypes.util
import os
import sys


def choose_gl() -> None:
    """Let MuJoCo find off-screen OpenGL; call it before ``mujoco`` is imported.

    A choice the user made (``MUJOCO_GL``) stays.
    """
    if os.environ.get("MUJOCO_GL") or sys.platform != "linux" or "mujoco" in sys.modules:
        return
    for library, name in (("EGL", "egl"), ("OSMesa", "osmesa")):
        if ctypes.util.find_library(library):
            os.environ["MUJOCO_GL"] = name
            return
