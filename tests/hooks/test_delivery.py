"""`paceline hooks run`: real processes, a real receiver that fails, and kill -9."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from paceline import Outbox, SendMessage, names
from paceline_sandbox.embedded import EmbeddedServer
from paceline_worker.hooks.state import HookBook
from tests.conftest import SECRET, SENDER, add_account
from tests.doors.conftest import server
from tests.doors.exam import Worker
from tests.support.hook_receiver import Receiver, receiving
from tests.support.processes import Process, free_port, spawn
from tests.support.shell import paceline
from tests.support.wait import wait_until

__all__ = ["server"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
PATIENCE = timedelta(seconds=180)
# Where one event is left, each failure is one of its tries: so there are many.
BACKOFF = ",".join(["0.1s", "0.2s", "0.4s", *["0.8s"] * 30])
QUICK = ["--backoff", BACKOFF, "--timeout", "1s", "--breaker-wait", "0.3s", "--lease", "2s"]


@dataclass
class Rig:
    """A state with an account, a receiver, and runners."""

    url: str
    worker: Worker
    receiver: Receiver
    folder: Path
    outbox: Outbox
    runners: list[Process] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {names.ENV_BROKER_URL: self.url, names.ENV_SECRET_KEY: SECRET}

    def command(self, *arguments: str) -> Any:
        ended = paceline(self.environment, "hooks", *arguments)
        assert 0 == ended.code, ended.err
        return ended

    def add(self, *options: str, events: str = "settled,sent,delivered,campaign.completed") -> str:
        """Add a hook that leads to the receiver."""
        arguments = ["add", self.receiver.url, "--account", "acme", "--events", events, "--allow-private", "--json"]
        added = json.loads(self.command(*arguments, *options).out)
        self.receiver.secrets.append(added["secret"])
        return str(added["id"])

    def shown(self, hook: str) -> dict[str, Any]:
        return dict(json.loads(self.command("show", hook, "--json").out))

    def stored(self, hook: str) -> dict[str, Any]:
        """What `shown` tells, for those who ask again and again."""
        return HookBook(self.worker.state.client).one(hook).as_json()

    def run(self, *options: str, port: int = 0) -> Process:
        """Start one more runner."""
        program = [sys.executable, "-m", "paceline.cli", "hooks", "run", "--allow-private", *QUICK, *options]
        log = self.folder / f"runner-{len(self.runners)}.log"
        runner = spawn([*program, "--metrics-port", str(port)], self.environment, log, forked=True)
        self.runners.append(runner)
        runner.wait_for_line("hooks are served")
        return runner

    def send(self, number: int, **fields: Any) -> list[str]:
        """Operations that are accepted, and have their receipts."""
        ids = [
            self.outbox.send(
                SendMessage(account="acme", sender=SENDER, to=f"+1555020{n:04d}", text="Hello", **fields)
            ).id
            for n in range(number)
        ]
        self.worker.accept()
        for op_id in ids:
            self.worker.settle(op_id, "accepted", code="202", words="")
            self.worker.deliver(op_id)
        return ids

    def wait_for(self, events: int) -> None:
        def what() -> str:
            return f"{events} events; {len(self.receiver.ids)} came; {self.command('list', '--json').out}"

        wait_until(lambda: len(self.receiver.ids) >= events, PATIENCE, what)


@pytest.fixture
def rig(server: EmbeddedServer, tmp_path: Path) -> Iterator[Rig]:
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        worker = Worker(server.url)
        stack.callback(worker.close)
        add_account(worker.state.client, "acme", "10000/second", "window", 5)
        built = Rig(server.url, worker, receiver, tmp_path, stack.enter_context(Outbox(broker_url=server.url)))
        yield built
        for runner in built.runners:
            runner.kill()
        for hook in json.loads(built.command("list", "--json").out):
            built.command("remove", hook["id"])
        # A removed hook leaves nothing.
        assert [] == list(worker.state.client.scan_iter("*:wh:*")) + list(worker.state.client.scan_iter("*:signing:*"))


def test_events_are_told_in_order_signed_and_without_recipients(rig: Rig) -> None:
    """What was given comes back; the recipient only where it was asked for; both secrets sign during a rotation."""
    rig.add()
    hook = rig.add("--with-recipients", events="settled")
    rig.run()
    [op_id] = rig.send(1, metadata={"order": "17"}, idempotency_key="inv-1")
    rig.wait_for(3)
    wait_until(lambda: len(rig.receiver.taken) == 4, PATIENCE, "both hooks")
    plain = [body for _, body in rig.receiver.taken if "to" not in body["data"]]
    [full] = [body for _, body in rig.receiver.taken if "to" in body["data"]]
    assert ["settled", "sent", "delivered"] == [body["type"] for body in plain]
    assert (op_id, "inv-1", {"order": "17"}) == tuple(
        plain[0]["data"][name] for name in ("id", "idempotency_key", "metadata")
    )
    assert "+15550200000" == full["data"]["to"]
    assert "+15550200000" not in json.dumps(plain)
    assert all(sum(fits) == 1 for fits in rig.receiver.verified)  # each hook has its own secret
    rotated = json.loads(rig.command("rotate", hook, "--json").out)
    rig.receiver.secrets = [rig.receiver.secrets[1], rotated["secret"]]
    rig.receiver.verified.clear()
    wait_until(lambda: _both(rig), PATIENCE, "both secrets sign")
    rig.command("test", hook, "--allow-private")
    assert "test" in [body["type"] for _, body in rig.receiver.taken]


def _both(rig: Rig) -> bool:
    rig.send(1)
    return [True, True] in rig.receiver.verified


def test_no_event_is_lost_when_the_receiver_fails_and_runners_are_killed(rig: Rig) -> None:
    """Some 500 events; one request in five fails, one in twenty hangs, the receiver is away for a while; three kill -9."""
    rig.receiver.failing, rig.receiver.hanging = 0.2, 0.05
    hook = rig.add()
    runner = rig.run()
    rig.run()
    ids = rig.send(60)
    for done in (40, 80, 120):
        rig.wait_for(done)
        runner.kill()
        ids += rig.send(27)
        runner = rig.run()
    rig.receiver.is_down = True
    requests = rig.receiver.requests
    ids += rig.send(24)
    wait_until(
        lambda: rig.receiver.requests >= requests + 30 or rig.stored(hook)["breaker_open"], PATIENCE, "it is down"
    )
    rig.receiver.is_down = False
    rig.wait_for(3 * len(ids))
    assert {op_id: ["settled", "sent", "delivered"] for op_id in ids} == rig.receiver.first_deliveries()
    assert all(len(bodies) == 1 for bodies in rig.receiver.bodies().values())
    assert {True} == {fits for [fits] in rig.receiver.verified}
    wait_until(lambda: rig.stored(hook)["waiting"] == 0, PATIENCE, "nothing waits")
    assert 0 == rig.shown(hook)["dead"] == rig.shown(hook)["gaps"]


def test_a_campaign_is_complete_once(rig: Rig) -> None:
    """Continued with further recipients and completed again, it is told once."""
    rig.add(events="campaign.completed,settled")
    rig.run()
    for part in (range(3), range(3, 5)):
        rows = [{"to": f"+1555020{n:04d}", "key": str(n)} for n in part]
        rig.outbox.start_campaign("spring", account="acme", sender=SENDER, template="Hi", recipients=rows)
        rig.worker.accept()
        for n in part:
            op_id = rig.outbox.status_of_row("spring", str(n)).id
            rig.worker.settle(op_id, "accepted", code="202", words="")
        rig.worker.attend()
        wait_until(lambda: rig.outbox.find_campaign("spring").progress().state == "complete", PATIENCE, "complete")
    rig.wait_for(6)
    types = Counter(body["type"] for _, body in rig.receiver.taken)
    assert {"settled": 5, "campaign.completed": 1} == types
    [body] = [body for _, body in rig.receiver.taken if body["type"] == "campaign.completed"]
    assert {"campaign": "spring", "account": "acme", "outcome": "complete", "count": 3} == body["data"]


def test_what_is_given_up_can_be_replayed(rig: Rig) -> None:
    """After its last try an event is on the dead-letter list, with its words; replayed it keeps its id."""
    rig.receiver.status = 500
    hook = rig.add(events="settled")
    rig.run("--backoff", "0.05s", "--breaker-wait", "0.1s")
    ids = rig.send(3)
    wait_until(lambda: rig.stored(hook)["dead"] == 3, PATIENCE, lambda: f"{rig.stored(hook)}")
    listed = json.loads(rig.command("dead", "list", hook, "--json").out)
    assert sorted(ids) == sorted(one["event"]["data"]["id"] for one in listed)
    assert {(2, "HTTP 500")} == {(one["tries"], one["words"]) for one in listed}
    assert "HTTP 500" in rig.command("dead", "list", hook).out
    rig.receiver.status = 204
    assert {"id": hook, "queued": 3} == json.loads(rig.command("replay", hook, "--since", "1h", "--dead", "--json").out)
    rig.wait_for(3)
    assert {one["id"] for one in listed} == rig.receiver.ids
    assert 3 == json.loads(rig.command("replay", hook, "--since", "1h", "--json").out)["queued"]
    wait_until(lambda: len(rig.receiver.taken) == 6, PATIENCE, "all of them again")
    assert {one["id"] for one in listed} == rig.receiver.ids


def test_410_disables_and_a_person_enables(rig: Rig) -> None:
    """Nothing more is posted; the backlog is posted when the hook is enabled again."""
    rig.receiver.status = 410
    hook = rig.add(events="settled")
    rig.run()
    rig.send(1)
    wait_until(lambda: rig.stored(hook)["disabled"], PATIENCE, "disabled")
    requests = rig.receiver.requests
    assert "410" in rig.command("list").out
    rig.send(2)
    rig.receiver.status = 204
    assert requests == rig.receiver.requests
    rig.command("change", hook, "--enable")
    rig.wait_for(3)


def test_a_runner_serves_no_private_address_and_shows_metrics(rig: Rig) -> None:
    """Without the flag it posts nothing to this machine, whatever the hook's address says; it shows why."""
    port = free_port()
    hook = rig.add(events="settled")
    program = [sys.executable, "-m", "paceline.cli", "hooks", "run", *QUICK, "--metrics-port", str(port)]
    runner = spawn(program, rig.environment, rig.folder / "strict.log", forked=True)
    rig.runners.append(runner)
    runner.wait_for_line("hooks are served")
    rig.send(1)
    wait_until(lambda: rig.stored(hook)["words"], PATIENCE, "a try")
    assert "is not a public address" in rig.shown(hook)["words"]
    assert 0 == rig.receiver.requests

    def shows_the_event() -> bool:
        """As waiting, or on the dead-letter list once its tries are over."""
        shown = httpx.get(f"http://127.0.0.1:{port}/metrics", verify=False).text
        kept = [f'paceline_hook_{name}{{hook="{hook}"}} 1.0' for name in ("events_waiting", "dead_events")]
        tried = f'paceline_hook_requests_total{{hook="{hook}",result="refused"}}'
        return tried in shown and any(line in shown for line in kept)

    wait_until(shows_the_event, PATIENCE, "the event in the metrics")
    assert [200, 200, 404] == [
        httpx.get(f"http://127.0.0.1:{port}{path}").status_code for path in ("/healthz", "/readyz", "/nothing")
    ]
    assert rig.receiver.secrets[0] not in runner.log_text()
    assert 0 == runner.stop()


def test_runners_share_hooks(rig: Rig) -> None:
    """Each has its share; who ends by SIGTERM leaves at once."""
    hooks = [rig.add(events="settled") for _ in range(4)]
    first = rig.run("--lease", "60s")
    wait_until(lambda: {rig.stored(hook)["runner"] for hook in hooks} != {None}, PATIENCE, "all are served")
    rig.run("--lease", "60s")
    wait_until(lambda: [2, 2] == list(_shares(rig, hooks).values()), PATIENCE, lambda: f"{_shares(rig, hooks)}")
    assert 0 == first.stop()
    wait_until(lambda: [4] == list(_shares(rig, hooks).values()), PATIENCE, lambda: f"{_shares(rig, hooks)}")


def _shares(rig: Rig, hooks: list[str]) -> Counter[str]:
    return Counter(str(rig.stored(hook)["runner"]) for hook in hooks)
