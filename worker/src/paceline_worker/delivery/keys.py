"""API keys in the worker: decrypted when they are first used, kept by version, fetched for many accounts at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from paceline.errors import PacelineError
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.delivery.batcher import Batcher
from paceline_worker.integrity.seals import Seals

_LARGEST: Final = 100
_MOST_CALLS: Final = 2


class KeyPutBack(PacelineError):
    """State holds an API key that is older than one that was used before."""


class Keys:
    """The keys of accounts, for one event loop.

    Args:
        fetch: the encrypted keys of accounts, their versions, and the sealed statements of their highest versions.
        ring: decrypts them.
        seals: checks and makes those statements.
        raise_floor: writes the statement of an account down.
    """

    def __init__(
        self,
        fetch: Callable[[Sequence[str]], Awaitable[Sequence[tuple[str, int, str]]]],
        ring: KeyRing,
        seals: Seals,
        raise_floor: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._stored: Batcher[str, tuple[str, int, str]] = Batcher(fetch, largest=_LARGEST, most_calls=_MOST_CALLS)
        self._ring = ring
        self._seals = seals
        self._raise_floor = raise_floor
        self._known: dict[str, tuple[ApiKey, int]] = {}

    async def get(self, account: str, version: int | None) -> tuple[ApiKey, int]:
        """An account's key and its version.

        Args:
            account: its name.
            version: the version that is wanted; None: whatever state has.

        Raises:
            PacelineError: the key cannot be decrypted, or is older than one that was used before.
            RedisError, OSError: the state server does not answer.
        """
        known = self._known.get(account)
        if known and known[1] == version:
            return known
        text, stored, statement = await self._stored.ask(account)
        floor = self._seals.floor_of(account, statement)
        if stored < max(floor, known[1] if known else 0):
            raise KeyPutBack(
                f"the API key of account {account!r} is older than a key used before: somebody put it back."
                f" Find out who; then run `paceline accounts rotate {account}`"
            )
        self._known[account] = key = self._ring.decrypt(text, account, stored), stored
        if stored > floor:
            await self._raise_floor(account, self._seals.floor(account, stored))
        return key
