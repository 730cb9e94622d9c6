"""What the pages are filled with: from code and from figures, never by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mkdocs.exceptions import PluginError

from robo_ts.sim import Range
from scripts.docs import docstrings, hook, measured


@dataclass
class Inner:
    """A group.

    Attributes:
        span: a range,
            said in two lines.
    """

    span: Range = field(default_factory=lambda: Range(1.0, 2.0))


@dataclass
class Outer:
    """Settings.

    Attributes:
        name: what :class:`Inner` is called; ``x`` or another.
        inner: a group.
    """

    name: str = ""
    inner: Inner = field(default_factory=Inner)


def test_settings_are_read_from_the_docstring() -> None:
    found = dict(docstrings.groups(Outer()))
    assert list(found) == ["", "inner."]
    (name,) = docstrings.settings(found[""])
    assert (name.key, name.kind, name.default) == ("name", "str", '""')
    (span,) = docstrings.settings(found["inner."], "inner.")
    assert span.key == "inner.span"
    assert span.default == "1 to 2"
    assert span.text == "a range, said in two lines."


def test_a_setting_nobody_explained_is_an_error() -> None:
    @dataclass
    class Bare:
        """Settings."""

        size: int = 3

    with pytest.raises(ValueError, match="size"):
        docstrings.settings(Bare())


def test_figures_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arms = {"ours": {"success": 0.5, "ci95": [0.4, 0.625], "labels": 1200.0, "seeds": []}}
    (tmp_path / "made.json").write_text(json.dumps({"arms": arms, "seeds": [0, 1]}))
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    assert hook.fill("it is {{ success made ours }}.", "p") == "it is 50.0% (40.0 to 62.5)."
    table = hook.fill("{{ benchmark made }}", "p")
    assert "| ours | 50.0% (40.0 to 62.5) | 1,200 |" in table
    measured.load.cache_clear()


def test_a_recipe_is_shown_by_what_was_drawn_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = {"mean": 0.96, "lowest": 0.95, "highest": 0.975}
    drawn = "[thrust_to_weight 8-12]"
    students = {f"{kind} {drawn}": part for kind in ("survived", "within_limits")}
    trial = {"group": "drones", "policies": {}, "students": {"survived": part, **students}}
    runs = [{"seconds": {"total": 600.0}, "parameters": 18084}]
    figures = {"seeds": [0, 1], "runs": runs, "trials": {"wide": trial}}
    (tmp_path / "some.json").write_text(json.dumps(figures))
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    measured.load.cache_clear()
    line = next(x for x in measured.benchmark("some").splitlines() if "thrust to weight 8-12" in x)
    assert line.count("96.00 (95.00 to 97.50)") == 2
    measured.load.cache_clear()


@pytest.mark.parametrize(
    "mark", ["{{ sucess reacher teacher }}", "{{ success reacher nobody }}", "{{ benchmark gone }}"]
)
def test_what_cannot_be_filled_in_ends_the_build(mark: str) -> None:
    with pytest.raises(PluginError, match=r"page\.md"):
        hook.fill(mark, "page.md")


def test_every_file_of_figures_says_how_it_was_made() -> None:
    for file in measured.FOLDER.glob("*.json"):
        assert measured.command(file.stem), f"benchmarks/README.md has no row for {file.name}"


def test_an_unknown_kind_of_figures_is_shown_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new.json").write_text(json.dumps({"speed": {"of": 1234.5}, "commit": "abc"}))
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    assert "| `speed/of` | 1234 |" in hook.fill("{{ benchmark new }}", "p")
    measured.load.cache_clear()
