"""F20, F25, F27: a giant campaign beside a small account, a herd, and a giant account beside many small ones."""

import math
import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from tests.faults.backlog import (
    BASE,
    LATENCY_S,
    LEAST,
    SETTLING_S,
    UNFAIR,
    Backlog,
    answers,
    calls_between,
    capped,
    start_campaign,
    wait_until_taken_in,
    watch,
)
from tests.faults.fleet import Fleet
from tests.faults.invariants import while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.load import result
from tests.faults.world import World, key_of, world
from tests.faults.yardstick import Stretch
from tests.support.processes import Process, spawn

GIANT_RATE: Final = "600/minute"
EACH: Final = 2
HERD_ROWS: Final = 3
BESIDE: Final = 20
BESIDE_EVERY_S: Final = 0.2
_LOOK_S: Final = 0.5
_UPLOADING: Final = """
import sys
from paceline import Outbox
recipients = ({"to": f"+1555{row:07d}"} for row in range(int(sys.argv[1])))
with Outbox() as outbox:
    outbox.start_campaign("giant", account="giant", sender="+15559999999", template="Hi", recipients=recipients)
"""


def herd(profile: Profile, seed: int) -> Result:
    """F25: many accounts are released at the same moment; what the fleet can send is measured before and after."""
    with world(seed, scenario=answers(LATENCY_S)) as built, Fleet(capped(built), 1) as fleet:
        backlog = Backlog(built)
        backlog.add(BASE, profile.herd, seconds=2 * profile.overload_s + 60, rows=HERD_ROWS)
        time.sleep(SETTLING_S)
        reference = [watch(built, profile.overload_s)]
        backlog.hold_back(backlog.base)
        time.sleep(SETTLING_S)
        slowest_s, stretch = _released(built, backlog, reference[0].rate)
        backlog.hold_back(backlog.more)
        backlog.let_go(backlog.base)
        time.sleep(SETTLING_S)
        reference.append(watch(built, profile.overload_s))
        violations = built.violations()
        unwell = while_loaded(built, fleet)
    keys = {key_of(name) for name in backlog.more}
    missing = len(keys - {key for _, key in stretch.calls})
    can_send = statistics.mean(one.rate for one in reference)
    sent, took_s = stretch.rate / can_send, stretch.ended_s - stretch.began_s
    fair_s = len(keys) / can_send
    wrong = [f"{missing} accounts have sent nothing after {took_s:.0f} s"] * bool(missing)
    wrong += [f"{sent:.0%} of what the fleet can send"] * (sent < LEAST)
    wrong += [f"the last account waited {took_s:.0f} s, its share is {fair_s:.0f}"] * (took_s > UNFAIR * fair_s)
    wrong += [f"the state server was held up for {slowest_s:.1f} s"] * (slowest_s > 1)
    figures = {"of what it can": sent, "all heard after s": took_s, "fair s": fair_s, "slowest call s": slowest_s}
    return result("F25", "accounts released at once", f"{len(keys)}", wrong + unwell, violations, figures)


def giant(profile: Profile, seed: int) -> Result:
    """F27: small accounts beside one with very many waiting, and without it, in turns."""
    small, rows = profile.crowd
    scenario = answers(LATENCY_S) | {"keys": [{"key": key_of("giant"), "limits": [GIANT_RATE]}]}
    with world(seed, scenario=scenario) as built, Fleet(capped(built), 1) as fleet:
        backlog = Backlog(built)
        backlog.add(0, small, rows=0)
        built.add_account("giant", GIANT_RATE)
        start_campaign(built, "giant", "giant", "+15559999999", rows)
        wait_until_taken_in(built)
        stretches: dict[bool, list[Stretch]] = {True: [], False: []}
        for turn in range(2 * profile.turns + 1):
            with_giant = bool(turn % 2)
            (backlog.let_go if with_giant else backlog.hold_back)(["giant"])
            stretches[with_giant].append(_heard(built, backlog, turn))
        violations = built.violations()
        wrong = while_loaded(built, fleet)
    alone, beside = stretches[False], stretches[True]
    sent = statistics.mean(one.rate for one in beside) / statistics.mean(one.rate for one in alone)
    keys = [key_of(name) for name in backlog.more]
    turn_of = max(one.longest_turn(keys, to_its_end=False) for one in beside) / (small + 1)
    figures = {
        "of what is sent alone": sent,
        "longest turn": turn_of,
        "alone s": max(one.ended_s - one.began_s for one in alone),
        "beside it s": max(one.ended_s - one.began_s for one in beside),
    }
    wrong += [f"{sent:.0%} of what is sent without it"] * (sent < LEAST)
    wrong += [f"a small account waited {turn_of:.1f} of its share"] * (turn_of > UNFAIR)
    return result("F27", "a giant beside small accounts", f"{rows} waiting, {small} small", wrong, violations, figures)


def campaign_beside(profile: Profile, seed: int) -> Result:
    """F20: a small account's messages wait no longer while a giant campaign is uploaded, and while it waits."""
    rows, _ = profile.campaign
    scenario = {"defaults": {"limits": [], "reported_per_minute": 600}, "latency_ms": 20, "serial_senders": False}
    with world(seed, scenario=scenario) as built, Fleet(built.environment, 1) as fleet:
        built.add_account("small", "1200/minute", "window")
        built.add_account("giant", "1200/minute", "window")
        waits = {"before": _waits(built)}
        upload = _upload(built, rows)
        waits["uploading"] = _waits(built)
        uploaded = upload.wait(timedelta(hours=2))
        wait_until_taken_in(built)
        waits["beside"] = _waits(built)
        violations = built.violations()
        wrong = while_loaded(built, fleet)
    before_s, worst_s = waits["before"], max(waits["uploading"], waits["beside"])
    wrong += [f"the upload ended with code {uploaded}"] * bool(uploaded)
    wrong += [f"a message waits {worst_s:.2f} s beside it, {before_s:.2f} s before"] * (worst_s > 2 * before_s + 0.5)
    figures = {f"median wait {name} s": wait_s for name, wait_s in waits.items()}
    return result("F20", "giant campaign beside a small account", f"{rows} rows", wrong, violations, figures)


def _upload(built: World, rows: int) -> Process:
    """Another service uploads the giant campaign: a thread here would take the time of those that measure."""
    log = Path(mkdtemp(prefix="paceline-upload-")) / "log"
    return spawn([sys.executable, "-c", _UPLOADING, str(rows)], built.environment, log)


def _released(built: World, backlog: Backlog, can_send: float) -> tuple[float, Stretch]:
    """The longest call that let one of the herd go, and all calls until each account was heard, or for thrice its share."""
    keys = {key_of(name) for name in backlog.more}
    began_s = time.time()
    slowest_s = backlog.let_go(backlog.more)
    patience_s = 3 * len(keys) / can_send + 30
    return slowest_s, _until_heard(built, keys, 1, began_s, patience_s)


def _heard(built: World, backlog: Backlog, turn: int) -> Stretch:
    """Some messages of each small account, from the moment at which all are let go until the last has arrived."""
    backlog.hold_back(backlog.more)
    for number, name in enumerate(backlog.more):
        start_campaign(built, f"{name}-{turn}", name, f"+1555{turn}{number:06d}", EACH)
    wait_until_taken_in(built)
    time.sleep(SETTLING_S)
    began_s = time.time()
    backlog.let_go(backlog.more)
    keys = {key_of(name) for name in backlog.more}
    return _until_heard(built, keys, EACH, began_s, 120 + len(keys))


def _until_heard(built: World, keys: set[str], each: int, began_s: float, patience_s: float) -> Stretch:
    """The calls from a moment until each account has made so many, or patience ends."""
    while True:
        time.sleep(_LOOK_S)
        now_s = time.time()
        calls = calls_between(built, began_s, now_s)
        left = dict.fromkeys(keys, each)
        for at_s, key in calls:
            if key in left:
                left[key] -= 1
                if left[key] == 0:
                    del left[key]
            if not left:
                return Stretch(began_s, at_s, [call for call in calls if call[0] <= at_s])
        if now_s - began_s > patience_s:
            return Stretch(began_s, now_s, calls)


def _waits(built: World) -> float:
    """The median of the seconds from ``send()`` to arrival of some messages."""
    began: dict[str, float] = {}
    for _ in range(BESIDE):
        at_s = time.time()
        built.send("small")
        began[built.sent[-1].text] = at_s
        time.sleep(BESIDE_EVERY_S)
    deadline = time.monotonic() + 60
    arrived: dict[str, float] = {}
    while len(arrived) < BESIDE and time.monotonic() < deadline:
        time.sleep(0.3)
        texts = {(a["body"] or {}).get("text"): a["at_us"] / 1e6 for a in built.sandbox.arrivals()[-50 * BESIDE :]}
        arrived = {text: texts[text] for text in began if text in texts}
    waits = [arrived.get(text, math.inf) - at_s for text, at_s in began.items()]
    return statistics.median(waits)
