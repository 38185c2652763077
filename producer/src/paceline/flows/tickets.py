"""What `send` returns: an operation's id, and the way to ask for its outcome."""

import time
from collections.abc import Callable

from paceline.flows.sending import Duplicate, Queued, Refused, cancelling, looking_up, settling, waiting
from paceline.flows.steps import Asked, AsyncAsked, arun, run
from paceline.status.view import Status


class Ticket:
    """The proof that an operation is written, and the way to ask for its outcome.

    Args:
        op_id: the operation.
        rid: its inbox record.
        state: where to ask.
        sleep: takes seconds; how it waits between two looks.
    """

    def __init__(self, op_id: str, rid: str, state: Asked, sleep: Callable[[float], object] = time.sleep) -> None:
        self.id = op_id
        self._rid = rid
        self._state = state
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"Ticket(id={self.id!r})"

    def wait(self, timeout: float = 5.0) -> Queued | Duplicate | Refused:
        """Wait until a worker has looked at it.

        Args:
            timeout: seconds.

        Returns:
            Its outcome, or the worker's answer.

        Raises:
            Conflict: its idempotency key belongs to another content, which was still in the inbox when this one was sent.
            NotYetAccepted: nobody looked in time. The operation is kept and will be accepted.
            StateUnavailable: Redis did not answer.
        """
        return run(waiting(self.id, self._rid, timeout), self._state, self._sleep)

    def wait_settled(self, timeout: float = 60.0) -> Status:
        """Wait until it has its outcome.

        Args:
            timeout: seconds.

        Returns:
            Its status, with the outcome as its state.

        Raises:
            Refusal: a worker refused the record; `Conflict` where its idempotency key belongs to another content.
            NotYetSettled: it has none in time. The operation is kept and goes on.
            StateUnavailable: Redis did not answer.
        """
        return run(settling(self.id, self._rid, timeout), self._state, self._sleep)

    def status(self) -> Status:
        """As `Outbox.status`."""
        return run(looking_up(self.id), self._state, self._sleep)

    def cancel(self, why: str = "by hand") -> None:
        """As `Outbox.cancel`."""
        run(cancelling(self.id, why), self._state, self._sleep)


class AsyncTicket:
    """A `Ticket` on an event loop.

    Args:
        op_id: the operation.
        rid: its inbox record.
        state: where to ask.
    """

    def __init__(self, op_id: str, rid: str, state: AsyncAsked) -> None:
        self.id = op_id
        self._rid = rid
        self._state = state

    def __repr__(self) -> str:
        return f"AsyncTicket(id={self.id!r})"

    async def wait(self, timeout: float = 5.0) -> Queued | Duplicate | Refused:  # noqa: ASYNC109 - as `Ticket.wait`
        """As `Ticket.wait`."""
        return await arun(waiting(self.id, self._rid, timeout), self._state)

    async def wait_settled(self, timeout: float = 60.0) -> Status:  # noqa: ASYNC109 - as `Ticket.wait_settled`
        """As `Ticket.wait_settled`."""
        return await arun(settling(self.id, self._rid, timeout), self._state)

    async def status(self) -> Status:
        """As `Outbox.status`."""
        return await arun(looking_up(self.id), self._state)

    async def cancel(self, why: str = "by hand") -> None:
        """As `Outbox.cancel`."""
        await arun(cancelling(self.id, why), self._state)
