"""The page of a run: complete, self-contained, and made for runs that are not finished too."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from robo_ts.cli import main
from robo_ts.files import read_json, write_json
from robo_ts.view import gallery, plots, strip
from robo_ts.view.trained import trained
from tests.explain.test_verdict import _SOUND, _ladder


class _Requests(HTMLParser):
    """Everything in a page that would make a browser ask for something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            wants = name in ("src", "srcset", "poster", "data") or (name == "href" and tag != "a")
            if wants and not (value or "").startswith("data:"):
                self.found.append(f"{tag} {name}={value}")
        if tag in ("script", "iframe"):
            self.found.append(tag)


def _is_self_contained(page: str) -> bool:
    return not _Requests(page).found and "@import" not in page and "url(" not in page


def _ladder_file() -> dict:
    from dataclasses import asdict

    from robo_ts.explain import judge

    rungs = _ladder(**(_SOUND | {"noise": None, "training": 0.4, "export": 0.4}))
    one = {"action": "left <&>", "error": 0.1, "unexplained": 0.2}
    return {
        "rungs": rungs,
        "verdict": asdict(judge(rungs)),
        "budget": {"rounds": 20, "num_envs": 8, "steps_per_round": 5, "episodes": 1000, "seed": 0},
        "errors": {
            "student_acts": [one],
            "teacher_acts": [one],
            "worst_terms": [{"term": "privileged.mass", "explains": 0.5}],
            "imitation_gap": 0.1,
        },
        "student": "finished",
        "seconds": 3.0,
    }


@pytest.fixture
def run(smoke_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished smoke run."""
    folder = tmp_path / "run"
    shutil.copytree(smoke_run, folder)
    return folder


@pytest.mark.slow
def test_the_page_holds_everything_and_asks_for_nothing(run: Path):
    page = (run / "report.html").read_text()
    assert _is_self_contained(page)
    for title in (
        "How well they do",
        "What was trained",
        "Learning",
        "What the distiller saw",
        "What goes wrong",
        "Failures of the student",
        "What the memory is worth",
        "The exported file",
        "Where this comes from",
    ):
        assert title in page
    command = read_json(run / "manifest.json")["command"]
    assert command.split()[0] in page
    assert read_json(run / "teacher" / "done.json")["digest"][:16] in page
    assert page.count("data:image/png") >= 5
    shown = read_json(run / "eval" / "failures" / "failures.json")
    assert shown["failed"] > 0
    assert page.count("data:image/jpeg") == len(shown["pictures"]) > 0


@pytest.mark.slow
def test_an_explained_run_shows_its_ladder(run: Path, capsys: pytest.CaptureFixture):
    write_json(run / "explain" / "ladder.json", _ladder_file())
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip().endswith((run / "report.html").resolve().as_uri())
    page = (run / "report.html").read_text()
    assert "Most is lost at &#x27;training&#x27;" in page
    assert "left &lt;&amp;&gt;" in page and "left <&>" not in page
    assert _is_self_contained(page)


@pytest.mark.slow
def test_a_run_that_still_learns_has_a_page(run: Path):
    for stage in ("eval", "export"):
        shutil.rmtree(run / stage)
    for file in ("summary.json", "report.html", "student/done.json"):
        (run / file).unlink()
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "Nothing is measured yet" in page and "student: round 4, not finished" in page


@pytest.mark.slow
def test_runs_are_set_side_by_side(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    other = tmp_path / "other"
    shutil.copytree(run, other)
    text = (other / "config.yaml").read_text()
    (other / "config.yaml").write_text(re.sub(r"(?m)^  seed: 0$", "  seed: 5", text))
    out, figures = tmp_path / "compare.html", tmp_path / "compare.json"
    words = ["compare", str(run), str(other), "--out", str(out), "--json", str(figures)]
    assert main(words) == 0
    assert out.resolve().as_uri() in capsys.readouterr().out
    assert read_json(figures)["differences"] == {"seed": [0, 5]}
    page = out.read_text()
    assert _is_self_contained(page)
    assert str(run) in page and str(other) in page


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"distill": {"loss": "huber"}}, "imitation, round by round, loss huber"),
        (
            {"distiller": "windows", "windows": {"loss": "distance"}, "finetune": "apg"},
            "imitation, window by window, loss distance, then apg",
        ),
    ],
)
def test_the_loss_is_the_one_of_the_distiller_that_ran(config: dict, said: str, tmp_path: Path):
    card = {"architecture": {"encoder": [4]}, "observation": []}
    write_json(tmp_path / "student" / "bundle" / "policy.json", card)
    assert said in trained(tmp_path, {"config": config}, {})


def test_a_stage_that_counts_no_episodes_shows_its_loss_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plots, "_encode", lambda figure: figure)
    rows = [{"seconds": float(k), "loss": 1.0 / (k + 1)} for k in range(3)]
    counted = [{**row, "success": 0.5, "evaluated_success": 0.5} for row in rows]

    def labels(figure: Any) -> list[str]:
        return [axes.get_ylabel() for axes in figure.axes]

    assert labels(plots.curves({"student": rows})) == ["imitation loss"]
    both = plots.curves({"student": counted})
    assert labels(both) == ["success while training", "imitation loss"]
    assert len(both.legends) == 1 and not any(axes.get_legend() for axes in both.axes)  # type: ignore[attr-defined]
    assert labels(plots.compared_curves({"a": rows, "b": rows})) == ["imitation loss"]
    assert plots.compared_curves({"a": [{"seconds": 0.0}]}) == ""


def test_one_run_or_a_missing_one_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture):
    out = ["--out", str(tmp_path / "page.html")]
    assert main(["compare", "runs/a", *out]) == 2
    assert "at least two runs" in capsys.readouterr().err
    assert main(["compare", "nowhere/a", "nowhere/b", *out]) == 2
    assert "no such folder" in capsys.readouterr().err


# -- pictures of failures --------------------------------------------------------------------------


def _flights(tmp_path: Path) -> dict:
    from robo_ts.envs.benchmarks.reacher import Reacher, ReacherConfig
    from robo_ts.evaluate import PolicyActor
    from robo_ts.policies import Policy, PolicyConfig
    from robo_ts.sim import EngineConfig

    def make(num_envs: int, seed: int) -> Reacher:
        return Reacher(ReacherConfig(episode_steps=12), num_envs, EngineConfig(threads=1), seed)

    env = make(1, 0)
    policy = Policy(PolicyConfig(memory="none"), env.spec.select(["proprioception"]), 2)
    return gallery.failure_gallery(PolicyActor(policy), make, tmp_path / "failures", 0)


def _pixels(path: Path) -> np.ndarray:
    import cv2

    image = cv2.imread(str(path))
    assert image is not None
    return image


def test_failures_are_shown_as_pictures(tmp_path: Path):
    index = _flights(tmp_path)
    assert index["episodes"] == gallery.NUM_ENVS and index["failed"] > 50
    assert [p["file"] for p in index["pictures"]] == ["0.jpg", "1.jpg", "2.jpg"]
    assert index["pictures"][0]["failure"] == "inaccurate"
    assert index["pictures"][0]["metrics"]["late_distance_m"] > 0.02
    images = [_pixels(tmp_path / "failures" / p["file"]) for p in index["pictures"]]
    assert all(float(np.std(image)) > 5.0 for image in images)
    assert not np.array_equal(images[0], images[1])


def test_without_opengl_paths_are_drawn_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(strip, "_rendered", lambda jobs: False)
    index = _flights(tmp_path)
    image = _pixels(tmp_path / "failures" / index["pictures"][0]["file"])
    assert float(np.std(image)) > 5.0
