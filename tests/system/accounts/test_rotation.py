"""An account gets another key in the middle of a campaign, and the provider forgets the old one."""

import json
import signal
import subprocess
import sys
from collections import Counter

import pytest

from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from tests.support.shell import Ended, paceline
from tests.support.stack import SECRET, Stack

pytestmark = [pytest.mark.system]

NEW_KEY = "UAKnew-5b1d"


def rotate(stack: Stack, key: str) -> Ended:
    return paceline(stack.environment, "accounts", "rotate", stack.name, stdin=key)


def test_a_key_is_exchanged_under_load(served: Stack) -> None:
    """Every message arrives once: the first ones with the old key, all that is written later with the new one, none is refused."""
    served.add_account("1200/minute")
    for number in range(60):
        served.send(number)
    served.settled(20)
    assert Ended(0, f"Account {served.name} has its new key.\n", "") == rotate(served, NEW_KEY)
    for number in range(60, 100):
        served.send(number)
    served.settled(100)
    calls = [
        one for one in served.sandbox.arrivals() if one["key"] in (served.name, NEW_KEY) and one["method"] == "POST"
    ]
    assert {f"message {number}": 1 for number in range(100)} == Counter(one["body"]["text"] for one in calls)
    keys = [one["key"] for one in sorted(calls, key=lambda one: int(one["at_us"]))]
    last_old = max(place for place, key in enumerate(keys) if key == served.name)
    assert last_old - keys.index(NEW_KEY) <= 20  # calls of other senders that were under way
    assert 20 <= keys.count(served.name) <= 60
    assert {NEW_KEY} == {one["key"] for one in calls if int(one["body"]["text"].split()[1]) >= 60}
    assert {"accepted": 100} == {name: number for name, number in served.balance().outcomes.items() if number}


def test_an_account_whose_key_was_refused_goes_on_with_a_new_one(served: Stack) -> None:
    """The backlog leaves as soon as there is a key that works; one that does not is not taken."""
    served.scenario(accept_unknown_keys=False, keys=[{"key": NEW_KEY}])
    served.add_account()
    first = served.send(1)
    served.wait_for(lambda _: bool(suspended(served)), "the account is suspended")
    served.send(2)
    assert "bad_key" in suspended(served)
    done = rotate(served, "UAKwrong")
    assert 1 == done.code
    assert "the provider refuses this API key (401)" in done.err
    assert "bad_key" in suspended(served)
    assert 0 == rotate(served, NEW_KEY).code
    served.settled(2)
    assert "accepted" == served.outbox.status(first.id).state


def suspended(stack: Stack) -> str:
    picture = stack.state.account(stack.name)
    return (picture.account.suspended or "") if picture else ""


NEW_SECRET = "B" * 43 + "="
# A rotation that is killed when it has encrypted two of six things.
KILLED = """
import os, signal, sys
from paceline.state import connect
from paceline_worker.accounts.rotation import Rotation
from paceline_worker.accounts.secrets import KeyRing
Rotation(connect(sys.argv[1]), KeyRing(sys.argv[2])).run(lambda done: done == 2 and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_the_secret_is_exchanged_under_load(stack: Stack) -> None:
    """Every message is accepted once, and no account is suspended.

    Workers are restarted with both secrets, the rotation is killed and goes on, and the old secret is taken out.
    """
    stack.add_account("1200/minute")
    for number in range(4):
        Accounts(stack.client).add(f"quiet-{number}", ApiKey(f"quiet-{number}"), ring=KeyRing(SECRET), rates="1/minute")
    first = stack.start_worker()
    both = {"PACELINE_SECRET_KEY": f"{NEW_SECRET},{SECRET}"}
    for number in range(50):
        stack.send(number)
    stack.settled(10)
    refused = paceline(stack.environment | both, "secret", "rotate")
    assert 1 == refused.code
    assert "1 live workers do not have the newest secret" in refused.err
    stack.start_worker(**both)
    first.stop()
    for number in range(50, 100):
        stack.send(number)

    killed = subprocess.run(
        [sys.executable, "-c", KILLED, stack.server.url, both["PACELINE_SECRET_KEY"]], check=False, timeout=60
    )
    assert -signal.SIGKILL == killed.returncode
    half = paceline(stack.environment | both, "secret", "rotate", "--status", "--json")
    assert (2, 4) == (json.loads(half.out)["newest"], json.loads(half.out)["older"])
    for number in range(100, 130):
        stack.send(number)
    done = paceline(stack.environment | both, "secret", "rotate")
    assert 0 == done.code, done
    assert "6 of 6 are encrypted under the newest secret" in done.out
    last = stack.start_worker(PACELINE_SECRET_KEY=NEW_SECRET)
    stack.workers[1].stop()
    for number in range(130, 150):
        stack.send(number)
    stack.settled(150)
    assert {f"message {number}": 1 for number in range(150)} == stack.texts_accepted()
    assert {"accepted": 150} == {name: number for name, number in stack.balance().outcomes.items() if number}
    assert "" == suspended(stack)
    last.stop()
