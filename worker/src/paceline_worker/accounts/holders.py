"""Which account has an API key: two names for one key would be two buckets, and send twice what the provider allows."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import redis
from redis.exceptions import RedisError

from paceline.errors import ConfigurationError, StateUnavailable
from paceline.state.scripts import Script
from paceline_worker.accounts.secrets import ApiKey, KeyRing

SHARED: Final = (
    "this API key is that of account {0!r}: under two names it would send twice what the provider allows. "
    "Send as {0!r}, or give another key"
)


def taken_by(reply: Any) -> str | None:
    """The account that has the key already, if a reply of account.lua says so."""
    return str(reply).removeprefix("taken:") if str(reply).startswith("taken:") else None


def digests_text(key: ApiKey, ring: KeyRing) -> str:
    """The digests of a key as account.lua takes them: the one to keep first."""
    return " ".join(ring.digests(key))


class Holders:
    """Finds the account of a key by its keyed digest.

    Args:
        client: from `paceline.state.connect`.
        ring: makes digests, and decrypts the keys of accounts that have none.
        on_shared: told of two accounts that were added with the same key before there were digests.
    """

    def __init__(
        self, client: redis.Redis, ring: KeyRing, on_shared: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self._client = client
        self._ring = ring
        self._on_shared = on_shared
        self._script = Script("paceline_worker", "account")

    def of(self, keys: Sequence[ApiKey]) -> list[str | None]:
        """The account that has each key, or None.

        Args:
            keys: some hundred at most.

        Raises:
            StateUnavailable: Redis did not answer.
        """
        if not keys:
            return []
        try:
            self.learn()
            asked = [("whose", digests_text(key, self._ring)) for key in keys]
            return [str(reply) or None for reply in self._script.run_many(self._client, asked)]
        except (RedisError, OSError) as error:
            raise StateUnavailable(f"the state server cannot be reached: {error}") from error

    def learn(self) -> None:
        """Make digests of accounts that were added before there were any; mostly nothing is to be done.

        A key that cannot be decrypted stays without. Of two accounts with the same key one stays without, and is told of.

        Raises:
            RedisError: the state server does not answer.
        """
        while page := self._script.run(self._client, "no digest", ""):
            for name, text, version in zip(*[iter(page)] * 3, strict=True):
                try:
                    digests = digests_text(self._ring.decrypt(text, name, int(version)), self._ring)
                except ConfigurationError:
                    digests = ""
                if other := taken_by(self._script.run(self._client, "digest", name, version, digests)):
                    self._on_shared(name, other)
