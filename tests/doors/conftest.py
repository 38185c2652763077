"""Each kind of outbox in turn, with whoever plays worker and provider behind it."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from paceline import AsyncOutbox, Outbox
from paceline.testing import AsyncRecordingOutbox, RecordingOutbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import Servers, add_account, emptied
from tests.doors.exam import MAKERS, Examiner, Loop, Recording, Worker, as_outbox
from tests.support.servers import SERVER_KINDS


@dataclass(frozen=True)
class Exam:
    """One examinee.

    Args:
        outbox: used through its blocking methods, whatever it is.
        examiner: plays worker and provider.
        kind: which of the four.
    """

    outbox: Outbox
    examiner: Examiner
    kind: str


@pytest.fixture
def server(servers: Servers) -> Iterator[EmbeddedServer]:
    """One kind is enough here: the scripts run on every kind elsewhere."""
    with emptied(servers.get(SERVER_KINDS[0])) as running:
        yield running


@pytest.fixture(params=MAKERS)
def exam(request: pytest.FixtureRequest, server: EmbeddedServer) -> Iterator[Exam]:
    """Each kind of outbox; account ``acme`` is fast."""
    kind: str = request.param
    with ExitStack() as ends:
        worker = Worker(server.url)
        ends.callback(worker.close)
        add_account(worker.state.client, "acme", "1000/second", "window", 5)
        if kind.endswith("async"):
            loop = ends.enter_context(Loop())
            made = asyncio.run_coroutine_threadsafe(_made(kind, server), loop).result(30)
            ends.callback(lambda: asyncio.run_coroutine_threadsafe(made.close(), loop).result(30))
            outbox = as_outbox(made, loop)
            examiner: Examiner = Recording(made) if isinstance(made, AsyncRecordingOutbox) else worker
        else:
            outbox = ends.enter_context(_blocking(kind, server))
            examiner = Recording(outbox) if isinstance(outbox, RecordingOutbox) else worker
        yield Exam(outbox, examiner, kind)


async def _made(kind: str, server: EmbeddedServer) -> AsyncOutbox:
    made = MAKERS[kind](server)
    assert isinstance(made, AsyncOutbox)
    return made


def _blocking(kind: str, server: EmbeddedServer) -> Outbox:
    made = MAKERS[kind](server)
    assert isinstance(made, Outbox)
    return made
