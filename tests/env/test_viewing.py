"""What a task declares for those who watch."""

import torch

from robo_ts.env import get_task, list_tasks, make_env
from robo_ts.env.viewing import ViewSpec, all_sliders, pinned
from robo_ts.envs.quadrotor import QuadrotorConfig
from robo_ts.evaluate.trials import with_changes


def test_every_task_that_declares_a_view_keeps_its_word():
    for name in list_tasks():
        task = get_task(name)
        if task.view is None:
            continue
        view, env = task.view(), make_env(name, 2, engine="cpu")
        env.step(torch.zeros(2, env.num_actions))
        for body in view.pushable:
            env.sim.model.body(body)
        if view.scale is not None:
            assert view.scale(env).shape == (2,)
        if view.markers is not None:
            assert view.markers(env).shape[::2] == (2, 3)
        if view.scripted is not None:
            assert view.scripted(env, env.observe()).shape == (2, env.num_actions)
            assert all(group in env.spec for group in view.sees)
        for slider in all_sliders(view, task.config()):
            middle = slider.setting(0.5 * (slider.low + slider.high))
            with_changes(task.config(), pinned(task.config(), slider.path, middle))
        env.close()


def test_reward_terms_sum_to_the_reward():
    for name in list_tasks():
        task = get_task(name)
        view = task.view() if task.view is not None else ViewSpec()
        if view.reward_terms is None:
            continue
        env = make_env(name, 16, engine="cpu")
        step = env.step(torch.zeros(16, env.num_actions))
        goes_on = ~step.done
        total = torch.stack(list(view.reward_terms(env).values())).sum(dim=0)
        torch.testing.assert_close(total[goes_on], step.reward[goes_on], atol=1e-5, rtol=1e-5)
        env.close()


def test_pinning_a_range_and_a_number():
    config = QuadrotorConfig()
    changed = with_changes(config, pinned(config, "drones.rise_time", 0.05))
    assert (changed.drones.rise_time.low, changed.drones.rise_time.high) == (0.05, 0.05)
    changed = with_changes(config, pinned(config, "drones.disturbance", 0.7))
    assert changed.drones.disturbance == 0.7
