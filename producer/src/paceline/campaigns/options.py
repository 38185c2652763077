"""What may be changed of a campaign while it runs, as values and as the texts that state holds."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from paceline.forecast.ramp import canonical_ramp
from paceline.lua.fields import CAMPAIGN
from paceline.operations.base import Refusing, canonical_window
from paceline.operations.values import Instant
from paceline.times import microseconds
from paceline.window import Window, as_text

_RATE: Final = re.compile(
    r"\s*([1-9][0-9]{0,8})\s*(?:/|\s+per\s+)\s*([1-9][0-9]{0,4})?\s*(second|minute|hour|day)s?\s*"
)
_UNIT_US: Final = {"second": 1_000_000, "minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}
# Openings are written down a year ahead: the scripts know no time zones.
_YEAR: Final = timedelta(days=366)
_MOST_OPENINGS: Final = 800

_SPAN: Final = re.compile(r"\s*([1-9][0-9]{0,3})\s*(h|d|w)\s*")
_SPAN_HOURS: Final = {"h": 1, "d": 24, "w": 168}
LONGEST_SPAN: Final = timedelta(days=366)

OnSenderFailure = Literal["hand-over", "stop"]
DEFAULT_AUTO_PAUSE: Final = 20
HEAVIEST: Final = 1000


def cap_us(rate: str) -> int:
    """The least time between two operations under a rate.

    Args:
        rate: such as ``100/minute``, ``5 per second`` or ``10 per 2 hours``.

    Returns:
        Microseconds.

    Raises:
        ValueError: it is no single rate.
    """
    found = _RATE.fullmatch(rate)
    if not found:
        raise ValueError("is not a rate such as 100/minute or 5 per second")
    number, multiple, unit = found.groups()
    return max(1, _UNIT_US[unit] * int(multiple or 1) // int(number))


def span(text: str) -> timedelta:
    """A span of time such as ``12h``, ``7d`` or ``2w``.

    Raises:
        ValueError: it is none.
    """
    found = _SPAN.fullmatch(text)
    length = timedelta(hours=int(found[1]) * _SPAN_HOURS[found[2]]) if found else None
    if length is None or length > LONGEST_SPAN:
        raise ValueError("is not a span of time such as 12h, 7d or 2w, up to a year")
    return length


def _checked_span(text: str) -> str:
    if text.strip():
        span(text)
    return text.strip()


def _checked_rate(rate: str) -> str:
    if rate:
        cap_us(rate)
    return rate.strip()


def _canonical(window: str) -> str:
    return canonical_window(window) if window.strip() else ""


def _openings_of(window: str, begin: datetime) -> dict[str, str]:
    """What a campaign's hash holds of its window; the openings of its recipients' own hours are of their zones (hours.py)."""
    if not window:
        return {"openings": ""}
    hours = Window.parse(window)
    if hours.is_recipients:
        return {"openings": "", "zoned": "1"}
    return {"openings": as_text(hours.openings(begin, begin + _YEAR, _MOST_OPENINGS))}


class CampaignOptions(Refusing):
    """What holds for all that a campaign has not begun; None leaves it as it is, and '' takes it away.

    Args:
        weight: its share of its sender's turns against other campaigns, 1 (at first) to 1000.
        rate: not faster than this, whatever the account allows, such as ``100/minute``.
        ramp: most messages that each of its numbers sends on its first day, its second and so on, such as ``20,40,80``. The
            last figure holds for all later days. Day 1 begins with the number's first message of a campaign with a ramp.
        window: local hours with a zone in which it sends, such as ``Mon-Fri 09:00-18:00 Europe/Berlin``. The zone ``recipient``
            stands for the zones of each recipient.
        auto_pause: it is paused when more than so many percent of its last 100 answers are rejections; at first 20, 0 never.
        not_within: recipients who had a bulk message of the account within this time before their turn, such as ``7d``, end as
            ``suppressed``. The account must remember for as long.
        valid_until: not sent later.
        on_sender_failure: of a campaign with several senders: the recipients of a sender that fails are handed over to the others
            (``hand-over``, at first), or wait (``stop``).

    Raises:
        InvalidOperation: one of them cannot be; the message names it.
    """

    weight: int | None = Field(default=None, ge=1, le=HEAVIEST)
    rate: Annotated[str, AfterValidator(_checked_rate)] | None = None
    ramp: Annotated[str, AfterValidator(canonical_ramp)] | None = None
    window: Annotated[str, AfterValidator(_canonical)] | None = None
    auto_pause: int | None = Field(default=None, ge=0, le=100)
    not_within: Annotated[str, AfterValidator(_checked_span)] | None = None
    valid_until: Instant | None = None
    on_sender_failure: OnSenderFailure | None = None

    def texts(self, now: datetime | None = None) -> dict[str, str]:
        """As the campaign's hash holds them: field to text, '' for a removed option.

        Args:
            now: from when on openings of the window are written down; by default the clock's.
        """
        texts: dict[str, str] = {}
        if self.weight is not None:
            texts["weight"] = str(self.weight)
        if self.rate is not None:
            texts |= {"rate": self.rate, "cap": str(cap_us(self.rate)) if self.rate else ""}
        if self.ramp is not None:
            texts["ramp"] = self.ramp
        if self.window is not None:
            texts |= {"window": self.window} | _openings_of(self.window, now or datetime.now(UTC))
        if self.auto_pause is not None:
            texts["auto_pause"] = str(self.auto_pause)

        if self.not_within is not None:
            us = span(self.not_within) // timedelta(microseconds=1) if self.not_within else ""
            texts |= CAMPAIGN.coded(not_within=self.not_within, silence=str(us))

        if self.on_sender_failure is not None:
            texts["on_failure"] = "stop" if self.on_sender_failure == "stop" else ""
        if self.valid_until is not None:
            texts[CAMPAIGN.code("valid_until")] = str(microseconds(self.valid_until))

        return texts
