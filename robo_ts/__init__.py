"""Teacher-student policy distillation for robots, on MuJoCo and PyTorch.

The rooms, in the order the data flows: ``sim`` (many worlds, two engines), ``env`` (the task
contract), ``envs`` (the tasks), ``policies``, ``teach``, ``distill``, ``evaluate``, ``export``,
``view``, and ``pipeline``, the only room that knows the whole line.
"""

import os

# torch's threads otherwise spin for a while after each operation and take the cores away from the
# simulation's threads: on two cores that made a task step four times slower. OpenMP reads this
# once, when torch is loaded, so it helps only if robo_ts is imported before torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import sys

__version__ = "0.1.0"

if "gymnasium" in sys.modules:
    # ``import gymnasium, robo_ts`` is enough for gymnasium.make; a robot's computer, which only
    # imports robo_ts.export.runtime, never pays for it. ``import robo_ts.env`` always registers.
    from robo_ts.tasks import register_gymnasium

    register_gymnasium()
