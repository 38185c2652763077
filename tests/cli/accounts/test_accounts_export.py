"""`paceline accounts export`, and its way back through `import`."""

import csv
import io
import json
from pathlib import Path

import pytest

from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import API_KEY, Cli, stored_key

HEADER = "name,key_env,limit,pacing,variation,reserve,budget,senders"


@pytest.fixture
def two(cli: Cli) -> None:
    """An account with all options, and one with as few as possible."""
    options = ["--limit", "10/minute; 1000/day", "--pacing", "window", "--variation", "1.5ms", "--reserve", "20"]
    options += [
        "--budget",
        "*=1/3seconds",
        "--budget",
        "*=500/day",
        "--sender",
        "+15550100001",
        "--sender",
        "+15550100002",
    ]
    assert 0 == cli("accounts", "add", "zeta", *options, "--no-info", stdin=f"{API_KEY}-zeta").code
    assert 0 == cli("accounts", "add", "acme", "--no-info", stdin=f"{API_KEY}-acme").code


@pytest.mark.usefixtures("two")
def test_accounts_are_written_sorted_and_without_keys(cli: Cli) -> None:
    """CSV on stdout, with what `import` reads."""
    answer = cli("accounts", "export")
    assert (0, "") == (answer.code, answer.err)
    budgets = "group.create=30/day; number.check=50/minute; *=1/3 seconds; 500/day"
    assert [
        HEADER,
        "acme,,none,spacing,auto,0,group.create=30/day; number.check=50/minute,any",
        f"zeta,,10/minute; 1000/day,window,1.5ms,20,{budgets},+15550100001 +15550100002",
    ] == answer.out.splitlines()


@pytest.mark.usefixtures("two")
def test_json_lines(cli: Cli) -> None:
    """The same columns, all of them texts."""
    acme, zeta = map(json.loads, cli("accounts", "export", "--format", "jsonl").out.splitlines())
    assert HEADER.split(",") == list(acme)
    assert ("acme", "none", "") == (acme["name"], acme["limit"], acme["key_env"])
    assert "20" == zeta["reserve"]


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_is_imported_unchanged(cli: Cli, tmp_path: Path, form: str) -> None:
    """Where it came from, without any key."""
    file = tmp_path / f"accounts.{form}"
    assert f"2 accounts written to {file}.\n" == cli("accounts", "export", "--format", form, "--output", str(file)).out
    assert "2 rows: 0 added, 0 changed, 2 unchanged, 0 failed.\n" == cli("accounts", "import", str(file)).out


@pytest.mark.usefixtures("two")
def test_an_export_with_keys_is_the_same_accounts_elsewhere(
    cli: Cli, server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filled in with variables, it adds accounts of the same settings."""
    before = cli("accounts", "export").out
    for name in ("acme", "zeta"):
        monkeypatch.setenv(f"{name.upper()}_KEY", f"{API_KEY}-{name}")
        assert 0 == cli("accounts", "remove", name).code
    rows = list(csv.DictReader(io.StringIO(before)))
    filled = io.StringIO()
    writer = csv.DictWriter(filled, HEADER.split(","))
    writer.writeheader()
    writer.writerows(row | {"key_env": f"{row['name'].upper()}_KEY"} for row in rows)
    answer = cli("accounts", "import", "-", "--no-info", stdin=filled.getvalue())
    assert "2 rows: 2 added, 0 changed, 0 unchanged, 0 failed.\n" == answer.out
    assert before == cli("accounts", "export").out
    assert f"{API_KEY}-zeta" == stored_key(server, "zeta")


def test_more_than_a_page(cli: Cli) -> None:
    """All accounts, sorted."""
    stdin = "name,key,limit\n" + "".join(f"a{n:03},K{n},10/minute\n" for n in range(450))
    assert 0 == cli("accounts", "import", "-", "--no-info", stdin=stdin).code
    lines = cli("accounts", "export").out.splitlines()
    assert [HEADER, *(f"a{n:03}" for n in range(450))] == [lines[0], *(line.split(",")[0] for line in lines[1:])]


def test_without_accounts_it_is_a_header(cli: Cli) -> None:
    """Which `import` takes."""
    assert f"{HEADER}\n" == cli("accounts", "export").out
    assert "" == cli("accounts", "export", "--format", "jsonl").out


def test_a_file_that_cannot_be_written_is_refused(cli: Cli, tmp_path: Path) -> None:
    """Exit 2 and one sentence."""
    answer = cli("accounts", "export", "--output", str(tmp_path / "none" / "a.csv"))
    assert "--output: " in answer.refusal(2)
