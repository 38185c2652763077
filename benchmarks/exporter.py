"""What a reading of the exporter costs, with a tenth of the accounts and with all of them, and how long it keeps the server busy.

    python -m benchmarks.exporter [--accounts 10000] [--readings 5]

Prints, per number of accounts: seconds a reading (the best of several), the server's part of it, the longest script run, series,
and the CPU the exporter's process used for one. Exit code 1 when ten times the accounts cost more than fifteen times as much,
or a reading of all takes a second.
"""

import argparse
import base64
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from tests.support.servers import start_server

from paceline import SendMessage
from paceline.ids import new_id
from paceline.inbox.record import operation_id, single
from paceline.state import connect
from paceline.state.calls import State
from paceline_worker.accounts.account import NewAccount
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.exporter.gauges import StateGauges
from paceline_worker.exporter.readings import Reader
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.worker import WorkerState

MOST_TIMES: Final = 15
MOST_S: Final = 1.0


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--readings", type=int, default=5)
    options = parser.parse_args()
    print(f"{'accounts':>9}{'reading':>10}{'server':>10}{'longest':>10}{'series':>8}{'exporter CPU':>14}")
    with start_server() as server:
        few = measure(server.url, 0, options.accounts // 10, options.readings)
        many = measure(server.url, options.accounts // 10, options.accounts, options.readings)
    print(f"ten times the accounts: {many / few:.1f} times the time")
    return int(many / few > MOST_TIMES or many > MOST_S)


def measure(url: str, present: int, accounts: int, readings: int) -> float:
    """Fill up to so many accounts, each with an operation waiting, and print a line; returns seconds a reading."""
    client = connect(url)
    fill(url, present, accounts)
    best, server_s, longest_us, cpu_s, series = float("inf"), 0.0, 0, 0.0, 0
    client.config_set("slowlog-log-slower-than", 500)  # us; at 0 it would log each command inside a script
    for _ in range(readings):
        registry = CollectorRegistry()
        registry.register(StateGauges(Reader(client), State(client), capacity=200))
        client.slowlog_reset()
        client.config_resetstat()
        began, cpu = time.perf_counter(), time.process_time()
        text = generate_latest(registry).decode()
        took = time.perf_counter() - began
        if took < best:
            best, cpu_s = took, time.process_time() - cpu
            stats = client.info("commandstats")
            server_s = sum(stats[name]["usec"] for name in ("cmdstat_eval", "cmdstat_evalsha") if name in stats) / 1e6
            longest_us = max((int(one["duration"]) for one in client.slowlog_get(128)), default=0)
            series = sum(1 for line in text.splitlines() if not line.startswith("#"))
    client.close()
    print(f"{accounts:>9}{best:>8.3f} s{server_s:>8.3f} s{longest_us / 1e3:>7.1f} ms{series:>8}{cpu_s:>12.3f} s")
    return best


def fill(url: str, present: int, accounts: int) -> None:
    """Accounts of 10 a minute, each with one operation in its lane."""
    client = connect(url)
    state, book = State(client), Accounts(client)
    ring = KeyRing(base64.urlsafe_b64encode(bytes(32)).decode())
    worker = WorkerState(url, ServerClock(), retention_s=3600, grace_s=15)
    rids = []
    names = [f"account-{number:05}" for number in range(present, accounts)]
    every = timedelta(0)
    new = (NewAccount(name=name, key=ApiKey(name), rates="10/minute", info_every=every) for name in names)
    book.add_many(new, ring=ring)
    for name in names:
        message = SendMessage(account=name, sender="+15550100001", to="+15550100002", text="Hello")
        rids.append(new_id())
        body = single(message, operation_id(message), datetime.now(UTC))
        state.submit(rids[-1], name, message.sender, 1, body)
    worker.accept(rids)
    worker.client.close()
    client.close()


if __name__ == "__main__":
    raise SystemExit(main())
