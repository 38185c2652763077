"""Bad input is refused before anything is written, by the name of its field: in Python and in the shell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from paceline import CreateGroup, Operation, SendMessage, SendTemplate
from paceline.errors import InvalidOperation, PacelineError, UnknownAccount, UnknownSender
from paceline.status.audit import Balance
from tests.conftest import emptied
from tests.support.processes import Sandbox
from tests.support.servers import start_server
from tests.support.shell import Ended, paceline
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

SENDER, STRANGER, TO = "+15550100001", "+15550100009", "+15550100002"
GROUP = "WAG11111111-2222-4333-8444-555555555555"
TEMPLATE = "TMP11111111-2222-4333-8444-555555555555"
URL = "https://example.com/film.mp4"
TOO_LARGE = 16 * 1024 * 1024 + 1
ACCOUNT = "<account>"
BAD_USAGE, FAILURE = 2, 1


@dataclass(frozen=True)
class Bad:
    """One mistake, made in Python and in the shell.

    Args:
        model: the operation.
        fields: its arguments.
        words: the command.
        named: how the refusal begins in Python.
        typed: how it begins in the shell.
        error: what Python raises.
        code: exit code of the shell.
    """

    model: type[Operation]
    fields: Mapping[str, Any]
    words: tuple[str, ...]
    named: str
    typed: str
    error: type[PacelineError] = InvalidOperation
    code: int = BAD_USAGE


def message(fields: Mapping[str, Any], words: tuple[str, ...], named: str, typed: str, **how: Any) -> Bad:
    return Bad(SendMessage, fields, ("send", *words), named, typed, **how)


BADS = {
    "a wrong number": message(
        {"to": "015550100002", "text": "Hi"},
        ("--to", "015550100002", "--text", "Hi"),
        "to: is not a phone number in E.164 form",
        "--to: is not a phone number in E.164 form",
    ),
    "a wrong sender": message(
        {"sender": "us", "to": TO, "text": "Hi"},
        ("--from", "us", "--to", TO, "--text", "Hi"),
        "sender: is not a phone number in E.164 form",
        "--from: is not a phone number in E.164 form",
    ),
    "two targets": message(
        {"to": TO, "group": GROUP, "text": "Hi"},
        ("--to", TO, "--group", GROUP, "--text", "Hi"),
        "to, group, remote_id: give exactly one of them",
        "--to, --group, --remote-id: give exactly one of them",
    ),
    "no target": message(
        {"text": "Hi"},
        ("--text", "Hi"),
        "to, group, remote_id: give exactly one of them",
        "--to, --group, --remote-id: give exactly one of them",
    ),
    "an attachment over 16 MB": message(
        {"to": TO, "url": URL, "media_bytes": TOO_LARGE},
        ("--to", TO, "--url", URL, "--size", str(TOO_LARGE)),
        "media_bytes: is more than the 16 MB that the provider fetches",
        "--size: is more than the 16 MB that the provider fetches",
    ),
    "neither text nor media": message(
        {"to": TO},
        ("--to", TO),
        "text, url, pin: give at least one of them",
        "--text, --url, --pin: give at least one of them",
    ),
    "an empty text": message(
        {"to": TO, "text": ""},
        ("--to", TO, "--text", ""),
        "text: ",
        "--text: ",
    ),
    "an address that only we can reach": message(
        {"to": TO, "url": "https://10.0.0.1/a.jpg"},
        ("--to", TO, "--url", "https://10.0.0.1/a.jpg"),
        "url: must name a public host",
        "--url: must name a public host",
    ),
    "a template with a missing variable": Bad(
        SendTemplate,
        {"to": TO, "template": TEMPLATE, "body": ["Ada"], "content": "Dear {{1}}, order {{2}} is on its way."},
        ("template", TEMPLATE, "--to", TO, "--body", "Ada", "--content", "Dear {{1}}, order {{2}} is on its way."),
        "body: has no value for {{2}} of the template",
        "--body: has no value for {{2}} of the template",
    ),
    "a number twice in a group": Bad(
        CreateGroup,
        {"name": "Team", "participants": [TO, TO]},
        ("group", "create", "Team", "--participant", TO, "--participant", TO),
        "participants: names a number twice",
        "--participant (number 2): repeats an earlier number",
    ),
    "an unknown field": message(
        {"to": TO, "text": "Hi", "colour": "red"},
        ("--to", TO, "--text", "Hi", "--colour", "red"),
        "colour: is not a known field",
        "no such option: --colour",
    ),
    "an unknown account": message(
        {"account": "nobody", "to": TO, "text": "Hi"},
        ("--account", "nobody", "--to", TO, "--text", "Hi"),
        "no account named 'nobody'",
        "no account named 'nobody'",
        error=UnknownAccount,
        code=FAILURE,
    ),
    "a sender that the account does not list": message(
        {"sender": STRANGER, "to": TO, "text": "Hi"},
        ("--from", STRANGER, "--to", TO, "--text", "Hi"),
        f"account '{ACCOUNT}' lists its senders, and {STRANGER} is not among them: see `paceline accounts show {ACCOUNT}`",
        f"account '{ACCOUNT}' lists its senders, and {STRANGER} is not among them: see `paceline accounts show {ACCOUNT}`",
        error=UnknownSender,
        code=FAILURE,
    ),
}


@dataclass(frozen=True)
class Everything:
    """All that a server holds, key by key, and what an account's books say of it."""

    keys: Mapping[str, Any]
    books: Balance


@pytest.fixture(scope="module")
def quiet(sandbox: Sandbox) -> Iterator[Stack]:
    """An account with one message in its inbox and no worker: nothing changes by itself."""
    with start_server() as own, emptied(own) as server, Stack(server, sandbox) as stack:
        stack.add_account(senders=[SENDER])
        stack.send(sender=SENDER)
        stack.outbox.close()  # its hint has left
        yield stack


@pytest.fixture(scope="module")
def shell(quiet: Stack) -> Mapping[str, Ended]:
    """Each mistake, made once in a shell; together they changed nothing."""
    environment = {"PACELINE_BROKER_URL": quiet.server.url, "COLUMNS": "200"}

    def run(bad: Bad) -> Ended:
        usual = [pair for pair in (("--account", quiet.name), ("--from", SENDER)) if pair[0] not in bad.words]
        return paceline(environment, *bad.words, *(word for pair in usual for word in pair))

    before = held(quiet)
    runs = {name: run(bad) for name, bad in BADS.items()}
    assert before == held(quiet)
    return runs


def held(stack: Stack) -> Everything:
    raw = redis.Redis.from_url(stack.server.url)
    keys = {key: raw.dump(key) for key in raw.scan_iter("*")}
    assert len(keys) == raw.dbsize()
    raw.close()
    return Everything(keys, stack.balance())


@pytest.mark.parametrize("name", BADS)
def test_python_refuses_it_and_writes_nothing(quiet: Stack, name: str) -> None:
    """The error's type and its first words name what is at fault; the inbox and all other keys stay as they were."""
    bad = BADS[name]
    before = held(quiet)
    with pytest.raises(bad.error) as raised:
        quiet.outbox.send(bad.model(**{"account": quiet.name, "sender": SENDER, **bad.fields}))
    assert str(raised.value).startswith(bad.named.replace(ACCOUNT, quiet.name))
    assert before == held(quiet)


@pytest.mark.parametrize("name", BADS)
def test_the_shell_refuses_it_in_one_sentence(quiet: Stack, shell: Mapping[str, Ended], name: str) -> None:
    """Exit code 2 for bad usage and 1 for a refusal, nothing on stdout, and one line that begins with what was typed."""
    bad, ended = BADS[name], shell[name]
    assert (bad.code, "") == (ended.code, ended.out)
    assert 1 == ended.err.count("\n")
    assert ended.err.startswith(f"paceline: {bad.typed.replace(ACCOUNT, quiet.name)}")


def test_what_is_right_is_written(quiet: Stack) -> None:
    """The same comparison sees one message more: keys, inbox and books change."""
    before = held(quiet)
    quiet.send(sender=SENDER)
    quiet.outbox.close()
    after = held(quiet)
    assert (before.books.inbox + 1, before.books.received + 1) == (after.books.inbox, after.books.received)
    assert before.keys.keys() < after.keys.keys()
