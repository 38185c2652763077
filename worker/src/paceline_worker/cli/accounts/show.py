"""``paceline accounts list`` and ``paceline accounts show``."""

from datetime import timedelta
from typing import Any

from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, details, duration, expected, listing, local, say, say_json
from paceline.cli.show.away import end_without, of_all_shards, rows_away
from paceline.errors import UnknownAccount
from paceline.state.calls import State
from paceline.times import instant
from paceline_worker.cli.accounts.options import Name
from paceline_worker.cli.accounts.view import (
    described,
    lane_row,
    lanes_of,
    limit_in_words,
    pace_in_words,
    plainly,
    state_in_words,
    time_of,
    variation_in_words,
)


def list_(*, json_output: Json = False) -> None:
    """List all accounts. Exit code 1 when the server of a shard does not answer.

    JSON: a list of accounts, each as `accounts show --json` prints it; for a shard that does not answer: shard, error.
    """
    with opened_state() as state:
        accounts, away = of_all_shards(state, _accounts, lambda account: str(account["name"]))
    if json_output:
        say_json([*accounts, *rows_away(away)])
        end_without(away)
        return
    if not accounts and not away:
        say("No accounts: add one with `paceline accounts add NAME --limit RATE`.")
        return
    headers = ("account", "limit", "state", "inbox", "waiting", "in flight", "accepted")
    fields = ("name", "limit", "state", "inbox", "waiting", "in_flight")
    rows = [(*(account[field] for field in fields), account["outcomes"]["accepted"]) for account in accounts]
    console().print(listing(headers, rows))
    end_without(away)


def _accounts(state: State) -> list[dict[str, Any]]:
    return [described(picture) for name in state.accounts() if (picture := state.account(name))]


def show(name: Name, *, json_output: Json = False) -> None:
    """Show one account; never its key.

    JSON: name, limit, limit_by_hand, requests_per_minute, credits_left, number_checks_left, on_trial, blocked, expires_at,
    info_read_at (from /info), budgets, recipient_cap, remember_s (0: the account does not remember), reserve_percent,
    treat_503_as, breaker (closed, open, ramp), slowed_by (factor
    of the interval after 429s), pacing, variation (auto, fixed), variation_s (the latest),
    interval_s, slots_per_minute, state (active, paused, suspended), suspended
    (the reason), suspended_at, paused_until, next_slot_at, added_at, senders, inbox, waiting, in_flight, outcomes (by
    name), lanes (sender, transactional, bulk, parked, in_flight, paused_until, paused_because (busy, budget or followers),
    oldest_at).
    """
    with opened_state() as state:
        picture = state.account(name)
    if picture is None:
        raise UnknownAccount(f"no account named {name!r}: see `paceline accounts list`")
    account, snapshot = described(picture), picture.account
    if json_output:
        say_json(account)
        return

    now, next_slot = instant(picture.now_us), instant(snapshot.next_slot_us)
    outcomes = ", ".join(f"{number:,} {outcome}" for outcome, number in account["outcomes"].items() if number)
    console().print(
        details(
            [
                ("account", name),
                ("state", state_in_words(picture)),
                ("limit", limit_in_words(snapshot)),
                ("credits", plainly(account["credits_left"])),
                ("number checks", plainly(account["number_checks_left"])),
                ("expires", local(_at) if (_at := time_of(snapshot.expires_at_us)) else None),
                ("subscription", {True: "trial", False: "paid", None: None}[account["on_trial"]]),
                ("budgets", ", ".join(f"{kind} {rate}" for kind, rate in account["budgets"].items()) or None),
                (
                    "reserve",
                    f"{account['reserve_percent']} % for transactional work" if account["reserve_percent"] else None,
                ),
                ("recipient cap", account["recipient_cap"]),
                ("remembers", duration(timedelta(seconds=account["remember_s"])) if account["remember_s"] else None),
                ("slowed", f"to {1 / account['slowed_by']:.0%} after 429s" if account["slowed_by"] > 1 else None),
                ("breaker", account["breaker"] if account["breaker"] != "closed" else None),
                ("pacing", f"{account['pacing']}, {pace_in_words(snapshot)}"),
                ("variation", variation_in_words(account)),
                ("next slot", expected(next_slot, now) if account["state"] != "suspended" else None),
                ("senders", ", ".join(account["senders"]) or "any"),
                ("added", local(instant(snapshot.added_at_us))),
                ("to be accepted", account["inbox"]),
                ("waiting", account["waiting"]),
                ("in flight", account["in_flight"]),
                ("outcomes", outcomes or "none"),
            ]
        )
    )
    if picture.lanes:
        headers = ("lane", "transactional", "bulk", "behind back-off", "in flight", "state")
        console().print(listing(headers, [lane_row(lane, picture.now_us) for lane in lanes_of(picture)]))
