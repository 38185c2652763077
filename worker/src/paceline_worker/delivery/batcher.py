import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Groups single questions into batches: what arrives while one call is under way, or soon after it began, makes the next.

    An idle system pays no delay and a busy one pays one round trip for many. Behind a long way one call at a time would
    bound the throughput, so a full batch, or one whose first question has waited long enough, does not wait for it.

    Args:
        ask_all: answers a batch, in order; when it raises, every question of the batch raises the same, and likewise when
            there are not as many answers as questions.
        largest: most questions in one batch.
        most_calls: most calls under way at once.
        gap_s: least time between the beginnings of two calls, unless a batch is full.
        patience_s: a question waits no longer than this for another call to end.
    """

    def __init__(
        self,
        ask_all: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        largest: int,
        most_calls: int = 1,
        gap_s: float = 0.0,
        patience_s: float = 0.005,
    ) -> None:
        self._ask_all = ask_all
        self._largest = largest
        self._most_calls = most_calls
        self._gap_s = gap_s
        self._patience_s = patience_s
        self._began_s = float("-inf")
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def ask(self, question: Q) -> A:
        """The answer to one question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        full = len(self._waiting) >= self._largest and self._calls < self._most_calls
        gap_s = self._began_s + self._gap_s - loop.time()
        if full or (not self._calls and gap_s <= 0):
            self._start()
        elif self._timer is None and (not self._calls or self._most_calls > 1):
            self._timer = loop.call_later(self._patience_s if self._calls else gap_s, self._out_of_patience)
        return await future

    def _out_of_patience(self) -> None:
        self._timer = None
        if self._waiting and self._calls < self._most_calls:
            self._start()

    def _start(self) -> None:
        self._calls += 1
        self._began_s = asyncio.get_running_loop().time()
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            await self._ask_on()
        finally:
            self._calls -= 1

    async def _ask_on(self) -> None:
        while self._waiting:
            # A question that was given up is not asked: its answer would oblige somebody.
            open_questions = [waiting for waiting in self._waiting if not waiting[1].done()]
            batch, self._waiting = open_questions[: self._largest], open_questions[self._largest :]
            if not batch:
                return
            try:
                answers = await self._ask_all([question for question, _ in batch])
                answered = list(zip(batch, answers, strict=True))
            except Exception as error:  # noqa: BLE001 - handed to everyone who asked
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), answer in answered:
                if not future.done():
                    future.set_result(answer)
