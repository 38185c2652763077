"""Every metric, declared once. One process, one registry: the worker's pool is threads."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from paceline.audit import balance_of
from paceline.campaign import OUTCOMES
from paceline.state import State

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

# Labels stay bounded: accounts beyond this many share one series.
_MOST_ACCOUNTS: Final = 200
OTHER_ACCOUNTS: Final = "other"
PROVIDER: Final = "provider"

_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)
_LATENESS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_WAITS: Final = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """Counters and histograms of one worker.

    Args:
        registry: where they are registered.
    """

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
            "Calls of the provider by answer: a status code, or a word where there was none.",
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
            "paceline_retries", "Attempts that failed and will be repeated.", ["account", "reason"], registry=registry
        )
        self._calls = Counter(
            "paceline_operation_steps",
            "Calls after which an operation goes on: one of several (step), a wait, a look-up of an unknown outcome.",
            ["account", "reason"],
            registry=registry,
        )
        self._deferrals = Counter(
            "paceline_deferrals",
            "Times an operation was told 'not now' without spending an attempt.",
            ["account", "reason"],
            registry=registry,
        )
        self._latency = Histogram(
            "paceline_delivery_latency_seconds",
            "Time from acceptance to the slot at which an operation was sent.",
            ["priority"],
            buckets=_WAITS,
            registry=registry,
        )
        self._lateness = Histogram(
            "paceline_slot_lateness_seconds",
            "How long after its slot a request was sent.",
            buckets=_LATENESS,
            registry=registry,
        )
        self._given_back = Counter(
            "paceline_leases_given_back", "Granted operations that nobody began in time.", registry=registry
        )
        self.in_flight = Gauge(
            "paceline_worker_load_operations", "Operations this worker has taken on.", registry=registry
        )

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

    def given_back(self, number: int) -> None:
        """Leases ran out before begin."""
        if number:
            self._given_back.inc(number)

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

    def _account(self, name: str) -> str:
        if name in self._accounts:
            return name
        with self._lock:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                return OTHER_ACCOUNTS
            self._accounts.add(name)
        return name


class StateCollector(Collector):
    """Gauges that describe the state, read at scrape time without scanning keys.

    Every worker shows the same values, so aggregate them with ``max``, not ``sum``.

    Args:
        state: where to read.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def collect(self) -> Iterator[Metric]:
        """Read all accounts; the first `_MOST_ACCOUNTS` by name have series of their own, the sum is of all."""
        described = _Described()
        missing = 0
        for place, name in enumerate(self._state.accounts()):
            found = self._state.account(name)
            if found is None:
                continue
            missing += abs(balance_of(found).unaccounted)
            if place < _MOST_ACCOUNTS:
                described.add(name, found)
        unaccounted = GaugeMetricFamily(
            "paceline_unaccounted_operations", "Operations that came in and are nowhere; anything but 0 is a fault."
        )
        unaccounted.add_metric([], missing)
        described.provider_breaker(is_open=bool(self._state.fleet().get("provider_breaker_until")))
        yield from (*described.families, unaccounted)


class _Described:
    """The gauges of single accounts."""

    def __init__(self) -> None:
        self._backlog = GaugeMetricFamily(
            "paceline_backlog_operations", "Operations that wait in lanes.", labels=["account", "priority"]
        )
        self._oldest = GaugeMetricFamily(
            "paceline_backlog_oldest_age_seconds",
            "Age of the oldest operation that heads a lane.",
            labels=["account"],
        )
        self._rate = GaugeMetricFamily(
            "paceline_rate_limit_per_second",
            "Slots a second of an account, as they are now: after 429s and outages there are fewer.",
            labels=["account"],
        )
        self._suspended = GaugeMetricFamily(
            "paceline_account_suspended", "1 while an account is suspended.", labels=["account", "reason"]
        )
        self._credits = GaugeMetricFamily(
            "paceline_credits_remaining", "Calls an account has paid for, when /info was read last.", labels=["account"]
        )
        self._expiry = GaugeMetricFamily(
            "paceline_account_expiry_timestamp_seconds", "When an account ends, by /info.", labels=["account"]
        )
        self._breaker = GaugeMetricFamily(
            "paceline_breaker_open",
            "1 while a circuit breaker lets nothing but probes through: the provider's, or an account's.",
            labels=["scope"],
        )
        self._breakers: dict[str, bool] = {}

    @property
    def families(self) -> tuple[GaugeMetricFamily, ...]:
        """All of them."""
        return self._backlog, self._oldest, self._rate, self._suspended, self._credits, self._expiry, self._breaker

    def add(self, name: str, found: Mapping[str, Any]) -> None:
        """One account, as look.lua shows it."""
        account, lanes, now = found["account"], found["lanes"], int(found["now"])
        self._backlog.add_metric([name, "transactional"], sum(int(lane["transactional"]) for lane in lanes))
        self._backlog.add_metric([name, "bulk"], sum(int(lane["bulk"]) for lane in lanes))
        heads = [int(lane["oldest_at"]) for lane in lanes if lane.get("oldest_at")]
        self._oldest.add_metric([name], (now - min(heads)) / 1e6 if heads else 0.0)
        self._rate.add_metric([name], 1e6 / int(account["interval_now"]))
        reason = suspension_label(account.get("suspended", ""))
        self._suspended.add_metric([name, reason], 1.0 if reason else 0.0)
        if account.get("credits_left"):
            self._credits.add_metric([name], float(account["credits_left"]))
        if account.get("expires_at"):
            self._expiry.add_metric([name], float(account["expires_at"]) / 1e6)
        if account.get("breaker"):
            self._breakers[name] = account["breaker"] == "open"

    def provider_breaker(self, *, is_open: bool) -> None:
        """The provider's own, and with it those of all accounts. An account of that very name shares its series."""
        self._breakers[PROVIDER] = is_open or self._breakers.get(PROVIDER, False)
        for scope, opened in self._breakers.items():
            self._breaker.add_metric([scope], float(opened))


def suspension_label(words: str) -> str:
    """The bounded reason of a suspension: ``bad_key``, ``unpaid``, ``manual``, or '' when not suspended."""
    if not words:
        return ""
    first = words.split(" ", 1)[0].rstrip(":")
    return first if first in ("bad_key", "unpaid") else "manual"


def serve(registry: CollectorRegistry, port: int, address: str) -> Callable[[], None]:
    """Serve ``/metrics``.

    Args:
        registry: what to show.
        port: TCP port.
        address: interface.

    Returns:
        A function that stops it.

    Raises:
        OSError: the port is taken.
    """
    started: tuple[WSGIServer, threading.Thread] = prometheus_client.start_http_server(port, address, registry)
    server, thread = started

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
