"""The simulation of a large fleet, in small: failures show where they should and nowhere else, and one seed is one fleet."""

import json
from dataclasses import replace

import pytest
from benchmarks.simulate import Setup, main, simulate

SMALL = Setup(accounts=400, shards=8, servers=4, workers=6, seconds=80)
CALM = 0.99


def test_one_seed_is_one_fleet() -> None:
    """The same setup gives the same report; another seed another one."""
    small = replace(SMALL, accounts=100)
    assert simulate(small) == simulate(small)
    assert simulate(small) != simulate(replace(small, seed=2))


def test_a_failed_server_costs_its_own_accounts_and_no_others() -> None:
    """Shards of other servers do not miss a slot; the failed one's lose the failover and an interval, and keep their limits."""
    report = simulate(SMALL)
    assert report.share_untouched > CALM
    assert report.fairness > CALM
    away = (SMALL.failover_s + 2 * 6) / (SMALL.seconds - 6)
    assert 1 - away - 0.05 < report.share_server < CALM
    assert report.poorest > 1 - away - 0.1
    assert report.violations == 0


def test_a_longer_failover_costs_more() -> None:
    """Twice the time away, about twice the loss."""
    short, long = (simulate(replace(SMALL, failover_s=seconds)).share_server for seconds in (5, 25))
    assert long < short - 0.15


def test_half_of_the_workers_are_replaced_within_two_seconds() -> None:
    """Shards of lost granters have another one, spread over the rest; only operations that were held then come back later."""
    report = simulate(SMALL)
    median, longest = report.takeover_s
    assert 0 < median <= longest <= 2.25  # the lease, and a look of whoever stands by
    assert report.granters <= 4
    assert report.given_back < 40


def test_a_server_that_carries_too_much_shows() -> None:
    """One core that is full moves slots, and every account gets the same part of the rest."""
    report = simulate(replace(SMALL, servers=1, failover_s=0, state_ms=30.0, seconds=60))
    assert report.server_busy > 0.9
    assert report.moved > 0.5 * report.sent
    assert report.violations == 0


def test_it_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object; bad usage ends with code 2."""
    assert (
        main(["--accounts", "20", "--shards", "2", "--servers", "2", "--workers", "2", "--seconds", "20", "--json"])
        == 0
    )
    assert {"sent", "share", "takeover_s", "violations"} <= set(json.loads(capsys.readouterr().out))
    with pytest.raises(SystemExit) as ended:
        main(["--servers", "0"])
    assert ended.value.code == 2
