"""Whatever is due at once, no script call does more than its budget; what is left is done by the next ones."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from paceline_worker.accounts.account import NewAccount
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.state.values import Hint
from tests.conftest import SECRET, add_account
from tests.support.drive import ACCEPTED, LEASE_US, OVERLOADED, Drive

ACCOUNTS = 60
EACH = 12
# A command takes a few microseconds: of a budget of 2 ms, so many at the most.
MOST_COMMANDS = 900


@pytest.fixture
def names(drive: Drive) -> list[str]:
    names = [f"a{number}" for number in range(ACCOUNTS)]
    new = [
        NewAccount(name=name, key=ApiKey(name), rates="60/minute", pacing="window", info_every=timedelta(0))
        for name in names
    ]
    Accounts(drive.client).add_many(new, ring=KeyRing(SECRET))
    return names


def commands(drive: Drive) -> int:
    stats: dict[str, dict[str, Any]] = drive.client.info("commandstats")
    return sum(int(one["calls"]) for name, one in stats.items() if name not in ("cmdstat_info", "cmdstat_evalsha"))


def looks(drive: Drive, done: Callable[[], bool]) -> list[int]:
    """Look until something is done; how many commands each look took."""
    found: list[int] = []
    while not done():
        drive.client.config_resetstat()
        drive.worker.grant(most=0, fleet_capacity=10_000)
        found.append(commands(drive))
        assert len(found) < 2000
    return found


def all_ended(drive: Drive, names: list[str], outcome: str, each: int) -> bool:
    """Asks up to the first account that still has some."""
    return all(drive.balance(name).outcomes[outcome] == each for name in names)


def test_operations_that_expire_together(drive: Drive, names: list[str]) -> None:
    """Each lane has a dozen whose valid_until passed at the same instant."""
    until = drive.now + timedelta(seconds=5)
    for name in names:
        for _ in range(EACH):
            drive.send(name, valid_until=until)
    drive.advance(10)
    taken = []
    while not all_ended(drive, names, "expired", EACH):
        drive.client.config_resetstat()
        assert [] == drive.worker.grant(most=100, fleet_capacity=10_000).hints
        taken.append(commands(drive))
    assert max(taken) <= MOST_COMMANDS
    assert len(taken) > 10


def test_operations_whose_time_comes_together(drive: Drive, names: list[str]) -> None:
    """A dozen timers of each account end at the same instant."""
    at = drive.now + timedelta(seconds=5)
    for name in names:
        for _ in range(EACH):
            drive.send(name, not_before=at)
    drive.advance(10)
    taken = looks(drive, lambda: not any(drive.client.exists(f"paceline:{{0}}:a:{name}:tm") for name in names))
    assert ACCOUNTS * EACH == sum(drive.balance(name).waiting for name in names)
    assert max(taken) <= MOST_COMMANDS


def test_leases_that_run_out_together(drive: Drive, names: list[str]) -> None:
    """All workers died in the middle of their calls."""
    for name in names:
        drive.send(name, on_unknown="hold")
    drive.advance(5)
    hints: list[Hint] = []
    while len(hints) < ACCOUNTS:
        hints += drive.grant().hints
    assert {"go"} == {answer["s"] for answer in drive.begin(hints, notice_us=1000)}
    drive.advance(LEASE_US / 1e6 + 1)
    taken = looks(drive, lambda: all_ended(drive, names, "held", 1))
    assert max(taken) <= MOST_COMMANDS


def test_accounts_that_are_released_together(drive: Drive, names: list[str]) -> None:
    """They were suspended; all of them are due at once, and each has its turn before any has a second one."""
    accounts = Accounts(drive.client)
    for name in names:
        accounts.suspend(name)
        drive.send(name)
        drive.send(name, sender="+15550100002")
    drive.advance(60)
    for name in names:
        accounts.resume(name)
    drive.advance(0.001)
    taken: list[int] = []
    served: list[str] = []
    while len(served) < ACCOUNTS:
        drive.client.config_resetstat()
        grants = drive.worker.grant(most=500, fleet_capacity=10_000)
        taken.append(commands(drive))
        drive.advance(0.001)
        served += [str(drive.operation(hint.id)["a"]) for hint in grants.hints]
    assert set(names) == set(served[:ACCOUNTS])
    assert max(taken) <= MOST_COMMANDS


def test_without_room_a_look_costs_next_to_nothing(drive: Drive, names: list[str]) -> None:
    """However many accounts are due."""
    for name in names:
        drive.send(name)
    drive.advance(60)
    drive.client.config_resetstat()
    grants = drive.worker.grant(most=500, fleet_capacity=0)
    assert [] == grants.hints
    assert commands(drive) <= 15


def test_a_back_off_ends_at_the_same_cost_however_many_wait_behind_it(drive: Drive) -> None:
    """Messages to one recipient wait behind a retry: its end lets the first of them go, and that one the next."""
    costs = []
    for number, waiting in enumerate((3, 40)):
        add_account(drive.client, f"b{number}")
        to = f"+1555020000{number}"
        ops = [drive.send(f"b{number}", to=to) for _ in range(waiting + 1)]
        assert ops[0] == drive.deliver(replace(OVERLOADED, delay_s=300.0))
        while drive.client.llen(f"paceline:{{0}}:l:b{number}:+15550100001:t"):
            drive.grant()  # each is put behind the one in back-off
            drive.advance(7)
        drive.advance(300)
        hint = drive.grant_next()
        assert ops[0] == hint.id
        drive.begin_at_slot(hint)
        drive.client.config_resetstat()
        drive.settle(hint, replace(ACCEPTED, uuid=f"MSG{number}"))
        costs.append(commands(drive))
        assert ops[1:3] == [drive.deliver(replace(ACCEPTED, uuid=f"MSG{number}{n}")) for n in range(2)]
        Accounts(drive.client).suspend(f"b{number}")
    assert abs(costs[0] - costs[1]) <= 4
