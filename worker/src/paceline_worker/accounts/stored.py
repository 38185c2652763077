"""Settings of accounts as state has them, read by the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import redis

from paceline.errors import ConfigurationError
from paceline.state import translated
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.cli.accounts.view import budget_rates
from paceline_worker.pacing.bucket import Pacing, Variation, variation_from

# A page takes the state server half a millisecond.
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """What an import compares with its row, and an export writes.

    Args:
        name: the account.
        rates: the limit set by hand; empty when ``/info`` alone decides.
        pacing: ``spacing`` or ``window``.
        variation: J.
        reserve: percent of every limit that bulk work leaves to transactional work.
        budgets: rates by kind.
        senders: the only numbers that may send; none: any.
        key: the API key; None when it was not asked for, or cannot be decrypted.
    """

    name: str
    rates: str
    pacing: Pacing
    variation: Variation
    reserve: int
    budgets: dict[str, str]
    senders: tuple[str, ...]
    key: ApiKey | None = None


class StoredAccounts:
    """Reads accounts in pages.

    Args:
        client: from `paceline.state.connect`.
        ring: decrypts their keys; None: keys are not read.
    """

    def __init__(self, client: redis.Redis, ring: KeyRing | None = None) -> None:
        self._client = client
        self._ring = ring
        self._script = Script("paceline_worker", "settings")

    @translated
    def page(self, names: Sequence[str]) -> dict[str, StoredAccount]:
        """The accounts of these names that exist.

        Args:
            names: some hundred at most: the state server answers nobody else meanwhile.

        Raises:
            StateUnavailable: Redis did not answer.
        """
        replies = self._script.run(self._client, "1" if self._ring else "", *names)
        return {name: self._read(name, reply) for name, reply in zip(names, replies, strict=True) if reply}

    def each(self) -> Iterator[StoredAccount]:
        """All accounts, sorted by name; those that are removed meanwhile are left out.

        Raises:
            StateUnavailable: Redis did not answer.
        """
        names = iter(State(self._client).accounts())
        while page := list(islice(names, PAGE)):
            yield from self.page(page).values()

    def _read(self, name: str, reply: Sequence[Any]) -> StoredAccount:
        rates, pacing, variation_us, senders, budgets, reserve, learns, *secret = reply
        return StoredAccount(
            name,
            rates or "",
            pacing,
            variation_from(variation_us, learns),
            int(reserve or 0),
            budget_rates(budgets or ""),
            tuple((senders or "").split()),
            self._key(name, *secret) if self._ring else None,
        )

    def _key(self, name: str, text: str | None, version: str | None) -> ApiKey | None:
        try:
            return self._ring.decrypt(text or "", name, int(version or 0)) if self._ring else None
        except ConfigurationError:
            return None
