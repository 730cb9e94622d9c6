"""Named privileged terms, read out of an environment's observations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rsl_rl.env import VecEnv
from tensordict import TensorDict
from torch import Tensor

from robo_ts.errors import RoboTSError, did_you_mean


class TermReader:
    """Reads ``group.term`` (or a whole ``group``, where an environment declares no terms).

    Args:
        env: the worlds; a robo_ts environment says where terms lie.
        names: what to read.
        obs: an observation, to check the names.

    Raises:
        RoboTSError: for an unknown name.
    """

    def __init__(self, env: VecEnv, names: Sequence[str], obs: TensorDict) -> None:
        inner: Any = getattr(env, "env", env)
        spec = getattr(inner, "spec", None)
        self._where: dict[str, tuple[str, slice]] = {}
        groups = sorted(str(name) for name in obs.keys())  # noqa: SIM118
        known = list(groups)
        if spec is not None:
            known += [f"{g}.{term}" for g in spec for term in spec[g].slices()]
        for name in names:
            group, _, term = name.partition(".")
            if name not in known:
                raise RoboTSError(
                    "auxiliary terms the environment emits", repr(name), did_you_mean(name, known)
                )
            inside = spec[group].slices() if spec is not None else {}
            where = inside[term] if term else slice(None)
            self._where[name] = (group, where)

    def read(self, obs: TensorDict) -> dict[str, Tensor]:
        """The terms by name, ``(num_envs, size)`` float32."""
        return {name: obs[group][:, where].float() for name, (group, where) in self._where.items()}

    def sizes(self, obs: TensorDict) -> dict[str, int]:
        """Numbers per term."""
        return {name: value.shape[-1] for name, value in self.read(obs).items()}
