"""A fleet of many state servers on paper: shares of the rate, takeover and fairness while servers and workers fail.

    python -m benchmarks.simulate [--accounts 100000] [--shards 64] [--servers 16] [--workers 100] [--seconds 120] [--seed 1]

No server runs. Slots come from the pure bucket of the worker, leases from its constants, costs from docs/benchmarks.md; everything
else follows from the seed. A quarter into the run one server fails, and comes back as its replica with empty buckets. At half of
it every other worker is killed: shards that it granted for wait for another granter, operations that it held are given back.
docs/scale.md says what follows.
"""

import argparse
import heapq
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Final

from paceline_worker.dispatch.membership import DEPUTIES, DEPUTY_S, GRANT_LEASE_S, HEARTBEAT_S, STANDBY_S
from paceline_worker.exporter.wanted import LEAD_S, Demand, workers_wanted
from paceline_worker.pacing.bucket import Bucket, pace_of

SECOND_US: Final = 1_000_000
LEAD_US: Final = int(LEAD_S * SECOND_US)
# What an operation that its worker did not begin waits for until it is in its lane again (docs/operating.md, the broker).
GIVEN_BACK_US: Final = 5 * SECOND_US


# Whoever waits no longer than this for the state server need not be woken for it.
_SOON_US: Final = 20_000


@dataclass(frozen=True, slots=True)
class Setup:
    """What is simulated.

    Args:
        accounts: each with a backlog and one sender.
        rate: of each account.
        shards: virtual shards; a hash of the account's name chooses one.
        servers: shards lie on them in turn.
        workers: processes; shards have their granters among them in turn.
        seconds: how long.
        failover_s: until the replica of a failed server answers.
        state_ms: CPU of the state server for one operation.
        worker_ms: CPU of a worker for one operation.
        capacity: calls that one worker may have under way.
        call_s: how long a call takes.
        seed: decides everything that is left to chance.
    """

    accounts: int = 100_000
    rate: str = "10/minute"
    shards: int = 64
    servers: int = 16
    workers: int = 100
    seconds: float = 120.0
    failover_s: float = 10.0
    state_ms: float = 0.34
    worker_ms: float = 0.71
    capacity: int = 200
    call_s: float = 0.5
    seed: int = 1


@dataclass(slots=True)
class Report:
    """What happened.

    Args:
        sent: calls that reached the provider.
        share: of what the limits allow, of all accounts over the whole run.
        share_untouched: the same of the shards whose server and granter never failed.
        share_server: of the accounts of the failed server.
        poorest: the smallest share of one account.
        fairness: Jain's index of the accounts that nothing touched: 1 when all are alike.
        takeover_s: how long shards of lost granters waited for another one: median and longest.
        granters: how many shards the busiest worker grants for at the end.
        moved: operations that took a later slot, because a server or a worker was busy.
        given_back: operations whose worker was lost before the call.
        unknown: calls under way of lost workers.
        server_busy: of the busiest server, the share of its core.
        wanted: workers that the fleet says it needs.
        violations: calls of an account that came too close.
    """

    sent: int = 0
    share: float = 0.0
    share_untouched: float = 0.0
    share_server: float = 0.0
    poorest: float = 0.0
    fairness: float = 0.0
    takeover_s: tuple[float, float] = (0.0, 0.0)
    granters: int = 0
    moved: int = 0
    given_back: int = 0
    unknown: int = 0
    server_busy: float = 0.0
    wanted: int = 0
    violations: int = 0


@dataclass(slots=True)
class _Account:
    shard: int
    bucket: Bucket
    sent: int = 0
    last_us: int = -(10**12)
    granted: bool = False  # its operation has a slot, and no worker yet


@dataclass(slots=True)
class _Fleet:
    """What fails, and when; known beforehand, looked at only when its time has come."""

    setup: Setup
    random: Random
    down_us: int = 0
    back_us: int = 0
    killed_us: int = 0
    granter: list[int] = field(default_factory=list)
    heirs: list[int] = field(default_factory=list)
    served_us: list[int] = field(
        default_factory=list
    )  # of a shard whose granter was killed, from when on it is served again

    def __post_init__(self) -> None:
        setup = self.setup
        end_us = int(setup.seconds * SECOND_US)
        self.down_us, self.killed_us = end_us // 4, end_us // 2
        self.back_us = self.down_us + int(setup.failover_s * SECOND_US)
        self.granter = [shard % setup.workers for shard in range(setup.shards)]
        self.heirs, self.served_us = list(self.granter), [0] * setup.shards
        living = [worker for worker in range(setup.workers) if not self.killed(worker)]
        load = {worker: self.granter.count(worker) for worker in living}
        for shard, worker in enumerate(self.granter):
            if not self.killed(worker):
                continue
            # The lease was renewed within the last heartbeat; the first that stands by and asks after its end has it.
            ends_s = GRANT_LEASE_S - self.random.uniform(0, HEARTBEAT_S)
            pauses_s = (DEPUTY_S if worker < DEPUTIES else STANDBY_S for worker in living)
            waits_s = min(self.random.uniform(0, pause_s) for pause_s in pauses_s)
            self.served_us[shard] = self.killed_us + int((ends_s + waits_s) * SECOND_US)
            # Whoever grants for many asks last.
            heir = min(living, key=lambda one: (load[one], self.random.random()))
            load[heir] += 1
            self.heirs[shard] = heir

    def killed(self, worker: int) -> bool:
        """Every other worker; one alone stays."""
        return self.setup.workers > 1 and worker % 2 == 1

    def server_of(self, shard: int) -> int:
        return shard % self.setup.servers

    def fails(self, shard: int) -> bool:
        """Whether its server is the one that fails."""
        return self.server_of(shard) == 0

    def touched(self, shard: int) -> bool:
        """Whether its server fails or its granter is killed."""
        return self.fails(shard) or self.served_us[shard] > 0

    def served_at(self, shard: int, now_us: int) -> int:
        """When the shard is served, at the earliest, from now on."""
        if self.fails(shard) and self.down_us <= now_us < self.back_us:
            now_us = self.back_us
        if self.killed_us <= now_us < self.served_us[shard]:
            now_us = self.served_us[shard]
        return now_us


def simulate(setup: Setup) -> Report:
    """Run the fleet through its failures.

    Args:
        setup: the same gives the same report.
    """
    return _Run(setup).report()


class _Run:
    """One run: accounts with their buckets, cores of servers and workers, and what comes next."""

    def __init__(self, setup: Setup) -> None:
        random = Random(setup.seed)
        self._setup, self._fleet, self._report = setup, _Fleet(setup, random), Report()
        self._pace = pace_of(setup.rate, "window")
        self._end_us = int(setup.seconds * SECOND_US)
        self._events: list[tuple[int, int, int]] = []
        self._numbers, self._turn = count(), count()
        # When each core is free.
        self._servers, self._workers = [0] * setup.servers, [0] * setup.workers
        self._busy_us = [0] * setup.servers
        self._restarted: set[int] = set()
        self._accounts = []
        for number in range(setup.accounts):
            # Accounts begin at any time; the first slot comes after one interval.
            bucket = Bucket.empty(self._pace, random.randrange(-self._pace.interval_us, 0))
            self._accounts.append(_Account(_shard(number, setup.shards), bucket))
            self._look(number, bucket.next_us - LEAD_US)

    def report(self) -> Report:
        """Run to the end."""
        while self._events:
            now_us, _, number = heapq.heappop(self._events)
            if now_us < self._end_us:
                self._look(number, self._looked(number, self._accounts[number], now_us))
        return self._summed()

    def _look(self, number: int, at_us: int) -> None:
        heapq.heappush(self._events, (at_us, next(self._numbers), number))

    def _looked(self, number: int, account: _Account, now_us: int) -> int:
        """Grant the account's next operation, if that can be; returns when to look again."""
        fleet, shard = self._fleet, account.shard
        served_us = fleet.served_at(shard, now_us)
        if fleet.fails(shard) and served_us >= fleet.back_us and number not in self._restarted:
            # The replica is another server: what was taken lately may be forgotten, so every bucket starts empty.
            self._restarted.add(number)
            account.bucket, account.granted = Bucket.empty(self._pace, served_us), False
            return account.bucket.next_us - LEAD_US
        if served_us > now_us:
            return served_us

        bucket, server = account.bucket, fleet.server_of(shard)
        if not account.granted:
            bucket.take(bucket.peek(now_us))
            granted_us = self._take(self._servers, server, now_us, self._setup.state_ms)
            self._busy_us[server] += int(self._setup.state_ms * 1000)
            account.granted = True
            if granted_us > now_us + _SOON_US:
                return granted_us
            now_us = granted_us
        account.granted, slot_us = False, bucket.last_us
        worker = _worker(fleet, next(self._turn), now_us)
        ready_us = self._take(self._workers, worker, now_us, self._setup.worker_ms)
        if ready_us > slot_us:
            slot_us = bucket.move(slot_us, ready_us)
            self._report.moved += 1
        if fleet.killed(worker) and now_us < fleet.killed_us <= slot_us:
            bucket.give_back(slot_us)
            self._report.given_back += 1
            return slot_us + GIVEN_BACK_US
        if fleet.fails(shard) and fleet.served_at(shard, slot_us) > slot_us:
            # The call cannot begin: the state server, which is asked just before, does not answer.
            bucket.give_back(slot_us)
            return slot_us
        self._call(account, worker, slot_us)
        return max(now_us, bucket.next_us - LEAD_US)

    @staticmethod
    def _take(cores: list[int], core: int, now_us: int, cost_ms: float) -> int:
        """When a core is through with something that comes now."""
        cores[core] = max(cores[core], now_us) + int(cost_ms * 1000)
        return cores[core]

    def _call(self, account: _Account, worker: int, slot_us: int) -> None:
        fleet, interval_us = self._fleet, self._pace.interval_us
        call_us = int(self._setup.call_s * SECOND_US)
        self._report.unknown += fleet.killed(worker) and slot_us < fleet.killed_us < slot_us + call_us
        if interval_us <= slot_us < self._end_us:
            account.sent += 1
            self._report.sent += 1
        self._report.violations += slot_us - account.last_us < interval_us
        account.last_us = slot_us

    def _summed(self) -> Report:
        report, fleet, setup = self._report, self._fleet, self._setup
        interval_us = self._pace.interval_us
        allowed = (self._end_us - interval_us) / interval_us
        shares = {number: account.sent / allowed for number, account in enumerate(self._accounts)}
        failed = [share for number, share in shares.items() if fleet.fails(self._accounts[number].shard)]
        calm = [share for number, share in shares.items() if not fleet.touched(self._accounts[number].shard)]
        waits = sorted((one - fleet.killed_us) / SECOND_US for one in fleet.served_us if one)
        report.share, report.poorest = _mean([*shares.values()]), min(shares.values())
        report.share_untouched, report.share_server = _mean(calm), _mean(failed)
        squares = sum(share * share for share in calm)
        report.fairness = sum(calm) ** 2 / (len(calm) * squares) if squares else 0.0
        report.takeover_s = (waits[len(waits) // 2], waits[-1]) if waits else (0.0, 0.0)
        report.granters = max(fleet.heirs.count(worker) for worker in set(fleet.heirs))
        report.server_busy = max(self._busy_us) / self._end_us
        report.wanted = workers_wanted(
            [Demand(SECOND_US / interval_us, 1)] * setup.accounts,
            capacity=setup.capacity,
            latency_s=setup.call_s,
            cpu_s_per_operation=setup.worker_ms / 1000,
        )
        return report


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _shard(number: int, shards: int) -> int:
    digest = blake2b(f"account-{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % shards


def _worker(fleet: _Fleet, turn: int, now_us: int) -> int:
    """Hints go round; a worker that was killed takes none."""
    worker = turn % fleet.setup.workers
    if now_us >= fleet.killed_us and fleet.killed(worker):
        worker -= 1
    return worker


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print; exit code 1 when an account broke its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    defaults = Setup()
    for name, value in asdict(defaults).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args(arguments))
    as_json = options.pop("json")
    if min(options["accounts"], options["shards"], options["servers"], options["workers"]) < 1:
        parser.error("accounts, shards, servers and workers must be 1 or more")
    report = simulate(Setup(**options))
    if as_json:
        sys.stdout.write(json.dumps(asdict(report)) + "\n")
    else:
        for name, value in asdict(report).items():
            sys.stdout.write(f"{name:16} {value}\n")
    return int(report.violations > 0)


if __name__ == "__main__":
    sys.exit(main())
