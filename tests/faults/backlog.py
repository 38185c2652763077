"""Accounts whose work outlasts a run, in two parts: those that are always due, and those that are let go and held back."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from paceline_worker.accounts.accounts import Accounts
from tests.faults.world import TEXT_CANARY, World, key_of
from tests.faults.yardstick import Stretch

# What the fleet can send at most: so many calls at once, each as long as the provider's answer takes.
CAPACITY: Final = 8
LATENCY_S: Final = 0.2
CAN_SEND: Final = CAPACITY / LATENCY_S
PER_ACCOUNT: Final = 2.0  # calls a second
RATE: Final = "120/minute"
ROWS: Final = 160
# Base accounts alone are due as often as the fleet can send.
BASE: Final = round(CAN_SEND / PER_ACCOUNT)
# I11: of what the fleet can send. I12: of an account's fair share.
LEAST: Final = 0.9
UNFAIR: Final = 2.0
SETTLING_S: Final = 3.0


def answers(latency_s: float) -> dict[str, Any]:
    """A provider that takes so long, and counts each account."""
    return {
        "defaults": {"limits": [RATE], "algorithm": "spacing"},
        "latency_ms": round(latency_s * 1000),
        "serial_senders": False,
    }


def capped(built: World) -> dict[str, str]:
    """Variables of a worker that has so many operations at once."""
    return {**built.environment, "PACELINE_CAPACITY": str(CAPACITY)}


class Backlog:
    """Accounts with much to do, on one state server.

    Args:
        built: the run.

    Attributes:
        base: names that are due at all times.
        more: names that are due while they are let go.
    """

    def __init__(self, built: World) -> None:
        self._built = built
        self._accounts = Accounts(built.client)
        self.base: list[str] = []
        self.more: list[str] = []

    def add(self, base: int, more: int = 0, *, seconds: float = 0.0, rows: int = ROWS) -> None:
        """Add accounts with campaigns, and wait until all rows are taken in.

        Args:
            base: so many that are due at all times.
            more: so many that are held back.
            seconds: how long the first are to be due.
            rows: of each of the others.
        """
        first = len(self.base) + len(self.more)
        self.base += [f"a{number}" for number in range(first, first + base)]
        self.more += [f"a{number}" for number in range(first + base, first + base + more)]
        # Those that begin to send at once come last: very many others take a while.
        base_rows = round(PER_ACCOUNT * seconds) + 50
        self._start({**dict.fromkeys(self.more, rows), **dict.fromkeys(self.base, base_rows)}, first)

    def let_go(self, names: Iterable[str]) -> float:
        """Resume accounts; seconds of the longest call of the state server."""
        longest_s = 0.0
        for name in names:
            before_s = time.monotonic()
            self._accounts.resume(name)
            longest_s = max(longest_s, time.monotonic() - before_s)
        return longest_s

    def hold_back(self, names: Iterable[str]) -> None:
        """Suspend accounts."""
        for name in names:
            self._accounts.suspend(name)

    def _start(self, rows: Mapping[str, int], first: int) -> None:
        for name, count in rows.items():
            number = int(name[1:])
            if number < first:
                continue
            self._built.add_account(name, RATE)
            if name in self.more:
                self._accounts.suspend(name)
            if count:
                start_campaign(self._built, name, name, f"+1555{number:07d}", count)
        wait_until_taken_in(self._built)


def start_campaign(built: World, name: str, account: str, sender: str, rows: int) -> None:
    """Start a campaign of so many rows."""
    recipients = ({"to": f"+1555{row:07d}"} for row in range(rows))
    built.outbox.start_campaign(name, account=account, sender=sender, template=TEXT_CANARY, recipients=recipients)


def wait_until_taken_in(built: World) -> None:
    """Wait until no row is left in the inbox."""
    while int(built.state.fleet().inbox):
        time.sleep(0.1)


def watch(built: World, seconds: float, *, lead_s: float = 0.0) -> Stretch:
    """What arrives within the next seconds.

    Args:
        built: the run.
        seconds: how long.
        lead_s: calls so much older are among them, for those that are still under way at the begin.
    """
    began_s = time.time()
    time.sleep(seconds)
    ended_s = began_s + seconds
    return Stretch(began_s, ended_s, calls_between(built, began_s - lead_s, ended_s))


def calls_between(built: World, began_s: float, ended_s: float) -> list[tuple[float, str]]:
    """When calls arrived, and their keys, in order."""
    calls = sorted((at_us / 1e6, key) for at_us, key in built.calls())
    return [call for call in calls if began_s <= call[0] <= ended_s]


def alternating(
    built: World, backlog: Backlog, more: Sequence[str], seconds: float, turns: int
) -> tuple[list[Stretch], list[Stretch]]:
    """Stretches in turns: base accounts alone, and further accounts beside them; the last is without them again.

    Args:
        built: the run.
        backlog: its accounts.
        more: those that are let go.
        seconds: of each stretch.
        turns: how often they are let go.

    Returns:
        Those with further accounts, and those without.
    """
    beside, without = [], [watch(built, seconds)]
    for _ in range(turns):
        with let_go(backlog, more):
            beside.append(watch(built, seconds))
        without.append(watch(built, seconds))
    return beside, without


def length_s(seconds: float, turns: int) -> float:
    """How long alternating stretches take, with what lies between them."""
    return (2 * turns + 1) * (seconds + 4 * SETTLING_S)


@contextmanager
def let_go(backlog: Backlog, names: Sequence[str]) -> Iterator[None]:
    """Let accounts go, and hold them back after the block; what was under way ends before either goes on."""
    backlog.let_go(names)
    time.sleep(SETTLING_S)
    try:
        yield
    finally:
        backlog.hold_back(names)
        time.sleep(SETTLING_S)


def unfair(stretches: Sequence[Stretch], names: Sequence[str]) -> float:
    """The longest turn of any account, as a multiple of its fair share: one call in so many as there are accounts."""
    keys = [key_of(name) for name in names]
    return max(one.longest_turn(keys) for one in stretches) / len(keys)
