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


def test_a_key_is_exchanged_under_load(served: Stack) -> None:
    """Every message arrives once: the first ones with the old key, the others with the new one, no call is refused."""
    served.add_account("1200/minute")
    for number in range(80):
        served.send(number)
    served.settled(20)
    done = rotate(served, NEW_KEY)
    assert (0, f"Account {served.name} has its new key.\n") == (done.returncode, done.stdout), done.stderr
    served.settled(80)
    calls = [
        one for one in served.sandbox.arrivals() if one["key"] in (served.name, NEW_KEY) and one["method"] == "POST"
    ]
    assert {f"message {number}": 1 for number in range(80)} == {
        text: sum(one["body"]["text"] == text for one in calls) for text in (one["body"]["text"] for one in calls)
    }
    keys = [one["key"] for one in sorted(calls, key=lambda one: int(one["at_us"]))]
    last_old = max(place for place, key in enumerate(keys) if key == served.name)
    first_new = keys.index(NEW_KEY)
    assert last_old - first_new <= 20  # calls of other senders that were under way
    assert 20 <= keys.count(served.name) < 80
    assert {"accepted": 80} == {name: number for name, number in served.balance().outcomes.items() if number}


def test_an_account_whose_key_was_refused_goes_on_with_a_new_one(served: Stack) -> None:
    """The backlog leaves as soon as there is a key that works; one that does not is not taken."""
    served.scenario(accept_unknown_keys=False, keys=[{"key": NEW_KEY}])
    served.add_account()
    first = served.send(1)
    served.wait_for(lambda _: bool(suspended(served)), "the account is suspended")
    served.send(2)
    assert "bad_key" in suspended(served)
    done = rotate(served, "UAKwrong")
    assert 1 == done.returncode
    assert "the provider refuses this API key (401)" in done.stderr
    assert "bad_key" in suspended(served)
    assert 0 == rotate(served, NEW_KEY).returncode
    served.settled(2)
    assert "accepted" == served.outbox.status(first.id).state


def suspended(stack: Stack) -> str:
    found = stack.state.account(stack.name)
    return str(found["account"].get("suspended") or "") if found else ""
