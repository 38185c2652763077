"""Operations found by what their owner knows, and cancelled."""

import pytest

from tests.cli.conftest import RECIPIENT, Cli, Worker, sent


def test_an_operation_is_found_and_cancelled(cli: Cli, acme: str, worker: Worker) -> None:
    """By its recipient and by its key; cancelled it has its outcome."""
    first, second = sent(cli, acme, "--key", "inv-1"), sent(cli, acme)
    worker.accept_all()
    assert {first, second} == {one["id"] for one in cli("find", "--to", RECIPIENT, "--json").json}
    assert [first] == [one["id"] for one in cli("find", "--key", "inv-1", "--account", acme, "--json").json]
    assert first in cli("find", "--to", RECIPIENT, "--account", acme).out
    assert f"{second} is cancelled." in cli("cancel", second, "--why", "called back").out
    worker.grant()
    assert "cancelled: called back" == cli("status", second, "--json").json["words"]
    assert "no operation" in cli("cancel", "0" * 26).refusal()


def test_a_key_of_another_content_fails(cli: Cli, acme: str, worker: Worker) -> None:
    """Exit 1 and the operation that has the key."""
    first = sent(cli, acme, "--key", "inv-1")
    worker.accept_all()
    answer = cli(
        "send", "--account", acme, "--from", "+15550100001", "--to", RECIPIENT, "--text", "99 EUR", "--key", "inv-1"
    )
    assert first in answer.refusal(1)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("--to, --key, --row: give exactly one of them", []),
        ("--to, --key, --row: give exactly one of them", ["--to", RECIPIENT, "--key", "x"]),
        ("--account: is missing", ["--key", "x"]),
        ("--campaign: is missing", ["--row", "x"]),
    ],
)
def test_what_is_not_clear_is_asked(cli: Cli, words: str, arguments: list[str]) -> None:
    """Bad usage."""
    assert words == cli("find", *arguments).refusal(2)


def test_nothing_is_found(cli: Cli) -> None:
    """A failure, in one sentence."""
    assert "no operation to +15550109999 is kept: never accepted, or deleted after its retention time" == cli(
        "find", "--to", "+15550109999"
    ).refusal(1)
