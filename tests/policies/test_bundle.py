"""What users exchange: exact, safe to load, refused when damaged, never half written."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from robo_ts import files
from robo_ts.env import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import BundleError, RoboTSError
from robo_ts.policies import Policy, PolicyBundle, PolicyConfig
from robo_ts.policies import bundle as bundle_module


def spec_with(unit: str = "m", size: int = 3, name: str = "sensors") -> ObservationSpec:
    return ObservationSpec(
        [
            ObservationGroup(name, (Term("position", size, unit, "world"),), True),
            ObservationGroup("hint", (Term("action", 2),), False),
        ]
    )


def make(memory: str = "gru", seed: int = 0) -> PolicyBundle:
    torch.manual_seed(seed)
    config = PolicyConfig(
        encoder=[7], memory=memory, memory_size=6, memory_layers=2, base_term="hint.action"
    )
    policy = Policy(config, spec_with(), 2)
    policy.normalizer.update(3 * torch.randn(50, 5) + 1)  # type: ignore[operator]
    return PolicyBundle(
        policy,
        task="toy",
        task_config={"limit": 2.0, "ranges": {"mass": [0.1, 1.0]}},
        action={"names": ["a", "b"], "rate_hz": 50.0},
        lineage={"seed": seed, "parents": ["abc"]},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make().save(tmp_path / "student")


def card_of(folder: Path) -> dict:
    return json.loads((folder / "policy.json").read_text())


def edit(folder: Path, **changes: object) -> None:
    (folder / "policy.json").write_text(json.dumps(card_of(folder) | changes))


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_a_round_trip_is_bit_exact(memory: str, tmp_path: Path) -> None:
    one = make(memory)
    two = PolicyBundle.load(one.save(tmp_path / "student"))
    assert two.policy.config == one.policy.config
    assert two.policy.spec.to_json() == one.policy.spec.to_json()
    assert (two.task, two.task_config, two.action, two.lineage) == (
        one.task,
        one.task_config,
        one.action,
        one.lineage,
    )
    mine, theirs = one.policy.state_dict(), two.policy.state_dict()
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert value.dtype == theirs[name].dtype and torch.equal(value, theirs[name])
    assert one.digest() == two.digest()
    hidden = one.policy.initial_state(4)
    for _ in range(5):
        obs = {"sensors": torch.randn(4, 3), "hint": torch.randn(4, 2)}
        action, following = one.policy.act(obs, hidden)
        other, other_following = two.policy.act(obs, hidden)
        assert torch.equal(action, other)
        assert all(torch.equal(a, b) for a, b in zip(following, other_following, strict=True))
        hidden = following


def test_a_saved_bundle_is_json_and_safetensors_only(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["policy.json", "policy.safetensors"]
    assert [p.name for p in folder.parent.iterdir()] == ["student"]


def test_loading_runs_no_pickle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("unpickling")

    monkeypatch.setattr(torch, "load", forbidden)
    monkeypatch.setattr(pickle, "Unpickler", forbidden)
    monkeypatch.setattr(pickle, "loads", forbidden)
    PolicyBundle.load(folder)


def test_a_digest_names_weights_contract_and_architecture() -> None:
    digests = {make().digest(), make(seed=1).digest(), make("lstm").digest()}
    changed = make()
    changed.policy.spec = spec_with(unit="cm")
    digests.add(changed.digest())
    assert len(digests) == 4


def flip_a_byte(folder: Path) -> None:
    path = folder / "policy.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)


def truncate(folder: Path) -> None:
    path = folder / "policy.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def truncate_with_matching_hash(folder: Path) -> None:
    truncate(folder)
    edit(folder, weights_sha256=files.sha256(folder / "policy.safetensors"))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte": (flip_a_byte, "hash"),
    "truncated weights": (truncate, "hash"),
    "truncated weights whose hash was mended": (truncate_with_matching_hash, "undamaged"),
    "no weights": (lambda f: (f / "policy.safetensors").unlink(), "lacks them"),
    "no card": (lambda f: (f / "policy.json").unlink(), "lacks them"),
    "a truncated card": (
        lambda f: (f / "policy.json").write_text((f / "policy.json").read_text()[:200]),
        "undamaged",
    ),
    "a card that is not text": (
        lambda f: (f / "policy.json").write_bytes(b"\xff\xfe\x00"),
        "undamaged",
    ),
    "a card that is a list": (lambda f: (f / "policy.json").write_text("[1, 2]"), "undamaged"),
    "a card without a contract": (
        lambda f: (f / "policy.json").write_text('{"schema": 1}'),
        "undamaged",
    ),
    "a newer schema": (lambda f: edit(f, schema=2), "update robo_ts"),
    "an unknown architecture": (
        lambda f: edit(f, architecture=card_of(f)["architecture"] | {"memory": "brain"}),
        "undamaged",
    ),
    "an unknown setting": (
        lambda f: edit(f, architecture=card_of(f)["architecture"] | {"hats": 3}),
        "undamaged",
    ),
    "another width": (
        lambda f: edit(f, architecture=card_of(f)["architecture"] | {"encoder": [8]}),
        "undamaged",
    ),
    "another number of actions": (lambda f: edit(f, num_actions=3), "undamaged"),
    "a number of actions that is none": (lambda f: edit(f, num_actions="two"), "undamaged"),
    "observation groups that are none": (lambda f: edit(f, observation=["x"]), "undamaged"),
}


@pytest.mark.parametrize("damage", list(DAMAGES))
def test_a_damaged_bundle_is_refused_with_a_clear_error(damage: str, folder: Path) -> None:
    change, hint = DAMAGES[damage]
    change(folder)
    with pytest.raises(BundleError) as failure:
        PolicyBundle.load(folder)
    assert hint in str(failure.value)
    assert "student" in str(failure.value) or "schema" in str(failure.value)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nowhere(.|\n)*does not exist"):
        PolicyBundle.load(tmp_path / "nowhere")


def test_a_bundle_fits_the_task_it_was_made_for(folder: Path) -> None:
    bundle = PolicyBundle.load(folder)
    more = [*spec_with().values(), ObservationGroup("camera", (Term("rgb", 12),), True)]
    bundle.check_fits("toy", ObservationSpec(more), 2)


@pytest.mark.parametrize(
    ("task", "spec", "actions", "hint"),
    [
        ("other", spec_with(), 2, "'other'"),
        ("toy", spec_with(unit="cm"), 2, "sensors"),
        ("toy", spec_with(size=4), 2, "sensors"),
        ("toy", spec_with(name="sensor"), 2, "sensor"),
        ("toy", spec_with(), 3, "3 actions"),
    ],
)
def test_a_bundle_that_does_not_fit_says_what_differs(
    task: str, spec: ObservationSpec, actions: int, hint: str, folder: Path
) -> None:
    with pytest.raises(BundleError) as failure:
        PolicyBundle.load(folder).check_fits(task, spec, actions)
    assert hint in str(failure.value)


def test_saving_again_replaces_the_bundle_and_leaves_nothing_else(folder: Path) -> None:
    new = make(seed=1)
    new.save(folder)
    assert PolicyBundle.load(folder).digest() == new.digest()
    assert [p.name for p in folder.parent.iterdir()] == ["student"]


@pytest.mark.parametrize("broken", ["save_file", "write_json"])
def test_a_save_that_fails_keeps_the_old_bundle(
    broken: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = PolicyBundle.load(folder).digest()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_module, broken, full)
    with pytest.raises(RoboTSError, match="No space left"):
        make(seed=1).save(folder)
    assert PolicyBundle.load(folder).digest() == old
    assert [p.name for p in folder.parent.iterdir()] == ["student"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_save_that_fails_between_two_renames_keeps_the_old_bundle(
    error: type[BaseException], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = PolicyBundle.load(folder).digest()
    rename = Path.replace

    def second_fails(self: Path, target: Path) -> Path:
        if self.name.endswith(".tmp") and self.is_dir():
            raise error("interrupted")
        return rename(self, target)

    monkeypatch.setattr(files, "_exchange", lambda *_: False)  # as on a Mac
    monkeypatch.setattr(Path, "replace", second_fails)
    with pytest.raises((RoboTSError, KeyboardInterrupt)):
        make(seed=1).save(folder)
    monkeypatch.undo()
    assert PolicyBundle.load(folder).digest() == old
    assert [p.name for p in folder.parent.iterdir()] == ["student"]


def test_two_renames_do_where_one_exchange_cannot(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda *_: False)
    new = make(seed=1)
    new.save(folder)
    assert PolicyBundle.load(folder).digest() == new.digest()
    assert [p.name for p in folder.parent.iterdir()] == ["student"]


def test_at_no_moment_of_a_save_is_there_no_bundle(folder: Path, tmp_path: Path) -> None:
    probe = [tmp_path / "probe", tmp_path / "other"]
    for path in probe:
        path.mkdir()
    if not files._exchange(*probe):
        pytest.skip("this system or file system cannot exchange two folders in one step")
    missing, over = [], threading.Event()

    def watch() -> None:
        while not over.is_set():
            if not (folder / "policy.safetensors").exists():
                missing.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    bundles = [make(seed=seed) for seed in (1, 2)]
    for _ in range(20):
        for bundle in bundles:
            bundle.save(folder)
    over.set()
    watcher.join()
    assert not missing
