"""A worker that cannot reach the provider: its own trouble, and nobody else's."""

import socket
from collections import Counter

import pytest

from tests.support.celery_tools import ask, figures_when
from tests.support.proxy import Proxy
from tests.support.shell import paceline
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

# Nobody listens there.
NOWHERE = "http://127.0.0.1:9/open"
MESSAGES = 60


def test_one_worker_without_a_way_out_keeps_nobody_up(stack: Stack) -> None:
    """The others send everything, no attempt is spent, no breaker opens, and the fleet says what is wrong with whom."""
    stack.add_account("6000/minute")
    lost = stack.start_worker(PACELINE_API_BASE=NOWHERE)
    receipts = [stack.send(number) for number in range(MESSAGES // 2)]
    lost.wait_for_line(r"cannot reach the provider.*error=.*Connect call failed")
    stack.start_worker()
    receipts += [stack.send(number) for number in range(MESSAGES // 2, MESSAGES)]
    stack.settled(MESSAGES)
    assert Counter({f"message {number}": 1 for number in range(MESSAGES)}) == stack.texts_accepted()
    assert {0} == {stack.outbox.status(receipt.id).attempts for receipt in receipts}
    assert stack.account().breaker is None
    fleet = stack.state.fleet()
    assert (1, 1, None) == (fleet.workers, fleet.unreachable, fleet.provider_breaker_until_us)


def test_a_worker_comes_back_by_itself(stack: Stack) -> None:
    """The log says when the way was lost and when it was found again; a person's pause is not undone by it."""
    stack.add_account("6000/minute")
    with Proxy(int(stack.sandbox.origin.rpartition(":")[2])) as way:
        worker = stack.start_worker(PACELINE_API_BASE=f"http://127.0.0.1:{way.port}/open")
        stack.send(1)
        stack.settled(1)
        way.refuse()
        way.cut()
        receipt = stack.send(2)
        figures_when(stack, worker, provider_reachable=False, paused=True)
        wait_until(lambda: not stack.state.fleet().workers, PATIENCE, "a fleet without it")
        assert "No worker can reach the provider" in paceline(stack.environment, "explain", receipt.id).out
        way.pass_through()
        worker.wait_for_line("reaches the provider again")
        stack.settled(2)
        way.refuse()
        way.cut()
        stack.send(3)
        figures_when(stack, worker, provider_reachable=False)
        ask(stack, worker, "paceline_pause")
        way.pass_through()
        figures_when(stack, worker, provider_reachable=True, paused=True)
        ask(stack, worker, "paceline_resume")
        stack.settled(3)
    assert Counter({f"message {number}": 1 for number in (1, 2, 3)}) == stack.texts_accepted()
    wait_until(lambda: not stack.state.fleet().unreachable, PATIENCE, "an empty list of the unreachable")


def test_calls_go_through_the_proxy_that_the_environment_names(stack: Stack) -> None:
    """The provider's name is known to the proxy only; a proxy that asks for a password makes the worker step back."""
    stack.add_account("6000/minute")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        base = {"PACELINE_API_BASE": "http://provider.corp.invalid/open"}
        sandbox = stack.sandbox.origin.removeprefix("http://")
        stack.start_worker(**base, HTTP_PROXY=f"http://127.0.0.1:{nobody.getsockname()[1]}", NO_PROXY="")
        stack.send(1)
        wait_until(lambda: stack.state.fleet().unreachable, PATIENCE, "a worker that steps back")
        stack.start_worker(**base, HTTP_PROXY=f"http://user:secret@{sandbox}", NO_PROXY="other.example")
        stack.settled(1)
    assert Counter({"message 1": 1}) == stack.texts_accepted()
