"""A byte that goes to another process and back tells how late the machine is."""

import os
import signal
import time

from tests.faults.pulse import Pulse


def test_a_machine_that_stands_still_is_late_for_that_long() -> None:
    """The time before and after it is not; what is still under way counts."""
    with Pulse() as pulse:
        echo = pulse._echo.pid  # noqa: SLF001
        time.sleep(0.3)
        began_s = time.monotonic()
        os.kill(echo, signal.SIGSTOP)
        time.sleep(1.0)
        under_way_s = pulse.late_s(began_s, time.monotonic())
        os.kill(echo, signal.SIGCONT)
        ended_s = time.monotonic()
        time.sleep(0.3)
        assert 0.5 < under_way_s < pulse.late_s(began_s, time.monotonic())
        assert 0.5 < pulse.late_s(began_s, ended_s) <= ended_s - began_s
        assert 0.0 == pulse.late_s(began_s - 5, began_s - 4)
