"""What one operation costs the state server, script by script, with nothing else in the way.

    python -m benchmarks.scripts [--accounts 1000] [--rounds 3] [--rate 600/minute] [--backlog 5] [--server system] [--campaigns]

Calls accept, grant, begin and settle as a worker does, without worker, broker and provider: microseconds of the server (INFO
commandstats of EVALSHA) and commands an operation. work.lua reckons with such figures.
"""

import argparse
import base64
import json
import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from tests.support.servers import start_server

from paceline import Outbox, SendMessage
from paceline.state.scripts import Script
from paceline_worker.accounts.account import NewAccount
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.pacing.bucket import pace_of
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.values import LARGEST_BATCH, Hint
from paceline_worker.state.worker import WorkerState
from paceline_worker.verdict.policy import Verdict

if TYPE_CHECKING:
    from paceline_sandbox.embedded import Source

ACCEPTED: Final = Verdict("finish", "accepted", code="202", uuid="MSG", health="good")
SENDER: Final = "+15550100001"


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", choices=["system", "bundled"])
    parser.add_argument("--campaigns", action="store_true", help="Send rows of a campaign instead of single messages.")
    parser.add_argument("--rate", default="600/minute")
    parser.add_argument("--backlog", type=int, default=1, help="Operations that wait on each account.")
    parser.add_argument("--commands", action="store_true", help="Print the commands of each script.")
    options = parser.parse_args()

    with start_server(cast("Source | None", options.server)) as server, Outbox(broker_url=server.url) as outbox:
        bench = Bench(server.url, options.accounts, options.rate)
        costs: dict[str, tuple[float, float, dict[str, int]]] = {}
        for number in range(options.rounds):
            for place in range(1 if number else options.backlog):
                bench.enqueue(outbox, number * options.backlog + place, campaigns=options.campaigns)
            # Of several rounds the cheapest: what else the machine does can only add to it.
            for script, cost in bench.round().items():
                costs[script] = min(cost, costs.get(script, cost), key=lambda each: each[0])
        print(f"{'script':<8}{'us/op':>8}{'commands/op':>13}{'longest call ms':>17}")
        for script, (us, commands, names) in costs.items():
            print(f"{script:<8}{us:>8.1f}{commands:>13.1f}{bench.longest_ms[script]:>17.1f}")
            if options.commands:
                each = {name: round(calls / options.accounts, 2) for name, calls in names.items()}
                print("   ", dict(sorted(each.items(), key=lambda item: -item[1])))
        print(f"{'all':<8}{sum(c[0] for c in costs.values()):>8.1f}{sum(c[1] for c in costs.values()):>13.1f}")
        bench.close()


class Bench:
    """One server with many accounts, all of them due."""

    def __init__(self, url: str, accounts: int, rate: str) -> None:
        self.worker = WorkerState(url, ServerClock(), retention_s=3600, grace_s=15)
        self.client = self.worker.client
        self.accounts = [f"a{number}" for number in range(accounts)]
        ring = KeyRing(base64.urlsafe_b64encode(os.urandom(32)).decode())
        new = [
            NewAccount(name=name, key=ApiKey(name), rates=rate, pacing="window", info_every=timedelta(0))
            for name in self.accounts
        ]
        Accounts(self.client).add_many(new, ring=ring)
        self.begin_script = Script("paceline_worker", "begin")
        self.settle_script = Script("paceline_worker", "settle")
        self.longest_ms = dict.fromkeys(("accept", "grant", "begin", "settle"), 0.0)
        self.interval_s = pace_of(rate, "window").interval_us / 1e6

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    def enqueue(self, outbox: Outbox, number: int, *, campaigns: bool) -> None:
        """One operation for each account."""
        for place, name in enumerate(self.accounts):
            to = f"+1555{place:07d}"
            if campaigns:
                outbox.start_campaign(
                    f"{name}.{number}", account=name, sender=SENDER, template="Hi {name}, here we are.",
                    recipients=[{"to": to, "name": "Ann"}, {"to": f"{to}1", "name": "Bob"}],
                )  # fmt: skip
            else:
                outbox.send(SendMessage(account=name, sender=SENDER, to=to, text=f"Hello {place}, here we are."))

    def round(self) -> dict[str, tuple[float, float, dict[str, int]]]:
        """Accept, grant, begin and settle one operation of each account; what each costs."""
        costs = {"accept": self._cost("accept", self._accept)}
        time.sleep(self.interval_s + 0.4)
        hints: list[Hint] = []
        costs["grant"] = self._cost("grant", lambda: self._grant(hints))
        batches = [hints[start : start + LARGEST_BATCH] for start in range(0, len(hints), LARGEST_BATCH)]
        costs["begin"] = self._cost("begin", lambda: self._begin(batches))
        costs["settle"] = self._cost("settle", lambda: self._settle(batches))
        return costs

    def _accept(self) -> None:
        while rids := self.worker.overdue(0.0, 25):
            self.worker.accept(rids)

    def _grant(self, hints: list[Hint]) -> None:
        while len(hints) < len(self.accounts):
            hints += self.worker.grant(most=500, fleet_capacity=100_000).hints

    def _begin(self, batches: list[list[Hint]]) -> None:
        for batch in batches:
            flat = [text for hint in batch for text in (hint.id, hint.token, 1)]
            self.begin_script.run(self.client, "bench", 20_000_000, 5000, 1000, "0", *flat)

    def _settle(self, batches: list[list[Hint]]) -> None:
        for batch in batches:
            texts = [
                json.dumps(ACCEPTED.wire(hint.id, hint.token, 50_000) | {"uuid": f"MSG{hint.id}"}) for hint in batch
            ]
            self.settle_script.run(self.client, 3_600_000, 15_000_000, *texts)

    def _cost(self, name: str, work: Callable[[], None]) -> tuple[float, float, dict[str, int]]:
        self.client.config_set("slowlog-log-slower-than", 500)
        self.client.slowlog_reset()
        self.client.config_resetstat()
        work()
        stats: dict[str, dict[str, Any]] = self.client.info("commandstats")
        slow = max((entry["duration"] for entry in self.client.slowlog_get(1000)), default=0)
        self.longest_ms[name] = slow / 1000
        inside = {key.removeprefix("cmdstat_"): int(one["calls"]) for key, one in stats.items()}
        outside = ("evalsha", "eval", "config|resetstat", "config|set", "slowlog|reset", "slowlog|get", "info")
        commands = {key: calls for key, calls in inside.items() if key not in outside}
        scripts_us = sum(float(stats[key]["usec"]) for key in ("cmdstat_evalsha", "cmdstat_eval") if key in stats)
        number = len(self.accounts)
        return scripts_us / number, sum(commands.values()) / number, commands


if __name__ == "__main__":
    main()
