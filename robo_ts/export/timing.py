"""How long one step of an exported policy takes on this machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from robo_ts.export.c_header import HEADER_FILE
from robo_ts.export.contract import ONNX_FILE
from robo_ts.export.runtime import Runtime

_STEPS = 2000
_PROGRAM = """
#include <stdio.h>
#include <time.h>
#include "policy.h"
int main(void) {
  policy_state state;
  float observation[POLICY_OBSERVATIONS] = {0}, action[POLICY_ACTIONS], sum = 0;
  struct timespec a, b;
  policy_reset(&state);
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < 200000; ++i) {
    observation[0] = 1e-6f * (float)i;
    policy_step(&state, observation, action);
    sum += action[0];
  }
  clock_gettime(CLOCK_MONOTONIC, &b);
  const double seconds = (b.tv_sec - a.tv_sec) + 1e-9 * (b.tv_nsec - a.tv_nsec);
  printf("%.6f %g\\n", seconds * 1e6 / 200000, sum);
  return 0;
}
"""


def microseconds_per_step(folder: Path) -> dict[str, float]:
    """For one robot: of the ONNX file in ``folder`` (over vectors), and of its C header where there
    is one and a compiler."""
    runtime = Runtime(folder / ONNX_FILE)
    found = {"onnx": _onnx(runtime)}
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler and (folder / HEADER_FILE).is_file():
        found["c"] = _c(folder, compiler)
    return found


def _onnx(runtime: Runtime) -> float:
    runtime.reset(1)
    observation = np.zeros((1, runtime.observation_size), dtype=np.float32)
    for _ in range(50):
        runtime.act(observation)
    begun = time.perf_counter()
    for _ in range(_STEPS):
        runtime.act(observation)
    return (time.perf_counter() - begun) / _STEPS * 1e6


def _c(folder: Path, compiler: str) -> float:
    with tempfile.TemporaryDirectory() as made:
        source, program = Path(made) / "time.c", Path(made) / "time"
        source.write_text(_PROGRAM)
        flags = ["-O2", "-std=gnu99", f"-I{folder.resolve()}", "-o", str(program)]
        subprocess.run([compiler, str(source), *flags, "-lm"], check=True, capture_output=True)
        said = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return float(said.split()[0])
