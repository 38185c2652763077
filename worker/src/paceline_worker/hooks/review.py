"""What people see of hooks, and events that they let be posted again."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Final, Literal, TypeVar

from paceline.status.entry import OutcomeEntry
from paceline_worker.hooks.event import Event, event_of
from paceline_worker.hooks.state import HookBook
from paceline_worker.hooks.stored import DeadEvent, StoredHook

_T = TypeVar("_T")
HookState = Literal["disabled", "failing", "served", "unserved"]
# Why a hook is disabled that a person disabled.
BY_HAND: Final = "by hand"
_PAGE: Final = 500


def state_of(hook: StoredHook) -> HookState:
    """Whether events of a hook are posted.

    Args:
        hook: as state has it.
    """
    if hook.disabled:
        return "disabled"
    if hook.breaker.open_until_ms:
        return "failing"
    return "served" if hook.owner else "unserved"


def state_in_words(hook: StoredHook) -> str:
    """The same with its reason.

    Args:
        hook: as state has it.
    """
    match state_of(hook):
        case "disabled":
            return f"disabled: {hook.disabled}"
        case "failing":
            return f"fails: {hook.words}"
        case "served":
            return "served"
    return "no runner serves it"


def dead_events(book: HookBook, hook: str) -> Iterator[DeadEvent]:
    """All dead events of a hook, longest dead first.

    Args:
        book: has them.
        hook: its id.

    Raises:
        NotFound: there is no hook of that id.
    """
    skipped = 0
    while page := book.dead(hook, skipped, _PAGE):
        skipped += len(page)
        yield from page


def dead_since(
    book: HookBook, hook: str, since: datetime, most: int | None = None, *, before: datetime | None = None
) -> list[str]:
    """Ids of events that were given up at or after a time.

    Args:
        book: has them.
        hook: its id.
        since: the time.
        most: largest number of ids. Default: all.
        before: leave out events that were given up at that time or later. Default: none is left out.
    """
    meant = (
        event.id
        for event in dead_events(book, hook)
        if since <= event.since and (before is None or event.since < before)
    )
    return list(islice(meant, most))


def events_of(book: HookBook, hook: str, entries: Iterable[OutcomeEntry], most: int | None = None) -> Iterator[Event]:
    """Events that a hook wants, made of entries of the stream of all outcomes.

    Args:
        book: knows the hook.
        hook: its id.
        entries: of the stream.
        most: largest number of events. Default: all.
    """
    about = book.one(hook).hook
    return islice((event for entry in entries if (event := event_of(entry, about))), most)


def revive(book: HookBook, hook: str, events: Iterable[str]) -> int:
    """Let dead events be posted again.

    Args:
        book: has them.
        hook: its id.
        events: their ids.

    Returns:
        How many were dead, and wait now.

    Raises:
        NotFound: there is no hook of that id.
        HookFull: the hook takes no more.
    """
    return sum(book.revive(hook, part) for part in _parts(events))


def queue(book: HookBook, hook: str, events: Iterable[Event]) -> int:
    """Let events be posted again, dead or delivered.

    Args:
        book: has the hook.
        hook: its id.
        events: made by `events_of`.

    Returns:
        How many wait now.

    Raises:
        NotFound: there is no hook of that id.
        HookFull: the hook takes no more.
    """
    return sum(book.queue(hook, part) for part in _parts(events))


def _parts(items: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(items)
    while part := list(islice(left, _PAGE)):
        yield part
