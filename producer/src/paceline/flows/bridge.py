"""Rows of a source on an event loop, for a thread that uploads them."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Final, Generic, Self, TypeVar

_T = TypeVar("_T")
# Rows that are fetched from the loop in one go.
_BATCH: Final = 250


class Bridge(Generic[_T]):
    """An iterator for another thread; an asynchronous source is read on the loop, a plain one where it is iterated.

    Args:
        source: what to read.
        loop: the running loop.
    """

    def __init__(self, source: AsyncIterable[_T] | Iterable[_T], loop: asyncio.AbstractEventLoop) -> None:
        self._plain: Iterator[_T] | None = iter(source) if isinstance(source, Iterable) else None
        self._source: AsyncIterator[_T] | None = None if isinstance(source, Iterable) else aiter(source)
        self._loop = loop
        self._batch: list[_T] = []
        self._lock = threading.Lock()
        self._asked: Future[list[_T]] | None = None
        self._stopped = False

    def stop(self) -> None:
        """Nobody waits for the rest: the next row is an `asyncio.CancelledError` in the thread."""
        with self._lock:
            self._stopped = True
            if self._asked:
                self._asked.cancel()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> _T:
        if self._stopped:
            raise asyncio.CancelledError
        if self._plain is not None:
            return next(self._plain)
        if not self._batch:
            self._batch = self._fetch()
        if not self._batch:
            raise StopIteration
        return self._batch.pop()

    def _fetch(self) -> list[_T]:
        with self._lock:
            if self._stopped:
                raise asyncio.CancelledError
            self._asked = asyncio.run_coroutine_threadsafe(self._take(), self._loop)
        try:
            return self._asked.result()
        except CancelledError:
            raise asyncio.CancelledError from None

    async def _take(self) -> list[_T]:
        """The next rows, the first one last."""
        batch: list[_T] = []
        if self._source is None:
            return batch
        async for row in self._source:
            batch.append(row)
            if len(batch) == _BATCH:
                break
        batch.reverse()
        return batch
