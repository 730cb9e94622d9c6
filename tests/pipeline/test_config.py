"""Settings from the words of a command line."""

import pytest

from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import compose_run


def test_overrides_reach_their_dataclasses():
    run = compose_run(["recipe=smoke", "seed=3", "distill.loss=huber", "teacher.actor=[32,16]"])
    assert run.config.seed == 3
    assert run.config.distill.loss == "huber"
    assert run.config.teacher.actor == [32, 16]


def test_training_changes_only_what_is_trained_on():
    run = compose_run(["training.reward.position=7", "task.references.langevin=0.25"])
    assert run.training_task.reward.position == 7
    assert run.training_task.references.langevin == 0.25
    assert run.config.task.reward.position == 1.0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["teacher.iteratons=3"], "teacher.iterations"),
        (["foo=1"], "choose one of: apg, checkpoint_seconds, distill"),
        (["task=quadroto"], "did you mean quadrotor"),
        (["recipe=smok"], "did you mean smoke"),
        (["task=reacher"], "a task with recipes"),
        (["engine=gpu"], "cpu"),
        (["distill.loss=mee"], "did you mean mse"),
        (["teacher.gamma=abc"], "could not be converted to Float"),
        (["training.reward.skale=1"], "training.reward.scale"),
        (["task.drones.thrust_to_weight.low=9"], "low <= high"),
        (["distill.bptt_length=100000"], "steps_per_iteration"),
        (["seed"], "key=value"),
        (["torch_threads=-1"], "torch_threads >= 0"),
        (["engine.device=moon"], "engine.device"),
        (["teacher.learning_rate=0"], "teacher.learning_rate > 0"),
        (["teacher.activation=gelu"], "teacher.activation among"),
        (["gate.episodes=0"], "gate.episodes >= 1"),
        (["export.steps=0"], "export.steps >= 1"),
        (["engine.nan_guard.every=0"], "nan_guard.every"),
        (["student.action_clip=-1"], "action_clip >= 0"),
        (["+foo=1"], "'foo'"),
        (["++foo=1"], "choose one of: apg, checkpoint_seconds, distill"),
        (["+teacher.gama=1"], "teacher.gamma"),
        (["++distill.rollin.uni=step"], "distill.rollin.unit"),
        (["+training.reward.skale=1"], "training.reward.scale"),
        (["teacher=null"], "'teacher=null'"),
        (["seed=1", "engine=5"], "'engine=5'"),
        (["=1"], "key=value"),
        (["teacher.actor=[]"], "teacher.actor with at least one layer"),
        (["teacher.critic=[]"], "teacher.critic with at least one layer"),
        (["teacher.entropy=nan"], "a finite teacher.entropy"),
        (["task.drones.disturbance=nan"], "a finite task.drones.disturbance"),
        (["training.drones.disturbance=inf"], "a finite task.drones.disturbance"),
        (["task.reward.scale=inf"], "a finite task.reward.scale"),
        (["task.limit_velocity=0"], "task.limit_velocity > 0"),
        (["task.start.position=-1"], "task.start.position >= 0"),
        (["task.start.centred=2"], "task.start.centred in [0, 1]"),
        (["distill.action_noise=-1"], "distill.action_noise >= 0"),
        (["student.action_clip=nan"], "a finite action_clip"),
        (["export.tolerance=inf"], "a finite export.tolerance"),
        (["checkpoint_seconds=nan"], "a finite checkpoint_seconds"),
        (["engine.njmax=-1"], "engine.njmax >= 0"),
        (["engine=gpu"], "cpu, warp"),
        (["student=gpu"], "gru, lstm, mlp"),
        (["task.drones.mass_root.low=9"], "task.drones.mass_root with low <= high"),
        (["training.drones.mass_root.low=9"], "training.drones.mass_root with low <= high"),
    ],
)
def test_bad_settings_are_named_and_mended(words: list[str], said: str):
    with pytest.raises(RoboTSError) as error:
        compose_run(words)
    assert said in str(error.value)
    assert "expected" in str(error.value)
    assert "got" in str(error.value)
    assert "fix" in str(error.value)


def test_a_value_of_the_wrong_type_is_named_without_the_other_words():
    with pytest.raises(RoboTSError) as error:
        compose_run(["run_dir=elsewhere", "seed=abc", "teacher.gamma=0.9"])
    assert "seed" in error.value.expected
    assert "'seed=abc'" in error.value.fix
    assert "elsewhere" not in str(error.value)
    assert "gamma" not in str(error.value)


def test_a_path_with_spaces_is_no_unknown_setting():
    with pytest.raises(RoboTSError) as error:
        compose_run(["run_dir=a b=c", "seed=abc"])
    assert error.value.got == "'run_dir=a b=c'"
    assert "run_dir='a b=c'" in error.value.fix
    assert str(compose_run(["run_dir='a b=c'"]).run_dir) == "a b=c"
    with pytest.raises(RoboTSError, match="a value of seed"):
        compose_run(["run_dir=a b", "seed=abc"])


def test_digest_names_what_decides_the_result_and_nothing_else():
    base = compose_run(["recipe=smoke"]).digest()
    assert compose_run(["recipe=smoke", "run_dir=elsewhere", "torch_threads=1"]).digest() == base
    assert compose_run(["recipe=smoke", "engine.threads=1"]).digest() == base
    assert compose_run(["recipe=smoke", "seed=1"]).digest() != base
    assert compose_run(["recipe=smoke", "task.limit_velocity=3"]).digest() != base


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["route.bundles=[a]", "route.term=privileged.x"], "1 ascending route.edges"),
        (["route.bundles=[a,b]", "route.term=privileged.x", "route.edges=[1,0]"], "ascending"),
        (["route.bundles=[a]", "route.edges=[0.5]"], "route.term"),
        (
            [
                "route.bundles=[a]",
                "route.term=privileged.x",
                "route.edges=[0.5]",
                "distiller=windows",
            ],
            "distiller=rounds",
        ),
    ],
)
def test_a_route_between_teachers_is_whole(words: list[str], said: str) -> None:
    with pytest.raises(RoboTSError, match=said):
        compose_run(["recipe=smoke", *words])


def test_a_teacher_the_recipe_overrules_is_refused() -> None:
    with pytest.raises(RoboTSError, match="method=ppo, as teacher=ppo says") as refused:
        compose_run(["recipe=raptor", "teacher=ppo"])
    assert "write method=ppo" in str(refused.value)
    assert compose_run(["recipe=raptor", "method=ppo"]).config.method == "ppo"


def test_a_group_of_which_something_is_left_is_taken() -> None:
    config = compose_run(["recipe=raptor", "student=lstm"]).config
    assert config.student.memory == "lstm" and config.student.memory_size == 16
    assert compose_run(["recipe=default", "teacher=apg"]).config.method == "apg"


def test_the_analytic_engine_is_a_group() -> None:
    assert compose_run(["engine=analytic"]).config.engine.name == "analytic"
