"""Teacher-student policy distillation for robots, on MuJoCo and PyTorch.

The rooms, in the order the data flows: ``sim`` (many worlds, two engines), ``env`` (the task contract),
``envs`` (the tasks), ``policies``, ``teach``, ``distill``, ``evaluate``, ``export``, ``view`` and
``pipeline``, the only room that knows the whole line.
"""

__version__ = "0.1.0"
