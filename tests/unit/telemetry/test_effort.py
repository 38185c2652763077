"""What a call costs a worker, as its heartbeat tells it."""

import pytest

from paceline_worker.telemetry.effort import Cost, Effort


def beat(effort: Effort, calls: int, duration_s: float, cpu_at_s: float) -> Cost:
    for _ in range(calls):
        effort.called(duration_s)
    return effort.beat(cpu_at_s)


def test_before_anything_was_sent_nothing_is_measured() -> None:
    """What the process used to start is not the cost of a call."""
    effort = Effort()
    assert Cost() == effort.beat(3.0)
    assert Cost() == effort.beat(3.5)


def test_a_busy_beat_tells_the_cost_of_a_call() -> None:
    """100 calls of 0.2 s, and 0.05 s of CPU since the beat before."""
    effort = Effort()
    effort.beat(3.0)
    cost = beat(effort, 100, 0.2, 3.05)
    assert pytest.approx(0.2) == cost.latency_s
    assert pytest.approx(0.0005) == cost.cpu_s


def test_a_quiet_beat_changes_nothing() -> None:
    """What a worker does while it has hardly anything to send is not the cost of a call."""
    effort = Effort()
    effort.beat(0.0)
    busy = beat(effort, 100, 0.2, 0.05)
    assert busy == beat(effort, 3, 5.0, 1.05)


def test_what_changed_is_told_soon() -> None:
    """After ten busy beats two thirds of a change show."""
    effort = Effort()
    effort.beat(0.0)
    for number in range(100):
        beat(effort, 100, 0.2, (number + 1) * 0.05)
    for number in range(10):
        cost = beat(effort, 100, 1.2, 5 + (number + 1) * 0.05)
    assert 0.2 + 0.6 < cost.latency_s < 1.2
