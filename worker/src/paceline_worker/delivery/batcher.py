import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Groups single questions into batches: those that arrive soon after a call began make the next one.

    An idle system pays no delay, and a busy one pays one round trip for many. Behind a long way one call at a time would bound the
    throughput, so several may be under way.

    Args:
        ask_all: answers a batch, in order; when it raises, every question of the batch raises the same, and likewise when
            there are not as many answers as questions.
        largest: most questions in one batch; a full one waits for nothing but `most_calls`.
        most_calls: most calls under way at once.
        gap_s: least time between the beginnings of two calls.
        patient_gap_s: the same while only patient questions wait; default: `gap_s`.
        patience_s: the least `gap_s` while another call is under way.
    """

    def __init__(
        self,
        ask_all: Callable[[Sequence[Q]], Awaitable[Sequence[A]]],
        *,
        largest: int,
        most_calls: int = 1,
        gap_s: float = 0.0,
        patient_gap_s: float | None = None,
        patience_s: float = 0.005,
    ) -> None:
        self._ask_all = ask_all
        self._largest = largest
        self._most_calls = most_calls
        self._gap_s = gap_s
        self._patient_gap_s = gap_s if patient_gap_s is None else patient_gap_s
        self._patience_s = patience_s
        self._began_s = float("-inf")
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._hurried = False
        self._calls = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._begins_soon = False

    async def ask(self, question: Q, *, patient: bool = False) -> A:
        """The answer to one question.

        Args:
            question: any.
            patient: whether it may wait for others to come.
        """
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        self._hurried = self._hurried or not patient
        self._consider()
        return await future

    def _consider(self) -> None:
        """See to it that the next call begins in time; the end of a call considers again."""
        if self._begins_soon or not self._waiting or self._calls >= self._most_calls:
            return
        loop = asyncio.get_running_loop()
        gap_s = self._gap_s if self._hurried else self._patient_gap_s
        due_s = self._began_s + (max(gap_s, self._patience_s) if self._calls else gap_s)
        if len(self._waiting) >= self._largest or due_s <= loop.time():
            # Those who ask in the same turn of the loop come along.
            self._begins_soon = True
            loop.call_soon(self._begin)
        elif self._timer is None or due_s < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(due_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._consider()

    def _begin(self) -> None:
        self._begins_soon = False
        self._start()
        while len(self._waiting) >= self._largest and self._calls < self._most_calls:
            self._start()
        self._consider()

    def _start(self) -> None:
        # A question that was given up is not asked: its answer would oblige somebody.
        open_questions = [waiting for waiting in self._waiting if not waiting[1].done()]
        batch, self._waiting = open_questions[: self._largest], open_questions[self._largest :]
        if not self._waiting:
            self._hurried = False
        if not batch:
            return
        self._calls += 1
        loop = asyncio.get_running_loop()
        self._began_s = loop.time()
        task = loop.create_task(self._run(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, batch: Sequence[tuple[Q, "asyncio.Future[A]"]]) -> None:
        try:
            await self._answer(batch)
        finally:
            self._calls -= 1
            self._consider()

    async def _answer(self, batch: Sequence[tuple[Q, "asyncio.Future[A]"]]) -> None:
        try:
            answers = await self._ask_all([question for question, _ in batch])
            answered = list(zip(batch, answers, strict=True))
        except Exception as error:  # noqa: BLE001 - handed to everyone who asked
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in answered:
            if not future.done():
                future.set_result(answer)
