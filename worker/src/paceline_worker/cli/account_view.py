"""What `paceline accounts list` and `show` tell of an account: pure functions over what look.lua returned."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from paceline.cli.render import duration, expected, iso, local
from paceline.inbox.record import instant
from paceline.status.audit import balance_of
from paceline_worker.accounts.info import SAFE_RATE, effective_rates

_MINUTE: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)
# Units of rates, as `limits` reads them.
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def limit_in_words(account: Mapping[str, str]) -> str:
    """The limits in force and where they come from."""
    told = f"{account['told']}/minute (from /info)" if account.get("told") else ""
    return ", at most ".join(filter(None, (told, account.get("rate")))) or f"{SAFE_RATE} until /info is read"


def described(found: Mapping[str, Any]) -> dict[str, Any]:
    """An account as JSON shows it; never its key.

    Args:
        found: look.lua's ``account`` reply.
    """
    account, balance = found["account"], balance_of(found)
    interval = timedelta(microseconds=int(account["interval_now"]))
    return {
        "name": account["name"],
        "limit": effective_rates(account.get("rate", ""), account.get("told", "")),
        "limit_by_hand": account.get("rate") or None,
        "requests_per_minute": _number(account, "told"),
        "credits_left": _number(account, "credits_left"),
        "number_checks_left": _number(account, "checks_left"),
        "on_trial": _flag(account, "on_trial"),
        "blocked": _flag(account, "blocked"),
        "expires_at": iso(time_of(account.get("expires_at"))),
        "info_read_at": iso(time_of(account.get("info_read_at"))),
        "budgets": by_kind((kind, f"{n} in {duration(window)}") for kind, n, window in stored_budgets(account)),
        "recipient_cap": account.get("recipient_cap") or None,
        "remember_s": int(account.get("remember") or 0) // 1_000_000,
        "reserve_percent": int(account.get("reserve") or 0),
        "treat_503_as": account.get("treat_503", "overloaded"),
        "breaker": account.get("breaker") or "closed",
        "slowed_by": round(int(account["slow"]) / 1000, 3),
        "pacing": account["pacing"],
        "variation": "auto" if account.get("learn") else "fixed",
        "variation_s": int(account["variation_now"]) / 1e6,
        "interval_s": interval.total_seconds(),
        "slots_per_minute": round(_MINUTE / interval, 3),
        "state": _state(found),
        "suspended": account.get("suspended"),
        "suspended_at": iso(time_of(account.get("suspended_at"))),
        "paused_until": iso(_pause(account, found["now"])),
        "next_slot_at": iso(instant(account["next_slot"])),
        "added_at": iso(instant(account["added_at"])),
        "senders": account.get("senders", "").split(),
        "inbox": balance.inbox,
        "waiting": balance.waiting,
        "in_flight": balance.in_flight,
        "outcomes": dict(balance.outcomes),
        "lanes": [
            {
                "sender": lane["sender"],
                "transactional": int(lane["transactional"]),
                "bulk": int(lane["bulk"]),
                "parked": int(lane["parked"]),
                "in_flight": lane.get("in_flight"),
                "paused_until": iso(_pause(lane, found["now"])),
                "oldest_at": iso(time_of(lane.get("oldest_at"))),
            }
            for lane in lanes_of(found)
        ],
    }


def _number(account: Mapping[str, str], name: str) -> int | None:
    return int(float(account[name])) if account.get(name) else None


def _flag(account: Mapping[str, str], name: str) -> bool | None:
    return {"1": True, "0": False}.get(account.get(name, ""))


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


def stored_budgets(account: Mapping[str, str]) -> Iterator[tuple[str, str, timedelta]]:
    """Kind, number and window of each budget, as budgets.lua has them."""
    for text in account.get("budgets", "").split():
        kind, n, window_us = text.split(":")
        yield kind, n, timedelta(microseconds=int(window_us))


def budget_rates(account: Mapping[str, str]) -> dict[str, str]:
    """The budgets of an account by kind, as rates such as ``30/day``, which `Accounts.change` takes."""
    return by_kind((kind, _rate(int(n), window // _SECOND)) for kind, n, window in stored_budgets(account))


def _rate(n: int, seconds: int) -> str:
    unit, length = next((unit, length) for unit, length in _UNITS if seconds % length == 0)
    return f"{n}/{unit}" if seconds == length else f"{n}/{seconds // length} {unit}s"


def by_kind(budgets: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A kind may have several: they become one text, as a limit's do."""
    found: dict[str, str] = {}
    for kind, rate in budgets:
        found[kind] = f"{found[kind]}; {rate}" if kind in found else rate
    return found


def lanes_of(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lanes of an account, by sender."""
    return sorted(found["lanes"], key=lambda lane: str(lane["sender"]))


def time_of(us: str | None) -> datetime | None:
    """A time of state, when there is one."""
    return instant(us) if us else None


def _pause(held: Mapping[str, Any], now_us: str) -> datetime | None:
    """The end of an account's or a lane's pause, when it is still to come."""
    until = held.get("paused_until")
    return instant(until) if until and int(float(until)) > int(now_us) else None


def _state(found: Mapping[str, Any]) -> str:
    if found["account"].get("suspended"):
        return "suspended"
    return "paused" if _pause(found["account"], found["now"]) else "active"


def state_in_words(found: Mapping[str, Any]) -> str:
    """Whether the account sends, and why not."""
    account, state = found["account"], _state(found)
    if state == "suspended":
        return f"suspended since {local(instant(account['suspended_at']))}: {account['suspended']}"
    until = _pause(account, found["now"])
    why = "because the provider fails" if account.get("breaker") == "open" else "because the provider throttled it"
    return f"paused until {local(until)}, {why}" if until else state


def pace_in_words(account: Mapping[str, str]) -> str:
    """The distance of its slots now."""
    interval = timedelta(microseconds=int(account["interval_now"]))
    return f"one every {duration(interval)} ({_MINUTE / interval:,.4g} slots a minute)"


def lane_row(lane: Mapping[str, Any], now: datetime) -> tuple[object, ...]:
    """One lane as a row of the table."""
    until = time_of(lane.get("paused_until"))
    state = f"sender busy, back {expected(until, now)}" if until and until > now else "ready"
    numbers = (int(lane[field]) for field in ("transactional", "bulk", "parked"))
    return (lane["sender"], *numbers, 1 if lane.get("in_flight") else 0, state)
