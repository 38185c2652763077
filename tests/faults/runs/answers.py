"""F11, F12, F16: a provider that leaves outcomes open, one that refuses everything, and a state server whose clock is set."""

import math
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from paceline import names
from tests.faults.backlog import LEAST
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.verdict import judged
from tests.faults.world import DEADLINE_S, feed, key_of, world
from tests.support.clocks import set_server_clock, shifted_server

SHARE: Final = 0.05
# Of each kind so many; the history shows messages later than the first look-up comes.
AMBIGUOUS: Final[dict[str, Any]] = {
    "defaults": {"limits": ["1200/minute"]},
    "latency_ms": 20,
    "history_lag_seconds": 4,
    "faults": [
        {"kind": "drop", "probability": SHARE},
        {"kind": "drop_after_accepting", "probability": SHARE},
        {"kind": "delay", "seconds": DEADLINE_S + 1, "probability": SHARE},
        {"kind": "answer_after_accepting", "status": 503, "probability": SHARE},
    ],
}
PACED: Final = 15.0
CALLS_IN_AN_OUTAGE: Final = 15
PER_MINUTE: Final = 300
# Clocks that are set while messages leave: back and ahead, by a little and by much.
JUMPS_S: Final = (-5.0, 30.0, -60.0, 3600.0, -3600.0)


def ambiguous(profile: Profile, seed: int, policy: str) -> Result:
    """F11: one call of five has an unknown outcome."""
    with world(seed, scenario=AMBIGUOUS) as built:
        built.add_account("acme", "1200/minute", "window", treat_503_as="unknown")
        with Fleet(built.environment, 1) as fleet:
            feeder = feed(built, ["acme"], PACED, threading.Event(), profile.ambiguous, policy=policy)
            feeder.join()
            built.drain()
            # What went wrong while the canaries were sent is no figure of this run.
            struck = {
                a["body"]["text"]
                for a in built.sandbox.arrivals()
                if a["injected"] and (a["body"] or {}).get("text") != "canary"
            }
            found = built.judged()
            wrong = (
                () if found.extras <= len(struck) * 2 else (f"{found.extras} repeated, {len(struck)} were ambiguous",)
            )
            size = f"{profile.ambiguous} messages, {policy}"
            return judged(
                built,
                fleet,
                "F11",
                "unknown outcomes, stale history",
                size,
                more=wrong,
                figures={"ambiguous": len(struck)},
            )


def outage(profile: Profile, seed: int) -> Result:
    """F12: the provider answers 503 to everything for a while, with much waiting on three accounts."""
    accounts, each = ("a1", "a2", "a3"), max(120, math.ceil(profile.outage_s / 0.9))
    limit = {"limits": [f"{PER_MINUTE}/minute"], "algorithm": "sliding_log"}
    with world(seed, scenario={"defaults": limit, "latency_ms": 20}) as built:
        for name in accounts:
            built.add_account(name, f"{PER_MINUTE}/minute", "window")
        with Fleet(built.environment, 1) as fleet:
            for name in accounts * each:
                built.send(name)
            began_s = time.time()
            built.sandbox.put_scenario(
                {
                    "defaults": limit,
                    "latency_ms": 20,
                    "faults": [{"kind": "answer", "status": 503, "for_seconds": profile.outage_s}],
                }
            )
            time.sleep(profile.outage_s)
            ended_us = (began_s + profile.outage_s) * 1e6
            calls = Counter(
                a["key"]
                for a in built.sandbox.arrivals()
                if began_s * 1e6 <= a["at_us"] <= ended_us and a["status"] == 503
            )
            built.drain(canaries=False)
            arrivals = built.sandbox.arrivals()
            later = sorted(int(a["at_us"]) for a in arrivals if a["accepted"] and a["at_us"] > ended_us)
            first_s = later[0] / 1e6 - ended_us / 1e6
            most = max(calls.values(), default=0)
            wrong = [f"{most} calls of one account during the outage"] * (most > CALLS_IN_AN_OUTAGE)
            wrong += [f"the first success came after {first_s:.0f} s"] * (first_s > 60)
            wrong += ["429 after it"] * any(a["status"] == 429 for a in arrivals)
            drained = min(_share_of_limit(arrivals, key_of(name), ended_us) for name in accounts)
            wrong += [f"afterwards an account sends {drained:.0%} of its limit"] * (drained < LEAST)
            size = f"{profile.outage_s:g} s, {len(built.sent)} waiting"
            figures = {"calls of an account at most": float(most), "first success s": first_s, "of the limit": drained}
            return judged(
                built, fleet, "F12", "provider answers 503 to everything", size, more=tuple(wrong), figures=figures
            )


def _share_of_limit(arrivals: Sequence[Mapping[str, Any]], key: str, ended_us: float) -> float:
    """How fast an account drains once it is back: the second half of what it sends after an outage."""
    times = sorted(a["at_us"] for a in arrivals if a["key"] == key and a["accepted"] and a["at_us"] > ended_us)
    half = times[len(times) // 2 :]
    return (len(half) - 1) * 60e6 / PER_MINUTE / max(1, half[-1] - half[0]) if len(half) > 1 else 0.0


def jumps(profile: Profile, seed: int) -> Result:
    """F16: the clock of the state server is set, back and ahead, while messages leave."""
    scenario = {"defaults": {"limits": ["600/minute"], "algorithm": "spacing"}, "latency_ms": 40}
    with world(seed, scenario=scenario) as built:
        built.add_account("acme", "600/minute")
        set_server_clock(built.client, 0)
        with Fleet({**built.environment, **shifted_server()}, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], 4.0, stopping, 10**6)
            at_s, longest_s = 0.0, 0.0
            for number in range(profile.jumps):
                time.sleep(built.random.uniform(2.0, 4.0))
                at_s += JUMPS_S[number % len(JUMPS_S)]
                set_server_clock(built.client, at_s)
                longest_s = max(longest_s, built.recovery_s(time.time()))
            stopping.set()
            feeder.join()
            found = judged(
                built, fleet, "F16", "state server's clock set", f"{profile.jumps} jumps", longest_s, most_s=3.0
            )
        built.client.delete(f"{names.STATE_ROOT}:test-shift")
    return found
