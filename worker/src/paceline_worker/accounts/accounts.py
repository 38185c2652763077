"""Adding and changing accounts. A key goes in encrypted and never comes out of here."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, Final

import redis

from paceline.errors import PacelineError, UnknownAccount
from paceline.lua.fields import ACCOUNT
from paceline.state import translating
from paceline.state.scripts import Script
from paceline.state.shards import begun
from paceline_worker.accounts.account import (
    DEFAULT_BUDGETS,
    NewAccount,
    Treat503,
    add_arguments,
    budgets_text,
    cap_text,
    changed_budgets,
    check_name,
    limit_fields,
    memory_text,
    reserve_text,
    sender_text,
    usable,
)
from paceline_worker.accounts.holders import SHARED, digests_text, taken_by
from paceline_worker.accounts.info import INFO_EVERY, Info
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import Pacing, Variation, variation_from

# Accounts of one round trip: few enough that a broken connection leaves little in doubt, many enough that latency costs little.
PIPELINED: Final = 200
# Limits and budgets may be changed between reading and writing; then they are read again.
_TRIES: Final = 10
_TAKEN: Final = (
    "an account named {0!r} exists. New key: `paceline accounts rotate {0}`. New limits: `paceline accounts change {0}`"
)


class AccountRefused(PacelineError):
    """The account is not in a state for this; the message says why."""


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
            AccountRefused: the name is taken.
        """
        check_name(name)
        limit_fields(rates, pacing, variation, "")
        budgets_text(budgets)
        reserve_text(reserve)
        for number in senders:
            sender_text(number)
        if self._run("known", name) != "unknown account":
            raise AccountRefused(_TAKEN.format(name))

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
            AccountRefused: the name is taken, or another account has this key.
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
        self._begun()
        reply = str(self._run(*add_arguments(account, ring)))
        if reply == "exists":
            raise AccountRefused(_TAKEN.format(name))
        if other := taken_by(reply):
            raise AccountRefused(SHARED.format(other))

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
        self._begun()
        taken: list[str] = []
        rest = iter(accounts)
        while batch := list(islice(rest, PIPELINED)):
            with translating():
                replies = self._script.run_many(self._client, [add_arguments(account, ring) for account in batch])
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
        budgets: Mapping[str, str | None] | None = None,
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
            budgets: rate by kind of operation; None takes the budget of a kind away, and other kinds keep theirs.
            treat_503_as: ``overloaded`` or ``unknown``.
            reserve: percent for transactional work, 0 to 90.
            senders: all numbers that may send; waiting operations keep their sender.
            recipient_cap: most bulk messages to one recipient in a time, such as ``2/week``; '' removes the cap.
            remember: how long the account remembers whom it wrote to in bulk, such as ``7d``; '' is as long as its cap needs.

        Raises:
            InvalidOperation: an argument is wrong; names it.
            UnknownAccount: there is no such account.
            AccountRefused: others changed its limits or budgets all the time.
        """
        fields: dict[str, str] = {}
        if treat_503_as is not None:
            fields["treat_503"] = treat_503_as
        if reserve is not None:
            fields["reserve"] = reserve_text(reserve)
        if senders is not None:
            fields["senders"] = " ".join(sender_text(number) for number in senders)

        if recipient_cap is not None:
            fields |= {"recipient_cap": recipient_cap.strip()}
            fields |= ACCOUNT.coded(recipient_limit=cap_text(recipient_cap))

        if remember is not None:
            fields["keeps"] = memory_text(remember)

        for _ in range(_TRIES):
            known = self._run("known", name)
            self._known(known, name)
            fields |= _changed_limits(known, rates, pacing, variation)
            if budgets is not None:
                fields["budgets"] = changed_budgets(known[-2] or "", budgets)
            flat = (text for pair in fields.items() for text in pair)
            if self._known(self._run("limits", name, known[-1], *flat), name) != "changed":
                return
        raise AccountRefused(f"the limits or budgets of account {name!r} were changed meanwhile; try again")

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
            AccountRefused: another account has this key, or somebody else rotated it in this moment.
        """
        reply = self._run("key", name)
        self._known(reply, name)
        text, before = reply[0] or "", int(reply[1] or 0)
        fresh = ring.decrypt(text, name, before) if key is None else usable(key)
        version = max(time.time_ns() // 1_000_000, before + 1)
        arguments = (str(before), ring.encrypt(fresh, name, version), str(version), "" if key is None else "1")
        done = self._known(self._run("rotate", name, *arguments, digests_text(fresh, ring)), name)
        if other := taken_by(done):
            raise AccountRefused(SHARED.format(other))
        if done == "changed":
            raise AccountRefused(f"the key of account {name!r} was changed meanwhile; try again")

    def suspend(self, name: str, reason: str = "by hand") -> None:
        """Stop granting for an account; its backlog is kept. Calls already begun finish."""
        self._known(self._run("suspend", name, reason.strip() or "by hand"), name)

    def resume(self, name: str) -> None:
        """End a suspension or a throttling pause."""
        self._known(self._run("resume", name), name)

    def remove(self, name: str) -> None:
        """Remove an account that has no unsettled operations.

        Raises:
            AccountRefused: operations wait, are in flight or are held.
        """
        if self._known(self._run("remove", name), name) == "not empty":
            raise AccountRefused(f"account {name!r} still has operations waiting, in flight or held")

    def _run(self, verb: str, name: str, *arguments: str) -> Any:
        with translating():
            return self._script.run(self._client, verb, name, *arguments)

    def _begun(self) -> None:
        with translating():
            begun(self._client)

    @staticmethod
    def _known(reply: Any, name: str) -> str:
        if reply == "unknown account":
            raise UnknownAccount(f"no account named {name!r}: see `paceline accounts list`")
        return str(reply)


def _changed_limits(
    known: Sequence[Any], rates: str | None, pacing: Pacing | None, variation: Variation | None
) -> dict[str, str]:
    """The fields of limits of which something changes; none when nothing does: they may be those of another moment."""
    if rates is None and pacing is None and variation is None:
        return {}
    rate, told, _, _, old_pacing, old_variation, learns, *_ = known
    return limit_fields(
        rate or "" if rates is None else rates,
        pacing or old_pacing,
        variation_from(old_variation, learns) if variation is None else variation,
        told or "",
    )
