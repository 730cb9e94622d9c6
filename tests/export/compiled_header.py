"""A C header compiled with the system compiler, and its own check run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

CC = shutil.which("cc")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler on this machine")
MAIN = """
#include <stdio.h>
#include "policy.h"
int main(void) {
    printf("%.9g\\n", policy_check());
    return 0;
}
"""


def run(folder: Path, *flags: str, standard: str = "-std=c99") -> float:
    (folder / "main.c").write_text(MAIN)
    assert CC is not None
    words = [CC, *flags, standard, "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run([*words, "main.c", "-o", "main", "-lm"], cwd=folder, check=True)
    done = subprocess.run([str(folder / "main")], capture_output=True, text=True, check=True)
    return float(done.stdout)
