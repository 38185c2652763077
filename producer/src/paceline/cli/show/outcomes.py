import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from paceline.cli.errors import named_as_options
from paceline.cli.numbers import ShowNumbers, decide, shown_in
from paceline.cli.options import moment, opened_state
from paceline.cli.output import harmless, opened_output
from paceline.cli.render import counted, one_line, say
from paceline.errors import InvalidOperation, StateUnavailable
from paceline.outcomes import OutcomeEntry, Outcomes, is_before

# Recipient and outcome first: people look for them.
COLUMNS: Final = (
    "to", "outcome", "code", "words", "message_uuid", "id", "account", "campaign", "kind", "accepted_at", "settled_at",
    "entry_id", "key",
)  # fmt: skip
_SPAN: Final = re.compile(r"([0-9]{1,5})(s|min|h|d)", re.ASCII)
_UNITS: Final = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


class Form(StrEnum):
    """How an entry is written."""

    jsonl = "jsonl"
    csv = "csv"


class Outcome(StrEnum):
    """See `paceline.literals.OUTCOMES`."""

    accepted = "accepted"
    rejected = "rejected"
    expired = "expired"
    cancelled = "cancelled"
    dead = "dead"
    held = "held"
    suppressed = "suppressed"


def outcomes(
    *,
    campaign: Annotated[
        str | None,
        typer.Option("--campaign", metavar="NAME", help="Campaign whose outcomes are printed, with recipients."),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Account whose outcomes are printed.")
    ] = None,
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option("--outcome", metavar="OUTCOME", help=f"One of {', '.join(Outcome)}; repeatable."),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Print new outcomes as they come, until Ctrl-C or until the campaign is complete."
        ),
    ] = False,
    after: Annotated[
        str | None, typer.Option("--after", metavar="ENTRY_ID", help="Resume after the last entry_id handled.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Time of the first outcome: 30min, 2h, 7d (ago), or ISO 8601."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Format: JSON Lines, or CSV with a header.")] = Form.jsonl,
    last: Annotated[
        bool | None,
        typer.Option(
            "--last/--all", help="Print only the last outcome of each operation. Default: for CSV of a campaign."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="File to write, replaced when complete; --follow appends."),
    ] = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """Print outcomes of operations (accepted, rejected, expired, ...), oldest first; --follow prints new ones.

    Of all operations about the last 100,000 outcomes are kept; of a campaign all of them, until its
    retention time after its completion is over.

    JSON: entry_id, id, account, campaign, kind, outcome, code, message_uuid, words, accepted_at, settled_at, to, count, key. A
    campaign's end is an entry of kind `campaign`, without an id.

    A file of --output holds whole numbers.

    CSV: to, outcome, code, words, message_uuid, id, account, campaign, kind, accepted_at, settled_at, entry_id, key; one line
    each, without campaigns' ends. A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    path = None if output is None or str(output) == "-" else output
    decide(show=show_numbers or path is not None)
    if after is not None and since is not None:
        raise InvalidOperation("--after, --since: give one of them")
    if follow and last:
        raise InvalidOperation("--last, --follow: give one of them")
    if last is None:
        last = form is Form.csv and campaign is not None and not follow
    start, begin = after if after is not None else "0", time_of(since) if since is not None else None
    with opened_state() as state, named_as_options():
        reader = Outcomes(state.client)

        def read() -> Iterator[OutcomeEntry]:
            return (reader.follow if follow else reader.each)(campaign, start, since=begin)

        wanted = _Wanted(account, frozenset(outcome or ()), finals=form is Form.jsonl and not last and not outcome)
        reader.read(campaign, start, 1)  # what is wrong with the question is told before anything is written
        entries = last_of_each(read) if last else read()
        with opened_output(path, append=follow) as file:
            added = follow and path is not None and file.seekable() and file.tell() > 0
            write = _json_writer(file) if form is Form.jsonl else _csv_writer(file, header=not added)
            told = _tell(filter(wanted, entries), write, file.flush if follow else None)
    if path is not None:
        say(f"{counted(told, 'outcome')} written to {path}.")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which entries are printed."""

    account: str | None
    outcomes: frozenset[str]  # empty: all, also those of a later release
    finals: bool

    def __call__(self, entry: OutcomeEntry) -> bool:
        if self.account is not None and entry.account != self.account:
            return False
        return self.finals if entry.is_final else not self.outcomes or entry.outcome in self.outcomes


class _Repeated:
    """Which operations have several entries, and the last one of each.

    A Bloom filter of a fixed 16 MiB remembers which ids were seen. Those that it takes for seen are remembered exactly, so
    a false alarm (2 in 10,000 of a million) costs memory, and nothing else.
    """

    _BITS: Final = 27

    def __init__(self) -> None:
        self._seen = bytearray(1 << self._BITS - 3)
        self._last: dict[str, str] = {}

    def note(self, entry: OutcomeEntry) -> None:
        """Take an entry; they come in order."""
        digest, known = hash(entry.id), True
        for place in (digest & (1 << self._BITS) - 1, digest >> self._BITS & (1 << self._BITS) - 1):
            byte, bit = place >> 3, 1 << (place & 7)
            known = known and bool(self._seen[byte] & bit)
            self._seen[byte] |= bit
        if known:
            self._last[entry.id] = entry.entry_id

    def is_last(self, entry: OutcomeEntry) -> bool:
        """Whether no later entry of the same operation was taken."""
        return self._last.get(entry.id, entry.entry_id) == entry.entry_id


def last_of_each(read: Callable[[], Iterator[OutcomeEntry]]) -> Iterator[OutcomeEntry]:
    """The last entry of each operation; reads the stream twice, up to where it ends now."""
    repeated, end = _Repeated(), "0"
    for entry in read():
        repeated.note(entry)
        end = entry.entry_id

    def again() -> Iterator[OutcomeEntry]:
        for entry in read():
            if is_before(end, entry.entry_id):
                return
            if repeated.is_last(entry):
                yield entry

    return again()


def _tell(
    entries: Iterator[OutcomeEntry], write: Callable[[OutcomeEntry], object], flush: Callable[[], object] | None
) -> int:
    """Write them all; returns how many."""
    told, at = 0, None
    if flush:
        flush()  # the header, before the waiting begins
    try:
        for entry in entries:
            write(entry)
            if flush:
                flush()
            told, at = told + 1, entry.entry_id
    except StateUnavailable as error:
        if at is None or not flush:
            raise
        raise StateUnavailable(f"{error} (the last printed outcome is {at}: continue with --after {at})") from error
    return told


def _json_writer(file: IO[str]) -> Callable[[OutcomeEntry], object]:
    return lambda entry: file.write(f"{json.dumps(shown_in(entry.as_json()))}\n")


def _csv_writer(file: IO[str], *, header: bool) -> Callable[[OutcomeEntry], object]:
    writer = csv.writer(file, lineterminator="\n")
    if header:
        writer.writerow(COLUMNS)

    def write(entry: OutcomeEntry) -> None:
        plain = shown_in(entry.as_json())
        writer.writerow([_cell(plain[column]) for column in COLUMNS])

    return write


def _cell(value: str | None) -> str:
    """One line; harmless in a spreadsheet."""
    text = value or ""
    if not text.isprintable():
        text = one_line(text)
    return harmless(text)


def time_of(text: str) -> datetime:
    """``2h`` ago, or a time.

    Args:
        text: of --since.

    Raises:
        InvalidOperation: it is neither.
    """
    if span := _SPAN.fullmatch(text):
        return datetime.now(UTC) - timedelta(**{_UNITS[span[2]]: int(span[1])})
    at = moment("--since", text)
    if at is None or at.tzinfo is None:
        raise InvalidOperation("--since: has no time zone")
    return at
