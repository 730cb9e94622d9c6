"""How many control steps a learner that goes window by window takes."""

from __future__ import annotations

from dataclasses import replace

from robo_ts.teach.windows import WindowsConfig


def steps_of(stage: WindowsConfig) -> float:
    """Control steps of a stage, whose windows grow over its first third."""
    return stage.iterations * steps_per_round(stage)


def steps_per_round(stage: WindowsConfig) -> float:
    """Of its rounds, on average."""
    return stage.num_envs * (stage.window - (stage.window - stage.first_window) / 6.0)


def for_a_new_student(tune: WindowsConfig) -> WindowsConfig:
    """Fine-tuning that has a random student to begin with, not a distilled one: short windows at
    first, and the statistics of its inputs."""
    return replace(tune, first_window=min(30, tune.window), normalizer_iterations=20)


def from_nothing(tune: WindowsConfig) -> tuple[str, ...]:
    """What :func:`for_a_new_student` changes, as words of the command line."""
    new = for_a_new_student(tune)
    return (
        f"tune.first_window={new.first_window}",
        f"tune.normalizer_iterations={new.normalizer_iterations}",
    )
