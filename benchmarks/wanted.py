"""Does `paceline_workers_wanted` say what is needed? In three situations; in the third with one fewer, as many, and one more.

    python -m benchmarks.wanted [--waiting 1000000] [--seconds 20]

Idle, and one slow account with a million waiting, want one worker. A hundred fast accounts (60 a minute each, calls of half a
second, three senders each; workers of 20, so that what may be in flight is scarce) want as many as it says: the share of the
allowed rate is taken from the sandbox's arrival log. Exit code 1 when a figure is not as it should be.
"""

import argparse
import time
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry

from benchmarks.stack import Stack, running
from paceline_worker.exporter.gauges import StateGauges
from paceline_worker.exporter.readings import Reader

ACCOUNTS: Final = 100
SENDERS: Final = 3
PER_MINUTE: Final = 60
CAPACITY: Final = 20
LATENCY_MS: Final = 500
# A call that takes longer than J moves the next slot: as long as a usual call (docs/operating.md).
VARIATION_MS: Final = 600
WARM_UP_S: Final = 15.0
ENOUGH: Final = 0.98


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    quiet, needed = at_rest(options.waiting), 0
    with running(
        {"defaults": {"limits": []}, "latency_ms": LATENCY_MS}, workers=1, PACELINE_CAPACITY=str(CAPACITY)
    ) as stack:
        fill(stack, options.seconds)
        time.sleep(WARM_UP_S)  # until the worker has measured what calls cost
        needed = wanted(stack)
        print(
            f"{ACCOUNTS} accounts at {PER_MINUTE}/minute, calls of {LATENCY_MS} ms, {CAPACITY} to a worker: {needed} wanted"
        )
        shares = {}
        for workers in range(1, needed + 2):
            while len(stack.workers) < workers:
                stack.start_worker()
            if workers < needed - 1:
                continue
            time.sleep(5)
            shares[workers] = share(stack, options.seconds)
            print(f"{workers} workers: {shares[workers]:.1%} of the allowed rate; wanted: {wanted(stack)}")
    as_it_should = quiet == [1, 1] and shares[needed] >= ENOUGH > shares.get(needed - 1, 0)
    return int(not as_it_should)


def at_rest(waiting: int) -> list[int]:
    """Idle, and a slow account with much to send."""
    with running({"defaults": {"limits": []}}, workers=1) as stack:
        stack.add_account("slow", "10/minute")
        said = [wanted(stack)]
        rows = ({"to": f"+4915{number:09d}"} for number in range(waiting))
        stack.outbox.start_campaign("all", account="slow", sender="+15550100001", template="Hello", recipients=rows)
        while (picture := stack.state.account("slow")) and picture.counts.get("inbox"):
            time.sleep(0.5)
        said.append(wanted(stack))
    print(f"idle: {said[0]} wanted; one account at 10/minute, {waiting:,} waiting: {said[1]} wanted")
    return said


def fill(stack: Stack, seconds: float) -> None:
    """More than all phases can send."""
    rows = int((seconds + WARM_UP_S) * 5 * PER_MINUTE / 60 / SENDERS)
    for account in range(ACCOUNTS):
        stack.add_account(f"a{account}", f"{PER_MINUTE}/minute", variation=timedelta(milliseconds=VARIATION_MS))
        for sender in range(SENDERS):
            stack.outbox.start_campaign(
                f"c{account}-{sender}",
                account=f"a{account}",
                sender=f"+1555010{account:02d}{sender:02d}",
                template="Hello",
                recipients=({"to": f"+4915{account:03d}{sender}{number:05d}"} for number in range(rows)),
            )


def wanted(stack: Stack) -> int:
    """What the exporter would show."""
    registry = CollectorRegistry()
    registry.register(StateGauges(Reader(stack.state.client), stack.state, capacity=200))
    value = registry.get_sample_value("paceline_workers_wanted")
    return int(value or 0)


def share(stack: Stack, seconds: float) -> float:
    """Arrivals of so many seconds, against what the limits allow."""
    begin_us = time.time() * 1e6
    time.sleep(seconds)
    arrived = sum(begin_us <= one["at_us"] < begin_us + seconds * 1e6 for one in stack.sandbox.arrivals())
    return float(arrived / (ACCOUNTS * PER_MINUTE / (60 + VARIATION_MS / 1e3) * seconds))


if __name__ == "__main__":
    raise SystemExit(main())
