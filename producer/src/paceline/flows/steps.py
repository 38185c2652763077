"""The steps of a flow, and who takes them: a thread, or a task on an event loop.

A flow is a generator. It yields a `Question` and is sent the answer, or yields a `Pause` and is sent nothing; what it returns is
the result. So the logic stands once, and does no I/O.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from paceline.state.questions import Question

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


Flow = Generator[Question[Any] | Pause, Any, _T]

# The first look soon, because answers come soon; later ones seldom enough to cost nothing.
FIRST_PAUSE_S: Final = 0.02
LONGEST_PAUSE_S: Final = 1.0


class Asked(Protocol):
    """State, as a thread asks it."""

    def ask(self, question: Question[_T]) -> _T:
        """The answer."""


class AsyncAsked(Protocol):
    """State, as an event loop asks it."""

    async def ask(self, question: Question[_T]) -> _T:
        """The answer."""


def run(flow: Flow[_T], state: Asked, sleep: Callable[[float], object] = time.sleep) -> _T:
    """Take a flow's steps in this thread.

    Args:
        flow: the flow.
        state: answers its questions.
        sleep: takes seconds.

    Returns:
        What the flow returns; what it or an answer raises is raised.
    """
    answer: Any = None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            result: _T = end.value
            return result
        answer = state.ask(step) if isinstance(step, Question) else sleep(step.seconds)


async def arun(flow: Flow[_T], state: AsyncAsked, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> _T:
    """Take a flow's steps on the running event loop.

    Args:
        flow: the flow.
        state: answers its questions.
        sleep: takes seconds.

    Returns:
        What the flow returns; what it or an answer raises is raised.
    """
    answer: Any = None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            result: _T = end.value
            return result
        answer = await (state.ask(step) if isinstance(step, Question) else sleep(step.seconds))


def pauses(first_s: float = FIRST_PAUSE_S, longest_s: float = LONGEST_PAUSE_S) -> Iterator[float]:
    """Seconds between looks: half as long again each time."""
    pause = first_s
    while True:
        yield pause
        pause = min(pause * 1.5, longest_s)
