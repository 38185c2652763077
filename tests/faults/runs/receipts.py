"""F18: receipts that are lost, doubled, forged, early and out of order; what people see only ever moves on."""

import json
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from paceline.errors import NotFound
from paceline_worker.receipts.address import digest_of, new_token
from paceline_worker.receipts.hooks import events
from paceline_worker.receipts.state import Hooks
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.severing import PACED, RATE
from tests.faults.verdict import judged
from tests.faults.world import SECRET, SENDERS, World, feed, key_of, world
from tests.support.processes import free_port, spawn

HOSTILE: Final[dict[str, Any]] = {
    "defaults": {"limits": ["3000/minute"]},
    "latency_ms": 20,
    "receipts": {
        "sent_ms": 20,
        "received_ms": 200,
        "read_ms": 600,
        "not_sent": 0.1,
        "lose": 0.1,
        "duplicate": 0.5,
        "reorder": 0.4,
        "early": 0.4,
        "forge": 1,
        "retries": 3,
    },
}
_STEPS: Final = {
    "message.sent": "sent",
    "message.received": "received",
    "message.read": "read",
    "message.not-sent": "not_sent",
}
RANK: Final = ("", "sent", "not_sent", "received", "read")
_LOOKED_AT: Final = 40
_PATIENCE_S: Final = 60.0


def hostile(profile: Profile, seed: int) -> Result:
    """F18: each message's receipt is the highest step that the provider delivered, and never went back on the way there."""
    port = free_port()
    with world(seed, scenario=HOSTILE) as built, TemporaryDirectory() as logs:
        built.add_account("acme", RATE, "window")
        address = _subscribed(built, port)
        environment = {**built.environment, "PACELINE_LOG_FORMAT": "json"}
        args = [sys.executable, "-m", "paceline_worker.receipts", "--port", str(port)]
        with spawn(args, environment, Path(logs) / "receiver") as receiver, Fleet(built.environment, 1) as fleet:
            receiver.wait_for_line("/receipts")
            seen = _Seen(built)
            feed(built, ["acme"], PACED, threading.Event(), profile.receipts).join()
            built.drain(canaries=False)
            expected = _expected(built)
            states = _when_equal(built, expected)
            wrong = seen.went_back()
            differing = [one for one, state in states.items() if state != expected.get(one, "")]
            wrong += [f"{len(differing)} receipts are not as delivered, such as {differing[:1]}"] * bool(differing)
            log = receiver.log_text()
            wrong += [f"{one} shows in the receiver's log" for one in (address[-16:], SECRET) if one in log]
            told = len(_deliveries(built))
            return judged(
                built,
                fleet,
                "F18",
                "receipts lost, doubled, forged, reordered",
                f"{profile.receipts} messages",
                more=tuple(wrong[:5]),
                figures={"receipts": told},
            )


def _subscribed(built: World, port: int) -> str:
    """The path with its token, to which the provider posts."""
    token = new_token()
    Hooks(built.client).open("acme", digest_of(token), instead_of="", shown=True)
    address = f"http://127.0.0.1:{port}/receipts/acme/{token}"
    api = built.environment["PACELINE_API_BASE"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for number in range(SENDERS):
        for event in events(waba=False):
            body = {"hook_url": address, "on_number": f"+155501000{number:02d}"}
            request = urllib.request.Request(
                f"{api}/webhooks/subscribe/{event}",
                json.dumps(body).encode(),
                {"Content-Type": "application/json", "X-User-API-Key": key_of("acme")},
            )
            opener.open(request, timeout=30).close()
    return address


class _Seen:
    """Looks at some operations again and again while receipts come."""

    def __init__(self, built: World) -> None:
        self._built = built
        self._last: dict[str, str] = {}
        self._wrong: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def went_back(self) -> list[str]:
        """Receipts that were higher before."""
        self._over.set()
        self._thread.join()
        return self._wrong

    def _run(self) -> None:
        while not self._over.wait(0.2):
            for one in self._built.sent[-_LOOKED_AT:]:
                status, last = _receipt(self._built, one.id), self._last.get(one.id, "")
                if RANK.index(status) < RANK.index(last):
                    self._wrong.append(f"{one.text} went from {last} to {status or 'nothing'}")
                self._last[one.id] = status


def _receipt(built: World, op_id: str) -> str:
    try:
        receipt = built.outbox.status(op_id).receipt
    except NotFound:  # not taken in yet
        return ""
    return receipt.status if receipt else ""


def _deliveries(built: World) -> list[dict[str, Any]]:
    """What the provider tried to deliver, by its own record, once nothing is under way."""
    deadline = time.monotonic() + _PATIENCE_S
    while built.sandbox.report()["receipts"]["waiting"] and time.monotonic() < deadline:
        time.sleep(0.2)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{built.sandbox.origin}/sandbox/receipts", timeout=30) as answer:
        return [json.loads(line) for line in answer.read().decode().splitlines()]


def _expected(built: World) -> dict[str, str]:
    """By operation, the highest step that was delivered to a receiver which took it."""
    steps: defaultdict[str, set[str]] = defaultdict(set)
    for one in _deliveries(built):
        if one["status"] == 200 and not one["forged"]:
            steps[one["message_uuid"]].add(_STEPS[one["event"]])
    accepted = [arrival for arrival in built.sandbox.arrivals() if arrival["accepted"]]
    of_text = {str((a["body"] or {}).get("text")): str(a["message_uuid"]) for a in accepted}
    return {
        one.id: max(steps[of_text[one.text]], key=RANK.index)
        for one in built.sent
        if of_text.get(one.text, "") in steps
    }


def _when_equal(built: World, expected: dict[str, str]) -> dict[str, str]:
    """The receipts of all operations, as soon as they are as expected."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        states = {one.id: _receipt(built, one.id) for one in built.sent}
        if time.monotonic() > deadline or all(state == expected.get(one, "") for one, state in states.items()):
            return states
        time.sleep(0.5)
