"""The clock that leases are counted by."""

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Where Linux' clock is not there, the other one goes on while the machine sleeps as well."""


def boottime() -> float:
    """Seconds that go on while the machine sleeps or the process is stopped, and that nobody can set."""
    return time.clock_gettime(_CLOCK)
