"""Answers to probes: which paths there are, what they say, and how often the servers are asked for them."""

import asyncio
import threading

import pytest

from paceline_worker.telemetry import health
from paceline_worker.telemetry.health import FORMER, LIVE, READY, Health, answer, turning


def test_a_process_that_turns_is_alive_whatever_it_needs_is_missing() -> None:
    """Only what a restart mends shows in /healthz."""
    health = Health(ready=[lambda: "", lambda: "the broker does not answer"])
    assert ("200 OK", "ok") == answer(health, LIVE)
    assert ("503 Service Unavailable", "the broker does not answer") == answer(health, READY)


def test_a_process_that_does_not_turn_is_neither_alive_nor_ready() -> None:
    """The first trouble is told."""
    health = Health(live=[lambda: "the event loop does not turn"], ready=[lambda: "the broker does not answer"])
    assert {"the event loop does not turn"} == {answer(health, path)[1] for path in (LIVE, READY)}


@pytest.mark.parametrize("path", ["/", "/nonsense", "/-/ready", "/healthz/", "/readyz?", ""])
def test_other_paths_are_not_found(path: str) -> None:
    """A probe with a wrong path must fail, and say which paths there are."""
    status, words = answer(Health(), path)
    assert ("404 Not Found", True) == (status, READY in words)


def test_the_former_path_answers_as_before() -> None:
    """Set-ups of earlier releases ask for it."""
    assert ("200 OK", "ok") == answer(Health(ready=[lambda: "no"]), FORMER)


def test_probes_that_come_faster_share_an_answer() -> None:
    """A flood of probes asks the servers once a second; trouble that is over is told as over after that."""
    now, asked = [100.0], []

    def check() -> str:
        asked.append(now[0])
        return "mute" if len(asked) == 1 else ""

    health = Health(ready=[check], clock=lambda: now[0])
    assert ["mute"] * 5 == [health.trouble(READY) for _ in range(5)]
    now[0] += 1.0
    assert [""] * 5 == [health.trouble(READY) for _ in range(5)]
    assert [100.0, 101.0] == asked


def test_a_blocked_loop_is_trouble() -> None:
    """The engine's own check: a loop that sleeps does not turn, and turns again afterwards."""
    loop, free = asyncio.new_event_loop(), threading.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert "" == turning(loop, 10)
        loop.call_soon_threadsafe(free.wait)
        assert "has not turned" in turning(loop, 0.05)
        free.set()
        assert "" == turning(loop, 10)
    finally:
        free.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    assert "the event loop has ended" == turning(loop, 10)


def test_trouble_is_told_within_five_seconds() -> None:
    """An answer is kept for a second; then the loop takes one wait, a server one, and a broker that is asked again two."""
    assert health._KEPT_S + max(health.TURN_S, health.PATIENCE_S, 2 * health.PATIENCE_S) <= 5  # noqa: SLF001
