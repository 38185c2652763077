"""Adding and changing accounts. A key goes in encrypted and never comes out of here."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any, Final, Literal

import redis
from redis.exceptions import RedisError

from paceline.campaigns.options import LONGEST_SPAN, span
from paceline.errors import InvalidOperation, PacelineError, StateUnavailable, UnknownAccount
from paceline.kinds import KINDS
from paceline.lua.fields import ACCOUNT
from paceline.operations import SendMessage
from paceline.recipients.numbers import phone_number
from paceline.state.scripts import Script
from paceline_worker.accounts.holders import SHARED, digests_text, taken_by
from paceline_worker.accounts.info import INFO_EVERY, Info, effective_rates, info_fields, plan_fields
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import DEFAULT_VARIATION, Pacing, Variation, parse_rates, plan, variation_from

Treat503 = Literal["overloaded", "unknown"]

# WhatsApp refuses more than some 30 new groups a day and number (docs/provider.md, 4); checks: 50 a minute (1.5).
DEFAULT_BUDGETS: Final[Mapping[str, str]] = {"group.create": "30/day", "number.check": "50/minute"}
# A budget remembers one time per call.
_LARGEST_BUDGET: Final = 100_000
# Accounts of one round trip: few enough that a broken connection leaves little in doubt, many enough that latency costs little.
PIPELINED: Final = 200
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
_TAKEN: Final = "an account named {!r} exists; remove it first, or choose another name"
# Bulk work comes to a stop if everything is kept for others.
LARGEST_RESERVE: Final = 90
LONGEST_VARIATION: Final = timedelta(seconds=10)


class AccountError(PacelineError):
    """The account is not in a state for this; the message says why."""


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


class Accounts:
    """The accounts in state.

    Args:
        client: from `paceline.state.connect`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script("paceline_worker", "account")

    def check(
        self,
        name: str,
        *,
        rates: str,
        pacing: Pacing,
        variation: Variation,
        senders: Sequence[str],
        budgets: Mapping[str, str],
        treat_503_as: Treat503,  # noqa: ARG002 - so that the options of `add` can be passed as they are
        reserve: int = 0,
    ) -> None:
        """Refuse wrong arguments of `add` before a key is asked for.

        Args:
            name: letters, digits, dot, dash, underscore.
            rates: such as ``10/minute``, or '' for none by hand.
            pacing: ``spacing`` or ``window``.
            variation: J: ``auto`` or a time.
            senders: numbers that may send; empty: any.
            budgets: rate by kind of operation.
            treat_503_as: not checked.
            reserve: percent for transactional work.

        Raises:
            InvalidOperation: an argument is wrong; names it.
            AccountError: the name is taken.
        """
        check_name(name)
        _limits(rates, pacing, variation, "")
        budgets_text(budgets)
        _reserve(reserve)
        for number in senders:
            _sender(number)
        if self._run("known", name) != "unknown account":
            raise AccountError(_TAKEN.format(name))

    def add(
        self,
        name: str,
        key: ApiKey,
        *,
        ring: KeyRing,
        rates: str = "",
        pacing: Pacing = "spacing",
        variation: Variation = "auto",
        senders: Sequence[str] = (),
        budgets: Mapping[str, str] = DEFAULT_BUDGETS,
        treat_503_as: Treat503 = "overloaded",
        reserve: int = 0,
        info: Info | None = None,
        info_every: timedelta = INFO_EVERY,
    ) -> None:
        """Add one 2Chat API key under a name; its bucket starts empty.

        Args:
            name: letters, digits, dot, dash, underscore.
            key: the secret.
            ring: encrypts it.
            rates: ceiling of the limit in ``/info``: ``10/minute``, ``10/minute; 1000/day``. Without a ceiling the account's
                rate is that of ``/info``, and 10 a minute until a worker has read it.
            pacing: ``spacing`` or ``window``.
            variation: J, lateness plus transit; ``auto`` measures it call by call, starting at 100 ms (with ``spacing``; with
                ``window`` it would gain next to nothing, and stays).
            senders: the only numbers that may send; none given: any.
            budgets: per sender and kind of operation (``*``: any call) a rate, such as ``{"group.create": "30/day"}``.
            treat_503_as: ``overloaded`` repeats after a 503; ``unknown`` first finds out whether the call took effect.
            reserve: percent of every limit reserved for transactional work, 0 to 90.
            info: the answer to ``/info``, if it was read already.
            info_every: how often workers read ``/info``; 0 = never.

        Raises:
            InvalidOperation: an argument is wrong; names it.
            AccountError: the name is taken, or another account has this key.
            StateUnavailable: Redis did not answer.
        """
        account = NewAccount(
            name=name,
            key=key,
            rates=rates,
            pacing=pacing,
            variation=variation,
            senders=senders,
            budgets=budgets,
            treat_503_as=treat_503_as,
            reserve=reserve,
            info=info,
            info_every=info_every,
        )
        reply = str(self._run(*_arguments(account, ring)))
        if reply == "exists":
            raise AccountError(_TAKEN.format(name))
        if other := taken_by(reply):
            raise AccountError(SHARED.format(other))

    def add_many(self, accounts: Iterable[NewAccount], *, ring: KeyRing) -> list[str]:
        """Add many accounts, some hundred with one round trip; each account is added as a whole, or not at all.

        Args:
            accounts: any number of them; taken as they are needed.
            ring: encrypts the keys.

        Returns:
            The names that were taken, and those whose key another account has; those accounts stay as they are.

        Raises:
            InvalidOperation: an argument is wrong; names it. Accounts before it may be added.
            StateUnavailable: Redis did not answer, or refused a command. Accounts before it are added.
        """
        taken: list[str] = []
        rest = iter(accounts)
        while batch := list(islice(rest, PIPELINED)):
            try:
                replies = self._script.run_many(self._client, [_arguments(account, ring) for account in batch])
            except (RedisError, OSError) as error:
                raise StateUnavailable(f"the state server cannot be reached: {error}") from error
            taken += [
                account.name
                for account, reply in zip(batch, replies, strict=True)
                if reply == "exists" or taken_by(reply)
            ]
        return taken

    def change(
        self,
        name: str,
        *,
        rates: str | None = None,
        pacing: Pacing | None = None,
        variation: Variation | None = None,
        budgets: Mapping[str, str] | None = None,
        treat_503_as: Treat503 | None = None,
        reserve: int | None = None,
        senders: Sequence[str] | None = None,
        recipient_cap: str | None = None,
        remember: str | None = None,
    ) -> None:
        """Change limits or options of an account; its bucket keeps its time, and quotas keep their counts.

        Args:
            name: the account.
            rates: the new ceiling; '' removes the ceiling. None, here and below: no change.
            pacing: ``spacing`` or ``window``.
            variation: J: ``auto`` or a time.
            budgets: all budgets: rate by kind of operation.
            treat_503_as: ``overloaded`` or ``unknown``.
            reserve: percent for transactional work, 0 to 90.
            senders: all numbers that may send; waiting operations keep their sender.
            recipient_cap: most bulk messages to one recipient in a time, such as ``2/week``; '' removes the cap.
            remember: how long the account remembers whom it wrote to in bulk, such as ``7d``; '' is as long as its cap needs.

        Raises:
            InvalidOperation: an argument is wrong; names it.
            UnknownAccount: there is no such account.
        """
        known = self._run("known", name)
        self._known(known, name)
        rate, told, _, _, old_pacing, old_variation, learns = known
        fields = _limits(
            rate or "" if rates is None else rates,
            pacing or old_pacing,
            variation_from(old_variation, learns) if variation is None else variation,
            told or "",
        )
        if budgets is not None:
            fields["budgets"] = budgets_text(budgets)
        if treat_503_as is not None:
            fields["treat_503"] = treat_503_as
        if reserve is not None:
            fields["reserve"] = _reserve(reserve)
        if senders is not None:
            fields["senders"] = " ".join(_sender(number) for number in senders)
        if recipient_cap is not None:
            fields |= {"recipient_cap": recipient_cap.strip()}
            fields |= ACCOUNT.coded(recipient_limit=cap_text(recipient_cap))
        if remember is not None:
            fields["keeps"] = memory_text(remember)
        self._known(self._run("limits", name, "", *(text for pair in fields.items() for text in pair)), name)

    def rotate(self, name: str, key: ApiKey | None, *, ring: KeyRing) -> None:
        """Give an account another key, or encrypt the one it has under the newest secret; its backlog and limits stay.

        Calls already begun go on with the key they have. What its old key was refused for suspends it no more.

        Args:
            name: the account.
            key: the new one; None keeps the one it has.
            ring: decrypts and encrypts.

        Raises:
            InvalidOperation: the key cannot be one.
            UnknownAccount: there is no such account.
            ConfigurationError: the key it has cannot be decrypted.
            AccountError: another account has this key, or somebody else rotated it in this moment.
        """
        reply = self._run("key", name)
        self._known(reply, name)
        text, before = reply[0] or "", int(reply[1] or 0)
        fresh = ring.decrypt(text, name, before) if key is None else usable(key)
        version = max(time.time_ns() // 1_000_000, before + 1)
        arguments = (str(before), ring.encrypt(fresh, name, version), str(version), "" if key is None else "1")
        done = self._known(self._run("rotate", name, *arguments, digests_text(fresh, ring)), name)
        if other := taken_by(done):
            raise AccountError(SHARED.format(other))
        if done == "changed":
            raise AccountError(f"the key of account {name!r} was changed meanwhile; try again")

    def suspend(self, name: str, reason: str = "by hand") -> None:
        """Stop granting for an account; its backlog is kept. Calls already begun finish."""
        self._known(self._run("suspend", name, reason.strip() or "by hand"), name)

    def resume(self, name: str) -> None:
        """End a suspension or a throttling pause."""
        self._known(self._run("resume", name), name)

    def remove(self, name: str) -> None:
        """Remove an account that has no unsettled operations.

        Raises:
            AccountError: operations wait, are in flight or are held.
        """
        if self._known(self._run("remove", name), name) == "not empty":
            raise AccountError(f"account {name!r} still has operations waiting, in flight or held")

    def _run(self, verb: str, name: str, *arguments: str) -> Any:
        try:
            return self._script.run(self._client, verb, name, *arguments)
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"the state server cannot be reached: {error}") from error

    @staticmethod
    def _known(reply: Any, name: str) -> str:
        if reply == "unknown account":
            raise UnknownAccount(f"no account named {name!r}")
        return str(reply)


def _arguments(account: NewAccount, ring: KeyRing) -> tuple[str, ...]:
    """The arguments of account.lua's ``add``."""
    check_name(account.name)
    usable(account.key)
    # Never used before: a worker that still knows a removed account of this name must not use its key.
    version = time.time_ns() // 1_000_000
    fields = {
        **_limits(account.rates, account.pacing, account.variation, "", account.info),
        "senders": " ".join(_sender(number) for number in account.senders),
        "budgets": budgets_text(account.budgets),
        "treat_503": account.treat_503_as,
        "reserve": _reserve(account.reserve),
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


def _limits(rates: str, pacing: Pacing, variation: Variation, told: str, info: Info | None = None) -> dict[str, str]:
    j = DEFAULT_VARIATION if variation == "auto" else variation
    if not timedelta(0) <= j <= LONGEST_VARIATION:
        raise InvalidOperation("variation: between 0 and 10 seconds, or auto")
    if rates:
        plan(rates)  # alone first, so that its errors speak of what was given
    own = {"rate": rates, "pacing": pacing, "learn": pacing if variation == "auto" else ""}
    if info is not None:
        return own | info_fields(info, by_hand=rates, told_before=told, pacing=pacing, variation=j)
    return own | plan_fields(effective_rates(rates, told), pacing, j)


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


def _rates_of(kind: str, text: str) -> list[tuple[int, int]]:
    """The rates of one budget; an error speaks of the budget, not of the account's limit."""
    try:
        return parse_rates(text)
    except InvalidOperation as error:
        raise InvalidOperation(f"budget: {kind}: {str(error).removeprefix('limit: ')}") from None


def _reserve(percent: int) -> str:
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


def _sender(number: str) -> str:
    try:
        return phone_number(number)
    except ValueError as error:
        raise InvalidOperation(f"sender: {number} {error}") from error
