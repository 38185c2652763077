"""What is expected of an account's backlog: the bridge between what was read of state and the forecast."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from paceline.forecast.backlog import Departure, Lane, Pace, Place, Quota, Source
from paceline.forecast.flow import departures
from paceline.forecast.ramp import DAY_US, LaneRamp, figures_of, most_on
from paceline.state.campaigns import CampaignSnapshot, SourceSnapshot, ZonesSnapshot
from paceline.state.pictures import CampaignPicture, OperationPicture
from paceline.state.snapshots import AccountSnapshot, LaneSnapshot
from paceline.times import instant

# Single bulk operations of a sender are a source like a campaign.
SINGLE: Final = "-"
_SHORT_BUDGET_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Forecast:
    """When what is left of a campaign is expected to leave, as things stand.

    Args:
        starts_at: departure of the next operation; None when none will leave, or none is left.
        ends_at: departure of the last operation; None when none will leave, or none is left.
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
    """Waiting operations on an account, one lane per sender.

    Args:
        lanes: as they were read.
    """
    return [
        Lane(
            sender=lane.sender,
            transactional=lane.transactional,
            sources=tuple(source for one in lane.sources for source in sources_of(one)),
            paused_until_us=lane.paused_until_us,
            cycle_us=lane.call_time_us,
            ramp_began_us=lane.ramp_began_us,
            ramp_day=lane.ramp_day,
            ramp_sent=lane.ramp_sent,
        )
        for lane in lanes
    ]


def sources_of(source: SourceSnapshot, more: int = 0) -> list[Source]:
    """A source of a lane; of a campaign in its recipients' own hours, one for each set of time zones.

    Args:
        source: as it was read.
        more: operations that come to those in its list.
    """
    if not source.zones:
        return [source_of(source.name, source.campaign, source.waiting + more)]
    # Nobody has looked at the zones of what is not accepted yet: all of it is taken to be where most is.
    most, *others = sorted(source.zones, key=lambda zones: -zones.waiting)
    numbers = [(most, most.waiting + more), *((zones, zones.waiting) for zones in others)]
    return [zone_source(source.name, source.campaign, zones.id, waiting, zones.openings) for zones, waiting in numbers]


def zone_source(
    name: str, campaign: CampaignSnapshot, zones: str, waiting: int, openings: tuple[tuple[int, int], ...]
) -> Source:
    """What a campaign in its recipients' own hours has in one set of time zones, as a source.

    Args:
        name: the campaign.
        campaign: what holds it back.
        zones: id of the set.
        waiting: operations in its list.
        openings: of the set.
    """
    # A set without an opening is taken out in its turn, to expire.
    return replace(source_of(f"{name}:{zones}", campaign, waiting), openings=openings)


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
        ramp=figures_of(campaign.ramp),
    )


def with_budget(source: Source, kind: str, budgets: str) -> Source:
    """The same source at the average rate that budgets of its kind, of an hour at the most, leave to its sender.

    Args:
        source: of a campaign.
        kind: of its operations.
        budgets: of the account, "kind:N:window ...".
    """
    parsed = [budget.split(":") for budget in budgets.split()]
    # A budget of a day may be used up in its first minutes; of a short one the average is what counts.
    gaps = [
        -(-int(window) // int(n)) for one, n, window in parsed if one in (kind, "*") and int(window) <= _SHORT_BUDGET_US
    ]
    return replace(source, interval_us=max(source.interval_us, *gaps)) if gaps else source


def with_source(lanes: Iterable[Lane], sender: str, source: Source) -> list[Lane]:
    """The same lanes with a source that was not there, or in place of the one of its name.

    Args:
        lanes: from `lanes_of`.
        sender: whose lane it is in; a sender without a lane gets one.
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
    if operation.zones and campaign != SINGLE:
        campaign = f"{campaign}:{operation.zones}"
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
    own = _own_sources(name, picture)
    waiting = sum(source.waiting for _, source in own)
    if not waiting:
        return Forecast(None, None, 0, "no operation waits")
    if account is None:
        return Forecast(None, None, waiting, "its account was removed")
    if account.suspended:
        return Forecast(None, None, waiting, f"the account is suspended: {account.suspended}")
    if campaign.hold:
        return Forecast(None, None, waiting, held_words(campaign))

    timed = sum(source.timed for source in picture.sources if source.name == name)
    scheduled_from = picture.first_timed_us if waiting == timed else 0
    own = [(sender, with_budget(source, campaign.kind, account.budgets)) for sender, source in own]
    lanes = lanes_of(picture.lanes)
    for sender, source in own:
        lanes = with_source(lanes, sender, replace(source, free_at_us=max(source.free_at_us, scheduled_from)))

    pace, own = pace_of(account), [(sender, source) for sender, source in own if source.waiting]
    heads = departures(lanes, pace, [Place(sender, source.name, 0) for sender, source in own])
    tails = departures(lanes, pace, [Place(sender, source.name, source.waiting - 1) for sender, source in own])
    first = min((head.at_us for head in heads if head), default=None)
    last = None if None in tails else max((tail for tail in tails if tail), key=lambda tail: tail.at_us)
    return Forecast(
        starts_at=instant(first) if first is not None else None,
        ends_at=instant(max(last.at_us, picture.last_timed_us)) if last else None,
        remaining=waiting,
        why=_why(name, picture, account, last, waiting, scheduled_from=scheduled_from),
    )


def _own_sources(name: str, picture: CampaignPicture) -> list[tuple[str, Source]]:
    """The sources of a campaign with their senders. What lies in the inbox, or waits for a time of its own, is counted in."""
    return [
        (lane.sender, source)
        for lane in picture.lanes
        for one in lane.sources
        if one.name == name
        for source in sources_of(one, one.timed + picture.campaign.inbox)
    ]


def _why(
    name: str,
    picture: CampaignPicture,
    account: AccountSnapshot,
    last: Departure | None,
    waiting: int,
    *,
    scheduled_from: int,
) -> str:
    campaign, now, interval = picture.campaign, picture.now_us, account.interval_now_us
    if scheduled_from > now:
        return f"its operations have a `not_before` of {clock(scheduled_from)}"
    if closed := _zones_closed(name, picture) if campaign.zoned else closed_words(campaign, now):
        return closed
    if ramped := ramp_words(campaign, _lanes_with(name, picture), now):
        return ramped
    if pause := pause_words(account, now):
        return pause
    if last is None:
        return "no operation can leave as things stand"
    if capped := cap_words(campaign, interval):
        return capped

    others = last.ahead + 1 - waiting
    beside = f", shared with {others} other{'s' * (others > 1)}" if others > 0 else ""
    return f"the account sends one every {round(interval / 1e6, 3):g} s{beside}"


def cap_words(campaign: CampaignSnapshot, interval_us: int) -> str | None:
    """How much slower than its account a campaign's own rate lets it be; None when it does not."""
    if campaign.cap_us <= interval_us:
        return None
    return f"one every {round(campaign.cap_us / 1e6, 3):g} s by the campaign's own rate of {campaign.rate}"


def _lanes_with(name: str, picture: CampaignPicture) -> list[LaneSnapshot]:
    """The lanes in which operations of a campaign wait."""
    return [lane for lane in picture.lanes if any(one.name == name and one.waiting for one in lane.sources)]


def ramp_words(campaign: CampaignSnapshot, lanes: Sequence[LaneSnapshot], now_us: int) -> str | None:
    """Why the daily ramp of numbers lets nothing of a campaign leave now; None when it lets one of them send.

    Args:
        campaign: with its ramp.
        lanes: of the numbers that have something to send.
        now_us: the present.
    """
    figures = figures_of(campaign.ramp)
    if not figures or not lanes:
        return None
    free = [(_ramp_of(lane).free_from(figures, now_us), lane) for lane in lanes]
    at, lane = min(free, key=lambda one: one[0])
    if at <= now_us:
        return None
    day = int(at - lane.ramp_began_us) // DAY_US
    most = most_on(figures, day)
    return f"{lane.sender} has sent the {most:,} messages of day {day} of its ramp; day {day + 1} begins at {clock(int(at))}"


def ramp_use(campaign: CampaignSnapshot, lane: LaneSnapshot | None, now_us: int) -> dict[str, int]:
    """The day of a number's ramp, what it has sent on that day, and the most that it may send.

    Args:
        campaign: with a ramp.
        lane: of the number; None: it has none, for it never sent.
        now_us: the present.
    """
    figures, ramp = figures_of(campaign.ramp), _ramp_of(lane or LaneSnapshot(""))
    day = ramp.day_of(now_us)
    most = most_on(figures, day)
    return {"day": day, "sent": most - round(ramp.left(figures, now_us)), "most": most}


def _ramp_of(lane: LaneSnapshot) -> LaneRamp:
    return LaneRamp(lane.ramp_began_us or None, lane.ramp_day, lane.ramp_sent)


def held_words(campaign: CampaignSnapshot) -> str:
    """Why a campaign on hold lets nothing leave."""
    since = f" since {clock(campaign.hold_at_us)}" if campaign.hold_at_us else ""
    return f"the campaign is {campaign.hold}{since}: {campaign.hold_why or 'no reason given'}"


def closed_words(campaign: CampaignSnapshot, now_us: int) -> str | None:
    """Why a campaign's window lets nothing leave now; None when it does."""
    if campaign.openings is None:
        return None
    coming = [opening for opening in campaign.openings if opening[1] > now_us]
    if not coming:
        return f"the campaign's window ({campaign.window}) never opens again"
    if coming[0][0] <= now_us:
        return None
    return f"the campaign's window ({campaign.window}) opens at {clock(coming[0][0])}"


def _zones_closed(name: str, picture: CampaignPicture) -> str | None:
    """Why the recipients' own hours let nothing of a campaign leave now; None when those of some do."""
    window, now_us = picture.campaign.window, picture.now_us
    opens: list[tuple[int, str]] = []
    for zones in (zones for source in picture.sources if source.name == name for zones in source.zones):
        coming = [opening for opening in zones.openings if opening[1] > now_us]
        if coming and coming[0][0] <= now_us:
            return None
        opens += [(coming[0][0], zones.words)] if coming else []
    if not opens:
        return f"no recipient's hours ({window}) open again" if window else None
    at, words = min(opens)
    return f"the hours of its recipients ({window}) open first at {clock(at)}, in {_zone_words(words)}"


def zone_closed_words(zones: ZonesSnapshot, window: str, now_us: int) -> str | None:
    """Why the hours of one recipient let an operation not leave now; None when they do.

    Args:
        zones: the set of time zones of its number.
        window: the campaign's.
        now_us: the present.
    """
    coming = [opening for opening in zones.openings if opening[1] > now_us]
    if not coming:
        return f"the hours of its recipient ({window}, {_zone_words(zones.words)}) never open again"
    if coming[0][0] <= now_us:
        return None
    return f"the hours of its recipient ({window}, {_zone_words(zones.words)}) open at {clock(coming[0][0])}"


def _zone_words(names: str) -> str:
    first, *others = names.split()
    return f"{first} and {len(others)} more zone{'s' * (len(others) > 1)}" if others else first


def pause_words(account: AccountSnapshot, now_us: int) -> str | None:
    """Why an account lets nothing leave now; None when it does."""
    until = account.pause_us(now_us)
    if until is None:
        return None
    if account.breaker == "open":
        return f"the provider fails; the next probe is at {clock(until)}"
    return f"the account pauses until {clock(until)} because the provider throttled it"


def clock(us: int) -> str:
    """A server time in words."""
    return instant(us).strftime("%Y-%m-%d %H:%M:%S UTC")
