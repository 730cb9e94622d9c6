"""Many MuJoCo worlds behind one API, on the CPU (mujoco.batch) or on a GPU (mujoco_warp)."""

from robo_ts.sim.api import BatchSim, EngineConfig, check_num_envs, make_sim
from robo_ts.sim.nan_guard import NanGuardConfig, load_dump
from robo_ts.sim.randomize import Range, Sampler

__all__ = [
    "BatchSim",
    "EngineConfig",
    "NanGuardConfig",
    "Range",
    "Sampler",
    "check_num_envs",
    "load_dump",
    "make_sim",
]
