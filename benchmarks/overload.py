"""Does a fleet that is given more than it can send still send what it can? And does a herd stop it?

    python -m benchmarks.overload [--only ladder herd] [--steps 25 100 400 1600] [--seconds 20] [--warm-up 10]
        [--workers 1] [--busy-loops 2] [--latency-ms 20] [--capacity 200] [--server bundled]

ladder  accounts at 300/minute on one worker, each step allowed four times as much as the one before: 125 to 8,000 a second.
        A fleet that stays up sends at the top what it can, shared fairly.
herd    400 accounts x 200 operations whose valid_until passes, whose not_before comes, or whose campaigns are resumed, at one
        instant: the slowest script call (SLOWLOG) and the slowest `Outbox.send`.

Exit code 1 when a bar is missed: a step sends at least 95 % of the one before it, nothing violates a limit, less than 1 % of grants
are given back, the poorest 2 % of accounts have at least half the mean, no script call takes more than 10 ms, no send beside a
herd fails.

A window of a minute shows no violation in a shorter run: use --pacing spacing, or --seconds 70, to ask for that.
"""

import argparse
from functools import partial
from typing import Any, Final

from benchmarks.fleet import measure
from benchmarks.herd import KINDS, Herd, Stampede, let_loose
from benchmarks.load import Run
from benchmarks.rig import end_in_order, rigged
from benchmarks.verdict import Result, line

RATE: Final = "300/minute"
FALLS_AT_MOST: Final = 0.05
GIVEN_BACK_BELOW: Final = 0.01
POOREST_AT_LEAST: Final = 0.5
SECTIONS: Final = ("ladder", "herd")


def main() -> int:
    """Run the sections asked for; exit code 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--steps", nargs="+", type=int, default=[25, 100, 400, 1600], help="accounts of each step")
    parser.add_argument("--pacing", choices=["window", "spacing"], default="window")
    parser.add_argument("--seconds", type=float, default=20, help="measured in each step")
    parser.add_argument("--warm-up", type=float, default=10, dest="warm_up_s")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--server", choices=["system", "bundled"])
    parser.add_argument("--capacity", type=int)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--busy-loops", type=int, default=0)
    parser.add_argument("--server-nice", type=int, help="scheduling priority of the state server, -20 (first) to 19")
    parser.add_argument("--herd-accounts", type=int, default=400)
    parser.add_argument("--herd-operations", type=int, default=200, help="of each account")
    options = parser.parse_args()
    end_in_order()
    missed: list[str] = []
    if "ladder" in options.only:
        missed += ladder(options)
    if "herd" in options.only:
        missed += herd(options)
    print("every figure meets its bar" if not missed else "missed: " + "; ".join(missed))
    return int(bool(missed))


def ladder(options: argparse.Namespace) -> list[str]:
    """One run a step; returns the bars that were missed."""
    results: list[Result] = []
    missed: list[str] = []
    for accounts in options.steps:
        run = Run(
            accounts=accounts,
            rate=RATE,
            pacing=options.pacing,
            seconds=options.seconds,
            warm_up_s=options.warm_up_s,
            workers=options.workers,
            server=options.server,
            capacity=options.capacity,
            latency_ms=options.latency_ms,
            busy_loops=options.busy_loops,
            server_nice=options.server_nice,
        )
        result = measure(run)
        print(line(run, result), flush=True)
        missed += [f"{accounts} accounts: {bar}" for bar in missed_bars(result, results[-1] if results else None)]
        results.append(result)
    return missed


def missed_bars(result: Result, before: Result | None) -> list[str]:
    """The bars that one step misses.

    Args:
        result: of the step.
        before: of the step before it.
    """
    worst_ms = result.scripts.slowest_ms
    checks = {
        f"sent {result.sent_per_s:.0f}/s after {before.sent_per_s if before else 0:.0f}/s": (
            before is None or result.sent_per_s >= before.sent_per_s * (1 - FALLS_AT_MOST)
        ),
        f"{result.violations} violations": result.violations == 0,
        f"{result.doubled} doubled": result.doubled == 0,
        f"{result.ran_dry} accounts had nothing left to send, so its figures tell nothing": result.ran_dry == 0,
        f"{result.given_back:.1%} given back": result.given_back < GIVEN_BACK_BELOW,
        f"the poorest have {result.poorest:.2f} of the mean": result.poorest >= POOREST_AT_LEAST,
        f"{result.scripts.slowest} took {worst_ms:.1f} ms": result.scripts.over_10_ms == 0,
    }
    return [words for words, met in checks.items() if not met]


def herd(options: argparse.Namespace) -> list[str]:
    """One fleet for each kind of herd; returns the bars that were missed."""
    environment: dict[str, Any] = {} if options.capacity is None else {"PACELINE_CAPACITY": str(options.capacity)}
    rigs = partial(
        rigged,
        workers=options.workers,
        server=options.server,
        latency_ms=options.latency_ms,
        busy_loops=options.busy_loops,
        server_nice=options.server_nice,
        **environment,
    )
    missed: list[str] = []
    for kind in KINDS:
        shown = let_loose(rigs, Herd(kind, options.herd_accounts, options.herd_operations))
        print(herd_line(kind, options, shown), flush=True)
        if shown.scripts.over_10_ms:
            missed.append(f"herd {kind}: {shown.scripts.slowest} took {shown.scripts.slowest_ms:.1f} ms")
        if shown.sends.failed:
            missed.append(f"herd {kind}: {shown.sends.failed} sends failed")
    return missed


def herd_line(kind: str, options: argparse.Namespace, shown: Stampede) -> str:
    """What one herd did, in one line."""
    scripts, sends = shown.scripts, shown.sends.took_ms
    worst = {name: round(ms, 1) for name, ms in sorted(scripts.worst_ms.items())}
    return (
        f"herd {kind}: {options.herd_accounts} accounts x {options.herd_operations} operations;"
        f" scripts >5 ms {scripts.over_5_ms}, >10 ms {scripts.over_10_ms}, worst {worst};"
        f" slowest of {len(sends)} sends {max(sends):.1f} ms, {shown.sends.failed} failed; latency {dict(scripts.events)}"
        + (f"; {shown.not_accepted} records were not accepted in time" if shown.not_accepted else "")
    )


if __name__ == "__main__":
    raise SystemExit(main())
