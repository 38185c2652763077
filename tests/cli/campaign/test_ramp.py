"""The daily ramp of a new number, from the shell and from Python."""

from pathlib import Path

import pytest

from paceline.errors import InvalidOperation
from paceline.outbox import Outbox
from tests.cli.conftest import Cli, Worker

pytestmark = pytest.mark.usefixtures("quick")

ONE, TWO = "+15550100011", "+15550100012"
FOREVER = ("--valid-until", "2099-01-01T00:00:00Z")


@pytest.fixture
def start(tmp_path: Path) -> tuple[str, ...]:
    """The words of a campaign of 60 recipients."""
    file = tmp_path / "people.csv"
    file.write_text("to\n" + "".join(f"+1555{number:07d}\n" for number in range(60)))
    return ("campaign", "start", "spring", "--account", "quick", "--recipients", str(file), "--template", "Hi")


def test_a_ramp_is_told_planned_and_taken_away(cli: Cli, worker: Worker, start: tuple[str, ...]) -> None:
    """The plan has as many days as the ramp needs; status shows the day of each number."""
    plan = cli(*start, "--from", ONE, "--ramp", "20, 30, ...", *FOREVER, "--dry-run", "--json").json
    assert ("20,30", 60, []) == (plan["ramp"], plan["in_time"], plan["problems"])
    assert "the ramp lets each number send 20, 30 messages a day" in plan["warnings"]
    assert plan["starts_at"][:10] < plan["ends_at"][:10]
    short = cli(*start, "--from", ONE, "--ramp", "20,30", "--dry-run")
    assert 1 == short.code
    assert "20 of 60 recipients leave in time" in short.out

    assert 0 == cli(*start, "--from", ONE, "--from", TWO, "--ramp", "20,30", *FOREVER).code
    worker.accept_all()
    status = cli("campaign", "status", "spring", "--json").json
    assert "20,30" == status["ramp"]
    assert {"day": 1, "sent": 0, "most": 20} == status["senders"][0]["ramp"]
    shown = " ".join(cli("campaign", "status", "spring").out.split())
    assert "20,30 messages a day" in shown
    assert "day 1: 0 of 20 sent" in shown
    assert cli("campaign", "change", "spring", "--ramp", "none", "--json").json["ramp"] is None


def test_a_ramp_that_cannot_be_is_refused(cli: Cli, start: tuple[str, ...]) -> None:
    """From the shell and from Python; nothing is written."""
    sentence = "is not a list of messages a day such as 20,40,80"
    assert f"--ramp: {sentence}" in cli(*start, "--from", ONE, "--ramp", "20;40").refusal(2)
    with Outbox() as outbox, pytest.raises(InvalidOperation, match=f"ramp: {sentence}"):
        outbox.start_campaign(
            "spring", account="quick", sender=ONE, template="Hi", ramp="0,5", recipients=[{"to": "+15550000001"}]
        )
    assert [] == cli("campaign", "list", "--json").json
