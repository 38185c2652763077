"""What is going on right now: what arrived, by the provider's log; the backlog, by state; the rest by metrics."""

import http.client
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.request import ProxyHandler, build_opener

from paceline.state.calls import State
from paceline.status.audit import balance_of
from paceline_sandbox.background import RunningSandbox
from paceline_sandbox.demo.plan import Account, Plan
from paceline_sandbox.demo.verdict import HELD, Arrival, counted, sends_of

_SECOND_US: Final = 1_000_000
# Long enough for two messages of an account that sends every six seconds.
_RATE_WINDOW_US: Final = 15 * _SECOND_US
_SCRAPE_TIMEOUT_S: Final = 1.0
_TROUBLE: Final[Mapping[int, str]] = {
    429: "429, so the whole account pauses for the requested time",
    503: "503, so these messages are repeated later, with growing pauses",
}
_SAMPLE: Final = re.compile(r'^(paceline_\w+)_total\{[^}]*?account="([^"]*)"[^}]*\} (\S+)$', re.MULTILINE)

Counts = Counter[tuple[str, str]]
"""(metric, account) to its value."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account at this moment.

    Args:
        account: its plan.
        sent: messages that took effect at the provider.
        per_minute: at what rate they did lately; None for fewer than two.
        waiting: not yet accepted by a worker, in a lane, or waiting for a time.
        in_flight: granted, or under way.
        held: of unknown outcome.
        deferred: times a message was told "not now".
        retried: calls that failed and are repeated.
    """

    account: Account
    sent: int
    per_minute: float | None
    waiting: int
    in_flight: int
    held: int
    deferred: int
    retried: int

    @property
    def open(self) -> int:
        """Messages without an outcome."""
        return self.waiting + self.in_flight


class Watch:
    """Looks at everything, again and again.

    Args:
        plan: what is to be seen.
        sandbox: the provider's own side.
        state: the record.
    """

    def __init__(self, plan: Plan, sandbox: RunningSandbox, state: State) -> None:
        self.arrivals: list[Arrival] = []
        self._plan = plan
        self._sandbox = sandbox
        self._state = state
        self._opener = build_opener(ProxyHandler({}))
        self._counts: dict[str, Counts] = {}
        self._storyteller = Storyteller(plan)

    def look(self) -> tuple[list[AccountView], list[str]]:
        """The accounts now, and what has happened at the provider since the last look, in sentences."""
        # A request still in work is read again next time: its answer is missing.
        fresh = self._sandbox.arrivals(len(self.arrivals))
        done = next((i for i, arrival in enumerate(fresh) if arrival["finished_us"] is None), len(fresh))
        self.arrivals += fresh[:done]
        counts = sum(self._counts.values(), Counts())
        now_us = int(self._sandbox.report()["now_us"])
        views = [self._view(account, counts, now_us) for account in self._plan.accounts]
        return views, self._storyteller.tell(fresh[:done])

    def scrape(self, worker: str, port: int) -> bool:
        """Read a worker's counters; the counters of a silent worker stay as they were.

        Args:
            worker: its name.
            port: of its metrics.

        Returns:
            Whether it answered.
        """
        try:
            with self._opener.open(f"http://127.0.0.1:{port}/metrics", timeout=_SCRAPE_TIMEOUT_S) as answer:
                self._counts[worker] = read_counters(answer.read().decode())
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _view(self, account: Account, counts: Counts, now_us: int) -> AccountView:
        found = self._state.account(account.name)
        accepted = [arrival["at_us"] for arrival in sends_of(account, self.arrivals) if arrival["accepted"]]
        balance = balance_of(found) if found else None
        return AccountView(
            account=account,
            sent=len(accepted),
            per_minute=rate_per_minute(accepted, now_us, account.per_minute),
            waiting=balance.waiting + balance.inbox if balance else 0,
            in_flight=balance.in_flight if balance else 0,
            held=balance.outcomes[HELD] if balance else 0,
            deferred=counts["paceline_deferrals", account.name],
            retried=counts["paceline_retries", account.name],
        )


def read_counters(text: str) -> Counts:
    """The counters with an account, summed over their other labels.

    Args:
        text: what ``/metrics`` answered.
    """
    counts = Counts()
    for metric, account, value in _SAMPLE.findall(text):
        counts[metric, account] += int(float(value))
    return counts


def rate_per_minute(instants_us: Sequence[int], now_us: int, allowed_per_minute: int) -> float | None:
    """The rate of the last seconds, (n-1)/(last-first); it falls once the next one is overdue.

    Args:
        instants_us: in order.
        now_us: the present.
        allowed_per_minute: tells when the next one is overdue.

    Returns:
        Messages a minute, or None for fewer than two.
    """
    recent = [instant for instant in instants_us if instant > now_us - _RATE_WINDOW_US]
    if len(recent) < 2:
        return None
    overdue_us = 2 * 60 * _SECOND_US // allowed_per_minute
    until_us = now_us if now_us - recent[-1] > overdue_us + _SECOND_US else recent[-1]
    return (len(recent) - 1) * 60 * _SECOND_US / (until_us - recent[0])


class Storyteller:
    """Turns answers of the provider into sentences.

    Args:
        plan: whose accounts.
    """

    def __init__(self, plan: Plan) -> None:
        self._names = {account.key: account.name for account in plan.accounts}
        self._trouble: dict[str, Arrival] = {}
        self._refused: Counter[str] = Counter()

    def tell(self, arrivals: Sequence[Mapping[str, object]]) -> list[str]:
        """What these arrivals mean.

        Args:
            arrivals: the next lines of the provider's log.
        """
        known = ((self._names.get(str(arrival["key"])), arrival) for arrival in arrivals)
        return [sentence for name, arrival in known if name and (sentence := self._sentence(name, arrival))]

    def _sentence(self, name: str, arrival: Arrival) -> str:
        if arrival["violation"]:
            return f"{name}: THE LIMIT WAS BROKEN, the provider refused a request"
        if arrival["status"] in _TROUBLE:
            return self._begins(name, arrival)
        return self._ends(name, arrival) if arrival["accepted"] else ""

    def _begins(self, name: str, arrival: Arrival) -> str:
        self._refused[name] += 1
        before = self._trouble.get(name)
        if before is not None and before["status"] == arrival["status"]:
            return ""
        self._trouble[name] = arrival
        return f"{name}: the provider answers {_TROUBLE[arrival['status']]}"

    def _ends(self, name: str, arrival: Arrival) -> str:
        before = self._trouble.pop(name, None)
        if before is None:
            return ""
        after_s = (arrival["at_us"] - before["at_us"]) / _SECOND_US
        return f"{name}: accepted again {after_s:.1f} s after {counted(self._refused.pop(name), 'refusal')}"
