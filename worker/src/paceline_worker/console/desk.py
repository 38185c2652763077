"""What the pages of one process share: connections, sessions, the census, the decisions that people make."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import ParamSpec, TypeVar

from paceline.async_outbox import AsyncOutbox
from paceline.gateway.guard import Gate
from paceline.outcomes import Outcomes
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.console.census import Counter
from paceline_worker.console.pulse import Pulse
from paceline_worker.console.session import Sessions
from paceline_worker.hooks.state import HookBook
from paceline_worker.review.dead import DeadLetters
from paceline_worker.review.held import Held

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Desk:
    """One of them per process.

    Args:
        outbox: asks state on the loop, and uploads.
        gate: knows the tokens.
        sessions: who is signed in.
        census: all accounts at a glance.
        pulse: outcomes of the last minutes.
        accounts: suspends and resumes.
        held: releases and drops.
        dead: replays.
        hooks: where events are posted.
        stream: outcomes of all operations.
    """

    outbox: AsyncOutbox
    gate: Gate
    sessions: Sessions
    census: Counter
    pulse: Pulse
    accounts: Accounts
    held: Held
    dead: DeadLetters
    hooks: HookBook
    stream: Outcomes

    async def in_thread(self, work: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something that blocks; the loop goes on."""
        return await asyncio.to_thread(work, *args, **kwargs)


@asynccontextmanager
async def opened(settings: Settings, outbox: AsyncOutbox, gate: Gate, lifetime: timedelta) -> AsyncIterator[Desk]:
    """A desk with connections of its own.

    Args:
        settings: where the state is.
        outbox: lent.
        gate: lent.
        lifetime: of a session.
    """
    async with AsyncExitStack() as ends:
        client = connect_to(settings, repeat=True)
        ends.callback(client.close)
        census = Counter(client)
        ends.push_async_callback(census.close)
        yield Desk(
            outbox=outbox,
            gate=gate,
            sessions=Sessions(outbox.state, lifetime),
            census=census,
            pulse=Pulse(outbox.state),
            accounts=Accounts(client),
            held=Held(client, retention=timedelta(seconds=settings.retention_s)),
            dead=DeadLetters(client, retention=timedelta(seconds=settings.retention_s)),
            hooks=HookBook(client),
            stream=Outcomes(client),
        )
