"""PACELINE_ENCRYPT_PAYLOADS: everything works, and neither state nor its files show a number or a text."""

import json
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from paceline import (
    AddParticipants,
    CheckNumber,
    Conflict,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    Outbox,
    Pin,
    PostStory,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SendSms,
    SendTemplate,
    SendWaba,
    SetAbout,
    SetGroupDescription,
    SetGroupPicture,
    SetProfilePicture,
)
from paceline.errors import ConfigurationError
from paceline.operations import Interactive, UrlButton
from paceline.settings import Settings
from paceline_worker.accounts.accounts import Accounts
from tests.support.processes import Sandbox, free_port
from tests.support.servers import start_server
from tests.support.shell import paceline
from tests.support.stack import PATIENCE, Stack
from tests.support.stored import contents
from tests.support.wait import wait_until
from tests.unit import samples

pytestmark = [pytest.mark.system]

ON = {"PACELINE_ENCRYPT_PAYLOADS": "1"}
SENDER = "+15550100001"
NUMBERS = [f"+155598877{n:02d}" for n in range(20)]
TEXT = "canary text 5c1a"
CANARIES = (TEXT, *(number[1:] for number in NUMBERS))


class Closed:
    """A stack whose worker and services encrypt."""

    def __init__(self, stack: Stack, port: int) -> None:
        self.stack = stack
        self.port = port
        self.outbox = Outbox(settings=Settings(broker_url=stack.server.url, encrypt_payloads=True))
        self.environment = {**stack.environment, **ON}

    def hello(self, number: int, **fields: Any) -> SendMessage:
        values = {"sender": SENDER, "to": NUMBERS[number], "text": f"{TEXT} {number}", **fields}
        return SendMessage(account=self.stack.name, **values)

    def metric(self, start: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=200) as answer:
            lines = answer.read().decode().splitlines()
        return float(next(line for line in lines if line.startswith(start)).split()[-1])


@pytest.fixture(scope="module")
def closed(sandbox: Sandbox) -> Iterator[Closed]:
    port = free_port()
    with start_server() as server, Stack(server, sandbox) as stack:
        stack.client.config_set("rdbcompression", "no")  # so that a file shows what is in it
        stack.sandbox.reset()
        stack.scenario()
        stack.add_account()
        early = Outbox(settings=Settings(broker_url=server.url, encrypt_payloads=True))
        with early, pytest.raises(ConfigurationError, match="start a worker"):
            early.send(SendMessage(account=stack.name, sender=SENDER, to=NUMBERS[0], text=TEXT))
        stack.start_worker(PACELINE_METRICS_PORT=str(port), **ON)
        built = Closed(stack, port)
        yield built
        built.outbox.close()


def rewritten(stack: Stack) -> None:
    """Let the append-only file hold what is there now, and nothing of before."""
    stack.client.bgrewriteaof()

    def done() -> bool:
        seen = stack.client.info("persistence")
        return not seen["aof_rewrite_in_progress"] and not seen["aof_rewrite_scheduled"]

    wait_until(done, PATIENCE, "the file is rewritten")


def shown(stack: Stack, canaries: Sequence[str] = CANARIES) -> list[str]:
    """Files of the server, dump included, and keys that hold a canary, in their name or their value."""
    stack.client.save()
    folder = Path(str(stack.client.config_get("dir")["dir"]))
    places = [(path.name, path.read_bytes()) for path in folder.rglob("*") if path.is_file()]
    places += [(key, f"{key}: {text}".encode()) for key, text in contents(stack.client)]
    return [f"{name}: {canary}" for name, content in places for canary in canaries if canary.encode() in content]


def test_nothing_of_a_person_is_in_state_or_its_files(closed: Closed) -> None:
    """Messages, a campaign, a group of people, a lost answer that is looked up: each arrives as it was written, once."""
    stack = closed.stack
    rewritten(stack)  # other tests write numbers on purpose
    stack.sandbox.reset()
    stack.scenario(
        faults=[
            {"kind": "answer_after_accepting", "status": 500, "from_request": 2, "count": 1},
            {"kind": "answer", "status": 503, "from_request": 4, "count": 1},
            {"kind": "answer", "status": 429, "from_request": 6, "count": 1, "retry_after": 1},
            {"kind": "answer", "status": 486, "from_request": 8, "count": 1},
        ],
    )
    tickets = [closed.outbox.send(closed.hello(n)) for n in range(5)]
    group = closed.outbox.send(
        CreateGroup(account=stack.name, sender=SENDER, name=f"Team {TEXT}", participants=NUMBERS[5:17])
    )
    after = closed.outbox.send(SendMessage(account=stack.name, sender=SENDER, group=group.id, text=f"Welcome {TEXT}"))
    rows = [{"to": number, "key": f"c-{n}", "name": f"Ann {n}"} for n, number in enumerate(NUMBERS)]
    campaign = closed.outbox.start_campaign(
        f"spring-{stack.name}", account=stack.name, sender=SENDER, template=f"Hi {{name}}, {TEXT}", recipients=rows
    )
    for ticket in [*tickets, group, after]:
        assert "accepted" == ticket.wait_settled(60).state
    wait_until(lambda: campaign.progress().outcomes["accepted"] == 20, PATIENCE, "the campaign is sent")
    accepted = [arrival["body"] for arrival in stack.arrivals() if arrival["accepted"] and arrival["method"] == "POST"]
    texts = sorted(body["text"] for body in accepted if "text" in body and "to_number" in body)
    assert sorted([f"{TEXT} {n}" for n in range(5)] + [f"Hi Ann {n}, {TEXT}" for n in range(20)]) == texts
    assert {body["to_number"] for body in accepted if str(body.get("text", "")).startswith("Hi ")} == set(NUMBERS)

    stack.sandbox.reset()
    quoting = f"number {NUMBERS[0]} is bad, and so is '{TEXT} 0'"
    stack.scenario(faults=[{"kind": "answer", "status": 422, "from_request": 1, "count": 1, "message": quoting}])
    rejected = closed.outbox.send(closed.hello(0)).wait_settled(60)
    assert ("rejected", True) == (rejected.state, "[removed]" in str(rejected.words))
    assert [] == shown(stack)
    assert 0 == stack.balance().unaccounted


# What is in the clear, as docs/encryption.md says: keys, metadata, names of campaigns.
PLAIN = ("plain-key-8d2c", "plain-meta-8d2c", "plain-row-8d2c", "plain-name-8d2c")


def secret(what: str) -> str:
    """A text of one place."""
    return f"{what} 9e4bwx7q"


def address(what: str) -> str:
    """A media address that tells of somebody."""
    return f"https://files.example.com/{what}-9e4bwx7q.png"


def of_every_kind(account: str) -> list[Operation]:
    """Operations of every model, with every text and every number that each may have; all of them are secret."""
    to = iter(f"+155598866{number:02d}" for number in range(30))
    button = UrlButton(label="label 9e4bwx7q", url=address("button"))
    interactive = Interactive(body=secret("body"), header=secret("header"), footer=secret("footer"), url_button=button)
    pin = Pin(latitude=12.345678, longitude=98.765432, name=secret("place"), address=secret("street"))
    with_media: dict[str, Any] = {
        "header_media_url": address("header"),
        "header_media_filename": "invoice 9e4bwx7q.pdf",
    }
    fields: list[tuple[type[Operation], dict[str, Any]]] = [
        (SendMessage, {"to": next(to), "text": secret("caption"), "url": address("media")}),
        (SendMessage, {"to": next(to), "pin": pin}),
        (SendMessage, {"remote_id": "155598866999999@lid", "text": secret("remote")}),
        (SendMessage, {"group": samples.GROUP, "text": secret("group")}),
        (DeleteMessage, {"message": samples.MESSAGE, "to": next(to)}),
        (PostStory, {"text": secret("story")}),
        (SetAbout, {"text": secret("about")}),
        (SetProfilePicture, {"url": address("profile")}),
        (CreateGroup, {"name": secret("team"), "description": secret("aim"), "participants": [next(to), next(to)]}),
        (SetGroupDescription, {"group": samples.GROUP, "description": secret("aims")}),
        (SetGroupPicture, {"group": samples.GROUP, "url": address("group")}),
        (SendTemplate, {"to": next(to), "template": samples.TEMPLATE, "body": [secret("variable")], **with_media}),
        (
            SendTemplate,
            {"to": next(to), "template": samples.TEMPLATE, "header": [secret("head")], "buttons": ["9e4bwx7q"]},
        ),
        (SendWaba, {"to": next(to), "text": secret("session")}),
        (SendWaba, {"to": next(to), "interactive": interactive}),
        (SendSms, {"to": next(to), "text": secret("sms")}),
        (CheckNumber, {"number": next(to), "extra_information": True}),
    ]
    changes = (AddParticipants, RemoveParticipants, PromoteParticipants, DemoteParticipants)
    fields += [(model, {"group": samples.GROUP, "participants": [next(to), next(to)]}) for model in changes]
    assert {model for model, _ in fields} == set(samples.NEEDED)
    common = {"account": account, "sender": SENDER, "metadata": {"ticket": "plain-meta-8d2c"}}
    return [
        model(**common, **each, idempotency_key=f"plain-key-8d2c-{number}")
        for number, (model, each) in enumerate(fields)
    ]


def test_nothing_of_any_kind_of_operation_is_in_state_or_its_files(closed: Closed) -> None:
    """Texts, captions, addresses, places, names of groups, participants, variables, rows: none; what is documented as plain is."""
    stack = closed.stack.another()
    stack.add_account("60000/minute", senders=[SENDER])
    stack.sandbox.reset()
    stack.scenario()
    rewritten(stack)
    operations = of_every_kind(stack.name)
    for operation in operations:
        closed.outbox.send(operation)
    rows = [{"to": "+15559886690", "key": "plain-row-8d2c", "name": "Zoe 9e4bwx7q", "file": "invoice-9e4bwx7q"}]
    common: dict[str, Any] = {"account": stack.name, "sender": SENDER, "recipients": rows}
    address_of_rows = "https://files.example.com/{file}.pdf"
    official = {
        "waba_template": samples.TEMPLATE,
        "body": ["{name}", secret("fixed")],
        "header_media_url": address_of_rows,
    }
    contents_of_campaigns: list[dict[str, Any]] = [
        {"template": f"Hi {{name}}, {secret('offer')}", "url": address_of_rows},
        {"template": f"Hi {{name}}, {secret('short')}", "sms": True},
        official,
        {"number_check": True},
    ]
    for number, content in enumerate(contents_of_campaigns):
        closed.outbox.start_campaign(f"plain-name-8d2c-{number}-{stack.name}", **common, **content)
    stack.settled(len(operations) + len(contents_of_campaigns))

    assert [] == shown(stack, ["9e4bwx7q", "1555988", "155598866999999", "12.345678", "98.765432"])
    for word in PLAIN:
        assert shown(stack, [word]), word
    assert 0 == stack.balance().unaccounted


def test_the_search_finds_what_is_there(sandbox: Sandbox) -> None:
    """In the dump, in the append-only file, and in the value of a key."""
    with start_server() as server, Stack(server, sandbox) as stack:
        stack.client.config_set("rdbcompression", "no")
        stack.client.set("probe", f"to {NUMBERS[0]}")
        assert 3 == len(shown(stack))


def test_people_with_the_secret_see_whom_it_went_to(closed: Closed) -> None:
    """The command line opens numbers where it has the secret key, masks them as others, and finds by number."""
    op_id = closed.outbox.send(closed.hello(1, idempotency_key="inv-7")).id
    closed.stack.status_when(closed.outbox.send(closed.hello(2)), "accepted")
    command = ("status", op_id, "--json")
    assert NUMBERS[1] == json.loads(paceline(closed.environment, *command, "--show-numbers").out)["to"]
    assert f"+15*******{NUMBERS[1][-2:]}" == json.loads(paceline(closed.environment, *command).out)["to"]
    found = json.loads(paceline(closed.environment, "find", "--to", NUMBERS[1], "--json").out)
    assert op_id in {one["id"] for one in found}
    without = {name: value for name, value in closed.environment.items() if "SECRET" not in name}
    assert json.loads(paceline(without, *command, "--show-numbers").out)["to"].startswith("+x")
    public = paceline(closed.environment, "secret", "public").out.strip()
    assert public == closed.stack.client.get("paceline:{0}:public")


def test_a_key_of_another_content_is_told_by_the_worker(closed: Closed) -> None:
    """The digest of a content is keyed, so `send` cannot compare; whoever waits is told."""
    first = closed.outbox.send(closed.hello(3, idempotency_key="inv-8"))
    first.wait_settled(60)
    again = closed.outbox.send(closed.hello(3, idempotency_key="inv-8"))
    assert first.id == getattr(again.wait(20), "id")  # noqa: B009 - of one of several types
    with pytest.raises(Conflict):
        closed.outbox.send(closed.hello(4, idempotency_key="inv-8")).wait(20)


def test_suppression_works_by_the_number(closed: Closed) -> None:
    """On a list before acceptance, and put there while the message waits."""
    stack = closed.stack
    other = stack.another()
    other.add_account()
    message = {"account": other.name, "sender": SENDER, "text": TEXT}
    Accounts(stack.client).suspend(other.name)
    waits = closed.outbox.send(SendMessage(to=NUMBERS[18], **message))
    other.wait_for(lambda books: books.waiting == 1, "it waits")
    for number in (NUMBERS[18], NUMBERS[19]):
        assert 0 == paceline(stack.environment, "suppress", "add", number, "--account", other.name).code
    refused = closed.outbox.send(SendMessage(to=NUMBERS[19], **message))
    Accounts(stack.client).resume(other.name)
    for ticket in (waits, refused):
        assert "suppressed" == ticket.wait_settled(60).state
    assert [] == other.arrivals()
    assert (
        0 == paceline(stack.environment, "suppress", "remove", NUMBERS[18], NUMBERS[19], "--account", other.name).code
    )


def test_another_public_key_is_replaced_and_told(closed: Closed) -> None:
    """Who writes state may put a key of their own: workers count it and put theirs back; what was sealed to it is refused."""
    stack = closed.stack
    foreign = "pk1." + "A" * 42 + "E"
    genuine = stack.client.get("paceline:{0}:public")
    before = closed.metric('paceline_tampering_refused_total{reason="key"}')
    stack.client.set("paceline:{0}:public", foreign)
    with Outbox(settings=Settings(broker_url=stack.server.url, encrypt_payloads=True)) as fooled:
        told = fooled.send(closed.hello(6)).wait(20)
    assert "a key that is not that of the workers" in str(told)
    wait_until(lambda: stack.client.get("paceline:{0}:public") == genuine, PATIENCE, "the key is back")
    assert before + 1 == closed.metric('paceline_tampering_refused_total{reason="key"}')
    with Outbox(
        settings=Settings(broker_url=stack.server.url, encrypt_payloads=True, payload_key=str(genuine))
    ) as pinned:
        stack.client.set("paceline:{0}:public", foreign)
        assert "accepted" == pinned.send(closed.hello(7)).wait_settled(60).state
    wait_until(lambda: stack.client.get("paceline:{0}:public") == genuine, PATIENCE, "the key is back")


def test_a_person_is_forgotten_by_number(closed: Closed) -> None:
    """While others are sent to: no operation and no entry of outcomes stands for the number any more, and the books balance."""
    stack = closed.stack
    number, stop = NUMBERS[0], threading.Event()
    before = closed.outbox.send(closed.hello(0)).id
    stack.status_when(closed.outbox.send(closed.hello(0)), "accepted")
    encrypted = stack.client.hget(f"paceline:{{0}}:o:{before}", "to")
    assert encrypted
    group = CreateGroup(account=stack.name, sender=SENDER, name="Team", participants=[number, NUMBERS[1]])
    named = [closed.outbox.send(group), closed.outbox.send(closed.hello(1, text=f"Ask {number} about it"))]
    for ticket in named:
        ticket.wait_settled(60)

    def go_on() -> None:
        while not stop.wait(0.05):
            closed.outbox.send(closed.hello(1))

    load = threading.Thread(target=go_on)
    load.start()
    try:
        done = paceline(closed.environment, "forget", "--number", number, "--yes", "--wait", "60", "--json")
    finally:
        stop.set()
        load.join()
    assert 0 == done.code, done
    assert json.loads(done.out)["operations"] >= 4
    assert [None, None] == [stack.state.operation(str(ticket.id)) for ticket in named]
    stack.wait_for(
        lambda books: books.inbox == 0 and books.waiting == 0 and books.in_flight == 0,
        "all is sent",
        timedelta(seconds=60),
    )
    needle = str(encrypted)[1:].encode()
    assert [] == [
        key for key in stack.client.scan_iter("*") if needle in (stack.client.dump(key) or b"").__repr__().encode()
    ]
    assert 0 == stack.balance().unaccounted


def test_what_was_accepted_in_the_clear_is_still_sent(closed: Closed) -> None:
    """Services that do not encrypt yet: the worker encrypts what they send, and opens what was there before."""
    stack = closed.stack
    plain = stack.send(1, to=NUMBERS[17], text=TEXT)
    assert "accepted" == plain.wait_settled(60).state
    assert str(stack.client.hget(f"paceline:{{0}}:o:{plain.id}", "to")).startswith("+x")
