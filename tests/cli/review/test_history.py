"""Who did what: every command of a person leaves one entry, and reads none away."""

import getpass
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from paceline import names
from paceline.state import connect
from paceline.state.calls import State
from paceline.status.history import Act, each, person, telling
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.rotation import Rotation, RotationRefused
from tests.cli.conftest import API_KEY, RECIPIENT, Cli, Worker, campaign_arguments, people, sent


def acts(cli: Cli, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("history", "--json", *options).json
    return found


@pytest.mark.usefixtures("acme")
def test_accounts(cli: Cli) -> None:
    """What was done to an account, by whom, and why; never a key."""
    assert cli("accounts", "suspend", "acme", "--reason", "under review").code == 0
    assert cli("accounts", "resume", "acme").code == 0
    assert cli("accounts", "change", "acme", "--limit", "20/minute").code == 0
    assert cli("accounts", "rotate", "acme", "--no-info", stdin="another-key\n").code == 0
    assert cli("accounts", "rotate", "--same-key").code == 0
    assert cli("accounts", "remove", "acme").code == 0
    assert cli("accounts", "suspend", "acme").code == 1  # is no act
    found = acts(cli)
    assert [
        "accounts add",
        "accounts suspend",
        "accounts resume",
        "accounts change",
        "accounts rotate",
        "accounts rotate --same-key",
        "accounts remove",
    ] == [act["what"] for act in found]
    assert {getpass.getuser()} == {act["who"].split("@")[0] for act in found}
    assert {"cli"} == {act["door"] for act in found}
    assert "under review" == found[1]["why"]
    assert "limit" == found[3]["on"]
    assert API_KEY not in str(found)
    assert "another-key" not in str(found)


@pytest.mark.usefixtures("acme")
def test_campaigns_and_operations(cli: Cli, tmp_path: Path) -> None:
    """Control of campaigns, corrections, and single operations."""
    assert cli(*campaign_arguments(people(tmp_path / "people.csv", 3))).code == 0
    assert cli("campaign", "pause", "spring", "--why", "wrong price").code == 0
    assert cli("campaign", "resume", "spring").code == 0
    assert cli("campaign", "change", "spring", "--weight", "3", "--template", "Hello {name}").code == 0
    assert cli("campaign", "cancel", "spring", "--yes", "--why", "over").code == 0
    found = acts(cli, "--account", "acme")[1:]
    assert [
        ("campaign start", "spring: 3 rows", ""),
        ("campaign pause", "spring", "wrong price"),
        ("campaign resume", "spring", ""),
        ("campaign change", "spring: template, weight", ""),
        ("campaign cancel", "spring", "over"),
    ] == [(act["what"], act["on"], act["why"]) for act in found]
    assert RECIPIENT not in str(found)


@pytest.mark.usefixtures("quick")
def test_what_a_person_decides(cli: Cli, worker: Worker) -> None:
    """Replays, releases and drops, one entry each; a cancelled operation; tokens."""
    dead, held, dropped, cancelled = (sent(cli, "quick") for _ in range(4))
    worker.accept_all()
    ends = {
        dead: {"verb": "finish", "outcome": "rejected", "code": "422", "words": "no"},
        held: {"verb": "finish", "outcome": "held", "code": "unknown", "words": "no answer"},
        dropped: {"verb": "finish", "outcome": "held", "code": "unknown", "words": "no answer"},
    }
    while ends:
        for hint in worker.grant():
            if hint.id in ends:
                worker.settle(hint, **ends.pop(hint.id))
    assert cli("dead", "replay", dead).code == 0
    assert cli("dead", "replay", "--all", "--yes").code == 0  # nothing is left
    assert cli("held", "release", held, held).code == 0
    assert cli("held", "drop", dropped, "--reason", "they have it").code == 0
    assert cli("cancel", cancelled, "--why", "called back").code == 0
    token = cli("tokens", "create", "shop", "--scope", "history,read", "--account", "*", "--json").json
    assert cli("tokens", "revoke", token["id"]).code == 0
    assert [
        ("dead replay", dead, ""),
        ("unknown release", held, ""),
        ("unknown drop", dropped, "they have it"),
        ("cancel", cancelled, "called back"),
        ("tokens create", f"{token['id']} shop: history, read", ""),
        ("tokens revoke", token["id"], ""),
    ] == [(act["what"], act["on"], act["why"]) for act in acts(cli)[1:]]
    assert cancelled in [act["on"] for act in acts(cli, "--account", "quick")]


@pytest.mark.usefixtures("acme", "quick")
def test_keys_that_were_encrypted_again_before_an_interruption(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command did in part is an act; what it refused is none."""
    rotate, names_done = Accounts.rotate, list[str]()

    def interrupted(accounts: Accounts, name: str, *rest: Any, **options: Any) -> None:
        if names_done:
            raise KeyboardInterrupt
        rotate(accounts, name, *rest, **options)
        names_done.append(name)

    def interrupted_too(_: Rotation, note: Callable[[int], None]) -> int:
        note(3)
        raise KeyboardInterrupt

    def refused(_: Rotation, __: Callable[[int], None]) -> int:
        raise RotationRefused("a worker does not have the newest secret")

    with monkeypatch.context() as patch:
        patch.setattr(Accounts, "rotate", interrupted)
        assert cli("accounts", "rotate", "--same-key").code == 130
    with monkeypatch.context() as patch:
        patch.setattr(Rotation, "run", interrupted_too)
        assert cli("secret", "rotate").code == 130
        patch.setattr(Rotation, "run", refused)
        assert cli("secret", "rotate").code == 1
    assert cli("accounts", "rotate", "nobody", "--same-key").code == 1
    assert [("accounts rotate --same-key", "1 key"), ("secret rotate", "3 encrypted again")] == [
        (act["what"], act["on"]) for act in acts(cli)[2:]
    ]


def test_what_is_shown(cli: Cli) -> None:
    """A table, an empty history, and times."""
    assert "The history holds no acts" in cli("history").out
    assert [] == acts(cli)
    cli("tokens", "create", "shop", "--scope", "read", "--account", "acme", "--json")
    assert "tokens create" in cli("history").out
    assert 1 == len(acts(cli, "--since", "1h"))
    assert [] == acts(cli, "--since", "2100-01-01T00:00:00+00:00")
    assert cli("history", "--since", "yesterday").refusal(2).startswith("--since")
    assert [] == acts(cli, "--account", "other")


def test_an_act_that_cannot_be_written_down_is_complained_of(cli: Cli, server: EmbeddedServer) -> None:
    """The act is done all the same."""
    client = connect(server.url)
    client.set(f"{names.STATE_ROOT}:trail", "no stream")
    answer = cli("accounts", "add", "acme", "--limit", "10/minute", "--no-info", stdin=f"{API_KEY}\n")
    assert 0 == answer.code
    assert "done, but not written into the history" in answer.err
    client.delete(f"{names.STATE_ROOT}:trail")
    client.close()


def test_the_history_is_bounded(client: redis.Redis) -> None:
    """About as many as the setting says; what is read is the newest, page by page, in order."""
    state = State(client)
    for number in range(350):
        state.ask(telling(Act(what="a test", who=person(), door="cli", on=str(number), account=f"a{number % 2}"), 100))
    kept = [int(act.on) for act in each(state)]
    assert 100 <= len(kept) <= 201
    assert list(range(350 - len(kept), 350)) == kept
    assert [345, 347, 349] == [int(act.on) for act in each(state, account="a1", limit=3)]
    assert kept == [int(act.on) for act in each(state, limit=5_000)]


def test_an_entry_is_one_line_of_bounded_length(client: redis.Redis) -> None:
    """Whatever somebody gives for a reason."""
    state = State(client)
    state.ask(telling(Act(what="a test", who="me", door="cli", why="a\nb\x1b[31m" + "x" * 5_000), 1_000))
    [act] = each(state)
    assert act.why.startswith("a b [31mxx")
    assert 300 == len(act.why)
    assert act.at
    assert abs(act.at.timestamp() - time.time()) < 3600
