"""Why an operation waits, and who could send it: a pure function over what look.lua returned."""

from collections.abc import Mapping
from typing import Any

from paceline.forecast.outlook import expected_departure
from paceline.status.view import status_of


def explained(found: Mapping[str, Any], fleet: Mapping[str, Any]) -> dict[str, Any]:
    """The explanation, as plain values.

    Args:
        found: the operation with its lane and account.
        fleet: workers, and those that cannot reach the provider.

    Returns:
        id, state, why, expected_at, account, ahead (operations that leave before it), workers, unreachable.
    """
    seen = status_of(found)
    leaves = expected_departure(found) if found.get("position") is not None else None
    return {
        "id": seen.id,
        "state": seen.state,
        "why": seen.why,
        "expected_at": seen.expected_at.isoformat() if seen.expected_at else None,
        "account": seen.account,
        "ahead": leaves.ahead if leaves else None,
        "workers": int(fleet.get("workers", 0)),
        "unreachable": int(fleet.get("unreachable", 0)),
    }
