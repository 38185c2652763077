"""More work, more load or more distance makes a fleet slower, never wrong and never stuck. Judged from the stub's own log.

Short runs of benchmarks/fleet.py: no figure of a quiet machine is asked for, only that nothing collapses.
"""

from dataclasses import replace
from typing import Final

import psutil
import pytest
from benchmarks.fleet import measure
from benchmarks.load import Run
from benchmarks.verdict import Result

from paceline_worker.accounts.accounts import Accounts
from tests.support.celery_tools import figures_when
from tests.support.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

# On one worker, more than it can send by far. The other processes of the tests keep the second core busy.
OVERLOAD: Final = Run(accounts=300, rate="300/minute", seconds=4, warm_up_s=4, busy_loops=1, forked=True)


def nothing_is_wasted(result: Result) -> None:
    """No call was doubled, no limit broken, and what was granted was sent."""
    assert (0, 0) == (result.violations, result.doubled)
    assert result.given_back < 0.01, result


def shares_are_fair(result: Result, run: Run) -> None:
    """The poorest accounts have at least half of what all have on average, but for the call that the edges of the window cut."""
    each = result.sent_per_s * run.seconds / run.accounts
    assert result.poorest * each + 1 >= 0.5 * each, result


def of_its_cores(result: Result) -> float:
    """Operations that a second of the fleet's CPU sends."""
    return result.sent_per_s / (result.worker_cores + result.state_cores)


def test_more_due_work_is_no_less_sent_work() -> None:
    """300 accounts, due 1,500 a second, beside a busy loop: at least what 40 get without, but for the noise; in equal shares."""
    few = measure(replace(OVERLOAD, accounts=40, seconds=3, warm_up_s=2, busy_loops=0))
    many = measure(OVERLOAD)
    for result in (few, many):
        nothing_is_wasted(result)
    # A machine that others fill meanwhile leaves the second fleet less of its cores: then its cores are what counts.
    full = many.worker_cores + many.state_cores + many.other_cores >= 0.9 * psutil.cpu_count()
    assert many.sent_per_s >= few.sent_per_s * 0.6 or (full and of_its_cores(many) >= of_its_cores(few) * 0.6), (
        few,
        many,
    )
    shares_are_fair(many, OVERLOAD)


def test_a_large_capacity_makes_no_difference() -> None:
    """A worker takes on what it gets to its slots, however much it might: nothing waits in it until its leases run out."""
    result = measure(replace(OVERLOAD, capacity=2000))
    nothing_is_wasted(result)
    shares_are_fair(result, OVERLOAD)


@pytest.mark.parametrize("round_trip_ms", [(160.0, 160.0), (50.0, 300.0)], ids=["distant", "varying"])
def test_a_distant_state_server_costs_latency_and_no_pace(round_trip_ms: tuple[float, float]) -> None:
    """It was: no call at all, for ever."""
    run = Run(
        accounts=6, rate="60/minute", senders=2, seconds=12, warm_up_s=6, round_trip_ms=round_trip_ms, forked=True
    )
    result = measure(run)
    nothing_is_wasted(result)
    assert result.share >= 0.8, result


def test_another_worker_grants_when_the_one_that_grants_is_killed(stack: Stack) -> None:
    """SIGKILL: the other takes over, and everything that waited is sent once."""
    stack.add_account()
    first, second = stack.start_worker(), stack.start_worker()
    figures_when(stack, first, granter=True)
    figures_when(stack, second, granter=False, granting=True, fleet_workers=2)
    first.kill()
    figures_when(stack, second, granter=True)
    for number in range(20):
        stack.send(number)
    assert 20 == stack.settled(20).outcomes["accepted"]


def test_a_worker_that_stops_hands_granting_over_at_once(stack: Stack) -> None:
    """In order: nobody waits for its time to be over."""
    stack.add_account()
    first, second = stack.start_worker(), stack.start_worker()
    figures_when(stack, first, granter=True)
    assert 0 == first.stop()
    figures_when(stack, second, granter=True, fleet_workers=1)
    Accounts(stack.client).suspend(stack.name)
    stack.send(1)
    Accounts(stack.client).resume(stack.name)
    assert 1 == stack.settled(1).outcomes["accepted"]
