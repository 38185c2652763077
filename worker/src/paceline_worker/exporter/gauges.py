"""The gauges of the state, shown once by the exporter however many workers run. Each is declared here, with what it means.

Series are bounded: the 50 accounts with the largest backlog, and up to 50 more that need somebody's eyes (suspended,
paused, breaker open, soon to end, or without credits), bear their names; the others share ``account="other"``.
Of `other`, numbers of operations, rates, suspensions and pauses are sums (so it tells how many accounts are suspended),
ages are the greatest, credits and expiry the least, and the used rate is that of all of them together.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from paceline.errors import PacelineError
from paceline.state.calls import State
from paceline_worker.exporter.campaigns import Campaigns
from paceline_worker.exporter.readings import AccountReading, FleetReading, Reader
from paceline_worker.exporter.wanted import workers_wanted
from paceline_worker.telemetry.metrics import OTHER_ACCOUNTS

log = structlog.get_logger(__name__)

PROVIDER: Final = "provider"
MOST_ACCOUNTS: Final = 50
MOST_TROUBLED: Final = 50
# Two scrapers, or a person beside one, cost one reading.
_KEPT_S: Final = 1.0
_NEAR_EXPIRY_S: Final = 7 * 86_400
# The used rate is over the last minute; one slot more or less says nothing before some have passed.
_WINDOW_US: Final = 60_000_000
_LEAST_WINDOW_US: Final = 10_000_000
_SAMPLE_US: Final = 5_000_000
# As long as no worker was busy enough to measure: what the provider usually takes, and a worker of one core.
_LATENCY_S: Final = 0.3
_CPU_S: Final = 0.001

_HELP: Final = {
    "paceline_backlog_operations": "Operations waiting in lanes for their turn, without scheduled ones.",
    "paceline_backlog_scheduled_operations": "Operations waiting for a time: not_before, a window, the end of a back-off.",
    "paceline_backlog_oldest_age_seconds": "Age of the oldest operation that may leave; paused campaigns and closed "
    "windows do not count.",
    "paceline_backlog_late_operations": "Waiting operations that will expire before their turn at the account's rate; an"
    " estimate, 0 when all fit.",
    "paceline_rate_limit_per_second": "Calls a second that an account may make now: after 429s and outages there are fewer.",
    "paceline_variation_seconds": "Distance that an account keeps for lateness and transit; measured, unless it was set.",
    "paceline_rate_used_ratio": "Share of its plain limit that an account used in the last minute, 0 to 1.",
    "paceline_account_suspended": "1 while an account is suspended: nothing is sent until a person or /info resumes it."
    " For the account other: the number of such accounts.",
    "paceline_account_paused": "1 while an account pauses because the provider answered 429."
    " For the account other: the number of such accounts.",
    "paceline_credits_remaining": "Credits an account had left when /info was last read.",
    "paceline_account_expiry_timestamp_seconds": "Expiry of an account, by /info.",
    "paceline_account_info_age_seconds": "Time since an account's /info was read.",
    "paceline_breaker_open": "1 while a circuit breaker lets only probes through: the provider's, or an account's.",
    "paceline_held_operations": "Held operations: perhaps sent, waiting for a person (paceline held list).",
    "paceline_dead_letters": "Dead letters: rejected operations, and operations without attempts left (paceline dead list).",
    "paceline_in_flight_operations": "Operations in flight: granted and not settled.",
    "paceline_inbox_records": "Records that producers wrote and no worker has accepted yet.",
    "paceline_accounts": "Number of accounts.",
    "paceline_workers": "Workers alive: with a heartbeat within the last seconds.",
    "paceline_fleet_capacity_operations": "Largest number of calls that all living workers may have under way.",
    "paceline_fleet_intake_operations": "Operations that all living workers together take on now; fewer while they are late.",
    "paceline_fleet_lateness_seconds": "Mean lateness of the latest worker's operations.",
    "paceline_workers_wanted": "Workers needed to send all operations that may be sent now.",
    "paceline_unaccounted_operations": "Operations that are missing from the books; anything but 0 is a fault.",
    "paceline_state_up": "1 while the state server answers; at 0 nothing else is known and nothing is sent.",
    "paceline_state_shard_up": "1 while a shard's state server answers; at 0 its accounts are not shown. Only of state with"
    " several shards.",
    "paceline_state_memory_bytes": "Memory that the state server uses.",
    "paceline_state_memory_limit_bytes": "Memory that the state server may use; 0: no limit but the machine's.",
    "paceline_state_aof_enabled": "1 while the state server keeps an append-only file; without one a crash loses the backlog.",
    "paceline_state_aof_last_write_ok": "1 while the state server's last write to its append-only file went well.",
    "paceline_exporter_scrape_seconds": "Time needed to read the state.",
}


class StateGauges(Collector):
    """Reads the state when it is scraped, at most once a second. A scrape never fails.

    Args:
        reader: where to read.
        state: for the forecasts of campaigns.
        capacity: of a worker, as long as none lives.
        monotonic: a clock in seconds.
    """

    def __init__(
        self, reader: Reader, state: State, *, capacity: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._capacity = capacity
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._shown: Sequence[Metric] = ()
        self._read_at_s: float | None = None
        self._slots = _TakenSlots()
        self._campaigns = Campaigns(state, monotonic)
        self.up = False
        self._down_at_s: float | None = None

    def collect(self) -> Iterator[Metric]:
        """Every gauge, or `paceline_state_up` 0 alone."""
        with self._lock:
            if self._read_at_s is None or self._monotonic() - self._read_at_s >= _KEPT_S:
                self._shown = self._read()
                self._read_at_s = self._monotonic()
            yield from self._shown

    def _read(self) -> Sequence[Metric]:
        began, was_up = time.perf_counter(), self.up or self._read_at_s is None
        families: Sequence[Metric] = ()
        try:
            families = self._families()
            self.up = True
            if self._down_at_s is not None:
                log.warning("the state server answers again", away_s=round(self._monotonic() - self._down_at_s, 1))
                self._down_at_s = None
        except (RedisError, PacelineError, OSError) as error:
            self.up = False
            if was_up:
                self._down_at_s = self._monotonic()
                log.warning(
                    "the state server does not answer; the exporter shows no gauges of the state", error=str(error)
                )
        except Exception:
            self.up = False
            log.exception("the state could not be read; the exporter shows no gauges of the state")

        took_s = time.perf_counter() - began
        return (
            *families,
            _single("paceline_state_up", float(self.up)),
            _single("paceline_exporter_scrape_seconds", took_s),
        )

    def _families(self) -> Sequence[Metric]:
        accounts, fleet = self._reader.accounts(), self._reader.fleet()
        self._slots.note(fleet.now_us, accounts)
        shown, rest = chosen(accounts, fleet.now_us / 1e6)
        campaigns = [campaign for account in accounts for campaign in account.campaigns]
        return (
            *self._of_accounts(shown, rest),
            _breakers(shown, rest, provider_open=fleet.breaker_open),
            *self._campaigns.of(campaigns),
            *_of_all(accounts, fleet),
            _single("paceline_workers_wanted", wanted(accounts, fleet, self._capacity)),
            *_shards(self._reader.shards),
        )

    def _of_accounts(self, shown: Sequence[AccountReading], rest: Sequence[AccountReading]) -> Iterator[Metric]:
        backlog = _family("paceline_backlog_operations", "account", "priority")
        suspended = _family("paceline_account_suspended", "account", "reason")
        named = [(one.name, (one,)) for one in shown]
        groups: list[tuple[str, Sequence[AccountReading]]] = [*named, *([(OTHER_ACCOUNTS, rest)] if rest else [])]

        for label, members in groups:
            backlog.add_metric([label, "transactional"], sum(one.transactional for one in members))
            backlog.add_metric([label, "bulk"], sum(one.bulk for one in members))
            reasons = Counter(suspension_label(one.suspended) for one in members if one.suspended)
            for reason, number in sorted(reasons.items()) or [("", 0)]:
                suspended.add_metric([label, reason], number)

        yield backlog
        yield suspended
        plain: Mapping[str, Callable[[Sequence[AccountReading]], float | None]] = {
            "paceline_backlog_scheduled_operations": lambda members: sum(one.scheduled for one in members),
            "paceline_backlog_oldest_age_seconds": lambda members: max(one.oldest_age_s for one in members),
            "paceline_backlog_late_operations": lambda members: sum(one.late for one in members),
            "paceline_rate_limit_per_second": lambda members: sum(one.slots_per_s for one in members),
            "paceline_variation_seconds": lambda members: max(one.variation_s for one in members),
            "paceline_rate_used_ratio": self._slots.used,
            "paceline_account_paused": lambda members: sum(one.paused for one in members),
            "paceline_credits_remaining": lambda members: _least(one.credits for one in members),
            "paceline_account_expiry_timestamp_seconds": lambda members: _least(one.expires_s for one in members),
            "paceline_account_info_age_seconds": lambda members: _most(one.info_age_s for one in members),
            "paceline_held_operations": lambda members: sum(one.held for one in members),
            "paceline_dead_letters": lambda members: sum(one.dead for one in members),
        }

        for name, value_of in plain.items():
            family = _family(name, "account")
            for label, members in groups:
                if (value := value_of(members)) is not None:
                    family.add_metric([label], value)
            yield family


def chosen(
    accounts: Sequence[AccountReading], now_s: float
) -> tuple[Sequence[AccountReading], Sequence[AccountReading]]:
    """The accounts that are shown by name, and the others.

    Args:
        accounts: all.
        now_s: seconds since the epoch.
    """
    candidates = [one for one in accounts if one.name != OTHER_ACCOUNTS]
    by_backlog = nsmallest(MOST_ACCOUNTS, candidates, key=_by_backlog)
    names = {one.name for one in by_backlog}
    troubled = [one for one in candidates if one.name not in names and _troubled(one, now_s)]
    names.update(one.name for one in nsmallest(MOST_TROUBLED, troubled, key=_by_backlog))
    return [one for one in accounts if one.name in names], [one for one in accounts if one.name not in names]


def wanted(accounts: Iterable[AccountReading], fleet: FleetReading, capacity: int) -> int:
    """How many workers what may be sent now needs.

    Args:
        accounts: all.
        fleet: its workers tell what a call costs them.
        capacity: of a worker, as long as none lives.
    """
    demands = () if fleet.breaker_open else [one.demand for one in accounts if one.demand]
    latencies = [one.latency_s for one in fleet.workers if one.latency_s]
    costs = [one.cpu_s for one in fleet.workers if one.cpu_s]
    return workers_wanted(
        demands,
        capacity=sum(one.effective_capacity for one in fleet.workers) // len(fleet.workers)
        if fleet.workers
        else capacity,
        latency_s=sum(latencies) / len(latencies) if latencies else _LATENCY_S,
        cpu_s_per_operation=sum(costs) / len(costs) if costs else _CPU_S,
    )


def suspension_label(words: str) -> str:
    """The bounded reason of a suspension: ``bad_key``, ``unpaid``, ``manual``, or '' when not suspended."""
    if not words:
        return ""
    first = words.split(" ", 1)[0].rstrip(":")
    return first if first in ("bad_key", "unpaid") else "manual"


class _TakenSlots:
    """How many slots accounts had taken at earlier readings, of the last minute."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, Mapping[str, int]]] = deque()
        self._now_us = 0
        self._taken: Mapping[str, int] = {}

    def note(self, now_us: int, accounts: Iterable[AccountReading]) -> None:
        """A reading."""
        self._now_us, self._taken = now_us, {one.name: one.taken for one in accounts}
        samples = self._samples
        while samples and samples[-1][0] > now_us:  # the server's clock was set back
            samples.pop()
        while len(samples) > 1 and samples[1][0] <= now_us - _WINDOW_US:
            samples.popleft()
        if not samples or now_us - samples[-1][0] >= _SAMPLE_US:
            samples.append((now_us, self._taken))

    def used(self, accounts: Iterable[AccountReading]) -> float | None:
        """The share of their plain limits that these have used; None as long as that cannot be told."""
        taken = allowed = 0.0
        for one in accounts:
            at_us, before = next(
                ((at_us, sample[one.name]) for at_us, sample in self._samples if one.name in sample), (self._now_us, 0)
            )
            span_us = self._now_us - at_us
            if span_us >= _LEAST_WINDOW_US:
                # An account that was removed and added again starts at 0.
                taken += max(0, self._taken[one.name] - before) * _WINDOW_US / span_us
                allowed += one.plain_per_s * _WINDOW_US / 1e6
        return min(1.0, taken / allowed) if allowed else None


def _by_backlog(one: AccountReading) -> tuple[int, str]:
    return -one.backlog, one.name


def _troubled(one: AccountReading, now_s: float) -> bool:
    ends_soon = one.expires_s is not None and one.expires_s - now_s < _NEAR_EXPIRY_S
    broke = one.credits is not None and one.credits <= 0
    return bool(one.suspended) or one.paused or one.breaker == "open" or ends_soon or broke


def _breakers(
    shown: Iterable[AccountReading], rest: Iterable[AccountReading], *, provider_open: bool
) -> GaugeMetricFamily:
    """An account that is called like the provider shares its series: one shown twice would spoil the whole answer."""
    scopes = {one.name: int(one.breaker == "open") for one in shown if one.breaker}
    scopes[PROVIDER] = max(scopes.get(PROVIDER, 0), int(provider_open))
    if others := sum(one.breaker == "open" for one in rest):
        scopes[OTHER_ACCOUNTS] = others
    family = _family("paceline_breaker_open", "scope")
    for scope, value in scopes.items():
        family.add_metric([scope], value)
    return family


def _of_all(accounts: Sequence[AccountReading], fleet: FleetReading) -> Iterator[Metric]:
    # Lost here and doubled there must not cancel out.
    yield _single("paceline_unaccounted_operations", sum(abs(one.unaccounted) for one in accounts))
    yield _single("paceline_in_flight_operations", fleet.in_flight)
    yield _single("paceline_inbox_records", fleet.inbox)
    yield _single("paceline_accounts", fleet.accounts)
    yield _single("paceline_workers", len(fleet.workers))
    yield _single("paceline_fleet_capacity_operations", sum(one.capacity for one in fleet.workers))
    yield _single(
        "paceline_fleet_intake_operations",
        sum(one.capacity if one.intake is None else one.intake for one in fleet.workers),
    )
    yield _single("paceline_fleet_lateness_seconds", max((one.lateness_s for one in fleet.workers), default=0.0))
    yield _single("paceline_state_memory_bytes", fleet.memory)
    yield _single("paceline_state_memory_limit_bytes", fleet.memory_limit)
    if fleet.aof_enabled is not None:
        yield _single("paceline_state_aof_enabled", float(fleet.aof_enabled))
        yield _single("paceline_state_aof_last_write_ok", float(bool(fleet.aof_last_write_ok)))


def _shards(answered: Mapping[int, bool]) -> Iterator[Metric]:
    if answered:
        family = _family("paceline_state_shard_up", "shard")
        for shard, up in sorted(answered.items()):
            family.add_metric([str(shard)], float(up))
        yield family


def _family(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, _HELP[name], labels=labels)


def _single(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, _HELP[name], value=value)


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
