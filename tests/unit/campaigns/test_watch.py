"""What `campaign watch` draws: a bar, the rate, the time left, outcomes in colours; pure."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from paceline.campaigns.progress import Progress
from paceline.cli.campaign.watch import Throughput, drawing, line
from paceline.cli.render import styled
from paceline.forecast.outlook import Forecast
from paceline.literals import OUTCOMES

SEEN = Progress(
    name="spring",
    received=1000,
    duplicates=0,
    refused=0,
    in_inbox=0,
    outcomes=dict.fromkeys(OUTCOMES, 0) | {"accepted": 380, "rejected": 15, "held": 5},
    remaining=600,
    uploaded=True,
    delivered=350,
)
NEVER = Forecast(None, None, 600, "no slot is known")


def shown(seen: Progress, per_minute: float | None = 58.0, forecast: Forecast = NEVER, *, color: bool = False) -> str:
    screen = Console(file=io.StringIO(), force_terminal=color, width=80, color_system="standard", no_color=not color)
    screen.print(drawing(seen, per_minute, forecast))
    return screen.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_a_bar_with_rate_and_time_left() -> None:
    """Three lines, however large the campaign is."""
    first, second, third = shown(SEEN).splitlines()
    assert "400 of 1,000 (40.0%)" in first
    assert "running, 58 a minute, 10 min 21 s left" == second.strip()
    assert "accepted 380, rejected 15, held 5, delivered 350" == third.strip()


def test_the_forecast_tells_the_time_left() -> None:
    """Windows and limits are in it, which the rate of a minute does not know."""
    ends = datetime.now(UTC) + timedelta(hours=3, seconds=30)
    assert "3 h left" in shown(SEEN, forecast=replace(NEVER, starts_at=datetime.now(UTC), ends_at=ends))


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (replace(SEEN, hold="paused", why="lunch"), "paused: lunch"),
        (replace(SEEN, remaining=0, outcomes={**SEEN.outcomes, "accepted": 980}), "complete"),
    ],
)
def test_a_campaign_that_does_not_run_has_no_time_left(seen: Progress, words: str) -> None:
    """Why, instead."""
    assert words == shown(seen).splitlines()[1].strip()
    assert " left" not in line(seen, 58.0, None)


def test_before_there_is_a_rate() -> None:
    """The forecast's reason stands in place of the end."""
    assert "running, measuring the rate, no slot is known" == shown(SEEN, None).splitlines()[1].strip()


def test_a_line_for_pipes() -> None:
    """No control characters; rate and time left when they are known."""
    assert "spring: 400 of 1,000 (40.0%) settled, 600 remaining, 350 delivered" == line(SEEN)
    assert line(SEEN, 58.0, timedelta(minutes=10)).endswith("350 delivered, 58 a minute, 10 min left")


def test_colours_mean_something() -> None:
    """Green is accepted, red rejected, yellow for a person to look at; without colours the words are the same."""
    drawn = shown(SEEN, color=True)
    for code, words in (("32", "accepted 380"), ("31", "rejected 15"), ("33", "held 5")):
        assert f"\x1b[{code}m{words}" in drawn, words
    assert "\x1b[3" not in shown(SEEN)
    assert ("green", "red", "yellow", "") == tuple(
        styled(word).style for word in ("running", "suspended", "paused", "Ada")
    )


def test_the_rate_is_of_the_last_minute() -> None:
    """Not measured before two seconds have passed; a count that falls (a replay) begins again."""
    pace = Throughput()
    pace.note(0.0, 0)
    assert pace.per_minute is None
    pace.note(1.0, 100)
    assert pace.per_minute is None
    for second in range(2, 200):
        pace.note(float(second), 100 + second)
    assert 60 == round(pace.per_minute or 0)
    pace.note(200.0, 5)
    assert pace.per_minute is None
