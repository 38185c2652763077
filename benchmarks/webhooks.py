"""Webhooks out, against a receiver in trouble: what is lost, doubled, out of order, or badly signed.

    python -m benchmarks.webhooks [--events 20000] [--kills 10] [--down 60] [--runners 2]

The receiver answers one request in five with 500, one in twenty not at all, and closes every connection for a minute. Runners are
killed with SIGKILL. Waits between tries are short here: seconds where `paceline hooks run` waits for hours.

Exit code 1 when an event is lost, comes out of order, has another body the second time, or a signature that the library refuses.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import redis
from tests.conftest import SECRET
from tests.support.hook_receiver import Receiver, receiving
from tests.support.processes import Process, spawn
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.shell import paceline
from tests.support.wait import wait_until

from paceline import names
from paceline.ids import new_id

STEPS: Final = ("settled", "sent", "delivered")
BACKOFF: Final = ",".join(["0.5s", "1s", "2s", *["4s"] * 60])
OPTIONS: Final = (
    "--backoff",
    BACKOFF,
    "--timeout",
    "2s",
    "--breaker-wait",
    "1s",
    "--lease",
    "2s",
    "--metrics-port",
    "0",
)
PATIENCE: Final = timedelta(minutes=30)


def entries(count: int, seed: int) -> Iterator[dict[str, str]]:
    """Entries of the stream, as state writes them; those of a hundred operations are mixed."""
    chance, waiting = random.Random(seed), []
    for _ in range(0, count, len(STEPS)):
        waiting.append([new_id(), 0])
        while len(waiting) > 100:
            yield _next(chance.choice(waiting), waiting)
    while waiting:
        yield _next(chance.choice(waiting), waiting)


def _next(operation: list[Any], waiting: list[list[Any]]) -> dict[str, str]:
    op_id, step = operation
    operation[1] += 1
    if operation[1] == len(STEPS):
        waiting.remove(operation)
    fields = {
        "id": op_id, "account": "acme", "campaign": "", "kind": "message.to_number", "outcome": "accepted", "code": "202",
        "message_uuid": f"MSG-{op_id}", "words": "", "accepted_at_us": "1769850000000000", "v": "2", "to": "+15550100002",
        "settled_at_us": str(1769850000000000 + step), "metadata": '{"order":"17"}',
    }  # fmt: skip
    return fields | ({"event": STEPS[step]} if step else {})


class Fleet:
    """Runners.

    Args:
        environment: their variables.
        folder: of their logs.
    """

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment, self._folder = environment, folder
        self.runners: list[Process] = []

    def start(self) -> None:
        """One more."""
        log = self._folder / f"{time.monotonic_ns()}.log"
        program = [sys.executable, "-m", "paceline.cli", "hooks", "run", "--allow-private", *OPTIONS]
        self.runners.append(spawn(program, self._environment, log))

    def end(self) -> None:
        """No more."""
        for runner in self.runners:
            runner.kill()

    def kill(self) -> None:
        """Kill the oldest one with SIGKILL, and start another."""
        self.runners.pop(0).kill()
        self.start()


def run(options: argparse.Namespace, stack: ExitStack) -> dict[str, Any]:
    """The whole scene."""
    server = stack.enter_context(start_server(SERVER_KINDS[0]))
    receiver = stack.enter_context(receiving(failing=0.2, hanging=0.05))
    folder = Path(stack.enter_context(TemporaryDirectory()))
    environment = {names.ENV_BROKER_URL: server.url, names.ENV_SECRET_KEY: SECRET}
    added = paceline(
        environment,
        *("hooks", "add", receiver.url, "--account", "acme", "--events", ",".join(STEPS), "--allow-private", "--json"),
    )
    hook = json.loads(added.out)
    receiver.secrets.append(hook["secret"])
    fleet = Fleet(environment, folder)
    stack.callback(fleet.end)
    for _ in range(options.runners):
        fleet.start()
    client = redis.Redis.from_url(server.url)
    began = time.monotonic()
    written = _write(client, options)
    _trouble(receiver, fleet, len(written), options)
    wait_until(lambda: len(receiver.ids) >= len(written), PATIENCE, lambda: f"all events; {len(receiver.ids)} came")
    elapsed = time.monotonic() - began
    shown = json.loads(paceline(environment, "hooks", "show", hook["id"], "--json").out)
    orders = receiver.first_deliveries().values()
    return {
        "events": len(written),
        "kills": options.kills,
        "requests": receiver.requests,
        "delivered more than once": len(receiver.taken) - len(receiver.ids),
        "lost": len(written - receiver.ids),
        "operations out of order": sum(order != list(STEPS) for order in orders),
        "ids with two bodies": sum(len(bodies) > 1 for bodies in receiver.bodies().values()),
        "signatures refused": sum(not all(fits) for fits in receiver.verified),
        "dead": shown["dead"],
        "gaps": shown["gaps"],
        "seconds": round(elapsed),
    }


def _write(client: redis.Redis, options: argparse.Namespace) -> set[str]:
    written = set()
    for entry in entries(options.events, options.seed):
        fields: dict[Any, Any] = dict(entry)
        entry_id: Any = client.xadd(f"{names.STATE_ROOT}:outcomes", fields)
        written.add(f"evt_{entry_id.decode()}")
    return written


def _trouble(receiver: Receiver, fleet: Fleet, events: int, options: argparse.Namespace) -> None:
    """Kills spread over the delivery, and in its middle the outage, within which one more runner is killed."""
    for kill in range(options.kills):
        share = (kill + 1) / (options.kills + 1)
        wait_until(lambda share=share: len(receiver.ids) >= events * share, PATIENCE, "the next kill")  # type: ignore[misc]
        if kill == options.kills // 2:
            receiver.is_down = True
            time.sleep(options.down / 2)
            fleet.kill()
            time.sleep(options.down / 2)
            receiver.is_down = False
        else:
            fleet.kill()


def main() -> int:
    """Run it, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("events", 20_000), ("kills", 10), ("down", 60), ("runners", 2), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    with ExitStack() as stack:
        figures = run(parser.parse_args(), stack)
    for name, figure in figures.items():
        print(f"{name:>26}  {figure:,}")
    faults = ("lost", "operations out of order", "ids with two bodies", "signatures refused", "dead", "gaps")
    return int(any(figures[name] for name in faults))


if __name__ == "__main__":
    sys.exit(main())
