"""One operation: written, waited for, looked up, cancelled."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from paceline.errors import (
    AlreadyBegun,
    Conflict,
    NotFound,
    NotYetAccepted,
    NotYetSettled,
    Refusal,
    UnknownAccount,
    UnknownSender,
)
from paceline.flows.steps import Flow, Pause, pauses
from paceline.ids import derived_id
from paceline.inbox.record import content_digest, single
from paceline.operations import Operation
from paceline.recipients.numbers import is_phone_number
from paceline.state import questions
from paceline.status.view import Status, status_of

if TYPE_CHECKING:
    from paceline.state.pictures import RecordSnapshot

# What accept.lua says of a key that is used again for something else.
OTHER_CONTENT: Final = "its idempotency key belongs to an operation with other content"
# Operations looked at in one run of a script: some 2 ms of the server.
FIND_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Queued:
    """A worker took the operation into its lane, where it waits for its turn.

    Args:
        id: the operation.
        expected_at: when it is expected to leave; None while nothing may leave (`Status.why` says why).
    """

    id: str
    expected_at: datetime | None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The idempotency key was used before for the same content; that operation stands and nothing was added.

    Args:
        id: the operation that has the key.
    """

    id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The worker did not take the record into a lane: it cannot be read, or its recipient is on a suppression list.

    Args:
        reason: one sentence.
    """

    reason: str


def sending(operation: Operation, op_id: str, rid: str, traced: str) -> Flow[None]:
    """Write one operation into the inbox.

    Args:
        operation: what to send.
        op_id: its id.
        rid: of its inbox record.
        traced: from `tracing.sending`.

    Raises:
        UnknownAccount, UnknownSender, Conflict: nothing was written.
    """
    body = single(operation, op_id, datetime.now(UTC), traced)
    keyed = operation.idempotency_key is not None
    reply = yield questions.submit(
        rid,
        operation.account,
        operation.sender,
        1,
        body,
        op_id=op_id if keyed else "",
        digest=content_digest(operation) if keyed else "",
    )
    if reply == "other content":
        raise Conflict(op_id)
    raise_refusal(reply, operation.account, operation.sender)


def waiting(
    op_id: str, rid: str, timeout: float, clock: Callable[[], float] = time.monotonic
) -> Flow[Queued | Duplicate | Refused]:
    """Wait until a worker has looked at a record.

    Args:
        op_id: the operation.
        rid: its record.
        timeout: seconds.
        clock: tells seconds.

    Returns:
        Its outcome, or the worker's answer.

    Raises:
        Conflict: its key belongs to another content.
        NotYetAccepted: nobody looked in time.
    """
    deadline, rhythm = clock() + timeout, pauses()
    while True:
        record: RecordSnapshot = yield questions.record(rid, op_id)
        if record.refused == OTHER_CONTENT:
            raise Conflict(op_id)
        if record.refused:
            return Refused(record.refused)

        if not record.waiting:
            if not record.created_here:
                return Duplicate(op_id)
            picture = yield questions.operation(op_id)
            status = status_of(picture) if picture else None
            if status and status.state == "suppressed":
                return Refused(status.words or status.state)
            return Queued(op_id, status.expected_at if status else None)

        left = deadline - clock()
        if left <= 0:
            raise NotYetAccepted(f"no worker accepted {op_id} within {timeout:g} s; it is kept")

        yield Pause(min(next(rhythm), left))


def settling(op_id: str, rid: str, timeout: float, clock: Callable[[], float] = time.monotonic) -> Flow[Status]:
    """Wait until an operation has its outcome.

    Args:
        op_id: the operation.
        rid: its record.
        timeout: seconds.
        clock: tells seconds.

    Returns:
        Its status, with the outcome as its state.

    Raises:
        Refusal: a worker refused the record.
        Conflict: its key belongs to another content.
        NotYetSettled: it has none in time.
    """
    deadline, rhythm = clock() + timeout, pauses()
    where = "no worker has accepted it"
    while True:
        record: RecordSnapshot = yield questions.record(rid, op_id)
        if record.refused == OTHER_CONTENT:
            raise Conflict(op_id)
        if record.refused:
            raise Refusal(f"{op_id} is refused: {record.refused}")

        picture = None if record.waiting else (yield questions.operation(op_id))
        if picture:
            status = status_of(picture)
            if status.settled_at:
                return status
            where = f"it is {status.state}: {status.why}"

        left = deadline - clock()
        if left <= 0:
            raise NotYetSettled(f"{op_id} has no outcome after {timeout:g} s and is kept; {where}")

        yield Pause(min(next(rhythm), left))


def looking_up(op_id: str, what: str | None = None) -> Flow[Status]:
    """Where an operation is.

    Args:
        op_id: the operation.
        what: what it is called in the error; its id unless given.

    Raises:
        NotFound: unknown, not accepted yet, or deleted after its retention time.
    """
    picture = yield questions.operation(op_id)
    if picture is None:
        raise missing(what or repr(op_id))
    return status_of(picture)


def missing(what: str) -> NotFound:
    """The error about an operation that is not there.

    Args:
        what: what it is called: its id, or what it was looked up by.
    """
    return NotFound(f"no operation {what}: never accepted, or deleted after its retention time")


def of_key(idempotency_key: str) -> str:
    """What an operation is called that was looked up by its key."""
    return f"of key {idempotency_key!r}"


def of_row(campaign: str) -> str:
    """What an operation is called that was looked up by a campaign's row."""
    return f"of this row in campaign {campaign!r}"


def finding(cursor: str, to: str, account: str) -> Flow[tuple[str, list[Status]]]:
    """The next operations to one recipient.

    Args:
        cursor: "0" at first.
        to: the recipient.
        account: account name, or '' for all of them.

    Returns:
        The next cursor ("0": that was all), and what this part has.
    """
    cursor, ids = yield questions.find(cursor, to, account, FIND_PAGE)
    statuses = []
    for op_id in ids:
        picture = yield questions.operation(op_id)
        if picture:
            statuses.append(status_of(picture))
    return cursor, statuses


def cancelling(op_id: str, why: str) -> Flow[None]:
    """Let an operation never begin.

    Args:
        op_id: the operation.
        why: shown beside it.

    Raises:
        NotFound: unknown, not accepted yet, or deleted.
        AlreadyBegun: its call was made, or is under way.
    """
    reply = yield questions.cancel(op_id, why)
    if reply == "unknown":
        raise missing(repr(op_id))
    if reply != "cancelled":
        raise AlreadyBegun(f"{op_id} cannot be cancelled: {reply}")


def keyed_id(account: str, idempotency_key: str) -> str:
    """The id of the operation that has a key."""
    return derived_id("key", account, idempotency_key)


def row_ids(campaign: str, key: str) -> tuple[str, ...]:
    """Ids that the message of a row may have: of the row with this key, then of the row without one to this number."""
    by_number = derived_id("campaign", campaign, key)
    # A key that could be a number has an id of its own.
    return (derived_id("campaign", campaign, "key", key), by_number) if is_phone_number(key) else (by_number,)


def looking_up_row(campaign: str, key: str) -> Flow[Status]:
    """Where the message of one row of a campaign is.

    Args:
        campaign: its name.
        key: the row's key, or its number where it has none.

    Raises:
        NotFound: no such operation, or the operation was deleted after its retention time.
    """
    for op_id in row_ids(campaign, key):
        picture = yield questions.operation(op_id)
        if picture is not None:
            return status_of(picture)
    raise missing(of_row(campaign))


def raise_refusal(reply: str, account: str, sender: str) -> None:
    """Translate a refusing reply of write_record.lua."""
    if reply == "unknown account":
        raise UnknownAccount(f"no account named {account!r}: add it with `paceline accounts add {account}`")
    if reply == "unknown sender":
        raise UnknownSender(
            f"account {account!r} lists its senders, and {sender} is not among them: see `paceline accounts show {account}`"
        )
    if reply != "written":
        raise Refusal(reply)
