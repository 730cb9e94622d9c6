"""Curricula over a task's variants: which objects, how many, and how often."""

from robo_ts.teach.curriculum.config import CurriculumConfig
from robo_ts.teach.curriculum.variants import VariantCurriculum, VariantEnv, has_variants

__all__ = ["CurriculumConfig", "VariantCurriculum", "VariantEnv", "has_variants"]
