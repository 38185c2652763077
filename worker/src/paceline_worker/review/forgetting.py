"""Forgetting a person: whatever state holds of one number, and what the append-only file holds of the past."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any, Final

import redis
from redis.exceptions import ResponseError

from paceline.errors import InvalidOperation, PacelineError
from paceline.ids import new_id
from paceline.recipients.numbers import phone_number
from paceline.state.calls import State
from paceline.state.scripts import Script
from paceline.state.shards import each_shard
from paceline_worker.integrity.payloads import Payloads, Unreadable

_LOOK: Final = 500
_ENTRIES: Final = 200
_INBOX: Final = 20
_PAUSE_S: Final = 0.25
# A runner of hooks keeps the events of a page in the round trip after it has read the page.
_KEEPING_S: Final = 1.0
# The copy of a command that was killed is given up after a minute (forget.lua).
_BUSY_S: Final = 90.0


class NotForgotten(PacelineError):
    """Something of the number is still there; the message says what and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was found of a number, and deleted unless it was only asked for.

    Args:
        operations: deleted after their outcome.
        cancelled: that waited, were cancelled and deleted.
        entries: of the streams of outcomes.
        events: dead letters of webhooks.
        rewritten: whether the append-only file was rewritten.
    """

    operations: int = 0
    cancelled: int = 0
    entries: int = 0
    events: int = 0
    rewritten: bool = False

    def __add__(self, other: "Forgotten") -> "Forgotten":
        """Of both together; the file is another matter."""
        return Forgotten(
            operations=self.operations + other.operations,
            cancelled=self.cancelled + other.cancelled,
            entries=self.entries + other.entries,
            events=self.events + other.events,
        )

    def as_json(self) -> dict[str, Any]:
        """As `paceline forget --json` prints it."""
        return asdict(self)


class Forgetting:
    """Finds and deletes.

    Args:
        client: the state server.
        number: E.164.
        retention: of settled operations.
        payloads: opens what is encrypted; None where nothing is.
        sleep: takes seconds.

    Raises:
        InvalidOperation: it is no number.
    """

    def __init__(
        self,
        client: redis.Redis,
        number: str,
        retention: timedelta,
        payloads: Payloads | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        try:
            whole = phone_number(number)
        except ValueError as error:
            raise InvalidOperation(f"number: {error}") from error
        self._digits = whole.removeprefix("+")
        # As forget.lua looks for it: whole, and not as a part of a longer one.
        self._pattern = re.compile(rf"(?<!\d){self._digits}(?!\d)")
        self._payloads = payloads
        # How the number stands in state, each behind a plus.
        self._forms = " ".join([self._digits, *([payloads.number(whole).removeprefix("+")] if payloads else [])])
        self._client = client
        self._state = State(client)
        self._retention_ms = str(retention // timedelta(milliseconds=1))
        self._sleep = sleep
        self._script = Script("paceline_worker", "forget")
        self._id = new_id()
        self._records = Script("paceline_worker", "records")

    def seen(self) -> Forgotten:
        """What there is, with nothing changed."""
        return sum((shard._seen_here() for shard in self._shards()), Forgotten())  # noqa: SLF001 - of its own kind

    def _seen_here(self) -> Forgotten:
        number = sum(1 for _ in self._operations())
        return Forgotten(operations=number, entries=sum(self._named(name) for name in self._streams()))

    def _shards(self) -> "list[Forgetting]":
        """The same on each shard."""
        return [self._on(client) for client in each_shard(self._client)]

    def _on(self, client: redis.Redis) -> "Forgetting":
        other = copy(self)
        other._client, other._state = client, State(client)  # noqa: SLF001 - of its own kind
        return other

    def run(self, patience_s: float) -> Forgotten:
        """Forget it.

        Args:
            patience_s: seconds to wait for calls that are under way and for records that no worker has accepted.

        Returns:
            What was deleted.

        Raises:
            NotForgotten: something is still under way, or waits although the number is not its recipient; the rest is done.
        """
        until_s = time.monotonic() + patience_s
        done, words = Forgotten(), []
        for shard in self._shards():
            there, left = shard._run_here(until_s - time.monotonic())  # noqa: SLF001 - of its own kind
            done += there
            words += [left] if left else []
        rewritten = self._rewrite(max(until_s, time.monotonic() + patience_s))
        if words:
            raise NotForgotten(words[0])
        return replace(done, rewritten=rewritten)

    def _run_here(self, patience_s: float) -> tuple[Forgotten, str]:
        """What was deleted on this shard, and why something is left; '' when nothing is."""
        until_s = time.monotonic() + patience_s
        done: Counter[str] = Counter()
        while True:
            inbox = self._in_inbox()
            left = self._end_all(done)
            dead, events = self._hooks()
            done["events"] += dead
            if not left["under way"] and not inbox and not events:
                break
            if time.monotonic() >= until_s:
                break
            self._sleep(_PAUSE_S)

        self._delete_marks()
        entries = sum(self._clean(name) for name in self._streams())
        if entries and self._script.run(self._client, "hooks", self._forms):
            events = self._hooks_after(done, until_s)
        is_left = left["under way"] or left["waits"] or inbox or events
        gone = Forgotten(
            operations=done["deleted"], cancelled=done["cancelled"], entries=entries, events=done["events"]
        )
        return gone, _words(left, inbox, events) if is_left else ""

    def _end_all(self, done: Counter[str]) -> Counter[str]:
        left: Counter[str] = Counter()
        for op_id in self._operations():
            [end] = self._script.run(self._client, "end", self._forms, self._retention_ms, op_id)
            (done if end in ("deleted", "cancelled") else left)[end] += 1
        return left

    def _operations(self) -> Iterator[str]:
        """Each operation that names the number, once."""
        known: set[str] = set()
        for op_id in (*self._open(), *(self._closed(self._payloads) if self._payloads else ())):
            if op_id not in known:
                known.add(op_id)
                yield op_id

    def _open(self) -> Iterator[str]:
        for flat in self._pages("page"):
            yield from flat[::2]

    def _closed(self, payloads: Payloads) -> Iterator[str]:
        """Each operation whose encrypted content names the number: a participant, a text, what a call brought."""
        for flat in self._pages("closed"):
            for op_id, payload, result in zip(*[iter(flat)] * 3, strict=True):
                try:
                    texts = payloads.payload(op_id, payload), payloads.opened_result(op_id, result or "{}")
                except Unreadable:
                    continue
                if any(map(self._pattern.search, texts)):
                    yield op_id

    def _delete_marks(self) -> None:
        """Who had bulk messages lately, and from which sender."""
        for _ in self._pages("marks"):
            pass

    def _pages(self, verb: str) -> Iterator[list[str]]:
        """The replies of a verb that looks at all keys, without their cursor."""
        cursor = "0"
        while True:
            cursor, *reply = self._script.run(self._client, verb, self._forms, cursor, _LOOK)
            yield reply
            if cursor == "0":
                return

    def _in_inbox(self) -> int:
        records = self._state.fleet().inbox
        pages = range(0, records + 1, _INBOX)
        number = 0
        for start in pages:
            named, *closed = self._script.run(self._client, "inbox", self._forms, start, start + _INBOX - 1)
            number += int(named) + sum(map(self._is_named_in, self._bodies(closed)))
        return number

    def _bodies(self, rids: list[str]) -> list[tuple[str, bytes]]:
        """Account and body of each record."""
        reply = self._records.run_in_bytes(self._client, *rids) if rids else []
        return [(account.decode(), body) for account, _, _, body in zip(*[iter(reply)] * 4, strict=True)]

    def _is_named_in(self, record: tuple[str, bytes]) -> bool:
        """Whether a record in an envelope names the number; what cannot be opened is refused by the next worker."""
        account, body = record
        if not self._payloads or not body:
            return bool(body)
        try:
            return self._pattern.search(self._payloads.record(account, body)) is not None
        except Unreadable:
            return False

    def _hooks(self) -> tuple[int, int]:
        """Deletes dead letters of webhooks; returns how many, and how many events wait to be posted."""
        dead, waiting = 0, 0
        for hook in self._script.run(self._client, "hooks", self._forms):
            cursor = "0"
            while True:
                cursor, gone, left = self._script.run(self._client, "events", self._forms, hook, cursor, _LOOK)
                dead, waiting = dead + int(gone), waiting + int(left)
                if cursor == "0":
                    break
        return dead, waiting

    def _hooks_after(self, done: Counter[str], until_s: float) -> int:
        """How many events wait to be posted once runners have kept those of entries that they read before these were deleted."""
        self._sleep(_KEEPING_S)
        while True:
            dead, events = self._hooks()
            done["events"] += dead
            if not events or time.monotonic() >= until_s:
                return events
            self._sleep(_PAUSE_S)

    def _streams(self) -> list[str]:
        return ["", *self._state.campaigns()]

    def _named(self, name: str) -> int:
        """How many entries of a stream name the number."""
        begin, number = "-", 0
        while True:
            last, some = self._script.run(self._client, "look", self._forms, name, begin, _ENTRIES)
            number += int(some)
            if not last:
                return number
            begin = f"({last}"

    def _clean(self, name: str) -> int:
        """Put a copy without them in the place of a stream; returns how many entries are gone."""
        if not self._named(name):
            return 0
        until_s = time.monotonic() + _BUSY_S
        while (gone := self._replaced(name)) is None:
            if time.monotonic() >= until_s:
                raise NotForgotten(
                    "another command forgets a number at the same time: wait for its end, and run this one again"
                )
            self._sleep(_PAUSE_S)
        return gone

    def _replaced(self, name: str) -> int | None:
        """Copy a stream once; None when another command copies one, or this one was not continued in time."""
        begin, gone = "-", 0
        while True:
            copied = self._script.run(self._client, "copy", self._forms, name, begin, _ENTRIES, self._id)
            if copied == "busy":
                return None
            last, some = copied
            gone += int(some)
            begin = f"({last}" if last else begin
            swapped = "more" if last else self._script.run(self._client, "swap", self._forms, name, begin, self._id)
            if swapped != "more":
                return gone if swapped == "done" else None

    def _rewrite(self, until_s: float) -> bool:
        """Let the server rewrite its append-only file; False when there is none, or it is not ours to ask for."""
        try:
            persistence: dict[str, Any] = self._client.info("persistence")
            if not int(persistence["aof_enabled"]):
                return False
            while int(persistence["aof_rewrite_in_progress"]) and time.monotonic() < until_s:
                self._sleep(_PAUSE_S)  # one that began before knows the number
                persistence = self._client.info("persistence")
            self._client.bgrewriteaof()
            while True:
                self._sleep(_PAUSE_S)
                persistence = self._client.info("persistence")
                running = int(persistence["aof_rewrite_in_progress"]) or int(persistence["aof_rewrite_scheduled"])
                if not running or time.monotonic() >= until_s:
                    return not running and persistence["aof_last_bgrewrite_status"] == "ok"
        except (ResponseError, KeyError):  # not ours to ask for, or a managed server that tells less
            return False


def _words(left: Counter[str], inbox: int, events: int) -> str:
    parts = []
    if left["under way"]:
        parts.append(f"{left['under way']:,} operations are under way")
    if left["waits"]:
        parts.append(f"{left['waits']:,} waiting operations name the number and go to somebody else")
    if inbox:
        parts.append(f"{inbox:,} records wait for a worker")
    if events:
        parts.append(f"{events:,} events wait to be posted to webhooks")
    return f"{', '.join(parts)}: run the same command again when they have their outcome; everything else is forgotten"
