"""The dispatchers of a worker on state with several shards: one for each shard, and one place in the fleet for all of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any

from paceline_worker.dispatch.dispatcher import Dispatcher, Standing
from paceline_worker.dispatch.handing_out import HandOut
from paceline_worker.dispatch.membership import Member
from paceline_worker.dispatch.rooms import Rooms

if TYPE_CHECKING:
    from paceline_worker.state.clock import ServerClock
    from paceline_worker.state.outage import Outage
    from paceline_worker.state.values import Fleet
    from paceline_worker.state.worker import WorkerState


class ShardDispatchers:
    """Grants for the shards that this worker holds, and stands by for the others.

    Heartbeats go to shard 0, which shares the shards among the workers that live. Each shard has a thread, so a state server that
    does not answer keeps nobody else waiting.

    Args:
        states: blocking state of each shard.
        clocks: of each shard's server.
        outages: told when the state server of a shard does not answer.
        parts: what all dispatchers have in common: the further arguments of `Dispatcher`.
    """

    def __init__(
        self,
        states: "Sequence[WorkerState]",
        clocks: "Sequence[ServerClock]",
        outages: "Sequence[Outage]",
        **parts: Any,
    ) -> None:
        self._rooms = Rooms(len(states))
        self._on_beat: Callable[[], None] = parts.pop("on_beat")
        self._held: frozenset[int] = frozenset()
        self._member = Member(
            worker=parts["worker"],
            admission=parts["admission"],
            way=parts["way"],
            state=states[0],
            clock=clocks[0],
            own=parts["own"],
            effort=parts["metrics"].effort,
            random=parts["random"],
            takes_hints=parts["takes_hints"],
            on_beat=self._after_beat,
            on_rest=parts["progress"].heard,
            outage=outages[0],
            shards=len(states),
            loads=lambda: self._rooms.held(self._held),
        )
        shared = {name: parts[name] for name in ("admission", "own", "deliver", "publish")}
        self._hand_out = HandOut(workers=self._member.workers, rooms=self._rooms, **shared)
        self._dispatchers = [
            Dispatcher(
                state=state,
                clock=clock,
                outage=outage,
                rooms=self._rooms,
                member=self._member,
                hand_out=self._hand_out,
                **{**parts, "random": Random(parts["random"].random())},  # noqa: S311 - jitter, no secret
            )
            for state, clock, outage in zip(states, clocks, outages, strict=True)
        ]

    def start(self) -> None:
        """Join the fleet, and start a thread for each shard.

        Raises:
            RedisError: the state server of shard 0 does not answer.
        """
        self._member.start()
        self._hand_out.start()
        for dispatcher in self._dispatchers:
            dispatcher.start()

    def stop(self) -> None:
        """Grant nothing more, and leave the fleet."""
        for dispatcher in self._dispatchers:
            dispatcher.stopping()
        for dispatcher in self._dispatchers:
            dispatcher.stop()
        self._hand_out.stop()
        self._member.stop()

    def due(self, at_us: int | None, shard: int) -> None:
        """This worker made something due on a shard at its server's time (us); None: nothing. Any thread may call."""
        self._dispatchers[shard].due(at_us)

    def accept(self, rids: Iterable[str]) -> None:
        """Move inbox records into their lanes; each names its shard as hints do. Any thread may call.

        Raises:
            RedisError: a state server does not answer.
        """
        for shard, own in by_shard(rids).items():
            if shard < len(self._dispatchers):
                self._dispatchers[shard].accept(own)

    def accept_in_turn(self, rids: Sequence[str]) -> list[str]:
        """As `accept`, without records that others of their account come before: their ids are the result.

        Raises:
            RedisError: a state server does not answer.
        """
        left: list[str] = []
        for shard, own in by_shard(rids).items():
            if shard < len(self._dispatchers):
                left += [f"{rid}@{shard}" for rid in self._dispatchers[shard].accept_in_turn(own)]
        return left

    def standing(self) -> Standing:
        """How they stand together: it answers when every shard that this worker holds does."""
        each = [dispatcher.standing() for dispatcher in self._dispatchers]
        held = [standing for standing in each if standing.granter] or each[:1]
        answered = None if held[0].answered is None else all(standing.answered for standing in held)
        return replace(held[0], answered=answered, granting=any(standing.granting for standing in held))

    def _after_beat(self, fleet: "Fleet", *, took_over: bool) -> bool:  # noqa: ARG002 - Member's signature
        before, self._held = self._held, fleet.held
        self._rooms.told(fleet.loads, fleet.held)
        for shard in fleet.held - before:
            self._dispatchers[shard].wake()
        self._on_beat()
        return False


def by_shard(rids: Iterable[str]) -> Mapping[int, list[str]]:
    """Inbox records by their shards.

    Args:
        rids: as hints name them: an id, perhaps with a shard, as in ``01hx@7``.
    """
    parts: dict[int, list[str]] = {}
    for rid in rids:
        name, _, shard = rid.partition("@")
        parts.setdefault(int(shard or 0), []).append(name)
    return parts
