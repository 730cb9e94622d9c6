"""Where a result comes from: command, versions, hardware, commit."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import robo_ts
from robo_ts.sim.api import available_cores

_PACKAGES = (
    "torch",
    "mujoco",
    "mujoco-warp",
    "warp-lang",
    "gymnasium",
    "stable-baselines3",
    "rsl-rl-lib",
    "tensordict",
    "onnx",
    "onnxruntime",
    "numpy",
    "hydra-core",
)


def command() -> str:
    """The words this process was started with, its program by name only."""
    program = Path(sys.argv[0]).name
    if program in ("cli.py", "__main__.py"):  # python -m robo_ts.cli
        program = "robo-ts"
    return " ".join([program, *sys.argv[1:]])


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    found = {"python": platform.python_version(), "robo_ts": robo_ts.__version__}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores this process may use, memory, and GPU if there is one."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": _cpu_name(),
        "cores": available_cores(),
        "memory_gib": round(memory, 1),
        "gpu": gpu,
        "system": f"{platform.system()} {platform.machine()}",
    }


def commit() -> str | None:
    """The checkout's commit, with ``+`` when files were changed; None outside a checkout."""
    root = Path(robo_ts.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        name = _git(root, "rev-parse", "--short=12", "HEAD")
        return name + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=root, capture_output=True, text=True, timeout=10, check=True
    )
    return done.stdout.strip()


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
