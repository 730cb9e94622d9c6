"""``launcher=ray``: the members of a population as tasks of a Ray cluster.

Ray is the optional extra ``ray``. Without an address a cluster is started on this machine for as
long as the training takes; it listens on the loopback interface only, behind a token, without
dashboard and without usage statistics.
"""

from __future__ import annotations

import importlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from robo_ts.errors import RoboTSError
from robo_ts.files import atomic_path
from robo_ts.pipeline.config import RayConfig, Run
from robo_ts.pipeline.learning import Spent
from robo_ts.pipeline.population import Share, shared_out, train_share
from robo_ts.pipeline.run_dir import RunDir
from robo_ts.progress import Progress, set_threads
from robo_ts.sim.api import available_cores

# Ray takes the machine's outward address unless it is told that it has no cluster to form.
_LOCAL = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}


def train_shares(run: Run, folder: RunDir) -> tuple[list[Share], Spent]:
    """Every member, in as many tasks as the cluster has room for.

    A finished share is kept in the teacher's folder at once: a run that is started again trains
    only the members that are missing.

    Raises:
        RoboTSError: without Ray or a cluster, or when a task fails.
    """
    place = folder.stage("teacher") / "shares"
    shares, before = _finished(place)
    begun = time.monotonic()
    there = {robot for share in shares for robot in share.robots}
    left = [robot for robot in range(run.config.population) if robot not in there]
    bar = Progress("teacher ", run.config.population, "member", len(there))
    try:
        if left:
            with _cluster(run.config.ray) as ray:
                for share in _tasks(ray, run, left):
                    shares.append(share)
                    _keep(place, share, before + time.monotonic() - begun)
                    bar.update(len(share.robots))
    finally:
        bar.close()
    return shares, Spent(before + time.monotonic() - begun, before)


def _tasks(ray: Any, run: Run, robots: list[int]) -> Iterator[Share]:
    config = run.config.ray
    room = int(ray.cluster_resources().get("CPU", 0.0) // config.cpus)
    if room < 1:
        raise RoboTSError(
            f"a cluster with {config.cpus:g} CPUs for a task",
            f"{ray.cluster_resources().get('CPU', 0.0):g}",
            "lower ray.cpus or start more workers",
        )
    count = min(config.tasks or room, len(robots))
    task = ray.remote(_train).options(num_cpus=config.cpus, num_gpus=config.gpus, max_retries=2)
    waiting = [task.remote(run, share) for share in shared_out(robots, count)]
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        try:
            yield ray.get(ready[0])
        except ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            if isinstance(cause, RoboTSError):
                raise cause from error
            raise RoboTSError(
                "Ray tasks that train their share of the population",
                f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}",
                "look at the worker's log; shares that are finished are kept, so start it again",
            ) from error


def _train(run: Run, robots: list[int]) -> Share:
    """What a task does."""
    set_threads(max(int(run.config.ray.cpus), 1))
    return train_share(run, robots)


@contextmanager
def _cluster(config: RayConfig) -> Iterator[Any]:
    """The module ``ray``, connected."""
    before = dict(os.environ)
    if not config.address:
        os.environ.update(_LOCAL, RAY_AUTH_TOKEN=_token())
    try:
        ray = _ray()
        own = not ray.is_initialized()
        if own:
            _connect(ray, config)
        try:
            yield ray
        finally:
            if own:
                ray.shutdown()
    finally:
        os.environ.clear()
        os.environ.update(before)


@lru_cache
def _token() -> str:
    """One for all clusters of this process: Ray reads it once."""
    return secrets.token_hex(32)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise RoboTSError(
            "the package ray, for launcher=ray",
            str(error),
            "pip install 'robo_ts[ray]', or set launcher=local",
        ) from error


def _connect(ray: Any, config: RayConfig) -> None:
    if config.address:
        try:
            ray.init(address=config.address, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RoboTSError(
                f"a Ray cluster at ray.address={config.address}",
                f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}",
                "start one ('ray start --head'), or leave ray.address out to use this machine",
            ) from error
        return
    # Ray reads these settings when it is imported, and never again.
    constants = importlib.import_module("ray._private.ray_constants")
    if getattr(constants, "ENABLE_RAY_CLUSTER", False):
        raise _outward("one that was set up otherwise, because ray was imported before")
    ray.init(
        address="local",
        num_cpus=available_cores(),
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    at = ray.util.get_node_ip_address()
    if not at.startswith("127.") and at != "::1":
        ray.shutdown()
        raise _outward(f"one at {at}")


def _outward(got: str) -> RoboTSError:
    return RoboTSError(
        "a local Ray cluster that listens on the loopback interface only",
        got,
        "import ray later or not at all, or connect to a cluster of your own: ray.address=auto",
    )


# -- finished shares -------------------------------------------------------------------------------


def _keep(place: Path, share: Share, seconds: float) -> None:
    name = f"{share.robots[0]}-{share.robots[-1]}.safetensors"
    told = {
        "robots": " ".join(map(str, share.robots)),
        "samples": str(share.samples),
        "seconds": repr(seconds),
    }
    with atomic_path(place / name) as temporary:
        save_file(share.weights, temporary, told)


def _finished(place: Path) -> tuple[list[Share], float]:
    """The shares an earlier attempt left, and the seconds it took."""
    shares, seconds = [], 0.0
    for path in sorted(place.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                told = file.metadata()
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            robots = [int(word) for word in told["robots"].split()]
            shares.append(Share(robots, weights, int(told["samples"])))
            seconds = max(seconds, float(told["seconds"]))
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise RoboTSError(
                f"{path} as a Ray task's share was written",
                f"{type(error).__name__}: {error}",
                "delete the file to train these members again",
            ) from error
    return shares, seconds
