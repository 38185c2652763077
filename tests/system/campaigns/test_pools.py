"""Campaigns for several senders, with real workers: what the sandbox's log says about who wrote to whom."""

import os
from collections import Counter
from datetime import timedelta

import pytest

from tests.conftest import Servers
from tests.support.processes import Sandbox
from tests.support.servers import SERVER_KINDS
from tests.support.stack import Stack

pytestmark = [pytest.mark.system]

# The rule holds for any number; 10,000 of them take minutes.
RECIPIENTS = int(os.environ.get("PACELINE_TEST_RECIPIENTS", "400"))
PATIENCE = timedelta(seconds=150 + RECIPIENTS / 10)
SENDERS = [f"+1555010010{digit}" for digit in range(4)]


@pytest.mark.timeout(300 + RECIPIENTS)
def test_each_recipient_keeps_its_sender_and_a_banned_one_loses_nobody(servers: Servers, sandbox: Sandbox) -> None:
    """Two campaigns over four numbers; in the middle of the second one of the numbers is banned."""
    rows = [{"to": f"+1555{number:07d}"} for number in range(RECIPIENTS)]
    with Stack(servers.get(SERVER_KINDS[0]), sandbox) as stack:
        stack.client.flushall()
        stack.scenario(latency_ms=0)
        stack.add_account("60000/minute")
        stack.start_worker()
        first = stack.outbox.start_campaign(
            "first", account=stack.name, sender=SENDERS, template="first", recipients=rows
        )
        stack.settled(RECIPIENTS, PATIENCE)
        assert first.progress().complete
        kept = sender_by_recipient(stack, "first")
        assert (RECIPIENTS, set(SENDERS)) == (len(kept), set(kept.values()))

        banned, before = SENDERS[1], Counter(kept.values())[SENDERS[1]] // 2
        entry = {"number": banned, "state": "banned", "from_request": before + 1}
        stack.scenario(latency_ms=0, numbers=[entry])
        second = stack.outbox.start_campaign(
            "second", account=stack.name, sender=SENDERS, template="second", recipients=rows
        )
        stack.settled(2 * RECIPIENTS, PATIENCE)
        assert RECIPIENTS == second.progress().outcomes["accepted"]
        books = stack.balance()
        assert 0 == books.unaccounted

        moved = {to: sender for to, sender in sender_by_recipient(stack, "second").items() if sender != kept[to]}
        assert {banned} == {kept[to] for to in moved}
        assert banned not in moved.values()
        assert Counter(kept.values())[banned] - before == len(moved)
        refused = [a for a in stack.arrivals() if a["body"].get("text") == "second" and not a["accepted"]]
        assert {banned} == {arrival["body"]["from_number"] for arrival in refused}
        assert len(refused) < 10


def sender_by_recipient(stack: Stack, text: str) -> dict[str, str]:
    """Who wrote a text to whom, by what took effect: nobody twice."""
    told = [a["body"] for a in stack.arrivals() if a["accepted"] and a["body"].get("text") == text]
    found = {body["to_number"]: body["from_number"] for body in told}
    assert len(told) == len(found) == RECIPIENTS
    return found
