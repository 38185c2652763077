"""When a campaign is expected to leave, in words, and whether that is in time."""

from dataclasses import dataclass
from datetime import datetime

from paceline.campaigns.plan.plan import plan_rest
from paceline.cli.errors import complain
from paceline.cli.render import counted, local
from paceline.forecast.outlook import Forecast, forecast_of
from paceline.state.calls import State
from paceline.state.pictures import CampaignPicture
from paceline.times import instant


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected of a campaign.

    Args:
        forecast: of the rest.
        late: operations that are not expected to leave in time; 0 while nothing may leave.
        valid_until: until when what has no end of its own is valid.
    """

    forecast: Forecast
    late: int
    valid_until: datetime


def expect(state: State, name: str, picture: CampaignPicture) -> Expectation:
    """Look ahead.

    Args:
        state: where it lives; only asked.
        name: the campaign.
        picture: the campaign with all that waits beside it.
    """
    forecast, late = forecast_of(name, picture), 0
    if forecast.ends_at:
        plan = plan_rest(state, name, picture)
        late = plan.recipients - plan.in_time
    return Expectation(forecast, late, instant(picture.campaign.valid_until_us))


def when(forecast: Forecast) -> str | None:
    """``2026-01-31 09:00:00+01:00 to 2026-01-31 17:00:00+01:00``; None when nothing is expected to leave."""
    if not forecast.starts_at or not forecast.ends_at:
        return None
    return " to ".join(dict.fromkeys((local(forecast.starts_at), local(forecast.ends_at))))


def in_words(forecast: Forecast) -> str:
    """A clause: ``expected to leave from ... to ...: the account sends ...``."""
    span = when(forecast)
    if span is None:
        return forecast.why if not forecast.remaining else f"not expected to leave: {forecast.why}"
    return f"expected to leave {'from' if ' to ' in span else 'at'} {span}: {forecast.why}"


def warn_of_late(name: str, seen: Expectation, remedy: str, *, at_most: bool = False) -> None:
    """Say on stderr how many of a campaign will not leave in time.

    Args:
        name: the campaign.
        seen: the expectation.
        remedy: what to type against it.
        at_most: it may be fewer.
    """
    if seen.late:
        complain(
            f"{'up to ' if at_most else ''}{counted(seen.late, 'operation')} of campaign {name!r} cannot be sent in time, before "
            f"{local(seen.valid_until)}: {remedy}"
        )
