"""Memory of learning from cameras: our data set and update against rsl_rl's storage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rsl_rl.models import CNNModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import Tensor

import robo_ts
from robo_ts.bench.distill.contestants import GROUP, new_dataset, new_updater, vector_group
from robo_ts.distill.config import DistillConfig
from robo_ts.distill.dataset import LABEL, STARTS, VALID, SequenceDataset
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig

CAMERA = "camera"


@dataclass(frozen=True)
class ImageSizes:
    """The camera student whose memory is measured.

    Attributes:
        num_envs: worlds.
        steps: of each sequence.
        minibatches: parts the sequences are split into; small ones need little memory.
        image: ``(channels, height, width)`` of the uint8 images.
        observations: numbers it sees besides.
        actions: numbers it gives.
    """

    num_envs: int = 1024
    steps: int = 32
    minibatches: int = 128
    image: tuple[int, int, int] = (3, 64, 64)
    observations: int = 8
    actions: int = 8


def measure_memory(sizes: ImageSizes, threads: int, seed: int) -> dict[str, Any]:
    """Memory of learning from cameras: all that our update needs against rsl_rl's storage alone.

    Ours is the growth of a fresh process's peak resident memory through data set and one whole
    update of a CNN and GRU student. rsl_rl's is the sum of the tensors its storage allocates, for
    the same worlds, steps and observations, in the kind of number that its own ``CNNModel`` reads;
    what its update would need on top is left out, as it has no CNN with a memory.
    """
    words = json.dumps({"sizes": asdict(sizes), "threads": threads, "seed": seed})
    root = str(Path(robo_ts.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-c", "from robo_ts.bench.distill.memory import child; child()"],
        input=words,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    if done.returncode:
        raise RoboTSError(
            "a process that measures memory",
            f"status {done.returncode}: {done.stderr.strip()[-500:]}",
            "measure fewer images (images=ImageSizes(num_envs=...)) or free memory",
        )
    ours = json.loads(done.stdout.splitlines()[-1])
    kind = image_kind()
    theirs = storage_bytes(sizes, kind)
    return {
        **asdict(sizes),
        "ours_bytes": ours["peak"],
        "ours_dataset_bytes": ours["dataset"],
        "rsl_rl_storage_bytes": theirs,
        "rsl_rl_dtype": str(kind),
        "ours_over_rsl_rl": ours["peak"] / theirs,
        "rsl_rl_storage_uint8_bytes": storage_bytes(sizes, torch.uint8),
    }


def image_kind() -> torch.dtype:
    """What rsl_rl's own ``CNNModel`` reads images as: uint8 if it can, else float32."""
    obs = _images(torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.zeros(2, 1))
    cnn = {"output_channels": [4], "kernel_size": 3, "flatten": True}
    model = CNNModel(obs, {"student": [GROUP, CAMERA]}, "student", 1, [8], cnn_cfg=cnn)
    try:
        model(obs)
    except RuntimeError:
        return torch.float32
    return torch.uint8


def storage_bytes(sizes: ImageSizes, kind: torch.dtype) -> int:
    """Bytes of the tensors that rsl_rl's storage holds for these images."""
    obs = _images(
        torch.zeros(sizes.num_envs, *sizes.image, dtype=kind),
        torch.zeros(sizes.num_envs, sizes.observations),
    )
    storage = RolloutStorage("distillation", sizes.num_envs, sizes.steps, obs, [sizes.actions])
    own = [value for value in vars(storage).values() if isinstance(value, Tensor)]
    held = [*own, *storage.observations.values()]
    return sum(value.numel() * value.element_size() for value in held)


def child() -> None:
    """The fresh process: read what to do, warm up on next to nothing, measure, tell."""
    words = json.loads(sys.stdin.read())
    torch.set_num_threads(words["threads"])
    sizes = ImageSizes(**words["sizes"] | {"image": tuple(words["sizes"]["image"])})
    tiny = ImageSizes(2, 2, 1, sizes.image, sizes.observations, sizes.actions)
    learn_from_images(tiny, words["seed"])
    before = _resident("VmRSS")
    dataset = learn_from_images(sizes, words["seed"])
    print(json.dumps({"peak": _resident("VmHWM") - before, "dataset": dataset.bytes}))


def learn_from_images(sizes: ImageSizes, seed: int) -> SequenceDataset:
    """Fill our data set step by step and update a CNN and GRU student once."""
    torch.manual_seed(seed)
    camera = ObservationGroup(
        CAMERA, (Term("pixels", _numbers(sizes.image)),), deployable=True, image=sizes.image
    )
    spec = ObservationSpec([vector_group(sizes.observations), camera])
    student = Policy(PolicyConfig(normalize=False), spec, sizes.actions)
    config = DistillConfig(
        num_envs=sizes.num_envs,
        steps_per_iteration=sizes.steps,
        bptt_length=sizes.steps,
        minibatches=sizes.minibatches,
    )
    dataset = None
    for step in range(sizes.steps):
        row = {
            f"obs.{GROUP}": torch.randn(sizes.num_envs, sizes.observations),
            f"obs.{CAMERA}": torch.randint(256, (sizes.num_envs, *sizes.image), dtype=torch.uint8),
            LABEL: torch.randn(sizes.num_envs, sizes.actions),
            STARTS: torch.rand(sizes.num_envs) < (0.02 if step else 1.0),
            VALID: torch.ones(sizes.num_envs, dtype=torch.bool),
        }
        if dataset is None:
            dataset = new_dataset(config, student, row)
        dataset.add(step, row)
    assert dataset is not None
    dataset.end()
    new_updater(config, student).run(dataset, 0, None)
    return dataset


def _resident(name: str) -> int:
    """Bytes of resident memory of this process: ``VmRSS`` now, ``VmHWM`` at its peak."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux not ru_maxrss: it begins at the peak of the process that started this one.
        for line in status.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _images(images: Tensor, values: Tensor) -> TensorDict:
    return TensorDict({GROUP: values, CAMERA: images}, batch_size=[len(images)])


def _numbers(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
