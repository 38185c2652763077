"""Fixtures that pytest finds where paceline is installed."""

import asyncio

from paceline import SendMessage
from paceline.testing import AsyncRecordingOutbox, RecordingOutbox

MESSAGE = SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello")


def test_a_service_is_given_an_outbox(paceline_outbox: RecordingOutbox) -> None:
    """It records, and plays what becomes of operations."""
    ticket = paceline_outbox.send(MESSAGE)
    paceline_outbox.settle(ticket.id, "rejected", code=422, words="no such number")
    assert ["no such number"] == [entry.words for entry in paceline_outbox.outcomes()]
    assert [MESSAGE] == paceline_outbox.sent


def test_a_service_on_an_event_loop_is_given_one_too(paceline_async_outbox: AsyncRecordingOutbox) -> None:
    """Made before the loop runs."""
    ticket = asyncio.run(paceline_async_outbox.send(MESSAGE))
    paceline_async_outbox.settle(ticket.id)
    paceline_async_outbox.deliver(ticket.id, "read")
    assert "read" == getattr(asyncio.run(ticket.status()).receipt, "status", None)
