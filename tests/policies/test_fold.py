"""A normaliser that has become part of the first layer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.pipeline.config import compose_run
from robo_ts.pipeline.groups import StudentConfig
from robo_ts.policies import Policy, PolicyConfig, PopulationPolicy
from robo_ts.policies.adapter import AdapterPolicy
from robo_ts.policies.fold import fold_normalizer

SENSORS = ObservationSpec([ObservationGroup("sensors", (Term("reading", 3, "m"),), True)])


def trained(**config: object) -> Policy:
    torch.manual_seed(0)
    policy = Policy(PolicyConfig(**({"encoder": [8], "memory_size": 4} | config)), SENSORS, 2)  # type: ignore[arg-type]
    policy.normalizer.update(torch.randn(100, 3) * torch.tensor([0.01, 1.0, 30.0]) + 2.0)  # type: ignore[operator]
    return policy


def test_a_folded_policy_acts_as_before_and_has_no_normaliser() -> None:
    policy = trained()
    folded = fold_normalizer(policy)
    obs = {"sensors": torch.randn(6, 3) + 2.0}
    hidden = policy.initial_state(6)
    assert torch.allclose(folded(obs, hidden)[0], policy(obs, hidden)[0], atol=1e-4)
    assert not folded.config.normalize and policy.config.normalize
    assert not any("normalizer" in name for name in folded.state_dict())
    assert folded.num_parameters() == policy.num_parameters()


def test_a_policy_without_a_normaliser_stays_as_it_is() -> None:
    torch.manual_seed(0)
    plain = Policy(PolicyConfig(encoder=[8], normalize=False), SENSORS, 2)
    folded = fold_normalizer(plain)
    assert all(
        torch.equal(a, b) for a, b in zip(plain.parameters(), folded.parameters(), strict=True)
    )


def test_without_an_encoder_there_is_nothing_to_fold_into() -> None:
    with pytest.raises(RoboTSError, match=r"student\.encoder"):
        fold_normalizer(trained(encoder=[]))
    with pytest.raises(RoboTSError, match=r"student\.fold"):
        compose_run(["student.fold=true", "student.encoder=[]"])


def cloud_seer() -> Policy:
    cloud = ObservationGroup("cloud", (Term("points", 12, "m"),), True, points=4)
    spec = ObservationSpec([*SENSORS.values(), cloud])
    return Policy(PolicyConfig(encoder=[8], channels=[4], image_features=4), spec, 2)


def adapted() -> Policy:
    told = ObservationSpec([ObservationGroup("told", (Term("secret", 2),), False)])
    teacher = Policy(PolicyConfig(encoder=[8], memory="none"), told, 2)
    return AdapterPolicy(PolicyConfig(encoder=[8], memory_size=4), SENSORS, teacher)


def population() -> Policy:
    pool = ObservationGroup("pool", (Term("member", 1),), False)
    spec = ObservationSpec([*SENSORS.values(), pool])
    return PopulationPolicy(PolicyConfig(encoder=[8], memory="none"), spec, 2, 3)


@pytest.mark.parametrize(
    ("make", "named"),
    [(cloud_seer, "points cloud"), (adapted, "AdapterPolicy"), (population, "PopulationPolicy")],
)
def test_what_cannot_be_folded_is_refused_and_named(make: Callable[[], Policy], named: str) -> None:
    with pytest.raises(RoboTSError, match=rf"{named}(.|\n)*student\.fold=false"):
        fold_normalizer(make())


def test_a_student_that_could_not_be_folded_is_refused_before_it_is_trained() -> None:
    spec = cloud_seer().spec
    with pytest.raises(RoboTSError, match=r"student\.fold=false"):
        StudentConfig(encoder=[8], channels=[4], image_features=4, fold=True).build(spec, None, 2)
