"""Checks before a run is launched: does it fit the machine, and does it use it?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from robo_ts.distill.dataset import bytes_per_sequence
from robo_ts.doctor.finding import Finding
from robo_ts.doctor.machine import Machine
from robo_ts.env import get_task
from robo_ts.env.observations import ObservationSpec
from robo_ts.pipeline.config import PipelineConfig, Run

CHECKS = ("memory", "threads", "cuda")


@dataclass(frozen=True)
class Needs:
    """Memory that distilling will take, GiB.

    Attributes:
        dataset: of the stored sequences.
        update: of one minibatch on its way through the student: inputs, layers, gradients.
        transition: one control step of one world as it is stored, bytes.
    """

    dataset: float
    update: float
    transition: int

    @property
    def total(self) -> float:
        """Both together."""
        return self.dataset + self.update


def needs(config: PipelineConfig, spec: ObservationSpec, num_actions: int) -> Needs:
    """What distilling round by round takes.

    Args:
        config: the run's settings.
        spec: the groups that the student reads.
        num_actions: length of an action.
    """
    distill, student = config.distill, config.student
    example = {
        name: torch.zeros(1, *group.shape, dtype=_dtype(group.dtype, group.image))
        for name, group in spec.items()
    }
    example["label"] = torch.zeros(1, num_actions)
    example["valid"] = example["starts"] = torch.zeros(1, dtype=torch.bool)
    recurrent = student.memory != "none"
    parts = (2 if student.memory == "lstm" else 1) if recurrent else 0
    layers = student.memory_layers
    hidden = tuple(torch.zeros(layers, 1, student.memory_size) for _ in range(parts))
    sequence = bytes_per_sequence(example, hidden, distill.steps_per_iteration)
    kept = distill.dataset.window + (1 if distill.dataset.kind == "reservoir" else 0)
    rows = kept * distill.num_envs
    steps = distill.num_envs / distill.minibatches * distill.bptt_length  # of one minibatch
    update = steps * _floats_per_step(config, spec) * 4 * 2  # values and their gradients
    return Needs(rows * sequence / 2**30, update / 2**30, sequence // distill.steps_per_iteration)


def _dtype(name: str, image: tuple[int, ...]) -> torch.dtype:
    kinds = {"uint8": torch.uint8, "uint16": torch.uint16, "float16": torch.float16}
    return kinds.get(name, torch.float32) if image else torch.float32


def _floats_per_step(config: PipelineConfig, spec: ObservationSpec) -> float:
    """Numbers that one step of one world leaves on its way through the student."""
    student = config.student
    total = sum(spec[n].size for n in spec.vectors()) + sum(student.encoder) + sum(student.decoder)
    if student.memory != "none":
        total += 6 * student.memory_size * student.memory_layers  # gates
    for name in spec.images():
        channels, height, width = spec[name].image
        total += channels * height * width
        for index, width_out in enumerate(student.channels):
            step = student.patch if index == 0 and student.patch else 2
            height, width = (height + step - 1) // step, (width + step - 1) // step
            total += 2 * width_out * height * width
    return float(total)


def memory(run: Run, machine: Machine) -> list[Finding]:
    """The data set fits its budget, and the whole fits the machine."""
    if run.config.distiller != "rounds":
        return []
    task, engine = get_task(run.task), replace(run.config.engine, name="cpu", threads=1)
    env = task.build(run.training_task, 1, engine, 0)
    sees = env.spec.select(run.obs_groups["student"])
    need = needs(run.config, sees, env.num_actions)
    env.close()
    return fits(run.config, need, machine)


def fits(config: PipelineConfig, need: Needs, machine: Machine) -> list[Finding]:
    """Findings about what a run needs, on a machine."""
    budget, fix = (
        config.distill.dataset.budget_gb,
        (
            "lower distill.num_envs, distill.dataset.window or distill.steps_per_iteration, store "
            "smaller images, or raise distill.minibatches"
        ),
    )
    stored = f"{need.transition:,} bytes per stored step"
    if need.dataset > budget:
        return [
            Finding(
                "memory",
                "data set",
                f"at most {budget:g} GiB (distill.dataset.budget_gb)",
                f"{need.dataset:.3g} GiB, {stored}",
                f"{fix}, or raise the budget",
            )
        ]
    free = machine.memory_gib
    if config.engine.resolved_device() != "cuda" and free and need.total * config.processes > free:
        return [
            Finding(
                "memory",
                "this machine",
                f"at most {free:.3g} GiB, which are free",
                f"{need.dataset:.3g} GiB of data and about {need.update:.3g} GiB per update in "
                f"{config.processes} process(es), {stored}",
                fix,
            )
        ]
    return []


def threads(run: Run, machine: Machine) -> list[Finding]:
    """The run's threads fit the cores."""
    config, granted = run.config, machine.quota or machine.cores
    found = []
    for name, value in (
        ("torch_threads", config.torch_threads),
        ("engine.threads", config.engine.threads),
        ("processes", config.processes),
    ):
        if value > granted:
            found.append(
                Finding(
                    "threads",
                    name,
                    f"at most {granted:g}",
                    str(value),
                    "lower it: more threads than cores wait for each other",
                )
            )
    return found


def gpu(run: Run, machine: Machine) -> list[Finding]:
    """A usable GPU is used."""
    if not machine.cuda or run.config.engine.resolved_device() != "cpu":
        return []
    return [
        Finding(
            "cuda",
            "engine",
            "the run on the GPU that torch can use",
            f"engine={run.config.engine.name} on the CPU",
            "run with engine=warp engine.device=auto",
            "warning",
        )
    ]


def examine(run: Run, machine: Machine) -> list[Finding]:
    """All checks before a launch."""
    return memory(run, machine) + threads(run, machine) + gpu(run, machine)
