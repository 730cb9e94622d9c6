"""What may act on the page."""

from __future__ import annotations

import torch

from robo_ts.env import make_env
from robo_ts.envs.soccer import SoccerConfig
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.sim import EngineConfig
from robo_ts.view.players import policy_player


def test_a_policy_that_learnt_alone_is_shown_with_opponents_it_never_met() -> None:
    torch.manual_seed(0)
    engine = EngineConfig(threads=1)
    alone, match = (
        make_env("soccer", 4, SoccerConfig(opponents=away), engine, 0) for away in ([], ["still"])
    )
    sees = alone.spec.select(["privileged"])
    policy = Policy(PolicyConfig(encoder=[8], memory="none"), sees, 5)
    assert isinstance(policy.normalizer, Normalizer)
    policy.normalizer.update(policy.inputs(alone.reset(0)))
    obs = match.reset(0)
    actor = policy_player("teacher", policy, "soccer", "1").make(match)
    said = actor.act(obs)
    others = match.spec["privileged"].slices()["true_teammate_present"].start
    assert obs["privileged"][:, others:].any()
    obs["privileged"][:, others:] = 0.0  # as it was in its training
    assert torch.equal(actor.act(obs), said)
    for env in (alone, match):
        env.close()
