"""``paceline accounts``: found by the command line through its entry point."""

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from getpass import getpass
from typing import Annotated, Any, Final

import typer

from paceline.audit import balance_of
from paceline.cli.errors import named_as_options
from paceline.cli.options import Json, example, opened_state
from paceline.cli.render import console, details, duration, expected, iso, listing, local, say, say_json
from paceline.errors import InvalidOperation, UnknownAccount
from paceline.record import instant
from paceline.settings import Settings
from paceline.state import connect
from paceline_worker.accounts import Accounts
from paceline_worker.bucket import DEFAULT_VARIATION
from paceline_worker.secrets import ApiKey, KeyRing

_VARIATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) *(ms|s|)")
_MINUTE: Final = timedelta(minutes=1)


class PacingChoice(StrEnum):
    """See `paceline_worker.bucket.Pacing`."""

    spacing = "spacing"
    window = "window"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The account.")]
Limit = Annotated[str, typer.Option("--limit", metavar="RATE", help="Such as 10/minute, or '10/minute; 1000/day'.")]
Pace = Annotated[
    PacingChoice,
    typer.Option("--pacing", help="Spacing is safe however the provider counts; window is a little faster."),
]
Variation = Annotated[
    str | None,
    typer.Option("--variation", metavar="TIME", help="Lateness plus transit, such as 100ms (the default) or 0.5s."),
]

app = typer.Typer(help="Accounts: 2Chat API keys under names, each with its limits.", rich_markup_mode=None)


@app.command(
    epilog=example(
        "paceline accounts add acme --limit 10/minute < key.txt",
        'ACME_KEY=... paceline accounts add acme --limit "10/minute; 1000/day" --api-key-env ACME_KEY',
    )
)
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, dot, dash, underscore.")],
    *,
    limit: Limit,
    pacing: Pace = PacingChoice.spacing,
    variation: Variation = None,
    sender: Annotated[
        list[str] | None,
        typer.Option("--sender", metavar="+NUMBER", help="The only numbers that may send; repeatable. Default: any."),
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option("--api-key-env", metavar="VAR", help="The variable that holds the API key.")
    ] = None,
) -> None:
    """Add a 2Chat API key under a name.

    The key comes from the variable VAR, else as one line from stdin (not shown when typed). It is never an argument,
    and is stored encrypted under PACELINE_SECRET_KEY.
    """
    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())
    with _opened() as accounts, named_as_options(name="NAME"):
        accounts.add(
            name,
            _key(name, api_key_env),
            ring=ring,
            rates=limit,
            pacing=pacing.value,
            variation=_variation(variation),
            senders=sender or (),
        )
    _say_pace(name, f"is added: {limit}")


@app.command(epilog=example("paceline accounts change acme --limit 80/minute --pacing window"))
def change(name: Name, *, limit: Limit, pacing: Pace = PacingChoice.spacing, variation: Variation = None) -> None:
    """Give an account other limits, at once; its bucket keeps its time."""
    with _opened() as accounts, named_as_options():
        accounts.change(name, rates=limit, pacing=pacing.value, variation=_variation(variation))
    _say_pace(name, f"now has {limit}")


def _say_pace(name: str, what: str) -> None:
    with opened_state() as state:
        found = state.account(name)
    say(f"Account {name} {what}" + (f", {_pace(found['account'])}." if found else "."))


def _key(name: str, variable: str | None) -> ApiKey:
    if variable is not None:
        if not os.environ.get(variable):
            raise InvalidOperation(f"--api-key-env: the variable {variable} is not set")
        return ApiKey(os.environ[variable].strip())
    # getpass reads from the terminal without echo.
    line = getpass(f"API key of {name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    return ApiKey(line.strip())


def _variation(text: str | None) -> timedelta:
    if text is None:
        return DEFAULT_VARIATION
    match = _VARIATION.fullmatch(text.strip())
    if match is None:
        raise InvalidOperation("--variation: is not a time such as 100ms or 0.5s")
    number = float(match[1])
    return timedelta(seconds=number) if match[2] == "s" else timedelta(milliseconds=number)


@app.command("list", epilog=example("paceline accounts list --json"))
def list_(*, json_output: Json = False) -> None:
    """List all accounts.

    JSON: a list of what `accounts show --json` prints.
    """
    with opened_state() as state:
        accounts = [_described(found) for name in state.accounts() if (found := state.account(name))]
    if json_output:
        say_json(accounts)
        return
    if not accounts:
        say("No accounts: add one with `paceline accounts add NAME --limit RATE`.")
        return
    headers = ("account", "limit", "state", "inbox", "waiting", "in flight", "accepted")
    fields = ("name", "limit", "state", "inbox", "waiting", "in_flight")
    rows = [(*(account[field] for field in fields), account["outcomes"]["accepted"]) for account in accounts]
    console().print(listing(headers, rows))


@app.command(epilog=example("paceline accounts show acme"))
def show(name: Name, *, json_output: Json = False) -> None:
    """Show one account; never its key.

    JSON: name, limit, pacing, variation_s, interval_s, slots_per_minute, state (active, paused, suspended), suspended
    (the reason), suspended_at, paused_until, next_slot_at, added_at, senders, inbox, waiting, in_flight, outcomes (by
    name), lanes (sender, transactional, bulk, parked, in_flight, paused_until, oldest_at).
    """
    with opened_state() as state:
        found = state.account(name)
    if found is None:
        raise UnknownAccount(f"no account named {name!r}")
    account = _described(found)
    if json_output:
        say_json(account)
        return
    now, next_slot = instant(found["now"]), instant(found["account"]["next_slot"])
    outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in account["outcomes"].items() if number)
    console().print(
        details(
            [
                ("account", name),
                ("state", _state_in_words(found)),
                ("limit", account["limit"]),
                ("pacing", f"{account['pacing']}, {_pace(found['account'])}"),
                ("variation", duration(timedelta(seconds=account["variation_s"]))),
                ("next slot", expected(next_slot, now) if account["state"] != "suspended" else None),
                ("senders", ", ".join(account["senders"]) or "any"),
                ("added", local(instant(found["account"]["added_at"]))),
                ("to be accepted", account["inbox"]),
                ("waiting", account["waiting"]),
                ("in flight", account["in_flight"]),
                ("outcomes", outcomes or "none"),
            ]
        )
    )
    if found["lanes"]:
        headers = ("lane", "transactional", "bulk", "behind back-off", "in flight", "state")
        console().print(listing(headers, [_lane_row(lane, now) for lane in _lanes(found)]))


@app.command(epilog=example("paceline accounts suspend acme --reason 'number under review'"))
def suspend(
    name: Name,
    *,
    reason: Annotated[str, typer.Option("--reason", help="Shown wherever somebody asks why it waits.")] = "by hand",
) -> None:
    """Stop sending for an account; what waits is kept, and calls already begun finish."""
    if not reason.strip():
        raise InvalidOperation("--reason: is empty")
    with _opened() as accounts:
        accounts.suspend(name, reason)
    say(f"Account {name} is suspended: {reason}.")


@app.command(epilog=example("paceline accounts resume acme"))
def resume(name: Name) -> None:
    """End a suspension or a throttling pause."""
    with _opened() as accounts:
        accounts.resume(name)
    say(f"Account {name} sends again.")


@app.command(epilog=example("paceline accounts remove acme"))
def remove(name: Name) -> None:
    """Remove an account that has no unsettled operations."""
    with _opened() as accounts:
        accounts.remove(name)
    say(f"Account {name} is removed.")


@contextmanager
def _opened() -> Iterator[Accounts]:
    client = connect(Settings.from_environment().state_url)
    try:
        yield Accounts(client)
    finally:
        client.close()


def _described(found: Mapping[str, Any]) -> dict[str, Any]:
    account, balance = found["account"], balance_of(found)
    interval = timedelta(microseconds=int(account["interval"]))
    return {
        "name": account["name"],
        "limit": account["rate"],
        "pacing": account["pacing"],
        "variation_s": int(account["variation"]) / 1e6,
        "interval_s": interval.total_seconds(),
        "slots_per_minute": round(_MINUTE / interval, 3),
        "state": _state(found),
        "suspended": account.get("suspended"),
        "suspended_at": iso(_time(account.get("suspended_at"))),
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
                "oldest_at": iso(_time(lane.get("oldest_at"))),
            }
            for lane in _lanes(found)
        ],
    }


def _lanes(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return sorted(found["lanes"], key=lambda lane: str(lane["sender"]))


def _time(us: str | None) -> datetime | None:
    return instant(us) if us else None


def _pause(held: Mapping[str, Any], now_us: str) -> datetime | None:
    """The end of an account's or a lane's pause, when it is still to come."""
    until = held.get("paused_until")
    return instant(until) if until and int(float(until)) > int(now_us) else None


def _state(found: Mapping[str, Any]) -> str:
    if found["account"].get("suspended"):
        return "suspended"
    return "paused" if _pause(found["account"], found["now"]) else "active"


def _state_in_words(found: Mapping[str, Any]) -> str:
    account, state = found["account"], _state(found)
    if state == "suspended":
        return f"suspended since {local(instant(account['suspended_at']))}: {account['suspended']}"
    until = _pause(account, found["now"])
    return f"paused until {local(until)}, because the provider throttled it" if until else state


def _pace(account: Mapping[str, str]) -> str:
    interval = timedelta(microseconds=int(account["interval"]))
    return f"one every {duration(interval)} ({_MINUTE / interval:,.4g} slots a minute)"


def _lane_row(lane: Mapping[str, Any], now: datetime) -> tuple[object, ...]:
    until = _time(lane.get("paused_until"))
    state = f"sender busy, back {expected(until, now)}" if until and until > now else "ready"
    numbers = (int(lane[field]) for field in ("transactional", "bulk", "parked"))
    return (lane["sender"], *numbers, 1 if lane.get("in_flight") else 0, state)
