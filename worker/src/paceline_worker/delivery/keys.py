"""API keys in the worker: decrypted when they are first used, kept by version, fetched for many accounts at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.delivery.batcher import Batcher

_LARGEST: Final = 100
_MOST_CALLS: Final = 2


class Keys:
    """The keys of accounts, for one event loop.

    Args:
        fetch: the encrypted keys of accounts and their versions.
        ring: decrypts them.
    """

    def __init__(self, fetch: Callable[[Sequence[str]], Awaitable[Sequence[tuple[str, int]]]], ring: KeyRing) -> None:
        self._stored: Batcher[str, tuple[str, int]] = Batcher(fetch, largest=_LARGEST, most_calls=_MOST_CALLS)
        self._ring = ring
        self._known: dict[str, tuple[ApiKey, int]] = {}

    async def get(self, account: str, version: int | None) -> tuple[ApiKey, int]:
        """An account's key and its version.

        Args:
            account: its name.
            version: the version that is wanted; None: whatever state has.

        Raises:
            PacelineError: the key cannot be decrypted.
            RedisError, OSError: the state server does not answer.
        """
        known = self._known.get(account)
        if known and known[1] == version:
            return known
        text, stored = await self._stored.ask(account)
        self._known[account] = key = self._ring.decrypt(text, account, stored), stored
        return key
