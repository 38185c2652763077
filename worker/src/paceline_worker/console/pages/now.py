"""The first page: what is wrong and what to do about it, pace against limit, what goes on."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from paceline.campaigns.progress import Progress, progress_of
from paceline.state import questions
from paceline_worker.console.frame import View, page
from paceline_worker.console.pages.hooks import visible_hooks
from paceline_worker.console.troubles import troubles
from paceline_worker.exporter.readings import AccountReading

_ROWS: Final = 8


@dataclass(frozen=True, slots=True)
class Row:
    """An account in a list.

    Args:
        name: its name.
        state: active, suspended, throttled, open (breaker).
        why: why it does not send, or ''.
        waiting: operations in its lanes.
        scheduled: operations that wait for a time.
        held: operations of unknown outcome.
        dead: dead letters.
        limit: slots a minute now.
        used: share of its limit that was used in the last minute; None: not measured.
    """

    name: str
    state: str
    why: str
    waiting: int
    scheduled: int
    held: int
    dead: int
    limit: float
    used: float | None


def row_of(account: AccountReading, used: Mapping[str, float]) -> Row:
    """An account of a census as a row.

    Args:
        account: the account.
        used: from the census.
    """
    state = "suspended" if account.suspended else "open" if account.breaker == "open" else ""
    return Row(
        name=account.name,
        state=state or ("throttled" if account.paused else account.breaker or "active"),
        why=account.suspended,
        waiting=account.backlog,
        scheduled=account.scheduled,
        held=account.held,
        dead=account.dead,
        limit=account.slots_per_s * 60,
        used=used.get(account.name),
    )


def worst_first(accounts: Iterable[AccountReading]) -> list[AccountReading]:
    """Accounts in trouble, then those with most work."""
    return sorted(accounts, key=lambda one: (not (one.suspended or one.breaker == "open" or one.paused), -one.backlog))


@page("now.html")
async def now(view: View) -> Mapping[str, Any]:
    """What the first page shows."""
    desk, viewer = view.desk, view.viewer
    reach = await desk.outbox.state.ask(questions.fleet())
    await desk.pulse.refresh()
    census = await desk.census.look()
    minute = desk.pulse.last_minute(viewer.sees)
    figures = json.dumps(desk.pulse.figures(viewer.sees))
    context: dict[str, Any] = {"counting": census is None, "minute": minute, "figures": figures, "reach": reach}
    if census is None:
        return context
    accounts = census.of(viewer.sees)
    open_campaigns = _open_campaigns(accounts)
    hooks = await visible_hooks(view)
    return context | {
        "troubles": troubles(accounts, census.fleet, reach, time.time(), hooks),
        "waiting": sum(one.backlog for one in accounts),
        "scheduled": sum(one.scheduled for one in accounts),
        "limit": sum(one.slots_per_s * 60 for one in accounts if not one.suspended),
        "fleet": census.fleet,
        "accounts": [row_of(one, census.used) for one in worst_first(accounts)[:_ROWS]],
        "account_count": len(accounts),
        "campaigns": open_campaigns[:_ROWS],
        "campaign_count": len(open_campaigns),
    }


def _open_campaigns(accounts: Sequence[AccountReading]) -> list[Progress]:
    found = [progress_of(one.name, one.campaign) for account in accounts for one in account.campaigns]
    return sorted(found, key=lambda progress: (progress.hold is None, -progress.remaining, progress.name))
