"""F31, F33: campaigns in parts, ramps, gathered sends and encrypted payloads under kills; workers with one name."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Final

from paceline import AsyncOutbox, Outbox, SendMessage, Settings
from paceline.errors import PacelineError
from paceline.ids import derived_id
from tests.faults.fleet import Fleet
from tests.faults.profile import Profile
from tests.faults.result import Result
from tests.faults.runs.killing import PACED, RATE, SLOW
from tests.faults.runs.severing import disturb, proxied
from tests.faults.verdict import judged
from tests.faults.witness import Sent
from tests.faults.world import LEASE_S, TEXT_CANARY, World, feed, world

ENCRYPTED: Final = {"PACELINE_ENCRYPT_PAYLOADS": "1"}
# Numbers of the campaign: each is a part of its own.
PARTS: Final = tuple(f"+155501001{number:02d}" for number in range(10))
BURST: Final = 20
# More a day than a run sends.
RAMP: Final = "10000,10000"
_AGAIN_S: Final = 0.5
_TRIES: Final = 60
_BURST_EVERY_S: Final = 0.8


def mixed(profile: Profile, seed: int) -> Result:
    """F31: kills of workers and of the state server, and a network that fails, while messages of every kind leave."""
    messages, kills = (max(1, number // 4) for number in profile.kills)
    with proxied(seed, appendfsync="always") as (built, proxy):
        built.add_account("acme", RATE, "window")
        built.environment |= ENCRYPTED
        with Fleet(built.environment, 2, forked=True) as fleet:
            url = built.environment["PACELINE_BROKER_URL"]
            hurting_is_over = threading.Event()
            sources = [
                _Campaign(built, url, "spring", messages // 2, hurting_is_over),
                _Bursts(built, url, messages // 2, hurting_is_over),
            ]
            for number in range(kills):
                time.sleep(built.random.uniform(0.5, 2.0))
                _hurt(built, fleet, number, lambda: disturb(built, proxy, built.random.randrange(5), 2.0))
            while all(worker.exit_code is not None for worker in fleet.workers):
                time.sleep(0.1)
            recovery_s = built.recovery_s(time.time())
            hurting_is_over.set()
            wrong = [source.finish() for source in sources]
            return judged(
                built,
                fleet,
                "F31",
                "campaign in ten parts with a ramp, gathered sends, all encrypted; workers, server, network fail",
                f"{len(built.sent)} messages, {kills} faults",
                recovery_s,
                most_s=LEASE_S + 2,
                alone=True,
                more=tuple(filter(None, wrong)),
            )


def twins(profile: Profile, seed: int) -> Result:
    """F33: two workers have the same name, as when somebody copies a unit file; workers are killed meanwhile."""
    messages, kills = (max(1, number // 10) for number in profile.kills)
    with world(seed, scenario=SLOW) as built:
        built.add_account("acme", RATE, "window")
        with Fleet(built.environment, 2, name="twin", forked=True) as fleet:
            stopping = threading.Event()
            feeder = feed(built, ["acme"], PACED, stopping, 10**6)
            for _ in range(kills):
                time.sleep(built.random.uniform(0.5, 2.0))
                fleet.kill(built.random.randrange(2))
            while len(built.sent) < messages:
                time.sleep(0.1)
            stopping.set()
            feeder.join()
            size = f"{len(built.sent)} messages, {kills} kills"
            return judged(built, fleet, "F33", "two workers with one name", size, alone=True)


def _hurt(built: World, fleet: Fleet, number: int, disturb_network: Callable[[], object]) -> None:
    """One fault: a worker, the state server, or the network."""
    if number % 3 == 0:
        fleet.kill(built.random.randrange(2))
    elif number % 3 == 1:
        built.server.kill()
        time.sleep(built.random.uniform(0.1, 1.0))
        built.server.restart()
    else:
        disturb_network()


class _Source(threading.Thread):
    """Somebody who sends so many messages at least, and goes on while the run is hurt: else nothing shows that it recovered."""

    def __init__(self, built: World, url: str, messages: int, hurting_is_over: threading.Event) -> None:
        super().__init__(daemon=True)
        self.built = built
        self._messages, self._hurting_is_over = messages, hurting_is_over
        self.settings = Settings(broker_url=url, namespace=built.namespace, encrypt_payloads=True)
        self.wrong = ""
        self.start()

    def run(self) -> None:
        """Send; an error is told in the row."""
        try:
            self.send()
        except Exception as error:  # noqa: BLE001 - of a thread: nobody else would hear of it
            self.wrong = f"{type(self).__name__} broke: {type(error).__name__}: {str(error).splitlines()[:1]}"

    def send(self) -> None:
        """Send everything."""
        raise NotImplementedError

    def finish(self) -> str:
        """Wait for the last message; what went wrong."""
        self.join()
        return self.wrong

    def slices(self, size: int) -> Iterator[range]:
        """The numbers of the messages, so many at a time."""
        for first in count(0, size):
            if first >= self._messages and self._hurting_is_over.is_set():
                return
            yield range(first, first + size)

    def note(self, sent: Sequence[Sent]) -> None:
        """Judge these, too."""
        self.built.sent += sent
        for one in sent:
            self.built.watch.add(one.id)


class _Campaign(_Source):
    """A service that uploads a campaign in slices, each again under the same name until it is taken whole."""

    def __init__(self, built: World, url: str, name: str, messages: int, hurting_is_over: threading.Event) -> None:
        self._campaign = name
        super().__init__(built, url, messages, hurting_is_over)

    def send(self) -> None:
        """Continue the campaign, slice by slice."""
        with Outbox(settings=self.settings) as outbox:
            for numbers in self.slices(BURST * 5):
                texts = {row: f"{TEXT_CANARY} {self._campaign} {row}" for row in numbers}
                rows = [{"to": f"+1555020{row:04d}", "key": f"k{row}", "text": texts[row]} for row in numbers]
                self._upload(outbox, rows)
                ids = {row: derived_id("campaign", self._campaign, f"k{row}") for row in numbers}
                # A number that keeps its recipient: each pair has one message, so order says nothing.
                self.note([Sent(ids[row], texts[row], ("campaign", f"{row}")) for row in numbers])
                time.sleep(BURST * 5 / PACED)

    def _upload(self, outbox: Outbox, rows: Sequence[dict[str, str]]) -> None:
        for _ in range(_TRIES):
            try:
                outbox.start_campaign(
                    self._campaign,
                    account="acme",
                    sender=PARTS,
                    template="{text}",
                    recipients=rows,
                    ramp=RAMP,
                )
            except PacelineError:
                time.sleep(_AGAIN_S)
            else:
                return
        raise TimeoutError("a slice was not taken")


class _Bursts(_Source):
    """A service on an event loop: many sends at once, which share round trips; each again under its key when it raises."""

    def send(self) -> None:
        """Send in bursts."""
        asyncio.run(self._send())

    async def _send(self) -> None:
        async with AsyncOutbox(settings=self.settings) as outbox:
            for burst in self.slices(BURST):
                sent = await asyncio.gather(*[self._one(outbox, number) for number in burst])
                self.note([one for one in sent if one])
                await asyncio.sleep(_BURST_EVERY_S)

    async def _one(self, outbox: AsyncOutbox, number: int) -> Sent | None:
        text, to = f"{TEXT_CANARY} burst {number}", f"+1555099{number:04d}"
        message = SendMessage(
            account="acme", sender=f"+155501000{number % BURST:02d}", to=to, text=text, idempotency_key=text
        )
        for _ in range(_TRIES):
            try:
                ticket = await outbox.send(message)
            except PacelineError:
                self.built.failed_sends += 1
                await asyncio.sleep(_AGAIN_S)
            else:
                return Sent(ticket.id, text, (message.sender, to), at_s=time.time())
        raise TimeoutError(f"message {number} was not taken")
