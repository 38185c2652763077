"""What gauges.lua tells, as values: accounts, their open campaigns, and what concerns all of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
import structlog

from paceline.literals import OUTCOMES
from paceline.lua.fields import CAMPAIGN
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.scripts import Script
from paceline.status.audit import Balance
from paceline_worker.exporter.late import Allowed, Waiting, late_operations
from paceline_worker.exporter.wanted import Demand
from paceline_worker.pacing.bucket import HEARD

log = structlog.get_logger(__name__)

# In the order of gauges.lua.
_ACCOUNT: Final = (
    *("interval", "slow", "slow_at", "ramp", "variation", "suspended", "paused_until", "probe", "recheck", "breaker"),
    *("taken", "info_every", "reserve", "quotas", "learn", "heard", "spread"),
    *("pacing", "credits_left", "expires_at", "info_read_at"),
)
_COUNTS: Final = ("received", "duplicate", "refused", "inbox", *OUTCOMES)
_CAMPAIGN: Final = (
    *(CAMPAIGN.code("sender"), "hold", "sealed", "received", "duplicate", "refused", "inbox", "written", *OUTCOMES),
    *("recent", CAMPAIGN.code("valid_until"), "cap", "cap_next", "window", "opens", "closes", "openings", "zoned"),
    *(CAMPAIGN.code("weighted_senders"), "receipt_sent", "receipt_not_sent", "receipt_received", "receipt_read"),
)
# A page takes the server a few milliseconds: so many accounts, and no more lanes and campaigns.
_PAGE: Final = 100
_PAGE_LANES: Final = 300
_NAMES: Final = 1000
_HOUR_US: Final = 3_600_000_000
# Times given back by an hour without a 429, in thousandths of the interval (account.lua).
_FASTER_AN_HOUR: Final = 50
# A quota that is used up for longer than this lets nothing leave now.
_SOON_US: Final = 1_000_000
# A worker whose operations are later than this on average takes fewer on.
_LATE_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class CampaignReading:
    """A campaign that is not complete.

    Args:
        name: its name.
        campaign: as it was read.
        remaining: operations accepted into lanes that have no outcome.
        scheduled: those of them that wait for a time of their own.
    """

    name: str
    campaign: CampaignSnapshot
    remaining: int
    scheduled: int

    @property
    def rejected_ratio(self) -> float | None:
        """The share of rejections among its last answers; None before the first."""
        recent = self.campaign.recent
        return recent.count("r") / len(recent) if recent else None


@dataclass(frozen=True, slots=True)
class AccountReading:
    """One account, read in one step.

    Args:
        name: its name.
        slots_per_s: as they are now: after 429s and outages there are fewer.
        plain_per_s: what its limit allows, without the distance that is kept for lateness, and without what 429s took.
        variation_s: J as it is now: measured, or as it was set.
        transactional: operations in transactional lists.
        bulk: operations in bulk lists.
        scheduled: operations that wait for a time: not before, a window, a back-off, or behind one in back-off.
        oldest_age_s: since the oldest that heads a list and may leave was accepted, or its window opened.
        late: operations that cannot leave before their validity; an estimate.
        suspended: why, in words; '' when it is not.
        paused: a 429 pauses it.
        breaker: ``open``, ``ramp`` or ''.
        credits: calls left; None: not told.
        expires_s: when it ends, seconds since the epoch; None: not told.
        info_age_s: since its figures were read; None: never, or they are not to be read.
        held: operations of unknown outcome.
        dead: dead letters.
        taken: slots taken since it was added.
        unaccounted: operations that are nowhere, or somewhere twice.
        demand: what it may send now; None: nothing.
        campaigns: its open ones.
    """

    name: str
    slots_per_s: float
    plain_per_s: float
    variation_s: float
    transactional: int
    bulk: int
    scheduled: int
    oldest_age_s: float
    late: int
    suspended: str
    paused: bool
    breaker: str
    credits: float | None
    expires_s: float | None
    info_age_s: float | None
    held: int
    dead: int
    taken: int
    unaccounted: int
    demand: Demand | None
    campaigns: Sequence[CampaignReading]

    @property
    def backlog(self) -> int:
        """Operations in its lanes."""
        return self.transactional + self.bulk


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """One worker by its last heartbeat.

    Args:
        capacity: calls it may have under way.
        latency_s: how long a call takes it; 0: not measured.
        cpu_s: CPU it spends on a call; 0: not measured.
        intake: operations it takes on now; None: it does not tell.
        lateness_s: how late its operations lately were.
    """

    capacity: int
    latency_s: float = 0.0
    cpu_s: float = 0.0
    intake: int | None = None
    lateness_s: float = 0.0

    @property
    def effective_capacity(self) -> int:
        """Operations it gets to their slots in time, as far as it knows: its intake while lateness bounds it."""
        late = self.intake is not None and self.lateness_s > _LATE_S
        return self.intake if late and self.intake is not None else self.capacity


@dataclass(frozen=True, slots=True)
class FleetReading:
    """What concerns all accounts.

    Args:
        now_us: server time.
        memory: bytes the state server uses.
        memory_limit: bytes it may use; 0: no limit.
        aof_enabled: it keeps an append-only file.
        aof_last_write_ok: its last write to that went well.
        inbox: records not yet accepted.
        in_flight: operations under a lease.
        accounts: how many.
        breaker_open: the provider's.
        workers: those that live.
    """

    now_us: int
    memory: int
    memory_limit: int
    aof_enabled: bool
    aof_last_write_ok: bool
    inbox: int
    in_flight: int
    accounts: int
    breaker_open: bool
    workers: Sequence[WorkerReading]


class Reader:
    """Reads state with gauges.lua, in steps of a few milliseconds.

    Args:
        client: the state server.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._script = Script("paceline_worker", "gauges")

    def accounts(self) -> list[AccountReading]:
        """All accounts. One whose fields cannot be understood is left out, and logged."""
        found = []
        for names in self._pages():
            left = names
            while left:
                now, read, rows = self._script.run(self._client, "accounts", _PAGE_LANES, *left)
                left = left[max(1, int(read)) :]
                for row in rows:
                    try:
                        found.append(account_of(row, int(now)))
                    except (ValueError, TypeError, ArithmeticError):
                        log.exception("an account cannot be read and shows no figures", account=row[0])
        return found

    def fleet(self) -> FleetReading:
        """What concerns all accounts."""
        return fleet_of(self._script.run(self._client, "fleet"))

    def _pages(self) -> Iterator[list[str]]:
        cursor, known = "0", set[str]()
        while True:
            cursor, names = self._script.run(self._client, "names", cursor, _NAMES)
            fresh = [name for name in dict.fromkeys(names) if name not in known]  # a scan may tell a name twice
            known.update(fresh)
            for start in range(0, len(fresh), _PAGE):
                yield fresh[start : start + _PAGE]
            if str(cursor) == "0":
                return


def account_of(row: Sequence[Any], now_us: int) -> AccountReading:
    """An account from its row.

    Args:
        row: see gauges.lua.
        now_us: server time at which it was read.
    """
    name, values, counted, numbers, times, sending, quotas, campaigns = row
    a = {field: value for field, value in zip(_ACCOUNT, values, strict=True) if value}
    transactional, single, parked, in_campaigns, timed, in_flight, held, dead = numbers
    interval = int(a["interval"])
    interval_now = _interval_now(a, interval, now_us)
    plain = interval - int(a.get("variation", 0)) if a.get("pacing", "spacing") == "spacing" else interval
    waiting = transactional + single + in_campaigns + timed + parked
    opened = [_campaign_of(one) for one in campaigns]
    paused_until, breaker = int(a.get("paused_until", 0)), a.get("breaker", "")
    read_at = int(a.get("info_read_at", 0)) if int(a.get("info_every", 0)) else 0
    return AccountReading(
        name=name,
        slots_per_s=1e6 / interval_now,
        plain_per_s=1e6 / (plain if plain > 0 else interval),
        variation_s=_variation_now(a, _slowness(a, now_us)) / 1e6,
        transactional=transactional,
        bulk=single + in_campaigns,
        scheduled=timed + parked,
        oldest_age_s=max(0.0, (now_us - int(times[0])) / 1e6) if times[0] else 0.0,
        late=_late(a, numbers, times, quotas, opened, now_us=now_us, interval_now=interval_now) if waiting else 0,
        suspended=a.get("suspended", ""),
        paused=paused_until > now_us and breaker != "open",
        breaker=breaker,
        credits=float(a["credits_left"]) if "credits_left" in a else None,
        expires_s=float(a["expires_at"]) / 1e6 if "expires_at" in a else None,
        info_age_s=max(0.0, (now_us - read_at) / 1e6) if read_at else None,
        held=held,
        dead=dead,
        taken=int(a.get("taken", 0)),
        unaccounted=_unaccounted(name, counted, waiting, in_flight),
        demand=_demand(a, sending, now_us, interval_now),
        campaigns=[campaign for campaign, _ in opened],
    )


def fleet_of(reply: Sequence[Any]) -> FleetReading:
    """The fleet from its reply.

    Args:
        reply: see gauges.lua.
    """
    now, memory, limit, enabled, wrote, inbox, in_flight, accounts, breaker, workers = reply
    return FleetReading(
        now_us=int(now),
        memory=int(memory),
        memory_limit=int(limit),
        aof_enabled=enabled == "1",
        aof_last_write_ok=wrote == "1",
        inbox=int(inbox),
        in_flight=max(0, int(in_flight)),
        accounts=int(accounts),
        breaker_open=breaker == "1",
        workers=[worker for text in workers if (worker := worker_of(text, int(now)))],
    )


def worker_of(text: str, now_us: int) -> WorkerReading | None:
    """A worker from its heartbeat; None when it fell silent.

    Args:
        text: ``capacity|expires``, then as a newer worker writes it ``|latency|cpu|intake|way|lateness`` (us), and perhaps more.
        now_us: server time.
    """
    capacity, expires, *told = text.split("|")
    if int(expires) < now_us:
        return None
    latency, cpu, intake, _, lateness, *_ = (*told, *("0", "0", "", "0", "0")[len(told) :])
    return WorkerReading(
        int(capacity), int(latency) / 1e6, int(cpu) / 1e6, int(intake) if intake else None, int(lateness) / 1e6
    )


def _slowness(a: Mapping[str, str], now_us: int) -> int:
    """What 429s made of the interval, in thousandths; the arithmetic of account.lua."""
    slow = int(a.get("slow", 1000))
    if slow > 1000:
        slow = max(1000, slow - _FASTER_AN_HOUR * max(0, (now_us - int(a.get("slow_at", 0))) // _HOUR_US))
    return slow


def _interval_now(a: Mapping[str, str], interval: int, now_us: int) -> int:
    slow = _slowness(a, now_us)
    measured = _variation_now(a, slow) - int(a.get("variation", 0))
    return -(-interval * slow // 1000) * int(a.get("ramp", 1)) + measured


def _variation_now(a: Mapping[str, str], slow: int) -> int:
    """J in us: what bucket.lua measures, or as it was set."""
    measured = a.get("learn") == "spacing" and slow == 1000 and "ramp" not in a and int(a.get("heard", 0)) >= HEARD
    return int(a["spread"] if measured else a.get("variation", 0))


def _unaccounted(name: str, counted: Sequence[str | None], waiting: int, in_flight: int) -> int:
    n = {field: int(value or 0) for field, value in zip(_COUNTS, counted, strict=True)}
    return Balance(
        account=name,
        received=n["received"],
        refused=n["duplicate"] + n["refused"],
        inbox=n["inbox"],
        waiting=waiting,
        in_flight=in_flight,
        outcomes={outcome: n[outcome] for outcome in OUTCOMES},
    ).unaccounted


def _campaign_of(row: Sequence[Any]) -> tuple[CampaignReading, int]:
    """A campaign, and how many are in its list."""
    name, _, values, waiting, timed = row
    stored = {code: value for code, value in zip(_CAMPAIGN, values, strict=True) if value}
    campaign = CampaignSnapshot.read(stored)
    return CampaignReading(name, campaign, max(0, campaign.remaining), timed), waiting


def _demand(a: Mapping[str, str], sending: Sequence[Any], now_us: int, interval_now: int) -> Demand | None:
    senders, capped, capped_rate, bulk_only, slot_from = sending
    if not int(senders) or a.get("suspended") or a.get("probe") or a.get("breaker") == "open":
        return None
    if max(int(slot_from), int(a.get("recheck", 0))) > now_us + max(interval_now, _SOON_US):
        return None
    share = 100 - int(a.get("reserve", 0)) if bulk_only == "1" else 100
    return Demand(1e6 / interval_now * share / 100, int(senders), int(capped), float(capped_rate))


def _late(
    a: Mapping[str, str],
    numbers: Sequence[int],
    times: Sequence[str],
    quotas: Sequence[Any],
    opened: Sequence[tuple[CampaignReading, int]],
    *,
    now_us: int,
    interval_now: int,
) -> int:
    """Campaigns on hold are left out: it is not the rate that keeps them."""
    transactional, single, *_ = numbers
    lists = [Waiting(n, int(until)) for n, until in ((transactional, times[1]), (single, times[2])) if n and until]
    for reading, waiting in opened:
        campaign = reading.campaign
        if waiting and not campaign.hold and campaign.valid_until_us:
            lists.append(Waiting(waiting, campaign.valid_until_us, campaign.cap_us, campaign.openings))
    share = 100 if transactional else 100 - int(a.get("reserve", 0))
    flat = iter(quotas)
    allowed = Allowed(
        from_us=max(now_us, int(a.get("paused_until", 0))),
        interval_us=-(-interval_now * 100 // share),
        quotas=[(int(n), int(window), int(used)) for n, window, used in zip(flat, flat, flat, strict=True)],
    )
    return late_operations(lists, allowed)
