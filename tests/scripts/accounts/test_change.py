"""`accounts change` beside others who write: a worker that reads /info, and a colleague who changes something else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis

from paceline.errors import InvalidOperation
from paceline.state.scripts import Script
from paceline_worker.accounts.accounts import AccountRefused, Accounts
from paceline_worker.accounts.info import Info
from paceline_worker.cli.accounts.view import budget_rates
from tests.conftest import add_account
from tests.support.drive import Drive

Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Lets somebody act once between the reading and the writing of what is done next."""
    run = Script.run

    def arranged(act: Callable[[], object]) -> None:
        def interrupted(script: Script, client: redis.Redis, *arguments: Any) -> Any:
            reply = run(script, client, *arguments)
            if arguments[0] == "known":
                monkeypatch.setattr(Script, "run", run)
                act()
            return reply

        monkeypatch.setattr(Script, "run", interrupted)

    return arranged


def pace(client: redis.Redis) -> tuple[Any, ...]:
    """Limit by hand, pacing, variation and distance of slots of `acme`, as state has them."""
    rate, pacing = client.hmget("paceline:{0}:about:acme", ["rate", "pacing"])
    interval, variation = client.hmget("paceline:{0}:a:acme", ["interval", "variation"])
    return rate, pacing, variation, interval


def budgets(client: redis.Redis) -> dict[str, str]:
    return budget_rates(str(client.hget("paceline:{0}:a:acme", "budgets") or ""))


@pytest.mark.parametrize(
    ("options", "interval"),
    [({"reserve": 7}, 12_100_000), ({"rates": "100/minute"}, 12_100_000), ({"pacing": "window"}, 12_020_000)],
)
def test_what_info_said_meanwhile_stays_in_force(
    drive: Drive, meanwhile: Meanwhile, options: dict[str, Any], interval: int
) -> None:
    """A limit that the provider lowered holds at once, and not only after the next reading a quarter of an hour later."""
    drive.learn(Info(per_minute=100))
    meanwhile(lambda: drive.learn(Info(per_minute=5)))
    Accounts(drive.client).change("acme", **options)
    assert str(interval) == pace(drive.client)[-1]


@pytest.mark.parametrize("options", [{"reserve": 7}, {"pacing": "spacing"}, {"variation": timedelta(milliseconds=100)}])
def test_what_a_colleague_changed_meanwhile_stays(drive: Drive, meanwhile: Meanwhile, options: dict[str, Any]) -> None:
    """Both changes are in force, and the distance of slots follows from both."""
    accounts = Accounts(drive.client)
    meanwhile(lambda: accounts.change("acme", rates="5/minute"))
    accounts.change("acme", **options)
    assert ("5/minute", "spacing", "100000", "12100000") == pace(drive.client)


def test_budgets_of_other_kinds_stay(client: redis.Redis) -> None:
    """Of a kind that is named all rates are replaced, and None takes them away."""
    add_account(client, "acme")
    accounts = Accounts(client)
    accounts.change("acme", budgets={"group.create": "9/day; 3/hour", "number.check": None, "*": "1/3 seconds"})
    assert {"group.create": "9/day; 3/hour", "*": "1/3 seconds"} == budgets(client)
    accounts.change("acme", budgets={"group.create": "5/hour", "*": None})
    assert {"group.create": "5/hour"} == budgets(client)
    with pytest.raises(InvalidOperation, match=r"budget: group\.create: '' is not a rate"):
        accounts.change("acme", budgets={"group.create": ""})


def test_of_two_budgets_that_are_changed_at_once_none_is_lost(client: redis.Redis, meanwhile: Meanwhile) -> None:
    """Each person names one kind."""
    add_account(client, "acme")
    accounts = Accounts(client)
    meanwhile(lambda: accounts.change("acme", budgets={"*": "1/3 seconds"}))
    accounts.change("acme", budgets={"group.create": "5/hour"})
    assert {"number.check": "50/minute", "*": "1/3 seconds", "group.create": "5/hour"} == budgets(client)


def test_a_change_without_limits_computes_no_pace(drive: Drive) -> None:
    """The distance of slots may be that of another release; a reserve is not about it."""
    drive.client.hset("paceline:{0}:a:acme", "interval", "7000000")
    Accounts(drive.client).change("acme", reserve=7)
    assert ("10/minute", "spacing", "100000", "7000000") == pace(drive.client)


def test_a_change_that_is_always_overtaken_is_refused(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and has changed nothing."""
    add_account(client, "acme")
    run = Script.run

    def overtaken(script: Script, own: redis.Redis, *arguments: Any) -> Any:
        reply = run(script, own, *arguments)
        if arguments[0] == "known":
            client.hincrby("paceline:{0}:about:acme", "told", 1)
        return reply

    monkeypatch.setattr(Script, "run", overtaken)
    with pytest.raises(
        AccountRefused, match="the limits or budgets of account 'acme' were changed meanwhile; try again"
    ):
        Accounts(client).change("acme", rates="5/minute")
    assert ("10/minute", "6100000") == pace(client)[::3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pacing": "window"}, ("window", "100000", "1001667")),
        ({"variation": timedelta(milliseconds=500)}, ("spacing", "500000", "1500000")),
    ],
)
def test_figures_do_not_undo_what_was_changed_while_they_were_read(
    drive: Drive, meanwhile: Meanwhile, options: dict[str, Any], expected: tuple[str, ...]
) -> None:
    """They were computed for another pacing or variation, and are computed once more."""
    accounts = Accounts(drive.client)
    accounts.change("acme", rates="")
    meanwhile(lambda: accounts.change("acme", **options))
    assert "changed" == drive.learn(Info(per_minute=60))
    assert "done" == drive.learn(Info(per_minute=60))
    assert expected == pace(drive.client)[1:]
