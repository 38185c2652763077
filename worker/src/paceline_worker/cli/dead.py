"""``paceline dead``: found by the command line through its entry point."""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from paceline.cli.acts import remember
from paceline.cli.commands import example
from paceline.cli.errors import FAILURE, INTERRUPTED, complain, named_as_options
from paceline.cli.options import Json, moment
from paceline.cli.render import console, counted, duration, listing, say, say_json
from paceline.errors import InvalidOperation, StateUnavailable
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.cli.whom import whom
from paceline_worker.review.dead import MOST_LISTED, DeadLetters, Match, Replayed, Selection

_ID: Final = "01k0zxw5d3v8m2c7r4q9n6t1ea"
_DURATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?) *(s|m|min|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}
_CODE: Final = re.compile(r"\w{1,64}")

Account = Annotated[str | None, typer.Option("--account", metavar="NAME", help="Account of the operations.")]
Campaign = Annotated[str | None, typer.Option("--campaign", metavar="NAME", help="Campaign of the operations.")]
Code = Annotated[
    str | None,
    typer.Option(
        "--code", metavar="CODE", help="Code of the rejection: a status or a word, such as 422, follows or unknown."
    ),
]
OlderThan = Annotated[
    str | None, typer.Option("--older-than", metavar="TIME", help="Least age, such as 90s, 30m, 2h or 1d.")
]
NewerThan = Annotated[
    str | None, typer.Option("--newer-than", metavar="TIME", help="Greatest age, such as 90s, 30m, 2h or 1d.")
]

app = typer.Typer(
    help="Dead letters: operations that were rejected or whose attempts are used up.", rich_markup_mode=None
)


@app.command(
    "list", epilog=example("paceline dead list --account acme --code 422", "paceline dead list --newer-than 1d --json")
)
def list_(
    *,
    account: Account = None,
    campaign: Campaign = None,
    code: Code = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", help=f"Greatest number to list, 1 to {MOST_LISTED}.")
    ] = 100,
    json_output: Json = False,
) -> None:
    """List dead letters, oldest first.

    JSON: a list of id, account, campaign, kind, outcome (rejected, dead), since, code, words (the provider's or Paceline's),
    to, sender.
    """
    match = _match(account, campaign, code, older_than, newer_than)
    with _opened() as dead, named_as_options():
        found = dead.list(match, limit=limit)

    people = whom(letter.id for letter in found.letters)
    if json_output:
        say_json([letter.as_json() | people[letter.id].as_json() for letter in found.letters])
        return

    if not found.letters:
        say("No dead letters." if match == Match() else "No dead letters match the filters.")
        return

    rows = [
        (o.id, people[o.id].to, o.account, o.code or "", f"{duration(found.now - o.since)} ago", o.words)
        for o in found.letters
    ]
    table = listing(("operation", "to", "account", "code", "since", "words"), rows)
    for column in table.columns[:-1]:
        column.no_wrap = True  # to be copied, and read at a glance; words may break
    console().print(table)

    if found.more:
        of_all = "" if found.total is None else f" of {counted(found.total, 'operation')}"
        say(f"The oldest {len(rows):,}{of_all}; --limit lists more.")


@app.command(
    epilog=example(
        f"paceline dead replay {_ID}",
        "paceline dead replay --campaign spring --code 422 --dry-run",
        "paceline dead replay --account acme --newer-than 2h --yes",
    )
)
def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="Operation ids, as `paceline dead list` prints them.")
    ] = None,
    *,
    account: Account = None,
    campaign: Campaign = None,
    code: Code = None,
    older_than: OlderThan = None,
    newer_than: NewerThan = None,
    everything: Annotated[bool, typer.Option("--all", help="Replay all dead letters of all accounts.")] = False,
    valid_until: Annotated[
        str | None,
        typer.Option(
            "--valid-until",
            metavar="TIME",
            help="Latest time to send, ISO 8601. Default: as before, or 24 hours from now if that has passed.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be replayed, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Replay without asking.")] = False,
    json_output: Json = False,
) -> None:
    """Send dead letters again: the named ones, or all that match the filters.

    Each goes to the tail of its lane with fresh attempts, under its id and idempotency key. An operation that dies
    again meanwhile is not replayed again. An operation with the code `unknown` may have taken effect; a replay may
    then repeat the effect.

    JSON: replayed (how many), refused (a list of id and reason), gone (deleted after their retention time), dry_run.
    """
    match = _match(account, campaign, code, older_than, newer_than)
    if everything and match != Match():
        raise InvalidOperation("--all: excludes other filters; leave one of them out")
    if ids and (everything or match != Match()):
        raise InvalidOperation("give operations or filters, not both")
    if not ids and not everything and match == Match():
        raise InvalidOperation("no operation is named: give operations, filters such as --account, or --all")

    until = moment("--valid-until", valid_until)
    if not ids and not dry_run and not yes and not sys.stdin.isatty():
        raise InvalidOperation("--yes: is required without a terminal; --dry-run prints what would be replayed")

    with _opened() as dead, named_as_options():
        if ids:
            parts = dead.replay(ids, valid_until=until, dry_run=dry_run)
            done = _all_of(parts, len(set(ids))) if dry_run else _replayed(parts, len(set(ids)), match, ids)
        else:
            done = _by_filter(dead, dead.select(match), until, dry_run=dry_run, ask=not yes)

    if json_output:
        refused = [{"id": one.id, "reason": one.reason} for one in done.refused]
        say_json({"replayed": done.replayed, "refused": refused, "gone": done.gone, "dry_run": dry_run})
    elif ids:
        kept = {one.id for one in done.refused}
        what = "would wait" if dry_run else "waits"
        for op_id in dict.fromkeys(ids):
            if op_id not in kept:
                say(f"Operation {op_id} {what} at the tail of its lane.")
    else:
        say(f"{counted(done.replayed, 'operation')} {'would be replayed' if dry_run else 'replayed'}.")

    _complain_of(done, by_id=bool(ids))


def _by_filter(dead: DeadLetters, chosen: Selection, until: datetime | None, *, dry_run: bool, ask: bool) -> Replayed:
    """Count, ask, replay. What dies after the count is not among those that were asked about."""
    counts = _all_of(dead.replay_selected(chosen, valid_until=until, dry_run=True), chosen.total, "counting")
    if dry_run or not counts.replayed:
        return counts
    if ask and not _agreed(f"Replay {counted(counts.replayed, 'operation')}?"):
        say("No operation was replayed.")
        raise typer.Exit(FAILURE)
    return _replayed(dead.replay_selected(chosen, valid_until=until), counts.seen, chosen.match)


def _agreed(question: str) -> bool:
    """Ask on stderr: stdout may be a document."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _all_of(
    parts: Iterable[Replayed],
    total: int | None,
    what: str = "replaying",
    note: Callable[[Replayed], None] = lambda _: None,
) -> Replayed:
    """All parts as one, with a bar while they are made; `note` takes what is done, part by part."""
    done = Replayed()
    with _bar(what, total) as show:
        for part in parts:
            done += part
            note(done)
            show(done.seen)
    return done


def _replayed(parts: Iterable[Replayed], total: int | None, match: Match, ids: Sequence[str] = ()) -> Replayed:
    """All parts as one. What is replayed is in the history, also when the rest is not."""
    done = Replayed()

    def note(until_now: Replayed) -> None:
        nonlocal done
        done = until_now

    try:
        return _all_of(parts, total, note=note)
    except KeyboardInterrupt:
        if not done.replayed:
            raise
        complain(f"interrupted with {counted(done.replayed, 'operation')} replayed; repeat the command to continue")
        raise typer.Exit(INTERRUPTED) from None
    except StateUnavailable as error:
        if not done.replayed:
            raise
        replayed = f"with {counted(done.replayed, 'operation')} replayed; repeat the command to continue"
        raise StateUnavailable(f"{error} ({replayed})") from error
    finally:
        if done.replayed:
            filters = ", ".join(part for part in (match.campaign, match.code) if part)
            many = counted(done.replayed, "operation") + (f" ({filters})" if filters else "")
            remember("dead replay", account=match.account, on=ids[0] if len(ids) == 1 else many)


@contextmanager
def _bar(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; none when that is not a terminal."""
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield lambda _: None
        return
    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda seen: progress.update(task, completed=seen)


def _complain_of(done: Replayed, *, by_id: bool) -> None:
    """What stays as it is: each that was named, or how many for each reason."""
    if by_id:
        for one in done.refused:
            complain(f"operation {one.id!r} is not replayed: {one.reason}")
    else:
        for reason, number in Counter(one.reason for one in done.refused).items():
            complain(f"{counted(number, 'operation')} not replayed: {reason}")
    if done.refused:
        raise typer.Exit(FAILURE)


def _match(
    account: str | None, campaign: str | None, code: str | None, older_than: str | None, newer_than: str | None
) -> Match:
    for option, text in (("--account", account), ("--campaign", campaign)):
        if text is not None and not text:  # a variable of the shell that is not set: it does not mean all of them
            raise InvalidOperation(f"{option}: is empty")
    if code is not None and not _CODE.fullmatch(code):
        raise InvalidOperation("--code: is neither a status code nor a word such as follows")
    older, newer = _span("--older-than", older_than), _span("--newer-than", newer_than)
    return Match(account or "", campaign or "", code or "", older, newer)


def _span(option: str, text: str | None) -> timedelta | None:
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise InvalidOperation(f"{option}: is not a time such as 90s, 30m, 2h or 1d")
    return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])


@contextmanager
def _opened() -> Iterator[DeadLetters]:
    settings = Settings.from_environment()
    # No command is repeated: the reply to a repeated replay would say that they are no dead letters.
    client = connect_to(settings)
    try:
        yield DeadLetters(client, retention=timedelta(seconds=settings.retention_s))
    finally:
        client.close()
