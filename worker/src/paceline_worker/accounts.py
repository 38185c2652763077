"""Adding and changing accounts. A key goes in encrypted and never comes out of here."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import redis
from redis.exceptions import RedisError

from paceline.errors import InvalidOperation, PacelineError, StateUnavailable, UnknownAccount
from paceline.operations import SendMessage, phone_number
from paceline.scripts import Script
from paceline_worker.bucket import DEFAULT_VARIATION, Pacing, plan
from paceline_worker.secrets import ApiKey, KeyRing

_LONGEST_VARIATION: Final = timedelta(seconds=10)


class AccountError(PacelineError):
    """The account is not in a state for this; the message says why."""


class Accounts:
    """The accounts in state.

    Args:
        client: from `paceline.state.connect`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script("paceline_worker", "account")

    def add(
        self,
        name: str,
        key: ApiKey,
        *,
        ring: KeyRing,
        rates: str,
        pacing: Pacing = "spacing",
        variation: timedelta = DEFAULT_VARIATION,
        senders: Sequence[str] = (),
    ) -> None:
        """Add one 2Chat API key under a name; its bucket starts empty.

        Args:
            name: letters, digits, dot, dash, underscore.
            key: the secret.
            ring: encrypts it.
            rates: ``10/minute``, ``10/minute; 1000/day``.
            pacing: ``spacing`` or ``window``.
            variation: J, lateness plus transit.
            senders: the only numbers that may send; none given: any.

        Raises:
            InvalidOperation: an argument is wrong; names it.
            AccountError: the name is taken.
            StateUnavailable: Redis did not answer.
        """
        _check_name(name)
        if not key.reveal() or not key.reveal().isascii() or not key.reveal().isprintable():
            raise InvalidOperation("API key: is empty, or has characters that no key has")
        # Never used before: a worker that still knows a removed account of this name must not use its key.
        version = time.time_ns() // 1_000_000
        fields = {
            **_limits(rates, pacing, variation),
            "senders": " ".join(_sender(number) for number in senders),
            "key": ring.encrypt(key, name, version),
            "key_version": str(version),
        }
        if self._run("add", name, *(text for pair in fields.items() for text in pair)) == "exists":
            raise AccountError(f"an account named {name!r} exists; remove it first, or choose another name")

    def change(
        self, name: str, *, rates: str, pacing: Pacing = "spacing", variation: timedelta = DEFAULT_VARIATION
    ) -> None:
        """Give an account other limits; its bucket keeps its time, and what quotas counted stays counted.

        Args:
            name: the account.
            rates: as for `add`.
            pacing: as for `add`.
            variation: as for `add`.

        Raises:
            InvalidOperation: an argument is wrong; names it.
            UnknownAccount: there is no such account.
        """
        fields = _limits(rates, pacing, variation)
        self._known(self._run("limits", name, *(text for pair in fields.items() for text in pair)), name)

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
            raise AccountError(f"account {name!r} still has operations that wait, are in flight or are held")

    def _run(self, verb: str, name: str, *arguments: str) -> str:
        try:
            return str(self._script.run(self._client, verb, name, *arguments))
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"the state server cannot be reached: {error}") from error

    @staticmethod
    def _known(reply: str, name: str) -> str:
        if reply == "unknown account":
            raise UnknownAccount(f"no account named {name!r}")
        return reply


def _limits(rates: str, pacing: Pacing, variation: timedelta) -> dict[str, str]:
    if not timedelta(0) <= variation <= _LONGEST_VARIATION:
        raise InvalidOperation("variation: between 0 and 10 seconds")
    planned = plan(rates, pacing, variation)
    return {
        "rate": rates,
        "pacing": pacing,
        "interval": str(planned.interval_us),
        "window": str(planned.window_us),
        "quotas": planned.quotas_text(),
        "variation": str(planned.variation_us),
    }


def _check_name(name: str) -> None:
    try:
        SendMessage(account=name, sender="+15550100001", to="+15550100002", text="x")
    except InvalidOperation:
        raise InvalidOperation("name: letters, digits, dot, dash and underscore, at most 64") from None


def _sender(number: str) -> str:
    try:
        return phone_number(number)
    except ValueError as error:
        raise InvalidOperation(f"sender: {number} {error}") from error
