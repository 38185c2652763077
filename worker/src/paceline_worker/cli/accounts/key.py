"""Where the command line gets an API key, and whether the provider takes it."""

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from getpass import getpass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from paceline.cli.errors import complain
from paceline.cli.options import opened_state
from paceline.errors import InvalidOperation
from paceline.settings import Settings
from paceline_worker.accounts.accounts import AccountRefused
from paceline_worker.accounts.holders import SHARED, Holders
from paceline_worker.accounts.info import INFO, Info, read_info
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.verdict.meaning import Answer, Meaning

if TYPE_CHECKING:
    from paceline_worker.provider.client import Provider

# Questions under way at once: each key is asked once, so no limit of the provider's counts them together.
_AT_ONCE: Final = 16

ApiKeyVariable = Annotated[
    str | None, typer.Option("--api-key-env", metavar="VAR", help="Environment variable that holds the API key.")
]


def key_from(name: str, variable: str | None) -> ApiKey:
    """The API key of an account: from a variable, else one line from stdin.

    Args:
        name: of the account, for the prompt.
        variable: its name, when one was given.

    Raises:
        InvalidOperation: the variable is not set.
    """
    if variable is not None:
        if not os.environ.get(variable):
            raise InvalidOperation(f"--api-key-env: the variable {variable} is not set")
        return ApiKey(os.environ[variable].strip())
    # getpass reads from the terminal without echo.
    line = getpass(f"API key of {name}: ") if sys.stdin.isatty() else sys.stdin.readline()
    return ApiKey(line.strip())


def refuse_shared(key: ApiKey, ring: KeyRing, name: str = "") -> None:
    """Refuse a key that another account has, before the provider is asked about it.

    Args:
        key: the secret.
        ring: makes its digest.
        name: the account that may have it.

    Raises:
        AccountRefused: another account has it.
        StateUnavailable: Redis did not answer.
    """

    def say(one: str, other: str) -> None:
        complain(
            f"accounts {one!r} and {other!r} have the same API key, and send at twice its limit: remove one of them"
        )

    with opened_state() as state:
        [holder] = Holders(state.client, ring, say).of([key])
    if holder and holder != name:
        raise AccountRefused(SHARED.format(holder))


def asked(settings: Settings, key: ApiKey, *, needed: bool) -> Info | None:
    """What the provider says of the account.

    Args:
        settings: address and deadline.
        key: the account's.
        needed: whether nothing goes on without its limit.

    Returns:
        Its figures; None when the provider does not tell them and they are not needed.

    Raises:
        AccountRefused: the provider refuses the key, or does not tell what is needed.
    """
    answer = asyncio.run(ask_info(settings, key))
    if answer.meaning is Meaning.BAD_KEY:
        raise AccountRefused(f"the provider refuses this API key ({answer.code}): {answer.words or 'no reason given'}")
    if answer.meaning is Meaning.ACCEPTED and answer.value is not None:
        info = read_info(answer.value)
        if info.per_minute or not needed:
            return info
    if needed:
        why = answer.words or answer.code
        raise AccountRefused(
            f"the provider does not report the account's limit ({why}): give --limit, or --no-info to wait for a report"
        )
    complain(f"the provider's /info could not be read ({answer.words or answer.code}); a worker tries again")
    return None


def _provider(settings: Settings, *, connections: int) -> "Provider":
    from paceline_worker.provider.client import Provider  # noqa: PLC0415 - a client of HTTP, for commands that ask the provider

    return Provider(settings.api_base, deadline_s=settings.http_deadline_s, connections=connections)


async def ask_info(settings: Settings, key: ApiKey) -> Answer:
    """One call of /info.

    Args:
        settings: address and deadline.
        key: the account's.
    """
    provider = _provider(settings, connections=1)
    try:
        return await provider.call(INFO, key)
    finally:
        await provider.close()


class Inquiry:
    """Asks /info of many keys, some of them at once; from `opened_inquiry`.

    Args:
        runner: the event loop of the provider.
        provider: as many connections as questions under way.
    """

    def __init__(self, runner: asyncio.Runner, provider: "Provider") -> None:
        self._runner = runner
        self._provider = provider

    def __call__(self, keys: Sequence[ApiKey]) -> list[Answer]:
        """The answers, in the order of the keys."""
        return self._runner.run(self._all(keys))

    async def _all(self, keys: Sequence[ApiKey]) -> list[Answer]:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(key: ApiKey) -> Answer:
            async with turns:  # before the call: its deadline is not to pass while it waits
                return await self._provider.call(INFO, key)

        return await asyncio.gather(*map(ask, keys))


@contextmanager
def opened_inquiry(settings: Settings) -> Iterator[Inquiry]:
    """An inquiry on an event loop of its own.

    Args:
        settings: address and deadline.
    """

    async def made() -> "Provider":
        return _provider(settings, connections=_AT_ONCE)

    with asyncio.Runner() as runner:
        provider = runner.run(made())
        try:
            yield Inquiry(runner, provider)
        finally:
            runner.run(provider.close())
