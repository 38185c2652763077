"""F22 to F25, F30: more due than can be sent, too little machine, a slow provider, a herd, and a worker without a way out."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from paceline_worker.accounts.accounts import Accounts
from tests.faults.invariants import while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.world import TEXT_CANARY, Fleet, World, world
from tests.support.processes import spawn, start_worker

# What the fleet can send: so many calls at once, each as long as the provider's answer takes.
CAPACITY: Final = 8
LATENCY_S: Final = 0.2
CAN_SEND: Final = CAPACITY / LATENCY_S
PER_ACCOUNT: Final = 2.0  # calls a second
RATE: Final = "120/minute"
ROWS: Final = 400
# Of what it sends with twice as much due; and that of what its calls alone would allow, on a machine that others share.
LEAST: Final = 0.9
LEAST_OF_ALL: Final = 0.5
UNFAIR: Final = 2.0
# Of the pace of two workers, beside a third one that cannot reach the provider.
LEAST_BESIDE: Final = 0.95
NOWHERE: Final = "http://127.0.0.1:9/open"
_SETTLING_S: Final = 4.0
_BUSY: Final = "while True: pass"


def overload(profile: Profile, seed: int) -> Result:
    """F22: twice, five and twenty times as much due as the fleet can send."""
    shares: dict[str, float] = {}
    wrong: list[str] = []
    with world(seed, scenario=_answers(LATENCY_S)) as built, Fleet(_capped(built), 1) as fleet:
        added: list[str] = []
        for times in (2, 5, 20):
            added += _add(built, len(added), round(times * CAN_SEND / PER_ACCOUNT) - len(added))
            time.sleep(_SETTLING_S)
            arrivals = _watch(built, profile.overload_s)
            sent = len(arrivals) / profile.overload_s
            shares[f"{times}x"] = sent / CAN_SEND
            fair_s = len(added) / CAN_SEND
            worst_s = _longest_wait_s(arrivals)
            least = max(LEAST_OF_ALL, LEAST * next(iter(shares.values())))
            wrong += [f"{times}x as much due: {sent:.0f}/s of {CAN_SEND:g}"] * (sent < least * CAN_SEND)
            wrong += [f"{times}x as much due: an account waited {worst_s:.1f} s, its share is {fair_s:.1f}"] * (
                worst_s > UNFAIR * fair_s + 1
            )
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    return _result("F22", "more due than can be sent", "2, 5, 20 times", wrong + unwell, violations, shares)


def starved(profile: Profile, seed: int) -> Result:
    """F23: busy loops on every core, and the state server stands still for a second in every ten."""
    with world(seed, scenario=_answers(LATENCY_S)) as built, Fleet(_capped(built), 1) as fleet, ExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory()))
        _add(built, 0, round(2 * CAN_SEND / PER_ACCOUNT))
        time.sleep(_SETTLING_S)
        for number in range(os.cpu_count() or 1):
            stack.callback(spawn([sys.executable, "-c", _BUSY], {}, logs / f"{number}.log").kill)
        stopping = threading.Event()
        freezer = threading.Thread(target=_freeze, args=(built.server.pid, stopping), daemon=True)
        freezer.start()
        arrivals = _watch(built, max(20.0, profile.overload_s))
        stopping.set()
        freezer.join()
        gap_s = max((later - earlier for earlier, later in pairwise(sorted(at for at, _ in arrivals))), default=99.0)
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    sent = len(arrivals) / max(20.0, profile.overload_s)
    wrong = [f"nothing arrived for {gap_s:.1f} s"] * (gap_s > 5)
    return _result(
        "F23",
        "busy cores, state server stands still 1 s in 10",
        f"{sent:.0f}/s",
        wrong + unwell,
        violations,
        {"of what it can": sent / CAN_SEND},
    )


def slow_provider(profile: Profile, seed: int) -> Result:
    """F24: the provider takes 2 s, then 14 s, to answer; the deadline is 15 s."""
    shares: dict[str, float] = {}
    wrong: list[str] = []
    with (
        world(seed, scenario=_answers(2.0)) as built,
        Fleet({**_capped(built), "PACELINE_HTTP_DEADLINE": "15"}, 1) as fleet,
    ):
        _add(built, 0, 20)
        for latency_s in (2.0, 14.0):
            built.sandbox.put_scenario(_answers(latency_s))
            time.sleep(_SETTLING_S + latency_s)
            watched_s = max(profile.overload_s, 3 * latency_s)
            sent = len(_watch(built, watched_s)) / watched_s
            shares[f"{latency_s:g} s"] = sent * latency_s / CAPACITY
            wrong += [f"with {latency_s:g} s {sent:.1f}/s"] * (
                sent < LEAST_OF_ALL * (CAPACITY / latency_s) - 1 / watched_s * CAPACITY
            )
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    return _result("F24", "slow provider", "2 s and 14 s", wrong + unwell, violations, shares)


def herd(profile: Profile, seed: int) -> Result:
    """F25: many accounts are released at the same moment."""
    with (
        world(seed, scenario=_answers(0.05)) as built,
        Fleet({**built.environment, "PACELINE_CAPACITY": "100"}, 1) as fleet,
    ):
        names = _add(built, 0, profile.herd, rows=2, suspended=True)
        accounts = Accounts(built.client)
        began_s, slowest_s = time.time(), 0.0
        for name in names:
            before_s = time.monotonic()
            accounts.resume(name)
            slowest_s = max(slowest_s, time.monotonic() - before_s)
        deadline = time.monotonic() + 60 + profile.herd / 20
        met: set[str] = set()
        while len(met) < len(names) and time.monotonic() < deadline:
            time.sleep(0.5)
            met = {str(arrival["key"]) for arrival in built.sandbox.arrivals()}
        took_s = time.time() - began_s
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    wrong = [f"{len(names) - len(met)} accounts have sent nothing after {took_s:.0f} s"] * (len(met) < len(names))
    wrong += [f"the state server was held up for {slowest_s:.1f} s"] * (slowest_s > 1)
    return _result(
        "F25",
        "accounts released at once",
        f"{len(names)}",
        wrong + unwell,
        violations,
        {"all heard after s": took_s, "slowest call s": slowest_s},
    )


def without_a_way_out(profile: Profile, seed: int) -> Result:
    """F30: a third worker that cannot reach the provider; the other two send as much as without it."""
    sent: dict[str, int] = {"pair": 0, "beside": 0}
    with world(seed, scenario=_answers(LATENCY_S)) as built, Fleet(_capped(built), 2) as fleet:
        _add(built, 0, round(4 * CAN_SEND / PER_ACCOUNT))
        time.sleep(_SETTLING_S)
        for _ in range(profile.ways):
            sent["pair"] += len(_watch(built, profile.overload_s))
            lost = start_worker({**_capped(built), "PACELINE_API_BASE": NOWHERE})
            lost.wait_for_line("cannot reach the provider")
            sent["beside"] += len(_watch(built, profile.overload_s))
            lost.stop()
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    share = sent["beside"] / max(1, sent["pair"])
    wrong = [f"two workers send {share:.0%} of their pace beside one without a way out"] * (share < LEAST_BESIDE)
    size = f"{profile.ways} x {profile.overload_s:g} s each"
    return _result(
        "F30",
        "one of three workers cannot reach the provider",
        size,
        wrong + unwell,
        violations,
        {**sent, "share": share},
    )


def _answers(latency_s: float) -> dict[str, Any]:
    return {
        "defaults": {"limits": [RATE], "algorithm": "spacing"},
        "latency_ms": round(latency_s * 1000),
        "serial_senders": False,
    }


def _capped(built: World) -> dict[str, str]:
    return {**built.environment, "PACELINE_CAPACITY": str(CAPACITY)}


def _add(built: World, first: int, count: int, *, rows: int = ROWS, suspended: bool = False) -> list[str]:
    """Accounts with a backlog that outlasts the run."""
    names = [f"a{number}" for number in range(first, first + count)]
    recipients = [{"to": f"+1555{row:07d}"} for row in range(rows)]
    for name in names:
        built.add_account(name, RATE)
        if suspended:
            Accounts(built.client).suspend(name)
        number = int(name[1:])
        built.outbox.start_campaign(
            name, account=name, sender=f"+1555{number:07d}", template=TEXT_CANARY, recipients=recipients
        )
    while int(built.state.fleet().inbox):
        time.sleep(0.1)
    return names


def _watch(built: World, seconds: float) -> Sequence[tuple[float, str]]:
    """What arrived within a stretch of time: seconds and key."""
    began_us = time.time() * 1e6
    time.sleep(seconds)
    ended_us = began_us + seconds * 1e6
    return [(a["at_us"] / 1e6, str(a["key"])) for a in built.sandbox.arrivals() if began_us <= a["at_us"] <= ended_us]


def _longest_wait_s(arrivals: Sequence[tuple[float, str]]) -> float:
    """The longest time between two calls of one account, of those that made two."""
    by_key: dict[str, list[float]] = {}
    for at, key in sorted(arrivals):
        by_key.setdefault(key, []).append(at)
    return max((later - earlier for times in by_key.values() for earlier, later in pairwise(times)), default=0.0)


def _freeze(pid: int, stopping: threading.Event) -> None:
    while not stopping.wait(9.0):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1.0)
        os.kill(pid, signal.SIGCONT)


def _result(
    fault: str, what: str, size: str, wrong: Sequence[str], violations: int, figures: dict[str, float]
) -> Result:
    failures = (*wrong, *[f"{violations} calls against the pace"] * bool(violations))
    return Result(fault, what, size, violations=violations, figures=figures, failures=failures)
