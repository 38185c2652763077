"""How values look: to people as tables, durations and local times, to programs as one JSON document a line."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# What the colour of a word says: all is well, failed, a person should look, of no further interest.
_STYLES = {
    **dict.fromkeys(("accepted", "delivered", "read", "running", "complete", "active", "served", "sent"), "green"),
    **dict.fromkeys(("rejected", "dead", "suspended", "not sent", "disabled", "fails"), "red"),
    **dict.fromkeys(("held", "paused", "unapproved", "throttled", "open", "ramp", "cancelling"), "yellow"),
    **dict.fromkeys(("waiting", "expired", "cancelled", "suppressed", "scheduled"), "bright_black"),
}
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def console(*, stderr: bool = False) -> Console:
    """A console that takes texts as they are; without colour when it is not a terminal."""
    from rich.console import Console  # noqa: PLC0415 - JSON, help and complaints do without rich, and start sooner

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


def say(sentence: str) -> None:
    """One line on stdout."""
    sys.stdout.write(f"{one_line(sentence)}\n")


def say_json(value: Any) -> None:
    """One JSON document on one line; ASCII, so that every terminal and pipe takes it."""
    sys.stdout.write(f"{json.dumps(value)}\n")


def one_line(text: str) -> str:
    """A text without line breaks and terminal control: what a provider or a file says may hold both."""
    folded = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in folded)


def listing(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table with one row per thing; numbers stand right."""
    from rich import box  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    rows = list(rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for column, header in enumerate(headers):
        number = bool(rows) and all(isinstance(row[column], int) for row in rows)
        table.add_column(header, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def details(pairs: Iterable[tuple[str, object]]) -> Table:
    """One thing, a fact per line; facts that are None are left out."""
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            table.add_row(name, _cell(value))
    return table


def _cell(value: object) -> str | Text:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    text = one_line(str(value))
    word = text.partition(":")[0]
    return styled(word, text) if word in _STYLES else text


def styled(word: str, text: str | None = None) -> Text:
    """A text in the colour of a state or an outcome; without colour where there is none.

    Args:
        word: the state or outcome.
        text: what is shown. Default: the word.
    """
    from rich.text import Text  # noqa: PLC0415 - as above

    return Text(word if text is None else text, style=_STYLES.get(word, ""))


def counted(number: int, noun: str) -> str:
    """``1 row``, ``2,000 rows``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(span: timedelta) -> str:
    """A duration as people say it: ``100 ms``, ``6.1 s``, ``8 h 28 min``."""
    seconds = span.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:  # above, one decimal would read "60.0 s"
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    left = round(seconds)
    words: list[str] = []
    for unit, length in _UNITS:
        number, left = divmod(left, length)
        if number or words:
            words.append(f"{number} {unit}")
    return " ".join(word for word in words[:2] if not word.startswith("0 "))


def local(at: datetime) -> str:
    """A time in the zone of this machine, with its offset."""
    return at.astimezone().isoformat(sep=" ", timespec="seconds")


def expected(at: datetime, now: datetime) -> str:
    """``in 12 s (2026-01-31 09:00:12+01:00)``; ``now`` when the time has come."""
    when = f"in {duration(at - now)}" if at > now else "now"
    return f"{when} ({local(at)})"


def iso(at: datetime | None) -> str | None:
    """The form of times in JSON."""
    return at.isoformat() if at else None
