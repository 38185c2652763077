"""The calls of a worker's event loop: begin, settle, keys and figures, one typed method for each script."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Final

from paceline import names
from paceline.state import AsyncStateClient
from paceline.state.scripts import Script, root_of
from paceline.state.shards import at
from paceline.suppression.lists import EVERY_ACCOUNT
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.connection import ANSWER_TIMEOUT_S, aconnect
from paceline_worker.state.restarts import RunCheck, say_restarted
from paceline_worker.state.sleep import asleep_s
from paceline_worker.state.values import Answered, KnownAccount

_PACKAGE: Final = "paceline_worker"
# Calls of begin and settle under way at once, and those for keys and figures.
_CONNECTIONS: Final = 24


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
        replicas: how many of them a script waits for after it wrote.
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
        replicas: int = 0,
    ) -> None:
        self._grace_us = int(grace_s * 1e6)
        self._check = RunCheck(names.state_root(namespace))
        self.client = aconnect(
            url,
            namespace,
            answer_timeout_s=ANSWER_TIMEOUT_S,
            connections=_CONNECTIONS,
            on_connected=self._connected,
            replicas=replicas,
        )
        self._clock = clock
        self._owner = owner
        self._lease_us = int(lease_s * 1e6)
        self._floor_us = int(tolerance_floor_s * 1e6)
        self._retention_ms = retention_s * 1000
        self._begin = Script(_PACKAGE, "begin")
        self._settle = Script(_PACKAGE, "settle")
        self._restart_buckets = Script(_PACKAGE, "restart_buckets")
        self._restarting = asyncio.Lock()
        self._account = Script(_PACKAGE, "account")
        self._seal_campaign = Script(_PACKAGE, "seal_campaign")
        self._suppress = Script("paceline", "suppress")

        # Whoever works on another shard over the same connections.
        self._beside: list[DeliveryState] = []

    async def _connected(self, connection: Any) -> None:
        await connection.on_connect()
        await self._check.aconnected(connection)
        for other in self._beside:
            other.look_at_the_server()

    def look_at_the_server(self) -> None:
        """Let the next question find out whether the server is still the same process."""
        self._check.now()

    def beside(self, shard: int, clock: ServerClock) -> "DeliveryState":
        """The same calls on another shard, over the same connections.

        Args:
            shard: its number.
            clock: of its server.
        """
        other = copy(self)
        other._move_to(at(self.client, shard), clock)  # noqa: SLF001 - of its own kind
        self._beside.append(other)
        return other

    def _move_to(self, client: AsyncStateClient, clock: ServerClock) -> None:
        home, self.client, self._clock, self._beside = self.client, client, clock, []
        self._check = RunCheck(root_of(client))
        if (
            client.connection_pool is not home.connection_pool
        ):  # connections to another server, which knows of this shard
            client.connection_pool.connection_kwargs["redis_connect_func"] = self._connected

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
        is_void = not self._clock.trusts(sent)
        if is_void:
            await self._distrust_buckets()
        return [Answered(json.loads(text), now_us, sent, heard, asleep, is_void) for text in reply[2:]]

    async def _distrust_buckets(self) -> None:
        """Let every bucket start empty. The dispatcher does so with its next look; nothing may begin before that."""
        async with self._restarting:
            if self._clock.trusts(time.monotonic()):
                return
            cursor = "0"
            while (cursor := str(await self._restart_buckets.arun(self.client, cursor))) != "0":
                pass
            self._clock.restarted(time.monotonic())

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
        whose = "all accounts" if name == EVERY_ACCOUNT else "the account"
        return f"its recipient is on the suppression list of {whose}: {reason}"

    async def known(self, account: str) -> KnownAccount | None:
        """An account's limits as state has them; None when it was removed."""
        reply = await self._account.arun(self.client, "known", account)
        if not isinstance(reply, list):
            return None
        rate, told, every, interval, pacing, variation, *_, basis = reply
        return KnownAccount(rate or "", told or "", int(every or 0), int(interval), pacing, int(variation), basis)

    async def learn(
        self, account: str, basis: str, *, again_us: int, catch_up_us: int, may_send: bool, fields: Mapping[str, str]
    ) -> str:
        """Write down what /info said; see account.lua for the arguments and replies."""
        flat = (text for pair in fields.items() for text in pair)
        return str(
            await self._account.arun(
                self.client, "info", account, basis, again_us, catch_up_us, "1" if may_send else "0", *flat
            )
        )

    async def info_throttled(self, account: str, pause_us: int) -> None:
        """/info was answered 429: the account pauses."""
        await self._account.arun(self.client, "throttled", account, pause_us)

    async def info_failed(self, account: str) -> None:
        """/info has no answer that tells figures; it may have arrived late."""
        await self._account.arun(self.client, "info failed", account)

    async def info_later(self, account: str) -> None:
        """/info was not asked for in time: soon again."""
        await self._account.arun(self.client, "info later", account)

    async def suspend(self, account: str, reason: str, key_version: int) -> bool:
        """Stop granting for an account whose key was refused; False when it has another key meanwhile."""
        return bool(await self._account.arun(self.client, "suspend", account, reason, key_version) == "done")
