"""The settings of a run: dataclasses, composed by Hydra at the command line."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from robo_ts.checks import check_at_least_one, check_not_negative, check_one_of
from robo_ts.distill import DistillConfig
from robo_ts.distill.reinforce_config import ReinforceConfig
from robo_ts.distill.windows import WindowDistillConfig
from robo_ts.env import get_task
from robo_ts.env.pool import grouped, pool_size
from robo_ts.errors import RoboTSError, did_you_mean
from robo_ts.evaluate import EvaluateConfig
from robo_ts.evaluate.trials import choose_trials
from robo_ts.paths import CONFIG_DIR
from robo_ts.pipeline.choices import check_choices
from robo_ts.pipeline.complaints import check_keys, config_error, flat_keys, to_object
from robo_ts.pipeline.groups import ExportConfig, GateConfig, RayConfig, RouteConfig, StudentConfig
from robo_ts.sim import EngineConfig
from robo_ts.sim.api import ENGINES
from robo_ts.teach.apg import APGConfig, APGTeacherConfig
from robo_ts.teach.config import PPOConfig
from robo_ts.teach.self_play.config import SelfPlayConfig

LAUNCHERS = ("local", "ray")


@dataclass
class PipelineConfig:
    """One run.

    Attributes:
        task: the task's own settings; the worlds policies are measured in.
        training: changes to the task while teaching and distilling (another reward, more of the
            hard drones); measuring always uses ``task`` itself.
        engine: what steps the worlds.
        rollout_engine: what steps the worlds in which the student is distilled; empty for
            ``engine``.
        method: how the teacher is made: ``ppo``; ``self_play``, which is PPO against its own past
            where others can play in a task; or ``apg`` where its physics can be differentiated.
        teacher: PPO's settings.
        self_play: who it plays against.
        apg: settings of the analytic policy gradient.
        population: train so many teachers at once with ``method=apg``, one per robot of the pool in
            ``training``; 0 trains one for all.
        launcher: what trains them: ``local``, this machine's processes; or ``ray``.
        ray: settings of the latter.
        student: the student's kind and architecture.
        distiller: ``rounds``, for any task and teacher; ``windows``, ten times faster where a
            task's physics are formulas and its teacher has no memory; or ``none``, for a student
            that ``finetune=apg`` makes alone: it needs no teacher.
        distill: settings of ``rounds``.
        windows: settings of ``windows``.
        evaluate: how policies are measured.
        export: how the export is checked.
        gate: when the teacher is good enough.
        finetune: how the distilled student goes on: ``none``; ``reward``, by PPO (and, as far as
            ``reinforce.kl`` says, from the teacher; it needs ``student.std``); or ``apg``.
        tuning: further changes to the task while that happens.
        reinforce: settings of fine-tuning by reward.
        tune: settings of fine-tuning by analytic policy gradient.
        teacher_bundle: distil from this bundle instead of training a teacher.
        student_bundle: go on with this student, whose network it keeps, instead of a fresh one;
            with ``distiller=none`` it is only fine-tuned, and needs no teacher.
        route: further teachers of the student, and who is in charge where; ``distiller=rounds``.
        seed: seed of everything.
        run_dir: the run's folder; empty for ``runs/<task>-<recipe>-<engine>-<seed>``.
        processes: that train together on this machine where they can: students, and teachers by
            analytic policy gradient. Each has ``num_envs`` worlds of its own.
        torch_threads: threads of torch; 0 takes every core.
        checkpoint_seconds: time between two checkpoints of a stage.
    """

    task: Any = None
    training: dict[str, Any] = field(default_factory=dict)
    engine: EngineConfig = field(default_factory=EngineConfig)
    rollout_engine: str = ""
    method: str = "ppo"
    teacher: PPOConfig = field(default_factory=PPOConfig)
    self_play: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    apg: APGTeacherConfig = field(default_factory=APGTeacherConfig)
    population: int = 0
    launcher: str = "local"
    ray: RayConfig = field(default_factory=RayConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    distiller: str = "rounds"
    distill: DistillConfig = field(default_factory=DistillConfig)
    windows: WindowDistillConfig = field(default_factory=WindowDistillConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    export: ExportConfig = field(default_factory=ExportConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    finetune: str = "none"
    tuning: dict[str, Any] = field(default_factory=dict)
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    tune: APGConfig = field(default_factory=lambda: APGConfig(window=125, first_window=125))
    teacher_bundle: str = ""
    student_bundle: str = ""
    route: RouteConfig = field(default_factory=RouteConfig)
    seed: int = 0
    run_dir: str = ""
    processes: int = 1
    torch_threads: int = 0
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        check_not_negative(self, "", ("checkpoint_seconds", "population"))
        check_at_least_one(self, "", ("processes",))
        if self.torch_threads < 0:
            raise RoboTSError("torch_threads >= 0", str(self.torch_threads), "0 takes every core")
        check_one_of("method", self.method, ("ppo", "self_play", "apg"))
        check_one_of("launcher", self.launcher, LAUNCHERS)
        self._check_population()
        check_one_of("distiller", self.distiller, ("rounds", "windows", "none"))
        check_one_of("finetune", self.finetune, ("none", "reward", "apg"))
        if self.distiller == "windows" and self.finetune == "reward":
            raise RoboTSError(
                "finetune=none or finetune=apg after distiller=windows",
                "finetune=reward",
                "set distiller=rounds",
            )
        if self.route.bundles and self.distiller != "rounds":
            raise RoboTSError(
                "distiller=rounds with several teachers", self.distiller, "leave route.bundles out"
            )
        if self.distiller == "none" and self.finetune != "apg":
            raise RoboTSError(
                "finetune=apg with distiller=none, where nothing else trains the student",
                f"finetune={self.finetune}",
                "set finetune=apg, or distiller=windows",
            )
        if self.rollout_engine:
            check_one_of("rollout_engine", self.rollout_engine, ENGINES)
        if self.finetune == "reward" and self.student.std == "none":
            raise RoboTSError(
                "a student with a standard deviation for finetune=reward",
                "student.std=none",
                "set student.std=constant or student.std=state",
            )

    def _check_population(self) -> None:
        if self.launcher == "ray" and not self.population:
            raise RoboTSError(
                "a population for launcher=ray", "one teacher", "set population, or launcher=local"
            )
        if not self.population:
            return
        if self.method != "apg":
            raise RoboTSError(
                f"method=apg for a population of {self.population}",
                f"method={self.method}",
                "set method=apg, or population=0",
            )
        if self.launcher == "local" and self.processes > self.population:
            raise RoboTSError(
                f"at most {self.population} processes, one for each member of the population",
                str(self.processes),
                "lower processes",
            )
        if self.gate.episodes < self.population:
            raise RoboTSError(
                f"gate.episodes >= {self.population}, the population",
                str(self.gate.episodes),
                "raise it, so that every member is measured",
            )


# Settings of how a run is carried out, not of what it is. Torch's threads may change the last bits
# of a sum; a run may still be resumed with others.
_NOT_RESULTS = ("run_dir", "torch_threads", "checkpoint_seconds", "launcher", "ray")
# Simulation threads never change a result (see the contract tests); the device does.
_ENGINE_RESULTS = ("engine.name", "engine.device")


def decides_results(name: str) -> bool:
    """Whether a setting, by its dotted name, is part of what a run is."""
    return name in _ENGINE_RESULTS or not (
        name in _NOT_RESULTS or name.startswith(("engine.", "ray."))
    )


@dataclass
class Run:
    """A composed run.

    Attributes:
        task: the task's name.
        recipe: the recipe's name.
        config: the settings, ``config.task`` being the task's own dataclass.
    """

    task: str
    recipe: str
    config: PipelineConfig

    @property
    def training_task(self) -> Any:
        """The task's settings while teaching and distilling."""
        return _changed(self.config.task, "training.", self.config.training)

    @property
    def tuning_task(self) -> Any:
        """The task's settings while fine-tuning."""
        return _changed(self.training_task, "tuning.", self.config.tuning)

    @property
    def obs_groups(self) -> dict[str, list[str]]:
        """Which groups each learner reads: the task's, but for what ``student.groups`` says."""
        groups, chosen = get_task(self.task).obs_groups, self.config.student.groups
        return groups | ({"student": list(chosen)} if chosen else {})

    @property
    def run_dir(self) -> Path:
        """The run's folder."""
        name = f"{self.task}-{self.recipe}-{self.config.engine.name}-seed{self.config.seed}"
        return Path(self.config.run_dir or Path("runs") / name)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {
            "task": self.task,
            "recipe": self.recipe,
            "config": dataclasses.asdict(self.config),
        }

    def digest(self) -> str:
        """Hash of the settings that determine the result."""
        config = {k: v for k, v in self.to_dict()["config"].items() if k not in _NOT_RESULTS}
        engine = self.config.engine
        config["engine"] = {"name": engine.name, "device": engine.resolved_device()}
        text = json.dumps([self.task, self.recipe, config], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _changed(task: Any, prefix: str, changes: dict[str, Any]) -> Any:
    """A task's settings with some of them changed."""
    node = OmegaConf.structured(task)
    try:
        node = OmegaConf.merge(node, changes)
    except OmegaConfBaseException as error:
        raise config_error(error, [], flat_keys(node, prefix), prefix) from error
    return to_object(node, prefix)


def compose_run(overrides: list[str]) -> Run:
    """Settings from the words of a command line, such as ``task=quadrotor recipe=smoke seed=1``.

    Raises:
        RoboTSError: for an unknown task, recipe, key or a value of the wrong type.
    """
    words, task, recipe = _split(overrides)
    _register(task)
    try:
        with initialize_config_dir(str(CONFIG_DIR.resolve()), version_base="1.3"):
            node = compose("pipeline", overrides=[*_groups(task, recipe), *words])
        check_keys(node, _schema(task))
        check_choices(words, CONFIG_DIR, node)
        config = to_object(node)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        # A plain ValueError is Hydra's word for a group that is null or a number.
        raise config_error(error, words, flat_keys(_schema(task))) from error
    run = Run(task, recipe, config)
    _check_pools(run)
    if config.evaluate.trials:
        choose_trials(get_task(task), config.evaluate.trials)
    return run


def _check_pools(run: Run) -> None:
    """Refuse a population without its pool, and worlds that a pool cannot be shared out to."""
    spec, config = get_task(run.task), run.config
    size, tuned = (pool_size(spec, task) for task in (run.training_task, run.tuning_task))
    if config.population and size != config.population:
        where = f"training.{spec.pool}.pool" if spec.pool else "a pool"
        raise RoboTSError(
            f"{where}={config.population}, as many robots as the population has members",
            str(size) if spec.pool else f"task {run.task!r}, which has none",
            f"set {where}={config.population}" if spec.pool else "set population=0",
        )
    if size and config.method == "apg" and not config.teacher_bundle:
        grouped(config.apg.num_envs, size, "apg.num_envs")
    if size and config.distiller == "windows":
        grouped(config.windows.num_envs, size, "windows.num_envs")
    if tuned and config.finetune == "apg":
        grouped(config.tune.num_envs, tuned, "tune.num_envs")


def _split(overrides: list[str]) -> tuple[list[str], str, str]:
    """The words without task and recipe, and these two."""
    words, task, recipe = [], "quadrotor", "default"
    for word in overrides:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise RoboTSError(
                "settings as key=value", repr(word), "write for example seed=1 or recipe=smoke"
            )
        if key == "task":
            task = value
        elif key == "recipe":
            recipe = value
        elif key.startswith(("training.", "tuning.")):
            words.append(f"++{word}")  # the recipe need not have named the key before
        else:
            words.append(word)
    get_task(task)
    recipes = [p.stem for root in _roots(task) for p in (root / "recipe" / task).glob("*.yaml")]
    if not recipes:
        raise RoboTSError(
            "a task with recipes",
            f"{task}, which has none",
            f"write recipe/{task}/default.yaml; the tasks of robo-ts bench need none",
        )
    if recipe not in recipes:
        raise RoboTSError(f"a recipe of task {task}", repr(recipe), did_you_mean(recipe, recipes))
    return words, task, recipe


def _roots(task: str) -> list[Path]:
    """Folders with Hydra groups: our own, and that of a task from another package."""
    other = get_task(task).config_dir
    return [CONFIG_DIR, *([other] if other else [])]


def _groups(task: str, recipe: str) -> list[str]:
    """Overrides that choose the task's and the recipe's group."""
    roots = _roots(task)
    search = ", ".join(f"'file://{root.resolve()}'" for root in roots[1:])
    written = any((root / "task" / f"{task}.yaml").is_file() for root in roots)
    return [
        *([f"hydra.searchpath=[{search}]"] if search else []),
        f"task={task if written else task + '_schema'}",
        f"recipe={task}/{recipe}",
    ]


def _register(task: str) -> None:
    store = ConfigStore.instance()
    store.store(name="pipeline_schema", node=PipelineConfig)
    store.store(group="task", name=f"{task}_schema", node=get_task(task).config)


def _schema(task: str) -> DictConfig:
    """All settings there are, with their defaults."""
    return OmegaConf.structured(PipelineConfig(task=get_task(task).config()))
