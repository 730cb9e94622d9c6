"""Policies over point clouds: order does not matter, metres stay metres, the file agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.export import export_bundle, load
from robo_ts.export.c_header import fits_c
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.feature_first import check_feature_first
from robo_ts.policies.normalizer import Normalizer

POINTS = ObservationGroup("points", (Term("points", 30, "m", "world"),), True, points=10)
STATE = ObservationGroup("state", (Term("angle", 4, "rad"),), True)
MORE = ObservationGroup("more", (Term("speed", 2, "rad/s"),), True)


def policy_of(*groups: ObservationGroup, memory: str = "gru") -> Policy:
    torch.manual_seed(0)
    config = PolicyConfig(
        encoder=[8], memory=memory, memory_size=8, channels=[16, 32], image_features=12
    )
    policy = Policy(config, ObservationSpec(groups), 3)
    assert isinstance(policy.normalizer, Normalizer)
    policy.normalizer.update(5.0 * torch.randn(64, policy.spec.size()) + 3.0)
    return policy.eval()


def observed(num: int = 5, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"points": 30, "state": 4, "more": 2}
    return {n: torch.randn(num, size, generator=generator) for n, size in sizes.items()}


def test_the_order_of_the_points_does_not_matter_and_that_of_other_numbers_does():
    policy, obs = policy_of(STATE, POINTS, MORE), observed()
    action, _ = policy.act(obs, policy.initial_state(5))
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    mixed = obs["points"].unflatten(1, (10, 3))[:, order].flatten(1)
    same, _ = policy.act(obs | {"points": mixed}, policy.initial_state(5))
    assert torch.allclose(action, same, atol=1e-6)
    turned, _ = policy.act(obs | {"points": obs["points"].flip(1)}, policy.initial_state(5))
    assert (action - turned).abs().max() > 1e-3
    for name in ("state", "more"):
        other, _ = policy.act(obs | {name: obs[name].flip(1)}, policy.initial_state(5))
        assert (action - other).abs().max() > 1e-3


def test_points_alone_are_enough_and_statistics_of_points_are_left_out():
    policy, obs = policy_of(POINTS, memory="none"), observed()
    action, _ = policy.act(obs)
    assert isinstance(policy.normalizer, Normalizer)
    policy.normalizer.update(100.0 * torch.randn(64, 30))
    assert torch.equal(policy.act(obs)[0], action)


def test_the_exported_file_acts_like_the_policy(tmp_path: Path):
    policy = policy_of(STATE, POINTS, MORE)
    export_bundle(PolicyBundle(policy, "quadrotor"), tmp_path)
    runtime = load(tmp_path / "policy.onnx")
    runtime.reset(5)
    hidden = policy.initial_state(5)
    for step in range(3):
        obs = observed(seed=step)
        action, hidden = policy.act(obs, hidden)
        found = runtime.act({name: value.numpy() for name, value in obs.items()})
        np.testing.assert_allclose(found, action.numpy(), atol=1e-5)


def test_a_bundle_keeps_what_is_a_cloud(tmp_path: Path):
    policy, obs = policy_of(STATE, POINTS), observed()
    PolicyBundle(policy, "quadrotor").save(tmp_path / "bundle")
    again = PolicyBundle.load(tmp_path / "bundle").policy
    assert again.spec["points"].points == 10
    found, _ = again.act(obs, again.initial_state(5))
    assert torch.equal(found, policy.act(obs, policy.initial_state(5))[0])


def test_contracts_without_clouds_keep_their_hash():
    assert "points" not in ObservationSpec([STATE]).to_json()[0]
    assert ObservationSpec([POINTS]).to_json()[0]["points"] == 10


def test_what_cannot_read_points_says_so():
    policy = policy_of(STATE, POINTS)
    assert not fits_c(policy) and fits_c(policy_of(STATE))
    with pytest.raises(RoboTSError, match="points"):
        check_feature_first(policy)
    with pytest.raises(RoboTSError, match="30 numbers"):
        ObservationGroup("points", (Term("points", 31),), True, points=10)
