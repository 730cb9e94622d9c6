"""The cart task, known to the registry while a test runs."""

import pytest

from robo_ts.env import registry
from robo_ts.view import session as session_room
from tests.view.parts import cart_task


@pytest.fixture
def cart(monkeypatch: pytest.MonkeyPatch) -> None:
    """``get_task("cart")`` works."""
    known = registry.get_task

    def get_task(name: str):
        return cart_task() if name == "cart" else known(name)

    monkeypatch.setattr(registry, "get_task", get_task)
    monkeypatch.setattr(session_room, "get_task", get_task)
