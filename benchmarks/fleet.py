"""Does a fleet send what its accounts are allowed? Many accounts with a backlog each, judged from the provider's side.

    python -m benchmarks.fleet --accounts 4000 --workers 1 [--rate 10/minute] [--pacing window] [--seconds 60] [--warm-up 20]
        [--senders-per-account 1] [--server system] [--capacity 200] [--latency-ms 20] [--busy-loops 2]
        [--round-trip-ms 20 | --round-trip-jitter 10 40] [--released-together] [--server-nice -20] [--json]
    python -m benchmarks.fleet --cluster --accounts 10000 --workers 2 [--shards 64] [--wait-replicas 1] ...

Prints one line a run:

    allowed, sent     a second, of all accounts; their ratio (intervals that the edges of the measurement cut count in proportion)
    p1, p2            of each account's own allowed rate: what the poorest 1 % and 2 % of accounts do not reach
    poorest           the mean of the poorest 2 % of accounts over the mean of all
    violations        arrivals that break an account's limit, over the whole run
    doubled           calls with the same key and body, over the whole run
    CPU, cores        of workers, state server and stub; `others` is everything else on this machine, busy loops among it
    beside            with --cluster: cores of each primary (together they are `state`), of all replicas, and of the broker
    commands          of the state server a sent operation, with what an idle fleet polls
    given back        grants that were not used in time (leases that ran out, deferrals `missed`), of all grants
    scripts           calls above 5 and 10 ms, and the slowest (SLOWLOG); events of LATENCY LATEST
    full pace         with --released-together: seconds from the release until the allowed rate begins to hold, and until 98 %
                      of accounts have sent once

Accounts are suspended until all have their backlog: a fleet that sends what it can accepts slowly, and the first accounts would
have nothing left when the last get theirs. They are resumed one after the other, over one interval of their rate, so that their
slots are spread alike. With --released-together they are resumed in one burst: then all are due at once. Busy loops begin when
everything is accepted.

With --cluster state is on three primaries with a replica each, in 64 shards unless --shards says otherwise, and the broker is a
server of its own. Commands are those of the primaries.
"""

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from benchmarks.costs import slow_scripts, watch_slow_scripts
from benchmarks.load import Run
from benchmarks.rig import Rig, busy, end_in_order, rigged
from benchmarks.verdict import Result, judge, line


def measure(run: Run) -> Result:
    """Start a fleet, load it, and measure it."""
    environment = {} if run.capacity is None else {"PACELINE_CAPACITY": str(run.capacity)}
    with rigged(
        workers=run.workers,
        server=run.server,
        latency_ms=run.latency_ms,
        round_trip_ms=run.round_trip_ms,
        cluster=run.cluster,
        shards=run.shards,
        wait_replicas=run.wait_replicas,
        server_nice=run.server_nice,
        busy_loops=0,  # they begin later
        forked=run.forked,
        **environment,
    ) as rig:
        return measure_on(rig, run)


def measure_on(rig: Rig, run: Run) -> Result:
    """The same on a fleet that is there, without accounts."""
    names = [f"a{number:05d}" for number in range(run.accounts)]
    rig.add_accounts(names, run.rate, run.pacing)
    rig.suspend(names)
    log_begin_us = now_us()
    for name in names:
        rig.upload(name, senders=run.senders, rows=run.rows)
    not_accepted = rig.wait_until_accepted(60 + run.accounts / 50)
    with busy(run.busy_loops):
        if not run.released_together:
            release_spread(rig, run, names)
        time.sleep(run.warm_up_s)

        watch_slow_scripts(*rig.clients)
        before = rig.costs()
        if run.released_together:
            rig.resume(names)
        time.sleep(run.seconds)
        after = rig.costs()
        scripts = slow_scripts(*rig.clients)
        time.sleep(run.tail_s)
    log = rig.stub.arrivals()
    return judge(
        run,
        log,
        before,
        after,
        log_us=(log_begin_us, now_us()),
        scripts=scripts,
        not_accepted=not_accepted,
    )


def release_spread(rig: Rig, run: Run, names: list[str]) -> None:
    """Resume accounts evenly over one interval of their rate; those whose time has come together, as a call takes its time."""
    began_s, released = time.monotonic(), 0
    while released < len(names):
        due = min(len(names), 1 + int((time.monotonic() - began_s) / run.interval_s * len(names)))
        if due > released:
            rig.resume(names[released:due])
            released = due
        else:
            time.sleep(run.interval_s / len(names))


def now_us() -> int:
    """The clock that the stub uses."""
    return time.time_ns() // 1000


def arguments() -> argparse.ArgumentParser:
    """The options that describe a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, nargs="+", default=[4000], help="several: one run each")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rate", default="10/minute")
    parser.add_argument("--pacing", choices=["window", "spacing"], default="window")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=20, dest="warm_up_s")
    parser.add_argument("--senders-per-account", type=int, default=1, dest="senders")
    parser.add_argument("--server", choices=["system", "bundled"])
    parser.add_argument("--capacity", type=int)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--busy-loops", type=int, default=0)
    distance = parser.add_mutually_exclusive_group()
    distance.add_argument("--round-trip-ms", type=float, help="between a worker and the state server")
    distance.add_argument(
        "--round-trip-jitter", type=float, nargs=2, metavar=("LOW", "HIGH"), help="the same, varying (ms)"
    )
    parser.add_argument("--released-together", action="store_true")
    parser.add_argument("--cluster", action="store_true", help="state on three primaries and three replicas")
    parser.add_argument("--shards", type=int, default=0, help="of state on the cluster. Default: 64.")
    parser.add_argument("--wait-replicas", type=int, default=0, help="that have a write before it counts. Default: 0.")
    parser.add_argument("--server-nice", type=int, help="scheduling priority of the state server, -20 (first) to 19")
    return parser


def run_of(accounts: int, options: Mapping[str, Any]) -> Run:
    """The run that options of `arguments` describe."""
    fixed, varying = options["round_trip_ms"], options["round_trip_jitter"]
    round_trip_ms = tuple(varying) if varying else None if fixed is None else (fixed, fixed)
    rest = {name: value for name, value in options.items() if name not in ("accounts", "round_trip_jitter")}
    return Run(**{**rest, "accounts": accounts, "round_trip_ms": round_trip_ms})


def main() -> None:
    """Measure each run, and print its line."""
    parser = arguments()
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = vars(parser.parse_args())
    as_json = options.pop("json")
    end_in_order()
    for accounts in options["accounts"]:
        run = run_of(accounts, options)
        result = measure(run)
        print(json.dumps(asdict(result)) if as_json else line(run, result), flush=True)


if __name__ == "__main__":
    main()
