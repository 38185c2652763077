"""Server time of each page of the console with 10,000 accounts, 1,000 campaigns and 1,000,000 operations in state.

    python -m benchmarks.console [--accounts N] [--campaigns N] [--operations N] [--rounds N]

Prints as JSON, for each page, medians: its time, what of it was CPU of this process and of the state server (the two together are
what a page takes on a machine that does nothing else), and the commands that it took, scripts' own among them. Exit code 1 when a
page takes more than 200 ms.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx
import redis
from tests.conftest import SECRET
from tests.doors.exam import Worker
from tests.support.servers import start_server

from paceline import Outbox
from paceline.gateway import tokens
from paceline.settings import Settings
from paceline.state import connect, questions
from paceline_worker.accounts.account import NewAccount
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing
from paceline_worker.console.app import alone

_SENDER = "+15550100001"
_BAR_MS = 200.0
_PAGES = (
    "/",
    "/accounts",
    "/accounts/a00001",
    "/campaigns",
    "/campaigns/c0001",
    "/campaigns-new",
    "/operations?by=recipient&to=%2B15550100009",
    "/operations?by=outcome&outcome=accepted",
    "/suppression?account=a00001",
    "/hooks",
    "/held",
    "/dead",
    "/outcomes",
)


def fill(url: str, accounts: int, campaigns: int, operations: int) -> str:
    """Put all of it into state; returns a token."""
    worker = Worker(url)
    worker.state.client.config_set("appendonly", "no")  # the disk is not what is measured
    ring = KeyRing(SECRET)
    names = [f"a{number:05d}" for number in range(accounts)]
    new = [
        NewAccount(name=name, key=ApiKey(f"KEY-{name}"), rates="10/minute", info_every=timedelta(0)) for name in names
    ]
    Accounts(worker.state.client).add_many(new, ring=ring)
    each = operations // campaigns
    with Outbox(url) as outbox:
        for number in range(campaigns):
            rows = ({"to": f"+1555{number:03d}{row:04d}", "name": "Ada"} for row in range(each))
            outbox.start_campaign(
                f"c{number:04d}",
                account=names[number % accounts],
                sender=_SENDER,
                template="Hi {name}",
                recipients=rows,
                on_invalid=lambda _row, _reason: None,
            )
            if number % 50 == 49:
                worker.accept()
    worker.accept()
    for outcome in ("accepted", "rejected", "held"):
        for account in names[:10]:
            worker.attend()
            settle(worker, account, outcome)
    kept, token = tokens.make("bench", tokens.SCOPES, ["*"], None, datetime.now(UTC))
    worker.plain.ask(questions.add_token(kept.id, tokens.written(kept)))
    worker.close()
    return token


def settle(worker: Worker, account: str, outcome: str) -> None:
    """One outcome of what was granted, whosever it is."""
    granted = next(iter(worker.granted), None)
    if granted:
        worker.settle(granted, outcome, code="202", words=account)  # type: ignore[arg-type]


def _used(client: redis.Redis) -> float:
    """Seconds of CPU that the state server has used."""
    told = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


def _commands(client: redis.Redis) -> int:
    """Commands since the last reset, without our own questions."""
    told = client.info("commandstats")
    ours = ("config", "info", "client", "hello", "select", "ping", "script")
    return sum(int(of["calls"]) for name, of in told.items() if not any(word in name for word in ours))


async def measure(url: str, token: str, rounds: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each page."""
    app = alone(Settings(broker_url=url), rate=1e6)
    times: dict[str, dict[str, float]] = {}
    server = connect(url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console") as client,
    ):
        assert (await client.post("/console/sign-in", data={"token": token})).status_code == 303
        began = time.monotonic()
        for _ in range(6000):
            if "Counting accounts" not in (await client.get("/console/")).text:
                break
            await asyncio.sleep(0.1)
        times["first census"] = {"s": round(time.monotonic() - began, 1)}
        for page in _PAGES:
            spans, own, state = [], [], []
            server.config_resetstat()
            for _ in range(rounds):
                cpu, began, used = time.process_time(), time.perf_counter(), _used(server)
                answer = await client.get(f"/console{page}")
                spans.append((time.perf_counter() - began) * 1000)
                own.append((time.process_time() - cpu) * 1000)
                state.append((_used(server) - used) * 1000)
                assert answer.status_code == 200, answer.text
            columns = {"time_ms": spans, "cpu_ms": own, "state_cpu_ms": state}
            times[page] = {name: round(statistics.median(values), 1) for name, values in columns.items()}
            times[page]["commands"] = round(_commands(server) / rounds, 1)
    return times


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("accounts", 10_000), ("campaigns", 1_000), ("operations", 1_000_000), ("rounds", 9)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with start_server() as server:
        token = fill(server.url, given.accounts, given.campaigns, given.operations)
        times = asyncio.run(measure(server.url, token, given.rounds))
        print(json.dumps(times, indent=1))
    slow = [page for page, of in times.items() if of.get("time_ms", 0.0) > _BAR_MS]
    if slow:
        sys.exit(f"above {_BAR_MS:.0f} ms: {', '.join(slow)}")


if __name__ == "__main__":
    main()
