"""A service with FastAPI: orders are announced, and their outcomes noted while it runs.

pip install 'paceline[fastapi]' uvicorn
uvicorn app:app
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from paceline import AsyncOutbox, SendMessage, StateUnavailable
from paceline.fastapi import OutboxOf, answer_errors, lifespan

# A service's own database, in short: what became of each order, and the last entry that was handled.
ORDERS: dict[str, str] = {}
PLACE = {"entry": "0"}


async def note_outcomes(outbox: AsyncOutbox) -> None:
    """Follow outcomes until the service ends."""
    while True:
        with suppress(StateUnavailable):
            async for entry in outbox.outcomes(after=PLACE["entry"], follow=True, receipts=True):
                if order := entry.metadata.get("order"):
                    ORDERS[order] = entry.outcome if entry.event == "settled" else entry.event
                PLACE["entry"] = entry.entry_id
            return
        await asyncio.sleep(1)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """The outbox, and the task that follows it."""
    async with lifespan(app), asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(note_outcomes(app.state.paceline))
        yield
        follower.cancel()


app = FastAPI(lifespan=running)
answer_errors(app)


@app.post("/orders/{order}/ready", status_code=202)
async def announce(order: str, number: str, outbox: OutboxOf) -> dict[str, str]:
    """Tell the customer; the order's number is the key, so calling twice sends once."""
    ticket = await outbox.send(
        SendMessage(
            account="acme",
            sender="+15550100001",
            to=number,
            text=f"Order {order} is ready",
            idempotency_key=f"ready-{order}",
            metadata={"order": order},
        )
    )
    return {"operation": ticket.id}


@app.delete("/orders/{order}/ready", status_code=204)
async def withdraw(order: str, outbox: OutboxOf) -> None:
    """Tell the customer nothing, if there is still time."""
    status = await outbox.status_by_key("acme", f"ready-{order}")
    await outbox.cancel(status.id, why="the order was called back")


@app.get("/orders/{order}")
async def show(order: str, outbox: OutboxOf) -> dict[str, Any]:
    """What is known of it."""
    status = await outbox.status_by_key("acme", f"ready-{order}")
    return {"order": order, "state": status.state, "why": status.why, "noted": ORDERS.get(order)}
