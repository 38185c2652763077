"""What `paceline accounts list` and `show` tell of an account: pure functions of what was read of it."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from paceline.cli.render import duration, expected, iso, local
from paceline.state.pictures import AccountPicture
from paceline.state.snapshots import AccountSnapshot, LaneSnapshot
from paceline.status.audit import balance_of
from paceline.times import instant
from paceline_worker.accounts.info import SAFE_RATE, effective_rates

_MINUTE: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)
# Units of rates, as `limits` reads them.
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def limit_in_words(account: AccountSnapshot) -> str:
    """The limits in force and where they come from."""
    told = f"{account.told}/minute (from /info)" if account.told else ""
    return ", at most ".join(filter(None, (told, account.rate))) or f"{SAFE_RATE} until /info is read"


def described(picture: AccountPicture) -> dict[str, Any]:
    """An account as JSON shows it; never its key.

    Args:
        picture: the account with all that waits on it.
    """
    # Long, because one table shows every key of the JSON in its order.
    account, balance, now_us = picture.account, balance_of(picture), picture.now_us
    interval = timedelta(microseconds=account.interval_now_us)
    budgets = stored_budgets(account.budgets)
    return {
        "name": account.name,
        "limit": effective_rates(account.rate, "" if account.told is None else str(account.told)),
        "limit_by_hand": account.rate or None,
        "requests_per_minute": account.told,
        "credits_left": account.credits_left,
        "number_checks_left": account.checks_left,
        "on_trial": account.on_trial,
        "blocked": account.blocked,
        "expires_at": iso(time_of(account.expires_at_us)),
        "info_read_at": iso(time_of(account.info_read_at_us)),
        "budgets": by_kind((kind, f"{n} in {duration(window)}") for kind, n, window in budgets),
        "recipient_cap": account.recipient_cap or None,
        "remember_s": account.remember_us // 1_000_000,
        "reserve_percent": account.reserve,
        "treat_503_as": account.treat_503,
        "breaker": account.breaker or "closed",
        "slowed_by": round(account.slow / 1000, 3),
        "pacing": account.pacing,
        "variation": "auto" if account.learn else "fixed",
        "variation_s": account.variation_now_us / 1e6,
        "interval_s": interval.total_seconds(),
        "slots_per_minute": round(_MINUTE / interval, 3),
        "state": _state(picture),
        "suspended": account.suspended,
        "suspended_at": iso(time_of(account.suspended_at_us)),
        "paused_until": iso(time_of(account.pause_us(now_us))),
        "next_slot_at": iso(instant(account.next_slot_us)),
        "added_at": iso(instant(account.added_at_us)),
        "senders": account.senders.split(),
        "inbox": balance.inbox,
        "waiting": balance.waiting,
        "in_flight": balance.in_flight,
        "outcomes": dict(balance.outcomes),
        "lanes": [
            {
                "sender": lane.sender,
                "transactional": lane.transactional,
                "bulk": lane.bulk,
                "parked": lane.parked,
                "in_flight": lane.in_flight,
                "paused_until": iso(time_of(lane.pause_us(now_us))),
                "paused_because": lane.paused_because if lane.pause_us(now_us) else None,
                "oldest_at": iso(time_of(lane.oldest_at_us)),
            }
            for lane in lanes_of(picture)
        ],
    }


def variation_in_words(account: Mapping[str, Any]) -> str:
    """J, and whether it is measured.

    Args:
        account: from `described`.
    """
    now: str = duration(timedelta(seconds=account["variation_s"]))
    return f"auto, {now} now" if account["variation"] == "auto" else now


def plainly(number: int | None) -> str | None:
    """How many are left; None when the provider did not say."""
    return None if number is None else f"{number:,} left"


def stored_budgets(budgets: str) -> Iterator[tuple[str, str, timedelta]]:
    """Kind, number and window of each budget, as budgets.lua has them."""
    for text in budgets.split():
        kind, n, window_us = text.split(":")
        yield kind, n, timedelta(microseconds=int(window_us))


def budget_rates(budgets: str) -> dict[str, str]:
    """Budgets as state has them by kind, as rates such as ``30/day``, which `Accounts.change` takes."""
    return by_kind((kind, _rate(int(n), window // _SECOND)) for kind, n, window in stored_budgets(budgets))


def _rate(n: int, seconds: int) -> str:
    unit, length = next((unit, length) for unit, length in _UNITS if seconds % length == 0)
    return f"{n}/{unit}" if seconds == length else f"{n}/{seconds // length} {unit}s"


def by_kind(budgets: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A kind may have several: they become one text, as a limit's do."""
    found: dict[str, str] = {}
    for kind, rate in budgets:
        found[kind] = f"{found[kind]}; {rate}" if kind in found else rate
    return found


def lanes_of(picture: AccountPicture) -> list[LaneSnapshot]:
    """The lanes of an account, by sender."""
    return sorted(picture.lanes, key=attrgetter("sender"))


def time_of(us: int | None) -> datetime | None:
    """A time of state, when there is one."""
    return instant(us) if us else None


def _state(picture: AccountPicture) -> str:
    if picture.account.suspended:
        return "suspended"
    return "paused" if picture.account.pause_us(picture.now_us) else "active"


def state_in_words(picture: AccountPicture) -> str:
    """Whether the account sends, and why not."""
    account, state = picture.account, _state(picture)
    if state == "suspended":
        return f"suspended since {local(instant(account.suspended_at_us or 0))}: {account.suspended}"
    until = account.pause_us(picture.now_us)
    why = "because the provider fails" if account.breaker == "open" else "because the provider throttled it"
    return f"paused until {local(instant(until))}, {why}" if until else state


def pace_in_words(account: AccountSnapshot) -> str:
    """The distance of its slots now."""
    interval = timedelta(microseconds=account.interval_now_us)
    return f"one every {duration(interval)} ({_MINUTE / interval:,.4g} slots a minute)"


def lane_row(lane: LaneSnapshot, now_us: int) -> tuple[object, ...]:
    """One lane as a row of the table."""
    until, state = lane.pause_us(now_us), "ready"
    if until:
        why = "budget used up" if lane.paused_because == "budget" else "sender busy"
        state = f"{why}, back {expected(instant(until), instant(now_us))}"
    return (lane.sender, lane.transactional, lane.bulk, lane.parked, 1 if lane.in_flight else 0, state)
