from typing import Any

import numpy as np

DATA_FIELDS: frozenset[str]
MODEL_FIELDS: frozenset[str]

class SimulationError(RuntimeError):
    ids: np.ndarray

class Batch:
    state: np.ndarray
    warning: np.ndarray
    status: np.ndarray
    def __init__(
        self, model: Any, nsim: int, nthread: int = 0, persistent: bool = False
    ) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
