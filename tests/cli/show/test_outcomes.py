"""`paceline outcomes`: what became of operations, for people, scripts and spreadsheets."""

import csv
import io
import json
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from paceline import names
from paceline.cli.show import outcomes as command
from paceline.errors import StateUnavailable
from paceline.outcomes import OutcomeEntry, Outcomes, entry_of
from paceline.state import connect
from paceline_sandbox.embedded import EmbeddedServer
from tests.cli.conftest import PROGRAM, Cli, Worker, campaign_arguments, one_shard, people, sent
from tests.support.wait import wait_until

PATIENCE = timedelta(seconds=150)
ALL = f"{names.STATE_ROOT}:outcomes"
SPRING = f"{names.STATE_ROOT}:c:spring:out"
HEADER = (
    "to", "outcome", "code", "words", "message_uuid", "id", "account", "campaign", "kind", "accepted_at", "settled_at", "entry_id",
    "key",
)  # fmt: skip
MESSAGE = "MSG11111111-2222-4333-8444-555555555555"
ACCEPTED = {"verb": "finish", "outcome": "accepted", "code": "200", "uuid": MESSAGE}
REJECTED = {"verb": "finish", "outcome": "rejected", "code": "422", "words": "no such number"}
UNKNOWN = {"verb": "unknown", "words": "timeout: no answer"}


def settle(worker: Worker, verdict: Mapping[str, str]) -> str:
    """Give the next operation this outcome; returns its id."""
    worker.accept_all()
    [hint] = wait_until(worker.grant, PATIENCE, "a grant")
    worker.settle(hint, **verdict)
    return hint.id


def complete(worker: Worker) -> None:
    """Let the campaign end, all of whose operations have their outcome."""

    def done() -> bool:
        worker.grant()
        return bool(worker.state.client.hexists(SPRING.removesuffix(":out"), "completed_at"))

    wait_until(done, PATIENCE, "the campaign's end")


def spring(cli: Cli, tmp_path: Path, recipients: int, *options: str) -> None:
    """The campaign, uploaded."""
    arguments = campaign_arguments(people(tmp_path / "people.csv", recipients), account="quick")
    assert cli(*arguments, *options).code == 0


def written(worker: Worker, stream: str, entries: int, **fields: str) -> None:
    """Entries as state writes them, of as many operations."""
    common = dict.fromkeys(("campaign", "code", "message_uuid", "words"), "") | {
        "account": "quick", "kind": "message.to_number", "outcome": "accepted", "accepted_at_us": "1", "settled_at_us": "1",
    }  # fmt: skip
    with worker.state.client.pipeline(transaction=False) as pipe:
        for number in range(entries):
            entry: Any = {**common, "id": f"{number:026}", **fields}
            pipe.xadd(stream, entry)
        pipe.execute()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.usefixtures("quick")
def test_each_outcome_is_a_line(cli: Cli, worker: Worker) -> None:
    """Everything there is, as JSON Lines in the order in which it became known."""
    assert cli("outcomes").out == ""
    ids = [sent(cli, "quick") for _ in range(2)]
    assert [settle(worker, verdict) for verdict in (ACCEPTED, REJECTED)] == ids
    answer = cli("outcomes")
    assert (answer.code, answer.err) == (0, "")
    first, second = lines(answer.out)
    assert list(first) == [
        "entry_id", "id", "account", "campaign", "kind", "outcome", "code", "message_uuid", "words", "accepted_at",
        "settled_at", "to", "count", "event", "idempotency_key", "key", "metadata", "version", "first",
    ]  # fmt: skip
    assert (first["id"], first["outcome"], first["message_uuid"], first["words"]) == (ids[0], "accepted", MESSAGE, None)
    assert (second["id"], second["outcome"], second["code"], second["words"]) == (
        ids[1], "rejected", "422", "no such number",
    )  # fmt: skip
    assert first["accepted_at"] <= first["settled_at"] <= second["settled_at"] <= datetime.now(UTC).isoformat()


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ([], [0, 1, 2, 3, 4]),
        (["--account", "acme"], [1, 3]),
        (["--outcome", "rejected"], [2, 3]),
        (["--outcome", "rejected", "--outcome", "dead"], [2, 3, 4]),
        (["--outcome", "rejected", "--account", "acme"], [3]),
        (["--outcome", "held"], []),
        (["--last"], [1, 3, 4]),
        (["--last", "--outcome", "accepted"], [1]),
        (["--since", "5min"], [0, 1, 2, 3, 4]),
        (["--since", "2020-01-01T00:00:00Z"], [0, 1, 2, 3, 4]),
        (["--since", "2100-01-01T00:00:00+01:00"], []),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_what_is_asked_for(cli: Cli, worker: Worker, options: list[str], numbers: list[int]) -> None:
    """Filters leave the order; `--last` first finds the last outcome of each operation, then filters."""
    for place, (op_id, account, outcome) in enumerate(
        [
            ("a", "quick", "accepted"),
            ("b", "acme", "accepted"),
            ("a", "quick", "rejected"),
            ("c", "acme", "rejected"),
            ("a", "quick", "dead"),
        ]
    ):
        written(worker, ALL, 1, id=op_id, account=account, outcome=outcome, words=str(place))
    assert [int(entry["words"]) for entry in lines(cli("outcomes", *options).out)] == numbers


@one_shard
def test_resuming(cli: Cli, worker: Worker) -> None:
    """`--after` goes on where another run ended; what was deleted meanwhile is exit 1, and nothing is printed."""
    written(worker, ALL, 10)
    ids = [entry["entry_id"] for entry in lines(cli("outcomes").out)]
    assert [entry["entry_id"] for entry in lines(cli("outcomes", "--after", ids[3]).out)] == ids[4:]
    worker.state.client.xtrim(ALL, maxlen=5, approximate=False)
    answer = cli("outcomes", "--after", ids[3], "--format", "csv")
    assert answer.refusal() == f"outcomes after entry {ids[3]} may be deleted: the oldest kept entry is {ids[5]}"
    assert answer.out == ""


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--campaign", "nobody"], 1, "no campaign named 'nobody': see `paceline campaign list`"),
        (["--after", "last"], 2, "--after: is not the id of an entry, such as 1769850000000-0"),
        (["--after", ""], 2, "--after: is not the id of an entry, such as 1769850000000-0"),
        (["--since", "soon"], 2, "--since: is not a time such as 2026-01-31T09:00:00+01:00"),
        (["--since", "2026-01-31T09:00:00"], 2, "--since: has no time zone"),
        (["--since", "2h", "--after", "1-0"], 2, "--after, --since: give one of them"),
        (["--follow", "--last"], 2, "--last, --follow: give one of them"),
        (["--outcome", "lost"], 2, "--outcome: "),
        (["--format", "xml"], 2, "--format: "),
        (["--output", "/nowhere/x.csv"], 2, "--output: /nowhere/x.csv cannot be written: No such file or directory"),
        (["--output", "/"], 2, "--output: / cannot be written: Is a directory"),
        (["spring"], 2, "unexpected extra argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("form", [[], ["--format", "csv"]], ids=["jsonl", "csv"])
def test_bad_input_is_one_sentence(cli: Cli, options: list[str], code: int, words: str, form: list[str]) -> None:
    """Before anything is printed."""
    answer = cli("outcomes", *form, *options)
    assert words in answer.refusal(code)
    assert answer.out == ""


@one_shard
@pytest.mark.usefixtures("quick")
def test_a_campaign_for_a_spreadsheet(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    """CSV of a campaign: one row per recipient with its last outcome, and no other row."""
    spring(cli, tmp_path, 3, "--on-unknown", "hold")
    held = settle(worker, UNKNOWN)
    for _ in range(2):
        settle(worker, REJECTED)
    complete(worker)
    assert cli("held", "release", held).code == 0
    settle(worker, ACCEPTED)
    complete(worker)
    answer = cli("outcomes", "--campaign", "spring", "--format", "csv", "--show-numbers")
    assert (answer.code, answer.err, answer.out.splitlines()[0]) == (0, "", ",".join(HEADER))
    found = rows(answer.out)
    assert {(row["to"], row["outcome"], row["code"], row["words"]) for row in found} == {
        ("+15550100000", "accepted", "200", ""),
        ("+15550100001", "rejected", "422", "no such number"),
        ("+15550100002", "rejected", "422", "no such number"),
    }
    assert (found[-1]["id"], found[-1]["message_uuid"], found[-1]["campaign"]) == (held, MESSAGE, "spring")
    every = rows(cli("outcomes", "--campaign", "spring", "--format", "csv", "--all").out)
    assert [row["outcome"] for row in every] == ["held", "rejected", "rejected", "accepted"]
    events = lines(cli("outcomes", "--campaign", "spring").out)
    assert [event["outcome"] for event in events] == [
        "held", "rejected", "rejected", "complete", "accepted", "complete",
    ]  # fmt: skip
    assert [event["count"] for event in events if event["kind"] == "campaign"] == [3, 3]
    assert lines(cli("outcomes", "--campaign", "spring", "--last", "--outcome", "held").out) == []


@pytest.mark.parametrize(
    ("words", "cell"),
    [
        ("no such number", "no such number"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'=1"),
        ("\r\n@x", "'@x"),
        ("\uff1d1", "'\uff1d1"),
        ("+15550100002", "+15550100002"),
        ("+\u0661", "'+\u0661"),
        ('two\nlines, "quoted"', 'two lines, "quoted"'),
        ("bell\x07", "bell\\x07"),
        ("b\u00fccher", "b\u00fccher"),
    ],
)
def test_no_cell_is_a_formula(cli: Cli, worker: Worker, words: str, cell: str) -> None:
    """An apostrophe before what a spreadsheet would compute, one line each; phone numbers stay as they are."""
    written(worker, ALL, 1, words=words)
    [row] = rows(cli("outcomes", "--format", "csv", "--show-numbers").out)
    assert row["words"] == cell
    assert lines(cli("outcomes", "--show-numbers").out)[0]["words"] == words
    assert cli("outcomes", "--format", "csv").out.count("\n") == 2


def test_an_export_is_put_in_place_when_it_is_complete(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    """`--output` replaces the file that was there, leaves nothing beside it, and says how much it wrote."""
    written(worker, ALL, 1500)
    path = tmp_path / "spring.csv"
    path.write_text("old")
    link = tmp_path / "latest.csv"
    link.symlink_to(path)
    answer = cli("outcomes", "--format", "csv", "--output", str(link))
    assert (answer.code, answer.err, answer.out) == (0, "", f"1,500 outcomes written to {link}.\n")
    assert len(rows(path.read_text())) == 1500
    assert sorted(tmp_path.iterdir()) == [link, path]
    assert link.is_symlink()


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (StateUnavailable("it is away"), 1)])
def test_an_interrupted_export_leaves_the_old_file(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: BaseException, code: int
) -> None:
    """And no half of a new one."""

    def each(*_: Any, **__: Any) -> Iterator[OutcomeEntry]:
        yield an_entry("1-0", "a")
        raise error

    monkeypatch.setattr(Outcomes, "each", each)
    path = tmp_path / "spring.csv"
    path.write_text("old")
    answer = cli("outcomes", "--format", "csv", "--output", str(path))
    assert (answer.code, answer.out) == (code, "")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


def test_an_export_into_a_pipe(environment: Mapping[str, str], worker: Worker, tmp_path: Path) -> None:
    """What is no file is written to and not replaced; `-` is stdout."""
    written(worker, ALL, 3)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(
        [*PROGRAM, "outcomes", "--output", str(pipe)], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    ) as process:
        assert len(lines(pipe.read_text())) == 3
        assert process.wait(30) == 0
    assert list(tmp_path.iterdir()) == [pipe]
    assert len(lines(run(environment, "--output", "-").stdout)) == 3


def run(environment: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "outcomes", *options],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        timeout=200,
        text=True,
    )


@pytest.mark.usefixtures("quick")
def test_following_a_campaign_to_its_end(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    """`--follow` shows outcomes as they become known and ends with the campaign, also when its end is filtered out."""
    spring(cli, tmp_path, 3)
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.01):
            worker.accept_all()
            for hint in worker.grant():
                worker.settle(hint, **REJECTED)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        answer = cli("outcomes", "--campaign", "spring", "--follow")
    finally:
        ended.set()
        thread.join()
    assert (answer.code, answer.err) == (0, "")
    assert [entry["outcome"] for entry in lines(answer.out)] == ["rejected"] * 3 + ["complete"]
    assert lines(cli("outcomes", "--campaign", "spring", "--follow", "--outcome", "held").out) == []


def test_following_until_ctrl_c(environment: Mapping[str, str], worker: Worker) -> None:
    """Each line is out at once; the signal ends it with exit 130 and without a word."""
    written(worker, ALL, 1)
    process = subprocess.Popen(
        [*PROGRAM, "outcomes", "--follow", "--outcome", "accepted", "--outcome", "dead"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert json.loads(process.stdout.readline())["outcome"] == "accepted"
    written(worker, ALL, 1, outcome="held")
    written(worker, ALL, 1, outcome="dead")
    assert json.loads(process.stdout.readline())["outcome"] == "dead"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert (process.returncode, out, err) == (130, "", "")


def test_following_into_a_file(environment: Mapping[str, str], worker: Worker, tmp_path: Path) -> None:
    """Lines are appended as they come, under one header, and stay when it is interrupted."""
    written(worker, ALL, 2)
    path = tmp_path / "all.csv"
    after = "0"
    for expected in (2, 4):
        process = subprocess.Popen(
            [*PROGRAM, "outcomes", "--follow", "--format", "csv", "--output", str(path), "--after", after],
            env={**os.environ, **environment},
        )
        wait_until(lambda: path.exists() and len(rows(path.read_text())) == expected, PATIENCE, "the lines")  # noqa: B023
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        after = rows(path.read_text())[-1]["entry_id"]
        written(worker, ALL, 2)
    assert path.read_text().count("entry_id") == 1
    assert list(tmp_path.iterdir()) == [path]


def test_following_says_where_to_go_on(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the state server goes away, the sentence has the last entry that was told."""

    def follow(*_: Any, **__: Any) -> Iterator[OutcomeEntry]:
        yield an_entry("7-0", "a")
        raise StateUnavailable("the state server is away")

    monkeypatch.setattr(Outcomes, "follow", follow)
    answer = cli("outcomes", "--follow")
    assert answer.refusal() == "the state server is away (the last printed outcome is 7-0: continue with --after 7-0)"
    assert len(lines(answer.out)) == 1


def test_a_reader_that_leaves_is_no_error(environment: Mapping[str, str], worker: Worker) -> None:
    """`paceline outcomes | head -1` is quiet, with more to come than a pipe holds."""
    written(worker, ALL, 3000)
    for options in ([], ["--format", "csv"], ["--last"], ["--follow"]):
        process = subprocess.Popen(
            [*PROGRAM, "outcomes", *options],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(30) == 141


def test_a_campaign_whose_outcomes_expired(cli: Cli, server: EmbeddedServer, tmp_path: Path) -> None:
    """Is exit 1, and leaves no empty export."""
    client = connect(server.url)
    client.sadd(f"{names.STATE_ROOT}:campaigns", "spring")
    client.hset(SPRING.removesuffix(":out"), "completed_at", "1")
    client.close()
    path = tmp_path / "spring.csv"
    sentence = cli("outcomes", "--campaign", "spring", "--format", "csv", "--output", str(path)).refusal()
    assert sentence.startswith("no outcomes of campaign 'spring' are kept")
    assert not path.exists()


def an_entry(entry_id: str, op_id: str) -> OutcomeEntry:
    fields = dict.fromkeys(("campaign", "code", "message_uuid", "words"), "") | {
        "id": op_id, "account": "quick", "kind": "message.to_number", "outcome": "accepted",
        "accepted_at_us": "1", "settled_at_us": "1",
    }  # fmt: skip
    return entry_of(entry_id, fields)


@pytest.mark.parametrize("bits", [3, 6, 27])
def test_thelast_of_each_is_exact(monkeypatch: pytest.MonkeyPatch, bits: int) -> None:
    """However often the filter takes an operation for one that it has seen."""
    monkeypatch.setattr(command._Repeated, "_BITS", bits)  # noqa: SLF001 - a smaller one than any test could fill
    dice = random.Random(7)
    entries = [an_entry(f"{place}-0", str(dice.randrange(150))) for place in range(1, 301)]
    last = {entry.id: entry.entry_id for entry in entries}
    kept = list(command.last_of_each(lambda: iter(entries)))
    assert [entry for entry in entries if last[entry.id] == entry.entry_id] == kept


def test_thelast_of_each_ends_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes between the two readings is of the next export, so that no operation has two lines."""
    first = [an_entry("1-0", "a"), an_entry("2-0", "b")]
    second = [*first, an_entry("3-0", "a"), an_entry("4-0", "c")]
    readings = iter([first, second])
    monkeypatch.setattr(command._Repeated, "_BITS", 10)  # noqa: SLF001
    assert first == list(command.last_of_each(lambda: iter(next(readings))))
