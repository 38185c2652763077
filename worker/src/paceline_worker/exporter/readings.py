"""What gauges.lua tells, as values: accounts, their open campaigns, and what concerns all of them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import redis
import structlog

from paceline.literals import OUTCOMES
from paceline.state.campaigns import CampaignSnapshot
from paceline.state.scripts import Script
from paceline.state.shards import layout_of, of_each
from paceline.status.audit import Balance
from paceline_worker.exporter.late import Allowed, Waiting, late_operations
from paceline_worker.exporter.rows import AccountRow, FleetRow
from paceline_worker.exporter.wanted import Demand

log = structlog.get_logger(__name__)
_T = TypeVar("_T")

# A page takes the server a few milliseconds: so many accounts, and no more lanes and campaigns.
_PAGE: Final = 100
_PAGE_LANES: Final = 300
_NAMES: Final = 1000
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
        aof_enabled: it keeps an append-only file; None: it does not tell.
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
    aof_enabled: bool | None
    aof_last_write_ok: bool | None
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
        # Of several shards: those that answered the last reading, and those that did not.
        self.shards: dict[int, bool] = {}

    def accounts(self) -> list[AccountReading]:
        """All accounts of the shards that answer. One whose fields cannot be understood is left out, and logged.

        Raises:
            RedisError, OSError: no shard answers.
        """
        self.shards.clear()
        return [account for accounts in self._of_each(self._accounts_of) for account in accounts]

    def _of_each(self, read: Callable[[redis.Redis], _T]) -> list[_T]:
        """What is read of each shard that answers; others do without the rest."""
        readings = of_each(self._client, read)
        if layout_of(self._client).count > 1:
            self.shards |= {shard: shard not in readings.away for shard in layout_of(self._client).shards}
        return list(readings.values)

    def _accounts_of(self, client: redis.Redis) -> list[AccountReading]:
        accounts = []
        for names in self._pages(client):
            left = names
            while left:
                now, read, rows = self._script.run(client, "accounts", _PAGE_LANES, *left)
                left = left[max(1, int(read)) :]
                for text in rows:
                    stored = json.loads(text)
                    try:
                        accounts.append(account_of(AccountRow.read(stored), int(now)))
                    except (KeyError, ValueError, TypeError, ArithmeticError):
                        log.exception("an account cannot be read and shows no figures", account=stored["name"])
        return accounts

    def fleet(self) -> FleetReading:
        """What concerns all accounts; workers are told by shard 0."""
        return together([fleet_of(FleetRow.read(text)) for text in self._of_each(self._fleet_of)])

    def _fleet_of(self, client: redis.Redis) -> str:
        return str(self._script.run(client, "fleet"))

    def _pages(self, client: redis.Redis) -> Iterator[list[str]]:
        cursor, known = "0", set[str]()
        while True:
            cursor, names = self._script.run(client, "names", cursor, _NAMES)
            fresh = [name for name in dict.fromkeys(names) if name not in known]  # a scan may tell a name twice
            known.update(fresh)
            for start in range(0, len(fresh), _PAGE):
                yield fresh[start : start + _PAGE]
            if str(cursor) == "0":
                return


def account_of(row: AccountRow, now_us: int) -> AccountReading:
    """An account from its row.

    Args:
        row: as gauges.lua tells it.
        now_us: server time at which it was read.
    """
    account, backlog = row.account, row.backlog
    plain_us = account.interval_us - account.variation_us if account.pacing == "spacing" else account.interval_us
    read_at_us = account.info_read_at_us if account.info_every_us else None

    return AccountReading(
        name=row.name,
        slots_per_s=1e6 / account.interval_now_us,
        plain_per_s=1e6 / (plain_us if plain_us > 0 else account.interval_us),
        variation_s=account.variation_now_us / 1e6,
        transactional=backlog.transactional,
        bulk=backlog.single + backlog.in_campaigns,
        scheduled=backlog.timed + backlog.parked,
        oldest_age_s=max(0.0, (now_us - backlog.oldest_at_us) / 1e6) if backlog.oldest_at_us else 0.0,
        late=_late(row, now_us) if backlog.waiting else 0,
        suspended=account.suspended or "",
        paused=account.paused_until_us > now_us and account.breaker != "open",
        breaker=account.breaker or "",
        credits=None if account.credits_left is None else float(account.credits_left),
        expires_s=None if account.expires_at_us is None else account.expires_at_us / 1e6,
        info_age_s=max(0.0, (now_us - read_at_us) / 1e6) if read_at_us else None,
        held=backlog.held,
        dead=backlog.dead,
        taken=account.taken,
        unaccounted=_unaccounted(row),
        demand=_demand(row, now_us),
        campaigns=[
            CampaignReading(each.name, each.campaign, max(0, each.campaign.remaining), each.timed)
            for each in row.campaigns
        ],
    )


def fleet_of(row: FleetRow) -> FleetReading:
    """The fleet from its row.

    Args:
        row: as gauges.lua tells it.
    """
    return FleetReading(
        now_us=row.now_us,
        memory=row.memory,
        memory_limit=row.memory_limit,
        aof_enabled=row.aof_enabled,
        aof_last_write_ok=row.aof_last_write_ok,
        inbox=row.inbox,
        in_flight=max(0, row.in_flight),
        accounts=row.accounts,
        breaker_open=row.breaker_open,
        workers=[worker for text in row.workers if (worker := worker_of(text, row.now_us))],
    )


def together(fleets: Sequence[FleetReading]) -> FleetReading:
    """The fleet, of the readings of all shards. Of memory and file, the server that is worst off."""
    first = fleets[0]
    if len(fleets) == 1:
        return first
    fullest = max(
        fleets, key=lambda fleet: (fleet.memory / fleet.memory_limit if fleet.memory_limit else 0, fleet.memory)
    )
    return replace(
        first,
        memory=fullest.memory,
        memory_limit=fullest.memory_limit,
        aof_enabled=all(fleet.aof_enabled for fleet in fleets),
        aof_last_write_ok=all(fleet.aof_last_write_ok for fleet in fleets),
        inbox=sum(fleet.inbox for fleet in fleets),
        in_flight=sum(fleet.in_flight for fleet in fleets),
        accounts=sum(fleet.accounts for fleet in fleets),
        breaker_open=any(fleet.breaker_open for fleet in fleets),
        workers=[worker for fleet in fleets for worker in fleet.workers],
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


def _unaccounted(row: AccountRow) -> int:
    counts = row.counts
    return Balance(
        account=row.name,
        received=counts.get("received", 0),
        refused=counts.get("duplicate", 0) + counts.get("refused", 0),
        inbox=counts.get("inbox", 0),
        waiting=row.backlog.waiting,
        in_flight=row.backlog.in_flight,
        outcomes={outcome: counts.get(outcome, 0) for outcome in OUTCOMES},
    ).unaccounted


def _demand(row: AccountRow, now_us: int) -> Demand | None:
    account, sending = row.account, row.sending
    if not sending.senders or account.suspended or account.probe or account.breaker == "open":
        return None
    if max(sending.slot_from_us, account.recheck_us) > now_us + max(account.interval_now_us, _SOON_US):
        return None

    share = 100 - account.reserve if sending.bulk_only else 100
    return Demand(1e6 / account.interval_now_us * share / 100, sending.senders, sending.capped, sending.capped_rate)


def _late(row: AccountRow, now_us: int) -> int:
    """Campaigns on hold are left out: it is not the rate that keeps them."""
    account, backlog = row.account, row.backlog
    lists = [
        Waiting(number, until_us)
        for number, until_us in (
            (backlog.transactional, backlog.transactional_until_us),
            (backlog.single, backlog.single_until_us),
        )
        if number and until_us
    ]
    for each in row.campaigns:
        campaign = each.campaign
        if each.waiting and not campaign.hold and campaign.valid_until_us:
            lists.append(Waiting(each.waiting, campaign.valid_until_us, campaign.cap_us, campaign.openings))

    share = 100 if backlog.transactional else 100 - account.reserve
    allowed = Allowed(
        from_us=max(now_us, account.paused_until_us),
        interval_us=-(-account.interval_now_us * 100 // share),
        quotas=[(quota.n, quota.window_us, quota.used) for quota in account.quota_use],
    )
    return late_operations(lists, allowed)
