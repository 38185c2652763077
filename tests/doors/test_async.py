"""An outbox on an event loop: nothing blocks the loop, and whoever follows comes to an end."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping

import pytest

from paceline import AsyncOutbox, Outbox, SendMessage, StateUnavailable
from paceline.testing import AsyncRecordingOutbox
from paceline_sandbox.embedded import EmbeddedServer
from tests.conftest import add_account
from tests.doors.exam import Worker
from tests.support.proxy import Proxy

MESSAGE = SendMessage(account="acme", sender="+15550100001", to="+15550100002", text="Hello")


async def looks() -> AsyncIterator[None]:
    """A look now and then, until the test is over."""
    while True:
        yield
        await asyncio.sleep(0.005)


def test_the_loop_goes_on_while_state_is_mute(server: EmbeddedServer) -> None:
    """A server that accepts and says nothing: every call fails in the end, and other tasks come first meanwhile."""
    with Proxy(server.port) as proxy:
        proxy.black_hole()

        async def scenario() -> list[str]:
            order: list[str] = []
            turned = asyncio.Event()

            async def turn() -> None:
                for _ in range(10):
                    await asyncio.sleep(0.01)
                order.append("others")
                turned.set()

            async with AsyncOutbox(f"redis://127.0.0.1:{proxy.port}/0") as outbox:
                other = asyncio.create_task(turn())
                calls = (
                    outbox.send(MESSAGE),
                    outbox.status("x"),
                    outbox.cancel("x"),
                    outbox.list_campaigns(),
                    outbox.start_campaign(
                        "spring",
                        account="acme",
                        sender="+15550100001",
                        template="Hi",
                        recipients=[{"to": "+15550100002"}],
                    ),
                    anext(aiter(outbox.outcomes(follow=True))),
                )
                for failed in asyncio.as_completed([asyncio.ensure_future(call) for call in calls]):
                    with pytest.raises(StateUnavailable):
                        await failed
                    order.append("failed")
                await other
            return order

        assert ["others", *["failed"] * 6] == asyncio.run(scenario())


@pytest.mark.parametrize(
    ("kind", "how"),
    [("real", "close"), ("real", "cancel"), ("recording", "close"), ("recording", "cancel"), ("recording", "break")],
)
def test_following_comes_to_an_end(server: EmbeddedServer, kind: str, how: str) -> None:
    """When the outbox is closed, the task is cancelled, or the loop is left: at once, between two looks too."""

    async def scenario() -> str:
        outbox = AsyncOutbox(server.url) if kind == "real" else AsyncRecordingOutbox()
        began = asyncio.Event()

        async def follow() -> None:
            began.set()
            async for _ in outbox.outcomes(follow=True):
                if how == "break":
                    break

        if isinstance(outbox, AsyncRecordingOutbox):
            outbox.settle((await outbox.send(MESSAGE)).id)
        task = asyncio.create_task(follow())
        await began.wait()
        if how == "cancel":
            task.cancel()
        elif how == "close":
            await outbox.close()
        done, _ = await asyncio.wait([task], timeout=30)
        await outbox.close()
        return "ended" if done else "hangs"

    assert "ended" == asyncio.run(scenario())


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_thread_that_follows_comes_to_an_end(server: EmbeddedServer, how: str) -> None:
    """A service's shutdown sets an event, or closes the outbox."""
    outbox, stop, began = Outbox(server.url), threading.Event(), threading.Event()

    def follow() -> None:
        began.set()
        for _ in outbox.outcomes(follow=True, stop=stop):
            raise AssertionError("nothing was sent")

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert began.wait(30)
    if how == "stop":
        stop.set()
    else:
        outbox.close()
    thread.join(30)
    assert not thread.is_alive()
    outbox.close()


def test_rows_may_come_from_the_loop(server: EmbeddedServer) -> None:
    """An asynchronous source is read on the loop, while the upload runs in a thread; order and number are kept."""

    async def scenario() -> tuple[int, int, set[str]]:
        threads: set[str] = set()

        async def rows() -> AsyncIterator[Mapping[str, object]]:
            for number in range(600):
                threads.add(threading.current_thread().name)
                if number % 100 == 0:
                    await asyncio.sleep(0)
                yield {"to": f"+1555020{number:04d}", "name": number}

        async with AsyncOutbox(server.url) as outbox:
            campaign = await outbox.start_campaign(
                "spring", account="acme", sender="+15550100001", template="Hi {name}", recipients=rows()
            )
            assert campaign.report is not None
            return campaign.report.written, (await campaign.progress()).received, threads

    worker = Worker(server.url)
    add_account(worker.state.client, "acme")
    written, received, threads = asyncio.run(scenario())
    worker.close()
    assert (600, 600, {"MainThread"}) == (written, received, threads)


def test_a_cancelled_upload_ends(server: EmbeddedServer) -> None:
    """Its campaign waits, and says that the upload ended early."""

    async def scenario() -> tuple[str, str | None]:
        async def rows() -> AsyncIterator[Mapping[str, object]]:
            for number in range(300):
                yield {"to": f"+1555020{number:04d}"}
            await asyncio.Event().wait()

        async with AsyncOutbox(server.url) as outbox:
            upload = asyncio.create_task(
                outbox.start_campaign("spring", account="acme", sender="+15550100001", template="Hi", recipients=rows())
            )
            async for _ in looks():
                if await outbox.list_campaigns():
                    break
            upload.cancel()
            await asyncio.wait([upload])
            assert upload.cancelled()
            [campaign] = await outbox.list_campaigns()
            async for _ in looks():
                progress = await campaign.progress()
                if progress.why != "upload in progress":
                    return progress.state, progress.why
            raise AssertionError

    worker = Worker(server.url)
    add_account(worker.state.client, "acme")
    state, why = asyncio.run(scenario())
    worker.close()
    assert ("paused", True) == (state, "CancelledError" in str(why))


def test_many_at_once(server: EmbeddedServer) -> None:
    """More calls than connections: each waits for its turn, and each operation is written once."""

    async def scenario() -> set[str]:
        async with AsyncOutbox(server.url) as outbox:
            tickets = await asyncio.gather(*(outbox.send(MESSAGE) for _ in range(200)))
            return {ticket.id for ticket in tickets}

    worker = Worker(server.url)
    add_account(worker.state.client, "acme")
    assert 200 == len(asyncio.run(scenario()))
    worker.accept()
    assert 200 == len(list(Outbox(server.url).find("+15550100002")))
    worker.close()
