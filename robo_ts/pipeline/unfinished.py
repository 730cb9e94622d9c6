"""The newest policies of a run, finished or still training, for those who look on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from robo_ts.env import get_task, make_env
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import PipelineConfig, Run
from robo_ts.policies import Policy, PolicyBundle
from robo_ts.teach.convert import policy_from_rsl_rl
from robo_ts.view.players import Offer, Player, bundle_player, onnx_player, policy_player

# The stages whose checkpoints hold a player, the newest last.
_STAGES = {"student": ("student", "finetune"), "teacher": ("teacher",)}


def open_run(path: Path) -> Offer:
    """What a run directory offers to ``robo-ts view``; see :class:`RunInTraining`."""
    run = RunInTraining(path)
    players = run.players()
    return Offer(run.task, run.config, players, lambda: run.newest(players))


class RunInTraining:
    """Looks into a run directory, which another process may be writing.

    Args:
        path: the run directory.

    Raises:
        RoboTSError: when it is none, its settings are damaged or of another version, or when no
            policy has been saved yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = _read_run(path)
        self.task, self.config = self.run.task, self.run.config.task
        env = make_env(self.task, 1, self.config)
        self._spec, self._num_actions = env.spec, env.num_actions
        env.close()
        self._seen: dict[str, tuple[Path, int]] = {}

    def players(self) -> dict[str, Player]:
        """Student, teacher and ONNX file, as far as there are any."""
        found: dict[str, Player] = {}
        self.newest(found)
        if not found:
            raise RoboTSError(
                f"a run with at least one checkpoint or bundle in {self.path}",
                "none yet",
                "wait for the first checkpoint (checkpoint_seconds), then look again",
            )
        return found

    def newest(self, players: dict[str, Player]) -> list[str]:
        """Put newer versions into ``players``; the names of those that changed."""
        changed = []
        for name in ("student", "teacher", "onnx"):
            where = self._newest_file(name)
            if where is None or where == self._seen.get(name):
                continue
            player = self._load(name, where[0])
            if player is not None:
                players[name], self._seen[name] = player, where
                changed.append(name)
        return changed

    def _newest_file(self, name: str) -> tuple[Path, int] | None:
        if name == "onnx":
            files = [self.path / "export" / "policy.onnx"]
        else:
            files = [self.path / name / "bundle" / "policy.safetensors"]
            files += [self.path / stage / "checkpoint.pt" for stage in _STAGES[name]]
        stamps = [(file, _stamp(file)) for file in files]
        there = [one for one in stamps if one[1]]
        return max(there, key=lambda one: one[1]) if there else None

    def _load(self, name: str, file: Path) -> Player | None:
        """A player; None when the file went away, or its stage finished, in this very moment."""
        if file.suffix == ".onnx":
            return onnx_player(name, file)
        if file.name == "policy.safetensors":
            return bundle_player(name, PolicyBundle.load(file.parent))
        if not file.exists():
            return None
        learner = _learner(file)
        policy = self._policy(name, file.parent.name, learner)
        round_ = int(learner.get("iteration", 0))
        version = f"{file.parent.name} {round_}"
        return policy_player(name, policy, self.task, version, f"round {round_}")

    def _policy(self, name: str, stage: str, learner: dict[str, Any]) -> Policy:
        groups = self.run.obs_groups
        try:
            if "algorithm" in learner:
                config = self.run.config.teacher
                return policy_from_rsl_rl(
                    learner["algorithm"]["actor_state_dict"],
                    self._spec.select(groups["actor"]),
                    self._num_actions,
                    config.activation,
                    config.base_term,
                ).eval()
            policy = self._untrained(name, groups)
            weights = learner.get("averaged") or learner.get("student") or learner["policy"]
            policy.load_state_dict(weights)
            return policy.eval()
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RoboTSError(
                f"a checkpoint of this version in {self.path / stage}",
                f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
                "use the version of robo_ts the run was begun with",
            ) from error

    def _untrained(self, name: str, groups: dict[str, list[str]]) -> Policy:
        if name == "teacher":
            sees = self._spec.select(groups["teacher"])
            return Policy(self.run.config.apg.network(), sees, self._num_actions)
        sees = self._spec.select(groups["student"])
        teacher = PolicyBundle.load(self.path / "teacher" / "bundle").policy
        return self.run.config.student.build(sees, teacher, self._num_actions)


def _read_run(path: Path) -> Run:
    file = path / "config.yaml"
    try:
        kept = yaml.safe_load(file.read_text())
        task, recipe, config = kept["task"], kept["recipe"], kept["config"]
    except (OSError, yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise RoboTSError(
            f"the settings of a run in {file}",
            f"{type(error).__name__}: {error}",
            "give a folder that 'robo-ts pipeline' made",
        ) from error
    schema = OmegaConf.structured(PipelineConfig(task=get_task(str(task)).config()))
    try:
        settings: Any = OmegaConf.to_object(OmegaConf.merge(schema, config))
    except OmegaConfBaseException as error:
        raise RoboTSError(
            f"settings this version knows in {file}",
            str(error).partition("\n")[0],
            "use the version of robo_ts the run was begun with",
        ) from error
    return Run(str(task), str(recipe), settings)


def _learner(file: Path) -> dict[str, Any]:
    """A checkpoint's learner, read without running pickled code; large parts stay on disk."""
    try:
        state = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        learner = state["learner"]
    except Exception as error:  # torch's errors for damaged files share no base
        raise RoboTSError(
            f"a readable checkpoint {file}",
            f"{type(error).__name__}",
            "wait for the next one, or delete it",
        ) from error
    if not isinstance(learner, dict):
        raise RoboTSError(f"a checkpoint of a learner in {file}", "other content", "delete it")
    return learner


def _stamp(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
