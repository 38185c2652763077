"""What seals cost, side by side: the same operations with and without them, turn by turn, in one process.

    python -m benchmarks.seals [--accounts 300] [--rounds 5]

Prints microseconds of the state server and commands an operation (accept, grant, begin and settle), and of a worker
the microseconds for making and checking one seal, which stand beside some 450 us of a worker for an operation.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Final

from tests.support.servers import start_server

from benchmarks.scripts import Bench
from paceline import Outbox
from paceline_worker.integrity.seals import Seals
from paceline_worker.integrity.tampering import Tampering

SEALS: Final = Seals(bytes(32))
ANSWER: Final = {
    "account": "acme", "sender": "+15550100001", "kind": "message.to_number", "to": "+15550100002",
    "payload": json.dumps({"text": "Hello, here we are. " * 5}),
}  # fmt: skip


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    best: dict[tuple[bool, str], tuple[float, float]] = {}
    with start_server() as server, Outbox(broker_url=server.url) as outbox:
        bench = Bench(server.url, options.accounts, "600/minute")
        for number in range(2 * options.rounds):
            sealed = number % 2 == 1
            bench.worker.seals = SEALS if sealed else None
            bench.enqueue(outbox, number, campaigns=False)
            # Of several rounds the cheapest, script by script: what else the machine does can only add to it.
            for script, (us, commands, _) in bench.round().items():
                best[sealed, script] = min((us, commands), best.get((sealed, script), (us, commands)))
        bench.close()
    totals: dict[bool, tuple[float, float]] = {}
    for sealed in (False, True):
        costs = [cost for (with_seals, _), cost in best.items() if with_seals is sealed]
        totals[sealed] = us, commands = sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)
        print(f"{'with' if sealed else 'no'} seals: {us:.1f} us of the server, {commands:.2f} commands an operation")
    (us, commands), (us_without, commands_without) = totals[True], totals[False]
    print(f"ratio: {us / us_without:.3f} of the time, {commands / commands_without:.3f} of the commands")
    print(f"a worker makes a seal in {_each(_make):.1f} us and checks one in {_each(_check):.1f} us")


def _each(work: Callable[[], None], times: int = 20_000) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def _make() -> None:
    SEALS.operation("id1", ANSWER["account"], ANSWER["sender"], ANSWER["kind"], ANSWER["to"], ANSWER["payload"], "", "")


JUDGE: Final = Tampering(SEALS)
GENUINE: Final = ANSWER | {
    "seal": SEALS.operation(
        "id1", ANSWER["account"], ANSWER["sender"], ANSWER["kind"], ANSWER["to"], ANSWER["payload"], "", ""
    )
}


def _check() -> None:
    if JUDGE.objection("id1", GENUINE):
        raise AssertionError("it is genuine")


if __name__ == "__main__":
    main()
