"""Where the package's own files lie, in a checkout and in an installed wheel alike."""

from __future__ import annotations

from pathlib import Path

from robo_ts.errors import RoboTSError

_PACKAGE = Path(__file__).parent
CONFIG_DIR = _PACKAGE / "configs"
ASSET_DIR = _PACKAGE / "assets"


def asset(relative: str) -> Path:
    """Absolute path of a file under ``assets/``.

    Raises:
        RoboTSError: when there is no such file.
    """
    path = ASSET_DIR / relative
    if not path.exists():
        raise RoboTSError(
            f"a file {relative} under assets/", f"nothing at {path}", "reinstall robo_ts"
        )
    return path
