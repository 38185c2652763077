"""Paceline beside other queues: the same provider, the same kind of server, one run.

    python -m benchmarks.versus [--only Paceline BullMQ] [--measure throughput pace many kills] [--packages FOLDER] [--write]

Prints three tables: throughput without limits, pace of 100 and of 10,000 API keys, and what 20 SIGKILLs do to messages. All
figures of arrivals come from the provider's log. The peers are fetched from PyPI and npm into a temporary folder, or into
`--packages`, which the next run uses again. `--write` puts the tables into docs/benchmarks.md.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from benchmarks.rig import end_in_order
from benchmarks.versus.measures import Kills, Pace, Throughput, kills, pace, throughput
from benchmarks.versus.peers import PEERS, Installation, Peer

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
BEGIN: Final = "<!-- versus: begin -->"
END: Final = "<!-- versus: end -->"
MEASURES: Final = ("throughput", "pace", "many", "kills")
_PER_MINUTE: Final = 10
Result = TypeVar("Result")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first are aligned to the right."""
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def throughput_row(name: str, result: Throughput | None) -> list[str]:
    """A row of the first table."""
    if result is None:
        return [name, *["failed"] * 4]
    costs = f"{result.worker_ms:.2f} ms", f"{result.server_ms:.2f} ms", f"{result.commands:.0f}"
    return [name, f"{result.per_s:,.0f}", *costs]


def pace_row(name: str, result: Pace | None) -> list[str]:
    """A row of the second table."""
    if result is None:
        return [name, *["failed"] * 6]
    costs = f"{result.worker_ms:.2f} ms", f"{result.server_ms:.2f} ms"
    shares = f"{result.share:.1%}", f"{result.poorest:.0%}"
    return [name, *shares, f"{result.violations:,}", f"{result.doubled:,}", *costs]


def kills_row(name: str, result: Kills | None) -> list[str]:
    """A row of the last table."""
    if result is None:
        return [name, *["failed"] * 4]
    return [name, f"{result.messages:,}", str(result.kills), f"{result.lost:,}", f"{result.doubled:,}"]


def attempt(measure: Callable[[], Result]) -> Result | None:
    """The result, or None when the contestant failed; the reason goes to standard error."""
    try:
        return measure()
    except Exception as reason:  # noqa: BLE001 - one contestant's trouble does not end the others' run
        print(f"  failed: {reason}", file=sys.stderr)
        return None


def sections(peers: Sequence[Peer], installation: Installation, options: argparse.Namespace) -> list[str]:
    """Run what is asked for; returns one text for each table."""
    texts = []

    def said(heads: Sequence[str], row: Callable[[Peer], list[str]], contestants: Sequence[Peer], title: str) -> None:
        rows = []
        for peer in contestants:
            print(f"{title}: {peer.name}", file=sys.stderr, flush=True)
            rows.append(row(peer))
            print("  " + " | ".join(rows[-1]), file=sys.stderr, flush=True)
        texts.append(f"{title}\n\n{table(heads, rows)}")

    plain = [peer for peer in peers if peer.name != "Celery rate_limit"]
    if "throughput" in options.measure:
        said(
            ("", "messages a second", "worker CPU a message", "server CPU a message", "commands a message"),
            lambda peer: throughput_row(
                f"{peer.name} ({peer.workers} workers)" if peer.workers > 1 else f"{peer.name} (1 worker)",
                attempt(lambda: throughput(peer, installation, messages=options.messages)),
            ),
            plain,
            f"Throughput without limits, {options.messages:,} messages enqueued before the workers start:",
        )
    heads = (
        "",
        "share of the rate",
        "poorest key",
        "violations",
        "doubled",
        "worker CPU a message",
        "server CPU a message",
    )
    for measure, keys in (("pace", 100), ("many", 10_000)):
        if measure in options.measure:
            holders = [peer for peer in peers if peer.most_keys >= keys]
            said(
                heads,
                lambda peer, keys=keys: pace_row(  # type: ignore[misc]
                    f"{peer.name}: {peer.paces}",
                    attempt(
                        lambda: pace(
                            peer,
                            installation,
                            keys=keys,
                            per_minute=_PER_MINUTE,
                            warm_up_s=options.warm_up,
                            seconds=options.seconds,
                        )
                    ),
                ),
                holders,
                f"{keys:,} keys at {_PER_MINUTE}/minute (sliding window), two workers, {options.seconds:g} s:",
            )
    if "kills" in options.measure:
        said(
            ("", "messages", "SIGKILLs", "lost", "doubled"),
            lambda peer: kills_row(
                peer.name,
                attempt(
                    lambda: kills(peer, installation, number=options.kills, per_second=100, every_s=2, patience_s=150)
                ),
            ),
            plain,
            "Two workers under 100 messages a second, one killed with SIGKILL every two seconds:",
        )
    return texts


def write(texts: Sequence[str]) -> None:
    """Put the tables between their marks in docs/benchmarks.md."""
    page = PAGE.read_text()
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text("\n\n".join([head + BEGIN, *texts, END]) + tail)


def main() -> None:
    """Fetch, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[peer.name for peer in PEERS], help="contestants. Default: all")
    parser.add_argument("--measure", nargs="+", choices=MEASURES, default=list(MEASURES))
    parser.add_argument("--packages", type=Path, help="folder for the peers' packages. Default: a temporary one")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=15)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    end_in_order()
    peers = [peer for peer in PEERS if not options.only or peer.name in options.only]
    with TemporaryDirectory(prefix="versus-packages-") as temporary:
        folder = options.packages or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        installation = Installation(folder)
        installation.install(peers)
        versions = "Versions: " + "; ".join(sorted({installation.version(peer) for peer in peers})) + "."
        texts = [versions, *sections(peers, installation, options)]
    print("\n\n".join(texts))
    if options.write:
        write(texts)


if __name__ == "__main__":
    main()
