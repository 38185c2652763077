"""How many operations a second leave when no limit binds? Server, provider and workers share this machine's cores.

    python -m benchmarks.throughput [--operations 20000] [--workers 2] [--senders 400]

The rate is taken from the sandbox's arrival log, between the 5th and 95th percentile of arrivals.
"""

import argparse
import time
from datetime import timedelta

import psutil

from benchmarks.backlog import cpu_seconds
from benchmarks.stack import running


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--senders", type=int, default=400)
    options = parser.parse_args()

    scenario = {"defaults": {"limits": []}, "latency_ms": 0, "serial_senders": False}
    with running(scenario, workers=options.workers) as stack:
        per_sender = options.operations // options.senders
        for account in range(4):
            stack.add_account(f"a{account}", "1000000/second", variation=timedelta(seconds=1))
        for sender in range(options.senders):
            stack.outbox.start_campaign(
                f"c{sender}",
                account=f"a{sender % 4}",
                sender=f"+1555010{sender:04d}",
                template="Hello",
                recipients=({"to": f"+4915{sender:04d}{i:05d}"} for i in range(per_sender)),
            )
        total = per_sender * options.senders
        processes = [psutil.Process(worker.pid) for worker in stack.workers] + [psutil.Process(stack.server.pid)]
        before = [cpu_seconds(process) for process in processes]
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and stack.sandbox.report()["totals"]["accepted"] < total:
            time.sleep(0.5)
        *workers_s, server_s = (cpu_seconds(p) - b for p, b in zip(processes, before, strict=True))
        arrivals = [one["at_us"] for one in stack.sandbox.arrivals()]
        low, high = len(arrivals) // 20, len(arrivals) * 19 // 20
        rate = (high - low) / ((arrivals[high] - arrivals[low]) / 1e6)
        print(f"{len(arrivals)} of {total} arrived; {rate:.0f} operations/s with {options.workers} workers")
        print(
            f"CPU ms an operation: workers {sum(workers_s) / total * 1e3:.2f}, state server {server_s / total * 1e3:.2f}"
        )


if __name__ == "__main__":
    main()
