"""The receiver's side of the state, and the command line's: typed calls of receipts.lua."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

import redis
from redis.exceptions import RedisError

from paceline import names
from paceline.errors import StateUnavailable, UnknownAccount
from paceline.recipients.numbers import forms_of
from paceline.state import ANSWER_TIMEOUT_S, translated
from paceline.state.scripts import Script
from paceline.status.receipt import RECEIPT_STATUSES, ReceiptStatus
from paceline.times import instant
from paceline_worker.receipts.reading import Told, Wrote
from paceline_worker.receipts.words import Change
from paceline_worker.state.connection import aconnect

_PACKAGE: Final = "paceline_worker"


class ReceiptState:
    """Calls from the event loop.

    Nothing is repeated: the reply to a repeated receipt would say that it was known, and it would not be counted.

    Args:
        url: the state server.
        namespace: whose state it is.

    Raises:
        ConfigurationError: the address is malformed.
    """

    def __init__(self, url: str, namespace: str = names.NAMESPACE) -> None:
        self.client = aconnect(url, namespace, answer_timeout_s=ANSWER_TIMEOUT_S)
        self._script = Script(_PACKAGE, "receipts")

    async def digest(self, account: str) -> str:
        """The digest of an account's token; '' when it has none, or when there is no such account."""
        return str(await self._run("digest", account))

    async def take(self, account: str, digest: str, receipts: Sequence[Told]) -> list[str] | None:
        """Note receipts of an account.

        Args:
            account: its name.
            digest: of the token they came with.
            receipts: in the order they came.

        Returns:
            What was done with each (see receipts.lua); None when the token is not the account's any more.

        Raises:
            StateUnavailable: Redis did not answer.
        """
        flat = (
            text
            for told in receipts
            for text in (told.uuid, told.status, "" if told.at_us is None else str(told.at_us))
        )
        reply = await self._run("take", account, digest, *flat)
        return None if reply == "forbidden" else [str(done) for done in cast("list[str]", reply)]

    async def wrote(self, account: str, digest: str, wrote: Wrote, change: Change) -> str:
        """Put a number on the account's suppression list because of a word that it wrote, or take it off.

        Args:
            account: its name.
            digest: of the token that the message came with.
            wrote: what was written.
            change: what the word means.

        Returns:
            What was done; see receipts.lua.

        Raises:
            StateUnavailable: Redis did not answer.
        """
        at = "" if wrote.at_us is None else str(wrote.at_us)
        done = await self._run("wrote", account, digest, change.way, change.word, at, *forms_of(wrote.number))
        return str(done)

    async def caught_up(self) -> list[tuple[str, ReceiptStatus, int]]:
        """Receipts that came before their messages' answers and were noted with these: account, status, how many. Told once."""
        flat = cast("list[str]", await self._run("caught up"))
        pairs = (what.split("|", 1) for what in flat[::2])
        return [
            (account, cast("ReceiptStatus", status), int(number))
            for (status, account), number in zip(pairs, flat[1::2], strict=True)
        ]

    async def _run(self, *arguments: str) -> object:
        try:
            return await self._script.arun(self.client, *arguments)
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"the state server does not answer: {error}") from error


@dataclass(frozen=True, slots=True)
class Hook:
    """What is known of an account's receipts.

    Args:
        digest: of its token; '' when it has none.
        since: when it got it.
        shown: whether a person was shown the address.
        early: receipts whose message is still unknown.
        counts: status to number of messages; read ones are received ones, too.
    """

    digest: str
    since: datetime | None
    shown: bool
    early: int
    counts: dict[ReceiptStatus, int]


class Hooks:
    """The tokens of accounts, for the command line.

    Args:
        client: from `paceline.state.connect`.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script(_PACKAGE, "receipts")

    @translated
    def of(self, account: str) -> Hook:
        """What is known of an account's receipts.

        Raises:
            UnknownAccount: there is no such account.
        """
        reply = self._script.run(self._client, "show", account)
        _known(reply, account)
        digest, since, shown, early, *counts = reply
        numbers = {status: int(count) for status, count in zip(RECEIPT_STATUSES, counts, strict=True)}
        return Hook(digest, instant(since) if since else None, shown == "1", int(early), numbers)

    @translated
    def open(self, account: str, digest: str, *, instead_of: str, shown: bool) -> bool:
        """Give an account a token.

        Args:
            account: its name.
            digest: of the token.
            instead_of: digest of the one it has, '' none.
            shown: whether a person is shown the address.

        Returns:
            Whether it has it now; not when it had another one than it was said to have.

        Raises:
            UnknownAccount: there is no such account.
        """
        reply = self._script.run(self._client, "open", account, digest, instead_of, "1" if shown else "")
        return _known(reply, account) == "done"

    @translated
    def close(self, account: str) -> bool:
        """Forget an account's token; whether it had one.

        Raises:
            UnknownAccount: there is no such account.
        """
        return _known(self._script.run(self._client, "close", account), account) == "done"


def _known(reply: object, account: str) -> object:
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: see `paceline accounts list`")
    return reply
