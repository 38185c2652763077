"""What is expected of an account's backlog, from what look.lua tells: the bridge between state and `forecast`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from paceline.forecast.backlog import Departure, Lane, Pace, Place, Quota, Source
from paceline.forecast.flow import departures
from paceline.inbox.record import instant
from paceline.window import from_text

# Single bulk operations of a sender are a source like a campaign.
SINGLE: Final = "-"


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


def pace_of(account: Mapping[str, Any]) -> Pace:
    """The distances that an account keeps.

    Args:
        account: look.lua's account.

    Returns:
        Its interval with what 429s and outages added, its next slot, its quotas.
    """
    interval = int(account["interval_now"])
    free = 100 - int(account.get("reserve") or 0)
    quotas = [
        Quota(
            n=int(quota["n"]),
            window_us=int(quota["window"]),
            used=int(quota["used"]),
            oldest_us=int(quota.get("oldest") or 0),
            newest_us=int(quota.get("newest") or 0),
        )
        for quota in account.get("quota_use") or ()
    ]
    return Pace(
        interval_us=interval,
        next_slot_us=int(account["next_slot"]),
        bulk_interval_us=-(-interval * 100 // free),
        quotas=tuple(quotas),
    )


def lanes_of(found: Mapping[str, Any], *, with_timed: str | None = None) -> list[Lane]:
    """The backlog of an account.

    Args:
        found: a reply of look.lua that has ``lanes``.
        with_timed: the campaign whose scheduled operations, and whose rows not yet accepted, count as waiting.

    Returns:
        One lane per sender.
    """
    return [
        Lane(
            sender=lane["sender"],
            transactional=int(lane["transactional"]),
            sources=tuple(
                source
                for one in lane["sources"]
                for source in _sources_of(one, found, counted_in=with_timed == one["name"])
            ),
            paused_until_us=int(lane.get("paused_until") or 0),
            cycle_us=int(lane.get("cycle") or 0),
        )
        for lane in found.get("lanes") or ()
    ]


def _sources_of(one: Mapping[str, Any], found: Mapping[str, Any], *, counted_in: bool) -> list[Source]:
    """A source of a lane; of a campaign in its recipients' own hours, one for each set of time zones."""
    more = int(one["timed"]) + int(found["campaign"].get("inbox", 0)) if counted_in else 0
    sets = sorted(one.get("zones") or (), key=lambda zones: -int(zones["waiting"]))
    if not sets:
        return [source_of(one["name"], one, int(one["waiting"]) + more)]
    # Nobody has looked at the zones of what is not accepted yet: most of it is taken to be where most is.
    extra = [more] + [0] * (len(sets) - 1)
    return [
        zone_source(one["name"], one, zones["id"], int(zones["waiting"]) + added, openings_of(zones))
        for zones, added in zip(sets, extra, strict=True)
    ]


def zone_source(
    name: str, one: Mapping[str, Any], zones: str, waiting: int, openings: tuple[tuple[int, int], ...]
) -> Source:
    """What a campaign in its recipients' own hours has in one set of time zones, as a source.

    Args:
        name: the campaign.
        one: its fields in state.
        zones: id of the set.
        waiting: operations in its list.
        openings: of the set.
    """
    source = source_of(f"{name}:{zones}", {**one, "window": ""}, waiting)
    # A set without an opening is taken out in its turn, to expire.
    return replace(source, openings=openings)


def source_of(name: str, one: Mapping[str, Any], waiting: int) -> Source:
    """A campaign, or the single operations of a sender, as a bulk source.

    Args:
        name: of the source.
        one: its fields in state, as far as it has any.
        waiting: operations in its list.
    """
    return Source(
        name=name,
        waiting=waiting,
        weight=int(one.get("weight") or 1),
        paused=bool(one.get("hold")),
        interval_us=int(one.get("cap") or 0),
        free_at_us=int(one.get("cap_next") or 0),
        openings=openings_of(one) if one.get("window") and not one.get("zoned") else None,
    )


def changed(campaign: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a campaign as they are after a change of its options (campaign.lua).

    Args:
        campaign: its fields.
        options: from `CampaignOptions.texts`.
    """
    outdated = {"openings": ("opens", "closes"), "cap": ("cap_next",)}
    dropped = {field for option in options for field in outdated.get(option, ())}
    return {field: value for field, value in campaign.items() if field not in dropped} | dict(options)


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


def openings_of(one: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    """The openings of a campaign, or of a set of time zones, the current one among them."""
    current = [(int(one["opens"]), int(one["closes"]))] if int(one.get("closes") or 0) else []
    return (*current, *from_text(one.get("openings") or ""))


def expected_departure(found: Mapping[str, Any]) -> Departure | None:
    """When an operation that stands in a list leaves.

    Args:
        found: look.lua's ``operation`` reply, with a ``position``.

    Returns:
        The time and what leaves before it; None when it never leaves as things stand.
    """
    o = found["operation"]
    looked_up = o.get("c") and o.get("ph")
    source = None if o["pr"] == "t" else SINGLE if looked_up else o.get("c") or SINGLE
    if o.get("z") and source != SINGLE:
        source = f"{source}:{o['z']}"
    place = Place(o["f"], source, int(found["position"]))
    return departures(lanes_of(found), pace_of(found["account"]), [place])[0]


def forecast_of(name: str, found: Mapping[str, Any]) -> Forecast:
    """What is expected of a campaign.

    Args:
        name: the campaign.
        found: look.lua's ``campaign`` reply.

    Returns:
        Start, end, and why not earlier.
    """
    campaign, account = found["campaign"], found.get("account")
    lanes = lanes_of(found, with_timed=name)
    own = [(lane.sender, source) for lane in lanes for source in lane.sources if source.group == name]
    waiting = sum(source.waiting for _, source in own)
    if not waiting:
        return Forecast(None, None, 0, "no operation waits")
    if account is None:
        return Forecast(None, None, waiting, "its account was removed")
    if account.get("suspended"):
        return Forecast(None, None, waiting, f"the account is suspended: {account['suspended']}")
    if campaign.get("hold"):
        return Forecast(None, None, waiting, held_words(campaign))
    first_timed, last_timed = (int(float(found.get(field) or 0)) for field in ("first_timed", "last_timed"))
    scheduled_from = first_timed if waiting == _timed(found, name) else 0
    for sender, source in own:
        lanes = with_source(lanes, sender, replace(source, free_at_us=max(source.free_at_us, scheduled_from)))
    own = [(sender, source) for sender, source in own if source.waiting]
    heads = departures(lanes, pace_of(account), [Place(sender, source.name, 0) for sender, source in own])
    tails = departures(
        lanes, pace_of(account), [Place(sender, source.name, source.waiting - 1) for sender, source in own]
    )
    first = min((head.at_us for head in heads if head), default=None)
    last = None if None in tails else max((tail for tail in tails if tail), key=lambda tail: tail.at_us)
    return Forecast(
        starts_at=instant(first) if first is not None else None,
        ends_at=instant(max(last.at_us, last_timed)) if last else None,
        remaining=waiting,
        why=_why(found, last, waiting, scheduled_from=scheduled_from),
    )


def _timed(found: Mapping[str, Any], name: str) -> int:
    return sum(int(one["timed"]) for lane in found["lanes"] for one in lane["sources"] if one["name"] == name)


def _why(found: Mapping[str, Any], last: Departure | None, waiting: int, *, scheduled_from: int) -> str:
    campaign, account = found["campaign"], found["account"]
    now, interval = int(found["now"]), int(account["interval_now"])
    if scheduled_from > now:
        return f"its operations have a `not_before` of {clock(scheduled_from)}"
    if closed := _zones_closed(found, now) if campaign.get("zoned") else closed_words(campaign, now):
        return closed
    if pause := pause_words(account, now):
        return pause
    if last is None:
        return "no operation can leave as things stand"
    if capped := cap_words(campaign, interval):
        return capped
    others = last.ahead + 1 - waiting
    beside = f", shared with {others} other{'s' * (others > 1)}" if others > 0 else ""
    return f"the account sends one every {interval / 1e6:g} s{beside}"


def cap_words(campaign: Mapping[str, Any], interval_us: int) -> str | None:
    """How much slower than its account a campaign's own rate lets it be; None when it does not."""
    if int(campaign.get("cap") or 0) <= interval_us:
        return None
    return f"one every {int(campaign['cap']) / 1e6:g} s by the campaign's own rate of {campaign['rate']}"


def held_words(campaign: Mapping[str, Any]) -> str:
    """Why a campaign on hold lets nothing leave."""
    since = f" since {clock(campaign['hold_at'])}" if campaign.get("hold_at") else ""
    return f"the campaign is {campaign['hold']}{since}: {campaign.get('hold_why') or 'no words'}"


def closed_words(campaign: Mapping[str, Any], now_us: int) -> str | None:
    """Why a campaign's window lets nothing leave now; None when it does."""
    if not campaign.get("window"):
        return None
    coming = [opening for opening in openings_of(campaign) if opening[1] > now_us]
    if not coming:
        return f"the campaign's window ({campaign['window']}) never opens again"
    if coming[0][0] <= now_us:
        return None
    return f"the campaign's window ({campaign['window']}) opens at {clock(coming[0][0])}"


def _zones_closed(found: Mapping[str, Any], now_us: int) -> str | None:
    """Why the recipients' own hours let nothing of a campaign leave now; None when those of some do."""
    name, window = found.get("name"), found["campaign"].get("window")
    opens: list[tuple[int, str]] = []
    for lane in found["lanes"]:
        for one in lane["sources"]:
            for zones in one.get("zones") or () if name in {None, one["name"]} else ():
                coming = [opening for opening in openings_of(zones) if opening[1] > now_us]
                if coming and coming[0][0] <= now_us:
                    return None
                opens += [(coming[0][0], zones["words"])] if coming else []
    if not opens:
        return f"the hours of no recipient ({window}) open any more" if window else None
    at, words = min(opens)
    return f"the hours of its recipients ({window}) open first at {clock(at)}, in {_zone_words(words)}"


def zone_closed_words(zones: Mapping[str, Any], window: str, now_us: int) -> str | None:
    """Why the hours of one recipient let an operation not leave now; None when they do.

    Args:
        zones: the set of time zones of its number, as look.lua tells them.
        window: the campaign's.
        now_us: the present.
    """
    coming = [opening for opening in openings_of(zones) if opening[1] > now_us]
    if not coming:
        return f"the hours of its recipient ({window}, {_zone_words(zones['words'])}) do not open any more"
    if coming[0][0] <= now_us:
        return None
    return f"the hours of its recipient ({window}, {_zone_words(zones['words'])}) open at {clock(coming[0][0])}"


def _zone_words(names: str) -> str:
    first, *others = names.split()
    return f"{first} and {len(others)} more zone{'s' * (len(others) > 1)}" if others else first


def pause_words(account: Mapping[str, Any], now_us: int) -> str | None:
    """Why an account lets nothing leave now; None when it does."""
    pause = int(account.get("paused_until") or 0)
    if pause <= now_us:
        return None
    if account.get("breaker") == "open":
        return f"the provider fails; the next probe is at {clock(pause)}"
    return f"the account pauses until {clock(pause)} because the provider throttled it"


def clock(us: str | float) -> str:
    """A server time in words."""
    return instant(us).strftime("%Y-%m-%d %H:%M:%S UTC")
