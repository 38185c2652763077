"""The form of the state: found out before a worker starts, converted when it is that of the previous release."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis

from paceline.errors import ConfigurationError, PacelineError
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline.status.audit import Balance, balance_of

# What can be converted; state that does not tell its schema has the first one.
_EARLIER: Final = ("1", "2")
# keys.lua: what the schema of state with several shards ends with.
_IN_SHARDS: Final = " in shards"


class MigrationRefused(PacelineError):
    """The state cannot be converted now; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Form:
    """What form the state has.

    Args:
        schema: of the state; '' when it is empty.
        ours: of this release.
        accounts: how many there are.
        workers: how many workers are alive.
    """

    schema: str
    ours: str
    accounts: int
    workers: int

    @property
    def is_ours(self) -> bool:
        """Whether a worker of this release may use it."""
        return self.schema.removesuffix(_IN_SHARDS) in ("", self.ours)


class Migration:
    """Finds out the form of the state, and converts it.

    Args:
        client: the state server.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script("paceline_worker", "migrate")

    def form(self) -> Form:
        """What form the state has now. State that does not tell is of the previous release, unless it is empty."""
        schema, ours, accounts, workers = self._script.run(self._client, "look")
        return Form(schema or (_EARLIER[0] if int(accounts) else ""), ours, int(accounts), int(workers))

    def claim_empty(self) -> None:
        """Say in state that is empty which form it will have."""
        self._script.run(self._client, "done")

    def convert(self, on_progress: Callable[[int], None] | None = None) -> list[Balance]:
        """Convert the state of the previous release. May be interrupted and run again.

        Args:
            on_progress: called with the number of pages that are done.

        Returns:
            The books of all accounts after it.

        Raises:
            MigrationRefused: nothing was changed; or the books do not balance, before or after.
        """
        form = self.form()
        if form.schema == "":
            self.claim_empty()
            return []

        if form.schema not in _EARLIER and not form.is_ours:
            raise MigrationRefused(
                f"the state has schema {form.schema}; this release converts {' and '.join(_EARLIER)}"
            )
        if form.workers:
            raise MigrationRefused(
                f"{form.workers} workers are alive: stop them all, wait five seconds, and run this again"
            )
        if form.is_ours:
            return self._balanced("after")

        self._balanced("before")
        cursor, pages = "0", 0

        while True:
            cursor, pages = str(self._script.run(self._client, "page", cursor)), pages + 1
            if on_progress:
                on_progress(pages)
            if cursor == "0":
                break

        self._script.run(self._client, "done")
        return self._balanced("after")

    def _balanced(self, when: str) -> list[Balance]:
        state = State(self._client)
        books = [balance_of(found) for name in state.accounts() if (found := state.account(name))]
        wrong = [book.account for book in books if book.unaccounted]
        if wrong:
            raise MigrationRefused(
                f"the books of {', '.join(wrong[:5])} do not balance {when} the conversion; see `paceline audit`"
            )
        return books


def check_schema(client: redis.Redis) -> None:
    """Refuse state of another form; say in empty state which form it will have.

    Args:
        client: the state server.

    Raises:
        ConfigurationError: says what to do.
    """
    migration = Migration(client)
    form = migration.form()
    if form.schema == "":
        migration.claim_empty()
    elif form.schema in _EARLIER:
        raise ConfigurationError(
            "the state was written by an earlier release: stop all workers and run `paceline state migrate`"
        )
    elif not form.is_ours:
        raise ConfigurationError(
            f"the state was written by a later release (schema {form.schema}, this one reads {form.ours}): "
            "install that release"
        )
