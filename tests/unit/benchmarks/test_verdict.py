"""Judging a run of a fleet: from the stub's log and the costs to shares and missed bars."""

import hashlib
from dataclasses import replace

import pytest
from benchmarks.arrivals import Arrivals
from benchmarks.costs import Costs, SlowScripts, script_name
from benchmarks.load import Run
from benchmarks.overload import missed_bars
from benchmarks.verdict import Result, judge

from paceline.state.scripts import source

SECOND = 1_000_000
QUIET = SlowScripts(over_5_ms=0, over_10_ms=0, slowest_ms=0, slowest="", worst_ms={}, events={})


def costs(at_s: float) -> Costs:
    return Costs(
        at_us=round(at_s * SECOND),
        worker_s=0,
        state_s=0,
        stub_s=0,
        machine_s=0,
        commands=0,
        deferrals={},
        given_back=0,
    )


def log_of(accounts: dict[str, list[float]]) -> Arrivals:
    log = Arrivals(list(accounts))
    for owner, times in enumerate(accounts.values()):
        for number, at_s in enumerate(times):
            log.times_us.append(round(at_s * SECOND))
            log.owners.append(owner)
            log.digests.append(number)
    return log


def judged(run: Run, log: Arrivals, before: Costs, after: Costs) -> Result:
    return judge(run, log, before, after, log_us=(0, 100 * SECOND), scripts=QUIET, not_accepted=0)


def test_a_fleet_that_sends_all_it_may_has_its_whole_share() -> None:
    """Two accounts at 60/minute, a message each second, in a measurement of 60 s."""
    log = log_of({"a": list(range(100)), "b": [number + 0.5 for number in range(100)]})
    after = replace(costs(80), worker_s=0.12, commands=8400, deferrals={"missed": 5}, given_back=1)

    result = judged(Run(accounts=2, rate="60/minute"), log, costs(20), after)

    assert (2, 2, 1) == pytest.approx((result.allowed_per_s, result.sent_per_s, result.share))
    assert (1, 1, 1) == pytest.approx((result.p1, result.p2, result.poorest))
    assert (1, 70) == pytest.approx((result.worker_ms, result.commands))
    assert 6 / 126 == pytest.approx(result.given_back)
    assert (0, 0) == (result.violations, result.doubled)


def test_an_account_that_never_sent_is_the_poorest() -> None:
    """It is not in the log, and counts all the same."""
    result = judged(Run(accounts=2, rate="60/minute"), log_of({"a": list(range(100))}), costs(20), costs(80))

    assert 0.5 == pytest.approx(result.share)
    assert (0, 0) == (result.p1, result.poorest)


def test_an_account_without_backlog_spoils_the_figures() -> None:
    """It sent all that it was given, so its share says nothing of the fleet."""
    run = Run(accounts=2, rate="60/minute")
    log = log_of({"a": list(range(run.rows)), "b": list(range(run.rows - 1))})
    result = judged(run, log, costs(20), costs(80))
    assert 1 == result.ran_dry
    assert ["1 accounts had nothing left to send, so its figures tell nothing"] == missed_bars(result, None)


def test_violations_before_the_measurement_count() -> None:
    """A limit holds also while the fleet warms up."""
    run = Run(accounts=1, rate="60/minute", pacing="spacing")

    result = judged(run, log_of({"a": [1, 1.5, *range(20, 100)]}), costs(20), costs(80))

    assert 1 == result.violations


def test_a_release_is_judged_from_its_instant() -> None:
    """Nothing before, full pace from 5 s after; the last of both accounts sends first at 5.5 s."""
    log = log_of({"a": list(range(25, 100)), "b": [number + 0.5 for number in range(25, 100)]})
    run = Run(accounts=2, rate="60/minute", released_together=True)

    result = judged(run, log, costs(20), costs(80))

    assert (4.6, 5.5) == pytest.approx((result.full_pace_s, result.all_sent_s), abs=0.5)


def test_a_step_that_meets_its_bars_misses_none() -> None:
    """And each that it does not meet is named."""
    good = judged(Run(accounts=1, rate="60/minute"), log_of({"a": list(range(85))}), costs(20), costs(80))
    slow = replace(QUIET, over_10_ms=1, slowest_ms=12.0, slowest="grant")
    bad = replace(good, sent_per_s=0.9, violations=1, doubled=1, given_back=0.01, poorest=0.4, scripts=slow)

    assert [] == missed_bars(good, None)
    assert [] == missed_bars(replace(good, sent_per_s=0.96), good)
    assert 6 == len(missed_bars(bad, good))


def test_a_slow_call_is_named_after_its_script() -> None:
    """Called by digest or by text; other commands are not scripts."""
    text = source("paceline_worker", "grant")
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    assert "grant" == script_name(f"EVALSHA {digest} 1 root 500")
    assert "grant" == script_name(f"EVAL {text[:100]}... (9999 more bytes) 1")
    assert "" == script_name("HGETALL paceline")
    assert "someone-elses" == script_name("FCALL someone-elses 1 root")
