"""One exam for every outbox: the real one, the recording one, and both on an event loop.

An examinee is used through its blocking methods. What the provider and the workers do, an examiner does: for a real outbox with
the scripts of a worker, for a recording one with its own `settle` and `deliver`.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, cast

from paceline import AsyncCampaign, AsyncOutbox, AsyncTicket, Outbox
from paceline.literals import Outcome
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline.testing import AsyncRecordingOutbox, RecordingOutbox
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import Hint
from paceline_worker.state.worker import WorkerState

_T = TypeVar("_T")
PATIENT_US = 60_000_000


class Examiner(Protocol):
    """What happens to operations behind an outbox."""

    def settle(self, op_id: str, outcome: Outcome, *, code: str, words: str) -> None:
        """Let it have its outcome."""

    def deliver(self, op_id: str) -> None:
        """Let its receipts tell that it was sent and delivered."""

    def accept(self) -> None:
        """Take what is written into its lane."""

    def attend(self) -> None:
        """Accept, and grant what may leave."""


class Worker:
    """The steps of a worker with its state, without processes.

    Args:
        url: the state server.
    """

    def __init__(self, url: str) -> None:
        self.state = WorkerState(url, ServerClock(), retention_s=3600, grace_s=60)
        self.plain = State(self.state.client)
        self._begin = Script("paceline_worker", "begin")
        self._settle = Script("paceline_worker", "settle")
        self._note = Script("paceline_worker", "receipts")
        self.granted: dict[str, Hint] = {}

    def accept(self) -> None:
        """Take what is written into its lane."""
        while rids := self.state.overdue(0.0, 100):
            self.state.accept(rids)

    def attend(self) -> None:
        """Accept what is written, and grant what may leave."""
        self.accept()
        self.state.look_at_the_server()
        grants = self.state.grant(most=100, fleet_capacity=100, budget_us=1_000_000)
        self.granted |= {hint.id: hint for hint in grants.hints}

    def settle(self, op_id: str, outcome: Outcome, *, code: str, words: str) -> None:
        """Begin and settle it."""
        while op_id not in self.granted:
            self.attend()
        hint = self.granted.pop(op_id)
        self._begin.run(self.state.client, "exam", PATIENT_US, PATIENT_US, 0, "0", hint.id, hint.token, 1)
        uuid = f"MSG-{op_id}" if outcome == "accepted" else ""
        verdict = {"verb": "finish", "outcome": outcome, "code": code, "words": words, "uuid": uuid, "elapsed": "0"}
        text = json.dumps({"id": op_id, "token": hint.token, **verdict})
        assert [outcome] == self._settle.run(self.state.client, 3_600_000, PATIENT_US, text)[2:]

    def deliver(self, op_id: str) -> None:
        """As the receiver of receipts notes it."""
        self._note.run(self.state.client, "open", "acme", "digest", "", "0")
        told = [f"MSG-{op_id}", "sent", "", f"MSG-{op_id}", "received", ""]
        assert ["moved", "moved"] == self._note.run(self.state.client, "take", "acme", "digest", *told)

    def close(self) -> None:
        """Close its connections."""
        self.state.client.close()


class Recording:
    """A recording outbox plays worker and provider itself.

    Args:
        outbox: either of the two.
    """

    def __init__(self, outbox: RecordingOutbox | AsyncRecordingOutbox) -> None:
        self._outbox = outbox

    def accept(self) -> None:
        """What is sent is queued at once."""

    def attend(self) -> None:
        """Nothing leaves but what the examiner settles."""

    def settle(self, op_id: str, outcome: Outcome, *, code: str, words: str) -> None:
        """As a test of a service does it."""
        self._outbox.settle(op_id, outcome, code=code, words=words)

    def deliver(self, op_id: str) -> None:
        """As a test of a service does it."""
        self._outbox.deliver(op_id)


class Blocking:
    """An asynchronous outbox, ticket or campaign, awaited by a thread that runs its loop.

    Args:
        inner: what is asked.
        loop: where.
    """

    def __init__(self, inner: AsyncOutbox | AsyncTicket | AsyncCampaign, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **named: Any) -> Any:
            named.pop("stop", None)
            answer = value(*arguments, **named)
            if hasattr(answer, "__anext__"):
                return self._drained(answer)
            return self._wrapped(asyncio.run_coroutine_threadsafe(answer, self._loop).result(60))

        return call

    def _drained(self, source: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield asyncio.run_coroutine_threadsafe(_next(source), self._loop).result(60)
            except StopAsyncIteration:
                return

    def _wrapped(self, answer: Any) -> Any:
        if isinstance(answer, list):
            return [self._wrapped(one) for one in answer]
        return Blocking(answer, self._loop) if isinstance(answer, AsyncTicket | AsyncCampaign) else answer


async def _next(source: AsyncIterator[_T]) -> _T:
    return await anext(source)


class Loop:
    """An event loop in a thread of its own; a context manager."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        return self.loop

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def as_outbox(outbox: AsyncOutbox, loop: asyncio.AbstractEventLoop) -> Outbox:
    """An asynchronous outbox that is used like a blocking one."""
    return cast("Outbox", Blocking(outbox, loop))


MAKERS: Mapping[str, Callable[[EmbeddedServer], Outbox | AsyncOutbox]] = {
    "real": lambda server: Outbox(server.url),
    "real async": lambda server: AsyncOutbox(server.url),
    "recording": lambda _: RecordingOutbox(),
    "recording async": lambda _: AsyncRecordingOutbox(),
}
