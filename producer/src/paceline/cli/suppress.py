"""``paceline suppress``: whom nobody may write to."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from paceline.cli.acts import remember
from paceline.cli.campaign.options import DefaultCountry, Delimiter, Encoding, ToColumn
from paceline.cli.campaign.upload import BadRows, place_of_bad_rows, rows_of, with_bar
from paceline.cli.commands import example
from paceline.cli.errors import FAILURE, INTERRUPTED, complain, named_as_options
from paceline.cli.numbers import ShowNumbers, decide, shown, shown_in
from paceline.cli.options import Json, opened_state
from paceline.cli.render import console, counted, local, say, say_json
from paceline.errors import InvalidOperation, StateUnavailable
from paceline.flows.steps import run
from paceline.recipients.columns import reading_of
from paceline.recipients.rows import Row
from paceline.state import translating
from paceline.state.calls import State
from paceline.state.shards import begun
from paceline.suppression.importing import numbers_of
from paceline.suppression.lists import (
    BY_HAND,
    CHUNK,
    EVERY_ACCOUNT,
    Suppression,
    adding,
    checked,
    checked_reason,
    checking,
    named_list,
    paging,
    removing,
)

_IMPORTED: Final = "imported"

app = typer.Typer(help="Suppression lists: numbers that nobody may write to.", rich_markup_mode=None)

Numbers = Annotated[list[str], typer.Argument(metavar="+NUMBER...", help="Numbers, E.164.")]
Account = Annotated[str | None, typer.Option("--account", metavar="NAME", help="Account of the list.")]
AllAccounts = Annotated[
    bool, typer.Option("--all-accounts", help="List of all accounts, instead of the list of one account.")
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Reason to show beside the number.")]


@app.command(
    epilog=example(
        'paceline suppress add +15550100002 --account acme --reason "asked by phone"',
        "paceline suppress add +15550100002 --all-accounts",
    )
)
def add(
    numbers: Numbers,
    *,
    account: Account = None,
    all_accounts: AllAccounts = False,
    reason: Reason = BY_HAND,
    json_output: Json = False,
) -> None:
    """Put numbers on a suppression list: from now on no message to them starts, waiting campaigns included.

    JSON: added (how many are new), known (how many were there).
    """
    with _opened(account, all_accounts=all_accounts) as (state, name):
        given = _checked(numbers)
        _begin(state, all_accounts=all_accounts)
        added = run(adding(name, given, reason), state)
    _remember("suppress add", name, added, reason)
    _tell(added, len(given) - added, name, json_output=json_output)


@app.command(epilog=example("paceline suppress remove +15550100002 --account acme"))
def remove(
    numbers: Numbers, *, account: Account = None, all_accounts: AllAccounts = False, json_output: Json = False
) -> None:
    """Take numbers off a suppression list. Operations that ended as `suppressed` stay so.

    JSON: removed (how many were on the list).
    """
    with _opened(account, all_accounts=all_accounts) as (state, name):
        removed = run(removing(name, _checked(numbers)), state)
    _remember("suppress remove", name, removed)
    if json_output:
        return say_json({"removed": removed})
    return say(f"{counted(removed, 'number')} taken off the list of {_words(name)}.")


@app.command(epilog=example("paceline suppress check +15550100002 --account acme"))
def check(
    numbers: Numbers,
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="NAME", help="Account to check. Default: every account.")
    ] = None,
    show_numbers: ShowNumbers = False,
    json_output: Json = False,
) -> None:
    """Show which list keeps an account from writing to a number.

    JSON: a list of number, suppressed; for a number on a list also account (null: all accounts), since, reason.
    """
    decide(show=show_numbers)
    given = _checked(numbers)
    with opened_state() as state:
        names = [account] if account else [EVERY_ACCOUNT, *state.accounts()]
        found = [(number, entry) for number in given for entry in _entries(state, number, names)]
    if json_output:
        return say_json(shown_in([{"number": number, **_plain(entry)} for number, entry in found]))
    for number, entry in found:
        if entry is None:
            say(f"{shown(number)} is on no list.")
        else:
            say(f"{shown(number)} is on the list of {_words(entry.account)} since {local(entry.since)}: {entry.reason}")
    return None


@app.command(name="list", epilog=example("paceline suppress list --account acme"))
def show(
    *,
    account: Account = None,
    all_accounts: AllAccounts = False,
    show_numbers: ShowNumbers = False,
    json_output: Json = False,
) -> None:
    """Print a suppression list, in no particular order; a number with two forms appears twice.

    JSON: a document for each entry, on a line of its own: number, account (null: all accounts), since, reason.
    """
    decide(show=show_numbers)
    with _opened(account, all_accounts=all_accounts) as (state, name):
        cursor, number = "0", 0
        while True:
            cursor, entries = run(paging(name, cursor), state)
            number += len(entries)
            for entry in entries:
                if json_output:
                    say_json(shown_in(entry.as_json()))
                else:
                    say(f"{shown(entry.number)}  {local(entry.since)}  {entry.reason}")
            if cursor == "0":
                break
    if not json_output and not number:
        say(f"The list of {_words(name)} is empty.")


@app.command(
    name="import",
    epilog=example(
        "paceline suppress import optouts.csv --account acme",
        "paceline suppress import numbers.txt --all-accounts --default-country BR",
    ),
)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="File of numbers as for campaigns, or one number in each line; - is stdin."
        ),
    ],
    *,
    account: Account = None,
    all_accounts: AllAccounts = False,
    reason: Reason = _IMPORTED,
    invalid: Annotated[
        Path | None,
        typer.Option("--invalid", metavar="FILE", help="File for bad rows. Default: FILE.invalid.csv beside FILE."),
    ] = None,
    to_column: ToColumn = None,
    default_country: DefaultCountry = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    json_output: Json = False,
) -> None:
    """Put the numbers of a file on a suppression list; bad rows do not stop the good ones. Importing again changes nothing.

    Exit code 1 when a row is bad.

    JSON: rows, added (how many are new), known (how many were there), invalid, invalid_file.
    """
    with named_as_options(default_country="--default-country"):
        reading = reading_of(
            to_column, country=default_country, delimiter=delimiter, encoding=encoding, bare=to_column is None
        )

    with _opened(account, all_accounts=all_accounts) as (state, name):
        checked_reason(reason)
        _begin(state, all_accounts=all_accounts)
        bad = _Bad(BadRows(invalid or place_of_bad_rows(file.stem or "stdin", file), file))
        rows = with_bar(rows_of(file, reading), file, console(stderr=True), what="importing")
        try:
            added = _put(state, name, bad.counted(numbers_of(rows, reading, bad.note)), reason)
        finally:
            rows.close()
        bad.rows.close()

    known = bad.good - added
    where = str(bad.rows.path) if bad.number else None

    if json_output:
        counts = {"rows": bad.good + bad.number, "added": added, "known": known, "invalid": bad.number}
        say_json(counts | {"invalid_file": where})
    else:
        _tell(added, known, name, json_output=False)

    if bad.number:
        complain(f"{counted(bad.number, 'row')} left out, with line and reason in {where}: correct it, and import it")
        raise typer.Exit(FAILURE)


def _put(state: State, name: str, numbers: Iterator[str], reason: str) -> int:
    """Put numbers on a list, and tell the history how many are new; also when the rest is not put there."""
    added, is_whole = 0, False
    try:
        while chunk := list(islice(numbers, CHUNK)):
            added += run(adding(name, chunk, reason), state)
        is_whole = True
    except KeyboardInterrupt:
        done = f" with {_put_on(added, name)}" if added else ""
        complain(f"interrupted{done}; repeat the command to continue")
        raise typer.Exit(INTERRUPTED) from None
    except StateUnavailable as error:
        if not added:
            raise
        raise StateUnavailable(f"{error} (with {_put_on(added, name)}; repeat the command to continue)") from error
    finally:
        if added or is_whole:
            _remember("suppress import", name, added, reason)
    return added


class _Bad:
    """Counts rows, and keeps the bad ones.

    Args:
        rows: where bad ones go.
    """

    def __init__(self, rows: BadRows) -> None:
        self.rows, self.good, self.number = rows, 0, 0

    def note(self, row: Row, reason: str) -> None:
        """One bad row."""
        self.number += 1
        self.rows.add(row, reason)

    def counted(self, numbers: Iterator[str]) -> Iterator[str]:
        """The same numbers."""
        for number in numbers:
            self.good += 1
            yield number


@contextmanager
def _opened(account: str | None, *, all_accounts: bool) -> Iterator[tuple[State, str]]:
    if (account is None) != all_accounts:
        raise InvalidOperation("--account, --all-accounts: give exactly one of them")
    with opened_state() as state, named_as_options(recipients="FILE"):
        yield state, named_list(account, all_accounts=all_accounts)


def _begin(state: State, *, all_accounts: bool) -> None:
    """The list of all accounts stands on every shard, so their number must be fixed."""
    if all_accounts:
        with translating():
            begun(state.client)


def _remember(what: str, name: str, number: int, why: str = "") -> None:
    """Into the history, without the numbers."""
    account = "" if name == EVERY_ACCOUNT else name
    remember(what, account=account, on=f"{_words(name)}: {counted(number, 'number')}", why=why)


def _checked(numbers: list[str]) -> list[str]:
    try:
        return list(dict.fromkeys(checked(numbers)))
    except InvalidOperation as error:
        place, _, words = str(error).removeprefix("numbers.").partition(": ")
        raise InvalidOperation(f"number {place}: {words}") from None


def _entries(state: State, number: str, names: list[str]) -> list[Suppression | None]:
    entries = dict.fromkeys(entry for name in names if (entry := run(checking(name, number), state)))
    return list(entries) or [None]


def _plain(entry: Suppression | None) -> dict[str, Any]:
    return {"suppressed": False} if entry is None else {"suppressed": True} | entry.as_json()


def _words(name: str | None) -> str:
    return "all accounts" if name in (None, EVERY_ACCOUNT) else f"account {name}"


def _tell(added: int, known: int, name: str, *, json_output: bool) -> None:
    if json_output:
        return say_json({"added": added, "known": known})
    before = f", {known:,} were there already" if known else ""
    return say(f"{_put_on(added, name)}{before}.")


def _put_on(added: int, name: str) -> str:
    return f"{counted(added, 'number')} put on the list of {_words(name)}"
