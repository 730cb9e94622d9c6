"""Which rung loses most, and what to try: one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Losses below this share of all episodes are not spoken of, whatever their interval.
LEAST_LOSS = 0.03

# What to try, by the rung that loses.
ADVICE = {
    "capacity": "give the student a larger network (student.encoder, student.memory_size) or more "
    "updates (distill.minibatches, distill.epochs, distill.learning_rate)",
    "information": "its sensors do not tell what the teacher knows: give it memory (student=gru) "
    "or another sensor, let the teacher prefer what can be imitated "
    "(teacher.informed.weight), or let it learn from reward (finetune=reward)",
    "distribution shift": "let the student act while data is gathered and keep older rounds "
    "(distill.rollin.warmup_iterations=10 distill.rollin.beta=0 distill.dataset.window=4)",
    "training": "its own training ends short of what a short one reached: look at its curves, "
    "train longer (distill.iterations), or let the noise it trains with grow slowly",
    "noise": "train with the noise and latency that it is measured with (training.*), give it "
    "memory to average over, or mend the sensors",
    "export": "compare the file with torch step by step (robo-ts export, export.tolerance)",
}


@dataclass(frozen=True)
class Verdict:
    """What the ladder says.

    Attributes:
        rung: the rung that loses most; empty when nothing worth speaking of is lost.
        loss: what it loses, a share of all episodes.
        total: what is lost between the teacher and the last rung, a share of all episodes.
        losses: what every measured rung loses.
        sentence: all of it for people.
    """

    rung: str
    loss: float
    total: float
    losses: dict[str, float]
    sentence: str


def judge(rungs: list[dict[str, Any]]) -> Verdict:
    """Say where success is lost.

    A rung is at least as easy as the next one, so what a later rung reached counts for it as well;
    a short distillation is never blamed for what the run's own, longer one could do.

    Args:
        rungs: from the teacher downwards: ``name`` and, where measured, ``success`` with ``mean``,
            ``ci95`` and ``episodes``.
    """
    measured = [rung for rung in rungs if rung.get("success")]
    reached = [rung["success"]["mean"] for rung in measured]
    for i in reversed(range(len(reached) - 1)):
        reached[i] = max(reached[i], reached[i + 1])
    # The teacher is the measure; a student that does better than it has lost nothing.
    ceiling = measured[0]["success"]["mean"]
    reached = [min(share, ceiling) for share in reached]
    losses = {
        rung["name"]: reached[i] - reached[i + 1] for i, rung in enumerate(measured[1:], start=0)
    }
    total = reached[0] - reached[-1]
    worst = max(losses, key=lambda name: losses[name], default="")
    last = measured[-1]
    beyond_chance = last["success"]["ci95"][1] < measured[0]["success"]["ci95"][0]
    if total < LEAST_LOSS or not beyond_chance:
        sentence = (
            f"Nothing worth speaking of is lost: the teacher succeeds in {ceiling:.1%}, "
            f"{last['title']} in {last['success']['mean']:.1%} of the same "
            f"{last['success']['episodes']} worlds."
        )
        return Verdict("", 0.0, total, losses, sentence)
    sentence = (
        f"Most is lost at {worst!r}: {100 * losses[worst]:.0f} of the {100 * total:.0f} points "
        f"between the teacher ({ceiling:.1%}) and {last['title']} ({last['success']['mean']:.1%}); "
        f"try this: {ADVICE[worst]}."
    )
    return Verdict(worst, losses[worst], total, losses, sentence)
