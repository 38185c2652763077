"""`paceline hooks`: added, shown, changed, rotated, removed; and what is refused."""

import json
import re
import shlex
from pathlib import Path

import pytest
import redis

from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.hooks.secrets import unseal
from tests.cli.conftest import SECRET, Cli, one_shard
from tests.support.hook_receiver import receiving

pytestmark = one_shard

URL = "https://shop.example.com/paceline"
ADD = ("hooks", "add", URL, "--account", "acme", "--events", "settled,campaign.completed")
PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"


@pytest.fixture
def hook(cli: Cli) -> str:
    return str(cli(*ADD, "--json").json["id"])


def test_a_secret_is_shown_once(cli: Cli, server: EmbeddedServer) -> None:
    """And is nowhere in state but sealed."""
    said = cli(*ADD).out.splitlines()
    assert re.fullmatch(r"hook-[0-9a-f]{8} is added\. Its secret, shown once:", said[0])
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", said[1])
    shown = cli("hooks", "show", said[0].split()[0]).out + cli("hooks", "list").out + cli("hooks", "list", "--json").out
    assert said[1] not in shown
    with redis.Redis.from_url(server.url) as client:
        read = {b"string": client.get, b"hash": client.hgetall, b"set": client.smembers, b"stream": client.xrange}
        kept = [read[client.type(key)](key) for key in client.scan_iter()]
    assert said[1] not in str(kept)


def test_a_hook_is_shown_and_listed(cli: Cli, hook: str) -> None:
    """With waiting operations, and that nobody serves it."""
    expected = {"id": hook, "url": URL, "accounts": ["acme"], "events": ["settled", "campaign.completed"], "waiting": 0}
    assert expected.items() <= cli("hooks", "show", hook, "--json").json.items()
    assert [cli("hooks", "show", hook, "--json").json] == cli("hooks", "list", "--json").json
    assert "No runner serves hooks" in cli("hooks", "list").out
    assert "not in bodies" in cli("hooks", "show", hook).out


def test_a_hook_is_changed(cli: Cli, hook: str) -> None:
    """What is not named stays."""
    cli("hooks", "change", hook, "--events", "read", "--with-recipients", "--disable")
    shown = cli("hooks", "show", hook, "--json").json
    assert (URL, ["acme"], ["read"], True, "by hand") == tuple(
        shown[name] for name in ("url", "accounts", "events", "with_recipients", "disabled")
    )
    cli("hooks", "change", hook, "--url", "http://127.0.0.1:9/", "--allow-private")
    cli("hooks", "change", hook, "--enable", "--account", "*")
    shown = cli("hooks", "show", hook, "--json").json
    assert ("http://127.0.0.1:9/", ["*"], None) == (shown["url"], shown["accounts"], shown["disabled"])


def test_a_secret_is_rotated(cli: Cli, hook: str, server: EmbeddedServer) -> None:
    """The old one signs as well for the time that was asked for; the same one can be sealed again."""
    first = cli("hooks", "rotate", hook, "--json").json
    assert f"The secret of {hook} is sealed again.\n" == cli("hooks", "rotate", hook, "--same-secret").out
    with redis.Redis.from_url(server.url) as client:
        sealed = client.get(f"paceline:{{0}}:signing:{hook}")
    assert isinstance(sealed, bytes)
    secrets = unseal(KeyRing(SECRET), hook, 2, sealed.decode())
    assert (first["secret"], 1) == (secrets.current, len(secrets.former))
    assert "has a new secret" in cli("hooks", "rotate", hook, "--overlap", "0s").out


def test_a_removed_hook_is_gone(cli: Cli, hook: str, server: EmbeddedServer) -> None:
    """With all that waited."""
    assert f"{hook} is removed.\n" == cli("hooks", "remove", hook).out
    with redis.Redis.from_url(server.url) as client:
        assert [] == [key for key in client.scan_iter() if b":wh:" in key or b"signing" in key]
    assert cli("hooks", "list").out == "No hooks: add one with `paceline hooks add URL`.\n"


@pytest.mark.parametrize("command", ["show", "remove", "rotate", "test", "change", "dead list", "replay --since 1h"])
def test_a_hook_that_is_not_there_is_named(cli: Cli, command: str) -> None:
    """With the way to those that are."""
    words, *options = command.split(" --")
    arguments = [*words.split(), "hook-0", *(word for option in options for word in f"--{option}".split())]
    assert "no hook 'hook-0': see `paceline hooks list`" == cli("hooks", *arguments).refusal()


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("URL: is not https", ["add", "http://shop.example.com", "--account", "acme", "--events", "settled"]),
        ("not a public address", ["add", "https://10.0.0.1/", "--account", "acme", "--events", "settled"]),
        ("is not one of settled, sent", ["add", URL, "--account", "acme", "--events", "delivred"]),
        ("is not the name of an account", ["add", URL, "--account", "a c", "--events", "settled"]),
        ("--overlap: 'soon' is not a time", ["rotate", "hook-0", "--overlap", "soon"]),
        ("--since: 'ever' is not a time", ["replay", "hook-0", "--since", "ever"]),
        ("--backoff: 'x' is not a time", ["run", "--backoff", "5s,x"]),
        ("--timeout: must be longer than 0 s", ["run", "--timeout", "0s"]),
    ],
)
def test_what_cannot_be_is_refused(cli: Cli, words: str, arguments: list[str]) -> None:
    """In one sentence, before anything is kept or posted."""
    assert words in cli("hooks", *arguments).refusal(2)
    assert [] == cli("hooks", "list", "--json").json


def test_a_runner_needs_the_secret_key(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so and ends."""
    monkeypatch.delenv("PACELINE_SECRET_KEY")
    assert "PACELINE_SECRET_KEY is not set" in cli("hooks", "run").refusal(2)
    assert "PACELINE_SECRET_KEY is not set" in cli(*ADD).refusal(2)


def test_a_test_tells_the_answer(cli: Cli) -> None:
    """Exit code 1 when the receiver does not take it."""
    with receiving(status=403) as receiver:
        added = cli("hooks", "add", receiver.url, *ADD[3:], "--allow-private", "--json").json
        assert (
            f"{receiver.url} did not take evt_test_" in cli("hooks", "test", added["id"], "--allow-private").refusal()
        )
        assert "not a public address" in cli("hooks", "test", added["id"]).refusal()
        receiver.status = 204
        told = cli("hooks", "test", added["id"], "--allow-private", "--json").json
        assert ("delivered", "HTTP 204") == (told["result"], told["words"])


def test_each_command_of_the_page_runs(cli: Cli) -> None:
    """In its order, on a hook that is there; `run` and `pip` are for a test of their own."""
    with receiving() as receiver:
        hook, ran = "", 0
        for block in re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                program, *arguments = shlex.split(line, comments=True)
                if program != "paceline" or arguments == ["hooks", "run"]:
                    continue
                arguments = [hook if word == "hook-3f2a91bc" else word for word in arguments]
                if arguments[1] == "test":
                    arguments.append("--allow-private")
                    cli("hooks", "change", hook, "--url", receiver.url, "--allow-private")
                answer = cli(*arguments)
                assert 0 == answer.code, (line, answer)
                ran += 1
                if arguments[1] == "add":
                    hook = answer.out.split()[0]
        assert ran >= 11
        assert 1 == len(receiver.taken)
    assert [] == json.loads(cli("hooks", "list", "--json").out)
