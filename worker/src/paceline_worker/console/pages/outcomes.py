"""Outcomes, live: the newest ones, and how many there were in the last minutes."""

import json
from collections.abc import Mapping
from typing import Any, Final

from paceline.errors import InvalidOperation
from paceline.flows.following import reading
from paceline.flows.steps import arun
from paceline.literals import OUTCOMES
from paceline_worker.console.frame import View, page

_LOOKED_AT: Final = 500
_SHOWN: Final = 50


@page("outcomes.html")
async def newest(view: View) -> Mapping[str, Any]:
    """The newest outcomes, the last one first."""
    desk, viewer = view.desk, view.viewer
    outcome, campaign, account = view.asked("outcome"), view.asked("campaign", 64), view.asked("account", 64)
    if outcome and outcome not in OUTCOMES:
        raise InvalidOperation(f"outcome: {outcome!r} is not one of {', '.join(OUTCOMES)}")
    found = await arun(reading(campaign or None, "+", _LOOKED_AT, receipts=True), desk.outbox.state)
    entries = [
        entry
        for entry in reversed(found.entries)
        if viewer.sees(entry.account)
        and (not outcome or entry.outcome == outcome)
        and (not account or entry.account == account)
    ]
    await desk.pulse.refresh()
    return {
        "entries": entries[:_SHOWN],
        "minute": desk.pulse.last_minute(viewer.sees),
        "figures": json.dumps(desk.pulse.figures(viewer.sees)),
        "outcomes": OUTCOMES,
        "outcome": outcome,
        "campaign": campaign,
        "account": account,
    }
