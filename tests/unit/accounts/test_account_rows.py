"""Rows of a file of accounts: which can be an account, what is wrong with the others, and what an import does with each."""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from paceline.errors import InvalidOperation
from paceline_worker.accounts.account import DEFAULT_BUDGETS
from paceline_worker.accounts.decision import Add, Change, Unchanged, decide
from paceline_worker.accounts.file import RawRow
from paceline_worker.accounts.importing import info_of
from paceline_worker.accounts.info import Info
from paceline_worker.accounts.rows import AccountRow, RowError, Wanted, account_rows, variation, wanted
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.accounts.stored import StoredAccount
from paceline_worker.verdict.meaning import Answer, Meaning

CANARY = "canary-0f8e7d6c5b4a"
ENVIRON = {"ACME_KEY": f" {CANARY} ", "EMPTY_KEY": " "}


def read(*cells: Mapping[str, str], defaults: Wanted | None = None) -> list[AccountRow | RowError]:
    return list(account_rows([RawRow(n, row) for n, row in enumerate(cells, 2)], ENVIRON, defaults))


def good(*cells: Mapping[str, str], defaults: Wanted | None = None) -> AccountRow:
    [row] = read(*cells, defaults=defaults)
    assert isinstance(row, AccountRow), row
    return row


def test_a_name_and_a_key_are_an_account() -> None:
    """All settings are left as they are."""
    row = good({"name": " acme ", "key": f" {CANARY} ", "limit": " "})
    assert (2, "acme", Wanted()) == (row.row, row.name, row.wanted)
    assert row.key is not None
    assert CANARY == row.key.reveal()


def test_a_key_can_come_from_a_variable() -> None:
    """Named by key_env, trimmed."""
    row = good({"name": "acme", "key_env": "ACME_KEY"})
    assert row.key is not None
    assert CANARY == row.key.reveal()


READ: list[tuple[str, str, str, Any]] = [
    ("limit", "rates", "10/minute; 1000/day", "10/minute; 1000/day"),
    ("limit", "rates", "None", ""),
    ("pacing", "pacing", "Window", "window"),
    ("variation", "variation", "0", timedelta(0)),
    ("variation", "variation", "Auto", "auto"),
    ("variation", "variation", "0.5s", timedelta(milliseconds=500)),
    ("reserve", "reserve", "0", 0),
    ("reserve", "reserve", "90", 90),
    ("budget", "budgets", "group.create=30/day", {"group.create": "30/day"}),
    ("budget", "budgets", "group.create=none", {"group.create": ""}),
    ("budget", "budgets", "*=9/day; 5/hour, group.create = 5 per hour", {"*": "9/day; 5/hour", "group.create": "5 per hour"}),
    ("budget", "budgets", "*=1/3seconds;*=500/day", {"*": "1/3seconds; 500/day"}),
    ("senders", "senders", "any", ()),
    ("senders", "senders", "+15550100001  +15550100002 +15550100001", ("+15550100001", "+15550100002")),
]  # fmt: skip


@pytest.mark.parametrize(("column", "setting", "text", "value"), READ)
def test_a_cell_is_a_setting(column: str, setting: str, text: str, value: Any) -> None:
    """In the words of the options of `accounts add`."""
    assert value == getattr(good({"name": "acme", column: text}).wanted, setting)


WRONG: list[tuple[str, dict[str, str]]] = [
    ("key, key_env: give one of them", {"key": CANARY, "key_env": "ACME_KEY"}),
    ("key_env: no environment variable of this name is set", {"key_env": CANARY}),
    ("key_env: no environment variable of this name is set", {"key_env": "EMPTY_KEY"}),
    ("API key: is empty, or has characters that no key has", {"key": f"{CANARY}\té"}),
    ("limit: is not a rate such as 10/minute", {"limit": CANARY}),
    ("limit: is not a rate such as 10/minute", {"limit": "0/minute"}),
    ("limit: is not a rate such as 10/minute", {"limit": f"1/{600 * ' '}minute"}),
    ("limit: a quota above 1000000 is not supported", {"limit": "10/minute; 1000001/day"}),
    ("pacing: is neither spacing nor window", {"pacing": CANARY}),
    ("variation: is neither auto nor a time such as 100ms", {"variation": CANARY}),
    ("variation: between 0 and 10 seconds", {"variation": "10.001s"}),
    ("reserve: is not a whole number of percent, 0 to 90", {"reserve": CANARY}),
    ("reserve: is not a whole number of percent, 0 to 90", {"reserve": "91"}),
    ("reserve: is not a whole number of percent, 0 to 90", {"reserve": "-1"}),
    ("reserve: is not a whole number of percent, 0 to 90", {"reserve": "1.5"}),
    ("budget: is not KIND=RATE", {"budget": CANARY}),
    ("budget: is not KIND=RATE", {"budget": f"{CANARY}=30/day"}),
    ("budget: is not KIND=RATE", {"budget": f"group.create={CANARY}"}),
    ("budget: is not KIND=RATE", {"budget": "group.create=100001/day"}),
    ("budget: is not KIND=RATE", {"budget": "group.create=30/day;"}),
    ("budget: is not KIND=RATE", {"budget": "group.create=none; 5/hour"}),
    ("senders: number 2 is not a phone number in E.164 form", {"senders": f"+15550100001 {CANARY}"}),
    ("senders: number 1 is not a phone number", {"senders": "+15550100001,+15550100002"}),
]  # fmt: skip


@pytest.mark.parametrize(("words", "cells"), WRONG)
def test_a_wrong_cell_is_told_by_its_column(words: str, cells: dict[str, str]) -> None:
    """With row and account, and never with what it holds: it may be a key that got into the wrong column."""
    [error] = read({"name": "acme", **cells})
    assert isinstance(error, RowError)
    assert str(error).startswith(f"row 2 (acme): {words}")
    assert CANARY not in str(error)


@pytest.mark.parametrize("variable", ["\ud800", "a\0b", "a=b", "="], ids=ascii)
def test_a_variable_that_no_environment_can_have_is_not_set(variable: str) -> None:
    """The row is wrong like any other, and stops none."""
    row, error = account_rows(
        [RawRow(2, {"name": "acme", "key": CANARY}), RawRow(3, {"name": "beta", "key_env": variable})], os.environ
    )
    assert isinstance(row, AccountRow)
    assert str(error).startswith("row 3 (beta): key_env: no environment variable of this name is set")


@pytest.mark.parametrize(
    ("words", "cells"),
    [
        ("row 2: name: is empty", {}),
        ("row 2: name: is empty", {"name": " ", "key": CANARY}),
        ("row 2: name: letters, digits, dot, dash and underscore", {"name": f"{CANARY} "[:-1] + " b"}),
        ("row 2: name: letters, digits, dot, dash and underscore", {"name": "\ud800"}),
    ],
)
def test_a_wrong_name_is_not_repeated(words: str, cells: dict[str, str]) -> None:
    """Who mixes up the columns has a key there."""
    [error] = read(cells)
    assert str(error).startswith(words)
    assert CANARY not in str(error)


def test_of_rows_with_the_same_name_the_first_counts() -> None:
    """The later one is an error that names the first; also when the first one is wrong otherwise."""
    first, second, third, fourth = read(
        {"name": "acme", "key": "K1"},
        {"name": "acme", "key": "K2"},
        {"name": "beta", "limit": "often"},
        {"name": "beta", "key": "K3"},
    )
    assert isinstance(first, AccountRow)
    assert str(second) == "row 3 (acme): has the same name as row 2. Remove one of the rows"
    assert str(third).startswith("row 4 (beta): limit: ")
    assert str(fourth) == "row 5 (beta): has the same name as row 4. Remove one of the rows"


def test_of_rows_with_the_same_key_the_first_counts() -> None:
    """However the key is given: two buckets for one key would send twice its limit."""
    first, second, third = read(
        {"name": "acme", "key": CANARY}, {"name": "beta", "key_env": "ACME_KEY"}, {"name": "gamma", "key": "K"}
    )
    assert isinstance(first, AccountRow)
    assert isinstance(third, AccountRow)
    assert str(second).startswith("row 3 (beta): has the same key as row 2 (acme). ")
    assert CANARY not in str(second)


def test_defaults_stand_in_for_empty_cells() -> None:
    """A cell wins over the option for all rows."""
    defaults = wanted({"limit": "10/minute", "pacing": "window", "variation": "50ms", "reserve": "0"})
    row = good({"name": "acme", "limit": "", "pacing": "spacing", "reserve": "5"}, defaults=defaults)
    assert Wanted("10/minute", "spacing", timedelta(milliseconds=50), 5) == row.wanted


@pytest.mark.parametrize("text", ["soon", "", "-1ms", "1h", "11s"])
def test_a_variation_is_a_time_in_range(text: str) -> None:
    """Everything else is refused."""
    with pytest.raises(InvalidOperation, match=r"^variation: "):
        variation(text)


# -- what an import does --------------------------------------------------------------------------------------------------


def stored(**other: Any) -> StoredAccount:
    values: dict[str, Any] = {
        "name": "acme", "rates": "10/minute", "pacing": "spacing", "variation": timedelta(milliseconds=100), "reserve": 0,
        "budgets": {"group.create": "30/day", "number.check": "50/minute"}, "senders": ("+15550100001", "+15550100002"),
        "key": ApiKey(CANARY),
    }  # fmt: skip
    return StoredAccount(**(values | other))


def row(key: str | None = CANARY, **settings: Any) -> AccountRow:
    return AccountRow(7, "acme", None if key is None else ApiKey(key), Wanted(**settings))


def test_an_account_that_is_not_there_is_added() -> None:
    """With the defaults of `accounts add` for what the row leaves open; further budgets come beside the usual ones."""
    plain = decide(row(), None)
    assert isinstance(plain, Add)
    assert plain.needs_info
    account = plain.account()
    assert ("acme", "", "spacing", "auto") == (
        account.name,
        account.rates,
        account.pacing,
        account.variation,
    )
    assert (DEFAULT_BUDGETS, (), 0, None) == (account.budgets, account.senders, account.reserve, account.info)
    full = decide(
        row(rates="10/minute", variation=timedelta(0), budgets={"*": "1/3 seconds", "number.check": ""}), None
    )
    assert isinstance(full, Add)
    assert not full.needs_info
    account = full.account(Info(per_minute=80))
    assert {"group.create": "30/day", "*": "1/3 seconds"} == account.budgets
    assert (timedelta(0), Info(per_minute=80)) == (account.variation, account.info)


SAME: list[dict[str, Any]] = [
    {},
    {"rates": "10/minute"},
    {"rates": " 10 per 1 minute"},
    {"pacing": "spacing", "variation": timedelta(milliseconds=100), "reserve": 0},
    {"budgets": {"group.create": "30/1 day"}},
    {"budgets": {"*": ""}},
    {"senders": ("+15550100002", "+15550100001")},
]


@pytest.mark.parametrize("settings", SAME)
@pytest.mark.parametrize("key", [CANARY, None])
def test_an_account_that_is_as_asked_for_is_unchanged(key: str | None, settings: dict[str, Any]) -> None:
    """The spelling of rates and the order of senders make no difference; without a key its own stays."""
    assert isinstance(decide(row(key, **settings), stored()), Unchanged)


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"rates": "20/minute"}, {"rates": "20/minute"}),
    ({"rates": ""}, {"rates": ""}),
    ({"pacing": "window", "reserve": 0}, {"pacing": "window"}),
    ({"variation": timedelta(0)}, {"variation": timedelta(0)}),
    ({"reserve": 20}, {"reserve": 20}),
    ({"budgets": {"*": "1/3 seconds"}}, {"budgets": {"*": "1/3 seconds"}}),
    ({"budgets": {"number.check": "", "*": "9/day"}}, {"budgets": {"number.check": None, "*": "9/day"}}),
    ({"senders": ()}, {"senders": ()}),
    ({"senders": ("+15550100001",)}, {"senders": ("+15550100001",)}),
]


@pytest.mark.parametrize(("settings", "options"), DIFFERENT)
def test_other_settings_are_changed(settings: dict[str, Any], options: dict[str, Any]) -> None:
    """Those that differ, and no others."""
    decision = decide(row(**settings), stored())
    assert isinstance(decision, Change)
    assert options == decision.options


@pytest.mark.parametrize(
    ("words", "asked", "there"),
    [
        ("the account has another key. To replace it, run `paceline accounts rotate acme`", row("other"), stored()),
        ("the stored key cannot be decrypted", row(), stored(key=None)),
        ("key: is missing, and no account has this name", row(None, rates="10/minute"), None),
    ],
)
def test_keys_that_do_not_fit_are_errors(words: str, asked: AccountRow, there: StoredAccount | None) -> None:
    """With row and account, and without any key."""
    error = decide(asked, there)
    assert isinstance(error, RowError)
    assert (7, "acme") == (error.row, error.account)
    assert error.reason.startswith(words)
    assert CANARY not in str(error)


TOLD = {"limits": {"requests_per_minute": 80}}
ANSWERS: list[tuple[Info | str | None, bool, Answer]] = [
    (Info(per_minute=80), True, Answer(Meaning.ACCEPTED, "200", "", value=TOLD)),
    (Info(per_minute=80), False, Answer(Meaning.ACCEPTED, "200", "", value=TOLD)),
    (Info(), False, Answer(Meaning.ACCEPTED, "200", "", value={})),
    ("the provider does not report the account's limit (200)", True, Answer(Meaning.ACCEPTED, "200", "", value={})),
    ("the provider refuses this API key (401)", False, Answer(Meaning.BAD_KEY, "401", f"who is {CANARY}?")),
    ("the provider does not report the account's limit (503)", True, Answer(Meaning.OVERLOADED, "503", CANARY)),
    (None, False, Answer(Meaning.OVERLOADED, "503", CANARY)),
    (None, False, Answer(Meaning.NOT_SENT, "connect", CANARY)),
]


@pytest.mark.parametrize(("expected", "needed", "answer"), ANSWERS)
def test_what_the_provider_says_of_a_key(expected: Info | str | None, needed: bool, answer: Answer) -> None:
    """A refused key is no account; silence is none only where a limit is needed. Its words may quote the key."""
    found = info_of(answer, needed=needed)
    if isinstance(expected, str):
        assert isinstance(found, str)
        assert found.startswith(expected)
        assert CANARY not in found
    else:
        assert expected == found


def test_values_do_not_show_keys() -> None:
    """In a log or a traceback."""
    values: Sequence[object] = (row(), stored(), decide(row(), None), RawRow(1, {"key": CANARY}))
    assert CANARY not in repr(values)
