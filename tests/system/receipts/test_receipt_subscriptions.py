"""`paceline receipts subscribe` against the sandbox: what is there is left alone, and every call has its slot."""

import json
import signal
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import Request

import psutil
import pytest

from paceline import names
from paceline.cli import main
from paceline_worker.receipts.address import digest_of, new_token, token_in
from paceline_worker.receipts.state import Hooks
from tests.support.processes import spawn
from tests.support.stack import Stack
from tests.system.programs.test_exporter import WITHOUT_PROXY

pytestmark = pytest.mark.system
SENDER, SECOND = "+15550100001", "+15550100002"
BASE = "https://hooks.example.com"
EVENTS = [
    *(f"whatsapp.message.receipt.{step}" for step in ("sent", "received", "read", "not-sent")),
    "whatsapp.message.received",
]


@pytest.fixture
def stack(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """With the variables of a user of the command line in place."""
    for variable in (names.ENV_STATE_URL, names.ENV_DEBUG):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in stack.environment.items():
        monkeypatch.setenv(variable, value)
    return stack


def arguments(stack: Stack, *options: str, base: str = BASE, senders: Iterable[str] = (SENDER,)) -> list[str]:
    numbers = [text for sender in senders for text in ("--sender", sender)]
    return ["receipts", "subscribe", stack.name, "--base-url", base, *numbers, *options]


def subscribe(
    stack: Stack, capsys: pytest.CaptureFixture[str], *options: str, code: int = 0, **more: Any
) -> tuple[list[str], str]:
    """The results in their order, and what was said on stderr."""
    capsys.readouterr()
    assert main([*arguments(stack, *options, **more), "--json"]) == code
    out, err = capsys.readouterr()
    return [one["result"] for one in json.loads(out)["subscriptions"]] if out else [], err


def provider(stack: Stack, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
    """One call of the provider under a key of its own."""
    headers = {"X-User-API-Key": "somebody", "Content-Type": "application/json"}
    data = json.dumps(body).encode() if body else None
    request = Request(f"{stack.sandbox.origin}/open{path}", data=data, headers=headers, method=method)
    with WITHOUT_PROXY.open(request, timeout=200) as reply:
        return json.load(reply)


def listed(stack: Stack) -> list[tuple[str, str]]:
    """Event and address of each webhook at the provider."""
    return [(one["event_name"], one["hook_url"]) for one in provider(stack, "GET", "/webhooks")["webhooks"]]


def calls(stack: Stack) -> list[tuple[str, int]]:
    """Method and answer of each call under the account's key, in order."""
    return [(one["method"], one["status"]) for one in stack.arrivals()]


def test_every_call_has_its_slot_and_a_second_run_makes_none_twice(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """A provider that counts by spacing finds nothing to complain of; the same address stays, and nothing is made twice."""
    stack.scenario(defaults={"limits": ["120/minute"], "algorithm": "spacing"}, connected_numbers=[SENDER, SECOND])
    stack.add_account("120/minute", "spacing")
    assert (["subscribed"] * 5, "") == subscribe(stack, capsys)
    hooks = listed(stack)
    assert EVENTS == [event for event, _ in hooks]
    [address] = {url for _, url in hooks}
    assert digest_of(token_in(address, stack.name)) == Hooks(stack.client).of(stack.name).digest
    assert [("GET", 200), *[("POST", 200)] * 5] == calls(stack)
    assert (["there"] * 5, "") == subscribe(stack, capsys)
    assert [("GET", 200), ("GET", 200)] == calls(stack)[6:]
    assert hooks == listed(stack)
    assert (["there"] * 5 + ["subscribed"] * 5, "") == subscribe(stack, capsys, senders=(SENDER, SECOND))
    assert {address} == {url for _, url in listed(stack)}
    assert 0 == stack.violations()


def test_an_interrupted_one_goes_on(stack: Stack, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Ctrl-C ends it with a sentence; the next run keeps the address and makes what is missing."""
    stack.add_account("20/minute")
    program = [sys.executable, "-m", "paceline.cli", *arguments(stack)]
    with spawn(program, stack.environment, tmp_path / "log") as process:
        process.wait_for_line(f"1 of 5: .{SENDER[1:]} {EVENTS[0]}: subscribed")
        psutil.Process(process.pid).send_signal(signal.SIGINT)
        assert 130 == process.wait(timedelta(seconds=30))
        log = process.log_text()
    assert log.splitlines()[-1] == "paceline: interrupted after 1 subscription; repeat the command to continue"
    assert "Traceback" not in log
    assert main(["accounts", "change", stack.name, "--limit", "6000/minute"]) == 0
    assert (["there", *["subscribed"] * 4], "") == subscribe(stack, capsys)
    assert 1 == len({url for _, url in listed(stack)})


def test_an_address_is_replaced_at_the_provider_too(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Old webhooks of ours go, because the provider takes no second one for an event; others' stay."""
    stack.add_account()
    other = {"hook_url": "https://crm.example.com/hook", "on_number": SENDER}
    provider(stack, "POST", "/webhooks/subscribe/whatsapp.message.new", other)
    subscribe(stack, capsys)
    [*_, (_, old)] = listed(stack)
    assert (["subscribed"] * 5, "") == subscribe(stack, capsys, "--rotate")
    others, *ours = listed(stack)
    assert ("whatsapp.message.new", "https://crm.example.com/hook") == others
    assert EVENTS == [event for event, _ in ours]
    assert old not in {url for _, url in ours}
    moved = "https://elsewhere.example.com"
    assert (["subscribed"] * 5, "") == subscribe(stack, capsys, base=moved)
    new = {url for _, url in listed(stack)[1:]}
    assert {url.replace(BASE, moved) for _, url in ours} == new


def test_an_address_that_a_person_was_shown_is_not_replaced_unasked(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be in use somewhere; where the provider has it, it is known."""
    stack.add_account()
    token, hooks = new_token(), Hooks(stack.client)
    assert hooks.open(stack.name, digest_of(token), instead_of="", shown=True)
    results, err = subscribe(stack, capsys, code=1)
    assert [] == results
    assert "or replace it with --rotate" in err
    by_hand = {"hook_url": f"{BASE}/receipts/{stack.name}/{token}", "on_number": SENDER}
    provider(stack, "POST", f"/webhooks/subscribe/{EVENTS[2]}", by_hand)
    assert (["subscribed", "subscribed", "there", "subscribed", "subscribed"], "") == subscribe(stack, capsys)
    assert digest_of(token) == hooks.of(stack.name).digest


def test_an_event_that_goes_elsewhere_is_told(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are made; exit 1."""
    stack.add_account()
    other = {"hook_url": "https://crm.example.com/hook", "on_number": SENDER}
    provider(stack, "POST", f"/webhooks/subscribe/{EVENTS[1]}", other)
    results, err = subscribe(stack, capsys, code=1)
    assert ["subscribed", "taken", "subscribed", "subscribed", "subscribed"] == results
    assert "paceline: 1 webhook of account" in err
    assert 1 == len(err.splitlines())


def test_inbound_messages_may_go_elsewhere(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an account whose conversations are another program's: receipts only."""
    stack.add_account()
    other = {"hook_url": "https://crm.example.com/hook", "on_number": SENDER}
    provider(stack, "POST", f"/webhooks/subscribe/{EVENTS[4]}", other)
    assert (["subscribed"] * 4, "") == subscribe(stack, capsys, "--no-inbound")


def test_a_number_that_the_provider_does_not_list_is_asked_for(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """It answers 409 for what is there (docs/provider.md, 3.1)."""
    stack.add_account()
    subscribe(stack, capsys)
    assert (["there"] * 5, "") == subscribe(stack, capsys)
    assert [409] * 5 == [status for method, status in calls(stack) if method == "POST"][5:]


def test_a_429_pauses_the_account_and_the_call_is_made_again(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """As told; its workers are told, too."""
    stack.add_account()
    stack.scenario(
        faults=[{"kind": "answer", "status": 429, "retry_after": 1, "on": "any", "from_request": 2, "count": 1}]
    )
    assert (["subscribed"] * 5, "") == subscribe(stack, capsys)
    assert [200, 429, 200, 200, 200, 200, 200] == [status for _, status in calls(stack)]
    assert stack.account().paused_until_us > 0


def test_without_numbers_it_is_all_that_may_send(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """The account's own, else those that the provider lists as connected."""
    stack.scenario(connected_numbers=[SENDER, SECOND, "+15550100003"])
    stack.add_account(senders=[SECOND])
    capsys.readouterr()
    assert main([*arguments(stack, senders=()), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {SECOND} == {one["sender"] for one in document["subscriptions"]}
    other = stack.another()
    other.add_account()
    assert (
        main([*arguments(other, senders=()), "--json"]) == 1
    )  # those of the first one go to another account's address
    document = json.loads(capsys.readouterr().out)
    assert [SENDER] * 5 + [SECOND] * 5 + ["+15550100003"] * 5 == [one["sender"] for one in document["subscriptions"]]


def test_a_key_that_is_refused(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, the provider's words, and no address is made."""
    stack.add_account()
    stack.scenario(faults=[{"kind": "answer", "status": 401, "on": "any", "message": "Invalid API Key"}])
    results, err = subscribe(stack, capsys, code=1)
    assert [] == results
    assert (
        err
        == "paceline: the provider did not list the webhooks (401): Invalid API Key; repeat the command to continue\n"
    )
    assert "" == Hooks(stack.client).of(stack.name).digest
