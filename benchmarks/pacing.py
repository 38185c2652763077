"""How much of the allowed rate is used, and is any limit broken? Judged from the sandbox's own arrival log.

    python -m benchmarks.pacing [--seconds 75] [--workers 2]

Three ways a provider may count, three rates, nine accounts at once, two workers. The share is (n-1)/(last-first) of the accepted
arrivals against the limit itself; beside it stands what the formula allows (spacing: W/N + J apart; window: (W+J)/N apart).
"""

import argparse
import time
from typing import Final

from benchmarks.stack import running
from paceline_worker.pacing.bucket import Pacing, pace_of

ALGORITHMS: Final[dict[str, Pacing]] = {"spacing": "spacing", "sliding_log": "window", "fixed_window": "window"}
RATES: Final = (10, 80, 600)
SENDERS: Final = 10


def main() -> int:
    """Run and print; exit code 1 when a limit was broken or 10/minute fell short of its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=75)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    accounts = {f"{algorithm}-{rate}": (algorithm, rate) for algorithm in ALGORITHMS for rate in RATES}
    keys = [
        {"key": name, "limits": [f"{rate}/minute"], "algorithm": algorithm}
        for name, (algorithm, rate) in accounts.items()
    ]
    with running({"keys": keys, "latency_ms": 30, "latency_jitter_ms": 20}, workers=options.workers) as stack:
        for number, (name, (algorithm, rate)) in enumerate(accounts.items()):
            stack.add_account(name, f"{rate}/minute", ALGORITHMS[algorithm])
            messages = round(rate * (options.seconds + 20) / 60)
            for lane in range(SENDERS if rate > RATES[0] else 1):
                recipients = (
                    {"to": f"+4915{number}{lane}{i:06d}"}
                    for i in range(messages // (SENDERS if rate > RATES[0] else 1) + 1)
                )
                stack.outbox.start_campaign(
                    f"{name}.{lane}",
                    account=name,
                    sender=f"+1555010{number:02d}{lane:02d}",
                    template="Hello",
                    recipients=recipients,
                )
        time.sleep(options.seconds)
        report = stack.sandbox.report()

    print(f"{'counted by':<14}{'limit':>10}{'accepted':>10}{'violations':>12}{'of the limit':>14}{'formula':>10}")
    failed = False
    for name, (algorithm, rate) in accounts.items():
        found = report["keys"][name]
        interval_s = pace_of(f"{rate}/minute", ALGORITHMS[algorithm]).interval_us / 1e6
        formula = 60 / rate / interval_s
        seconds = (found["last_accepted_us"] - found["first_accepted_us"]) / 1e6
        share = (found["accepted"] - 1) / seconds / (rate / 60)
        print(
            f"{algorithm:<14}{f'{rate}/min':>10}{found['accepted']:>10}{found['violations']:>12}"
            f"{share:>14.2%}{formula:>10.2%}"
        )
        bar = 0.98 if algorithm == "spacing" else 0.995
        failed |= found["violations"] > 0 or (rate == RATES[0] and share < bar)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
