from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch

import robo_ts
from robo_ts.errors import RoboTSError
from robo_ts.export.contract import build_contract
from robo_ts.policies import PolicyBundle


def test_columns_point_at_the_terms_in_the_policys_own_order(bundles: dict[str, PolicyBundle]):
    policy = bundles["base"].policy
    terms = build_contract(bundles["base"])["observation"]["terms"]
    assert [t["column"] for t in terms] == [
        sum(s["size"] for s in terms[:i]) for i in range(len(terms))
    ]
    hover = next(t for t in terms if t["term"] == "hover_action")
    assert policy.base == slice(hover["column"], hover["column"] + hover["size"])
    assert hover["group"] == "privileged"
    assert not hover["deployable"]
    assert sum(t["size"] for t in terms) == policy.spec.size()


def test_every_term_names_its_unit_and_frame(bundles: dict[str, PolicyBundle]):
    terms = build_contract(bundles["gru"])["observation"]["terms"]
    spec = bundles["gru"].policy.spec["proprioception"].terms
    assert [(t["term"], t["size"], t["unit"], t["frame"]) for t in terms] == [
        (t.name, t.size, t.unit, t.frame) for t in spec
    ]


def test_the_action_is_described_as_the_task_describes_it(bundles: dict[str, PolicyBundle]):
    action = build_contract(bundles["gru"])["action"]
    assert bundles["gru"].action.items() <= action.items()
    assert action["rate_hz"] == pytest.approx(100.0)
    assert action["clip"] == [-1.0, 1.0]
    assert action["output"] == "action"


def test_hidden_states_are_named_and_shaped(bundles: dict[str, PolicyBundle]):
    gru, lstm = (build_contract(bundles[kind])["hidden"] for kind in ("gru", "lstm"))
    assert (gru["inputs"], gru["outputs"], gru["shape"]) == (["h_in"], ["h_out"], [1, "batch", 12])
    assert lstm["inputs"] == ["h_in", "c_in"]
    assert lstm["outputs"] == ["h_out", "c_out"]
    assert lstm["shape"] == [2, "batch", 8]
    assert "zeros" in lstm["reset"]


def test_a_learnt_initial_state_is_told_to_the_last_bit(bundles: dict[str, PolicyBundle]):
    contract = build_contract(bundles["learnt"])
    hidden = json.loads(json.dumps(contract["hidden"]))
    assert contract["schema"] == 3 and hidden["reset"] == "hidden.initial at every episode start"
    first = bundles["learnt"].policy.initial_state(1)
    for name, part in zip(("h_in", "c_in"), first, strict=True):
        told = torch.tensor(hidden["initial"][name])
        assert torch.equal(told, part[:, 0]) and told.any()
    assert "initial" not in build_contract(bundles["lstm"])["hidden"]


def test_a_policy_without_memory_promises_none(bundles: dict[str, PolicyBundle]):
    contract = build_contract(bundles["mlp"])
    assert contract["hidden"] is None
    assert [t["name"] for t in contract["inputs"]] == ["obs"]
    assert [t["name"] for t in contract["outputs"]] == ["action"]


def test_origin_and_version_are_told(bundles: dict[str, PolicyBundle]):
    contract = build_contract(bundles["gru"])
    assert contract["schema"] == 1
    assert contract["robo_ts"] == robo_ts.__version__
    assert contract["task"] == "quadrotor"
    assert contract["policy_digest"] == bundles["gru"].digest()
    assert contract["lineage"] == bundles["gru"].lineage


def test_numbers_survive_json_to_the_last_bit(bundles: dict[str, PolicyBundle]):
    contract = json.loads(json.dumps(build_contract(bundles["gru"])))
    assert contract["lineage"]["measured"]["success"] == 0.1 + 0.2


def test_a_nan_in_the_lineage_becomes_null(make_bundle: Callable[[str], PolicyBundle]):
    bundle = make_bundle("mlp")
    bundle.lineage = {"success": float("nan")}
    assert build_contract(bundle)["lineage"] == {"success": None}


def test_a_bundle_without_action_contract_gets_plain_names(
    make_bundle: Callable[[str], PolicyBundle],
):
    bundle = make_bundle("mlp")
    bundle.action = {}
    action = build_contract(bundle)["action"]
    assert action["names"] == ["action_0", "action_1", "action_2", "action_3"]
    assert action["low"] == [-1.0] * 4


def test_an_action_contract_of_another_length_is_refused(
    make_bundle: Callable[[str], PolicyBundle],
):
    bundle = make_bundle("mlp")
    bundle.action = {**bundle.action, "names": ["left", "right"]}
    with pytest.raises(RoboTSError, match="4 names"):
        build_contract(bundle)


def test_lineage_that_is_no_plain_data_is_refused(make_bundle: Callable[[str], PolicyBundle]):
    bundle = make_bundle("mlp")
    bundle.lineage = {"config": object()}
    with pytest.raises(RoboTSError, match="plain data"):
        build_contract(bundle)
