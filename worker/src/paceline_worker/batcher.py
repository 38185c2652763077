import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Groups single questions into batches without a timer: what arrives while one call is under way makes the next.

    An idle system pays no delay and a busy one pays one round trip for many.

    Args:
        ask_all: answers a batch, in order; when it raises, every question of the batch raises the same, and likewise when
            there are not as many answers as questions.
        largest: most questions in one batch.
    """

    def __init__(self, ask_all: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, largest: int) -> None:
        self._ask_all = ask_all
        self._largest = largest
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """The answer to one question."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
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
