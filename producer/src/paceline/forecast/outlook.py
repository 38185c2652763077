"""What is expected of an account's backlog: the bridge between what was read of state and the forecast."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from paceline.forecast.backlog import Departure, Lane, Pace, Place, Quota, Source
from paceline.forecast.flow import departures
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.pictures import CampaignPicture, OperationPicture
from paceline.state.snapshots import AccountSnapshot, LaneSnapshot
from paceline.times import instant

# Single bulk operations of a sender are a source like a campaign.
SINGLE: Final = "-"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When what is left of a campaign is expected to leave, as things stand.

    Args:
        starts_at: when the next one leaves; None when none will, or none is left.
        ends_at: when the last one leaves; None likewise.
        remaining: operations that have not left.
        why: one sentence: what keeps it from leaving earlier.
    """

    starts_at: datetime | None
    ends_at: datetime | None
    remaining: int
    why: str

    def as_json(self) -> dict[str, Any]:
        """Plain values, times in ISO 8601."""
        return {
            "starts_at": self.starts_at.isoformat() if self.starts_at else None,
            "ends_at": self.ends_at.isoformat() if self.ends_at else None,
            "remaining": self.remaining,
            "why": self.why,
        }


def pace_of(account: AccountSnapshot) -> Pace:
    """The distances that an account keeps: its interval with what 429s and outages added, its next slot, its quotas."""
    interval = account.interval_now_us
    quotas = [
        Quota(
            n=quota.n,
            window_us=quota.window_us,
            used=quota.used,
            oldest_us=quota.oldest_us,
            newest_us=quota.newest_us,
        )
        for quota in account.quota_use
    ]
    return Pace(
        interval_us=interval,
        next_slot_us=account.next_slot_us,
        bulk_interval_us=-(-interval * 100 // (100 - account.reserve)),
        quotas=tuple(quotas),
    )


def lanes_of(lanes: Iterable[LaneSnapshot]) -> list[Lane]:
    """What waits on an account, one lane per sender.

    Args:
        lanes: as they were read.
    """
    return [
        Lane(
            sender=lane.sender,
            transactional=lane.transactional,
            sources=tuple(source_of(source.name, source.campaign, source.waiting) for source in lane.sources),
            paused_until_us=lane.paused_until_us,
            cycle_us=lane.call_time_us,
        )
        for lane in lanes
    ]


def source_of(name: str, campaign: CampaignSnapshot, waiting: int) -> Source:
    """A campaign, or the single operations of a sender, as a bulk source.

    Args:
        name: of the source.
        campaign: what holds it back.
        waiting: operations in its list.
    """
    return Source(
        name=name,
        waiting=waiting,
        weight=campaign.weight,
        paused=bool(campaign.hold),
        interval_us=campaign.cap_us,
        free_at_us=campaign.cap_next_us,
        openings=campaign.openings,
    )


def with_source(lanes: Iterable[Lane], sender: str, source: Source) -> list[Lane]:
    """The same lanes with a source that was not there, or in place of the one of its name.

    Args:
        lanes: from `lanes_of`.
        sender: whose lane it is in; one that has no lane gets one.
        source: the source.
    """
    of_sender = {lane.sender: lane for lane in lanes}
    lane = of_sender.get(sender, Lane(sender))
    others = tuple(one for one in lane.sources if one.name != source.name)
    return list((of_sender | {sender: replace(lane, sources=(*others, source))}).values())


def with_more(lanes: Iterable[Lane], more: Mapping[str, int]) -> list[Lane]:
    """The same lanes when more waits in some sources.

    Args:
        lanes: from `lanes_of`.
        more: campaign to number of operations.
    """
    return [
        replace(lane, sources=tuple(replace(one, waiting=one.waiting + more.get(one.name, 0)) for one in lane.sources))
        for lane in lanes
    ]


def expected_departure(picture: OperationPicture, account: AccountSnapshot) -> Departure | None:
    """When an operation that stands in a list leaves.

    Args:
        picture: the operation, with its position.
        account: its account.

    Returns:
        The time and what leaves before it; None when it never leaves as things stand.
    """
    operation = picture.operation
    campaign = SINGLE if operation.look_up else operation.campaign or SINGLE
    source = None if operation.is_transactional else campaign
    place = Place(operation.sender, source, picture.position or 0)
    return departures(lanes_of(picture.lanes), pace_of(account), [place])[0]


def forecast_of(name: str, picture: CampaignPicture) -> Forecast:
    """What is expected of a campaign: start, end, and why not earlier.

    Args:
        name: the campaign.
        picture: the campaign with all that waits beside it.
    """
    campaign, account = picture.campaign, picture.account
    own = next((source for source in picture.sources if source.name == name), None)
    # What lies in the inbox, or waits for a time of its own, is taken into the lane in time.
    waiting = own.waiting + own.timed + campaign.inbox if own else 0

    if own is None or not waiting:
        return Forecast(None, None, 0, "nothing of it waits")
    if account is None:
        return Forecast(None, None, waiting, "its account was removed")
    if account.suspended:
        return Forecast(None, None, waiting, f"the account is suspended: {account.suspended}")
    if campaign.hold:
        return Forecast(None, None, waiting, held_words(campaign))

    sender = campaign.sender
    scheduled_from = picture.first_timed_us if waiting == own.timed else 0
    source = source_of(name, own.campaign, waiting)
    source = replace(source, free_at_us=max(source.free_at_us, scheduled_from))
    lanes = with_source(lanes_of(picture.lanes), sender, source)
    first, last = departures(lanes, pace_of(account), [Place(sender, name, 0), Place(sender, name, waiting - 1)])
    return Forecast(
        starts_at=instant(first.at_us) if first else None,
        ends_at=instant(max(last.at_us, picture.last_timed_us)) if last else None,
        remaining=waiting,
        why=_why(picture, account, last, waiting, scheduled_from=scheduled_from),
    )


def _why(
    picture: CampaignPicture, account: AccountSnapshot, last: Departure | None, waiting: int, *, scheduled_from: int
) -> str:
    campaign, now, interval = picture.campaign, picture.now_us, account.interval_now_us
    if scheduled_from > now:
        return f"its operations are not to be sent before {clock(scheduled_from)}"
    if closed := closed_words(campaign, now):
        return closed
    if pause := pause_words(account, now):
        return pause
    if last is None:
        return "nothing of it can leave as things stand"
    if capped := cap_words(campaign, interval):
        return capped

    others = last.ahead + 1 - waiting
    beside = f", shared with {others} other{'s' * (others > 1)}" if others > 0 else ""
    return f"the account sends one every {interval / 1e6:g} s{beside}"


def cap_words(campaign: CampaignSnapshot, interval_us: int) -> str | None:
    """How much slower than its account a campaign's own rate lets it be; None when it does not."""
    if campaign.cap_us <= interval_us:
        return None
    return f"one every {campaign.cap_us / 1e6:g} s by the campaign's own rate of {campaign.rate}"


def held_words(campaign: CampaignSnapshot) -> str:
    """Why a campaign on hold lets nothing leave."""
    since = f" since {clock(campaign.hold_at_us)}" if campaign.hold_at_us else ""
    return f"the campaign is {campaign.hold}{since}: {campaign.hold_why or 'no words'}"


def closed_words(campaign: CampaignSnapshot, now_us: int) -> str | None:
    """Why a campaign's window lets nothing leave now; None when it does."""
    if campaign.openings is None:
        return None
    coming = [opening for opening in campaign.openings if opening[1] > now_us]
    if not coming:
        return f"the campaign's window ({campaign.window}) does not open any more"
    if coming[0][0] <= now_us:
        return None
    return f"the campaign's window ({campaign.window}) opens at {clock(coming[0][0])}"


def pause_words(account: AccountSnapshot, now_us: int) -> str | None:
    """Why an account lets nothing leave now; None when it does."""
    until = account.pause_us(now_us)
    if until is None:
        return None
    if account.breaker == "open":
        return f"the provider fails, so nothing is sent until it is tried again at {clock(until)}"
    return f"the account pauses until {clock(until)} because the provider throttled it"


def clock(us: int) -> str:
    """A server time in words."""
    return instant(us).strftime("%Y-%m-%d %H:%M:%S UTC")
