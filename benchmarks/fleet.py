"""Does a fleet send what its accounts are allowed? Many accounts with a backlog each, judged from the provider's side.

    python -m benchmarks.fleet --accounts 4000 --workers 1 [--rate 10/minute] [--pacing window] [--seconds 60] [--warm-up 20]
        [--senders-per-account 1] [--server system] [--capacity 200] [--latency-ms 20] [--busy-loops 2]
        [--released-together] [--json]

Prints one line a run:

    allowed, sent     a second, of all accounts; their ratio (intervals that the edges of the measurement cut count in proportion)
    p1, p2            of each account's own allowed rate: what the poorest 1 % and 2 % of accounts do not reach
    poorest           the mean of the poorest 2 % of accounts over the mean of all
    violations        arrivals that break an account's limit, over the whole run
    doubled           calls with the same key and body, over the whole run
    CPU, cores        of workers, state server and stub; `others` is everything else on this machine, busy loops among it
    commands          of the state server a sent operation, with what an idle fleet polls
    given back        grants that were not used in time (leases that ran out, deferrals `missed`), of all grants
    scripts           calls above 5 and 10 ms, and the slowest (SLOWLOG); events of LATENCY LATEST
    full pace         with --released-together: seconds from the release until the allowed rate is reached

Accounts get their backlog spread over one interval of their rate, so that their slots are. With --released-together they are
suspended, and resumed in one burst: then all are due at once.
"""

import argparse
import json
import math
import signal
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks.arrivals import (
    Arrivals,
    Pacing,
    count_between,
    fairness,
    full_pace_after,
    pace_between,
    percentile,
    violations,
)
from benchmarks.costs import Costs, SlowScripts, slow_scripts, watch_slow_scripts
from benchmarks.rig import VARIATION, Rig, rigged
from paceline_sandbox.embedded import Source
from paceline_worker.bucket import parse_rates, plan

# Seconds of backlog beyond what the plan of a run needs: acceptance may be slow.
_SLACK_S: Final = 30
_LONGEST_TAIL_S: Final = 15.0
_FULL: Final = 0.98


@dataclass(frozen=True)
class Run:
    """What to measure.

    Args:
        accounts: how many.
        workers: how many.
        rate: of each account.
        pacing: of each account.
        seconds: measured.
        warm_up_s: before that, after everything is accepted.
        senders: of each account.
        server: kind of state server.
        capacity: calls a worker may have under way; None: its default.
        latency_ms: of the provider.
        busy_loops: processes that compute beside it.
        released_together: all accounts are resumed in one burst at the begin of the measurement.
    """

    accounts: int
    workers: int = 1
    rate: str = "10/minute"
    pacing: Pacing = "window"
    seconds: float = 60
    warm_up_s: float = 20
    senders: int = 1
    server: Source | None = None
    capacity: int | None = None
    latency_ms: float = 0
    busy_loops: int = 0
    released_together: bool = False

    @property
    def limit(self) -> tuple[int, int]:
        """N and W (us)."""
        ((number, window_us),) = parse_rates(self.rate)
        return number, window_us

    @property
    def allowed_per_s(self) -> float:
        """Of one account."""
        number, window_us = self.limit
        return number / window_us * 1e6

    @property
    def interval_s(self) -> float:
        """Between the slots of one account."""
        return plan(self.rate, self.pacing, VARIATION).interval_us / 1e6

    @property
    def tail_s(self) -> float:
        """How long the log goes on, so that the interval at the end of the measurement is seen whole."""
        return min(self.interval_s * 1.1 + 0.5, _LONGEST_TAIL_S)

    @property
    def rows(self) -> int:
        """More than one sender can send in the whole run."""
        whole_s = self.warm_up_s + self.seconds + self.tail_s + self.interval_s + _SLACK_S + self.accounts / 200
        return math.ceil(whole_s * self.allowed_per_s / self.senders) + 1


@dataclass(frozen=True)
class Result:
    """What a run showed; see the module for the words."""

    allowed_per_s: float
    sent_per_s: float
    share: float
    p1: float
    p2: float
    poorest: float
    violations: int
    doubled: int
    worker_ms: float
    state_ms: float
    stub_ms: float
    worker_cores: float
    state_cores: float
    other_cores: float
    commands: float
    given_back: float
    deferrals: dict[str, int]
    leases_given_back: int
    scripts: SlowScripts
    not_accepted: int
    upload_s: float
    full_pace_s: float | None = None
    run: dict[str, Any] = field(default_factory=dict)


def measure(run: Run) -> Result:
    """Start a fleet, load it, and measure it."""
    environment = {} if run.capacity is None else {"PACELINE_CAPACITY": str(run.capacity)}
    with rigged(
        workers=run.workers, server=run.server, latency_ms=run.latency_ms, busy_loops=run.busy_loops, **environment
    ) as rig:
        return measure_on(rig, run)


def measure_on(rig: Rig, run: Run) -> Result:
    """The same on a fleet that is there, without accounts."""
    names = [f"a{number:05d}" for number in range(run.accounts)]
    rig.add_accounts(names, run.rate, run.pacing)
    if run.released_together:
        rig.suspend(names)
    log_begin_us = now_us()
    upload_s = upload_spread(rig, run, names)
    not_accepted = rig.wait_until_accepted(60 + run.accounts / 50)
    time.sleep(run.warm_up_s)

    watch_slow_scripts(rig.client)
    before = rig.costs()
    if run.released_together:
        rig.resume(names)
    time.sleep(run.seconds)
    after = rig.costs()
    scripts = slow_scripts(rig.client)
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
        upload_s=upload_s,
    )


def upload_spread(rig: Rig, run: Run, names: list[str]) -> float:
    """Give each account its backlog, evenly over one interval or as fast as it goes; returns the seconds it took."""
    began_s = time.monotonic()
    for number, name in enumerate(names):
        ahead_s = began_s + number / len(names) * run.interval_s - time.monotonic()
        if ahead_s > 0 and not run.released_together:
            time.sleep(ahead_s)
        rig.upload(name, senders=run.senders, rows=run.rows)
    return time.monotonic() - began_s


def judge(
    run: Run,
    log: Arrivals,
    before: Costs,
    after: Costs,
    *,
    log_us: tuple[int, int],
    scripts: SlowScripts,
    not_accepted: int,
    upload_s: float,
) -> Result:
    """Judge a run from the log of the stub, and from what it cost."""
    begin_us, end_us = before.at_us, after.at_us
    spent, seconds = after.since(before), (end_us - begin_us) / 1e6
    number, window_us = run.limit
    by_key = log.by_key()
    silent: list[list[int]] = [[]] * (run.accounts - len(by_key))
    accounts = [*by_key.values(), *silent]
    arrived = max(1, sum(count_between(times, begin_us, end_us) for times in accounts))
    paces = [pace_between(times, begin_us, end_us, log_us=log_us) for times in accounts]
    shares = [pace / (run.allowed_per_s * seconds) for pace in paces]
    returned = spent.given_back + spent.deferrals.get("missed", 0)
    sent_per_s, allowed_per_s = sum(paces) / seconds, run.allowed_per_s * run.accounts
    return Result(
        allowed_per_s=allowed_per_s,
        sent_per_s=sent_per_s,
        share=sent_per_s / allowed_per_s,
        p1=percentile(shares, 1),
        p2=percentile(shares, 2),
        poorest=fairness(paces),
        violations=sum(violations(times, number=number, window_us=window_us, pacing=run.pacing) for times in accounts),
        doubled=log.doubled(),
        worker_ms=spent.worker_s / arrived * 1e3,
        state_ms=spent.state_s / arrived * 1e3,
        stub_ms=spent.stub_s / arrived * 1e3,
        worker_cores=spent.worker_s / seconds,
        state_cores=spent.state_s / seconds,
        other_cores=(spent.machine_s - spent.worker_s - spent.state_s - spent.stub_s) / seconds,
        commands=spent.commands / arrived,
        given_back=returned / (returned + arrived),
        deferrals=dict(spent.deferrals),
        leases_given_back=spent.given_back,
        scripts=scripts,
        not_accepted=not_accepted,
        upload_s=upload_s,
        full_pace_s=full_pace_after(
            sorted(log.times_us),
            begin_us,
            end_us,
            per_s=allowed_per_s * _FULL,
            span_us=max(2_000_000, round(2 * run.interval_s * 1e6)),
        )
        if run.released_together
        else None,
        run=asdict(run),
    )


def line(run: Run, result: Result) -> str:
    """A result in one line."""
    scripts = result.scripts
    told = [
        f"{run.accounts} accounts x {run.rate} {run.pacing}, {run.workers} workers:",
        f"allowed {result.allowed_per_s:.1f}/s, sent {result.sent_per_s:.1f}/s = {result.share:.1%},",
        f"p1 {result.p1:.1%}, p2 {result.p2:.1%}, poorest {result.poorest:.2f};",
        f"violations {result.violations}, doubled {result.doubled};",
        f"CPU ms/op worker {result.worker_ms:.2f}, state {result.state_ms:.2f}, stub {result.stub_ms:.3f};",
        f"cores worker {result.worker_cores:.2f}, state {result.state_cores:.2f}, others {result.other_cores:.2f};",
        f"commands/op {result.commands:.1f};",
        f"given back {result.given_back:.2%} (leases {result.leases_given_back}, deferrals {result.deferrals});",
        f"scripts >5 ms {scripts.over_5_ms}, >10 ms {scripts.over_10_ms},",
        f"worst { ({name: round(ms, 1) for name, ms in sorted(scripts.worst_ms.items())}) }; latency {dict(scripts.events)}",
    ]
    if run.released_together:
        full = result.full_pace_s
        told.append("; full pace " + ("not reached" if full is None else f"after {full:.1f} s"))
    if result.not_accepted:
        told.append(f"; {result.not_accepted} records were not accepted in time")
    return " ".join(told)


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
    parser.add_argument("--released-together", action="store_true")
    return parser


def main() -> None:
    """Measure each run, and print its line."""
    parser = arguments()
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = vars(parser.parse_args())
    as_json, numbers = options.pop("json"), options.pop("accounts")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also then nothing is left behind
    for accounts in numbers:
        run = Run(accounts=accounts, **options)
        result = measure(run)
        print(json.dumps(asdict(result)) if as_json else line(run, result), flush=True)


if __name__ == "__main__":
    main()
