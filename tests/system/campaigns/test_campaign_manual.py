"""The commands of docs/campaigns.md, run in its order with a real worker: each does what the page says."""

import csv
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline.cli import main
from paceline_worker.accounts.accounts import Accounts
from tests.conftest import Servers
from tests.support.processes import Sandbox
from tests.support.servers import SERVER_KINDS
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

PAGE = (Path(__file__).parents[3] / "docs" / "campaigns.md").read_text(encoding="utf-8")
# What the page starts before it puts somebody on a suppression list.
STARTED = ("reminders", "orders", "spring", "winter")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def complete(stack: Stack, name: str) -> bool:
    campaign = stack.state.campaign(name)
    return campaign is not None and bool(campaign.completed_at_us)


def lines() -> Iterator[str]:
    for block in blocks("sh"):
        yield from block.replace("\\\n", " ").strip().splitlines()


def run(line: str) -> int:
    """In this process: a command needs a tenth of the time that way."""
    if line.startswith("paceline "):
        return main(shlex.split(line)[1:])
    return subprocess.run(["bash", "-c", line], check=False, timeout=200).returncode


def test_a_campaign_from_the_list_to_the_export(
    servers: Servers,
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No command fails, and the sandbox has exactly what the recipients of the page were to get."""
    monkeypatch.chdir(tmp_path)
    [people] = blocks("csv")
    (tmp_path / "people.csv").write_text(people)
    (tmp_path / "optouts.txt").write_text("+15550600008\n+15550600009\n")
    with Stack(servers.get(SERVER_KINDS[0]), sandbox) as stack:
        stack.client.flushall()
        stack.scenario()
        stack.name = "acme"
        stack.add_account("1200/minute")
        stack.start_worker()
        for name, value in stack.environment.items():
            monkeypatch.setenv(name, value)
        before = len(stack.arrivals())
        for line in lines():
            if line.startswith("paceline suppress add"):  # as people do it: after what was started has left
                wait_until(
                    lambda: all(complete(stack, name) for name in STARTED), PATIENCE, "what was started has left"
                )
            if line.startswith("paceline campaign start welcome"):  # its four messages wait until they are changed
                Accounts(stack.client).suspend(stack.name)
            assert run(line) == 0, (line, capsys.readouterr())
            if line.startswith("paceline campaign change welcome"):
                Accounts(stack.client).resume(stack.name)
        stack.wait_for(lambda books: books.inbox == 0 and books.waiting == 0, "everything has left")
        arrivals = stack.arrivals()[before:]
    bodies = [arrival["body"] for arrival in arrivals if arrival["path"].endswith("/whatsapp/send-message")]
    texts = [(body["to_number"], body["text"]) for body in bodies]
    other = Counter(f"{one['method']} {one['path'].split('/open/')[-1].split('/')[0]}" for one in arrivals)
    names = {"+15550600001": "Ana", "+15550600002": "there", "+15550600003": "Cy", "+15550600004": "Di"}
    expected = sorted((to, f"Hello {name}, sale until Friday!") for to, name in names.items())
    assert expected == sorted((to, text) for to, text in texts if text.startswith("Hello"))
    assert not [text for _, text in texts if "{" in text]
    # A check and an SMS and an official template for each row, and a deletion for each message of spring.
    assert (4, 4) == (other["POST sms"], other["POST waba"])
    assert 4 == sum("/check-number/" in one["path"] for one in arrivals)
    assert 4 == other["DELETE whatsapp"]
    with (tmp_path / "who.csv").open(newline="") as file:
        assert ["true"] * 4 == [row["on_whatsapp"] for row in csv.DictReader(file)]
    with (tmp_path / "spring.csv").open(newline="") as file:
        assert [(f"c-100{number}", "accepted") for number in range(1, 5)] == sorted(
            (row["key"], row["outcome"]) for row in csv.DictReader(file)
        )
