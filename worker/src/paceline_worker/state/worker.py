"""The calls of a worker's threads: accepting, granting, heartbeats and giving back, one typed method for each script."""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from paceline import names
from paceline.state import connect
from paceline.state.scripts import Script, root_of
from paceline.state.shards import at
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.connection import ANSWER_TIMEOUT_S
from paceline_worker.state.forgotten import Memory
from paceline_worker.state.inbox import Acceptance, Inbox
from paceline_worker.state.restarts import RunCheck, say_forgotten
from paceline_worker.state.values import LARGEST_BATCH, Beat, Fleet, Grants, Hint, InfoTurn

if TYPE_CHECKING:
    import redis

    from paceline_worker.integrity.seals import Seals

_PACKAGE: Final = "paceline_worker"
# What one call of grant.lua may cost the server, as work.lua reckons.
GRANT_BUDGET_US: Final = 2000


class WorkerState:
    """Blocking calls: accepting, granting, heartbeats, and giving back.

    Args:
        url: the state server.
        clock: narrowed by every reply.
        retention_s: how long settled operations are kept.
        grace_s: how long an unknown outcome rests before it is looked up.
        longest_lease_s: how long a begun operation is left alone.
        namespace: whose state it is.
        replicas: how many of them a script waits for after it wrote.
        on_forgotten: called when the state server came back without writes that it had acknowledged.
        shard: the shard that it works on.
        client: over the connections of another one; None: it connects.
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
        replicas: int = 0,
        on_forgotten: Callable[[], None] = lambda: None,
        shard: int = 0,
        client: "redis.Redis | None" = None,
    ) -> None:
        self.shard = shard
        self._on_forgotten = on_forgotten
        self._longest_lease_us = int(longest_lease_s * 1e6)
        self._grace_us = int(grace_s * 1e6)
        self._check = RunCheck(names.state_root(namespace, shard))
        self.client: redis.Redis = client or connect(
            url,
            namespace=namespace,
            answer_timeout_s=ANSWER_TIMEOUT_S,
            on_connected=self._connected,
            replicas=replicas,
        )
        # Whoever works on another shard over the same connections.
        self._beside: list[WorkerState] = []
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
        self._way = Script(_PACKAGE, "way")
        self._way_told: tuple[int, int] | None = None

    def _connected(self, connection: Any) -> None:
        self._check.connected(connection)
        for other in self._beside:
            other.look_at_the_server()

    def beside(self, shard: int, clock: ServerClock) -> "WorkerState":
        """The same calls on another shard, over the same connections.

        Args:
            shard: its number.
            clock: of its server.
        """
        other = copy(self)
        other._move_to(shard, at(self.client, shard), clock)  # noqa: SLF001 - of its own kind
        self._beside.append(other)
        return other

    def _move_to(self, shard: int, client: "redis.Redis", clock: ServerClock) -> None:
        home, self.shard, self.client, self._clock = self.client, shard, client, clock
        self._check, self._memory = RunCheck(root_of(client)), Memory()
        self._beside, self._way_told = [], None
        if (
            client.connection_pool is not home.connection_pool
        ):  # connections to another server, which knows of this shard

            def connected(connection: Any) -> None:
                connection.on_connect()
                self._connected(connection)

            client.connection_pool.connection_kwargs["redis_connect_func"] = connected

    def tell_way(self, fleet: Fleet) -> None:
        """Write down the way from grants to calls as a heartbeat told it, unless it stands there."""
        way = fleet.hop_us, fleet.lead_us
        if fleet.hop_us and way != self._way_told:
            self._way.run(self.client, *way)
            self._way_told = way

    def accept(self, rids: Iterable[str]) -> list[Acceptance]:
        """Move inbox records into their lanes; replayable. Operations get a seal, unless there are no `seals`."""
        return self._inbox.accept(self.client, rids, self.seals, encrypts=self.encrypts)

    def accept_in_turn(self, rids: Sequence[str]) -> tuple[list[Acceptance], list[str]]:
        """As `accept`, up to the first record that others of its account come before; with the ids of the rest."""
        accepted, _, left = self._inbox.accept_in_turn(self.client, rids, self.seals, encrypts=self.encrypts)
        return accepted, left

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
        return self.grant_in_turn(
            1, most=most, fleet_capacity=fleet_capacity, budget_us=budget_us, spread_us=spread_us
        )[0]

    def grant_in_turn(
        self,
        looks: int,
        *,
        most: int,
        fleet_capacity: int,
        budget_us: int = GRANT_BUDGET_US,
        spread_us: int = 0,
        living: str = "",
    ) -> list[Grants]:
        """Grant several times in one round trip.

        Args:
            looks: how many times.
            most: operations of each at the most.
            fleet_capacity: operations that all workers take on.
            budget_us: what each script may cost.
            spread_us: distance between slots that nothing else keeps apart.
            living: of several shards, the workers that live, as `Fleet` has them.
        """
        sent = time.monotonic()
        check = "1" if self._check.due(sent) else "0"
        call = (most, fleet_capacity, budget_us, self._retention_ms, self._grace_us, spread_us, check, living)
        script, client = self._grant, self.client
        replies = [script.run(client, *call)] if looks == 1 else script.run_many(client, [call] * looks)
        answered = time.monotonic()
        for reply in replies:
            self._clock.observe(sent, int(reply[0]), answered)
        jumped = self._clock.take_jump()
        return [self._grants(reply, jumped=jumped) for reply in replies]

    def _grants(self, reply: Any, *, jumped: bool) -> Grants:
        now, following, given_back, settled, room, restarted, infos, unfinished, in_flight, *flat = reply
        hints = [Hint(i, str(t), int(s), self.shard) for i, t, s in zip(*[iter(flat)] * 3, strict=True)]
        ended = [(a, k, o, *(many or [1])) for a, k, o, *many in json.loads(settled)]
        return Grants(
            hints=hints,
            next_us=int(following) if following else None,
            given_back=int(given_back),
            settled=ended,
            room=int(room),
            clock_jumped=jumped,
            server_restarted=restarted == "1",
            infos=[InfoTurn(account, int(slot), self.shard) for account, slot in json.loads(infos)],
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
        of_shards = (beat.shards, " ".join(f"{shard}:{load}" for shard, load in beat.loads.items()))
        now, total, intake, workers, grants, until, cpu, before, rank, *more = self._heartbeat.run(
            self.client,
            worker,
            *figures,
            *(int(seconds * 1e6) for seconds in way),
            *(of_shards if beat.shards > 1 else ()),
        )
        if self._clock.observe(sent, int(now), time.monotonic()):
            self._memory.left()
        forgotten_us = self._memory.forgotten_us(int(before) if before else None, int(now))
        if forgotten_us is not None:
            say_forgotten(forgotten_us)
            self._on_forgotten()
        self._memory.acknowledged(int(now) + int(ttl_s * 1e6))
        fleet = Fleet(int(total), int(intake), int(workers), grants == "1", int(until), int(cpu), int(rank))
        if not more:
            return fleet
        hop, lead, held, loads, living = more
        return replace(
            fleet,
            hop_us=int(hop),
            lead_us=int(lead),
            held=frozenset(map(int, held)),
            loads=list(map(int, loads)),
            living=f" {' '.join(living)} ",
        )

    def unreachable(self, worker: str, words: str) -> None:
        """Say why a worker cannot reach the provider; empty words: it can."""
        self._unreachable.run(self.client, worker, words)

    def leave(self, worker: str, shards: int = 1) -> None:
        """Take this worker out of the fleet, so that others take over its shards."""
        self._memory.left()
        self._heartbeat.run(self.client, worker, "", 0, *((0,) * 7 + (shards,) if shards > 1 else ()))

    def restart_buckets(self) -> None:
        """Let every bucket start empty, because the server's clock cannot be trusted to have gone on evenly."""
        self.shorten_leases()
        cursor = "0"
        while (cursor := str(self._restart_buckets.run(self.client, cursor))) != "0":
            pass
        self._clock.restarted(time.monotonic())

    def shorten_leases(self) -> int:
        """End leases in time that a clock which was set back since would hold for as long as that; returns how many."""
        return int(self._clock_set.run(self.client, self._longest_lease_us))
