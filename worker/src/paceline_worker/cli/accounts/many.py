"""``paceline accounts import`` and ``export``: many accounts at once. `accounts_cli.py` makes them commands."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from paceline.cli.acts import remember
from paceline.cli.errors import FAILURE, INTERRUPTED, complain, named_as_options
from paceline.cli.options import Json
from paceline.cli.output import opened_output
from paceline.cli.render import console, counted, say, say_json
from paceline.errors import InvalidOperation, StateUnavailable
from paceline.settings import Settings
from paceline.state import connect_to
from paceline_worker.accounts.decision import exported
from paceline_worker.accounts.file import Form, csv_lines, json_lines, read_rows
from paceline_worker.accounts.importing import Imported, import_accounts
from paceline_worker.accounts.rows import account_rows, wanted
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.accounts.stored import StoredAccounts
from paceline_worker.cli.accounts.key import opened_inquiry

_JSON_LINES: Final = (".jsonl", ".ndjson")
# A line of progress where there is no terminal.
_ROWS_PER_LINE: Final = 2_000


class FormChoice(StrEnum):
    """See `paceline_worker.accounts.file.Form`."""

    csv = "csv"
    jsonl = "jsonl"


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="File of accounts: CSV with a header, or JSON Lines; - is stdin.", show_default=False
        ),
    ],
    *,
    limit: Annotated[str | None, typer.Option("--limit", metavar="RATE", help="Limit of rows that give none.")] = None,
    pacing: Annotated[
        str | None, typer.Option("--pacing", metavar="spacing|window", help="Pacing of rows that give none.")
    ] = None,
    variation: Annotated[
        str | None, typer.Option("--variation", metavar="TIME", help="Variation of rows that give none.")
    ] = None,
    reserve: Annotated[
        int | None, typer.Option("--reserve", metavar="PERCENT", help="Reserve of rows that give none.")
    ] = None,
    no_info: Annotated[
        bool,
        typer.Option("--no-info", help="Add new accounts without asking the provider; workers ask later."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the changes and write nothing. The command still asks the provider."),
    ] = False,
    json_output: Json = False,
) -> None:
    """Add many accounts, and change those that exist: the same command again changes nothing, and continues.

    Columns: name, key or key_env (the variable that holds the API key), limit, pacing, variation, reserve, budget
    (KIND=RATE; ...), senders (separated by blanks). What is empty is as `add` has it; an account that exists keeps what it
    has, its key too. `none` takes a limit or a budget away, `any` takes senders away.

    The provider is asked for the limit of each new account (GET /info), 16 at a time. A bad row stops no other; exit code
    1 when there is one. Another key for an account is a matter of `paceline accounts rotate NAME`.

    JSON: rows, added, changed, unchanged, failed, info_unread (accounts added whose /info a worker will ask again), errors
    (a list of row, account, error), dry_run.
    """
    settings = Settings.from_environment()
    ring = KeyRing(settings.secret_key.get_secret_value())
    with named_as_options():
        options = {"limit": limit, "pacing": pacing, "variation": variation, "reserve": reserve}
        defaults = wanted({column: str(value) for column, value in options.items() if value is not None})

    raws = read_rows(*_content(file))
    rows = account_rows(raws, os.environ, defaults)
    client = connect_to(settings)
    told = _Told(len(raws), quiet=json_output)

    try:
        with nullcontext() if no_info else opened_inquiry(settings) as ask, told.shown(), _interruptible(told):
            done = import_accounts(client, rows, ring=ring, ask=ask, dry_run=dry_run, on_progress=told.note)
    finally:
        client.close()
        if not dry_run and told.done.added + told.done.changed:
            remember("accounts import", on=f"{told.done.added:,} added, {told.done.changed:,} changed")

    _tell(done, dry_run=dry_run, json_output=json_output)


def export(
    *,
    form: Annotated[
        FormChoice, typer.Option("--format", help="Format: CSV with a header, or JSON Lines.")
    ] = FormChoice.csv,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="File to write. Default: stdout.")
    ] = None,
) -> None:
    """Write the settings of all accounts, sorted by name, in the form that `import` reads; never a key.

    The column key_env is empty: fill in names of variables to add the accounts elsewhere. Imported where they are, they
    keep their keys, so limits can be changed in a spreadsheet.

    Columns: name, key_env, limit, pacing, variation, reserve, budget, senders. JSON Lines: the same, all of them texts.
    """
    path = None if output is None or str(output) == "-" else output
    written = 0

    def rows() -> Iterator[Mapping[str, str]]:
        nonlocal written
        for stored in StoredAccounts(client).each():
            yield exported(stored)
            written += 1

    client = connect_to(Settings.from_environment(), repeat=True)
    try:
        with opened_output(path) as lines:
            for line in (csv_lines if form is FormChoice.csv else json_lines)(rows()):
                lines.write(line)
    finally:
        client.close()
    if path is not None:
        say(f"{counted(written, 'account')} written to {path}.")


def _content(file: Path) -> tuple[bytes, str, Form | None]:
    """What `read_rows` takes."""
    if str(file) == "-":
        # A test's stdin has no bytes beneath its text.
        binary = getattr(sys.stdin, "buffer", None)
        return binary.read() if binary else sys.stdin.read().encode("utf-8", "surrogateescape"), "stdin", None
    try:
        return file.read_bytes(), file.name, "jsonl" if file.suffix in _JSON_LINES else None
    except OSError as error:
        raise InvalidOperation(f"{file} cannot be read: {error.strerror}") from error


class _Told:
    """Tells on stderr what is done: a bar on a terminal, else some lines; each error in a line of its own.

    Args:
        total: how many rows there are.
        quiet: print nothing: everything is in the JSON.
    """

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.done = Imported()
        self.total = total
        self._quiet = quiet
        self._show: Callable[[int], Any] = self._line

    @contextmanager
    def shown(self) -> Iterator[None]:
        """With the bar, when there is a terminal for it."""
        screen = console(stderr=True)
        if self._quiet or not screen.is_terminal:
            yield
            return
        columns = (TextColumn("importing"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=screen, transient=True) as progress:
            task = progress.add_task("importing", total=self.total)
            self._show = lambda rows: progress.update(task, completed=rows)
            yield

    def note(self, done: Imported) -> None:
        """Take what is done."""
        before, self.done = self.done, done
        if self._quiet:
            return
        for error in done.errors[len(before.errors) :]:
            complain(str(error))
        if before.rows // _ROWS_PER_LINE < done.rows // _ROWS_PER_LINE or self._show != self._line:
            self._show(done.rows)

    def _line(self, rows: int) -> None:
        if rows < self.total:
            complain(f"{rows:,} of {counted(self.total, 'row')} done")

    def __str__(self) -> str:
        return f"{self.done.rows:,} of {counted(self.total, 'row')} done"


@contextmanager
def _interruptible(told: _Told) -> Iterator[None]:
    """Say of an import that breaks off how far it came, and that the same command continues it."""
    try:
        yield
    except KeyboardInterrupt:
        complain(f"interrupted with {told}; repeat the command to continue")
        raise typer.Exit(INTERRUPTED) from None
    except StateUnavailable as error:
        if not told.done.rows:
            raise
        raise StateUnavailable(f"{error} (with {told}; repeat the command to continue)") from error


def _tell(done: Imported, *, dry_run: bool, json_output: bool) -> None:
    if json_output:
        errors = [{"row": one.row, "account": one.account, "error": one.reason} for one in done.errors]
        counts = {"added": done.added, "changed": done.changed, "unchanged": done.unchanged, "failed": len(errors)}
        say_json({"rows": done.rows, **counts, "info_unread": done.unread, "errors": errors, "dry_run": dry_run})
    else:
        would = "would be " if dry_run else ""
        say(
            f"{counted(done.rows, 'row')}: {done.added:,} {would}added, {done.changed:,} {would}changed, "
            f"{done.unchanged:,} unchanged, {len(done.errors):,} failed.{' Nothing is written.' if dry_run else ''}"
        )
        if done.unread:
            accounts = counted(done.unread, "new account")
            complain(f"the provider's /info could not be read for {accounts}; a worker tries again")
    if done.errors:
        raise typer.Exit(FAILURE)
