"""What seals and encryption cost, side by side: the same operations without, with seals, with both, turn by turn, in one process.

    python -m benchmarks.seals [--accounts 300] [--rounds 5]

Prints microseconds of the state server and commands an operation (accept, grant, begin and settle), and of a worker
the microseconds for a seal and for encryption, which stand beside some 450 us of a worker for an operation. With both, a worker
also parses and writes each record once more.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Final

from tests.support.servers import start_server

from benchmarks.scripts import Bench
from paceline import Outbox
from paceline.lua.fields import OPERATION
from paceline.state.envelopes import Envelope
from paceline_worker.integrity.seals import Seals
from paceline_worker.integrity.tampering import Tampering

SEALS: Final = Seals(bytes(32))
WAYS: Final = ("plain", "seals", "seals and encryption")
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
    best: dict[tuple[str, str], tuple[float, float]] = {}
    with start_server() as server, Outbox(broker_url=server.url) as outbox:
        bench = Bench(server.url, options.accounts, "600/minute")
        for number in range(len(WAYS) * options.rounds):
            way = WAYS[number % len(WAYS)]
            bench.worker.seals = None if way == "plain" else SEALS
            bench.worker.encrypts = way == "seals and encryption"
            bench.enqueue(outbox, number, campaigns=False)
            # Of several rounds the cheapest, script by script: what else the machine does can only add to it.
            for script, (us, commands, _) in bench.round().items():
                best[way, script] = min((us, commands), best.get((way, script), (us, commands)))
        bench.close()
    plain_us, plain_commands = 0.0, 0.0
    for way in WAYS:
        costs = [cost for (of_way, _), cost in best.items() if of_way == way]
        us, commands = sum(cost[0] for cost in costs), sum(cost[1] for cost in costs)
        plain_us, plain_commands = plain_us or us, plain_commands or commands
        ratios = f"{us / plain_us:.3f} of the time, {commands / plain_commands:.3f} of the commands of plain"
        print(f"{way}: {us:.1f} us of the server, {commands:.2f} commands an operation ({ratios})")
    print(f"a worker makes a seal in {_each(_make):.1f} us and checks one in {_each(_check):.1f} us")
    print(f"a worker encrypts an operation in {_each(_encrypt):.1f} us and opens one in {_each(_open):.1f} us")
    print(f"a service seals a record of 250 rows in {_each(_envelope, 500):.1f} us")


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


ROW: Final = {"id": "id1", "to": ANSWER["to"], OPERATION.code("payload"): ANSWER["payload"]}
RECORD: Final = json.dumps({"rows": [ROW]}).encode()
STORED: Final[dict[str, str]] = json.loads(SEALS.payloads.accepted("acme", RECORD)[0])["rows"][0]
ENCRYPTED: Final = ANSWER | {"to": STORED["to"], "payload": STORED[OPERATION.code("payload")]}
ENVELOPE: Final = Envelope(SEALS.payloads.public)
ROWS: Final = json.dumps({"rows": [ROW] * 250})


def _encrypt() -> None:
    SEALS.payloads.accepted("acme", RECORD)


def _open() -> None:
    SEALS.payloads.opened("id1", ENCRYPTED)


def _envelope() -> None:
    ENVELOPE.closed(ROWS, "a record of acme")


def _check() -> None:
    if JUDGE.objection("id1", GENUINE):
        raise AssertionError("it is genuine")


if __name__ == "__main__":
    main()
