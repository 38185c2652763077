"""Rows of a file of accounts: from cells to what an account is to be, or to what is wrong. Pure; no error repeats a cell."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, get_args

from paceline.errors import InvalidOperation
from paceline.recipients.numbers import phone_number
from paceline_worker.accounts.account import LARGEST_RESERVE, LONGEST_VARIATION, budgets_text, check_name, usable
from paceline_worker.accounts.file import RawRow
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.cli.accounts.view import by_kind
from paceline_worker.pacing.bucket import Pacing, Variation, pace_of, parse_rates

# What takes a limit or a budget away; an empty cell leaves it as it is. `ANY` does so for senders.
NONE: Final = "none"
ANY: Final = "any"

_VARIATION: Final = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) *(ms|s|)", re.ASCII)
_WHOLE: Final = re.compile(r"\d{1,3}", re.ASCII)
_SEPARATOR: Final = re.compile(r"[,;|]")
# Far above any use: the reader of rates slows down with the square of their length.
_LONGEST_RATES: Final = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Settings that a row, or an option for all rows, asks for; None: as it is, and for a new account as `add` has it.

    Args:
        rates: the limit by hand; '' for none.
        pacing: ``spacing`` or ``window``.
        variation: J.
        reserve: percent, 0 to 90.
        budgets: rates by kind; '' takes one away, kinds that are not there stay.
        senders: the only numbers that may send; none: any.
    """

    rates: str | None = None
    pacing: Pacing | None = None
    variation: Variation | None = None
    reserve: int | None = None
    budgets: Mapping[str, str] | None = None
    senders: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row that can be an account.

    Args:
        row: its number in the file.
        name: the account.
        key: the API key; None: the current key.
        wanted: settings.
    """

    row: int
    name: str
    key: ApiKey | None = None
    wanted: Wanted = field(default_factory=Wanted)


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that was not done.

    Args:
        row: its number in the file.
        account: its account, where the name can be one.
        reason: what is wrong, and what to do; never a cell.
    """

    row: int
    account: str | None
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}{f' ({self.account})' if self.account else ''}: {self.reason}"


def account_rows(
    rows: Iterable[RawRow], environ: Mapping[str, str], defaults: Wanted | None = None
) -> Iterator[AccountRow | RowError]:
    """Read the cells of rows; of rows with the same name or the same key only the first can be an account.

    Args:
        rows: from `accounts_file.read_rows`.
        environ: where the variables of `key_env` are.
        defaults: of cells that are empty.

    Yields:
        Each row, in order.
    """
    names: dict[str, int] = {}
    keys: dict[str, tuple[int, str]] = {}
    for raw in rows:
        row = _row(raw, environ, defaults or Wanted())
        name = row.account if isinstance(row, RowError) else row.name
        if name and (first := names.setdefault(name, raw.row)) != raw.row:
            row = RowError(raw.row, name, f"has the same name as row {first}. Remove one of the rows")
        if isinstance(row, AccountRow) and row.key:
            before = keys.setdefault(row.key.reveal(), (raw.row, row.name))
            if before[0] != raw.row:
                words = f"has the same key as row {before[0]} ({before[1]}). An API key is one account: remove one of the rows"
                row = RowError(raw.row, name, words)
        yield row


def wanted(cells: Mapping[str, str]) -> Wanted:
    """The settings that cells ask for.

    Args:
        cells: texts by column.

    Raises:
        InvalidOperation: a cell cannot be read; names its column, and does not repeat it.
    """

    def read(column: str, reader: Callable[[str], Any]) -> Any:
        text = cells.get(column, "").strip()
        return reader(text) if text else None

    return Wanted(
        rates=read("limit", _rates),
        pacing=read("pacing", _pacing),
        variation=read("variation", variation),
        reserve=read("reserve", _reserve),
        budgets=read("budget", _budgets),
        senders=read("senders", _senders),
    )


@lru_cache(maxsize=256)
def variation(text: str) -> Variation:
    """J as it is written: ``auto``, ``100ms``, ``0.5s``, or a bare number of milliseconds.

    Args:
        text: of an option or a cell.

    Raises:
        InvalidOperation: it is none, or out of range.
    """
    if text.strip().lower() == "auto":
        return "auto"
    match = _VARIATION.fullmatch(text.strip())
    if match is None:
        raise InvalidOperation("variation: is neither auto nor a time such as 100ms or 0.5s")
    number = float(match[1])
    span = timedelta(seconds=number) if match[2] == "s" else timedelta(milliseconds=number)
    if span > LONGEST_VARIATION:
        raise InvalidOperation("variation: between 0 and 10 seconds")
    return span


def _row(raw: RawRow, environ: Mapping[str, str], defaults: Wanted) -> AccountRow | RowError:
    name = raw.cells.get("name", "").strip()
    try:
        if raw.problem:
            return RowError(raw.row, None, raw.problem)
        if not name:
            return RowError(raw.row, None, "name: is empty. Give the account a name")
        check_name(name)
    except InvalidOperation as error:
        return RowError(raw.row, None, str(error))
    try:
        return AccountRow(raw.row, name, _key(raw.cells, environ), _merged(wanted(raw.cells), defaults))
    except InvalidOperation as error:
        return RowError(raw.row, name, str(error))


def _key(cells: Mapping[str, str], environ: Mapping[str, str]) -> ApiKey | None:
    text, variable = (cells.get(column, "").strip() for column in ("key", "key_env"))
    if text and variable:
        raise InvalidOperation("key, key_env: give one of them")
    if variable:
        text = _value(environ, variable).strip()
        if not text:
            # The variable is not named: who mixes up the columns has a key there.
            raise InvalidOperation(
                "key_env: no environment variable of this name is set. Export it, or use the column key"
            )
    return usable(ApiKey(text)) if text else None


def _value(environ: Mapping[str, str], variable: str) -> str:
    try:
        return environ.get(variable, "")
    except UnicodeEncodeError:  # JSON may name half a surrogate pair, and the system's environment cannot
        return ""


def _merged(own: Wanted, defaults: Wanted) -> Wanted:
    return Wanted(
        *(getattr(defaults if getattr(own, name) is None else own, name) for name in Wanted.__dataclass_fields__)
    )


@lru_cache(maxsize=256)
def _rates(text: str) -> str:
    if text.lower() == NONE:
        return ""
    if not _is_rate(text):
        raise InvalidOperation("limit: is not a rate such as 10/minute, or 10/minute; 1000/day")
    pace_of(text)  # refuses what is a rate, and too large a quota
    return text


def _is_rate(text: str) -> bool:
    try:
        return len(text) <= _LONGEST_RATES and bool(parse_rates(text))
    except InvalidOperation:
        return False


def _pacing(text: str) -> Pacing:
    for pacing in get_args(Pacing):
        if text.lower() == pacing:
            return pacing  # type: ignore[no-any-return]
    raise InvalidOperation("pacing: is neither spacing nor window")


def _reserve(text: str) -> int:
    if not _WHOLE.fullmatch(text) or int(text) > LARGEST_RESERVE:
        raise InvalidOperation(f"reserve: is not a whole number of percent, 0 to {LARGEST_RESERVE}")
    return int(text)


@lru_cache(maxsize=256)
def _budgets(text: str) -> Mapping[str, str]:
    """``KIND=RATE`` separated like rates; a rate without a kind is one more of the kind before it."""
    pairs: list[tuple[str, str]] = []
    for part in _SEPARATOR.split(text):
        kind, equals, rate = part.rpartition("=")
        if not equals and not pairs:
            raise InvalidOperation("budget: is not KIND=RATE such as group.create=30/day; *=1/3seconds")
        pairs.append((kind.strip() if equals else pairs[-1][0], rate.strip()))
    budgets = by_kind(pairs)
    return {kind: "" if rate.lower() == NONE else _budget(kind, rate) for kind, rate in budgets.items()}


def _budget(kind: str, rate: str) -> str:
    try:
        if _is_rate(rate) and budgets_text({kind: rate}):
            return rate
    except InvalidOperation:
        pass
    raise InvalidOperation(
        "budget: is not KIND=RATE such as group.create=30/day, with a kind of operation (or * for any call) and at most "
        "100,000 calls"
    )


def _senders(text: str) -> tuple[str, ...]:
    if text.lower() == ANY:
        return ()
    numbers = tuple(dict.fromkeys(text.split()))
    for place, number in enumerate(numbers, 1):
        try:
            phone_number(number)
        except ValueError as error:
            raise InvalidOperation(f"senders: number {place} {error}. Separate several by blanks") from None
    return numbers
