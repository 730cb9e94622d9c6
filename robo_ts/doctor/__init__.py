"""What would go wrong: environments, policies, pairs of them, runs, exports and machines checked
before and after; every finding says what was expected, what was found, and how to mend it."""

from robo_ts.doctor import examine
from robo_ts.doctor.finding import Examination, Finding
from robo_ts.doctor.patients import examine_all
from robo_ts.doctor.show import show

__all__ = ["Examination", "Finding", "examine", "examine_all", "show"]
