"""Workers are killed with SIGKILL while messages leave; what is lost, what is doubled? Judged from the sandbox's own arrival log.

    python -m benchmarks.kill [--messages 1000] [--kills 20] [--seed 1]

Two workers, 3,000 messages a minute, one of them killed and replaced every second. Exit code 1 when a message was lost or doubled,
when a limit was broken, or when the books do not balance.
"""

import argparse
import random
import time
from collections import Counter

from tests.support.processes import start_worker

from benchmarks.stack import Stack, running
from paceline import SendMessage
from paceline.status.audit import Balance, balance_of

RATE = "3000/minute"
PATIENCE_S = 180


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)

    scenario = {"defaults": {"limits": [RATE]}, "latency_ms": 40, "latency_jitter_ms": 30}
    with running(scenario, workers=2, PACELINE_HTTP_DEADLINE="2") as stack:
        stack.add_account("acme", RATE)
        workers = list(stack.workers)
        began = time.monotonic()
        ids = [stack.outbox.send(message(number)).id for number in range(options.messages)]
        try:
            for kill in range(options.kills):
                time.sleep(max(0.0, began + kill + 1 - time.monotonic()))
                victim = rng.randrange(2)
                workers[victim].kill()
                workers[victim] = start_worker(stack.environment)
            books = wait_until_settled(stack, options.messages)
        finally:
            for worker in workers:
                worker.stop()
        arrived = Counter(one["body"]["text"] for one in stack.sandbox.arrivals() if one["accepted"])
        states = [stack.outbox.status(op_id).state for op_id in ids]
        violations = stack.sandbox.report()["totals"]["violations"]

    doubled = sum(times > 1 for times in arrived.values())
    lost = sum(state == "accepted" and not arrived[f"message {n}"] for n, state in enumerate(states))
    held_and_arrived = sum(state == "held" and arrived[f"message {n}"] for n, state in enumerate(states))
    print(f"{options.messages} messages, {options.kills} kills, {time.monotonic() - began:.0f} s, seed {options.seed}")
    print(f"outcomes {dict(Counter(states))}; of those held {held_and_arrived} had arrived")
    print(f"lost {lost}, doubled {doubled}, violations {violations}, unaccounted {books.unaccounted}")
    return int(lost + doubled + violations + abs(books.unaccounted) > 0 or len(states) != sum(books.outcomes.values()))


def message(number: int) -> SendMessage:
    """One message of its own text, to a recipient of its own, from one of 20 senders."""
    return SendMessage(
        account="acme", sender=f"+155501000{number % 20:02d}", to=f"+1555020{number:04d}", text=f"message {number}"
    )


def wait_until_settled(stack: Stack, messages: int) -> Balance:
    """The books once every message has its outcome, or when patience ends."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = stack.state.account("acme")
        assert found is not None
        books = balance_of(found)
        if sum(books.outcomes.values()) >= messages or time.monotonic() > deadline:
            return books
        time.sleep(0.2)


if __name__ == "__main__":
    raise SystemExit(main())
