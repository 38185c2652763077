"""What the demo does: who sends how much, and what goes wrong on the way. Values only."""

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final, Literal

TEMPLATE: Final = "Hi {name}, your order is on its way."

_NAMES: Final = ("Ada", "Björn", "Chloé", "Dmitri", "Esi", "Fatima", "Goran", "Hana", "Inês", "Juan", "Kofi", "Linh")


@dataclass(frozen=True, slots=True)
class Account:
    """One emulated 2Chat key and what is sent with it.

    Args:
        name: the account's name.
        per_minute: what its key allows.
        pacing: how its workers read that limit.
        counting: how the provider counts it; a name of sandbox/README.md.
        guard: a second limit at the provider, about a fifth above an even flow. The demo sends less than one window of
            most limits holds, so without it even a single burst of everything would break none.
        senders: connected numbers.
        messages: recipients of each sender.
    """

    name: str
    per_minute: int
    pacing: Literal["spacing", "window"]
    counting: str
    guard: str | None
    senders: tuple[str, ...]
    messages: int

    @property
    def key(self) -> str:
        """The API key: it opens nothing but the sandbox."""
        return f"demo-key-of-{self.name}"

    @property
    def limit(self) -> str:
        """As the command line takes it."""
        return f"{self.per_minute}/minute"

    @property
    def to_send(self) -> int:
        """Messages of all its senders."""
        return self.messages * len(self.senders)


@dataclass(frozen=True, slots=True)
class Campaign:
    """The messages of one sender; a campaign has one.

    Args:
        name: its name.
        account: the account's name.
        sender: E.164.
        recipients: numbers, each in no other campaign.
    """

    name: str
    account: str
    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of the demo.

    Args:
        trial: paced by spacing, the safest.
        growth: throttled once by the provider.
        scale: meets an outage of the provider; has several senders.
        outage_from: the request of `scale` that gets the first 503.
        outage_requests: how many get one.
        throttled_request: the request of `growth` that gets a 429.
        retry_after: what that 429 asks for.
        deadline: after this the demo gives up.
        seed: of the sandbox and of the recipients' names.
    """

    trial: Account
    growth: Account
    scale: Account
    outage_from: int
    outage_requests: int
    throttled_request: int
    retry_after: timedelta
    deadline: timedelta
    seed: int

    @property
    def accounts(self) -> tuple[Account, ...]:
        """All three."""
        return self.trial, self.growth, self.scale

    @property
    def to_send(self) -> int:
        """Messages of all accounts."""
        return sum(account.to_send for account in self.accounts)

    def campaigns(self) -> Iterator[Campaign]:
        """One for each sender."""
        numbers = iter(range(1, self.to_send + 1))
        for account in self.accounts:
            for position, sender in enumerate(account.senders, 1):
                name = account.name if len(account.senders) == 1 else f"{account.name}-{position}"
                recipients = tuple(f"+1555020{next(numbers):04d}" for _ in range(account.messages))
                yield Campaign(name, account.name, sender, recipients)

    def scenario(self) -> str:
        """The sandbox's scenario, as TOML."""
        tables = ["accept_unknown_keys = false\nlatency_ms = 20\nlatency_jitter_ms = 40\n"]
        for account in self.accounts:
            limits = [account.limit, *([account.guard] if account.guard else [])]
            tables.append(
                f'[[keys]]\nkey = "{account.key}"\nlimits = {json.dumps(limits)}\nalgorithm = "{account.counting}"\n'
                f"on_trial = {json.dumps(account is self.trial)}\n"
            )
        tables.append(
            f'[[faults]]\nkind = "answer"\nstatus = 503\nkey = "{self.scale.key}"\n'
            f"from_request = {self.outage_from}\ncount = {self.outage_requests}\n"
        )
        tables.append(
            f'[[faults]]\nkind = "answer"\nstatus = 429\nkey = "{self.growth.key}"\n'
            f"from_request = {self.throttled_request}\ncount = 1\nretry_after = {self.retry_after // _SECOND}\n"
        )
        return "\n".join(tables)


_SECOND: Final = timedelta(seconds=1)


def plan(*, fast: bool, seed: int) -> Plan:
    """The demo in one of its two sizes.

    Args:
        fast: some 20 seconds in place of a minute.
        seed: see `Plan`.
    """
    trial, growth, scale = (2, 10, 12) if fast else (7, 45, 32)
    return Plan(
        trial=Account("trial", 10, "spacing", "spacing", None, ("+15550100001",), trial),
        growth=Account("growth", 80, "window", "sliding_log", "8/5 seconds", ("+15550100011",), growth),
        scale=Account(
            "scale",
            600,
            "window",
            "sliding_log",
            "12/second",
            ("+15550100021", "+15550100022", "+15550100023"),
            scale,
        ),
        outage_from=6 if fast else 20,
        outage_requests=4,
        throttled_request=5 if fast else 12,
        retry_after=3 * _SECOND,
        deadline=150 * _SECOND,
        seed=seed,
    )


def key_variable(account: Account) -> str:
    """The environment variable that holds an account's key.

    Args:
        account: whose.
    """
    return f"DEMO_API_KEY_{account.name.upper()}"


def write_accounts(accounts: Iterable[Account], path: Path) -> None:
    """Write accounts, without their keys, as ``paceline accounts import`` reads them.

    Args:
        accounts: each.
        path: a CSV file.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "key_env", "limit", "pacing", "senders"))
        writer.writerows(
            (account.name, key_variable(account), account.limit, account.pacing, " ".join(account.senders))
            for account in accounts
        )


def write_recipients(campaign: Campaign, path: Path, random: Random) -> None:
    """Write a campaign's recipients as ``paceline campaign start --recipients`` reads them.

    Args:
        campaign: whose.
        path: a CSV file.
        random: chooses the names.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("to", "name"))
        writer.writerows((to, random.choice(_NAMES)) for to in campaign.recipients)
