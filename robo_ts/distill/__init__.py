"""Online distillation: roll in, label, store, draw minibatches, imitate."""

from robo_ts.distill.config import DistillConfig, RollinConfig
from robo_ts.distill.distiller import Distiller
from robo_ts.distill.teachers import PolicyTeacher, Teacher

__all__ = ["DistillConfig", "Distiller", "PolicyTeacher", "RollinConfig", "Teacher"]
