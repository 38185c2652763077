"""Fixtures for the tests of services, found by pytest when paceline is installed."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from paceline.testing import AsyncRecordingOutbox, RecordingOutbox


@pytest.fixture
def paceline_outbox() -> "Iterator[RecordingOutbox]":
    """A `RecordingOutbox`; closed after the test."""
    from paceline.testing import RecordingOutbox  # noqa: PLC0415 - tests that do not ask for it pay nothing

    with RecordingOutbox() as outbox:
        yield outbox


@pytest.fixture
def paceline_async_outbox() -> "AsyncRecordingOutbox":
    """An `AsyncRecordingOutbox`."""
    from paceline.testing import AsyncRecordingOutbox  # noqa: PLC0415 - imported when needed

    return AsyncRecordingOutbox()
