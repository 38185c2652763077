"""A signal ends the demo once, and never while a process is being started."""

from __future__ import annotations

import os
import signal

import pytest

from paceline_sandbox.demo.interrupts import Interrupted, Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_usual_exit_code(number: signal.Signals) -> None:
    """128 and its number; those that follow are ignored."""
    with Interrupts():
        with pytest.raises(Interrupted) as interrupted:
            os.kill(os.getpid(), number)
        assert interrupted.value.exit_code == 128 + number
        os.kill(os.getpid(), number)


def test_a_shielded_stretch_is_finished_first() -> None:
    """What was started in it is known when the interruption comes."""
    started: list[str] = []

    def start() -> None:
        with interrupts.shield():
            os.kill(os.getpid(), signal.SIGTERM)
            started.append("child")

    with Interrupts() as interrupts, pytest.raises(Interrupted):
        start()
    assert started == ["child"]


def test_a_failure_in_a_shielded_stretch_is_not_hidden() -> None:
    """The error comes out, not the interruption."""

    def start() -> None:
        with interrupts.shield():
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("no such program")

    with Interrupts() as interrupts, pytest.raises(OSError, match="no such program"):
        start()


def test_handlers_are_put_back() -> None:
    """And a signal that was ignored stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        at_first = signal.getsignal(signal.SIGINT)
        with Interrupts():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGINT) is not at_first
        assert signal.getsignal(signal.SIGINT) is at_first
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
