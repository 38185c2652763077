"""What a run of a fleet showed, judged from the log of the stub and from what the run cost."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from benchmarks.arrivals import (
    Arrivals,
    count_between,
    fairness,
    full_pace_after,
    pace_between,
    percentile,
    violations,
)
from benchmarks.costs import Costs, SlowScripts
from benchmarks.load import Run

# Of the allowed rate; by the formula 10/minute with J = 100 ms reaches 99.8 %.
_FULL: Final = 0.98


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
    ran_dry: int = 0
    beside_cores: dict[str, float] = field(default_factory=dict)
    full_pace_s: float | None = None
    all_sent_s: float | None = None
    run: dict[str, Any] = field(default_factory=dict)


def judge(
    run: Run,
    log: Arrivals,
    before: Costs,
    after: Costs,
    *,
    log_us: tuple[int, int],
    scripts: SlowScripts,
    not_accepted: int,
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
        ran_dry=sum(len(times) >= run.rows * run.senders for times in accounts),
        beside_cores={part: spent_s / seconds for part, spent_s in spent.beside_s.items()},
        **(released(run, log, begin_us, end_us) if run.released_together else {}),
        run=asdict(run),
    )


def released(run: Run, log: Arrivals, begin_us: int, end_us: int) -> dict[str, float | None]:
    """What became of accounts that were released together."""
    full_pace_s = full_pace_after(
        sorted(log.times_us),
        begin_us,
        end_us,
        per_s=run.allowed_per_s * run.accounts * _FULL,
        span_us=max(2_000_000, round(2 * run.interval_s * 1e6)),
    )
    first_us = sorted(times[0] for times in log.by_key().values())
    enough = math.ceil(run.accounts * _FULL)
    all_sent_s = (first_us[enough - 1] - begin_us) / 1e6 if len(first_us) >= enough else None
    return {"full_pace_s": full_pace_s, "all_sent_s": all_sent_s}


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
    if result.beside_cores:
        told.append(f"; beside { ({part: round(cores, 2) for part, cores in result.beside_cores.items()}) }")
    if run.released_together:
        for what, after_s in (("full pace", result.full_pace_s), ("98 % of accounts had sent", result.all_sent_s)):
            told.append(f"; {what} after {after_s:.1f} s" if after_s is not None else f"; {what}: never")
    if result.not_accepted:
        told.append(f"; {result.not_accepted} records were not accepted in time")
    if result.ran_dry:
        told.append(f"; {result.ran_dry} accounts had nothing left to send")
    return " ".join(told)
