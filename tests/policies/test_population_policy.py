"""Many networks in one policy: every world is answered by the one in charge of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.env.pool import POOL
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig, PopulationPolicy
from robo_ts.policies.adapter import AdapterPolicy
from robo_ts.policies.feature_first import check_grouped, known, step
from robo_ts.policies.normalizer import Normalizer

K = 3
SPEC = ObservationSpec(
    [
        ObservationGroup("near", (Term("a", 3, "m", "world"), Term("b", 2)), True),
        ObservationGroup("far", (Term("c", 4),), False),
    ]
)
NETWORK = PolicyConfig(encoder=[8], decoder=[5], memory="none", base_term="near.b")


def members() -> list[Policy]:
    made = []
    for seed in range(K):
        torch.manual_seed(seed)
        made.append(Policy(NETWORK, SPEC, 2))
        made[-1].normalizer.update(seed + 2.0 * torch.randn(50, 9))
    return made


def observed(index: list[int]) -> dict[str, Tensor]:
    torch.manual_seed(9)
    count = len(index)
    who = torch.tensor(index, dtype=torch.float32)[:, None]
    return {"near": torch.randn(count, 5), "far": torch.randn(count, 4), POOL: who}


def one_by_one(made: list[Policy], obs: dict[str, Tensor]) -> Tensor:
    rows = []
    for i, who in enumerate(obs[POOL][:, 0].long().tolist()):
        rows.append(made[who]({name: value[i : i + 1] for name, value in obs.items()})[0])
    return torch.cat(rows)


@pytest.mark.parametrize("index", [[0, 0, 1, 1, 2, 2], [2, 0, 2, 2, 1], [1]])
def test_every_world_is_answered_by_the_network_in_charge(index: list[int]) -> None:
    made, obs = members(), observed(index)
    whole = PopulationPolicy.of(made)
    action, _ = whole(obs)
    assert torch.allclose(action, one_by_one(made, obs), atol=1e-6)
    wrong, _ = whole(obs | {POOL: (obs[POOL] + 1) % K})
    assert float((wrong - action).detach().abs().min(dim=-1).values.min()) > 1e-3


def test_a_chunk_is_answered_as_its_steps_are() -> None:
    whole = PopulationPolicy.of(members())
    steps = [observed([2, 0, 1]), observed([0, 0, 2])]
    chunk = {name: torch.stack([obs[name] for obs in steps]) for name in steps[0]}
    action, _ = whole.sequence(chunk, (), torch.zeros(2, 3, dtype=torch.bool))
    expected = torch.stack([whole(obs)[0] for obs in steps])
    assert torch.allclose(action, expected, atol=1e-6)


def test_a_step_feature_first_is_the_policys_own() -> None:
    whole, obs = PopulationPolicy.of(members()), observed([0, 0, 1, 1, 2, 2])
    turned = {name: value.t() for name, value in obs.items()}
    check_grouped(whole, turned)
    action, _ = step(whole, turned, ())
    assert torch.allclose(action.t(), whole(obs)[0], atol=1e-6)


@pytest.mark.parametrize("index", [[0, 1, 2, 0, 1, 2], [0, 0, 1, 2, 2, 2], [1, 1, 0, 0, 2, 2]])
def test_worlds_that_do_not_lie_grouped_are_refused_feature_first(index: list[int]) -> None:
    turned = {name: value.t() for name, value in observed(index).items()}
    with pytest.raises(RoboTSError, match="one after the other"):
        check_grouped(PopulationPolicy.of(members()), turned)


def test_a_member_alone_is_the_policy_it_was_made_of() -> None:
    made = members()
    whole = PopulationPolicy.of(made)
    for k, policy in enumerate(made):
        mine, theirs = whole.member(k).state_dict(), policy.state_dict()
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_one_bundle_holds_them_all(tmp_path: Path) -> None:
    whole = PopulationPolicy.of(members())
    whole.kept[1] = False
    bundle = PolicyBundle(whole, "quadrotor")
    bundle.save(tmp_path / "b")
    again = PolicyBundle.load(tmp_path / "b")
    assert again.digest() == bundle.digest()
    assert isinstance(again.policy, PopulationPolicy) and again.policy.members == K
    obs = observed([2, 0, 1, 1])
    assert torch.equal(again.policy(obs)[0], whole(obs)[0])
    assert again.policy.known(obs).tolist() == [True, True, False, False]


def test_a_bundle_of_another_number_of_members_does_not_fit(tmp_path: Path) -> None:
    bundle = PolicyBundle(PopulationPolicy.of(members()), "quadrotor")
    more = PopulationPolicy.of([*members(), *members()])
    with pytest.raises(BundleError, match="pool"):
        bundle.check_fits("quadrotor", more.spec, 2)
    with pytest.raises(BundleError, match="pool"):
        bundle.check_fits("quadrotor", SPEC, 2)
    bundle.save(tmp_path / "b")
    card = json.loads((tmp_path / "b" / "policy.json").read_text())
    card["architecture"]["members"] = 2
    (tmp_path / "b" / "policy.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="undamaged"):
        PolicyBundle.load(tmp_path / "b")


def test_dropped_members_are_known_feature_first_too() -> None:
    whole = PopulationPolicy.of(members())
    assert known(whole, 6) is None
    whole.kept[2] = False
    found = known(whole, 6)
    assert found is not None and found.tolist() == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("index", [[0, K], [-1, 0]])
def test_numbers_that_are_no_members_are_refused(index: list[int]) -> None:
    with pytest.raises(RoboTSError, match="from 0 to 2"):
        PopulationPolicy.of(members())(observed(index))


def test_what_a_population_is_not_written_for_is_refused() -> None:
    with pytest.raises(RoboTSError, match="without memory"):
        PopulationPolicy(PolicyConfig(memory="gru"), SPEC, 2, 2)
    with pytest.raises(RoboTSError, match="at least one"):
        PopulationPolicy(NETWORK, SPEC, 2, 0)
    other = Policy(PolicyConfig(encoder=[4], memory="none"), SPEC, 2)
    with pytest.raises(RoboTSError, match="one architecture"):
        PopulationPolicy.of([*members(), other])
    whole = PopulationPolicy.of(members())
    with pytest.raises(RoboTSError, match=r"member\(index\)"):
        whole.step_vector(torch.zeros(1, 9))
    with pytest.raises(RoboTSError, match="plain policy"):
        AdapterPolicy(PolicyConfig(memory="none"), SPEC.select(["near"]), whole)


def test_what_a_member_sees_reaches_its_own_statistics_only_and_only_when_finite() -> None:
    made = members()
    whole, alone = PopulationPolicy.of(made).normalizer, [policy.normalizer for policy in made]
    assert isinstance(whole, Normalizer)
    seen = torch.randn(5, 6, 9)
    seen[2, 3] = torch.nan  # the second member's
    before = whole.mean[1].clone()
    whole.update(seen)
    for k in (0, 2):
        one = alone[k]
        assert isinstance(one, Normalizer)
        one.update(seen[:, 2 * k : 2 * k + 2])
        for name in ("mean", "variance", "scale", "count"):
            assert torch.allclose(getattr(whole, name)[k], getattr(one, name), atol=1e-6)
    assert torch.equal(whole.mean[1], before) and float(whole.count[1]) == 50.0
