"""A policy that works feature-first is the same policy."""

from __future__ import annotations

import pytest
import torch

from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.feature_first import check_feature_first, step, transposed

SPEC = ObservationSpec(
    [
        ObservationGroup("near", (Term("a", 3, "m", "world"), Term("b", 2, "1", "none")), True),
        ObservationGroup("far", (Term("c", 4, "1", "none"),), True),
    ]
)


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_step_feature_first_is_the_policys_own(memory: str, layers: int) -> None:
    torch.manual_seed(0)
    network = PolicyConfig(
        encoder=[8],
        memory=memory,
        memory_size=6,
        memory_layers=layers,
        decoder=[5],
        base_term="near.b",
    )
    policy = Policy(network, SPEC, 2)
    policy.normalizer.update(3.0 + 2.0 * torch.randn(50, 9))  # type: ignore[operator]
    hidden = rows = policy.initial_state(7)
    for _ in range(4):
        obs = {"near": torch.randn(7, 5), "far": torch.randn(7, 4)}
        expected, hidden = policy(obs, hidden)
        turned = {name: value.t() for name, value in obs.items()}
        action, after = step(policy, turned, transposed(rows))
        rows = transposed(after)
        assert torch.allclose(action.t(), expected, atol=1e-6)
        for mine, theirs in zip(rows, hidden, strict=True):
            assert torch.allclose(mine, theirs, atol=1e-6)


def test_policies_with_images_are_refused() -> None:
    eye = ObservationGroup("eye", (Term("colour", 768),), True, image=(3, 16, 16))
    policy = Policy(PolicyConfig(memory="none"), ObservationSpec([eye]), 2)
    with pytest.raises(RoboTSError, match="eye"):
        check_feature_first(policy)
