"""How much of its rate does an account with a measured J use, on a link whose spread changes? Judged from the arrival log.

    python -m benchmarks.variation [--seconds 60] [--base-ms 10] [--spread-ms 1 80] [--rates 10 80 600] [--workers 2]

Accounts with `spacing` and `--variation auto`, one sender each, beside accounts with the fixed J of 100 ms. A TCP proxy delays
what workers send by a base and a spread, drawn for each part; in the middle of the run the spread changes. The sandbox
counts by strict spacing: two arrivals closer than W/N are a violation. The share is (n-1)/(last-first) of a phase's arrivals
against the limit.
"""

import argparse
import time
from datetime import timedelta
from typing import Any, Final

from tests.support.proxy import Proxy

from benchmarks.stack import Stack, running
from paceline_worker.pacing.bucket import DEFAULT_VARIATION, Variation

# Calls that are answered before J is believed, and what the first slots need.
_SETTLING_S: Final = 15


def main() -> int:
    """Run and print; exit code 1 when a limit was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="Seconds that each phase lasts.")
    parser.add_argument("--base-ms", type=float, default=10)
    parser.add_argument("--spread-ms", type=float, nargs="+", default=[1, 80])
    parser.add_argument("--rates", type=int, nargs="+", default=[10, 80, 600])
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()

    proxies: list[Proxy] = []

    def link(port: int) -> int:
        proxies.append(Proxy(port).__enter__())
        return proxies[-1].port

    variations: dict[str, Variation] = {"auto": "auto", "fixed": DEFAULT_VARIATION}
    accounts = {f"{word}-{rate}": (rate, value) for word, value in variations.items() for rate in options.rates}
    keys = [{"key": name, "limits": [f"{rate}/minute"], "algorithm": "spacing"} for name, (rate, _) in accounts.items()]
    whole_s = _SETTLING_S + options.seconds * len(options.spread_ms)
    phases: list[tuple[float, float, float]] = []
    with running({"keys": keys, "latency_ms": 5}, workers=options.workers, link=link) as stack:
        base = timedelta(milliseconds=options.base_ms)
        proxies[0].delay(base, base + timedelta(milliseconds=options.spread_ms[0]))
        for number, (name, (rate, variation)) in enumerate(accounts.items()):
            stack.add_account(name, f"{rate}/minute", "spacing", variation)
            recipients = ({"to": f"+4915{number}{i:07d}"} for i in range(round(rate * (whole_s + 30) / 60)))
            stack.outbox.start_campaign(
                name, account=name, sender=f"+1555010{number:04d}", template="Hello", recipients=recipients
            )
        time.sleep(_SETTLING_S)
        for spread_ms in options.spread_ms:
            proxies[0].delay(base, base + timedelta(milliseconds=spread_ms))
            began_s = time.time()
            time.sleep(options.seconds)
            phases.append((spread_ms, began_s, time.time()))
        failed = _tell(stack, accounts, phases)
    for proxy in proxies:
        proxy.__exit__(None, None, None)
    return 1 if failed else 0


def _tell(stack: Stack, accounts: dict[str, tuple[int, Variation]], phases: list[tuple[float, float, float]]) -> bool:
    report: dict[str, Any] = stack.sandbox.report()
    arrivals = list(stack.sandbox.arrivals())
    print(f"{'account':<12}{'spread ms':>10}{'calls':>8}{'of the limit':>14}{'violations':>12}")
    failed = False
    for name, (rate, _) in accounts.items():
        violations = report["keys"][name]["violations"]
        failed = failed or violations > 0
        for spread_ms, began_s, ended_s in phases:
            at = [
                one["at_us"] / 1e6 for one in arrivals if one["key"] == name and began_s <= one["at_us"] / 1e6 < ended_s
            ]
            share = (len(at) - 1) / (at[-1] - at[0]) / (rate / 60) if len(at) > 1 else 0.0
            print(f"{name:<12}{spread_ms:>10g}{len(at):>8}{share:>13.1%}{violations:>13}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
