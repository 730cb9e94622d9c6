"""What each of two processes does in ``test_distributed``."""

import sys
from pathlib import Path

import torch

from robo_ts.distill import DistillConfig, Distiller
from robo_ts.distributed import rank, started
from robo_ts.policies.normalizer import Normalizer
from tests.distill.test_parts_together import Knowing, student_of
from tests.distill.vec_env import Chase


def main(out: Path) -> None:
    """Train three rounds; write down what this process saw and what it ended with."""
    torch.set_num_threads(1)
    with started():
        student = student_of()
        with torch.no_grad():
            student.head.bias.add_(rank())  # every process begins with other weights
        config = DistillConfig(
            num_envs=8, steps_per_iteration=10, bptt_length=10, minibatches=2, iterations=3
        )
        distiller = Distiller(Chase(8, seed=rank()), Knowing(), student, config, seed=0)
        normalizer = student.normalizer
        assert isinstance(normalizer, Normalizer)
        distiller._gather()
        seen = distiller.dataset.newest().obs["glimpse"].clone()
        statistics = {"mean": normalizer.mean.clone(), "variance": normalizer.variance.clone()}
        distiller.updater.run(distiller.dataset, 0, None)
        for _ in range(2):
            distiller.learn_one()
        weights = torch.nn.utils.parameters_to_vector(student.parameters()).detach()
        found = {"seen": seen, "weights": weights, **statistics}
        torch.save(found, out / f"{rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
