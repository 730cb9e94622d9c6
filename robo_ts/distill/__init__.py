"""Online distillation: roll in, label, store, draw minibatches, imitate."""

from robo_ts.distill.config import (
    DatasetConfig,
    DistillConfig,
    GateConfig,
    RollinConfig,
    Schedule,
)
from robo_ts.distill.distiller import Distiller
from robo_ts.distill.labels import Label
from robo_ts.distill.routing import RoutedTeacher
from robo_ts.distill.teachers import FunctionTeacher, PolicyTeacher, Teacher

__all__ = [
    "DatasetConfig",
    "DistillConfig",
    "Distiller",
    "FunctionTeacher",
    "GateConfig",
    "Label",
    "PolicyTeacher",
    "RollinConfig",
    "RoutedTeacher",
    "Schedule",
    "Teacher",
]
