"""The composition root: builds the parts of one worker process from its settings, starts and stops them in order."""

import os
import random
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import redis
import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from redis.exceptions import RedisError

from paceline.errors import ConfigurationError
from paceline.settings import Settings
from paceline.state import shards
from paceline.state.trouble import trouble
from paceline.tracing import setup
from paceline.version import VERSION
from paceline_worker.accounts.rotation import tell_secrets
from paceline_worker.accounts.secret_check import check_secret
from paceline_worker.accounts.secrets import KeyRing
from paceline_worker.checks import check_state_server, in_clear
from paceline_worker.delivery.engine import Closing, Engine
from paceline_worker.delivery.lateness import Way
from paceline_worker.delivery.traces import Traces
from paceline_worker.dispatch.admission import Admission
from paceline_worker.dispatch.bulk_inbox import BulkInbox
from paceline_worker.dispatch.deafness import DeafnessCheck
from paceline_worker.dispatch.dispatcher import Dispatcher
from paceline_worker.dispatch.shards import ShardDispatchers
from paceline_worker.integrity.seals import KEY_BYTES, Seals
from paceline_worker.integrity.stored import StoredSeals
from paceline_worker.integrity.tampering import Tampering
from paceline_worker.provider.client import Provider
from paceline_worker.provider.proxy import proxy_for
from paceline_worker.provider.way_out import WayOut
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.delivery import DeliveryState
from paceline_worker.state.migration import check_schema
from paceline_worker.state.outage import Outage
from paceline_worker.state.values import LEASE_MARGIN_S, Hint, InfoTurn
from paceline_worker.state.worker import WorkerState
from paceline_worker.telemetry import metrics
from paceline_worker.telemetry.health import Health, broker_answers, served, state_answers
from paceline_worker.telemetry.serving import MetricsEndpoint

log = structlog.get_logger(__name__)

# With a J of zero, half of J would make every slot too late.
_TOLERANCE_FLOOR_S: Final = 0.005
# A stop in order ends within the HTTP deadline; a process that is still there hangs.
_LAST_RESORT_S: Final = 60.0
# How often the key of the seals is looked at.
_TEND_EVERY_S: Final = 10.0
# A grant lies two seconds ahead at the most; a hint of more is not of a dispatcher, and would keep a place until its slot.
_FARTHEST_US: Final = 5_000_000


class Runtime:
    """One worker process's own parts.

    Args:
        settings: read once at the edge.
        publish: hands a batch of hints to Celery.
        takes_hints: whether this worker is to take granted operations.
        step: called with False when this worker is to take no hints because it cannot reach the provider, with True when it can.
    """

    def __init__(
        self,
        settings: Settings,
        publish: Callable[[Sequence[Hint], int], None],
        takes_hints: Callable[[], bool] = lambda: True,
        step: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._publish, self._takes_hints, self._step = publish, takes_hints, step
        self._way_out: WayOut | None = None
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._ring = KeyRing(settings.secret_key.get_secret_value())
        self._clock = ServerClock()
        self._traces = Traces(self._clock)
        self._admission, self._way = Admission(settings.capacity), Way()
        self._outage, self._progress = Outage(), DeafnessCheck()
        self.metrics = metrics.Metrics(CollectorRegistry())  # our own: a host's metrics and ours do not mix
        # Nothing is genuine until the key of the seals is read from state.
        self._tampering = Tampering(Seals(os.urandom(KEY_BYTES)))
        self._tend_at_s = 0.0

        self._state = WorkerState(
            settings.state_url,
            self._clock,
            retention_s=settings.retention_s,
            grace_s=settings.reconcile_grace_s,
            namespace=settings.namespace,
            replicas=settings.wait_replicas,
            longest_lease_s=settings.http_deadline_s + LEASE_MARGIN_S,
            on_forgotten=self.metrics.state_forgot,
        )
        # Of several shards, which are not known before state is asked: one of each for each shard.
        self._states, self._clocks, self._outages = [self._state], [self._clock], [self._outage]
        self._dispatcher: Dispatcher | ShardDispatchers = self._make_dispatcher()
        self.bulk_inbox = BulkInbox(self.accept, lambda rids: self._dispatcher.accept_in_turn(rids))  # noqa: PLW0108 - it changes with the shards
        self._engine = self._make_engine()
        self._show_figures()

        self._started_s = time.monotonic()
        self._heard_s: float | None = None
        self.health = Health(
            live=[self._engine_trouble],
            ready=[state_answers(settings, of_all_shards=True), broker_answers(settings), self._takes_no_part],
        )
        self._endpoint = MetricsEndpoint(
            served(self.health, make_wsgi_app(self.metrics.registry)), settings.metrics_port, settings.metrics_address
        )
        self._end_traces: Callable[[], None] | None = None
        self.exit_code = 0

    def _make_dispatcher(self) -> "Dispatcher | ShardDispatchers":
        parts: dict[str, Any] = {
            "worker": self._owner,
            "admission": self._admission,
            "way": self._way,
            "own": lambda: self._engine.load,
            "deliver": self._deliver_here,
            "publish": self._publish,
            "metrics": self.metrics,
            "traces": self._traces,
            "progress": self._progress,
            "on_info": self._ask_info,
            "on_stalled": self._end_deaf,
            "random": random.Random(),  # noqa: S311 - jitter, no secret
            "takes_hints": lambda: self._takes_hints() and self.reaches_provider,
            "on_beat": self._tend_seals,
        }
        if len(self._states) > 1:
            return ShardDispatchers(self._states, self._clocks, self._outages, **parts)
        return Dispatcher(state=self._state, clock=self._clock, outage=self._outage, **parts)

    def _spread(self) -> None:
        """Work on all shards that state has."""
        count = shards.create(self._state.client, self._settings.shards)
        if count == len(self._states):
            return
        self._clocks += [ServerClock(other=self._clock) for _ in range(1, count)]
        self._outages[:] = [Outage(shard) for shard in range(count)]
        self._states += [self._state.beside(shard, self._clocks[shard]) for shard in range(1, count)]
        self._dispatcher, self._engine = self._make_dispatcher(), self._make_engine()

    def _make_engine(self) -> Engine:
        return Engine(
            make_state=self._make_delivery_state,
            make_provider=self._make_provider,
            ring=self._ring,
            tampering=self._tampering,
            clock=self._clock,
            metrics=self.metrics,
            traces=self._traces,
            admission=self._admission,
            way=self._way,
            on_due=self._due,
            random=random.Random(),  # noqa: S311 - jitter, no secret
            outages=self._outages,
            clocks=self._clocks,
        )

    def _due(self, at_us: int | None, shard: int) -> None:
        if isinstance(self._dispatcher, Dispatcher):
            self._dispatcher.due(at_us)
        else:
            self._dispatcher.due(at_us, shard)

    def _make_delivery_state(self) -> DeliveryState:
        settings = self._settings
        return DeliveryState(
            settings.state_url,
            self._clock,
            owner=self._owner,
            lease_s=settings.http_deadline_s + LEASE_MARGIN_S,
            tolerance_floor_s=_TOLERANCE_FLOOR_S,
            retention_s=settings.retention_s,
            grace_s=settings.reconcile_grace_s,
            namespace=settings.namespace,
            replicas=settings.wait_replicas,
        )

    def _engine_trouble(self) -> str:
        return self._engine.trouble()

    def _show_figures(self) -> None:
        self.metrics.in_flight.set_function(lambda: self._engine.load)
        self.metrics.capacity.set(self._settings.capacity)
        self.metrics.intake.set_function(lambda: self._admission.intake)
        self.metrics.way.set_function(lambda: self._way.most_s)
        self.metrics.reaches_provider.set_function(lambda: self.reaches_provider)
        self.metrics.state_answers.set_function(lambda: self._dispatcher.standing().answered is not False)
        ProcessCollector(registry=self.metrics.registry)

    def start(self) -> None:
        """Check the state server, then start engine, dispatcher and metrics.

        Raises:
            ConfigurationError: this worker must not start; says what to do.
        """
        self._check_state()
        proxy_for(self._settings.api_base)
        if in_clear(self._settings.api_base):
            log.warning("the provider's address begins with http://: API keys and messages travel in clear")
        try:
            self._end_traces = setup.set_up("paceline-worker")
        except ConfigurationError as error:
            log.warning("this worker sends no traces", error=str(error))
        self._engine.start()
        try:
            self._dispatcher.start()
        except (RedisError, OSError) as error:
            raise ConfigurationError(trouble(error)) from error
        self.bulk_inbox.start()
        if self._settings.metrics_port:
            self._endpoint.start()
        log.info("this worker is ready", version=VERSION, capacity=self._settings.capacity)

    def _check_state(self) -> None:
        try:
            self._check_server(self._state.client)
            check_schema(self._state.client)
            self._spread()
            if len(self._states) > 1:
                shards.at_each_server(self._state.client, self._check_server)
            check_secret(self._state.client, self._ring)
            self._stored_seals = StoredSeals(self._state.client, self._ring)
            self._use(self._stored_seals.open())
            tell_secrets(self._state.client, self._owner, self._ring, 4 * _TEND_EVERY_S)
            self._shorten_leases()
            self._state.unreachable(self._owner, "it starts")  # which a server that takes no writes refuses
            self._state.unreachable(self._owner, "")
        except (RedisError, OSError) as error:
            raise ConfigurationError(trouble(error)) from error

    def _check_server(self, client: redis.Redis) -> None:
        accepts = {name: getattr(self._settings, name) for name in ("allow_volatile", "assume_durable")}
        if untold := check_state_server(client, **accepts):
            log.warning("the state server does not tell all that keeps state safe", error=untold)

    def _shorten_leases(self) -> None:
        """On each shard. A shard whose server is away keeps no worker from starting for the others."""
        for state, outage in zip(self._states, self._outages, strict=True):
            try:
                state.shorten_leases()
            except (RedisError, OSError) as error:
                if not state.shard:
                    raise
                outage.began(error)

    def _use(self, seals: Seals) -> None:
        self._tampering.seals = seals
        for state in self._states:
            state.seals, state.encrypts = seals, self._settings.encrypt_payloads
        if self._settings.encrypt_payloads:
            self._stored_seals.publish(seals)

    def _tend_public_key(self) -> None:
        """Producers must seal to nobody else: whoever writes state may have put another key in its place."""
        seals = self._state.seals
        if self._settings.encrypt_payloads and seals and not self._stored_seals.publish(seals):
            self.metrics.tampered("key")
            log.error("state held another public key; the key of the workers is restored")

    def _tend_seals(self) -> None:
        """Now and then, with a heartbeat: state may have been emptied, or the secret rotated."""
        if time.monotonic() < self._tend_at_s:
            return
        self._tend_at_s = time.monotonic() + _TEND_EVERY_S
        tell_secrets(self._state.client, self._owner, self._ring, 4 * _TEND_EVERY_S)
        try:
            if seals := self._stored_seals.tend():
                self._use(seals)
            self._tend_public_key()
        except ConfigurationError as error:
            log.warning("the seals of state cannot be opened; this worker goes on with those it has", error=str(error))

    def accept(self, rids: Sequence[str]) -> None:
        """Move inbox records into lanes, and look at once for what may leave."""
        self._dispatcher.accept(rids)

    def deliver(self, hints: Sequence[Hint], granted_us: int | None = None) -> None:
        """Hand a batch that came through Celery to the engine; while it closes, give the batch back."""
        if not all(isinstance(hint.shard, int) and 0 <= hint.shard < len(self._states) for hint in hints):
            self.metrics.message_refused("shard")
            return
        if not hints:
            return
        self._progress.heard()
        self._heard_s = time.monotonic()
        state, clock = self._states[hints[0].shard], self._clocks[hints[0].shard]
        latest_us = clock.server_us(self._heard_s) + _FARTHEST_US
        near = [hint for hint in hints if hint.slot_us <= latest_us]
        if len(near) < len(hints):
            self.metrics.message_refused("slot")
        if granted_us is not None and granted_us < latest_us - 2 * _FARTHEST_US:
            granted_us = None  # it tells nothing of the way
        try:
            self._engine.submit(near, granted_us=granted_us)
        except Closing:
            state.give_back(near, "the worker stops")

    def _deliver_here(self, hints: Sequence[Hint], granted_us: int) -> None:
        self._heard_s = time.monotonic()
        try:
            self._engine.submit(hints, granted_us=granted_us, wait=False)
        except Closing:
            self._states[hints[0].shard].give_back(hints, "the worker stops")

    @property
    def reaches_provider(self) -> bool:
        """Whether this worker can connect to the provider, as it knows. Any thread may ask."""
        return self._way_out is None or self._way_out.is_open

    def _takes_no_part(self) -> str:
        """Why this worker takes no operations on; '' while it does."""
        standing = self._dispatcher.standing()
        if not standing.paused:
            return "" if standing.fleet else "this worker is not in the fleet: it starts, or it stops"
        if not self.reaches_provider:
            return f"this worker cannot reach the provider: {self._way_out.words if self._way_out else ''}"
        return "this worker is paused; `celery -A paceline_worker control paceline_resume` ends the pause"

    def figures(self) -> dict[str, Any]:
        """How this worker stands, in plain JSON, for `inspect paceline`: what it knows, so nobody is asked and it cannot hang."""
        now_s, standing = time.monotonic(), self._dispatcher.standing()
        fleet = standing.fleet
        return {
            "version": VERSION,
            "worker": self._owner,
            "uptime_s": round(now_s - self._started_s, 1),
            "capacity": self._settings.capacity,
            "intake": self._admission.intake,
            "load": self._engine.load,
            "granting": standing.granting,
            "granter": standing.granter,
            "paused": standing.paused,
            "heard_s": None if self._heard_s is None else round(now_s - self._heard_s, 1),
            "fleet_workers": fleet.workers if fleet else None,
            "fleet_capacity": fleet.capacity if fleet else None,
            "fleet_age_s": round(now_s - standing.fleet_at_s, 1) if fleet else None,
            "state_answers": standing.answered,
            "provider_reachable": self.reaches_provider,
            "provider_error": (self._way_out.words if self._way_out else "") or None,
            "state_clock_ahead_ms": round(self._clock.server_us(now_s) / 1e3 - time.time() * 1e3),
            "metrics": self._endpoint.at,
        }

    def stop_granting(self) -> None:
        """First step of a stop: take nothing new."""
        self.bulk_inbox.stop()
        self._dispatcher.stop()

    def stop(self) -> None:
        """Finish the calls under way, give back the rest, close everything. Ends within the HTTP deadline and 5 s."""
        self.stop_granting()
        with suppress(RedisError, OSError):  # its statement expires
            tell_secrets(self._state.client, self._owner, self._ring, 0)
        self._engine.close(self._settings.http_deadline_s + LEASE_MARGIN_S)
        if self._end_traces:
            self._end_traces()
        self._endpoint.stop()

    def _make_provider(self) -> Provider:
        provider = Provider(
            self._settings.api_base,
            deadline_s=self._settings.http_deadline_s,
            connections=self._settings.capacity * 2,
        )
        jitter = random.Random()  # noqa: S311 - no secret
        self._way_out = provider.way_out = WayOut(provider.reach, self._stepped, jitter)
        return provider

    def _stepped(self, words: str) -> None:
        """This worker cannot reach the provider (`words` says why), or can again ('')."""
        self._step(not words)
        with suppress(RedisError, OSError):  # it is for people to read, and is told again
            self._state.unreachable(self._owner, words)

    def _ask_info(self, turn: InfoTurn) -> None:
        self._engine.ask_info(turn)

    def _end_deaf(self) -> None:
        """End this worker so that its supervisor starts a new one; first in order, and if that hangs, at once."""
        log.critical("this worker stops: granted hints expire and none reaches it, so its broker connection is gone")
        self.exit_code = 1
        os.kill(os.getpid(), signal.SIGTERM)
        last_resort = threading.Timer(_LAST_RESORT_S, os._exit, args=(1,))
        last_resort.daemon = True
        last_resort.start()
