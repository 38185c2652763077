"""Outcomes in the log: one line each while they are few, a number when they are many."""

from structlog.testing import capture_logs

from paceline_worker.telemetry.outcome_log import OutcomeLog


def test_each_outcome_has_a_line_while_they_are_few() -> None:
    """A person greps for an operation and finds what became of it."""
    with capture_logs() as lines:
        OutcomeLog().settled("01k0", "acme", "accepted", "200")
    expected = {"operation": "01k0", "account": "acme", "outcome": "accepted", "code": "200"}
    assert [{"event": "outcome", "log_level": "info"} | expected] == lines


def test_many_outcomes_become_a_number() -> None:
    """Lines written and lines left out are all outcomes together."""
    now = [10.0]
    outcomes = OutcomeLog(most=3, clock=lambda: now[0])
    with capture_logs() as lines:
        for number in range(20):
            outcomes.settled(str(number), "acme", "accepted", "200")
        now[0] += 1
        outcomes.settled("last", "acme", "accepted", "200")
    assert ["0", "1", "2", "last"] == [line["operation"] for line in lines if line["event"] == "outcome"]
    assert [17] == [line["operations"] for line in lines if "operations" in line]
