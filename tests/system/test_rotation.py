"""An account gets another key in the middle of a campaign, and the provider forgets the old one."""

import subprocess
import sys

import pytest

from tests.support.stack import Stack, canary_environment

pytestmark = [pytest.mark.system]

NEW_KEY = "UAKnew-5b1d"


def rotate(stack: Stack, key: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "paceline.cli", "accounts", "rotate", stack.name],
        env={**canary_environment(), **stack.environment},
        input=key,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_key_is_exchanged_under_load(stack: Stack) -> None:
    """Every message arrives once: the first ones with the old key, the others with the new one, no call is refused."""
    stack.add_account("1200/minute")
    stack.start_worker()
    for number in range(80):
        stack.send(number)
    stack.settled(20)
    done = rotate(stack, NEW_KEY)
    assert (0, f"Account {stack.name} has its new key.\n") == (done.returncode, done.stdout), done.stderr
    stack.settled(80)
    calls = [one for one in stack.sandbox.arrivals() if one["key"] in (stack.name, NEW_KEY) and one["method"] == "POST"]
    assert {f"message {number}": 1 for number in range(80)} == {
        text: sum(one["body"]["text"] == text for one in calls) for text in (one["body"]["text"] for one in calls)
    }
    keys = [one["key"] for one in sorted(calls, key=lambda one: int(one["at_us"]))]
    last_old = max(place for place, key in enumerate(keys) if key == stack.name)
    first_new = keys.index(NEW_KEY)
    assert last_old - first_new <= 20  # calls of other senders that were under way
    assert 20 <= keys.count(stack.name) < 80
    assert {"accepted": 80} == {name: number for name, number in stack.balance().outcomes.items() if number}


def test_an_account_whose_key_was_refused_goes_on_with_a_new_one(stack: Stack) -> None:
    """The backlog leaves as soon as there is a key that works; one that does not is not taken."""
    stack.scenario(accept_unknown_keys=False, keys=[{"key": NEW_KEY}])
    stack.add_account()
    stack.start_worker()
    first = stack.send(1)
    stack.wait_for(lambda _: bool(suspended(stack)), "the account is suspended")
    stack.send(2)
    assert "bad_key" in suspended(stack)
    done = rotate(stack, "UAKwrong")
    assert 1 == done.returncode
    assert "the provider refuses this API key (401)" in done.stderr
    assert "bad_key" in suspended(stack)
    assert 0 == rotate(stack, NEW_KEY).returncode
    stack.settled(2)
    assert "accepted" == stack.outbox.status(first.id).state


def suspended(stack: Stack) -> str:
    found = stack.state.account(stack.name)
    return str(found["account"].get("suspended") or "") if found else ""
