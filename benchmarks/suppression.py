"""What a suppression list of a million numbers costs: memory, and the time of acceptance.

    python -m benchmarks.suppression [--numbers 1000000] [--recipients 1000000] [--rounds 3]

Two accounts on one server: one has the list, the other has none. Both upload the same campaigns, record by record in turn, so both
are measured under the same load of the machine; what counts is the ratio of the medians of the times that a record takes, its seals
among it, as in a worker.

Exit code 1 when a figure misses its bar (docs/benchmarks.md).
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final

from paceline import names
from paceline.campaigns.recipients import Encoder, numbered
from paceline.flows.steps import run
from paceline.ids import new_id
from paceline.inbox.record import chunk, common_fields, compact
from paceline.state import connect
from paceline.state.calls import State
from paceline.suppression.lists import adding
from paceline_sandbox.embedded import EmbeddedServer, NoServerBinary, Source
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.integrity.seals import Seals
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.worker import WorkerState

SENDER: Final = "+15550100001"
SECRET: Final = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
SLOWEST: Final = 1.15
LARGEST_BYTES: Final = 100
KINDS: Final[tuple[Source, ...]] = ("system", "bundled")
LISTED, FREE = "listed", "free"


def main() -> int:
    """Measure on each kind of server that this machine has; exit code 1 when one misses a bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--numbers", type=int, default=1_000_000, help="numbers on the list")
    parser.add_argument("--recipients", type=int, default=1_000_000, help="rows of each campaign")
    parser.add_argument("--rounds", type=int, default=1, help="campaigns of each account")
    options = parser.parse_args()
    good = [measure(kind, options) for kind in KINDS]
    return int(not all(good))


def measure(kind: Source, options: argparse.Namespace) -> bool:
    """All figures on one kind of server."""
    try:
        server = EmbeddedServer.start(None, 0, kind)
    except NoServerBinary:
        print(f"{kind}: not on this machine")
        return True
    with server:
        bench = Bench(server.url)
        each = bench.list_numbers(options.numbers)
        ratio = bench.accept(options.recipients, options.rounds, suppressed=0)
        mixed = bench.accept(options.recipients // 10, options.rounds, suppressed=20)
        bench.close()
    print(f"{kind}: {options.numbers:,} numbers take {each:.0f} bytes each")
    print(f"{kind}: acceptance beside a list of {options.numbers:,}: {ratio:.3f} of the time without; bar {SLOWEST}")
    print(f"{kind}: the same when a twentieth of the rows are suppressed: {mixed:.3f}")
    sys.stdout.flush()
    return each <= LARGEST_BYTES and ratio <= SLOWEST


class Bench:
    """Two accounts, and the steps of a worker without its process.

    Args:
        url: the state server.
    """

    def __init__(self, url: str) -> None:
        self.client = connect(url, answer_timeout_s=60)
        self.state = State(self.client)
        self.worker = WorkerState(url, ServerClock(), retention_s=3600, grace_s=15)
        self.worker.seals = Seals(bytes(32))  # as every worker: nothing that is not sealed is sent
        for name in (LISTED, FREE):
            Accounts(self.client).add(
                name, ApiKey(name), ring=KeyRing(SECRET), rates="1000/second", info_every=timedelta(0)
            )
        self.campaigns = 0

    def close(self) -> None:
        """Close the connections."""
        self.worker.client.close()
        self.client.close()

    def list_numbers(self, number: int) -> float:
        """Put so many numbers on the list; bytes each."""
        run(adding(LISTED, numbers(number), "imported from the list of the former provider"), self.state)
        usage: Any = self.client.memory_usage(f"{names.STATE_ROOT}:sup:{LISTED}", samples=0)
        return float(usage) / number

    def accept(self, recipients: int, rounds: int, *, suppressed: int) -> float:
        """The time that records of the account with the list take, in parts of the time of the other's."""
        took: dict[str, list[float]] = {LISTED: [], FREE: []}
        for _ in range(rounds):
            self.campaigns += 1
            opened = {name: self._open(name) for name in took}
            for first in range(0, recipients, names.CHUNK_ROWS):
                for name in sorted(took, reverse=bool(first // names.CHUNK_ROWS % 2)):
                    took[name].append(self._accept(name, opened[name], first, suppressed))
        return median(took[LISTED]) / median(took[FREE])

    def _open(self, account: str) -> str:
        name = f"{account}.{self.campaigns}"
        common = common_fields(
            account=account,
            sender=SENDER,
            priority="bulk",
            kind="message.to_number",
            max_attempts=8,
            on_unknown="reconcile",
            valid_until=None,
            now=datetime.now(UTC),
        ) | {"p": compact({"text": "Hi {name}"})}
        assert self.state.open_campaign(name, common, "same") == "opened"
        return name

    def _accept(self, account: str, campaign: str, first: int, suppressed: int) -> float:
        encoder, rid = Encoder(campaign), new_id()
        encoded = [encoder(row) for row in numbered(rows(names.CHUNK_ROWS, first, suppressed))]
        body = chunk(campaign=campaign, account=account, sender=SENDER, priority="bulk", rows=encoded)
        self.state.submit(rid, account, SENDER, len(encoded), body, campaign=campaign)
        began = time.perf_counter()
        self.worker.accept([rid])
        return time.perf_counter() - began


def numbers(number: int) -> Iterator[str]:
    """Numbers of a list: spread over a country's numbers, as real ones are."""
    return (f"+346{17 * place % 100_000_000:08d}" for place in range(number))


def rows(number: int, first: int, suppressed: int) -> Iterator[Mapping[str, str]]:
    """Recipients; each so manieth is on the list."""
    for place in range(first, first + number):
        listed = suppressed and place % suppressed == 0
        to = f"+346{17 * place % 100_000_000:08d}" if listed else f"+4915{place:09d}"
        yield {"to": to, "name": f"Customer {place}"}


if __name__ == "__main__":
    sys.exit(main())
