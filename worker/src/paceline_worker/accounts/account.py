"""One account as it is given: what is allowed, and the texts that state keeps. Pure."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from paceline.campaigns.options import LONGEST_SPAN, span
from paceline.errors import InvalidOperation
from paceline.kinds import KINDS
from paceline.operations import SendMessage
from paceline.recipients.numbers import phone_number
from paceline_worker.accounts.holders import digests_text
from paceline_worker.accounts.info import INFO_EVERY, Info, effective_rates, info_fields, pace_fields
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import DEFAULT_VARIATION, Pacing, Variation, pace_of, parse_rates

Treat503 = Literal["overloaded", "unknown"]

# WhatsApp refuses more than some 30 new groups a day and number (docs/provider.md, 4); checks: 50 a minute (1.5).
DEFAULT_BUDGETS: Final[Mapping[str, str]] = {"group.create": "30/day", "number.check": "50/minute"}
# A budget remembers one time per call.
_LARGEST_BUDGET: Final = 100_000
_MICROSECOND: Final = timedelta(microseconds=1)
# Times of so many messages are remembered of one recipient (contacts.lua).
LARGEST_CAP: Final = 20
_CAP: Final = re.compile(r"\s*([1-9][0-9]?)\s*/\s*([1-9][0-9]{0,2})?\s*(hour|day|week|month)s?\s*")
_CAP_UNITS: Final = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
}
# Bulk work comes to a stop if everything is kept for others.
LARGEST_RESERVE: Final = 90
LONGEST_VARIATION: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """One account that `Accounts.add_many` adds; the fields are the arguments of `Accounts.add`, with its defaults."""

    name: str
    key: ApiKey
    rates: str = ""
    pacing: Pacing = "spacing"
    variation: Variation = "auto"
    senders: Sequence[str] = ()
    budgets: Mapping[str, str] = field(default_factory=lambda: DEFAULT_BUDGETS)
    treat_503_as: Treat503 = "overloaded"
    reserve: int = 0
    info: Info | None = None
    info_every: timedelta = INFO_EVERY


def add_arguments(account: NewAccount, ring: KeyRing) -> tuple[str, ...]:
    """The arguments of account.lua's ``add``."""
    check_name(account.name)
    usable(account.key)
    # Never used before: a worker that still knows a removed account of this name must not use its key.
    version = time.time_ns() // 1_000_000
    fields = {
        **limit_fields(account.rates, account.pacing, account.variation, "", account.info),
        "senders": " ".join(sender_text(number) for number in account.senders),
        "budgets": budgets_text(account.budgets),
        "treat_503": account.treat_503_as,
        "reserve": reserve_text(account.reserve),
        "key": ring.encrypt(account.key, account.name, version),
        "key_version": str(version),
        "info_every": str(account.info_every // _MICROSECOND),
    }
    # Without a limit nothing is sent before /info was read.
    reading = "read" if account.info else "first" if not account.rates and account.info_every else ""
    return (
        "add",
        account.name,
        reading,
        digests_text(account.key, ring),
        *(text for pair in fields.items() for text in pair),
    )


def usable(key: ApiKey) -> ApiKey:
    """The same key, if it can be put on a request.

    Raises:
        InvalidOperation: it cannot.
    """
    if not key.reveal() or not key.reveal().isascii() or not key.reveal().isprintable():
        raise InvalidOperation("API key: is empty, or has characters that no key has")
    return key


def limit_fields(
    rates: str, pacing: Pacing, variation: Variation, told: str, info: Info | None = None
) -> dict[str, str]:
    """The fields of an account's limits: what was set by hand, and the pace that follows from it and from /info.

    Args:
        rates: limits set by hand, or ''.
        pacing: ``spacing`` or ``window``.
        variation: J, or ``auto``.
        told: requests a minute that /info told last, or ''.
        info: the answer to /info, if it was read.

    Raises:
        InvalidOperation: a rate or the variation is wrong.
    """
    j = DEFAULT_VARIATION if variation == "auto" else variation
    if not timedelta(0) <= j <= LONGEST_VARIATION:
        raise InvalidOperation("variation: between 0 and 10 seconds, or auto")
    if rates:
        pace_of(rates)  # alone first, so that its errors speak of what was given

    own = {"rate": rates, "pacing": pacing, "learn": pacing if variation == "auto" else ""}
    if info is not None:
        return own | info_fields(info, by_hand=rates, told_before=told, pacing=pacing, variation=j)
    return own | pace_fields(effective_rates(rates, told), pacing, j)


def cap_text(recipient_cap: str) -> str:
    """A recipient cap as contacts.lua parses it: number and microseconds; '' stays ''.

    Raises:
        InvalidOperation: it is none.
    """
    if not recipient_cap.strip():
        return ""
    found = _CAP.fullmatch(recipient_cap)
    if not found or not 1 <= int(found[1]) <= LARGEST_CAP:
        raise InvalidOperation(
            f"recipient_cap: is not a number of messages in a time, such as 2/week or 1/3days, up to {LARGEST_CAP} in a year"
        )
    period = int(found[2] or 1) * _CAP_UNITS[found[3]]
    if period > LONGEST_SPAN:
        raise InvalidOperation("recipient_cap: counts over more than a year")
    return f"{found[1]}:{period // _MICROSECOND}"


def memory_text(remember: str) -> str:
    """For how long an account remembers whom it wrote to, in microseconds; '' stays ''.

    Raises:
        InvalidOperation: it is no span of time.
    """
    try:
        return str(span(remember) // _MICROSECOND) if remember.strip() else ""
    except ValueError as error:
        raise InvalidOperation(f"remember: {error}") from None


def budgets_text(rates: Mapping[str, str]) -> str:
    """Budgets in the form that budgets.lua parses.

    Args:
        rates: such as ``10/minute; 1000/day``, or '' for none by hand.

    Returns:
        ``kind:N:W`` of each rate, with W in us.

    Raises:
        InvalidOperation: a kind or a rate is none.
    """
    found = []
    for kind, text in rates.items():
        if kind != "*" and kind not in KINDS:
            raise InvalidOperation(f"budget: {kind!r} is no kind of operation; * means any call")
        for n, window_us in _rates_of(kind, text):
            if n > _LARGEST_BUDGET:
                raise InvalidOperation(f"budget: above {_LARGEST_BUDGET} of {kind} is not supported")
            found.append(f"{kind}:{n}:{window_us}")
    return " ".join(found)


def changed_budgets(stored: str, rates: Mapping[str, str | None]) -> str:
    """Stored budgets with other rates for some kinds.

    Args:
        stored: from `budgets_text`.
        rates: by kind; None takes the budget of a kind away.

    Raises:
        InvalidOperation: a kind or a rate is none.
    """
    kept = (budget for budget in stored.split() if budget.partition(":")[0] not in rates)
    return " ".join((*kept, budgets_text({kind: rate for kind, rate in rates.items() if rate is not None}))).strip()


def _rates_of(kind: str, text: str) -> list[tuple[int, int]]:
    """The rates of one budget; an error speaks of the budget, not of the account's limit."""
    try:
        return parse_rates(text)
    except InvalidOperation as error:
        raise InvalidOperation(f"budget: {kind}: {str(error).removeprefix('limit: ')}") from None


def reserve_text(percent: int) -> str:
    """A reserve as state keeps it.

    Raises:
        InvalidOperation: bulk work would come to a stop.
    """
    if not 0 <= percent <= LARGEST_RESERVE:
        raise InvalidOperation(f"reserve: between 0 and {LARGEST_RESERVE} percent")
    return str(percent)


def check_name(name: str) -> None:
    """Refuse what cannot be an account's name.

    Args:
        name: letters, digits, dot, dash and underscore, at most 64.

    Raises:
        InvalidOperation: it is none.
    """
    try:
        SendMessage(account=name, sender="+15550100001", to="+15550100002", text="x")
    except InvalidOperation:
        raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64") from None


def sender_text(number: str) -> str:
    """A sender's number in E.164.

    Raises:
        InvalidOperation: the number is none.
    """
    try:
        return phone_number(number)
    except ValueError as error:
        raise InvalidOperation(f"sender: {number} {error}") from error
