"""What a worker counts and measures, declared once; `gauges` has the rest. One process, one registry: its pool is threads."""

import threading
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

from paceline.literals import OUTCOMES
from paceline.version import VERSION
from paceline_worker.broker.refusals import REASONS
from paceline_worker.integrity import seals
from paceline_worker.telemetry.effort import Effort

# Labels stay bounded: accounts beyond this many share one series.
_MOST_ACCOUNTS: Final = 200
OTHER_ACCOUNTS: Final = "other"

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
_LATENESS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_WAITS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """Counters and histograms of one worker.

    Args:
        registry: where they are registered.
    """

    # Long, because every metric of a worker is declared in this one place; nothing here decides anything.
    def __init__(self, registry: CollectorRegistry) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self._accounts: set[str] = set()
        self._lock = threading.Lock()
        self._accepted = Counter(
            "paceline_operations_accepted", "Operations taken into their lanes.", ["account", "kind"], registry=registry
        )
        self._settled = Counter(
            "paceline_operations_settled",
            "Operations that got their outcome.",
            ["account", "kind", "outcome"],
            registry=registry,
        )
        self._requests = Counter(
            "paceline_provider_requests",
            "Calls to the provider by answer: a status code, or a word if no answer came.",
            ["account", "endpoint", "code"],
            registry=registry,
        )
        self._duration = Histogram(
            "paceline_provider_request_duration_seconds",
            "Time from sending a request to its answer.",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            "paceline_retries", "Failed attempts that will be repeated.", ["account", "reason"], registry=registry
        )
        self._calls = Counter(
            "paceline_operation_steps",
            "Calls that leave the operation open: a step, a wait, or a look-up of an unknown outcome.",
            ["account", "reason"],
            registry=registry,
        )
        self._deferrals = Counter(
            "paceline_deferrals",
            "Deferrals: operations that had to wait without spending an attempt.",
            ["account", "reason"],
            registry=registry,
        )
        self._latency = Histogram(
            "paceline_delivery_latency_seconds",
            "Time from entering a lane to the slot of the call.",
            ["priority"],
            buckets=_WAITS,
            registry=registry,
        )
        self._lateness = Histogram(
            "paceline_slot_lateness_seconds",
            "Lateness: time between a slot and its request.",
            buckets=_LATENESS,
            registry=registry,
        )
        self._given_back = Counter(
            "paceline_leases_given_back", "Granted operations that no worker began in time.", registry=registry
        )
        self._moved = Counter(
            "paceline_slots_moved", "Operations that were late for their slot and moved to another.", registry=registry
        )
        self._refused = Counter(
            "paceline_broker_messages_refused",
            "Discarded broker messages: neither a hint nor a command of Paceline.",
            ["reason"],
            registry=registry,
        )

        for reason in REASONS:
            self._refused.labels(reason)

        self._forgot = Counter(
            "paceline_state_forgotten",
            "Times the state server came back without writes that it had acknowledged, as this worker's heartbeats show.",
            registry=registry,
        )
        self._records = Counter(
            "paceline_inbox_records_refused",
            "Refused inbox records, by reason.",
            registry=registry,
        )
        self._tampered = Counter(
            "paceline_tampering_refused",
            "Operations, campaigns and API keys in state that differ from what was accepted, and were not used.",
            ["reason"],
            registry=registry,
        )

        for reason in seals.REASONS:
            self._tampered.labels(reason)

        self.intake = Gauge(
            "paceline_worker_intake_operations",
            "Operations this worker takes on now; fewer than its capacity while it is late.",
            registry=registry,
        )
        self.way = Gauge(
            "paceline_worker_way_seconds",
            "Time from a grant to its call, with a margin: the lead of grants.",
            registry=registry,
        )
        self.in_flight = Gauge(
            "paceline_worker_load_operations", "Operations this worker has taken on.", registry=registry
        )
        self.capacity = Gauge(
            "paceline_worker_capacity_operations",
            "Largest number of calls this worker may have under way.",
            registry=registry,
        )
        self.reaches_provider = Gauge(
            "paceline_worker_reaches_provider",
            "Connection to the provider: 1 while this worker has one; at 0 it takes no operations on.",
            registry=registry,
        )
        self.state_answers = Gauge(
            "paceline_worker_state_answers",
            "Answer of the state server: 1 while it answers this worker; at 0 nothing is granted.",
            registry=registry,
        )
        Info("paceline_build", "The release this worker runs.", registry=registry).info({"version": VERSION})
        self.effort = Effort()

    def accepted(self, account: str, kind: str, number: int) -> None:
        """Operations entered their lanes."""
        if number > 0:
            self._accepted.labels(self._account(account), kind).inc(number)

    def settled(self, account: str, kind: str, outcome: str, number: int = 1) -> None:
        """An operation got its outcome."""
        self._settled.labels(self._account(account), kind, outcome).inc(number)

    def settled_as(self, account: str, kind: str, done: str, reason: str) -> None:
        """What settle.lua did with a verdict: an outcome, a retry or a deferral."""
        if done in OUTCOMES:
            self.settled(account, kind, done)
        elif done in ("step", "wait", "lookup"):
            self._calls.labels(self._account(account), reason or done).inc()
        elif done == "retry":
            self._retries.labels(self._account(account), reason).inc()
        else:
            self.deferred(account, reason)

    def deferred(self, account: str, reason: str) -> None:
        """An operation was told "not now"."""
        self._deferrals.labels(self._account(account), reason).inc()

    def state_forgot(self) -> None:
        """The state server came back without something that it had acknowledged."""
        self._forgot.inc()

    def given_back(self, number: int) -> None:
        """Leases ran out before begin."""
        if number:
            self._given_back.inc(number)

    def moved(self) -> None:
        """An operation was late for its slot and got another."""
        self._moved.inc()

    def message_refused(self, reason: str, number: int = 1) -> None:
        """Broker messages were thrown away."""
        self._refused.labels(reason).inc(number)

    def tampered(self, reason: str) -> None:
        """What state holds is not what was accepted; a reason of `seals.REASONS`."""
        self._tampered.labels(reason).inc()

    def refused(self, number: int) -> None:
        """Inbox records were refused."""
        self._records.inc(number)

    def sent(self, priority: str, lateness_s: float, latency_s: float | None) -> None:
        """A request leaves; the latency is None when it is not the operation's own call."""
        self._lateness.observe(max(0.0, lateness_s))
        if latency_s is None:
            return
        self._latency.labels("transactional" if priority == "t" else "bulk").observe(max(0.0, latency_s))

    def answered(self, account: str, endpoint: str, code: str, duration_s: float | None) -> None:
        """An answer came, or the lack of one was noticed."""
        self._requests.labels(self._account(account), endpoint, code).inc()
        if duration_s is not None:
            self._duration.labels(endpoint).observe(duration_s)
            self.effort.called(duration_s)

    def _account(self, name: str) -> str:
        if name in self._accounts:
            return name
        with self._lock:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                return OTHER_ACCOUNTS
            self._accounts.add(name)
        # A series that is born with its first event does not show it as an increase; of this one the first matters.
        self._deferrals.labels(name, "throttled")
        return name
