"""The HTTP gateway: one key is one operation, what a request costs, what a large campaign costs.

    python -m benchmarks.gateway [--only faults throughput campaign] [--sends 10000] [--rows 1000000] [--seconds 10]

Sections, each beside its measure in the same run, because a figure of its own says nothing on a busy machine:

    faults      sends with an Idempotency-Key; clients give up early and repeat, the gateway is killed with SIGKILL twice
    throughput  sends a second, beside a FastAPI endpoint that does one SET
    campaign    rows as a CSV file in requests of 8 MiB, beside the same file by `Outbox.start_campaign`; memory of the gateway

Exit code 1 when a key has two operations or none, or a ratio misses its bar (docs/benchmarks.md).
"""

import argparse
import asyncio
import json
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import urlopen

import httpx
import psutil
from tests.conftest import add_account
from tests.doors.exam import Worker
from tests.support.processes import Process, free_port, spawn
from tests.support.servers import SERVER_KINDS, start_server
from tests.support.wait import wait_until

from paceline import names
from paceline.gateway import tokens
from paceline.state import questions
from paceline.state.campaigns import CampaignSnapshot
from paceline_sandbox.embedded import EmbeddedServer

SENDER: Final = "+15550100001"
REQUEST: Final = 8_000_000
PLAIN: Final = """
import os
import redis.asyncio
from fastapi import FastAPI
from pydantic import BaseModel

client = redis.asyncio.Redis.from_url(os.environ["PACELINE_BROKER_URL"])
app = FastAPI()


class Item(BaseModel):
    account: str
    sender: str
    to: str
    text: str


@app.post("/v1/operations/send-message", status_code=202)
async def set_(item: Item) -> dict[str, str]:
    await client.set("plain", item.text)
    return {"id": "x"}
"""
PYTHON: Final = """
import sys
from pathlib import Path
from paceline import Outbox
Outbox(broker_url=sys.argv[1]).start_campaign(
    "python", account="acme", sender="+15550100001", template="Hi {name}", recipients=Path(sys.argv[2])
)
"""


@dataclass
class Rig:
    """A state server with an account, a token, and where logs go.

    Args:
        server: the state.
        worker: takes on what was sent.
        token: for the gateway.
        folder: of logs and files.
        forked: whether a gateway is a fork of the tests' nursery; not where its memory or its CPU is measured.
        started: what is to be ended.
    """

    server: EmbeddedServer
    worker: Worker
    token: str
    folder: Path
    forked: bool = False
    started: list[Process] = field(default_factory=list)

    def gateway(self, port: int) -> Process:
        """A gateway that answers."""
        program = [sys.executable, "-m", "paceline.cli", "gateway", "--port", str(port), "--rate", "1000000"]
        return self._up(program, port, "/readyz")

    def plain(self, port: int) -> Process:
        """An application with one endpoint that does one SET."""
        (self.folder / "plain.py").write_text(PLAIN, encoding="utf-8")
        program = [sys.executable, "-m", "uvicorn", "plain:app", "--app-dir", str(self.folder), "--port", str(port)]
        return self._up([*program, "--no-access-log"], port, "/openapi.json")

    def end(self) -> None:
        """End what was started."""
        for process in self.started:
            process.kill()

    def _up(self, program: list[str], port: int, path: str) -> Process:
        log = self.folder / f"{len(self.started)}.log"
        process = spawn(program, {names.ENV_BROKER_URL: self.server.url}, log, forked=self.forked)
        self.started.append(process)
        wait_until(lambda: _answers(f"http://127.0.0.1:{port}{path}"), timedelta(minutes=2), "it answers")
        return process


def _answers(url: str) -> bool:
    with suppress(OSError), urlopen(url, timeout=2) as answer:  # a client of httpx reads all certificates each time
        return bool(answer.status == 200)
    return False


@contextmanager
def rigged(*, forked: bool = False) -> Iterator[Rig]:
    """A rig of its own; see `Rig`."""
    with ExitStack() as stack:
        server = stack.enter_context(start_server(SERVER_KINDS[0]))
        worker = Worker(server.url)
        stack.callback(worker.close)
        add_account(worker.state.client, "acme", "10000/second", "window", 5)
        kept, token = tokens.make("bench", ["send", "read", "campaigns"], ["acme"], None, datetime.now(UTC))
        worker.plain.ask(questions.add_token(kept.id, tokens.written(kept)))
        rig = Rig(server, worker, token, Path(stack.enter_context(TemporaryDirectory())), forked)
        stack.callback(rig.end)
        yield rig


@dataclass
class Sent:
    """What clients were told: the ids of each key, and how often they had no answer."""

    ids: dict[str, set[str]] = field(default_factory=dict)
    unanswered: int = 0


async def send_all(url: str, token: str, keys: list[str], sent: Sent, clients: int = 16) -> None:
    """Send one message for each key; who has no answer in time repeats the request until there is one.

    Args:
        url: of the gateway.
        token: for it.
        keys: idempotency keys.
        sent: what was told, filled while it is told.
        clients: at once.
    """
    waiting, chance = list(reversed(keys)), random.Random(1)

    async def client(session: httpx.AsyncClient) -> None:
        while waiting:
            key = waiting.pop()
            body = {"account": "acme", "sender": SENDER, "to": "+15550100002", "text": key}
            while True:
                try:
                    # Some give up before the gateway can have answered: their request may have done its work.
                    patience = 0.005 if chance.random() < 0.05 else 5.0
                    answer = await session.post(
                        "/v1/operations/send-message", json=body, headers={"Idempotency-Key": key}, timeout=patience
                    )
                except httpx.HTTPError:
                    sent.unanswered += 1
                    await asyncio.sleep(0.05)
                    continue
                if answer.status_code == 202:
                    sent.ids.setdefault(key, set()).add(answer.json()["id"])
                    if chance.random() < 0.1:  # its answer was lost on the way, as far as this client can tell
                        continue
                    break
                await asyncio.sleep(0.05)

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))


def faults(rig: Rig, sends: int, kills: int = 2) -> dict[str, int]:
    """Sends, while the gateway is killed.

    Args:
        rig: where.
        sends: keys.
        kills: of the gateway, spread over the sends.

    Returns:
        Keys, those with no or several operations, those of which clients were told several ids, and what was repeated.
    """
    port, sent, keys = free_port(), Sent(), [f"key-{number}" for number in range(sends)]
    gateway = rig.gateway(port)

    async def scene() -> None:
        sending = asyncio.create_task(send_all(f"http://127.0.0.1:{port}", rig.token, keys, sent))
        process = gateway
        for kill in range(kills):
            while len(sent.ids) < sends * (kill + 1) / (kills + 1):  # noqa: ASYNC110 - a hundred looks a second cost nothing
                await asyncio.sleep(0.01)
            process.kill()
            process = await asyncio.to_thread(rig.gateway, port)
        await sending

    asyncio.run(scene())
    rig.worker.accept()
    found: dict[str, int] = {}
    for key in rig.worker.state.client.scan_iter("*:o:*", count=1000):
        given = rig.worker.state.client.hget(key, "ik")
        found[str(given)] = found.get(str(given), 0) + 1
    return {
        "keys": sends,
        "keys without an operation": sum(key not in found for key in keys),
        "keys with several operations": sum(found.get(key, 0) > 1 for key in keys),
        "keys that clients know under several ids": sum(len(sent.ids[key]) > 1 for key in keys),
        "requests without an answer": sent.unanswered,
    }


async def _rate(port: int, request: bytes, seconds: float, connections: int = 32) -> float:
    """Answered requests a second; a bare client, so that the server is what is measured."""
    ends, done = time.perf_counter() + seconds, 0

    async def ask() -> None:
        nonlocal done
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < ends:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 202 " not in head[:20]:
                raise RuntimeError(head.decode())
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            done += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(connections)))
    return done / (time.perf_counter() - began)


def _request(token: str) -> bytes:
    body = json.dumps({"account": "acme", "sender": SENDER, "to": "+15550100002", "text": "Hello"}).encode()
    head = (
        "POST /v1/operations/send-message HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def throughput(rig: Rig, seconds: float) -> dict[str, float]:
    """Sends a second beside a plain endpoint, in turns.

    Args:
        rig: where.
        seconds: of each turn.
    """
    ports = {"gateway": free_port(), "plain": free_port()}
    servers = {
        "gateway": psutil.Process(rig.gateway(ports["gateway"]).pid),
        "plain": psutil.Process(rig.plain(ports["plain"]).pid),
    }
    request, rates, costs = _request(rig.token), {name: list[float]() for name in ports}, dict.fromkeys(ports, 0.0)
    for turn in range(5):
        for name, port in ports.items():
            spent = sum(servers[name].cpu_times()[:2])
            rate = asyncio.run(_rate(port, request, seconds / 5 if turn == 0 else seconds))
            if turn:  # the first one is for warming up
                rates[name].append(rate)
                costs[name] += (sum(servers[name].cpu_times()[:2]) - spent) / (rate * seconds) / 4 * 1000
    medians = {name: statistics.median(found) for name, found in rates.items()}
    told = {f"{name}, sends a second": figure for name, figure in medians.items()}
    told |= {f"{name}, ms of CPU a send": figure for name, figure in costs.items()}
    ratio = medians["gateway"] / medians["plain"]
    return told | {"ratio": ratio, "ratio of CPU": costs["plain"] / costs["gateway"]}


def campaign(rig: Rig, rows: int, size: int = REQUEST) -> dict[str, float]:
    """The same rows by Python and through the gateway.

    Args:
        rig: where.
        rows: recipients.
        size: bytes of one request.
    """
    file = rig.folder / "people.csv"
    with file.open("w", encoding="utf-8") as opened:
        opened.write("to,name\n")
        opened.writelines(f"+4915{number:09d},Customer {number}\n" for number in range(rows))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python = _timed(lambda: subprocess.run([sys.executable, "-c", PYTHON, rig.server.url, str(file)], check=True))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    python_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    port = free_port()
    process = psutil.Process(rig.gateway(port).pid)
    first, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    most = [first]
    url = f"http://127.0.0.1:{port}"
    gateway = _timed(lambda: _upload(url, rig.token, file, size, lambda: most.append(process.memory_info().rss)))
    gateway_cpu = sum(process.cpu_times()[:2]) - cpu
    by_python, by_gateway = (rig.worker.plain.campaign(name) or CampaignSnapshot() for name in ("python", "gateway"))
    return {
        "rows": rows,
        "rows by Python": float(by_python.offered),
        "rows by the gateway": float(by_gateway.written or by_gateway.inbox),
        "seconds of Python": python,
        "seconds of the gateway": gateway,
        "ratio": gateway / python,
        "seconds of CPU of Python": python_cpu,
        "seconds of CPU of the gateway": gateway_cpu,
        "MB at first": first / 1e6,
        "MB after the first request": most[min(1, len(most) - 1)] / 1e6,
        "MB at most": max(most) / 1e6,
    }


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _upload(url: str, token: str, file: Path, size: int, look: Callable[[], None]) -> None:
    params = {"account": "acme", "sender": SENDER, "template": "Hi {name}"}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "text/csv"}
    with httpx.Client(base_url=url, headers=headers, timeout=600) as client, file.open("rb") as opened:
        header = opened.readline()
        while part := opened.read(size):
            answer = client.post(
                "/v1/campaigns/gateway/upload", params=params, content=header + part + opened.readline()
            )
            answer.raise_for_status()
            look()


def main() -> int:
    """Run the sections, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sections = ("faults", "throughput", "campaign")
    parser.add_argument("--only", nargs="+", choices=sections, default=sections)
    parser.add_argument("--sends", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    missed = False
    for section in options.only:
        with rigged() as rig:
            figures: dict[str, Any]
            if section == "faults":
                figures = faults(rig, options.sends)
                missed |= any(figures[name] for name in figures if name.startswith("keys "))
            elif section == "throughput":
                figures = throughput(rig, options.seconds)
                missed |= figures["ratio"] < 0.5
            else:
                figures = campaign(rig, options.rows)
                missed |= figures["ratio"] > 2
        print(section)
        for name, figure in figures.items():
            print(f"{name:>42}  {figure:,.2f}" if isinstance(figure, float) else f"{name:>42}  {figure:,}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
