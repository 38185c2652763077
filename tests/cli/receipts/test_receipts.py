"""`paceline receipts`: an account's address is made, shown once, replaced and forgotten; what receipts told is shown."""

import json
from pathlib import Path

import pytest

from paceline import names
from paceline.state.scripts import Script
from paceline_worker.receipts.address import digest_of
from tests.cli.conftest import Cli, Worker, campaign_arguments, one_shard, people, sent
from tests.support.stored import stored_account

BASE = ("--base-url", "https://hooks.example.com/paceline/")
START = "https://hooks.example.com/paceline/receipts/quick/"


def address(cli: Cli, *options: str) -> str:
    answer = cli("receipts", "url", "quick", *BASE, *options)
    assert (answer.code, answer.err) == (0, "")
    return answer.out.strip()


def deliver(worker: Worker, *uuids: str) -> None:
    """The next messages are accepted under these handles."""
    left = list(uuids)
    while left:
        for hint in worker.grant():
            worker.settle(hint, verb="finish", outcome="accepted", code="202", uuid=left.pop(0))


def tell(worker: Worker, token: str, *receipts: tuple[str, str]) -> None:
    flat = [text for uuid, status in receipts for text in (uuid, status, "")]
    script = Script("paceline_worker", "receipts")
    assert script.run(worker.state.client, "take", "quick", digest_of(token), *flat) == ["moved"] * len(receipts)


@pytest.mark.usefixtures("quick")
def test_the_address_is_shown_once(cli: Cli, worker: Worker) -> None:
    """State keeps a digest of the token, and no command tells more than that there is one."""
    first = address(cli)
    token = first.removeprefix(START)
    assert first.startswith(START)
    assert len(token) == 43
    assert cli("receipts", "url", "quick", *BASE).refusal() == (
        "account 'quick' has an address already, which cannot be shown again: --rotate replaces it"
    )
    stored = stored_account(worker.state.client, "quick")
    assert token not in json.dumps(stored)
    assert stored["hook"] == digest_of(token)
    for command in (("receipts", "show"), ("accounts", "show")):
        for form in ((), ("--json",)):
            answer = cli(*command, "quick", *form)
            assert token not in answer.out
            assert digest_of(token) not in answer.out


@one_shard
@pytest.mark.usefixtures("quick")
def test_an_address_is_replaced(cli: Cli, worker: Worker) -> None:
    """On demand; also where there is none."""
    first = address(cli, "--rotate")
    second = cli("receipts", "url", "quick", *BASE, "--rotate", "--json").json
    assert second["account"] == "quick"
    assert second["url"].startswith(START)
    assert second["url"] != first
    token = second["url"].removeprefix(START)
    assert worker.state.client.hget(f"{names.STATE_ROOT}:hook:quick", "hook") == digest_of(token)


@pytest.mark.usefixtures("quick")
def test_an_address_is_forgotten(cli: Cli) -> None:
    """And another one can be made."""
    assert cli("receipts", "off", "quick").out == "Account quick has no address.\n"
    first = address(cli)
    assert cli("receipts", "show", "quick", "--json").json["open"] is True
    assert cli("receipts", "off", "quick").out == "Account quick no longer accepts receipts.\n"
    shown = cli("receipts", "show", "quick", "--json").json
    assert (shown["open"], shown["since"]) == (False, None)
    assert "closed: the account has no address" in cli("receipts", "show", "quick").out
    assert address(cli) != first


@pytest.mark.usefixtures("quick")
def test_what_receipts_told_is_shown(cli: Cli, worker: Worker, tmp_path: Path) -> None:
    """Of an operation, of a campaign with its share of what was accepted, of an account."""
    token = address(cli).removeprefix(START)
    op = sent(cli, "quick")
    worker.accept_all()
    deliver(worker, "MSG0")
    assert cli("status", op, "--json").json["receipt"] is None
    assert "receipt" not in cli("status", op).out
    tell(worker, token, ("MSG0", "sent"), ("MSG0", "read"))
    found = cli("status", op, "--json").json["receipt"]
    assert found["status"] == "read"
    assert found["sent_at"]
    assert found["read_at"]
    assert found["received_at"] is None
    lines = [line.split() for line in cli("status", op).out.splitlines()]
    assert ["receipt", "read"] in lines
    assert [line[0] for line in lines if len(line) == 3 and line[1][4:5] == "-"][-2:] == ["sent", "read"]

    cli(*campaign_arguments(people(tmp_path / "people.csv", 4), "quick"))
    worker.accept_all()
    deliver(worker, "MSG1", "MSG2", "MSG3", "MSG4")
    assert "delivered" not in cli("campaign", "status", "spring").out
    tell(worker, token, ("MSG1", "sent"), ("MSG2", "received"), ("MSG3", "read"), ("MSG4", "not_sent"))
    of_campaign = cli("campaign", "status", "spring", "--json").json
    assert of_campaign["receipts"] == {"sent": 3, "not_sent": 1, "delivered": 2, "read": 1}
    assert cli("campaign", "list", "--json").json[0]["receipts"] == of_campaign["receipts"]
    out = " ".join(cli("campaign", "status", "spring").out.split())
    assert "delivered 2 (50.0% of accepted) read 1 (25.0% of accepted) not sent 1 (25.0% of accepted)" in out

    shown = cli("receipts", "show", "quick", "--json").json
    assert shown["messages"] == {"sent": 4, "not_sent": 1, "received": 3, "read": 2}
    assert shown["early"] == 0
    out = " ".join(cli("receipts", "show", "quick").out.split())
    assert "sent 4 not sent 1 received 3 read 2" in out
    assert cli("audit").code == 0


@pytest.mark.parametrize("command", [("url", *BASE), ("subscribe", *BASE), ("show",), ("off",)])
def test_an_account_that_is_not_there(cli: Cli, command: tuple[str, ...]) -> None:
    """Exit 1 and one sentence."""
    verb, *options = command
    assert (
        cli("receipts", verb, "nobody", *options).refusal() == "no account named 'nobody': see `paceline accounts list`"
    )


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["url", "quick"], "missing option '--base-url'"),
        (["url", "quick", "--base-url", "hooks"], "--base-url: is not an address such as https://hooks.example.com"),
        (["url", "quick", "--base-url", "https://x?y=1"], "--base-url: has a user, a query or a fragment"),
        (["subscribe", "quick", *BASE, "--sender", "1555"], "--sender: 1555 "),
        (["subscribe", "quick", *BASE, "--waba"], "--sender: is needed with --waba"),
    ],
)
def test_wrong_usage(cli: Cli, arguments: list[str], words: str) -> None:
    """Exit 2 and one sentence; nothing is made."""
    assert cli("receipts", *arguments).refusal(2).startswith(words)
    assert cli("receipts", "show", "quick", "--json").json["open"] is False


@pytest.mark.usefixtures("quick")
def test_an_address_without_tls_is_warned_of(cli: Cli) -> None:
    """It is made: within one machine or network it may be right."""
    answer = cli("receipts", "url", "quick", "--base-url", "http://hooks.example.com")
    assert answer.code == 0
    assert answer.err == ("paceline: --base-url: is not https, so anybody who reads the traffic can forge receipts\n")
    assert cli("receipts", "url", "quick", "--base-url", "http://127.0.0.1:9810", "--rotate").err == ""


@pytest.mark.usefixtures("quick")
def test_a_provider_that_does_not_answer(cli: Cli) -> None:
    """Exit 1; repeating the command continues."""
    sentence = cli("receipts", "subscribe", "quick", *BASE, "--sender", "+15550100001").refusal()
    assert sentence.startswith("the provider did not list the webhooks (connect): ")
    assert sentence.endswith("; repeat the command to continue")


@pytest.mark.usefixtures("quick")
def test_a_suspended_account_makes_no_call(cli: Cli) -> None:
    """Its key may be the reason."""
    cli("accounts", "suspend", "quick", "--reason", "under review")
    assert cli("receipts", "subscribe", "quick", *BASE, "--sender", "+15550100001").refusal() == (
        "account 'quick' is suspended: under review"
    )
