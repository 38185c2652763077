"""F5, F7, F8, F9: the state server is killed, the broker is emptied, replies are cut, and the network fails."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Final

from paceline.errors import PacelineError
from paceline.ids import derived_id
from paceline.state import connect
from paceline.state.scripts import Script
from paceline_sandbox.embedded import AppendFsync, EmbeddedServer
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.verdict import judged
from tests.faults.witness import Sent
from tests.faults.world import TEXT_CANARY, World, feed, world
from tests.support.proxy import Proxy
from tests.support.servers import start_server

LIMITED: Final[dict[str, Any]] = {"defaults": {"limits": ["3000/minute"]}, "latency_ms": 40, "latency_jitter_ms": 40}
RATE: Final = "3000/minute"
PACED: Final = 40.0
PACED_SLOWLY: Final = 10.0
# Scripts of the way of an operation, and who runs them.
SCRIPTS: Final = (
    ("paceline", "write_record"),
    ("paceline", "campaign"),
    ("paceline_worker", "overdue_records"),
    ("paceline_worker", "records"),
    ("paceline_worker", "accept"),
    ("paceline_worker", "grant"),
    ("paceline_worker", "begin"),
    ("paceline_worker", "settle"),
    ("paceline_worker", "heartbeat"),
)
EVERY_MESSAGE_S: Final = 0.05
ROWS_FROM: Final = "+15550100199"
_TRIES: Final = 40


def server_kills(profile: Profile, seed: int, appendfsync: AppendFsync) -> Result:
    """F5: the state server, which is the broker too, is killed and comes back."""
    longest_s = 0.0
    with world(seed, scenario=LIMITED, appendfsync=appendfsync) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(profile.server_kills):
                time.sleep(built.random.uniform(2.0, 4.0))
                killed_at_s = built.kill_server()
                time.sleep(built.random.uniform(0.1, 2.0))
                built.server.restart()
                longest_s = max(longest_s, built.recovery_s(time.time()))
                built.note_forgotten(killed_at_s)
            stopping.set()
            feeder.join()
            wrong = [f"the server forgot writes at {len(built.forgot_at_s)} kills"] * (
                appendfsync == "always" and bool(built.forgot_at_s)
            )
            figures = {"kills that forgot": len(built.forgot_at_s), "not judged": built.set_aside_forgotten()}
            size = f"{profile.server_kills} kills, {appendfsync}"
            return judged(
                built,
                fleet,
                "F5",
                "state server killed",
                size,
                longest_s,
                most_s=5.0,
                alone=True,
                figures=figures,
                more=tuple(wrong),
            )


def wiped_broker(profile: Profile, seed: int) -> Result:
    """F7: a broker of its own loses everything."""
    longest_s = 0.0
    with start_server() as broker, world(seed, scenario=LIMITED) as built:
        built.environment |= {"PACELINE_BROKER_URL": broker.url, "PACELINE_STATE_URL": built.server.url}
        built.produce_through(broker.url, built.server.url)
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet, connect(broker.url) as client:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(profile.wipes):
                time.sleep(2.0)
                client.flushall()
                longest_s = max(longest_s, built.recovery_s(time.time()))
            stopping.set()
            feeder.join()
            return judged(
                built, fleet, "F7", "broker emptied", f"{profile.wipes} times", longest_s, most_s=5.0, alone=True
            )


def reply_cuts(profile: Profile, seed: int) -> Result:
    """F8: each script is carried out, and its reply is cut."""
    cuts: dict[str, int] = {}
    with proxied(seed) as (built, proxy):
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 1) as fleet:
            for package, name in SCRIPTS:
                digest = Script(package, name)._sha.encode()  # noqa: SLF001
                proxy.cut_replies(digest, profile.reply_cuts)
                deadline = time.monotonic() + 30
                while proxy.replies_cut < profile.reply_cuts and time.monotonic() < deadline:
                    _one_row(built) if name == "campaign" else built.send("acme")
                    time.sleep(EVERY_MESSAGE_S)
                cuts[name] = proxy.replies_cut
            proxy.cut_replies(b"-", 0)
            missed = tuple(f"no reply of {name} was cut" for name, number in cuts.items() if not number)
            return judged(
                built, fleet, "F8", "replies of scripts cut", f"{sum(cuts.values())} cuts", more=missed, figures=cuts
            )


def _one_row(built: World) -> None:
    """A campaign of one row, again under its name until it is taken."""
    number = len(built.sent)
    name, text, to = f"c{number}", f"{TEXT_CANARY} row {number}", f"+1555020{number:04d}"
    for _ in range(_TRIES):
        try:
            built.outbox.start_campaign(
                name, account="acme", sender=ROWS_FROM, template=text, recipients=[{"to": to, "key": "k"}]
            )
        except PacelineError:
            continue
        one = Sent(derived_id("campaign", name, "k"), text, (ROWS_FROM, to))
        built.sent.append(one)
        return built.watch.add(one.id)
    raise TimeoutError(f"campaign {name} was not taken")


def network(profile: Profile, seed: int) -> Result:
    """F9: connections are cut, swallowed, delayed and refused, between everybody and the state server."""
    messages, faults = profile.cuts
    longest_s = 0.0
    with proxied(seed) as (built, proxy):
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED_SLOWLY, stopping, 10**6)
            for number in range(faults):
                time.sleep(built.random.uniform(0.2, 1.5))
                interrupts = disturb(built, proxy, number, profile.longest_hole_s)
                ended_s = time.time()
                if interrupts:
                    longest_s = max(longest_s, built.recovery_s(ended_s))
            while len(built.sent) < messages:
                time.sleep(0.1)
            stopping.set()
            feeder.join()
            size = f"{messages} messages, {faults} faults"
            return judged(
                built, fleet, "F9", "network cut, swallowed, delayed, refused", size, longest_s, most_s=8.0, alone=True
            )


def disturb(built: World, proxy: Proxy, number: int, longest_s: float) -> bool:
    """One fault of the network, and its end; True when nothing passed meanwhile."""
    kind = ("cut", "hole", "delay", "cut", "refuse")[number % 5]
    hold_s = 0.3 * (longest_s / 0.3) ** built.random.random()  # short ones are as many as long ones
    if kind == "cut":
        proxy.cut()
        return False
    if kind == "hole":
        proxy.black_hole()
    elif kind == "delay":
        proxy.delay(timedelta(milliseconds=50), timedelta(milliseconds=250))
    else:
        proxy.refuse()
        proxy.cut()
    time.sleep(hold_s)
    proxy.pass_through()
    return kind != "delay"


@contextmanager
def proxied(seed: int, *, appendfsync: AppendFsync = "everysec") -> Iterator[tuple[World, Proxy]]:
    """A run whose workers and producer reach the state server through a proxy."""
    proxies: list[Proxy] = []

    def through(server: EmbeddedServer, stack: ExitStack) -> str:
        proxies.append(stack.enter_context(Proxy(server.port)))
        return server.url.replace(f":{server.port}/", f":{proxies[0].port}/")

    with world(seed, scenario=LIMITED, broker=through, appendfsync=appendfsync) as built:
        yield built, proxies[0]
