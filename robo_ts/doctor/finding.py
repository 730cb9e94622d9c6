"""What a check found: expected, found, how to mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SEVERITIES = ("fault", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        check: which check found it, such as ``leak``.
        where: what it is about: a group, a term, an action, a file.
        expected: what would have been right.
        found: what is there instead.
        fix: how to mend it.
        severity: ``fault`` (results will be wrong), ``warning`` (they may be), or ``note`` (good to
            know; it does not count as a finding).
    """

    check: str
    where: str
    expected: str
    found: str
    fix: str
    severity: str = "fault"

    @property
    def counts(self) -> bool:
        """Whether it makes the doctor's exit status 1."""
        return self.severity != "note"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Examination:
    """Everything the doctor looked at, and what it found.

    Attributes:
        subject: what was examined, in a few words.
        checks: names of the checks that were made, found or not.
        findings: in the order they were found.
    """

    subject: str
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def counted(self) -> tuple[Finding, ...]:
        """Faults and warnings."""
        return tuple(finding for finding in self.findings if finding.counts)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "subject": self.subject,
            "checks": list(self.checks),
            "findings": [finding.to_json() for finding in self.findings],
        }
