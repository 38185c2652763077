"""F13, F14: storms of 429 with every form of Retry-After, and keys that are refused while messages leave."""

import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from paceline_worker.accounts.accounts import Accounts
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.severing import LIMITED, PACED, RATE
from tests.faults.verdict import judged
from tests.faults.world import SENDERS, World, feed, key_of, world
from tests.support.clocks import set_server_clock, shifted_server

_PATIENCE_S: Final = 60.0
# From the answer that suspends an account until nothing that was under way arrives any more.
_UNDER_WAY_S: Final = 1.0
_SILENCE_S: Final = 1.5
# Forms of Retry-After, and so many seconds an account is silent then at least. One whole window is three seconds here.
FORMS: Final[dict[str, tuple[Any, float]]] = {
    "seconds": (4, 4.0),
    "date": ("date:5", 4.0),
    "garbage": ("soon", 3.0),
    "absent": (None, 3.0),
    "past": ("date:-30", 3.0),
    "negative": ("-5", 3.0),
    "zero": (0, 3.0),
    "enormous": ("99999999", 600.0),
}
STORM_RATE: Final = "60 per 3 seconds"
# The one that is silent for an hour, the longest that is believed, gets so many messages. The clock is set ahead in the end.
PATIENT: Final = 5
# A pause is up to a tenth longer than it was told, so that a fleet does not come back in step.
_LONGEST_S: Final = 3600.0 * 1.1 + 100


def storms(profile: Profile, seed: int) -> Result:
    """F13: an account that is told to wait does, sends one probe first, and goes on."""
    wrong: list[str] = []
    scenario = {"defaults": {"limits": [STORM_RATE]}, "latency_ms": 40, "latency_jitter_ms": 40}
    with world(seed, scenario=scenario) as built, Fleet({**built.environment, **shifted_server()}, 2) as fleet:
        set_server_clock(built.client, 0)
        for name in FORMS:
            built.add_account(name, STORM_RATE, "window")
        lasting = [name for name in FORMS if name != "enormous"]
        stopping = threading.Event()
        for number in range(profile.storms):
            faults = [
                {"kind": "answer", "status": 429, "key": key_of(name), "count": 1}
                | ({} if form is None else {"retry_after": form})
                for name, (form, _) in FORMS.items()
                if name in lasting or not number
            ]
            began_us = int(time.time() * 1e6)
            built.sandbox.put_scenario(scenario | {"faults": faults})
            if not number:
                for _ in range(PATIENT):
                    built.send("enormous")
                feeder = feed(built, lasting, 14.0, stopping, 10**6)
            wrong += _silences(built, lasting if number else list(FORMS), began_us)
        stopping.set()
        feeder.join()
        set_server_clock(built.client, _LONGEST_S)
        size = f"{profile.storms} of each of {len(FORMS)} forms"
        return judged(built, fleet, "F13", "429 storms", size, paced=False, more=(*wrong[:5], *_own(built)))


def _silences(built: World, accounts: Sequence[str], began_us: int) -> list[str]:
    """Wait until each account has gone on after its 429, and say which ones were not silent as told."""
    wrong: list[str] = []
    waiting = {name: FORMS[name][1] for name in accounts}
    deadline = time.monotonic() + _PATIENCE_S
    while waiting and time.monotonic() < deadline:
        time.sleep(0.3)
        arrivals = built.sandbox.arrivals()
        for name, told_s in list(waiting.items()):
            times = [a for a in arrivals if a["key"] == key_of(name) and a["at_us"] >= began_us]
            refused = [a["at_us"] for a in times if a["status"] == 429]
            if not refused:
                continue
            # Calls of other senders may be under way when the answer comes, also for long on a busy machine.
            under_way_until_us = refused[0] + 1e6 * told_s / 2
            later = [a["at_us"] for a in times if a["at_us"] > under_way_until_us]
            if later:
                del waiting[name]
                silent_s = (later[0] - refused[0]) / 1e6
                wrong += [f"{name}: silent for {silent_s:.2f} s, {told_s:g} s were told"] * (silent_s < told_s)
                late = sum(refused[0] < a["at_us"] <= under_way_until_us for a in times)
                wrong += [f"{name}: {late} calls came after its 429, {SENDERS} can be under way"] * (late > SENDERS)
            elif name == "enormous" and len(waiting) == 1:
                return wrong  # nothing of it, while all the others have gone on
    return wrong + [
        f"{name} sent nothing for {_PATIENCE_S:g} s after its 429" for name in waiting if name != "enormous"
    ]


def _own(built: World) -> list[str]:
    """429s that no storm brought."""
    own = sum(arrival["status"] == 429 and not arrival["injected"] for arrival in built.sandbox.arrivals())
    return [f"{own} calls against the pace"] * bool(own)


def refused_keys(profile: Profile, seed: int) -> Result:
    """F14: 401, 402 and 403 in the middle of everything; at most the calls under way are made, and `resume` loses nothing."""
    wrong: list[str] = []
    most = 0
    with world(seed, scenario=LIMITED) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for number in range(3 * profile.refusals):
                status = (401, 402, 403)[number % 3]
                time.sleep(built.random.uniform(0.5, 1.5))
                calls, later = _refuse(built, status)
                most = max(most, calls)
                wrong += [f"{later} calls of a suspended account after a {status}"] * bool(later)
            stopping.set()
            feeder.join()
            wrong += [f"{most} calls were refused, {SENDERS} can be under way"] * (most > SENDERS)
            size = f"{profile.refusals} of each"
            return judged(
                built,
                fleet,
                "F14",
                "401, 402, 403 in the middle",
                size,
                more=tuple(wrong[:5]),
                figures={"calls after one, at most": float(most)},
            )


def _refuse(built: World, status: int) -> tuple[int, int]:
    """Refuse the key for a while; how many calls were refused, and how many came when the account had been suspended."""
    began_us = int(time.time() * 1e6)
    built.sandbox.put_scenario(LIMITED | {"faults": [{"kind": "answer", "status": status}]})
    deadline = time.monotonic() + _PATIENCE_S
    while not _suspended(built) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(_UNDER_WAY_S)
    silent_us = int(time.time() * 1e6)
    time.sleep(_SILENCE_S)
    built.sandbox.put_scenario(LIMITED)
    refused = [a["at_us"] for a in built.sandbox.arrivals() if a["status"] == status and a["at_us"] >= began_us]
    Accounts(built.client).resume("acme")
    return len(refused), sum(at_us > silent_us for at_us in refused)


def _suspended(built: World) -> bool:
    picture = built.state.account("acme")
    return bool(picture and picture.account.suspended)
