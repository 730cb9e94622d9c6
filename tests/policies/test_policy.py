"""The policy: what it reads, what it remembers, what it gives."""

from __future__ import annotations

import pytest
import torch
from tensordict import TensorDict

from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig

SPEC = ObservationSpec(
    [
        ObservationGroup("body", (Term("angle", 2, "rad"), Term("rate", 3, "rad/s")), True),
        ObservationGroup("hint", (Term("action", 2), Term("gain", 1), Term("odd", 4)), False),
    ]
)
N, ACTIONS = 5, 2


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def observation() -> dict[str, torch.Tensor]:
    return {"body": torch.randn(N, 5), "hint": torch.randn(N, 7)}


def make(**config: object) -> Policy:
    return Policy(PolicyConfig(**({"memory_size": 6} | config)), SPEC, ACTIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
@pytest.mark.parametrize("encoder", [[], [8], [8, 4]])
@pytest.mark.parametrize("decoder", [[], [8]])
def test_every_architecture_acts(memory: str, encoder: list[int], decoder: list[int]) -> None:
    policy = make(memory=memory, encoder=encoder, decoder=decoder)
    assert policy.is_recurrent == (memory != "none")
    hidden = policy.initial_state(N)
    assert len(hidden) == {"none": 0, "gru": 1, "lstm": 2}[memory]
    action, following = policy(observation(), hidden)
    assert action.shape == (N, ACTIONS)
    assert [part.shape for part in following] == [part.shape for part in hidden]


def test_a_policy_reads_a_tensordict_and_ignores_other_groups() -> None:
    policy, obs = make(memory="none"), observation()
    more = TensorDict({**obs, "camera": torch.zeros(N, 8, 8, 3)}, batch_size=[N])  # type: ignore[arg-type]
    assert torch.equal(policy(obs)[0], policy(more)[0])  # type: ignore[arg-type]


def test_groups_are_read_in_the_contracts_order_not_in_the_dicts() -> None:
    policy, obs = make(memory="none"), observation()
    swapped = {"hint": obs["hint"], "body": obs["body"]}
    assert torch.equal(policy.inputs(obs), torch.cat([obs["body"], obs["hint"]], dim=1))
    assert torch.equal(policy(obs)[0], policy(swapped)[0])


def test_a_missing_group_is_named() -> None:
    with pytest.raises(RoboTSError, match="'hint'"):
        make()({"body": torch.zeros(N, 5)}, make().initial_state(N))


def test_a_group_of_another_size_is_named_with_both_sizes() -> None:
    obs = observation() | {"body": torch.zeros(N, 6)}
    with pytest.raises(RoboTSError, match=r"'body' with 5 numbers(.|\n)*\(5, 6\)"):
        make(memory="none")(obs)


def test_act_clips_and_forward_does_not() -> None:
    policy = make(memory="none")
    torch.nn.init.constant_(policy.head.bias, 3.0)
    obs = observation()
    assert (policy(obs)[0] > 1).any()
    assert policy.act(obs)[0].abs().max() <= 1
    assert not policy.act(obs)[0].requires_grad


@pytest.mark.parametrize("memory", ["gru", "lstm"])
def test_a_memory_that_is_missing_or_of_other_worlds_is_refused(memory: str) -> None:
    policy = make(memory=memory)
    for wrong in ((), policy.initial_state(N + 1)):
        with pytest.raises(RoboTSError, match=r"memory of 5 worlds(.|\n)*initial_state"):
            policy.act(observation(), wrong)


def test_an_action_clip_of_zero_clips_nothing() -> None:
    policy = make(memory="none", action_clip=0.0)
    torch.nn.init.constant_(policy.head.bias, 3.0)
    assert (policy.act(observation())[0] > 1).any()


def test_memory_makes_the_past_matter_and_a_reset_forgets_it() -> None:
    policy, obs = make(memory="gru"), observation()
    start = policy.initial_state(N)
    assert not start[0].any()
    fresh, once = policy(obs, start)
    again, _ = policy(obs, once)
    assert not torch.allclose(fresh, again)
    done = torch.tensor([True, False, True, False, False])
    cleared, _ = policy(obs, policy.reset_state(once, done))
    assert torch.equal(cleared[done], fresh[done])
    assert torch.equal(cleared[~done], again[~done])


def test_a_reset_forgets_even_what_is_not_a_number() -> None:
    policy = make(memory="lstm")
    broken = tuple(torch.full_like(part, float("nan")) for part in policy.initial_state(N))
    done = torch.tensor([True, False, False, False, False])
    for part in policy.reset_state(broken, done):
        assert not part[:, 0].any() and part[:, 1:].isnan().all()


@pytest.mark.parametrize(("term", "columns"), [("hint.action", [5, 6]), ("hint.gain", [7, 7])])
def test_the_base_term_is_added_raw_to_the_action(term: str, columns: list[int]) -> None:
    policy = make(memory="gru", base_term=term)
    torch.nn.init.zeros_(policy.head.weight)
    torch.nn.init.zeros_(policy.head.bias)
    policy.normalizer.update(5 * torch.randn(20, 12) + 3)  # type: ignore[operator]
    obs = observation()
    wanted = policy.inputs(obs)[:, columns]
    assert torch.equal(policy(obs, policy.initial_state(N))[0], wanted)
    sequence = {name: value.expand(3, *value.shape) for name, value in obs.items()}
    starts = torch.zeros(3, N, dtype=torch.bool)
    action, _ = policy.sequence(sequence, policy.initial_state(N), starts)
    assert torch.equal(action, wanted.expand(3, N, 2))


@pytest.mark.parametrize(
    ("term", "hint"), [("hint.acton", "hint.action"), ("hint.odd", "is an action")]
)
def test_a_base_term_that_is_no_action_is_refused(term: str, hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        make(base_term=term)
    assert hint in failure.value.fix


def test_raptors_student_has_raptors_number_of_weights() -> None:
    spec = ObservationSpec([ObservationGroup("proprioception", (Term("all", 22),), True)])
    config = PolicyConfig(encoder=[16], activation="relu", memory="gru", memory_size=16)
    assert Policy(config, spec, 4).num_parameters() == 2068


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"memory": "gro"}, "gru"),
        ({"activation": "rely"}, "relu"),
        ({"encoder": [0]}, "mend"),
        ({"memory_layers": 0}, "mend"),
    ],
)
def test_impossible_architectures_are_refused(wrong: dict[str, object], hint: str) -> None:
    with pytest.raises(RoboTSError) as failure:
        PolicyConfig(**wrong)  # type: ignore[arg-type]
    assert hint in failure.value.fix


def test_without_a_memory_its_size_does_not_matter() -> None:
    assert not Policy(PolicyConfig(memory="none", memory_size=0), SPEC, 2).is_recurrent
