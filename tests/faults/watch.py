"""Looks at every operation of a run several times a second, and tells of changes that are not legal."""

import threading
from collections.abc import Iterable, Sequence
from typing import Final

from redis.exceptions import RedisError

from paceline.state import connect
from tests.faults.transitions import SETTLED, Seen, illegal

_EVERY_S: Final = 0.2
_PAGE: Final = 500


class Watch:
    """Watches the operations of one state server, from a thread of its own.

    Args:
        url: the state server. While it does not answer, nothing is seen.
        namespace: of the operations.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self._client = connect(url, namespace=namespace, answer_timeout_s=5)
        self._open: dict[str, Seen] = {}
        self._settled: dict[str, Seen] = {}
        self._added: list[str] = []
        self._wrong: list[tuple[str, str]] = []
        self._excused: set[str] = set()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, op_id: str) -> None:
        """Watch one more operation."""
        with self._lock:
            self._added.append(op_id)

    def excuse(self, ids: Iterable[str]) -> None:
        """Say nothing of operations that the state server was allowed to forget."""
        self._excused.update(ids)

    def close(self) -> None:
        """End the watch."""
        self._over.set()
        self._thread.join()
        self._client.close()

    def looks(self) -> int:
        """How many operations it knows."""
        with self._lock:
            return len(self._open) + len(self._settled) + len(self._added)

    def wrong(self) -> Sequence[str]:
        """Changes that were not legal, after a last look at all operations."""
        self._over.set()
        self._thread.join()
        self._look(everything=True)
        return [f"{op_id}: {why}" for op_id, why in self._wrong if op_id not in self._excused]

    def _run(self) -> None:
        while not self._over.wait(_EVERY_S):
            try:
                self._look()
            except RedisError:
                continue

    def _look(self, *, everything: bool = False) -> None:
        with self._lock:
            self._open |= dict.fromkeys(self._added, Seen(""))
            self._added.clear()
            known = {**self._settled, **self._open} if everything else dict(self._open)
        ids = list(known)
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            for op_id, seen in zip(page, self._read(page), strict=True):
                if why := illegal(known[op_id], seen):
                    self._wrong.append((op_id, why))
                self._note(op_id, seen)

    def _note(self, op_id: str, seen: Seen) -> None:
        with self._lock:
            if seen.state == SETTLED and seen.outcome != "held":
                self._open.pop(op_id, None)
                self._settled[op_id] = seen
            else:
                self._open[op_id] = seen

    def _read(self, ids: Sequence[str]) -> list[Seen]:
        with self._client.pipeline(transaction=False) as pipe:
            for op_id in ids:
                pipe.hmget(f"{self._client.root}:o:{op_id}", "s", "oc", "n", "at", "kl")
            rows = pipe.execute()
        return [
            Seen(state or "", outcome or "", int(token or 0), int(attempts or 0), int(lost or 0))
            for state, outcome, token, attempts, lost in rows
        ]
