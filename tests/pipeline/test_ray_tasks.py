"""A population as tasks of a real Ray cluster of this machine, with two workers."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from robo_ts.errors import RoboTSError
from robo_ts.pipeline import ray_tasks
from robo_ts.pipeline.config import RayConfig, compose_run
from robo_ts.pipeline.pipeline import run_stage
from robo_ts.policies import PolicyBundle
from tests.pipeline.small_population import same, words

# Not imported here: Ray reads its settings when it is.
there = importlib.util.find_spec("ray") is not None
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not there, reason="ray is not installed")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One cluster for all tests here; its workers compile nothing, which takes minutes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCHDYNAMO_DISABLE", "1")
        patch.setattr(ray_tasks, "available_cores", lambda: 2)
        with ray_tasks._cluster(RayConfig()) as ray:
            yield ray


def test_the_bundle_is_the_one_a_single_process_makes(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("envs.quadrotor.twin", "teach.apg"):
        monkeypatch.setattr(f"robo_ts.{module}.compiled", lambda function, *_, **__: function)
    made = {}
    for launcher in ("local", "ray"):
        run = compose_run(words(tmp_path / launcher, f"launcher={launcher}", "ray.tasks=2"))
        result = run_stage(run, "teach")
        assert result["samples"] == 8 * 4 * 3
        made[launcher] = PolicyBundle.load(tmp_path / launcher / "teacher" / "bundle").policy
    assert same(made["local"], made["ray"], 1e-5)


def test_what_is_wrong_in_a_task_is_said_here(cluster: Any, tmp_path: Path) -> None:
    run = compose_run(words(tmp_path, "launcher=ray"))
    run.config.apg.num_envs = 7
    with pytest.raises(RoboTSError, match="multiple of the 4 robots"):
        run_stage(run, "teach")


def test_a_task_that_no_worker_has_room_for_is_refused(cluster: Any, tmp_path: Path) -> None:
    run = compose_run(words(tmp_path, "launcher=ray", "ray.cpus=64"))
    with pytest.raises(RoboTSError, match=r"lower ray\.cpus"):
        run_stage(run, "teach")


def test_nothing_listens_beyond_the_loopback_interface_and_no_dashboard(cluster: Any) -> None:
    assert cluster.nodes()[0]["NodeManagerAddress"] == "127.0.0.1"
    heard = _listening(_descendants(os.getpid()))
    assert len(heard) >= 3  # the cluster's own, so that this looks at the right processes
    assert all(address.is_loopback for address in heard), heard
    assert not cluster._private.worker.global_worker.node.webui_url
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def _descendants(root: int) -> set[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (path / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.name)] = int(after_name[1])
    found, before = {root}, 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def _listening(processes: set[int]) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """Addresses at which these processes wait for connections."""
    sockets = set()
    for pid in processes:
        try:
            sockets |= {str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()}
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            cells = line.split()
            if cells[3] == "0A" and f"socket:[{cells[9]}]" in sockets:
                found.append(_address(cells[1].split(":")[0]))
    return found


def _address(written: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """From the kernel's table, whose 32-bit words are in this machine's byte order."""
    words = [bytes.fromhex(written[i : i + 8])[::-1] for i in range(0, len(written), 8)]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
