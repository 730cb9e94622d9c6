"""Few worlds and steps, so that an examination takes a moment."""

from __future__ import annotations

import pytest

from robo_ts.doctor import examine


@pytest.fixture(autouse=True)
def short_examinations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "artifacts" not in request.node.name:
        monkeypatch.setattr(examine, "NUM_ENVS", 32)
        monkeypatch.setattr(examine, "STEPS", 60)
