"""The worker's side of the state: one typed function per script."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog

from paceline import names
from paceline.state import connect
from paceline.state.scripts import Script
from paceline.suppression.lists import EVERY_ACCOUNT
from paceline_worker.pacing.bucket import Pacing
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.connection import aconnect
from paceline_worker.state.forgotten import Memory
from paceline_worker.state.inbox import Acceptance, Inbox
from paceline_worker.state.sleep import asleep_s

if TYPE_CHECKING:
    import redis

    from paceline_worker.integrity.seals import Seals

_WHOSE: Final = {True: "all accounts", False: "the account"}
_PACKAGE: Final = "paceline_worker"
ANSWER_TIMEOUT_S: Final = 5.0
# How often the server is asked whether it is still the process we knew; a new connection asks in any case.
_RUN_CHECK_S: Final = 1.0
# What one call of grant.lua may cost the server, as work.lua reckons.
GRANT_BUDGET_US: Final = 2000
# Calls of begin and settle under way at once, and those for keys and figures.
_CONNECTIONS: Final = 24
# Longer than a call can last, so that a call still under way is never called unknown.
LEASE_MARGIN_S: Final = 5.0
# Operations in one call of begin or settle: some 2 ms of the server.
LARGEST_BATCH: Final = 15

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Hint:
    """One granted operation, as it travels through Celery.

    Args:
        id: the operation.
        token: the grant's fencing token.
        slot_us: server time at which it may be sent.
    """

    id: str
    token: str
    slot_us: int


@dataclass(frozen=True, slots=True)
class InfoTurn:
    """An account whose /info is to be read.

    Args:
        account: account name.
        slot_us: server time at which it may be asked for.
    """

    account: str
    slot_us: int


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What state knows of an account's limits.

    Args:
        rate: limits set by hand, or ''.
        told: requests a minute that /info told last, or ''.
        info_every_us: how often /info is read.
        interval_us: distance between slots, without what 429s added.
        pacing: ``spacing`` or ``window``.
        variation_us: J.
    """

    rate: str
    told: str
    info_every_us: int
    interval_us: int
    pacing: Pacing
    variation_us: int


@dataclass(frozen=True, slots=True)
class Grants:
    """What one run of grant.lua decided.

    Args:
        hints: granted operations, earliest account first.
        next_us: server time at which something is due next; None when nothing waits.
        given_back: leases that ran out before begin.
        settled: (account, kind, outcome, how many) of operations that ended on the way: expired, held, dead, cancelled.
        room: how many more operations the fleet could take.
        granted_us: server time of the grants.
        in_flight: operations in flight after it, of the whole fleet.
        unfinished: the budget of the run was used up, so more is due at once.
        clock_jumped: the server's clock was set; the grants must not be used.
        infos: accounts whose figures are to be read.
        server_restarted: this is not the server process that was here before; every bucket now starts empty.
    """

    hints: Sequence[Hint]
    next_us: int | None
    given_back: int
    settled: Sequence[tuple[str, str, str, int]]
    room: int
    clock_jumped: bool
    server_restarted: bool
    infos: Sequence[InfoTurn] = ()
    granted_us: int = 0
    in_flight: int = 0
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a heartbeat learns.

    Args:
        capacity: operations all live workers may have in flight.
        intake: operations all live workers take on now.
        workers: how many live workers.
        grants: True if this worker is the granter.
        granter_until_us: until when some worker grants, unless it says so again (server us); 0 when none does.
        cpu_us: CPU that a call costs a worker, 0 when none has measured.
    """

    capacity: int
    intake: int
    workers: int
    grants: bool = True
    granter_until_us: int = 0
    cpu_us: int = 0


@dataclass(frozen=True, slots=True)
class Beat:
    """What a worker says in its heartbeat.

    Args:
        capacity: operations it may have in flight.
        intake: operations it takes on now, its capacity at the most.
        latency_s: how long a call takes; 0: not measured.
        cpu_s: CPU that a call costs; 0: not measured.
        way_s: how long the way from a grant to its call takes at least; 0: not measured.
        longest_way_s: how long it takes at the most.
        lateness_s: how late its operations lately were.
        wants_grant_s: for how long it wants to be the granter; 0: not at all.
    """

    capacity: int
    intake: int
    latency_s: float = 0.0
    cpu_s: float = 0.0
    way_s: float = 0.0
    longest_way_s: float = 0.0
    lateness_s: float = 0.0
    wants_grant_s: float = 0.0


class RunCheck:
    """Whether the server is still the process that it was: asked on each new connection before anything else, and now and then.

    What a connection that is kept tells is for a proxy in between, which may hide that the server went away.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._script = Script(_PACKAGE, "restarted")
        self._asked_s = 0.0

    def connected(self, connection: Any) -> None:
        """A blocking connection was made."""
        connection.send_command(*self._script.plainly(self._root))
        self._note(connection.read_response())

    async def aconnected(self, connection: Any) -> None:
        """An asyncio connection was made."""
        await connection.send_command(*self._script.plainly(self._root))
        self._note(await connection.read_response())

    def _note(self, restarted: Any) -> None:
        if restarted in ("1", b"1"):
            say_restarted()

    def due(self, now_s: float) -> bool:
        """Whether this call is to ask as well; it is taken to do so."""
        if now_s - self._asked_s < _RUN_CHECK_S:
            return False
        self._asked_s = now_s
        return True

    def now(self) -> None:
        """Let the next call ask."""
        self._asked_s = 0.0


def say_forgotten(forgotten_us: int) -> None:
    """Into the log, by each worker whose heartbeat is missing."""
    log.critical(
        "the state server came back without writes that it had acknowledged: its append-only file was truncated, or is an old one. "
        "Operations of that time may be lost or sent again; run `paceline audit`, and compare with what your services sent",
        forgotten_s=round(forgotten_us / 1e6, 1),
    )


def say_restarted() -> None:
    """Into the log, by whoever noticed it."""
    log.warning("the state server was restarted; every bucket starts empty, so sending stops for one spacing")


class WorkerState:
    """Blocking calls: accepting, granting, heartbeats, and giving back.

    Args:
        url: the state server.
        clock: narrowed by every reply.
        retention_s: how long settled operations are kept.
        grace_s: how long an unknown outcome rests before it is looked up.
        longest_lease_s: how long a begun operation is left alone.
        namespace: whose state it is.
        on_forgotten: called when the state server came back without writes that it had acknowledged.
    """

    def __init__(
        self,
        url: str,
        clock: ServerClock,
        *,
        retention_s: int,
        grace_s: float,
        longest_lease_s: float = 20.0,
        namespace: str = names.NAMESPACE,
        on_forgotten: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_forgotten = on_forgotten
        self._longest_lease_us = int(longest_lease_s * 1e6)
        self._grace_us = int(grace_s * 1e6)
        self._check = RunCheck(names.state_root(namespace))
        self.client: redis.Redis = connect(
            url, namespace=namespace, answer_timeout_s=ANSWER_TIMEOUT_S, on_connected=self._check.connected
        )
        self._clock = clock
        self._retention_ms = retention_s * 1000
        self.seals: Seals | None = None
        self.encrypts = False
        self._inbox = Inbox(self._retention_ms)
        self._grant = Script(_PACKAGE, "grant")
        self._settle = Script(_PACKAGE, "settle")
        self._heartbeat = Script(_PACKAGE, "heartbeat")
        self._memory = Memory()
        self._overdue = Script(_PACKAGE, "overdue_records")
        self._unreachable = Script(_PACKAGE, "unreachable")
        self._restart_buckets = Script(_PACKAGE, "restart_buckets")
        self._clock_set = Script(_PACKAGE, "clock_set")

    def accept(self, rids: Iterable[str]) -> list[Acceptance]:
        """Move inbox records into their lanes; replayable. Operations get a seal, unless there are no `seals`."""
        return self._inbox.accept(self.client, rids, self.seals, encrypts=self.encrypts)

    def overdue(self, grace_s: float, most: int) -> list[str]:
        """Inbox records that nobody accepted within the grace time."""
        rids: list[str] = self._overdue.run(self.client, int(grace_s * 1e6), most)
        return rids

    def grant(self, *, most: int, fleet_capacity: int, budget_us: int = GRANT_BUDGET_US, spread_us: int = 0) -> Grants:
        """Grant what is due; see grant.lua.

        Args:
            most: operations at the most.
            fleet_capacity: operations that all workers take on.
            budget_us: what the script may cost.
            spread_us: distance between slots that nothing else keeps apart.
        """
        sent = time.monotonic()
        check = "1" if self._check.due(sent) else "0"
        reply = self._grant.run(
            self.client, most, fleet_capacity, budget_us, self._retention_ms, self._grace_us, spread_us, check
        )
        now, following, given_back, settled, room, restarted, infos, unfinished, in_flight, *flat = reply
        self._clock.observe(sent, int(now), time.monotonic())
        hints = [Hint(i, str(t), int(s)) for i, t, s in zip(*[iter(flat)] * 3, strict=True)]
        ended = [(a, k, o, *(many or [1])) for a, k, o, *many in json.loads(settled)]
        return Grants(
            hints=hints,
            next_us=int(following) if following else None,
            given_back=int(given_back),
            settled=ended,
            room=int(room),
            clock_jumped=self._clock.take_jump(),
            server_restarted=restarted == "1",
            infos=[InfoTurn(account, int(slot)) for account, slot in json.loads(infos)],
            granted_us=int(now),
            in_flight=int(in_flight),
            unfinished=unfinished == "1",
        )

    def look_at_the_server(self) -> None:
        """Let the next grant find out whether the server is still the same process."""
        self._check.now()

    def give_back(self, hints: Iterable[Hint], words: str) -> None:
        """Return granted operations to the heads of their lanes, unless somebody has begun them meanwhile."""
        verdict = {"verb": "return", "words": words}
        texts = [json.dumps(verdict | {"id": hint.id, "token": hint.token}) for hint in hints]
        for start in range(0, len(texts), LARGEST_BATCH):
            self._settle.run(self.client, self._retention_ms, self._grace_us, *texts[start : start + LARGEST_BATCH])

    def heartbeat(self, worker: str, beat: Beat, ttl_s: float) -> Fleet:
        """Say that this worker lives and what it measured, and learn about the fleet.

        Args:
            worker: its name in the fleet.
            beat: what it says.
            ttl_s: after so long without another heartbeat it counts no more.
        """
        sent = time.monotonic()
        figures = (beat.capacity, int(ttl_s * 1e6), int(beat.latency_s * 1e6), int(beat.cpu_s * 1e6), beat.intake)
        way = (beat.way_s, beat.lateness_s, beat.wants_grant_s, beat.longest_way_s)
        now, total, intake, workers, grants, until, cpu, before = self._heartbeat.run(
            self.client, worker, *figures, *(int(seconds * 1e6) for seconds in way)
        )
        if self._clock.observe(sent, int(now), time.monotonic()):
            self._memory.left()
        forgotten_us = self._memory.forgotten_us(int(before) if before else None, int(now))
        if forgotten_us is not None:
            say_forgotten(forgotten_us)
            self._on_forgotten()
        self._memory.acknowledged(int(now) + int(ttl_s * 1e6))
        return Fleet(int(total), int(intake), int(workers), grants == "1", int(until), int(cpu))

    def unreachable(self, worker: str, words: str) -> None:
        """Say why a worker cannot reach the provider; empty words: it can."""
        self._unreachable.run(self.client, worker, words)

    def leave(self, worker: str) -> None:
        """Take this worker out of the fleet."""
        self._memory.left()
        self._heartbeat.run(self.client, worker, "", 0)

    def restart_buckets(self) -> None:
        """Let every bucket start empty, because the server's clock cannot be trusted to have gone on evenly."""
        self.shorten_leases()
        cursor = "0"
        while (cursor := str(self._restart_buckets.run(self.client, cursor))) != "0":
            pass

    def shorten_leases(self) -> int:
        """End leases in time that a clock which was set back since would hold for as long as that; returns how many."""
        return int(self._clock_set.run(self.client, self._longest_lease_us))


@dataclass(frozen=True, slots=True)
class Answered:
    """begin.lua's answer to one question, and when it came.

    Args:
        answer: its JSON object.
        server_us: the server's time when it answered.
        asked_s: monotonic seconds before the question was sent.
        heard_s: monotonic seconds after the answer came.
        asleep_s: how long this machine had slept when the question was sent (`state.sleep`).
    """

    answer: dict[str, Any]
    server_us: int
    asked_s: float
    heard_s: float
    asleep_s: float = 0.0


class DeliveryState:
    """Calls from the event loop: begin, settle, keys. All replayable.

    Args:
        url: the state server.
        clock: narrowed by every reply.
        owner: unique to this process; a grant begun by it is its own.
        lease_s: how long a begun operation is left alone.
        tolerance_floor_s: the least lateness allowed after a slot, whatever the account's J.
        retention_s: how long settled operations are kept.
        grace_s: how long an unknown outcome rests before it is looked up.
        namespace: whose state it is.
    """

    def __init__(
        self,
        url: str,
        clock: ServerClock,
        *,
        owner: str,
        lease_s: float,
        tolerance_floor_s: float,
        retention_s: int,
        grace_s: float,
        namespace: str = names.NAMESPACE,
    ) -> None:
        self._grace_us = int(grace_s * 1e6)
        self._check = RunCheck(names.state_root(namespace))
        self.client = aconnect(
            url,
            namespace,
            answer_timeout_s=ANSWER_TIMEOUT_S,
            connections=_CONNECTIONS,
            on_connected=self._connected,
        )
        self._clock = clock
        self._owner = owner
        self._lease_us = int(lease_s * 1e6)
        self._floor_us = int(tolerance_floor_s * 1e6)
        self._retention_ms = retention_s * 1000
        self._begin = Script(_PACKAGE, "begin")
        self._settle = Script(_PACKAGE, "settle")
        self._account = Script(_PACKAGE, "account")
        self._seal_campaign = Script(_PACKAGE, "seal_campaign")
        self._suppress = Script("paceline", "suppress")

    async def _connected(self, connection: Any) -> None:
        await connection.on_connect()
        await self._check.aconnected(connection)

    async def begin(self, grants: Sequence[tuple[str, str, int]], notice_us: int) -> list[Answered]:
        """Ask for operations; see begin.lua for the answers.

        Args:
            grants: id, token, and how many questions were asked about this grant, this one included.
            notice_us: from the server's time until a call can be made.
        """
        flat = [text for grant in grants for text in grant]
        asleep, sent = asleep_s(), time.monotonic()
        check = "1" if self._check.due(sent) else "0"
        reply = await self._begin.arun(
            self.client, self._owner, self._lease_us, self._floor_us, notice_us, check, *flat
        )
        heard, now_us = time.monotonic(), int(reply[0])
        self._clock.observe(sent, now_us, heard)
        if reply[1] == "1":
            say_restarted()
        return [Answered(json.loads(text), now_us, sent, heard, asleep) for text in reply[2:]]

    async def settle(self, verdicts: Sequence[dict[str, Any]]) -> tuple[list[str], int | None]:
        """Record verdicts: what was done with each, and when something is due next (server us)."""
        sent = time.monotonic()
        texts = (json.dumps(verdict) for verdict in verdicts)
        reply = await self._settle.arun(self.client, self._retention_ms, self._grace_us, *texts)
        self._clock.observe(sent, int(reply[0]), time.monotonic())
        return list(reply[2:]), int(reply[1]) if reply[1] else None

    async def keys(self, accounts: Sequence[str]) -> list[tuple[str, int, str]]:
        """Of accounts: the encrypted key, its version, the sealed statement of the highest version; '', 0 and '' when removed."""
        reply = await self._account.arun(self.client, "keys", *accounts)
        return [(text, int(version or 0), floor) for text, version, floor in zip(*[iter(reply)] * 3, strict=True)]

    async def raise_floor(self, account: str, statement: str) -> None:
        """Write down, sealed, that an account had a key of this version."""
        await self._account.arun(self.client, "floor", account, statement)

    async def seal_campaign(self, name: str, seal: str) -> None:
        """Write the seal of a campaign of which something was begun, unless it has one."""
        await self._seal_campaign.arun(self.client, name, seal)

    async def barred(self, account: str, number: str) -> str:
        """Why nobody may write to a number, as suppression.lua says it; '' when it is on no list."""
        [entry] = await self._suppress.arun(self.client, "check", account, number)
        if not entry:
            return ""
        name, _, reason = entry
        return f"its recipient is on the suppression list of {_WHOSE[name == EVERY_ACCOUNT]}: {reason}"

    async def known(self, account: str) -> KnownAccount | None:
        """An account's limits as state has them; None when it was removed."""
        reply = await self._account.arun(self.client, "known", account)
        if not isinstance(reply, list):
            return None
        rate, told, every, interval, pacing, variation, _ = reply
        return KnownAccount(rate or "", told or "", int(every or 0), int(interval), pacing, int(variation))

    async def learn(
        self, account: str, rate: str, *, again_us: int, catch_up_us: int, may_send: bool, fields: Mapping[str, str]
    ) -> str:
        """Write down what /info said; see account.lua for the arguments and replies."""
        flat = (text for pair in fields.items() for text in pair)
        return str(
            await self._account.arun(
                self.client, "info", account, rate, again_us, catch_up_us, "1" if may_send else "0", *flat
            )
        )

    async def info_throttled(self, account: str, pause_us: int) -> None:
        """/info was answered 429: the account pauses."""
        await self._account.arun(self.client, "throttled", account, pause_us)

    async def info_later(self, account: str) -> None:
        """/info was not asked for in time: soon again."""
        await self._account.arun(self.client, "info later", account)

    async def suspend(self, account: str, reason: str, key_version: int) -> bool:
        """Stop granting for an account whose key was refused; False when it has another key meanwhile."""
        return bool(await self._account.arun(self.client, "suspend", account, reason, key_version) == "done")
