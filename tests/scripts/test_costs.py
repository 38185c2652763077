"""What an operation of a busy fleet costs the state server, in commands. No number may grow with the backlog."""

from dataclasses import replace

import pytest

from tests.conftest import add_account
from tests.properties.uploads import Uploads
from tests.support.drive import ACCEPTED, Drive

ACCOUNTS = 15
# Grant, begin and settle of one operation, with its share of three calls of scripts for fifteen accounts.
MOST = {"single messages": 23, "a campaign": 30}


def commands(drive: Drive) -> int:
    stats = drive.client.info("commandstats")
    ours = {name: of for name, of in stats.items() if "eval" not in name and name != "cmdstat_config|resetstat"}
    return sum(int(of["calls"]) for of in ours.values())


def cycle(drive: Drive) -> int:
    """One operation of each account: granted, begun and settled together; returns the commands that it took."""
    drive.advance(7)
    drive.client.config_resetstat()
    hints = drive.grant(budget_us=50_000).hints
    assert ACCOUNTS == len(hints)
    assert all(answer["s"] == "wait" or answer["s"] == "go" for answer in drive.begin(hints))
    drive.settle_all([(hint, replace(ACCEPTED, uuid=hint.id, health="good")) for hint in hints])
    return commands(drive)


@pytest.mark.parametrize("backlog", [3, 60])
@pytest.mark.parametrize("kind", MOST)
def test_an_operation_costs_so_many_commands_at_any_backlog(drive: Drive, kind: str, backlog: int) -> None:
    """Whatever the backlog; a pair of bounds that the next change may lower and must not raise."""
    names = [f"a{number}" for number in range(ACCOUNTS)]
    for name in names:
        add_account(drive.client, name, pacing="window")
        if kind == "a campaign":
            Uploads(drive).start(f"{name}.spring", backlog, account=name)
        else:
            for number in range(backlog):
                drive.send(name, to=f"+4915100{number:05}", accept=False)
    drive.accept_all()
    cycle(drive)  # the first one of a lane and of a campaign writes what later ones find
    found = cycle(drive) / ACCOUNTS
    assert MOST[kind] >= found, found
