"""The small groups of a run's settings."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from robo_ts.checks import (
    check_at_least_one,
    check_finite,
    check_not_negative,
    check_one_of,
    check_positive,
    check_shares,
)
from robo_ts.env import ObservationSpec
from robo_ts.errors import RoboTSError
from robo_ts.policies import Policy, PolicyConfig
from robo_ts.policies.adapter import AdapterConfig, AdapterPolicy
from robo_ts.policies.fold import check_foldable

KINDS = ("plain", "adapter")


@dataclass
class GateConfig:
    """When a teacher is good enough to learn from.

    Attributes:
        success: least success rate.
        episodes: whole episodes it is measured on.
        member_success: least success rate of a single member of a population; nothing is learnt
            from weaker ones.
    """

    success: float = 0.9
    episodes: int = 512
    member_success: float = 0.0

    def __post_init__(self) -> None:
        check_finite(self, "gate")
        if self.episodes < 1:
            raise RoboTSError("gate.episodes >= 1", str(self.episodes), "raise it")
        check_shares(self, "gate", ("success", "member_success"))


@dataclass
class RouteConfig:
    """Further teachers of one student: each labels the states it is in charge of.

    Attributes:
        bundles: their folders. The run's own teacher comes before them.
        term: observation ``group.term`` of one number that tells who is in charge, such as how
            upright a robot stands.
        edges: ascending, one per further teacher: the run's own is in charge below the first edge,
            the first of ``bundles`` from there to the second, and so on.
    """

    bundles: list[str] = field(default_factory=list)
    term: str = ""
    edges: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.edges) != len(self.bundles) or self.edges != sorted(self.edges):
            raise RoboTSError(
                f"{len(self.bundles)} ascending route.edges, one per bundle of route.bundles",
                str(list(self.edges)),
                "give one per bundle",
            )
        if self.bundles and not self.term:
            raise RoboTSError("a route.term to choose between teachers", "none", "name one")


@dataclass
class RayConfig:
    """Where a population is trained with ``launcher=ray``.

    Attributes:
        address: of a running cluster, such as ``auto`` or ``10.0.0.1:6379``; empty for one that is
            started on this machine for the purpose.
        tasks: that the population is split into; 0 for as many as run at once.
        cpus: of each task, and its torch threads.
        gpus: of each task, or a share of one.
    """

    address: str = ""
    tasks: int = 0
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        check_not_negative(self, "ray", ("tasks", "gpus"))
        check_positive(self, "ray", ("cpus",))


@dataclass
class StudentConfig(PolicyConfig):
    """A student's network, and how it is put together.

    Attributes:
        groups: observation groups it reads, in order; those that the task names when empty. Fewer
            make a control experiment, such as one without its cameras.
        kind: ``plain`` (it acts by itself) or ``adapter`` (it perceives for the frozen teacher,
            with adapters between that one's layers; a teacher without memory is needed).
        adapter: settings of the latter.
        fold: whether the normaliser becomes part of the first layer once the student is trained.
    """

    groups: list[str] = field(default_factory=list)
    kind: str = "plain"
    fold: bool = False
    adapter: AdapterConfig = field(default_factory=AdapterConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_one_of("student.kind", self.kind, KINDS)
        if self.fold and (self.kind != "plain" or not self.encoder):
            raise RoboTSError(
                "a plain student with an encoder for student.fold=true",
                f"student.kind={self.kind} with student.encoder={self.encoder}",
                "set student.encoder, for example [16], or student.fold=false",
            )

    def build(self, spec: ObservationSpec, teacher: Policy | None, num_actions: int) -> Policy:
        """An untrained student that reads ``spec``; only an adapter needs to know its teacher."""
        names = [f.name for f in dataclasses.fields(PolicyConfig)]
        network = PolicyConfig(**{name: getattr(self, name) for name in names})
        if self.kind == "adapter":
            if teacher is None:
                raise RoboTSError(
                    "a teacher for student.kind=adapter", "none", "set student.kind=plain"
                )
            return AdapterPolicy(network, spec, teacher, self.adapter)
        student = Policy(network, spec, num_actions)
        if self.fold:
            check_foldable(student)  # before it is trained, not after
        return student


@dataclass
class ExportConfig:
    """How an export is checked.

    Attributes:
        steps: control steps over which the file and torch fly side by side.
        num_envs: worlds in which they do.
        tolerance: greatest difference of any action.
    """

    steps: int = 600
    num_envs: int = 128
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        check_finite(self, "export")
        check_at_least_one(self, "export", ("steps", "num_envs"))
        if not self.tolerance > 0.0:
            raise RoboTSError("export.tolerance > 0", str(self.tolerance), "raise it")
