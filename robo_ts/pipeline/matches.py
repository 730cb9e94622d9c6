"""``robo-ts matches``: policies and a task's own players against each other, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import Any, cast

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.table import Table

from robo_ts.env import TaskEnv, get_task, make_env
from robo_ts.env.players import HasSeats, Player
from robo_ts.errors import RoboTSError
from robo_ts.evaluate.matches import check_tournament, tournament
from robo_ts.evaluate.trials import with_changes
from robo_ts.lineage import commit, hardware, versions
from robo_ts.progress import Progress, set_threads
from robo_ts.sim import EngineConfig


def rank(
    words: Sequence[str],
    task: str,
    changes: Sequence[str] = (),
    games: int = 100,
    only: Sequence[str] = (),
    engine: EngineConfig | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Every pair of players in a match.

    Args:
        words: names of the task's own players, or folders of bundles; a label may stand before,
            ``name=path``.
        task: the task.
        changes: to its settings, ``key=value``.
        games: per pair.
        only: labels; without one of them a pair does not meet.
        engine: what steps the worlds.
        seed: of the worlds.

    Raises:
        RoboTSError: for a task in which others cannot play, an unknown player or setting.
    """
    set_threads(0)
    spec, engine = get_task(task), engine or EngineConfig()
    config = _changed(spec.config(), changes)

    def make(num: int, world_seed: int) -> TaskEnv:
        return spec.build(config, num, engine, world_seed)

    env = make_env(task, 1, config, engine)
    if not hasattr(env, "seat"):
        raise RoboTSError("a task in which others can play", task, "use 'robo-ts trials'")
    labelled = [_split(word) for word in words]
    if len({label for label, _ in labelled}) < len(labelled):
        raise RoboTSError(
            "players with names of their own", " ".join(words), "write name=path before each"
        )
    check_tournament(dict(labelled), games)
    for label in only:
        if label not in dict(labelled):
            raise RoboTSError("--only with names of players", repr(label), "mend it")
    players = {label: partial(_player, env, where) for label, where in labelled}
    for make_player in players.values():
        cast(HasSeats, env).seat([make_player()])  # refuses what does not fit, before anyone plays
    pairs = [p for p in combinations(players, 2) if not only or set(p) & set(only)]
    bar = Progress("matches", games * len(pairs), "game")
    try:
        found = tournament(players, make, games, seed, only, bar.update)
    finally:
        bar.close()
        env.close()
    return {
        "task": task,
        "changes": list(changes),
        "players": dict(labelled),
        "engine": {"name": engine.name, "device": engine.resolved_device()},
        "seed": seed,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
        **found,
    }


def _player(env: TaskEnv, where: str) -> Player:
    return cast(HasSeats, env).player(where)


def _split(word: str) -> tuple[str, str]:
    label, equals, where = word.partition("=")
    return (label, where) if equals else (word, word)


def _changed(config: Any, changes: Sequence[str]) -> Any:
    try:
        return with_changes(config, OmegaConf.to_object(OmegaConf.from_dotlist(list(changes))))  # type: ignore[arg-type]
    except OmegaConfBaseException as error:
        raise RoboTSError(
            "--set with settings of the task", str(error).partition("\n")[0], "mend the key"
        ) from error


def show(figures: dict[str, Any]) -> None:
    """Print what :func:`rank` found."""
    table = Table(title=f"{figures['task']}: {figures['games_per_pair']} games per pair")
    for column in ("first", "second", "points", "95% interval", "won / tied / lost"):
        table.add_column(column)
    for pair in figures["pairs"]:
        table.add_row(pair["first"], pair["second"], *_cells(pair))
    console = Console()
    console.width = max(console.width, 110)
    console.print(table)
    ranking = figures.get("elo", {})
    overall = Table(title="all matches together")
    for column in ("player", "Elo", "points", "95% interval", "won / tied / lost"):
        overall.add_column(column)
    order = sorted(figures["overall"], key=lambda n: -figures["overall"][n].get("points", 0.0))
    for name in sorted(order, key=lambda n: -ranking.get(n, 0.0)):
        if figures["overall"][name]:
            rating = f"{ranking[name]:.0f}" if name in ranking else ""
            overall.add_row(name, rating, *_cells(figures["overall"][name]))
    console.print(overall)


def _cells(result: dict[str, Any]) -> tuple[str, str, str]:
    low, high = result["ci95"]
    counts = f"{result['wins']} / {result['ties']} / {result['losses']}"
    return f"{result['points']:.2f}", f"{low:.2f} to {high:.2f}", counts
