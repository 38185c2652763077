"""F22 to F24: more due than can be sent, too little machine, and a slow provider.

What is sent is compared with what the same fleet sends when only as much is due as it can send, in stretches that alternate.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from paceline_sandbox.embedded import AppendFsync
from tests.faults.backlog import (
    BASE,
    CAN_SEND,
    CAPACITY,
    LATENCY_S,
    LEAST,
    SETTLING_S,
    UNFAIR,
    Backlog,
    alternating,
    answers,
    calls_between,
    capped,
    length_s,
    let_go,
    unfair,
    watch,
)
from tests.faults.fleet import Fleet
from tests.faults.invariants import while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.world import World, world
from tests.faults.yardstick import Stretch, share
from tests.support.processes import spawn

_TIMES: Final = (2, 5, 20)
_BUSY: Final = "while True: pass"
# Writes and syncs as fast as the disk can, as a neighbour on the same disk does.
_SYNCING: Final = """
import os, sys
with open(sys.argv[1], "wb") as file:
    while True:
        file.seek(0)
        file.write(bytes(1 << 21))
        file.flush()
        os.fsync(file.fileno())
"""
_FREEZE_EVERY_S: Final = 10.0
_FROZEN_S: Final = 1.0
_LONGEST_GAP_S: Final = 5.0


def overload(profile: Profile, seed: int) -> Result:
    """F22: twice, five and twenty times as much due as the fleet can send."""
    figures: dict[str, float] = {}
    wrong: list[str] = []
    with world(seed, scenario=answers(LATENCY_S)) as built, Fleet(capped(built), 1) as fleet:
        backlog = Backlog(built)
        backlog.add(
            BASE,
            (max(_TIMES) - 1) * BASE,
            seconds=len(_TIMES) * length_s(profile.overload_s, profile.turns),
        )
        time.sleep(SETTLING_S)
        for times in _TIMES:
            more = backlog.more[: (times - 1) * BASE]
            wrong += _compared(built, backlog, more, f"{times}x", profile, figures)
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    return result("F22", "more due than can be sent", "2, 5, 20 times", wrong + unwell, violations, figures)


def starved(profile: Profile, seed: int) -> Result:
    """F23: busy loops on every core, a state server that stands still for a second in every ten, and a slow disk."""
    figures: dict[str, float] = {}
    wrong: list[str] = []
    violations = 0
    for appendfsync in ("everysec", "always"):
        with _hurt(profile, seed, appendfsync) as (built, fleet, backlog):
            name = f"2x, busy, {appendfsync}"
            wrong += _compared(built, backlog, backlog.more, name, profile, figures)
            if appendfsync == "everysec":
                wrong += _standing_still(built, backlog, profile, figures)
            violations += built.violations()
            wrong += while_loaded(built, fleet)
    size = "busy loops on each core; a disk that syncs all the time; 1 s in 10"
    return result("F23", "busy cores, slow disk, state server stands still", size, wrong, violations, figures)


def slow_provider(profile: Profile, seed: int) -> Result:
    """F24: the provider takes 2 s, then 14 s, to answer; the deadline is 15 s. So many calls as may be are under way."""
    figures: dict[str, float] = {}
    wrong: list[str] = []
    with (
        world(seed, scenario=answers(2.0)) as built,
        Fleet({**capped(built), "PACELINE_HTTP_DEADLINE": "15"}, 1) as fleet,
    ):
        backlog = Backlog(built)
        backlog.add(BASE, seconds=2 * length_s(profile.overload_s, 1) + 120)
        for latency_s in (2.0, 14.0):
            built.sandbox.put_scenario(answers(latency_s))
            time.sleep(SETTLING_S + latency_s)
            stretch = watch(built, max(profile.overload_s, 6 * latency_s), lead_s=latency_s)
            busy = stretch.under_way(latency_s) / CAPACITY
            turn = unfair([stretch], backlog.base)
            figures |= {f"{latency_s:g} s": busy, f"longest turn, {latency_s:g} s": turn}
            wrong += [f"{latency_s:g} s: {busy:.0%} of {CAPACITY} calls are under way"] * (busy < LEAST)
            wrong += [f"{latency_s:g} s: an account waited {turn:.1f} of its share"] * (turn > UNFAIR)
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    return result("F24", "slow provider", "2 s and 14 s", wrong + unwell, violations, figures)


def _compared(
    built: World, backlog: Backlog, more: Sequence[str], name: str, profile: Profile, figures: dict[str, float]
) -> list[str]:
    """I11 and I12 with further accounts due."""
    beside, without = alternating(built, backlog, more, profile.overload_s, profile.turns)
    sent, turn = share(beside, without), unfair(beside, [*backlog.base, *more])
    calls = sum(one.rate for one in without) / len(without) / CAN_SEND
    figures |= {name: sent, f"longest turn, {name}": turn, f"of what calls alone allow, beside {name}": calls}
    wrong = [f"{name} as much due: {sent:.0%} of what the fleet sends with 1x"] * (sent < LEAST)
    return wrong + [f"{name}: an account waited {turn:.1f} of its share"] * (turn > UNFAIR)


def _standing_still(built: World, backlog: Backlog, profile: Profile, figures: dict[str, float]) -> list[str]:
    """The state server stands still now and then, and nobody can send then; the rest of the time is used as before."""
    with let_go(backlog, backlog.more):
        calm, frozen = [watch(built, _FREEZE_EVERY_S)], list[Stretch]()
        for _ in range(profile.turns + 1):
            frozen.append(_frozen(built))
            calm.append(watch(built, _FREEZE_EVERY_S))
    sent = share(frozen, calm)
    gap_s = max((later[0] - earlier[0] for one in frozen for earlier, later in pairwise(one.calls)), default=99.0)
    figures |= {"server stands still": sent, "longest gap s": gap_s}
    least = LEAST * (1 - _FROZEN_S / _FREEZE_EVERY_S)
    wrong = [f"a server that stands still: {sent:.0%} of what is sent without, {least:.0%} at least"] * (sent < least)
    return wrong + [f"nothing arrived for {gap_s:.1f} s"] * (gap_s > _LONGEST_GAP_S)


def _frozen(built: World) -> Stretch:
    """A stretch that begins with a state server that stands still for a second."""
    began_s = time.time()
    os.kill(built.server.pid, signal.SIGSTOP)
    time.sleep(_FROZEN_S)
    os.kill(built.server.pid, signal.SIGCONT)
    ended_s = began_s + _FREEZE_EVERY_S
    time.sleep(max(0.0, ended_s - time.time()))
    return Stretch(began_s, ended_s, calls_between(built, began_s, ended_s))


@contextmanager
def _hurt(profile: Profile, seed: int, appendfsync: AppendFsync) -> Iterator[tuple[World, Fleet, Backlog]]:
    """A fleet on busy cores; with `always` the disk is busy too."""
    with (
        world(seed, scenario=answers(LATENCY_S), appendfsync=appendfsync) as built,
        Fleet(capped(built), 1) as fleet,
        ExitStack() as stack,
    ):
        logs = Path(stack.enter_context(TemporaryDirectory()))
        backlog = Backlog(built)
        backlog.add(BASE, BASE, seconds=2 * length_s(profile.overload_s, profile.turns) + 120)
        for number in range(os.cpu_count() or 1):
            stack.callback(spawn([sys.executable, "-c", _BUSY], {}, logs / f"{number}.log").kill)
        if appendfsync == "always":
            syncing = [sys.executable, "-c", _SYNCING, str(logs / "synced")]
            stack.callback(spawn(syncing, {}, logs / "syncing.log").kill)
        time.sleep(SETTLING_S)
        yield built, fleet, backlog


def result(
    fault: str, what: str, size: str, wrong: Sequence[str], violations: int, figures: dict[str, float]
) -> Result:
    """The row of a run that ends with much left to do."""
    failures = (*wrong, *[f"{violations} calls against the pace"] * bool(violations))
    return Result(fault, what, size, violations=violations, figures=figures, failures=failures)
