"""For the unit tests of services that enqueue: an `Outbox` that needs no Redis and remembers what it was given.

::

    from paceline import Queued, Outbox, SendMessage
    from paceline.testing import RecordingOutbox

    def greet(outbox: Outbox, number: str) -> None:      # the code under test
        outbox.send(SendMessage(account="acme", sender="+15550100001", to=number, text="Welcome"))

    def test_a_new_customer_is_greeted() -> None:
        outbox = RecordingOutbox()
        greet(outbox, "+15550100002")
        assert outbox.sent == [
            SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Welcome"),
        ]
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

from paceline.async_outbox import AsyncOutbox
from paceline.errors import InvalidOperation, PacelineError
from paceline.flows.sending import Queued, looking_up, looking_up_row
from paceline.flows.steps import run
from paceline.flows.tickets import AsyncTicket, Ticket
from paceline.literals import Outcome
from paceline.operations import Operation
from paceline.outbox import Outbox
from paceline.settings import Settings
from paceline.state.questions import Question
from paceline.status.entry import OutcomeEntry
from paceline.status.receipt import ReceiptStatus
from paceline.status.view import Status
from paceline.testing.memory import MemoryState
from paceline.testing.recorded import CampaignMessage, RecordedCampaign

_T = TypeVar("_T")

__all__ = ["AsyncRecordingOutbox", "CampaignMessage", "RecordedCampaign", "RecordingOutbox"]

# What workers write down when the provider's code is not told.
_CODES: Final[Mapping[Outcome, str]] = {
    "accepted": "202",
    "rejected": "422",
    "expired": "",
    "cancelled": "cancelled",
    "dead": "503",
    "held": "unknown",
    "suppressed": "listed",
}
_ON_THE_WAY: Final[Mapping[str, tuple[ReceiptStatus, ...]]] = {
    "sent": ("sent",),
    "delivered": ("sent", "received"),
    "read": ("sent", "received", "read"),
    "not_sent": ("not_sent",),
}


class _Records:
    """What both recording outboxes have."""

    def __init__(
        self,
        *,
        fail_with: PacelineError | None = None,
        unknown_accounts: Iterable[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.fail_with = fail_with
        self.unknown_accounts = set(unknown_accounts)
        self.sent: list[Operation] = []
        self.campaigns: dict[str, RecordedCampaign] = {}
        self.closed = False
        self._memory = MemoryState(self, clock)

    def settle(
        self,
        op_id: str,
        outcome: Outcome = "accepted",
        *,
        code: str | int | None = None,
        words: str | None = None,
        message_uuid: str | None = None,
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """Let an operation have its outcome, as workers and the provider would.

        Args:
            op_id: what was sent; see `Ticket.id`, or `id_of_row` for one message of a campaign.
            outcome: its outcome.
            code: the provider's status code, or a word; default: a fitting code.
            words: the provider's words.
            message_uuid: the provider's handle; by default an accepted operation gets one.
            result: as `Status.result`, for example ``{"numbers": {...}}``.

        Raises:
            NotFound: nothing of that id was sent.
            InvalidOperation: it has its outcome, and was not ``held``.
        """
        before = self._status(op_id)
        if before.settled_at and before.state != "held":
            raise InvalidOperation(f"{op_id} is settled: it is {before.state}")
        uuid = message_uuid or (f"MSG-{op_id}" if outcome == "accepted" else "")
        self._memory.settle(
            op_id, outcome, code=str(code or _CODES[outcome]), words=words or "", uuid=uuid, result=result or {}
        )

    def deliver(self, op_id: str, status: Literal["sent", "delivered", "read", "not_sent"] = "delivered") -> None:
        """Let receipts of an accepted message come.

        Args:
            op_id: what was sent.
            status: how far it comes: a delivered message was sent, a read message was delivered.

        Raises:
            NotFound: nothing of that id was sent.
            InvalidOperation: it is not accepted.
        """
        before = self._status(op_id)
        if before.state != "accepted":
            raise InvalidOperation(f"{op_id} has no receipts: it is {before.state}, not accepted")
        self._memory.note(op_id, _ON_THE_WAY[status])

    def id_of_row(self, campaign: str, key: str) -> str:
        """The operation of one row of a campaign.

        Args:
            campaign: its name.
            key: the row's ``key``, or its ``to`` where it has none.

        Raises:
            NotFound: there is no such row.
        """
        return run(looking_up_row(campaign, key), self._memory).id

    def _status(self, op_id: str) -> Status:
        return run(looking_up(op_id), self._memory)


class RecordingOutbox(_Records, Outbox):
    """An `Outbox` for unit tests: the same methods, checks and errors, and no server.

    What is sent counts as queued at once and waits until the test decides (`settle`, `deliver`). A repeated
    idempotency key (or recipient of a campaign) is a duplicate, as it is for workers, and an operation that names another never
    sent here is refused. Every account is known unless it is refused. A plan takes it for granted that an account sends a
    million a second.

    Args:
        fail_with: raised by `send`, `campaign` and `plan_campaign` for as long as the attribute of that name is set, for example
            ``StateUnavailable("Redis is down")``; set it to None and the outbox works again.
        unknown_accounts: names that are refused with `UnknownAccount`; the attribute is a set that may be changed.
        clock: tells the time; the system's by default.

    Attributes:
        sent: operations in the order they were sent, duplicates and refused ones left out.
        campaigns: campaigns by name.
        closed: whether `close` was called.
    """

    def __init__(
        self,
        *,
        fail_with: PacelineError | None = None,
        unknown_accounts: Iterable[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # Not the outbox's own: it reads the environment and builds clients of Redis and of the broker.
        _Records.__init__(self, fail_with=fail_with, unknown_accounts=unknown_accounts, clock=clock)
        self.settings = Settings()
        self.state = self._memory
        self._closed = threading.Event()

    def send(self, operation: Operation) -> Ticket:
        """As `Outbox.send`; the operation is also put into `sent`."""
        ticket = super().send(operation)
        if isinstance(ticket.wait(timeout=0), Queued):
            self.sent.append(operation)
        return ticket

    def outcomes(
        self,
        campaign: str | None = None,
        after: str | None = None,
        *,
        follow: bool = False,
        receipts: bool = False,
        stop: threading.Event | None = None,
    ) -> Iterator[OutcomeEntry]:
        """As `Outbox.outcomes`; without ``stop``, following ends with what there is, because nobody else would end a test."""
        follow = follow and stop is not None
        return super().outcomes(campaign, after, follow=follow, receipts=receipts, stop=stop)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
        self._closed.set()

    def _hint(self, rid: str, *, is_bulk: bool = False) -> None:
        """Nobody listens."""


class _Promptly:
    """The memory, as an event loop asks it."""

    def __init__(self, memory: MemoryState) -> None:
        self._memory = memory

    async def ask(self, question: Question[_T]) -> _T:
        return self._memory.ask(question)


class AsyncRecordingOutbox(_Records, AsyncOutbox):
    """`RecordingOutbox` for services that use an `AsyncOutbox`: with its arguments, attributes, `settle` and `deliver`."""

    def __init__(
        self,
        *,
        fail_with: PacelineError | None = None,
        unknown_accounts: Iterable[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        # Not the outbox's own: it reads the environment and builds clients of Redis and of the broker.
        _Records.__init__(self, fail_with=fail_with, unknown_accounts=unknown_accounts, clock=clock)
        self.settings = Settings()
        self.state = _Promptly(self._memory)
        self._prepare()

    async def send(self, operation: Operation) -> AsyncTicket:
        """As `AsyncOutbox.send`; the operation is also put into `sent`."""
        ticket = await super().send(operation)
        if isinstance(await ticket.wait(timeout=0), Queued):
            self.sent.append(operation)
        return ticket

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
        self._closed.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _outbox(self) -> Outbox:
        twin = RecordingOutbox()
        twin.state = twin._memory = self._memory  # noqa: SLF001 - of the same module
        return twin

    def _hint(self, rid: str) -> None:
        """Nobody listens."""
