"""What the log tells of a state server that does not answer: once for each trouble, and never less."""

import pytest
from structlog.testing import capture_logs

from paceline_worker.state.outage import Outage

ERROR = ConnectionError("refused")
AWAY, BACK = "the state server does not answer; nothing is granted", "the state server answers again"


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which the test moves."""
    now = [100.0]
    monkeypatch.setattr("paceline_worker.state.outage.time.monotonic", lambda: now[0])
    return now


def told(trouble: Outage, now_s: list[float], *steps: tuple[float, str]) -> list[str]:
    """The events that follow from what happens after so many seconds each: 'fails' or 'answers'."""
    with capture_logs() as logs:
        for pause_s, what in steps:
            now_s[0] += pause_s
            if what == "fails":
                trouble.began(ERROR)
            else:
                trouble.ended()
    return [str(line["event"]) for line in logs]


def test_an_outage_is_told_once(now_s: list[float]) -> None:
    """However many commands fail, and whoever notices."""
    steps = ((0, "fails"), (1, "fails"), (5, "fails"), (1, "answers"), (1, "answers"))
    assert [AWAY, BACK] == told(Outage(), now_s, *steps)


def test_an_echo_is_the_same_trouble(now_s: list[float]) -> None:
    """A connection that learns of it later tells nothing."""
    steps = ((0, "fails"), (3, "answers"), (0.5, "fails"), (0.1, "answers"))
    assert [AWAY, BACK] == told(Outage(), now_s, *steps)


def test_what_lasts_is_no_echo(now_s: list[float]) -> None:
    """A second outage soon after the first is told when it has lasted, not at its end."""
    steps = ((0, "fails"), (3, "answers"), (0.5, "fails"), (1, "fails"), (1.5, "fails"), (60, "fails"))
    trouble = Outage()
    assert [AWAY, BACK, AWAY] == told(trouble, now_s, *steps)
    assert [BACK] == told(trouble, now_s, (0, "answers"))


def test_the_shard_is_named() -> None:
    """Where state has several shards."""
    with capture_logs() as logs:
        Outage(shard=3).began(ERROR)
    assert [3] == [line.get("shard") for line in logs]
