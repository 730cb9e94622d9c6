"""What the page asks of whatever it shows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import mujoco

from robo_ts.env.viewing import Choice, Slider, ViewSpec
from robo_ts.errors import RoboTSError
from robo_ts.view.history import History
from robo_ts.view.snapshot import Snapshot


class Rollout(ABC):
    """Worlds that move step by step and can be looked at.

    What a kind of rollout cannot do it leaves as it is here: there is then nothing to choose, to
    set or to push.

    Attributes:
        task_name: what is shown, in a word.
        model: the model of all worlds.
        view: how they are shown.
        num_envs: number of worlds.
        seed: of the episodes.
        world: the one that is looked at closely.
        step_count: control steps since the episodes began.
        condition: the chosen one of :meth:`conditions`.
        parameters: those set by hand, by path.
        chosen: of :meth:`alternatives`, by label.
        can_record: whether clips can be made of it.
    """

    task_name: str
    model: mujoco.MjModel
    view: ViewSpec
    num_envs: int
    seed: int
    world: int
    step_count: int
    condition: str = ""
    parameters: dict[str, float]
    chosen: dict[str, str]
    can_record: bool = False

    @property
    @abstractmethod
    def step_dt(self) -> float:
        """A control step, s."""

    @property
    @abstractmethod
    def players(self) -> list[str]:
        """Who acts: one name per lane."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether every episode has ended."""

    @abstractmethod
    def step(self) -> None:
        """One control step of all worlds; when all is over, they only begin anew."""

    @abstractmethod
    def reset(self, seed: int | None = None) -> None:
        """Begin anew, with the same seed when None."""

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """What is to be shown now."""

    def select(self, world: int) -> None:
        """Choose the world that is looked at closely.

        Raises:
            RoboTSError: when there is none of that number.
        """
        if not 0 <= world < self.num_envs:
            raise RoboTSError(f"a world from 0 to {self.num_envs - 1}", str(world), "choose one")
        self.world = world

    def close(self) -> None:  # noqa: B027 - nothing to free is a fair default
        """Free what it holds."""

    # -- what can be chosen, set and pushed --------------------------------------------------------

    def choices(self) -> list[str]:
        """Names of the policies that can act."""
        return []

    def swap(self, lane: int, name: str) -> None:
        """Let another policy take over a lane in flight."""
        raise _cannot("policies to choose from", name)

    def set_beside(self, name: str) -> None:
        """Show another policy beside the first; nobody for an empty name."""
        raise _cannot("policies to choose from", name)

    def refresh(self) -> list[str]:
        """Take newer policies from disk; the names of those that changed."""
        return []

    def bodies(self) -> list[str]:
        """Names of the bodies that can be pushed."""
        return []

    def push(
        self, velocity: Sequence[float], worlds: Sequence[int] | None = None, body: str = ""
    ) -> None:
        """Push a body, in the chosen world when ``worlds`` is None."""
        raise _cannot("bodies that can be pushed", body)

    def sliders(self) -> list[Slider]:
        """Parameters people may set."""
        return []

    def set_parameter(self, path: str, value: float | None) -> None:
        """Pin a physical parameter, or let it be drawn again with None."""
        raise _cannot("parameters that can be set", path)

    def free_parameters(self) -> None:  # noqa: B027 - so is nothing to set
        """Let every parameter be drawn again."""

    def alternatives(self) -> Sequence[Choice]:
        """What of the settings people may choose by name, such as the object or the opponent."""
        return ()

    def choose(self, label: str, name: str) -> None:
        """Choose one of :meth:`alternatives`, or what the settings say for an empty name."""
        raise _cannot("settings to choose from", label)

    def conditions(self) -> dict[str, str]:
        """Conditions it can be set to, and what they are."""
        return {}

    def set_condition(self, name: str) -> None:
        """Set it to one of :meth:`conditions`."""
        raise _cannot("conditions to choose from", name)

    # -- more to show ------------------------------------------------------------------------------

    def action_names(self) -> list[str]:
        """Names of the actions, in order."""
        return []

    def histories(self) -> list[History]:
        """What plots show, one per lane."""
        return []

    def measured(self) -> list[set[str]]:
        """What else the histories keep, per lane: ``action error``, ``memory``, ``success``."""
        return []

    def reward_names(self) -> list[str]:
        """Names under which the first history keeps the reward's terms."""
        return []


def _cannot(expected: str, got: str) -> RoboTSError:
    return RoboTSError(f"a rollout with {expected}", f"{got!r} of one without", "show a task")
