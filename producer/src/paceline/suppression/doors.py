"""What outboxes do with suppression lists."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from paceline.flows.steps import arun
from paceline.suppression.lists import BY_HAND, Suppression, adding, checked, checking, named_list, paging, removing

if TYPE_CHECKING:
    from paceline.flows.steps import AsyncAsked, Flow

_T = TypeVar("_T")


class Suppressing:
    """The part of an `Outbox` that keeps suppression lists."""

    def suppress(
        self,
        numbers: str | Iterable[str],
        *,
        account: str | None = None,
        all_accounts: bool = False,
        reason: str = BY_HAND,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """Put numbers on a suppression list: what has not begun to them ends as ``suppressed``, and nothing new leaves.

        Groups, stories, deletions and number checks are not concerned. A transactional operation with ``exempt`` leaves
        all the same.

        Args:
            numbers: one number, or any iterable, which is streamed; E.164. Numbers of Mexico, Argentina, Brazil and Benin are
                listed in both forms in which WhatsApp writes them.
            account: the list of this account.
            all_accounts: the list of all accounts, instead.
            reason: why, one line; a number that is listed already keeps its reason.
            on_progress: takes the number of numbers written, after each chunk.

        Returns:
            How many of the numbers are new.

        Raises:
            InvalidOperation: a number is none; numbers of earlier chunks are listed.
            UnknownAccount, StateUnavailable: as for `Outbox.send`.
        """
        name = named_list(account, all_accounts=all_accounts)
        return self._run(adding(name, checked(numbers), reason, on_progress))

    def unsuppress(
        self, numbers: str | Iterable[str], *, account: str | None = None, all_accounts: bool = False
    ) -> int:
        """Take numbers off a suppression list. Operations that ended as ``suppressed`` stay so.

        Args:
            numbers: as for `suppress`.
            account: see there.
            all_accounts: see there.

        Returns:
            How many of the numbers were on the list.

        Raises:
            InvalidOperation, UnknownAccount, StateUnavailable: as for `suppress`.
        """
        return self._run(removing(named_list(account, all_accounts=all_accounts), checked(numbers)))

    def suppressed(self, number: str, *, account: str | None = None, all_accounts: bool = False) -> Suppression | None:
        """The entry that keeps an account from writing to a number.

        Args:
            number: E.164.
            account: of its list, or of that of all accounts.
            all_accounts: of the list of all accounts only.

        Returns:
            The entry, or None.

        Raises:
            InvalidOperation, UnknownAccount, StateUnavailable: as for `suppress`.
        """
        (checked_number,) = checked(number)
        return self._run(checking(named_list(account, all_accounts=all_accounts), checked_number))

    def suppressions(self, *, account: str | None = None, all_accounts: bool = False) -> Iterator[Suppression]:
        """All entries of one list, page by page, in no order. One that is added meanwhile may be left out.

        Args:
            account: the list of this account.
            all_accounts: the list of all accounts, instead.

        Yields:
            Entries.

        Raises:
            InvalidOperation, UnknownAccount, StateUnavailable: as for `suppress`.
        """
        name, cursor = named_list(account, all_accounts=all_accounts), "0"
        while True:
            cursor, entries = self._run(paging(name, cursor))
            yield from entries
            if cursor == "0":
                return

    def _run(self, flow: "Flow[_T]") -> _T:
        raise NotImplementedError


class AsyncSuppressing:
    """The part of an `AsyncOutbox` that keeps suppression lists."""

    state: "AsyncAsked"

    async def suppress(
        self,
        numbers: str | Iterable[str],
        *,
        account: str | None = None,
        all_accounts: bool = False,
        reason: str = BY_HAND,
        on_progress: Callable[[int], None] | None = None,
    ) -> int:
        """As `Outbox.suppress`."""
        name = named_list(account, all_accounts=all_accounts)
        return await arun(adding(name, checked(numbers), reason, on_progress), self.state)

    async def unsuppress(
        self, numbers: str | Iterable[str], *, account: str | None = None, all_accounts: bool = False
    ) -> int:
        """As `Outbox.unsuppress`."""
        return await arun(removing(named_list(account, all_accounts=all_accounts), checked(numbers)), self.state)

    async def suppressed(
        self, number: str, *, account: str | None = None, all_accounts: bool = False
    ) -> Suppression | None:
        """As `Outbox.suppressed`."""
        (checked_number,) = checked(number)
        return await arun(checking(named_list(account, all_accounts=all_accounts), checked_number), self.state)

    async def suppressions(
        self, *, account: str | None = None, all_accounts: bool = False
    ) -> AsyncIterator[Suppression]:
        """As `Outbox.suppressions`: ``async for`` over them."""
        name, cursor = named_list(account, all_accounts=all_accounts), "0"
        while True:
            cursor, entries = await arun(paging(name, cursor), self.state)
            for entry in entries:
                yield entry
            if cursor == "0":
                return
