"""Findings on the terminal."""

from __future__ import annotations

from robo_ts.doctor.finding import Examination

_MARKS = {"fault": "FAULT", "warning": "warning", "note": "note"}


def show(done: list[Examination]) -> None:
    """Every examination, its findings, and one last line that counts them."""
    for one in done:
        count = len(one.counted)
        said = "nothing found" if not count else f"{count} finding{'s' if count > 1 else ''}"
        print(f"{one.subject}: {said} in {len(one.checks)} checks ({', '.join(one.checks)})")
        for finding in one.findings:
            print(f"  {_MARKS[finding.severity]} [{finding.check}] {finding.where}")
            print(f"    expected {finding.expected}")
            print(f"       found {finding.found}")
            print(f"         fix {finding.fix}")
    total = sum(len(one.counted) for one in done)
    notes = sum(len(one.findings) for one in done) - total
    more = f", {notes} note{'s' if notes != 1 else ''}" if notes else ""
    print(f"{total} finding{'s' if total != 1 else ''}{more}")
