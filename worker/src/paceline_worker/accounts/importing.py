"""Bringing many accounts to what rows ask for; `accounts_decision.py` decides, and this does it in batches."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import redis

from paceline.errors import PacelineError, StateUnavailable
from paceline_worker.accounts.accounts import PIPELINED, Accounts
from paceline_worker.accounts.decision import Add, Change, Decision, Unchanged, decide
from paceline_worker.accounts.holders import SHARED, Holders
from paceline_worker.accounts.info import Info, read_info
from paceline_worker.accounts.rows import AccountRow, RowError
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.accounts.stored import StoredAccounts
from paceline_worker.verdict.meaning import Answer, Meaning

_TAKEN: Final = "an account of this name was added at the same moment. Repeat the command"

Ask = Callable[[Sequence[ApiKey]], Sequence[Answer]]


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of rows.

    Args:
        added: accounts that were not there.
        changed: accounts with other settings.
        unchanged: accounts that were as asked for.
        unread: of those added, accounts whose ``/info`` could not be read; a worker will ask again.
        errors: rows that were not done.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    unread: int = 0
    errors: tuple[RowError, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows are done with, those with errors too."""
        return self.added + self.changed + self.unchanged + len(self.errors)


def import_accounts(
    client: redis.Redis,
    rows: Iterable[AccountRow | RowError],
    *,
    ring: KeyRing,
    ask: Ask | None = None,
    dry_run: bool = False,
    on_progress: Callable[[Imported], None] | None = None,
) -> Imported:
    """Add the accounts that are not there, and change those that differ; the same rows again change nothing.

    Args:
        client: from `paceline.state.connect`.
        rows: from `accounts_rows.account_rows`, so no two have one name; taken some hundred at a time.
        ring: encrypts new keys, and decrypts those that are compared.
        ask: asks ``/info`` of the keys of new accounts; None: a worker will.
        dry_run: write nothing; tell what would be done.
        on_progress: called after each batch, and when one breaks off, with what is done.

    Returns:
        What became of the rows. A row that cannot be done stops no other.

    Raises:
        StateUnavailable: Redis did not answer; what `on_progress` was told is done.
    """
    batches = _Batches(client, ring, ask, dry_run=dry_run)
    rest = iter(rows)
    while batch := list(islice(rest, PIPELINED)):
        try:
            batches.do(batch)
        finally:
            if on_progress:
                on_progress(batches.done)
    return batches.done


class _Batches:
    """Does one batch after the other, and counts what is done; an outcome is ``added``, ``changed``, ``unchanged`` or an error."""

    def __init__(self, client: redis.Redis, ring: KeyRing, ask: Ask | None, *, dry_run: bool) -> None:
        self._counts: Counter[str] = Counter()
        self._errors: list[RowError] = []
        self._unread = 0
        self._accounts = Accounts(client)
        self._stored = StoredAccounts(client, ring)
        self._holders = Holders(client, ring)
        self._ring = ring
        self._ask = ask
        self._dry_run = dry_run

    @property
    def done(self) -> Imported:
        """What became of the rows until now, those of a batch that broke off too."""
        counts = self._counts
        return Imported(counts["added"], counts["changed"], counts["unchanged"], self._unread, tuple(self._errors))

    def do(self, rows: Sequence[AccountRow | RowError]) -> None:
        stored = self._stored.page([row.name for row in rows if isinstance(row, AccountRow)])
        decisions = self._refused(
            [row if isinstance(row, RowError) else decide(row, stored.get(row.name)) for row in rows]
        )
        added = self._add([one for one in decisions if isinstance(one, Add)])
        self._counts["added"] += added.count("added")
        outcomes = iter(added)
        for one in decisions:
            outcome = next(outcomes) if isinstance(one, Add) else self._outcome(one)
            if isinstance(outcome, RowError):
                self._errors.append(outcome)
            elif not isinstance(one, Add):
                self._counts[outcome] += 1

    def _refused(self, decisions: Sequence[Decision]) -> list[Decision]:
        """The same, without accounts whose key another account has."""
        holders = iter(self._holders.of([one.key for one in decisions if isinstance(one, Add)]))
        return [
            RowError(one.row.row, one.row.name, f"key: {SHARED.format(other)}")
            if isinstance(one, Add) and (other := next(holders))
            else one
            for one in decisions
        ]

    def _outcome(self, decision: Change | Unchanged | RowError) -> str | RowError:
        if isinstance(decision, RowError):
            return decision
        if isinstance(decision, Unchanged):
            return "unchanged"
        if not self._dry_run:
            try:
                self._accounts.change(decision.row.name, **decision.options)
            except StateUnavailable:
                raise
            except PacelineError as error:  # removed meanwhile
                return RowError(decision.row.row, decision.row.name, str(error))
        return "changed"

    def _add(self, adds: Sequence[Add]) -> list[str | RowError]:
        infos: list[Info | str | None] = [None] * len(adds)
        if self._ask and adds:
            answers = self._ask([add.key for add in adds])
            infos = [info_of(answer, needed=add.needs_info) for add, answer in zip(adds, answers, strict=True)]
            self._unread += infos.count(None)
        accounts = [add.account(info) for add, info in zip(adds, infos, strict=True) if not isinstance(info, str)]
        taken = [] if self._dry_run else self._accounts.add_many(accounts, ring=self._ring)
        return [
            RowError(add.row.row, add.row.name, info)
            if isinstance(info, str)
            else RowError(add.row.row, add.row.name, _TAKEN)
            if add.row.name in taken
            else "added"
            for add, info in zip(adds, infos, strict=True)
        ]


def info_of(answer: Answer, *, needed: bool) -> Info | str | None:
    """What an answer to /info means for an account that is to be added.

    Args:
        answer: of the provider. Its words are not repeated: they may quote the key.
        needed: whether nobody else tells the account's limit.

    Returns:
        The figures; why the account is not added; None when a worker may ask again.
    """
    if answer.meaning is Meaning.BAD_KEY:
        return f"the provider refuses this API key ({answer.code}). Check it in the provider's console"
    if answer.meaning is Meaning.ACCEPTED and answer.value is not None:
        info = read_info(answer.value)
        if info.per_minute or not needed:
            return info
    if needed:
        return f"the provider does not report the account's limit ({answer.code}). Give a limit, or --no-info to wait for it"
    return None
