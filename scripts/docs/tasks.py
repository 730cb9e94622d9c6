"""Tables of a task, from its code: observations, actions, recipes, trials."""

from __future__ import annotations

from functools import cache
from typing import Any

from omegaconf import OmegaConf

from robo_ts.env import TaskEnv, get_task
from robo_ts.env.observations import ObservationGroup
from robo_ts.paths import CONFIG_DIR
from robo_ts.tasks import description, gym_id, task_folders
from scripts.docs.markdown import code, fenced, table

# Building worlds takes time; observations do not depend on how many objects there are.
_SMALL = {"grasp": ("objects.count=2", "objects.families=[superquadric]")}


def tasks() -> str:
    """All tasks of this package."""
    rows = [
        (f"[`{name}`]({name}.md)", code(gym_id(name)), description(name))
        for name in sorted(task_folders())
    ]
    return table(("task", "gymnasium id", "what to do"), rows)


def observations(task: str, *changes: str) -> str:
    """Every observation group with its terms."""
    env, spec = _env(task, changes), get_task(task)
    return "\n\n".join(_group(group, spec.obs_groups) for group in env.spec.values())


def actions(task: str, *changes: str) -> str:
    """What the actions mean."""
    env = _env(task, changes)
    contract = env.action_contract()
    head = (
        f"{env.num_actions} actions at {contract['rate_hz']:g} Hz; episodes last at most "
        f"{env.max_episode_steps} steps ({env.max_episode_steps * env.step_dt:g} s). "
        f"They mean: {contract['meaning']}."
    )
    rows = [
        (i, code(name), f"{low:g} to {high:g}", _unit(contract["unit"]))
        for i, (name, low, high) in enumerate(
            zip(contract["names"], contract["low"], contract["high"], strict=True)
        )
    ]
    return f"{head}\n\n{table(('', 'name', 'range', 'unit'), rows)}"


def failures(task: str) -> str:
    """How an episode of a task can fail, in words."""
    names = type(_env(task, ())).failure_names
    return ", ".join(code(name) for name in names if name != "none")


def recipes(task: str) -> str:
    """Its recipes: what their first lines say, and how they are run."""
    parts = []
    for path in sorted((CONFIG_DIR / "recipe" / task).glob("*.yaml")):
        lines = path.read_text().splitlines()
        said = [line[1:].strip() for line in _leading(lines) if "@package" not in line]
        command = fenced(f"robo-ts pipeline task={task} recipe={path.stem}", "bash")
        parts.append(f"**{path.stem}** {' '.join(said)}\n\n{command}")
    return "\n\n".join(parts)


def trials(task: str) -> str:
    """The conditions its policies are compared under."""
    spec = get_task(task)
    if spec.trials is None:
        return f"`{task}` has no trials."
    rows = [
        (code(name), code(one.group), one.text, one.episodes) for name, one in spec.trials().items()
    ]
    return table(("trial", "group", "what", "episodes"), rows)


@cache
def _env(task: str, changes: tuple[str, ...]) -> TaskEnv:
    spec = get_task(task)
    node = OmegaConf.merge(
        OmegaConf.structured(spec.config()),
        OmegaConf.from_dotlist([*_SMALL.get(task, ()), *changes]),
    )
    from robo_ts.sim import EngineConfig

    return spec.build(OmegaConf.to_object(node), 1, EngineConfig(threads=1), 0)


def _group(group: ObservationGroup, readers: dict[str, list[str]]) -> str:
    who = [name for name, groups in readers.items() if group.name in groups]
    read = f"read by {', '.join(who)}" if who else "read by nobody unless asked for"
    kind = "deployable" if group.deployable else "privileged"
    size = " × ".join(str(n) for n in group.shape)
    what = f"{size} {group.dtype}" if group.image else f"{size} numbers"
    rows = []
    for term in group.terms:
        where = group.slices()[term.name]
        columns = str(where.start) if term.size == 1 else f"{where.start}–{where.stop - 1}"
        frame = "" if term.frame == "none" else term.frame
        rows.append((columns, code(term.name), term.size, _unit(term.unit), frame))
    head = f"**`{group.name}`**, {what}, {kind}; {read}."
    return f"{head}\n\n{table(('columns', 'term', 'size', 'unit', 'frame'), rows)}"


def _unit(unit: str) -> str:
    return "–" if unit == "1" else unit


def _leading(lines: list[str]) -> list[str]:
    found: list[Any] = []
    for line in lines:
        if not line.startswith("#"):
            break
        found.append(line)
    return found
