"""Does a waiting backlog cost anything? The same account with 100 and with 200,000 operations behind it, side by side.

    python -m benchmarks.backlog [--seconds 60] [--many 200000]

Prints, per backlog: Redis commands per sent operation (INFO commandstats, those inside scripts included, after subtracting what an
idle fleet polls), Redis CPU, worker memory and worker CPU.
"""

import argparse
import time
from typing import Final

import psutil

from benchmarks.stack import Stack, running
from paceline.status.audit import Balance, balance_of

FEW: Final = 100
# Of clients and workers that would ask also with nothing to send.
NOT_OURS: Final = ("cmdstat_ping", "cmdstat_brpop", "cmdstat_info", "cmdstat_publish", "cmdstat_command")


def main() -> int:
    """Run and print; exit code 1 when a command count grows with the backlog."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--many", type=int, default=200_000)
    options = parser.parse_args()

    print(
        f"{'limit':>10}{'backlog':>10}{'sent':>6}{'commands/op':>13}{'redis CPU':>11}{'worker CPU':>12}"
        f"{'worker RSS':>12}{'upload':>9}"
    )
    failed = False
    for rate in ("10/minute", "600/minute"):
        costs = [
            measure(rate, backlog, options.seconds) for backlog in (FEW * (1 + 9 * (rate[0] == "6")), options.many)
        ]
        failed |= costs[1] > costs[0] * 1.1
    return int(failed)


def measure(rate: str, backlog: int, seconds: int) -> float:
    """Run one configuration and print its line; returns commands per sent operation."""
    scenario = {"defaults": {"limits": []}, "latency_ms": 20}
    with running(scenario, workers=1) as stack:
        stack.add_account("acme", rate)
        polls = commands_in(stack, 10) / 10
        started = time.monotonic()
        recipients = ({"to": f"+4915{i:09d}", "name": f"Customer {i}"} for i in range(backlog))
        stack.outbox.start_campaign(
            "backlog", account="acme", sender="+15550100001", template="Hi {name}", recipients=recipients
        )
        while balance(stack).inbox:
            time.sleep(0.05)
        upload_s = time.monotonic() - started
        worker = psutil.Process(stack.workers[0].pid)
        time.sleep(3)
        sent = accepted(stack)
        redis_cpu, worker_cpu = redis_seconds(stack), cpu_seconds(worker)
        began = time.monotonic()
        commands = commands_in(stack, seconds)
        took = time.monotonic() - began
        sent = accepted(stack) - sent
        per_operation = (commands - polls * took) / sent
        print(
            f"{rate:>10}{backlog:>10}{sent:>6}{per_operation:>13.1f}"
            f"{(redis_seconds(stack) - redis_cpu) / took:>11.2%}{(cpu_seconds(worker) - worker_cpu) / took:>12.2%}"
            f"{worker.memory_info().rss / 2**20:>9.0f} MB{upload_s:>8.1f}s"
        )
    return per_operation


def commands_in(stack: Stack, seconds: float) -> int:
    """Commands the server ran within a time."""
    before = command_count(stack)
    time.sleep(seconds)
    return command_count(stack) - before


def command_count(stack: Stack) -> int:
    """All commands but those of idle connections."""
    stats = stack.state.client.info("commandstats")
    return sum(int(one["calls"]) for name, one in stats.items() if name not in NOT_OURS)


def redis_seconds(stack: Stack) -> float:
    """CPU the server used."""
    info = stack.state.client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def cpu_seconds(process: psutil.Process) -> float:
    """CPU a worker used."""
    times = process.cpu_times()
    return float(times.user + times.system)


def accepted(stack: Stack) -> int:
    """Messages the provider accepted."""
    return int(stack.sandbox.report()["totals"]["accepted"])


def balance(stack: Stack) -> Balance:
    """The account's books."""
    found = stack.state.account("acme")
    assert found is not None
    return balance_of(found)


if __name__ == "__main__":
    raise SystemExit(main())
