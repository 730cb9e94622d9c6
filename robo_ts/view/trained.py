"""What was trained, in the report: networks, what they read, how they were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from robo_ts.errors import RoboTSError
from robo_ts.files import read_json
from robo_ts.view.html import table


def trained(folder: Path, run: dict[str, Any], results: dict[str, Any]) -> str:
    """One row per policy, and the terms each reads."""
    rows, reads = [], []
    for name, stage in (("teacher", "teach"), ("student", "distill")):
        card = _card(folder / name / "bundle" / "policy.json")
        if not card:
            continue
        result = results.get(stage, {})
        rows.append(
            [
                name,
                _network(card["architecture"]),
                _inputs(card["observation"]),
                f"{result['parameters']:,}" if "parameters" in result else "",
                _method(name, run["config"]),
                f"{result['samples']:,}" if result.get("samples") else "",
            ]
        )
        reads += _terms(name, card["observation"])
    if not rows:
        return ""
    heads = ["", "network", "reads", "parameters", "made by", "control steps"]
    inside = table(["", "group", "term", "size", "unit", "frame", "from"], reads, kind="left")
    return (
        table(heads, rows, kind="left")
        + f"<details><summary>Every observation term</summary>{inside}</details>"
    )


def _card(path: Path) -> dict[str, Any]:
    try:
        return read_json(path) if path.is_file() else {}
    except RoboTSError:
        return {}


def _network(shape: dict[str, Any]) -> str:
    parts = [str(width) for width in shape.get("encoder", [])]
    if shape.get("memory", "none") != "none":
        parts.append(f"{shape['memory'].upper()} {shape['memory_size']}")
    parts += [str(width) for width in shape.get("decoder", [])]
    kind = f"{shape['kind']}: " if "kind" in shape else ""
    return f"{kind}{' - '.join(parts)} ({shape.get('activation', '')})"


def _inputs(groups: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{g['name']} ({' x '.join(map(str, g['image']))} {g.get('dtype', 'uint8')})"
        if g.get("image")
        else f"{g['name']} ({sum(t['size'] for t in g['terms'])})"
        for g in groups
    )


def _terms(name: str, groups: list[dict[str, Any]]) -> list[list[Any]]:
    return [
        [name, g["name"], t["name"], t["size"], t["unit"], t["frame"], _source(g)]
        for g in groups
        for t in g["terms"]
    ]


def _source(group: dict[str, Any]) -> str:
    return "sensor" if group["deployable"] else "simulator only"


def _method(name: str, config: dict[str, Any]) -> str:
    if name == "teacher":
        if config.get("teacher_bundle"):
            return f"given: {config['teacher_bundle']}"
        return {"ppo": "PPO", "apg": "analytic policy gradient"}.get(
            config.get("method", "ppo"), ""
        )
    begun = f"from {config['student_bundle']}" if config.get("student_bundle") else ""
    tuned = config.get("finetune", "none")
    if config.get("distiller") == "none":
        return ", ".join(word for word in (begun, f"{tuned} alone") if word)
    windows = config.get("distiller") == "windows"
    how = "window by window" if windows else "round by round"
    loss = config.get("windows" if windows else "distill", {}).get("loss", "mse")
    parts = ["imitation", begun, how, f"loss {loss}", "" if tuned == "none" else f"then {tuned}"]
    return ", ".join(part for part in parts if part)
