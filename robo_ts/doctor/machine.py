"""Checks of the machine: cores, threads, graphics, CUDA, memory, disk, versions."""

from __future__ import annotations

import ctypes.util
import os
import shutil
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from robo_ts.doctor.finding import Finding

# Free disk below this is too little for checkpoints, GiB.
_LEAST_DISK = 1.0
# Shared memory below this breaks processes that exchange tensors, MiB (Docker gives 64).
_LEAST_SHARED = 128.0


@dataclass(frozen=True)
class Machine:
    """What was seen of a machine, as plain data.

    Attributes:
        cores: this process may run on.
        quota: cores that the container is granted; 0 for no limit.
        torch_threads: of torch as it starts.
        variables: environment variables that matter here.
        load: processes that want to run, over the last minute.
        gl: OpenGL libraries that were found, of ``egl`` and ``osmesa``.
        display: whether there is a display.
        gpu_devices: GPUs that the system shows.
        cuda: whether torch can use CUDA.
        cuda_build: the CUDA version torch was built with; empty for a CPU build.
        memory_gib: free memory.
        disk_gib: free disk where runs are written.
        shared_mib: size of /dev/shm; 0 where there is none.
        versions: of the packages that must fit each other.
    """

    cores: int
    quota: float = 0.0
    torch_threads: int = 1
    variables: dict[str, str] = field(default_factory=dict)
    load: float = 0.0
    gl: tuple[str, ...] = ("egl",)
    display: bool = False
    gpu_devices: tuple[str, ...] = ()
    cuda: bool = False
    cuda_build: str = ""
    memory_gib: float = 8.0
    disk_gib: float = 100.0
    shared_mib: float = 1024.0
    versions: dict[str, str] = field(default_factory=dict)


_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "MUJOCO_GL",
    "CUDA_VISIBLE_DEVICES",
)


def look() -> Machine:
    """This machine."""
    import torch

    from robo_ts.sim.api import available_cores

    return Machine(
        cores=available_cores(),
        quota=_quota(),
        torch_threads=torch.get_num_threads(),
        variables={n: os.environ[n] for n in _VARIABLES if n in os.environ},
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        gl=_gl(),
        display=bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")),
        gpu_devices=tuple(sorted(str(p) for p in Path("/dev").glob("nvidia[0-9]*"))),
        cuda=torch.cuda.is_available(),
        cuda_build=torch.version.cuda or "",
        memory_gib=free_memory_gib(),
        disk_gib=shutil.disk_usage(".").free / 2**30,
        shared_mib=_shared(),
        versions=_versions(),
    )


def free_memory_gib() -> float:
    """Memory that can be taken now, GiB, the container's limit included; 0 when nobody tells."""
    free = 0.0
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                free = int(line.split()[1]) / 2**20
    except (OSError, ValueError, IndexError):
        return 0.0
    limit, used = (_cgroup(name) for name in ("memory.max", "memory.current"))
    if limit.isdigit() and used.isdigit():
        free = min(free, (int(limit) - int(used)) / 2**30)
    return free


def _cgroup(name: str) -> str:
    try:
        return (Path("/sys/fs/cgroup") / name).read_text().strip()
    except OSError:
        return ""


def _quota() -> float:
    allowed, _, period = _cgroup("cpu.max").partition(" ")
    return int(allowed) / int(period) if allowed.isdigit() and period.isdigit() else 0.0


def _gl() -> tuple[str, ...]:
    names = {"egl": "EGL", "osmesa": "OSMesa"}
    return tuple(kind for kind, library in names.items() if ctypes.util.find_library(library))


def _shared() -> float:
    try:
        return shutil.disk_usage("/dev/shm").total / 2**20
    except OSError:
        return 0.0


def _versions() -> dict[str, str]:
    found = {}
    for name in ("mujoco", "mujoco-warp", "rsl-rl-lib", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def threads(machine: Machine) -> list[Finding]:
    """Threads fit the cores, and the cores fit the container."""
    found = []
    granted = machine.quota or machine.cores
    if machine.quota and machine.cores > machine.quota + 0.5:
        found.append(
            Finding(
                "threads",
                "container",
                f"as many visible cores as the container is granted ({machine.quota:g})",
                f"{machine.cores}; every pool will take that many threads",
                "set torch_threads and engine.threads to the granted number, and OMP_NUM_THREADS "
                "before Python starts; or pin the container's cores (cpuset)",
                "warning",
            )
        )
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        value = machine.variables.get(name, "")
        if value.isdigit() and int(value) > granted:
            found.append(
                Finding(
                    "threads",
                    name,
                    f"at most {granted:g} threads",
                    value,
                    f"set {name}={int(granted)}: two busy pools on two cores are 15 times slower "
                    "than one",
                )
            )
    if machine.torch_threads > machine.cores:
        found.append(
            Finding(
                "threads",
                "torch",
                f"at most {machine.cores} threads of torch",
                str(machine.torch_threads),
                "set torch_threads, or OMP_NUM_THREADS before Python starts",
            )
        )
    if machine.variables.get("OMP_WAIT_POLICY", "PASSIVE").upper() == "ACTIVE":
        found.append(
            Finding(
                "threads",
                "OMP_WAIT_POLICY",
                "PASSIVE, which robo_ts sets",
                "ACTIVE: idle threads of torch take the cores from the simulation",
                "unset it",
                "warning",
            )
        )
    if machine.load > 1.5 * machine.cores:
        found.append(
            Finding(
                "threads",
                "load",
                f"at most {machine.cores} processes that want to run",
                f"{machine.load:.1f} over the last minute",
                "wait for the others, or do not report timings",
                "note",
            )
        )
    return found


def graphics(machine: Machine) -> list[Finding]:
    """Pictures can be made without a display."""
    chosen = machine.variables.get("MUJOCO_GL", "")
    if chosen in ("egl", "osmesa") and chosen not in machine.gl:
        have = f"; found: {', '.join(machine.gl)}" if machine.gl else ""
        return [
            Finding(
                "graphics",
                "MUJOCO_GL",
                f"the library that MUJOCO_GL={chosen} names",
                f"none{have}",
                _install(chosen),
            )
        ]
    if chosen == "glfw" and not machine.display:
        return [
            Finding(
                "graphics",
                "MUJOCO_GL",
                "a display for MUJOCO_GL=glfw",
                "none",
                "set MUJOCO_GL=egl (or osmesa), or unset it",
            )
        ]
    if machine.gl or machine.display:
        return []
    return [
        Finding(
            "graphics",
            "OpenGL",
            "EGL or OSMesa, for pictures and videos without a display",
            "neither",
            f"{_install('egl')}; cameras in training do not need it (mujoco_warp traces rays)",
            "warning",
        )
    ]


def _install(kind: str) -> str:
    packages = {
        "egl": "apt install libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0",
        "osmesa": "apt install libosmesa6",
    }
    return packages[kind]


def cuda(machine: Machine) -> list[Finding]:
    """A GPU that is there is used."""
    if not machine.gpu_devices or machine.cuda:
        return []
    hidden = machine.variables.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden in ("", "-1"):
        got, fix = f"CUDA_VISIBLE_DEVICES={hidden!r}, which hides it", "unset it"
    elif not machine.cuda_build:
        got = "a CPU build of torch"
        fix = "install torch's CUDA build from PyTorch's own index"
    else:
        got = f"torch for CUDA {machine.cuda_build} that finds no usable driver"
        fix = "run nvidia-smi; update the driver, or install torch for its CUDA version"
    return [
        Finding(
            "cuda",
            ", ".join(machine.gpu_devices),
            "the GPU in use",
            got,
            f"{fix}; then run with engine=warp",
        )
    ]


def space(machine: Machine) -> list[Finding]:
    """There is room to write."""
    found = []
    if machine.disk_gib < _LEAST_DISK:
        found.append(
            Finding(
                "space",
                "disk",
                f"at least {_LEAST_DISK:g} GiB free where runs are written",
                f"{machine.disk_gib:.2f} GiB",
                "free space, or set run_dir to another disk",
            )
        )
    if 0.0 < machine.shared_mib < _LEAST_SHARED:
        found.append(
            Finding(
                "space",
                "/dev/shm",
                f"at least {_LEAST_SHARED:g} MiB of shared memory for several processes",
                f"{machine.shared_mib:.0f} MiB",
                "start the container with --shm-size=1g, or keep processes=1",
                "warning",
            )
        )
    return found


def versions(machine: Machine) -> list[Finding]:
    """Packages that belong together are of one version."""
    one, other = (machine.versions.get(n, "") for n in ("mujoco", "mujoco-warp"))
    found = []
    if one and other and one.split(".")[:2] != other.split(".")[:2]:
        found.append(
            Finding(
                "versions",
                "mujoco-warp",
                f"mujoco-warp of mujoco's version {one}",
                other,
                "pip install -c constraints.txt mujoco mujoco-warp",
            )
        )
    return found


CHECKS = {
    "threads": threads,
    "graphics": graphics,
    "cuda": cuda,
    "space": space,
    "versions": versions,
}
