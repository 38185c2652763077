"""What outboxes tell of operations."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from paceline.flows.sending import finding, keyed_id, looking_up, looking_up_row, of_key
from paceline.status.view import Status

if TYPE_CHECKING:
    from paceline.flows.steps import Flow

_T = TypeVar("_T")


class Looking:
    """The part of an `Outbox` that tells where operations are."""

    def status(self, op_id: str) -> Status:
        """Where an operation is, and why it waits.

        Args:
            op_id: from a ticket.

        Returns:
            State, times, outcome, forecast.

        Raises:
            NotFound: unknown, not accepted yet, or already deleted after its retention time.
        """
        return self._run(looking_up(op_id))

    def status_by_key(self, account: str, idempotency_key: str) -> Status:
        """Where the operation of an idempotency key is.

        Args:
            account: account name.
            idempotency_key: as it was given.

        Raises:
            NotFound: no such operation, or the operation was deleted after its retention time.
        """
        return self._run(looking_up(keyed_id(account, idempotency_key), of_key(idempotency_key)))

    def status_of_row(self, campaign: str, key: str) -> Status:
        """Where the message of one row of a campaign is.

        Args:
            campaign: its name.
            key: the row's ``key``, or its ``to`` where it has none.

        Raises:
            NotFound: no such operation, or the operation was deleted after its retention time.
        """
        return self._run(looking_up_row(campaign, key))

    def find(self, to: str, account: str | None = None) -> Iterator[Status]:
        """All operations to one recipient that are kept, of campaigns too, in no order.

        All operations in state are looked at, 500 at a time: a million take some seconds.

        Args:
            to: the number, group or remote id.
            account: account name; all of them by default.

        Yields:
            Where each of them is.
        """
        cursor = "0"
        while True:
            cursor, found = self._run(finding(cursor, to, account or ""))
            yield from found
            if cursor == "0":
                return

    def _run(self, flow: "Flow[_T]") -> _T:
        """Carry a flow out; the outbox knows how."""
        raise NotImplementedError
