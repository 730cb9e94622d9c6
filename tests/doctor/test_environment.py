"""Faults planted in an environment are found; a sound one is left in peace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from robo_ts.env import ObservationSpec, get_task
from robo_ts.envs.benchmarks.reacher import Reacher
from tests.doctor.worlds import Seeing, found, names, planted

_EVERY_GROUP = {"student": ["proprioception", "privileged"]}


def _observing(base: type[Reacher], change: Any) -> type[Reacher]:
    """Worlds whose observations are changed before anyone sees them."""

    class Faulty(base):  # type: ignore[misc, valid-type]
        def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
            obs = super()._observe(env_ids)
            change(obs)
            return obs

    return Faulty


@pytest.mark.parametrize("task", ["reacher", "hidden_cue", "ray_navigation", "soccer"])
def test_sound_tasks_have_no_findings(task: str):
    assert found(get_task(task)) == []


def test_a_sound_camera_has_no_findings():
    assert found(planted(Seeing)) == []


def test_depth_images_are_examined_as_the_camera_stores_them():
    class Deep(Seeing):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            deep = replace(self.spec["camera"], dtype="uint16")
            self.spec = ObservationSpec([*list(self.spec.values())[:-1], deep])

        def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
            obs = super()._observe(env_ids)
            return obs | {"camera": obs["camera"].to(torch.uint16)}

    assert found(planted(Deep)) == []


def test_cameras_that_have_to_be_switched_on_are_examined_too():
    from robo_ts.doctor import examine

    made = examine.task(planted(Seeing, cameras={"episode_steps": 60}))
    assert [one.subject for one in made] == ["task reacher", "task reacher with its cameras"]


def test_a_student_that_is_shown_privileged_state_is_a_leak():
    assert names(found(planted(Reacher, obs_groups=_EVERY_GROUP))) == {"leak"}


def test_a_dead_sensor_is_named():
    faulty = _observing(Reacher, lambda obs: obs["proprioception"][:, 2:4].zero_())
    findings = found(planted(faulty))
    assert [f.where for f in findings] == ["proprioception.joint_sine"]
    assert names(findings) == {"dead term"}


def test_a_dead_privileged_term_is_a_note():
    from robo_ts.doctor import examine

    faulty = _observing(Reacher, lambda obs: obs["privileged"].zero_())
    notes = examine.environment(planted(faulty)).findings
    assert [(f.check, f.severity) for f in notes] == [("dead term", "note")]


def test_a_term_that_may_rest_is_left_in_peace():
    faulty = _observing(Reacher, lambda obs: obs["proprioception"].zero_())
    resting = replace(planted(faulty), resting_terms=("proprioception.joint_*",))
    dead = {f.where for f in found(resting) if f.check == "dead term"}
    assert dead == {"proprioception.fingertip_to_target"}


def test_nan_is_named_by_its_term():
    faulty = _observing(Reacher, lambda obs: obs["privileged"][0].fill_(float("nan")))
    findings = found(planted(faulty))
    assert ("finite", "privileged.joint_velocity") in {(f.check, f.where) for f in findings}


def test_runaway_numbers_are_named():
    faulty = _observing(Reacher, lambda obs: obs["privileged"].mul_(1e6))
    assert names(found(planted(faulty))) == {"scale"}


def test_a_group_of_another_size_is_a_broken_contract():
    def widen(obs: dict[str, Tensor]) -> None:
        obs["privileged"] = torch.cat([obs["privileged"]] * 2, dim=1)

    assert "contract" in names(found(planted(_observing(Reacher, widen))))


def test_an_undeclared_group_is_a_broken_contract():
    def add(obs: dict[str, Tensor]) -> None:
        obs["secret"] = obs["privileged"].clone()

    findings = found(planted(_observing(Reacher, add)))
    assert [f.where for f in findings if f.check == "contract"] == ["secret"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda image: image.zero_(), "black"),
        (lambda image: image.fill_(128), "one value all over"),
        (lambda image: image.div_(255, rounding_mode="floor"), "values up to 1"),
        (lambda image: image.copy_(image[:1].clone().expand_as(image)), "same image in all"),
    ],
)
def test_a_camera_that_shows_nothing_is_found(change: Any, said: str):
    findings = found(planted(_observing(Seeing, lambda obs: change(obs["camera"]))))
    assert names(findings) == {"camera"}
    assert said in findings[0].found


def test_a_frozen_camera_is_found():
    class Frozen(Seeing):
        def _observe(self, env_ids: Tensor | None = None) -> dict[str, Tensor]:
            obs = super()._observe(env_ids)
            if env_ids is None:
                self.first = getattr(self, "first", obs["camera"].clone())
                obs["camera"] = self.first
            else:
                obs["camera"] = self.first[env_ids]
            return obs

    findings = found(planted(Frozen))
    assert {"camera"} <= names(findings)
    assert any("same images in all" in f.found for f in findings)


def test_a_reward_with_a_second_dimension_is_found():
    class Faulty(Reacher):
        def _reward(self, terminated: Tensor) -> Tensor:
            return super()._reward(terminated)[:, None]

    assert names(found(planted(Faulty))) == {"reward"}


def test_a_reward_that_never_varies_is_found():
    class Faulty(Reacher):
        def _reward(self, terminated: Tensor) -> Tensor:
            return torch.zeros(self.num_envs)

    assert names(found(planted(Faulty))) == {"reward"}


def test_episodes_that_die_at_birth_are_found():
    class Faulty(Reacher):
        def _terminated(self) -> Tensor:
            return self.distance > 0.05

    assert "births" in names(found(planted(Faulty)))


def test_success_that_chance_reaches_is_found():
    class Faulty(Reacher):
        def evaluate(self) -> dict[str, Tensor]:
            measured = super().evaluate()
            return measured | {"success": torch.ones_like(measured["success"])}

    assert names(found(planted(Faulty))) == {"success"}


def test_an_error_metric_that_is_not_measured_is_found():
    assert names(found(planted(Reacher, error_metric="distance_m"))) == {"metrics"}


def test_an_action_that_does_nothing_is_named():
    class Faulty(Reacher):
        def _apply_action(self, action: Tensor) -> None:
            super()._apply_action(action * torch.tensor([1.0, 0.0]))

    findings = found(planted(Faulty))
    assert [(f.check, f.where) for f in findings] == [("action", "elbow")]


def test_actions_scaled_into_saturation_are_found():
    class Faulty(Reacher):
        def _apply_action(self, action: Tensor) -> None:
            super()._apply_action(20.0 * action)

    assert names(found(planted(Faulty))) == {"action scale"}


def test_a_reset_that_ignores_the_seed_is_found():
    class Faulty(Reacher):
        def _reset_worlds(self, env_ids: Tensor) -> None:
            self.reset_rng.seed()
            super()._reset_worlds(env_ids)

    assert "seed" in names(found(planted(Faulty)))


def test_worlds_that_all_start_alike_are_found():
    class Faulty(Reacher):
        def _reset_worlds(self, env_ids: Tensor) -> None:
            self.reset_rng.manual_seed(0)
            for one in env_ids:
                self.reset_rng.manual_seed(0)
                super()._reset_worlds(one[None])

    findings = found(planted(Faulty))
    assert names(findings) == {"seed"}
    assert any("worlds alike" in f.found for f in findings)


def test_a_partial_reset_that_moves_others_is_found():
    class Faulty(Reacher):
        def _reset_worlds(self, env_ids: Tensor) -> None:
            super()._reset_worlds(env_ids)
            if len(env_ids) < self.num_envs:
                self.sim.reset()

    assert "partial reset" in names(found(planted(Faulty)))


def test_an_environment_that_does_not_run_is_one_finding():
    class Faulty(Reacher):
        def _after_physics(self) -> None:
            raise ValueError("no such body")

    findings = found(planted(Faulty))
    assert names(findings) == {"runs"}
    assert "no such body" in findings[0].found
