"""What is foreseen for a campaign, and why not earlier, from replies of look.lua made by hand."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline.forecast.outlook import Forecast, forecast_of
from paceline.state.pictures import CampaignPicture
from tests.unit.samples import NOON, NOON_US, SENDER

SECOND = 1_000_000
INTERVAL = 6_100_000


def found(
    campaign: dict[str, str] | None = None,
    account: dict[str, Any] | None = None,
    others: tuple[dict[str, Any], ...] = (),
    waiting: int = 11,
    timed: int = 0,
    **more: Any,
) -> CampaignPicture:
    """A campaign of 11 on an account of its own, whose next slot is two seconds ahead."""
    fields = {"a": "acme", "f": SENDER} | (campaign or {})
    bucket = {"name": "acme", "next_slot": str(NOON_US + 2 * SECOND), "interval_now": str(INTERVAL)} | (account or {})
    own = {"name": "spring", "waiting": waiting, "timed": timed} | fields
    lane = {"sender": SENDER, "transactional": 0, "sources": [own, *others]}
    reply = {"campaign": fields, "account": bucket, "lanes": [lane], "now": str(NOON_US)} | more
    return CampaignPicture.read(reply)


def seconds(forecast: Forecast) -> tuple[float | None, float | None]:
    """Start and end, in seconds after noon."""
    times = (forecast.starts_at, forecast.ends_at)
    start, end = (None if at is None else (at - NOON) / timedelta(seconds=1) for at in times)
    return start, end


AT_PACE = "the account sends one every 6.1 s"
OTHER = {"name": "other", "waiting": 11, "timed": 0}
WINDOW = {
    "window": "12:01-13:00 UTC",
    "opens": str(NOON_US + 60 * SECOND),
    "closes": str(NOON_US + 3600 * SECOND),
    "openings": "",
}


@pytest.mark.parametrize(
    ("expected", "why", "reply"),
    [
        ((2, 63), AT_PACE, found()),
        ((None, None), "no operation waits", found(waiting=0)),
        ((None, None), "its account was removed", replace(found(), account=None)),
        ((None, None), "the account is suspended: unpaid", found(account={"suspended": "unpaid"})),
        (
            (None, None),
            "the campaign is paused since 2026-01-31 12:00:00 UTC: a typo",
            found({"hold": "paused", "hold_why": "a typo", "hold_at": str(NOON_US)}),
        ),
        ((60, 121), "the campaign's window (12:01-13:00 UTC) opens at 2026-01-31 12:01:00 UTC", found(WINDOW)),
        (
            (None, None),
            "the campaign's window (12:01-13:00 UTC) never opens again",
            found(WINDOW | {"opens": "0", "closes": "0"}),
        ),
        (
            (2, 2 + 10 * 12),
            "one every 12 s by the campaign's own rate of 5/minute",
            found({"cap": "12000000", "rate": "5/minute"}),
        ),
        (
            (62, 123),
            "the account pauses until 2026-01-31 12:01:02 UTC because the provider throttled it",
            found(account={"paused_until": str(NOON_US + 62 * SECOND), "next_slot": str(NOON_US + 62 * SECOND)}),
        ),
        (
            (3600, 3661),
            "its operations have a `not_before` of 2026-01-31 13:00:00 UTC",
            found(waiting=0, timed=11, first_timed=NOON_US + 3600 * SECOND, last_timed=NOON_US + 3600 * SECOND),
        ),
        (
            (2, 7200),
            AT_PACE,
            found(timed=1, first_timed=NOON_US + 7200 * SECOND, last_timed=NOON_US + 7200 * SECOND),
        ),
        ((2, 2 + 19 * 6.1), f"{AT_PACE}, shared with 9 others", found(waiting=10, others=(OTHER | {"waiting": 9},))),
        ((2, 63), f"{AT_PACE}", found(others=(OTHER | {"hold": "paused"},))),
    ],
)
def test_a_campaign_says_when_it_ends_and_why_not_earlier(
    expected: tuple[float | None, float | None], why: str, reply: CampaignPicture
) -> None:
    """Each cause is named, and counted in."""
    forecast = forecast_of("spring", reply)
    start, end = seconds(forecast)
    assert why == forecast.why
    assert expected[0] == (start if start is None else pytest.approx(start, abs=0.001))
    assert expected[1] == (end if end is None else pytest.approx(end, abs=6.2 if "shared" in why else 0.001))


def test_rows_not_accepted_so_far_are_counted_in() -> None:
    """What lies in the inbox is taken into the lane in a moment."""
    assert 15 == forecast_of("spring", found({"inbox": "4"})).remaining
