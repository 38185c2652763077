"""What holds of a fleet after every fault: no canary shows, nothing is left over, every change was legal, no worker is idle."""

import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from paceline.state import connect
from tests.faults.fleet import Fleet
from tests.faults.usage import usage_of
from tests.faults.world import KEY_CANARY, SECRET, TEXT_CANARY, World
from tests.support.clocks import SHIFT_KEY
from tests.support.ownership import ownerless_keys

# Senders and recipients of every run.
_NUMBERS: Final = re.compile(r"1555(?:010|020|099)\d{4}\b")
_CANARIES: Final = (KEY_CANARY, TEXT_CANARY, SECRET)
# Idle connections to provider and state server stay open for a while.
SPARE_DESCRIPTORS: Final = 64
SPARE_MIB: Final = 64.0
_ALONE: Final = 3
_ALONE_S: Final = 90.0


def shown(built: World, fleet: Fleet) -> list[str]:
    """I8: places in which a key, a number or a text of the run shows that no one may read there."""
    places = {f"log of worker {worker.pid}": worker.log_text() for worker in fleet.all_ever}
    places["metrics"] = _metrics(fleet)
    url = built.separate_broker_url or built.server.url
    places["broker"] = dump(url)
    wrong = []
    for place, text in places.items():
        number = _NUMBERS.search(text)
        met = [canary for canary in _CANARIES if canary in text] + ([number[0]] if number else [])
        wrong += [f"{canary} shows in {place}" for canary in met]
    return wrong


def while_loaded(built: World, fleet: Fleet) -> list[str]:
    """What holds of a fleet that still has very much to do: I8, and books that balance."""
    _, unaccounted = built.outcomes()
    return shown(built, fleet) + [f"the books do not account for {unaccounted}"] * bool(unaccounted)


def left_over(built: World, fleet: Fleet) -> list[str]:
    """I9: memory, descriptors and keys that a run leaves behind once all is settled."""
    wrong = [f"{key} stays for ever" for key in ownerless_keys(built.client) if key != SHIFT_KEY]
    for place, worker in enumerate(fleet.workers):
        now, first = usage_of(worker.pid), fleet.at_first[place]
        if now.descriptors > first.descriptors + SPARE_DESCRIPTORS:
            wrong.append(f"a worker has {now.descriptors} descriptors, {first.descriptors} at first")
        if now.memory_mib > first.memory_mib + SPARE_MIB:
            wrong.append(f"a worker has {now.memory_mib:.0f} MiB, {first.memory_mib:.0f} at first")
    return wrong


def idle(built: World, fleet: Fleet) -> list[str]:
    """I6: workers that are alive and send nothing when the others stand still."""
    account, wrong = built.accounts[0], []
    for worker in list(fleet.workers):
        if worker.exit_code is not None:
            continue
        with _standing_still([other.pid for other in fleet.workers if other is not worker]):
            began_us = int(time.time() * 1e6)
            for _ in range(_ALONE):
                built.send(account)
            deadline = time.monotonic() + _ALONE_S
            while not built.arrived_after(began_us) and time.monotonic() < deadline:
                time.sleep(0.1)
            if not built.arrived_after(began_us):
                wrong.append(f"a worker was alive and sent nothing for {_ALONE_S:g} s")
    return wrong


@contextmanager
def _standing_still(pids: Sequence[int]) -> Iterator[None]:
    for pid in pids:
        _signal(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _metrics(fleet: Fleet) -> str:
    """Of the first worker; empty while it is away, or when another program has taken its port meanwhile."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{fleet.metrics_port}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except OSError:
        return ""


def dump(url: str) -> str:
    """Every key and value of a server as text, without those of state."""
    with connect(url, answer_timeout_s=30) as client:
        readers: dict[str, Callable[[str], Any]] = {
            "string": client.get,
            "list": lambda key: client.lrange(key, 0, -1),
            "hash": client.hgetall,
            "set": client.smembers,
            "zset": lambda key: client.zrange(key, 0, -1),
            "stream": client.xrange,
            "none": lambda _: "",
        }
        keys = [str(key) for key in client.scan_iter("*", count=1000)]
        return "\n".join(f"{key}: {readers[str(client.type(key))](key)}" for key in keys if ":{0}:" not in key)
