"""How many control steps are due: pause, single steps, slow and fast motion."""

from __future__ import annotations


class Clock:
    """Turns seconds that have passed into control steps.

    Args:
        step_dt: a control step, s.

    Attributes:
        paused: whether time stands still.
        speed: simulated seconds per second.
    """

    def __init__(self, step_dt: float) -> None:
        self.step_dt, self.speed, self.paused = step_dt, 1.0, False
        self._owed = 0.0
        self._single = 0

    def step_once(self) -> None:
        """One control step is due although time stands still."""
        self.paused = True
        self._single += 1

    def due(self, seconds: float) -> int:
        """Control steps due after ``seconds`` more have passed."""
        if self.paused:
            steps, self._single, self._owed = self._single, 0, 0.0
            return steps
        self._owed += self.speed * seconds / self.step_dt
        steps = int(self._owed)
        self._owed -= steps
        return steps

    def forget(self) -> None:
        """Steps that could not be made in time are not made up for."""
        self._owed = 0.0
