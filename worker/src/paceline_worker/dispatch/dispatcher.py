"""The dispatcher: a thread in every worker, one of which grants. It sleeps until something is due, then one script grants."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog
from redis.exceptions import RedisError, ResponseError

from paceline.state.trouble import PASSES
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.traces import Traces
from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.deafness import DeafnessCheck
from paceline_worker.dispatch.handing_out import HandOut
from paceline_worker.dispatch.membership import Member
from paceline_worker.dispatch.rooms import Rooms, full_pause_s
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.inbox import REFUSED, Acceptance
from paceline_worker.state.outage import Outage
from paceline_worker.state.restarts import say_restarted
from paceline_worker.state.values import Fleet, Grants, Hint, InfoTurn
from paceline_worker.state.worker import WorkerState
from paceline_worker.telemetry.metrics import Metrics

log = structlog.get_logger(__name__)

# With something in flight, what another worker settles may be due before the granter would look; well below the lead of 250 ms.
_BUSY_SLEEP_S: Final = 0.15
_IDLE_SLEEP_S: Final = 0.5
# One look for what is due within so long: a look costs as much as an operation in it, and the lead is longer by far.
_LOOK_GAP_S: Final = 0.005
# What this worker settles and is due so soon it grants itself; the granter may be asleep, and would not know.
_SOON_US: Final = 200_000
_MOST_GRANTS: Final = 500
# While a look leaves work over, the next round trip makes two: each script stays short, and on a busy machine most of a round trip
# is waiting, for the server and for this process's other threads.
_MOST_LOOKS: Final = 2
# So long after an outage leases run out because nobody could begin: a lease lasts five seconds from its slot.
_AFTER_OUTAGE_S: Final = 15.0
_OVERDUE_GRACE_S: Final = 3.0
_OVERDUE_EVERY_S: Final = 1.0
# With several shards, most of them have nothing to do: a look at one that is idle, and at its inbox, so often only.
_IDLE_SHARD_SLEEP_S: Final = 1.0
_STANDBY_SLEEP_S: Final = 5.0
_OVERDUE_OF_SHARD_EVERY_S: Final = 3.0
_OVERDUE_RECORDS: Final = 5
_ERROR_PAUSE_S: Final = (0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a dispatcher stands, as it knows without asking.

    Args:
        paused: its worker takes no hints, so it grants nothing.
        granting: it takes part in granting, and the state server answered it last.
        granter: this worker looks for due operations; the others stand by.
        fleet: what the last heartbeat learnt; None while this worker is not in the fleet.
        fleet_at_s: monotonic time of that heartbeat.
        answered: whether the state server answered it last; None while it does not ask.
    """

    paused: bool
    granting: bool
    granter: bool
    fleet: Fleet | None
    fleet_at_s: float
    answered: bool | None


class Dispatcher:
    """Grants what is due and hands it to workers, while its own worker takes hints. When it takes none it rests, outside the fleet.

    One dispatcher of the fleet is the granter: it looks for whatever is due. The others grant only what they themselves have made
    due (a record accepted, a sender freed), and take over when the granter falls silent.

    Args:
        worker: this worker's name in the fleet.
        admission: how many operations this worker takes on.
        way: what this worker measures between grants and calls.
        state: blocking state.
        clock: server time on the monotonic clock.
        own: how many operations this worker has.
        deliver: hands a batch to this worker's own engine, with the time of the grant (server us); does not block.
        publish: hands a batch to Celery.
        metrics: counters.
        traces: spans.
        progress: told of leases that ran out unheard.
        on_info: reads the figures of an account whose turn it is.
        on_stalled: called once when this worker has gone deaf.
        random: spreads the wake-ups of many dispatchers.
        takes_hints: whether this worker is to take granted operations; any thread may ask.
        outage: told when the state server does not answer.
        on_beat: called after each heartbeat, in its thread.
        rooms: operations in flight on all shards.
        member: this worker in the fleet, when it has several dispatchers: one for each shard. None: the only one makes its own.
        hand_out: who hands out what all of these dispatchers grant; with `member`.
    """

    def __init__(
        self,
        *,
        worker: str,
        admission: Admission,
        way: Way,
        state: WorkerState,
        clock: ServerClock,
        own: Callable[[], int],
        deliver: Callable[[Sequence[Hint], int], None],
        publish: Callable[[Sequence[Hint], int], None],
        metrics: Metrics,
        traces: Traces,
        progress: DeafnessCheck,
        on_info: Callable[[InfoTurn], None],
        on_stalled: Callable[[], None],
        random: Random,
        takes_hints: Callable[[], bool] = lambda: True,
        outage: Outage | None = None,
        on_beat: Callable[[], None] = lambda: None,
        rooms: Rooms | None = None,
        member: Member | None = None,
        hand_out: HandOut | None = None,
    ) -> None:
        self._rooms = rooms or Rooms()
        self._is_alone = member is None
        self._admission = admission
        self._way = way
        self._outage = outage or Outage()
        self._state = state
        self._clock = clock
        self._metrics = metrics
        self._traces = traces
        self._progress = progress
        self._on_info = on_info
        self._on_stalled = on_stalled
        self._takes_hints = takes_hints
        self._on_beat = on_beat

        self._member = member or Member(
            worker=worker,
            admission=admission,
            way=way,
            state=state,
            clock=clock,
            own=own,
            effort=metrics.effort,
            random=random,
            takes_hints=takes_hints,
            on_beat=self._after_beat,
            on_rest=progress.heard,  # it is deaf on purpose
            outage=self._outage,
        )

        self._hand_out = hand_out or HandOut(
            workers=self._member.workers,
            admission=admission,
            rooms=self._rooms,
            own=own,
            deliver=deliver,
            publish=publish,
        )
        self._shard = state.shard
        name = "paceline-dispatcher" if self._is_alone else f"paceline-shard-{self._shard}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._wake = threading.Event()
        self._stopping = False
        # Server time (us) at which this worker has something to grant that it made due itself.
        self._own_due_us: float = float("inf")
        self._sleeping_until_us: float = 0.0
        self._answered = True
        self._overdue_at_s = 0.0
        # How many the next round trip makes.
        self._looks = 1

    def start(self) -> None:
        """Join the fleet and start the thread.

        Raises:
            RedisError: the state server does not answer.
        """
        if self._is_alone:
            self._member.start()
            self._hand_out.start()
        self._thread.start()

    def stop(self) -> None:
        """Grant nothing more, and leave the fleet."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._is_alone:
            self._hand_out.stop()
            self._member.stop()

    def stopping(self) -> None:
        """Grant nothing more, soon: `stop` waits for that."""
        self._stopping = True
        self._wake.set()

    def wake(self) -> None:
        """Look at once: this worker grants for the shard from now on."""
        self._wake.set()

    def due(self, at_us: int | None) -> None:
        """This worker made something due at a server time (us); None: nothing. Any thread may call."""
        if at_us is None or at_us > self._clock.server_us(time.monotonic()) + _SOON_US:
            return
        self._own_due_us = min(self._own_due_us, at_us)
        if at_us < self._sleeping_until_us:
            self._wake.set()

    def standing(self) -> Standing:
        """How it stands; asks nobody. Any thread may call."""
        takes_part = self._thread.is_alive() and not self._stopping and not self._member.rests
        fleet, answered = self._member.fleet, self._answered and self._member.answered
        return Standing(
            paused=not self._takes_hints(),
            granting=takes_part and answered,
            granter=takes_part and fleet is not None and fleet.grants_on(self._shard),
            fleet=fleet,
            fleet_at_s=self._member.fleet_at_s,
            answered=answered if takes_part else None,
        )

    def accept(self, rids: Sequence[str]) -> None:
        """Move inbox records into their lanes, and look at once for what may leave. Any thread may call.

        Raises:
            RedisError: the state server does not answer.
        """
        began_s = time.monotonic()
        self._accepted(self._state.accept(rids) if rids else (), began_s)

    def accept_in_turn(self, rids: Sequence[str]) -> list[str]:
        """As `accept`, up to the first record that others of its account come before: the ids of the rest. Any thread may call.

        Raises:
            RedisError: the state server does not answer.
        """
        began_s = time.monotonic()
        acceptances, left = self._state.accept_in_turn(rids)
        if acceptances:
            self._accepted(acceptances, began_s)
        return left

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                pause_s = self._turn()
                failures = 0
                self._answered = True
                self._outage.ended()
            except (RedisError, OSError) as error:
                pause_s = _ERROR_PAUSE_S[min(failures, len(_ERROR_PAUSE_S) - 1)]
                self._outage.began(error)
                failures += 1
                self._answered = False
            except Exception:
                log.exception("the dispatcher failed and tries again")
                pause_s = _ERROR_PAUSE_S[-1]

            if pause_s > 0:
                self._wake.wait(pause_s)
            self._wake.clear()

    def _turn(self) -> float:
        """One look, if it is this worker's to look; returns how long to sleep, in seconds."""
        fleet = self._member.fleet
        if fleet is None or not self._takes_hints():
            self._sleeping_until_us = 0.0
            return _IDLE_SLEEP_S
        if not fleet.grants_on(self._shard):
            return self._stand_by(fleet)

        if not self._is_alone:
            self._state.tell_way(fleet)
            self._tend_inbox()
        grants = self._look(fleet)
        if grants.unfinished or len(grants.hints) >= _MOST_GRANTS:
            return 0.0

        next_us = min(grants.next_us or float("inf"), self._own_due_us)
        longest_s = _BUSY_SLEEP_S if grants.in_flight else _IDLE_SLEEP_S if self._is_alone else _IDLE_SHARD_SLEEP_S
        self._sleeping_until_us = next_us
        until_due_s = self._until_s(next_us)
        if until_due_s > 0 or grants.room > 0:
            return min(longest_s, max(_LOOK_GAP_S, until_due_s))

        self._sleeping_until_us = 0.0  # what is settled meanwhile makes room for one look together
        return full_pause_s(self._rooms.busy(fleet.held))

    def _stand_by(self, fleet: Fleet) -> float:
        """Grant what this worker made due; returns how long to sleep, in seconds."""
        if self._own_due_us <= self._clock.server_us(time.monotonic()):
            self._look(fleet)
        self._sleeping_until_us = self._own_due_us
        return max(0.0, min(_IDLE_SLEEP_S if self._is_alone else _STANDBY_SLEEP_S, self._until_s(self._own_due_us)))

    def _tend_inbox(self) -> None:
        """Of several shards each dispatcher takes care of its own inbox; heartbeats do where there is one."""
        now_s = time.monotonic()
        if now_s >= self._overdue_at_s and not self._accept_overdue():
            self._overdue_at_s = now_s + _OVERDUE_OF_SHARD_EVERY_S

    def _after_beat(self, fleet: Fleet, *, took_over: bool) -> bool:
        """Wake up when this worker became the granter, and take care of the inbox; True when the inbox may hold more."""
        self._on_beat()
        if took_over:
            self._wake.set()
        now_s = time.monotonic()
        if not fleet.grants or now_s < self._overdue_at_s:
            return False
        if self._accept_overdue():
            return True
        self._overdue_at_s = now_s + _OVERDUE_EVERY_S
        return False

    def _until_s(self, server_us: float) -> float:
        """Seconds until a server time; infinite for none."""
        return self._clock.monotonic_s(server_us) - time.monotonic()

    def _look(self, fleet: Fleet) -> Grants:
        self._sleeping_until_us = float("inf")  # whatever becomes due from here on wakes us
        self._own_due_us = float("inf")
        spread_us = fleet.cpu_us // max(1, fleet.workers)
        began_s = time.monotonic()
        capacity = self._rooms.capacity(self._shard, fleet.intake)
        looks = self._state.grant_in_turn(
            self._looks, most=_MOST_GRANTS, fleet_capacity=capacity, spread_us=spread_us, living=fleet.living
        )
        self._way.looked(time.monotonic() - began_s)
        self._rooms.looked(self._shard, looks[-1].in_flight)
        self._looks = _MOST_LOOKS if looks[-1].unfinished else 1
        for grants in looks:
            self._handle(grants)
        return looks[-1]

    def _accept_overdue(self) -> bool:
        """Accept what nobody accepted; True when there may be more."""
        try:
            rids = self._state.overdue(_OVERDUE_GRACE_S, _OVERDUE_RECORDS)
            if rids:
                self.accept(rids)
        except PASSES:
            raise
        except ResponseError as error:
            # What cannot be accepted must not keep what was accepted from leaving.
            log.exception("overdue records could not be accepted", error=str(error))
            return False
        return len(rids) == _OVERDUE_RECORDS

    def _accepted(self, acceptances: Iterable[Acceptance], began_s: float) -> None:
        """Count what was accepted, and look for what may leave."""
        for acceptance in acceptances:
            self._metrics.accepted(acceptance.account, acceptance.kind, acceptance.written)
            if acceptance.suppressed:
                self._metrics.settled(acceptance.account, acceptance.kind, "suppressed", acceptance.suppressed)
            self._metrics.refused(int(acceptance.written == REFUSED))
            self._traces.accepted(acceptance, began_s)
        self._own_due_us = 0
        self._wake.set()

    def _handle(self, grants: Grants) -> None:
        for account, kind, outcome, number in grants.settled:
            self._metrics.settled(account, kind, outcome, number)
        self._metrics.given_back(grants.given_back)

        if self._outage.is_recent(_AFTER_OUTAGE_S):
            self._progress.heard()  # whatever ran out, the broker may have brought
        elif self._progress.stalled(grants.given_back, time.monotonic()) and not self._stopping:
            self._stopping = True
            self._on_stalled()

        if grants.server_restarted:
            say_restarted()
        if grants.clock_jumped:
            log.warning("the state server's clock jumped; every bucket starts empty, so sending stops for one spacing")
            self._state.restart_buckets()
            self._state.give_back(grants.hints, "the state server's clock jumped")
            return

        for turn in grants.infos:
            self._on_info(turn)
        self._hand_out.take(grants.hints, grants.granted_us)
