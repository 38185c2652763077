"""`paceline held`: what a person sees and says of held operations."""

from datetime import datetime

import pytest

from tests.cli.conftest import RECIPIENT, SENDER, Cli, Worker, one_shard, sent

WORDS = "timeout: no answer"


def hold(cli: Cli, worker: Worker, *options: str) -> str:
    """An operation of the quick account whose call ended without an answer."""
    op = sent(cli, "quick", "--on-unknown", "hold", *options)
    worker.accept_all()
    while True:
        for hint in worker.grant():
            worker.settle(hint, verb="unknown", words=WORDS)
            assert hint.id == op
            return op


@pytest.mark.usefixtures("quick")
def test_nothing_is_held(cli: Cli) -> None:
    """One sentence, or an empty list."""
    assert cli("held", "list").out == "No operation is held.\n"
    assert cli("held", "list", "--account", "quick", "--json").json == []


@pytest.mark.usefixtures("quick")
def test_what_is_held_is_listed(cli: Cli, worker: Worker) -> None:
    """Operation, recipient (masked), account, since when, last words; no texts; ids whole, to be copied."""
    ops = [hold(cli, worker) for _ in range(3)]
    answer = cli("held", "list")
    assert (answer.code, answer.err) == (0, "")
    header, _, *rows = answer.out.splitlines()
    assert header.split() == ["operation", "to", "account", "since", "last", "words"]
    assert [row.split()[:2] for row in rows if row[:1].strip()] == [[op, "+15*******02"] for op in ops]
    for private in (RECIPIENT, "Hello"):
        assert private not in answer.out
    listed = cli("held", "list", "--account", "quick", "--json").json
    assert [set(one) for one in listed] == [{"id", "account", "kind", "since", "words", "to", "sender"}] * 3
    assert {(RECIPIENT, SENDER)} == {
        (one["to"], one["sender"]) for one in cli("--show-numbers", "held", "list", "--json").json
    }
    assert [(one["id"], one["kind"], one["words"]) for one in listed] == [
        (op, "message.to_number", WORDS) for op in ops
    ]
    assert all(datetime.fromisoformat(one["since"]).tzinfo for one in listed)


@pytest.mark.usefixtures("quick")
def test_a_list_is_cut_at_its_limit(cli: Cli, worker: Worker) -> None:
    """And says how many there are."""
    ops = [hold(cli, worker) for _ in range(3)]
    assert [one["id"] for one in cli("held", "list", "--limit", "2", "--json").json] == ops[:2]
    assert "The oldest 2 of 3 operations; --limit lists more.\n" in cli("held", "list", "--limit", "2").out
    assert "--limit" not in cli("held", "list", "--limit", "3").out


@pytest.mark.usefixtures("quick")
def test_release_sends_again(cli: Cli, worker: Worker) -> None:
    """Several at once; `status` says that they wait, and they can leave."""
    ops = [hold(cli, worker) for _ in range(2)]
    why = cli("explain", ops[0]).out
    assert f"so a person decides: `paceline held release {ops[0]}` or `drop {ops[0]}`." in why
    answer = cli("held", "release", *ops, ops[0])
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [f"Operation {op} waits at the head of its lane." for op in ops]
    found = cli("status", ops[0], "--json").json
    assert found["state"] == "waiting"
    assert [event["what"] for event in found["history"]] == ["enqueued", "unknown", "held", "released"]
    assert cli("held", "list").out == "No operation is held.\n"
    assert cli("audit").code == 0


@one_shard
@pytest.mark.usefixtures("quick")
def test_release_with_a_new_validity(cli: Cli, worker: Worker) -> None:
    """A time in the past, without a zone, or that is none is exit 2, and nothing is released."""
    op = hold(cli, worker)
    for time, words in (
        ("2020-01-01T00:00:00+00:00", "--valid-until: has passed"),
        ("2100-01-01T00:00:00", "--valid-until: needs a time zone, such as 2026-01-31T09:00:00+01:00"),
        ("2300-01-01T00:00:00+00:00", "--valid-until: must lie between the years 1970 and 2255"),
        ("soon", "--valid-until: is not a time such as 2026-01-31T09:00:00+01:00"),
    ):
        assert cli("held", "release", op, "--valid-until", time).refusal(2) == words
    assert cli("status", op, "--json").json["state"] == "held"
    assert cli("held", "release", op, "--valid-until", "2100-01-01T00:00:00+02:00").code == 0
    fields = worker.state.client.hget(f"paceline:{{0}}:o:{op}", "vu")
    assert fields == str(round(datetime.fromisoformat("2100-01-01T00:00:00+02:00").timestamp()) * 1_000_000)


@pytest.mark.usefixtures("quick")
def test_drop_cancels(cli: Cli, worker: Worker) -> None:
    """With a reason, or without."""
    first, second = hold(cli, worker), hold(cli, worker)
    assert cli("held", "drop", first).out == f"Operation {first} is cancelled.\n"
    assert cli("held", "drop", second, "--reason", "the customer has it").code == 0
    words = "dropped by hand after an unknown outcome"
    assert [cli("status", op, "--json").json["words"] for op in (first, second)] == [
        words,
        f"{words}: the customer has it",
    ]
    assert cli("explain", first).out == f"{first} is cancelled: cancelled: {words}.\n"
    [books] = cli("audit", "--json").json
    assert (books["outcomes"]["held"], books["outcomes"]["cancelled"], books["unaccounted"]) == (0, 2, 0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("verb", ["release", "drop"])
def test_what_cannot_be_decided_keeps_none_of_the_others(cli: Cli, worker: Worker, verb: str) -> None:
    """One sentence for each that is unknown or not held, exit 1, and the others are done."""
    op = hold(cli, worker)
    state = "waiting" if verb == "release" else "cancelled"
    assert cli("held", verb, "nobody").refusal() == (
        "no operation 'nobody': never accepted, or deleted after its retention time"
    )
    answer = cli("held", verb, "nobody", op)
    assert (answer.code, answer.out.count("\n")) == (1, 1)
    assert answer.out.startswith(f"Operation {op} ")
    assert answer.err.startswith("paceline: no operation 'nobody'")
    assert cli("held", verb, op).refusal() == f"operation '{op}' is not held: it is {state}"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "missing command (try 'paceline held --help')"),
        (["release"], "missing argument 'ID...' (try 'paceline held release --help')"),
        (["drop"], "missing argument 'ID...' (try 'paceline held drop --help')"),
        (["drop", "x", "--reason", " "], "--reason: is empty"),
        (["drop", "x", "--reason", "x" * 161], "--reason: has more than 160 characters"),
        (["list", "--limit", "0"], "--limit: must be 1 to 1000"),
        (["list", "--limit", "1001"], "--limit: must be 1 to 1000"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: list[str], sentence: str) -> None:
    """Exit 2 and one sentence."""
    assert cli("held", *arguments).refusal(2) == sentence


def test_a_list_of_an_unknown_account(cli: Cli) -> None:
    """Exit 1: its absence is not the absence of held operations."""
    assert "no account named 'acme'" in cli("held", "list", "--account", "acme").refusal()
