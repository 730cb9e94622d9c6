"""Bundles and exports that the tests of this folder share; each export is made once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from robo_ts.env import TaskEnv, make_env
from robo_ts.env.observations import ObservationSpec
from robo_ts.envs.quadrotor.groups import PRIVILEGED, PROPRIOCEPTION
from robo_ts.export import export_bundle, record_golden
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.sim import EngineConfig

CONFIGS = {
    "mlp": PolicyConfig(encoder=[16, 16], memory="none", activation="elu"),
    "gru": PolicyConfig(encoder=[16], memory="gru", memory_size=12),
    "lstm": PolicyConfig(encoder=[16], memory="lstm", memory_size=8, memory_layers=2, decoder=[8]),
    "base": PolicyConfig(
        encoder=[], memory="gru", memory_size=8, base_term="privileged.hover_action"
    ),
    "learnt": PolicyConfig(
        encoder=[16], memory="lstm", memory_size=8, memory_layers=2, learn_initial_state=True
    ),
    "state std": PolicyConfig(encoder=[16], memory="gru", memory_size=8, std="state"),
    "constant std": PolicyConfig(encoder=[16], memory="none", std="constant"),
}


@pytest.fixture(autouse=True, scope="module")
def one_torch_thread() -> Iterator[None]:
    """Networks this small only lose by a second thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def env() -> Iterator[TaskEnv]:
    made = make_env("quadrotor", 6, engine=EngineConfig(threads=1))
    yield made
    made.close()


@pytest.fixture(scope="session")
def make_bundle(env: TaskEnv) -> Callable[[str], PolicyBundle]:
    """An untrained policy by kind, with a normaliser that has seen something."""

    def build(kind: str) -> PolicyBundle:
        torch.manual_seed(3)
        groups = [PROPRIOCEPTION, PRIVILEGED] if kind == "base" else [PROPRIOCEPTION]
        spec = ObservationSpec(groups)
        policy = Policy(CONFIGS[kind], spec, 4).eval()
        assert isinstance(policy.normalizer, Normalizer)
        if policy.memory is not None and policy.memory.start is not None:
            torch.nn.init.normal_(policy.memory.start)
        spread = torch.linspace(0.2, 3.0, spec.size())
        policy.normalizer.update(torch.randn(256, spec.size()) * spread + spread.flip(0))
        lineage = {"kind": "untrained", "seed": 3, "measured": {"success": 0.1 + 0.2}}
        return PolicyBundle(policy, "quadrotor", {"substeps": 2}, env.action_contract(), lineage)

    return build


@pytest.fixture(scope="session")
def bundles(make_bundle: Callable[[str], PolicyBundle]) -> dict[str, PolicyBundle]:
    return {kind: make_bundle(kind) for kind in CONFIGS}


@pytest.fixture(scope="session")
def exported(
    bundles: dict[str, PolicyBundle], env: TaskEnv, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The folder of a kind's export, golden trace included; do not change it."""
    folders: dict[str, Path] = {}

    def get(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp(f"export_{kind}")
            export_bundle(bundles[kind], folders[kind])
            record_golden(bundles[kind], env, steps=64, folder=folders[kind])
        return folders[kind]

    return get
