"""F10, F20, F26, F27: a full state server, a worker without file descriptors, and a giant beside many small accounts."""

import math
import resource
import statistics
import threading
import time
from pathlib import Path
from typing import Any, Final

from tests.faults.invariants import while_loaded
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.verdict import judged
from tests.faults.world import TEXT_CANARY, Fleet, World, feed, key_of, world

RATE: Final = "3000/minute"
SMALL_RATE: Final = "120/minute"
PACED: Final = 40.0
LIMITED: Final[dict[str, Any]] = {"defaults": {"limits": ["3000/minute"]}, "latency_ms": 40, "latency_jitter_ms": 40}
EACH: Final = 3
BESIDE: Final = 20
BESIDE_EVERY_S: Final = 0.2
FULL_S: Final = 4.0
# Above what a worker has open when it starts.
DESCRIPTORS: Final = 4


def full_server(profile: Profile, seed: int) -> Result:
    """F10: the state server has no memory left for a while."""
    longest_s = 0.0
    with world(seed, scenario=LIMITED) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(max(1, profile.wipes // 2)):
                time.sleep(2.0)
                used: Any = built.client.info("memory")
                built.client.config_set("maxmemory", int(used["used_memory"]))
                time.sleep(FULL_S)
                built.client.config_set("maxmemory", 0)
                longest_s = max(longest_s, built.recovery_s(time.time()))
            stopping.set()
            feeder.join()
            wrong = () if built.failed_sends else ("a full server refused nobody",)
            size = f"{max(1, profile.wipes // 2)} x {FULL_S:g} s"
            return judged(built, fleet, "F10", "state server full", size, longest_s, most_s=8.0, more=wrong)


def descriptors(profile: Profile, seed: int) -> Result:
    """F26: one of two workers gets hardly any further connection."""
    messages = profile.ambiguous * 2
    with world(seed, scenario=LIMITED | {"latency_ms": 400}) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            pid = fleet.workers[0].pid
            most = len(list(Path(f"/proc/{pid}/fd").iterdir())) + DESCRIPTORS
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            feed(built, ["acme"], PACED, threading.Event(), messages).join()
            return judged(
                built, fleet, "F26", "a worker without file descriptors", f"{messages} messages, {most} descriptors"
            )


def giant(profile: Profile, seed: int) -> Result:
    """F27: small accounts beside one with very many waiting; they take as long as without it."""
    small, rows = profile.crowd
    scenario = {"defaults": {"limits": [], "reported_per_minute": 600}, "latency_ms": 40, "serial_senders": False}
    with world(seed, scenario=scenario) as built, Fleet({**built.environment, "PACELINE_CAPACITY": "100"}, 1) as fleet:
        alone_s = _heard(built, "alone", 1, small)
        built.add_account("giant", "600/minute")
        recipients = ({"to": f"+1555{row:07d}"} for row in range(rows))
        built.outbox.start_campaign(
            "giant", account="giant", sender="+15559999999", template=TEXT_CANARY, recipients=recipients
        )
        while int(built.state.fleet().inbox):
            time.sleep(0.2)
        beside_s = _heard(built, "beside", 2, small)
        wrong = while_loaded(built, fleet)
    wrong += [f"{beside_s:.0f} s beside it, {alone_s:.0f} s alone"] * (beside_s > 2 * alone_s + 2)
    figures = {"alone s": alone_s, "beside it s": beside_s}
    return Result(
        "F27", "a giant beside small accounts", f"{rows} waiting, {small} small", figures=figures, failures=tuple(wrong)
    )


def campaign_beside(profile: Profile, seed: int) -> Result:
    """F20: a small account's messages wait no longer while a giant campaign is uploaded, and while it waits."""
    rows, _ = profile.campaign
    scenario = {"defaults": {"limits": [], "reported_per_minute": 600}, "latency_ms": 20, "serial_senders": False}
    with world(seed, scenario=scenario) as built, Fleet(built.environment, 1) as fleet:
        built.add_account("small", "1200/minute", "window")
        built.add_account("giant", "1200/minute", "window")
        waits = {"before": _waits(built)}
        recipients = ({"to": f"+1555{row:07d}"} for row in range(rows))
        upload = threading.Thread(
            target=built.outbox.start_campaign,
            args=("giant",),
            kwargs={"account": "giant", "sender": "+15559999999", "template": "Hi", "recipients": recipients},
        )
        upload.start()
        waits["uploading"] = _waits(built)
        upload.join()
        while int(built.state.fleet().inbox):
            time.sleep(0.2)
        waits["beside"] = _waits(built)
        violations = built.violations()
        wrong = while_loaded(built, fleet)
    before_s, worst_s = waits["before"], max(waits["uploading"], waits["beside"])
    wrong += [f"{violations} calls against the pace"] * bool(violations)
    wrong += [f"a message waits {worst_s:.2f} s beside it, {before_s:.2f} s before"] * (worst_s > 2 * before_s + 0.5)
    figures = {f"median wait {name} s": wait_s for name, wait_s in waits.items()}
    return Result(
        "F20",
        "giant campaign beside a small account",
        f"{rows} rows",
        violations=violations,
        figures=figures,
        failures=tuple(wrong),
    )


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


def _heard(built: World, name: str, digit: int, small: int) -> float:
    """Seconds until some messages of each of so many small accounts have arrived."""
    names = [f"{name}{number}" for number in range(small)]
    for account in names:
        built.add_account(account, SMALL_RATE)
    began_s = time.monotonic()
    for number, account in enumerate(names):
        rows = [{"to": f"+1555{row:07d}"} for row in range(EACH)]
        sender = f"+1555{digit}{number:06d}"
        built.outbox.start_campaign(account, account=account, sender=sender, template=TEXT_CANARY, recipients=rows)
    wanted = set(names)
    while time.monotonic() - began_s < 120 + small:
        keys = built.sandbox.report()["keys"]
        if all(int(keys.get(key_of(one), {}).get("accepted", 0)) >= EACH for one in wanted):
            break
        time.sleep(0.3)
    return time.monotonic() - began_s
