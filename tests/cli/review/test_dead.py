"""`paceline dead`: what a person sees of dead letters, and which are replayed."""

import os
import pty
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from paceline.errors import StateUnavailable
from paceline_worker.review import dead
from paceline_worker.review.dead import DeadLetters, Replayed
from tests.cli.conftest import PROGRAM, RECIPIENT, Cli, Worker, campaign_arguments, one_shard, people, sent

WORDS = "no such number"
KEYS = {"id", "account", "campaign", "kind", "outcome", "since", "code", "words", "to", "sender"}
FOREVER = ("--valid-until", "2100-01-01T00:00:00+00:00")


def die(cli: Cli, worker: Worker, code: str = "422", outcome: str = "rejected") -> str:
    """An operation of the quick account that ended so."""
    op = sent(cli, "quick")
    worker.accept_all()
    assert end(worker, 1, code, outcome) == [op]
    return op


def end(worker: Worker, number: int, code: str = "422", outcome: str = "rejected") -> list[str]:
    """The next operations end so; their ids."""
    ended: list[str] = []
    while len(ended) < number:
        for hint in worker.grant():
            worker.settle(hint, verb="finish", outcome=outcome, code=code, words=WORDS)
            ended.append(hint.id)
    return ended


def states(cli: Cli, *ops: str) -> list[str]:
    return [cli("status", op, "--json").json["state"] for op in ops]


def replays(cli: Cli) -> list[str]:
    """What the history tells of replays."""
    return [act["on"] for act in cli("history", "--json").json if act["what"] == "dead replay"]


@pytest.mark.usefixtures("quick")
def test_there_are_none(cli: Cli) -> None:
    """One sentence, or an empty list."""
    assert cli("dead", "list").out == "No dead letters.\n"
    assert cli("dead", "list", "--code", "422").out == "No dead letters match the filters.\n"
    assert cli("dead", "list", "--account", "quick", "--json").json == []
    assert cli("dead", "replay", "--all", "--yes").out == "0 operations replayed.\n"


@pytest.mark.usefixtures("quick")
def test_dead_letters_are_listed(cli: Cli, worker: Worker) -> None:
    """Operation, recipient (masked), account, code, since when, words; no texts; ids whole, to be copied."""
    ops = [die(cli, worker), die(cli, worker, "503", "dead")]
    answer = cli("dead", "list")
    assert (answer.code, answer.err) == (0, "")
    header, _, *rows = answer.out.splitlines()
    assert header.split() == ["operation", "to", "account", "code", "since", "words"]
    told = [row.split()[:4] for row in rows if row[:1].strip()]
    to = "+15*******02"
    assert told == [[ops[0], to, "quick", "422"], [ops[1], to, "quick", "503"]]
    assert max(map(len, answer.out.splitlines())) <= 80
    for private in (RECIPIENT, "Hello"):
        assert private not in answer.out
    listed = cli("dead", "list", "--json").json
    assert [set(one) for one in listed] == [KEYS] * 2
    assert [(one["id"], one["outcome"], one["code"], one["words"]) for one in listed] == [
        (ops[0], "rejected", "422", WORDS),
        (ops[1], "dead", "503", WORDS),
    ]
    assert all(one["campaign"] is None and datetime.fromisoformat(one["since"]).tzinfo for one in listed)


@pytest.mark.usefixtures("quick")
def test_a_list_is_cut_at_its_limit(cli: Cli, worker: Worker) -> None:
    """And says how many there are, when that costs nothing."""
    ops = [die(cli, worker) for _ in range(3)]
    assert [one["id"] for one in cli("dead", "list", "--limit", "2", "--json").json] == ops[:2]
    assert "The oldest 2 of 3 operations; --limit lists more.\n" in cli("dead", "list", "--limit", "2").out
    assert "The oldest 2; --limit lists more.\n" in cli("dead", "list", "--limit", "2", "--code", "422").out
    assert "--limit" not in cli("dead", "list", "--limit", "3").out


@pytest.mark.usefixtures("quick")
def test_filters_choose(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    """By code, campaign and age, listed and replayed alike."""
    single, other = die(cli, worker), die(cli, worker, "follows")
    cli(*campaign_arguments(people(tmp_path / "people.csv", 2), "quick"))
    worker.accept_all()
    of_campaign = end(worker, 2, "503", "dead")
    cases: tuple[tuple[tuple[str, ...], list[str]], ...] = (
        (("--code", "422"), [single]),
        (("--code", "follows"), [other]),
        (("--campaign", "spring"), of_campaign),
        (("--campaign", "spring", "--code", "422"), []),
        (("--account", "quick"), [single, other, *of_campaign]),
        (("--newer-than", "2h"), [single, other, *of_campaign]),
        (("--older-than", "0.5h"), []),
        (("--newer-than", "1 d", "--older-than", "0s"), [single, other, *of_campaign]),
    )
    for options, expected in cases:
        assert [one["id"] for one in cli("dead", "list", *options, "--json").json] == expected, options
        counted = cli("dead", "replay", *options, "--dry-run", "--json").json
        assert counted == {"replayed": len(expected), "refused": [], "gone": 0, "dry_run": True}, options
    assert cli("dead", "list", "--campaign", "spring", "--json").json[0]["campaign"] == "spring"
    assert cli("dead", "replay", "--campaign", "spring", "--yes").out == "2 operations replayed.\n"
    assert states(cli, single, *of_campaign) == ["rejected", "waiting", "waiting"]
    assert cli("audit").code == 0


@pytest.mark.usefixtures("quick")
def test_replay_by_id(cli: Cli, worker: Worker) -> None:
    """Several at once, without a question; their stories tell it, and they can leave."""
    ops = [die(cli, worker) for _ in range(2)]
    answer = cli("dead", "replay", *ops, ops[0], "--dry-run")
    assert answer.out.splitlines() == [f"Operation {op} would wait at the tail of its lane." for op in ops]
    assert states(cli, *ops) == ["rejected"] * 2
    answer = cli("dead", "replay", *ops, ops[0])
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [f"Operation {op} waits at the tail of its lane." for op in ops]
    found = cli("status", ops[0], "--json").json
    assert found["state"] == "waiting"
    assert [event["what"] for event in found["history"]] == ["enqueued", "rejected", "replayed"]
    assert cli("dead", "list").out == "No dead letters.\n"
    assert cli("audit").code == 0
    assert sorted(end(worker, 2, "202", "accepted")) == sorted(ops)


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_replayed_keeps_none_of_the_others(cli: Cli, worker: Worker) -> None:
    """One sentence for each that was named, exit 1, and the others are done."""
    op, other = die(cli, worker), die(cli, worker)
    answer = cli("dead", "replay", "nobody", op)
    assert (answer.code, answer.out) == (1, f"Operation {op} waits at the tail of its lane.\n")
    assert answer.err == (
        "paceline: operation 'nobody' is not replayed: the operation was never accepted, or was deleted after its retention time\n"
    )
    assert cli("dead", "replay", op).refusal() == (
        f"operation '{op}' is not replayed: it is waiting, not a dead letter"
    )
    answer = cli("dead", "replay", op, other, "--json")
    assert answer.code == 1
    assert f'"replayed": 1, "refused": [{{"id": "{op}", "reason": "it is waiting, not a dead letter"}}]' in answer.out


@one_shard
@pytest.mark.usefixtures("quick")
def test_what_is_of_a_cancelled_campaign_is_counted(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    """One sentence for all of it, exit 1, and the others are done."""
    cli(*campaign_arguments(people(tmp_path / "people.csv", 3), "quick"))
    worker.accept_all()
    end(worker, 2)
    worker.state.client.hset("paceline:{0}:c:spring", "hold", "cancelled")
    die(cli, worker)
    answer = cli("dead", "replay", "--account", "quick", "--yes")
    assert (answer.code, answer.out) == (1, "1 operation replayed.\n")
    assert answer.err == "paceline: 2 operations not replayed: its campaign 'spring' was cancelled\n"


@one_shard
@pytest.mark.usefixtures("quick")
def test_a_new_validity(cli: Cli, worker: Worker) -> None:
    """A time in the past, without a zone, or that is none is exit 2, and nothing is replayed."""
    op = die(cli, worker)
    for which in ((op,), ("--all", "--yes")):
        for time, words in (
            ("2020-01-01T00:00:00+00:00", "--valid-until: has passed"),
            ("2100-01-01T00:00:00", "--valid-until: needs a time zone, such as 2026-01-31T09:00:00+01:00"),
            ("soon", "--valid-until: is not a time such as 2026-01-31T09:00:00+01:00"),
        ):
            assert cli("dead", "replay", *which, "--valid-until", time).refusal(2) == words
    assert states(cli, op) == ["rejected"]
    assert cli("dead", "replay", op, *FOREVER).code == 0
    until = worker.state.client.hget(f"paceline:{{0}}:o:{op}", "vu")
    assert until == str(round(datetime.fromisoformat(FOREVER[1]).timestamp()) * 1_000_000)


@pytest.mark.usefixtures("quick")
def test_many_are_not_replayed_unasked(cli: Cli, worker: Worker) -> None:
    """Without a terminal nobody can be asked: `--yes` says it."""
    op = die(cli, worker)
    sentence = "--yes: is required without a terminal; --dry-run prints what would be replayed"
    assert cli("dead", "replay", "--all", stdin="y\n").refusal(2) == sentence
    assert cli("dead", "replay", "--account", "quick", "--json").refusal(2) == sentence
    assert states(cli, op) == ["rejected"]
    assert cli("dead", "replay", "--all", "--dry-run").out == "1 operation would be replayed.\n"
    assert cli("dead", "replay", "--all", "--yes", "--json").json["replayed"] == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("said", "code", "out", "state"),
    [
        ("y\n", 0, "1 operation replayed.\n", "waiting"),
        ("n\n", 1, "No operation was replayed.\n", "rejected"),
        ("\n", 1, "No operation was replayed.\n", "rejected"),
    ],
)
def test_a_person_is_asked(
    cli: Cli, worker: Worker, environment: Mapping[str, str], said: str, code: int, out: str, state: str
) -> None:
    """On a terminal: how many, and whether."""
    op = die(cli, worker)
    ours, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "dead", "replay", "--code", "422"],
        env={**os.environ, **environment, "TERM": "dumb"},
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    os.write(ours, said.encode())
    printed, asked = process.communicate(timeout=200)
    os.close(ours)
    assert (process.returncode, printed) == (code, out)
    assert "Replay 1 operation? [y/N]" in asked
    assert states(cli, op) == [state]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), StateUnavailable("the state server cannot be reached")])
def test_an_interrupted_replay_says_how_far_it_came(
    cli: Cli, worker: Worker, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The same command goes on: what was replayed is no dead letter any more."""
    ops = [die(cli, worker) for _ in range(2)]
    monkeypatch.setattr(dead, "REPLAYED_AT_ONCE", 1)
    replayed = DeadLetters.replay_selected

    def interrupted(*arguments: object, dry_run: bool = False, **options: object) -> Iterator[Replayed]:
        parts = replayed(*arguments, dry_run=dry_run, **options)  # type: ignore[arg-type]
        if dry_run:
            yield from parts
            return
        yield next(parts)
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(DeadLetters, "replay_selected", interrupted)
        answer = cli("dead", "replay", "--all", "--yes")
    assert answer.code == (130 if isinstance(error, KeyboardInterrupt) else 1)
    assert "with 1 operation replayed; repeat the command to continue" in answer.err
    assert states(cli, *ops) == ["waiting", "rejected"]
    assert replays(cli) == ["1 operation"]
    assert cli("dead", "replay", "--all", "--yes").out == "1 operation replayed.\n"
    assert replays(cli) == ["1 operation", "1 operation"]


@pytest.mark.usefixtures("quick")
def test_a_replay_that_was_only_counted_is_no_act(cli: Cli, worker: Worker) -> None:
    """Nor is one that replays nothing."""
    op = die(cli, worker)
    cli("dead", "replay", "--all", "--dry-run")
    cli("dead", "replay", op, "--dry-run")
    cli("dead", "replay", "nobody")
    assert replays(cli) == []
    cli("dead", "replay", "--code", "422", "--yes")
    assert replays(cli) == ["1 operation (422)"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "missing command (try 'paceline dead --help')"),
        (["replay"], "no operation is named: give operations, filters such as --account, or --all"),
        (["replay", "x", "--code", "422"], "give operations or filters, not both"),
        (["replay", "x", "--all"], "give operations or filters, not both"),
        (["replay", "--all", "--code", "422"], "--all: excludes other filters; leave one of them out"),
        (["replay", "--account", "", "--code", "422"], "--account: is empty"),
        (["list", "--campaign", ""], "--campaign: is empty"),
        (["list", "--code", "4 2"], "--code: is neither a status code nor a word such as follows"),
        (["list", "--code", ""], "--code: is neither a status code nor a word such as follows"),
        (["list", "--older-than", "yesterday"], "--older-than: is not a time such as 90s, 30m, 2h or 1d"),
        (["replay", "--newer-than", "-1h"], "--newer-than: is not a time such as 90s, 30m, 2h or 1d"),
        (
            ["list", "--older-than", "1d", "--newer-than", "2h"],
            "--older-than: must be less than newer_than",
        ),
        (["list", "--limit", "0"], "--limit: must be 1 to 100000"),
        (["list", "--limit", "100001"], "--limit: must be 1 to 100000"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: list[str], sentence: str) -> None:
    """Exit 2 and one sentence."""
    assert cli("dead", *arguments).refusal(2) == sentence


@pytest.mark.parametrize("verb", [("list",), ("replay", "--yes")])
def test_of_what_is_not_there(cli: Cli, verb: tuple[str, ...]) -> None:
    """Exit 1: its absence is not the absence of dead letters."""
    assert cli("dead", *verb, "--account", "acme").refusal() == "no account named 'acme': see `paceline accounts list`"
    assert (
        cli("dead", *verb, "--campaign", "spring").refusal()
        == "no campaign named 'spring': see `paceline campaign list`"
    )
