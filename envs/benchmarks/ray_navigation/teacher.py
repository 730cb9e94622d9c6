"""A scripted driver who knows where the posts are, and the small network that copies it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robo_ts.env.base import TaskEnv
from robo_ts.envs.benchmarks.ray_navigation.config import (
    NUM_POSTS,
    POST_RADIUS,
    ROBOT_RADIUS,
    RayNavigationConfig,
)
from robo_ts.envs.benchmarks.ray_navigation.task import PRIVILEGED, STATE, RayNavigation
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.normalizer import Normalizer
from robo_ts.seeds import derive
from robo_ts.sim import EngineConfig

STD = 0.3  # of the action
NUM_HEADINGS = 49
WIDEST_TURN = math.radians(110.0)  # from the goal's direction
LOOKAHEAD = 1.3  # m
SAFE_ROOM = 0.2  # m between the robot's and a post's surface, beyond which more room is no better
TOP_SPEED = 1.5  # m/s
SOFTNESS = 0.05  # of the choice among headings, in units of their cost
TRACKING = 0.3  # action per m/s of velocity error
PERSISTENCE = 0.4  # cost of turning away from the velocity


def act(obs: Mapping[str, Tensor], config: RayNavigationConfig | None = None) -> Tensor:
    """Drive in the cheapest of many headings, judged by the room along a straight look ahead.

    Args:
        obs: groups ``state (n, 4)`` and ``privileged (n, 10)``.
        config: the task's settings; its defaults when left out.

    Returns:
        Actions ``(n, 2)`` in [-1, 1].
    """
    config = config or RayNavigationConfig()
    velocity, goal = obs["state"][:, :2], obs["state"][:, 2:4]
    posts = obs["privileged"].unflatten(-1, (NUM_POSTS, 2))
    distance = torch.linalg.vector_norm(goal, dim=-1, keepdim=True)
    turn = torch.linspace(-WIDEST_TURN, WIDEST_TURN, NUM_HEADINGS, device=goal.device)
    angle = torch.atan2(goal[:, 1:], goal[:, :1]) + turn
    heading = torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)  # (n, headings, 2)

    ahead = distance.clamp_max(LOOKAHEAD)
    along = torch.einsum("npd,nhd->nhp", posts, heading).clamp_min(0.0).minimum(ahead[..., None])
    gap = torch.linalg.vector_norm(posts[:, None] - along[..., None] * heading[:, :, None], dim=-1)
    room = gap - POST_RADIUS - ROBOT_RADIUS
    lateral = -goal[:, 1:]  # the goal lies on the middle line
    wall = config.half_width - ROBOT_RADIUS - (lateral + 0.35 * heading[..., 1]).abs()
    # Near posts press harder than far ones.
    press = _shortage(room) * (1.2 - along / LOOKAHEAD)
    speed = torch.linalg.vector_norm(velocity, dim=-1, keepdim=True).clamp_min(0.1)
    drift = torch.einsum("nd,nhd->nh", velocity, heading) / speed
    cost = 1.0 - torch.cos(turn) + PERSISTENCE * (1.0 - drift)
    cost = cost + press.sum(dim=-1) + _shortage(wall)
    # A soft choice, so that the driver is a smooth function but where two ways are equally good.
    weight = torch.softmax(-cost / SOFTNESS, dim=-1)
    wanted = TOP_SPEED * (weight[..., None] * heading).sum(dim=1)
    return (wanted / TOP_SPEED + TRACKING * (wanted - velocity)).clamp(-1.0, 1.0)


def _shortage(room: Tensor) -> Tensor:
    """Cost of little room in m: 0 when it is safe, steep when there is none."""
    return ((SAFE_ROOM - room) / SAFE_ROOM).clamp_min(0.0).square()


def distribution(
    obs: Mapping[str, Tensor], config: RayNavigationConfig | None = None
) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the expert's Gaussian action, ``(n, 2)`` each."""
    mean = act(obs, config)
    return mean, torch.full_like(mean, STD)


# -- the network teacher ---------------------------------------------------------------------------


@dataclass(frozen=True)
class CloneSettings:
    """How :func:`train_network_teacher` copies the expert (DAgger, everything kept).

    Attributes:
        num_envs: worlds at once.
        rounds: rounds of collecting and learning; in the first one the expert drives.
        steps: control steps per round.
        updates: gradient steps per round.
        batch: samples per gradient step.
        learning_rate: at the start; it falls to a tenth linearly.
    """

    num_envs: int = 512
    rounds: int = 12
    steps: int = 40
    updates: int = 250
    batch: int = 1024
    learning_rate: float = 3e-3


def train_network_teacher(
    seed: int,
    config: RayNavigationConfig | None = None,
    settings: CloneSettings | None = None,
    engine: EngineConfig | None = None,
) -> Policy:
    """Clone the expert into a network of two layers of 64, for students that freeze one.

    Args:
        seed: of worlds, weights and batches; the same seed gives the same network.
        config: the task's settings; its defaults when left out.
        settings: how to learn; the defaults take about 20 seconds on one core.
        engine: the engine; the CPU when left out.

    Returns:
        A policy that reads the groups ``state`` and ``privileged``.
    """
    config, settings = config or RayNavigationConfig(), settings or CloneSettings()
    env = RayNavigation(config, settings.num_envs, engine, derive(seed, "clone worlds"))
    env.reset()
    chance = torch.Generator(device=env.device).manual_seed(derive(seed, "clone batches"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "clone weights"))
        architecture = PolicyConfig(encoder=[64, 64], activation="relu", memory="none")
        spec = env.spec.select([STATE.name, PRIVILEGED.name])
        policy = Policy(architecture, spec, env.num_actions).to(env.device)
    optimizer = torch.optim.Adam(policy.parameters(), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(
        optimizer, 1.0, 0.1, settings.rounds * settings.updates
    )
    seen: list[Tensor] = []
    wanted: list[Tensor] = []
    for turn in range(settings.rounds):
        x, y = _drive(env, policy, turn == 0, settings.steps, config)
        seen.append(x)
        wanted.append(y)
        if turn == 0:
            assert isinstance(policy.normalizer, Normalizer)
            policy.normalizer.update(x)
        _regress(policy, optimizer, schedule, torch.cat(seen), torch.cat(wanted), settings, chance)
    env.close()
    return policy.eval()


@torch.no_grad()
def _drive(
    env: TaskEnv, policy: Policy, expert_drives: bool, steps: int, config: RayNavigationConfig
) -> tuple[Tensor, Tensor]:
    """What was seen, and what the expert would do there, over ``steps`` of all worlds."""
    obs, seen, wanted = env.observe(), [], []
    for _ in range(steps):
        expert = act(obs, config)
        seen.append(policy.inputs(obs))  # type: ignore[arg-type]
        wanted.append(expert)
        action = expert if expert_drives else policy.act(obs)[0]  # type: ignore[arg-type]
        obs = env.step(action).obs
    return torch.cat(seen), torch.cat(wanted)


def _regress(
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    seen: Tensor,
    wanted: Tensor,
    settings: CloneSettings,
    chance: torch.Generator,
) -> None:
    for _ in range(settings.updates):
        rows = torch.randint(len(seen), (settings.batch,), generator=chance, device=seen.device)
        action, _ = policy.step_vector(seen[rows])
        loss = torch.nn.functional.mse_loss(action, wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
