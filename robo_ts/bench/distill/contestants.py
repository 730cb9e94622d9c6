"""Our distiller against rsl_rl's own: same network, same data, same optimiser steps, one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rsl_rl.algorithms import Distillation
from rsl_rl.models import CNNModel, MLPModel, RNNModel
from rsl_rl.storage import RolloutStorage
from tensordict import TensorDict
from torch import Tensor

import robo_ts
from robo_ts.distill.config import DatasetConfig, DistillConfig
from robo_ts.distill.dataset import LABEL, STARTS, VALID, SequenceDataset
from robo_ts.distill.heads import Heads
from robo_ts.distill.update import Updater
from robo_ts.env.observations import ObservationGroup, ObservationSpec, Term
from robo_ts.errors import RoboTSError
from robo_ts.lineage import commit, hardware, versions
from robo_ts.policies import Policy, PolicyConfig

GROUP, CAMERA = "sensors", "camera"
WIDTH, ACTIVATION, RATE = 64, "elu", 1e-3


@dataclass(frozen=True)
class Sizes:
    """What is learnt from, and how.

    Attributes:
        num_envs: worlds, that is, sequences.
        steps: of each sequence.
        bptt_length: steps of truncated back-propagation; rsl_rl calls it ``gradient_length``.
        observations: numbers a student sees.
        actions: numbers it gives.
        episode: mean length of an episode in steps; ends are drawn independently.
    """

    num_envs: int = 1024
    steps: int = 64
    bptt_length: int = 64
    observations: int = 32
    actions: int = 8
    episode: float = 200.0

    def __post_init__(self) -> None:
        if self.num_envs < 4 or self.steps < 1:
            raise RoboTSError(
                "4 worlds or more and 1 step or more",
                f"{self.num_envs} worlds, {self.steps} steps",
                "raise them",
            )
        if self.bptt_length < 1 or self.steps % self.bptt_length:
            raise RoboTSError(
                f"a bptt_length that divides {self.steps} steps (rsl_rl drops the rest)",
                str(self.bptt_length),
                "choose a divisor",
            )


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

    num_envs: int = 512
    steps: int = 24
    minibatches: int = 128
    image: tuple[int, int, int] = (3, 64, 64)
    observations: int = 8
    actions: int = 8


@dataclass
class Data:
    """Sequences to learn from.

    Attributes:
        obs: ``(steps, num_envs, observations)``.
        label: a fixed random linear map of them, ``(steps, num_envs, actions)``.
        done: whether an episode ends with that step, ``(steps, num_envs)`` bool.
    """

    obs: Tensor
    label: Tensor
    done: Tensor


def run_bench_distill(
    seconds: float = 20.0,
    num_envs: int = 1024,
    steps: int = 64,
    rounds: int = 10,
    seed: int = 0,
    bptt_length: int | None = None,
    threads: int = 0,
    images: ImageSizes | None = None,
) -> dict[str, Any]:
    """Samples per second and memory of our update against rsl_rl's ``Distillation.update``.

    A sample is one control step of one world, learnt from once. Variants: ``rsl_rl``; ``ours``,
    with as many optimiser steps; ``recommended``, ours with four minibatches, which takes four
    times as many.

    Args:
        seconds: measured time per variant, over all rounds.
        num_envs: worlds, that is, sequences.
        steps: of each sequence.
        rounds: every variant is measured once per round.
        seed: of data and weights.
        bptt_length: steps of truncated back-propagation; all when left out.
        threads: of torch, for all variants; 0 leaves them as they are.
        images: the camera student whose memory is measured.

    Returns:
        Plain data: ``rates`` (medians over the rounds), ``ours_over_rsl_rl`` and
        ``recommended_over_rsl_rl`` (medians of each round's ratio), every round, ``memory`` (see
        :func:`measure_memory`), and where the figures come from.
    """
    if rounds < 1 or seconds <= 0:
        raise RoboTSError(
            "at least one round and some time", f"{rounds} rounds in {seconds} s", "ask for more"
        )
    sizes = Sizes(num_envs, steps, bptt_length or steps)
    with torch_threads(threads) as used:
        variants = _variants(sizes, seed)
        measured = _interleaved(variants, num_envs * steps, seconds / rounds, rounds)
        memory = measure_memory(images or ImageSizes(), used, seed)
    return {
        **asdict(sizes),
        "seed": seed,
        "seconds": seconds,
        "torch_threads": used,
        "network": f"GRU {WIDTH}, dense {WIDTH} ({ACTIVATION})",
        "minibatches": {"rsl_rl": 1, "ours": 1, "recommended": DistillConfig().minibatches},
        "unit": "control steps of one world learnt from per second, median over rounds",
        "rates": {name: statistics.median(rates) for name, rates in measured.items()},
        "ours_over_rsl_rl": _ratio(measured, "ours"),
        "recommended_over_rsl_rl": _ratio(measured, "recommended"),
        "rounds": measured,
        "memory": memory,
        "hardware": hardware(),
        "versions": versions(),
        "commit": commit(),
    }


def run_suite(seeds: Sequence[int] | None = None, threads: int = 0) -> dict[str, Any]:
    """:func:`run_bench_distill` as ``robo-ts bench distill`` runs it: with one seed.

    Raises:
        RoboTSError: for several seeds, as speed does not depend on them.
    """
    if seeds is not None and len(seeds) != 1:
        raise RoboTSError("one seed", f"{len(seeds)} seeds", "leave --seeds out")
    return run_bench_distill(seed=0 if seeds is None else seeds[0], threads=threads)


# -- the contestants -------------------------------------------------------------------------------


def make_data(sizes: Sizes, seed: int) -> Data:
    """Random observations, the linear teacher's labels, and ends of episodes."""
    generator = torch.Generator().manual_seed(seed)
    shape = (sizes.steps, sizes.num_envs)
    obs = torch.randn(*shape, sizes.observations, generator=generator)
    teacher = torch.randn(sizes.observations, sizes.actions, generator=generator)
    done = torch.rand(shape, generator=generator) < 1.0 / sizes.episode
    return Data(obs, obs @ (0.1 * teacher), done)


def their_student(sizes: Sizes) -> RNNModel:
    """rsl_rl's recurrent student, with the standard deviation that its runner insists on."""
    return RNNModel(
        _observation(torch.zeros(sizes.num_envs, sizes.observations)),
        {"student": [GROUP]},
        "student",
        sizes.actions,
        hidden_dims=[WIDTH],
        activation=ACTIVATION,
        distribution_cfg={"class_name": "GaussianDistribution"},
        rnn_type="gru",
        rnn_hidden_dim=WIDTH,
    )


def our_student(sizes: Sizes) -> Policy:
    """The same network, ours."""
    config = PolicyConfig(
        encoder=[],
        activation=ACTIVATION,
        memory="gru",
        memory_size=WIDTH,
        decoder=[WIDTH],
        normalize=False,
        action_clip=0.0,
    )
    return Policy(config, ObservationSpec([_vector(sizes.observations)]), sizes.actions)


def copy_weights(theirs: RNNModel, ours: Policy) -> None:
    """Give our student the weights of theirs.

    Raises:
        RoboTSError: when the networks differ in anything but their standard deviation.
    """
    names = {"rnn.rnn.": "memory.rnn.", "mlp.0.": "decoder.0.", "mlp.2.": "head."}
    weights = {}
    for name, value in theirs.state_dict().items():
        for old, new in names.items():
            if name.startswith(old):
                weights[new + name.removeprefix(old)] = value
    left = set(theirs.state_dict()) - {"distribution.std_param"}
    if len(weights) != len(left) or set(weights) != set(ours.state_dict()):
        raise RoboTSError(
            "two networks of the same parameters", f"{left} and {set(ours.state_dict())}", "mend it"
        )
    ours.load_state_dict(weights)


def their_distillation(
    sizes: Sizes, data: Data, student: RNNModel, max_grad_norm: float = 1.0
) -> Distillation:
    """rsl_rl's algorithm, its storage full; its update never runs the teacher."""
    first = _observation(data.obs[0])
    storage = RolloutStorage("distillation", sizes.num_envs, sizes.steps, first, [sizes.actions])
    teacher = MLPModel(first, {"teacher": [GROUP]}, "teacher", sizes.actions, hidden_dims=[WIDTH])
    for step in range(sizes.steps):
        one = RolloutStorage.Transition()
        one.observations = _observation(data.obs[step])
        one.actions = one.privileged_actions = data.label[step]
        one.rewards = torch.zeros(sizes.num_envs)
        one.dones = data.done[step]
        storage.add_transition(one)
    algorithm = Distillation(
        student,
        teacher,
        storage,
        gradient_length=sizes.bptt_length,
        learning_rate=RATE,
        max_grad_norm=max_grad_norm,
    )
    algorithm.train_mode()
    return algorithm


def our_updater(
    sizes: Sizes, data: Data, student: Policy, minibatches: int, max_grad_norm: float = 1.0
) -> tuple[Updater, SequenceDataset]:
    """Our update and its data set, full."""
    config = DistillConfig(
        num_envs=sizes.num_envs,
        steps_per_iteration=sizes.steps,
        bptt_length=sizes.bptt_length,
        minibatches=minibatches,
        learning_rate=RATE,
        max_grad_norm=max_grad_norm,
    )
    starts = torch.ones_like(data.done)
    starts[1:] = data.done[:-1]
    valid = torch.ones_like(data.done)
    rows = [
        {f"obs.{GROUP}": data.obs[t], LABEL: data.label[t], STARTS: starts[t], VALID: valid[t]}
        for t in range(sizes.steps)
    ]
    dataset = _dataset(config, student, rows[0])
    for step, row in enumerate(rows):
        dataset.add(step, row)
    dataset.end()
    return _updater(config, student), dataset


def _variants(sizes: Sizes, seed: int) -> dict[str, Callable[[], Any]]:
    torch.manual_seed(seed)
    data = make_data(sizes, seed)
    theirs = their_student(sizes)
    students = [our_student(sizes), our_student(sizes)]
    for student in students:
        copy_weights(theirs, student)
    algorithm = their_distillation(sizes, data, theirs)
    plain, plain_data = our_updater(sizes, data, students[0], 1)
    best, best_data = our_updater(sizes, data, students[1], DistillConfig().minibatches)
    return {
        "rsl_rl": algorithm.update,
        "ours": lambda: plain.run(plain_data, 0, None),
        "recommended": lambda: best.run(best_data, 0, None),
    }


# -- time ------------------------------------------------------------------------------------------


def _interleaved(
    variants: dict[str, Callable[[], Any]], samples: int, share: float, rounds: int
) -> dict[str, list[float]]:
    """Samples per second of every variant in every round."""
    measured: dict[str, list[float]] = {name: [] for name in variants}
    for update in variants.values():
        update()  # memory is allocated, kernels are chosen
    for index in range(rounds):
        # Every other round runs backwards, so that no variant always follows the same one.
        for name in list(variants) if index % 2 else list(reversed(variants)):
            spent, count = 0.0, 0
            while spent < share:
                began = time.perf_counter()
                variants[name]()
                spent += time.perf_counter() - began
                count += 1
            measured[name].append(count * samples / spent)
    return measured


def _ratio(measured: dict[str, list[float]], name: str) -> float:
    pairs = zip(measured[name], measured["rsl_rl"], strict=True)
    return statistics.median(own / theirs for own, theirs in pairs)


@contextmanager
def torch_threads(threads: int) -> Iterator[int]:
    """Torch with so many threads inside the block (0: as it is); gives how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


# -- memory ----------------------------------------------------------------------------------------


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
        [sys.executable, "-c", "from robo_ts.bench.distill import _child; _child()"],
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


def _child() -> None:
    """The fresh process: read what to do, warm up on next to nothing, measure, tell."""
    words = json.loads(sys.stdin.read())
    torch.set_num_threads(words["threads"])
    sizes = ImageSizes(**words["sizes"] | {"image": tuple(words["sizes"]["image"])})
    tiny = ImageSizes(2, 2, 1, sizes.image, sizes.observations, sizes.actions)
    _learn_from_images(tiny, words["seed"])
    before = _resident("VmRSS")
    dataset = _learn_from_images(sizes, words["seed"])
    print(json.dumps({"peak": _resident("VmHWM") - before, "dataset": dataset.bytes}))


def _learn_from_images(sizes: ImageSizes, seed: int) -> SequenceDataset:
    """Fill our data set step by step and update a CNN and GRU student once."""
    torch.manual_seed(seed)
    camera = ObservationGroup(
        CAMERA, (Term("pixels", _numbers(sizes.image)),), deployable=True, image=sizes.image
    )
    spec = ObservationSpec([_vector(sizes.observations), camera])
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
            dataset = _dataset(config, student, row)
        dataset.add(step, row)
    assert dataset is not None
    dataset.end()
    _updater(config, student).run(dataset, 0, None)
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


# -- small parts -----------------------------------------------------------------------------------


def _dataset(config: DistillConfig, student: Policy, row: dict[str, Tensor]) -> SequenceDataset:
    hidden = student.initial_state(config.num_envs)
    settings = DatasetConfig(window=1, budget_gb=64.0)
    steps = config.steps_per_iteration
    dataset = SequenceDataset(settings, steps, config.num_envs, row, hidden, torch.Generator())
    dataset.begin(hidden)
    return dataset


def _updater(config: DistillConfig, student: Policy) -> Updater:
    heads = Heads(student.latent_size, {}, 0, False)
    generator = torch.Generator().manual_seed(0)
    return Updater(student, heads, config, generator, torch.Generator())


def _vector(size: int) -> ObservationGroup:
    return ObservationGroup(GROUP, (Term("numbers", size),), deployable=True)


def _observation(values: Tensor) -> TensorDict:
    return TensorDict({GROUP: values}, batch_size=[len(values)])


def _images(images: Tensor, values: Tensor) -> TensorDict:
    return TensorDict({GROUP: values, CAMERA: images}, batch_size=[len(images)])


def _numbers(shape: tuple[int, ...]) -> int:
    return int(torch.Size(shape).numel())
