"""Why an operation waits, and who could send it: a pure function of what was read."""

from typing import Any

from paceline.forecast.outlook import expected_departure
from paceline.state.pictures import FleetSnapshot, OperationPicture
from paceline.status.view import status_of


def explained(picture: OperationPicture, fleet: FleetSnapshot) -> dict[str, Any]:
    """The explanation, as plain values.

    Args:
        picture: the operation with its lanes and its account.
        fleet: workers, and those that cannot reach the provider.

    Returns:
        id, state, why, expected_at, account, ahead (operations that leave before it), workers, unreachable, shards_away
        (those whose server does not answer; the operation is on another one).
    """
    seen = status_of(picture)
    account = picture.account if picture.position is not None else None
    leaves = expected_departure(picture, account) if account else None
    return {
        "id": seen.id,
        "state": seen.state,
        "why": seen.why,
        "expected_at": seen.expected_at.isoformat() if seen.expected_at else None,
        "account": seen.account,
        "ahead": leaves.ahead if leaves else None,
        "workers": fleet.workers,
        "unreachable": fleet.unreachable,
        "shards_away": list(fleet.shards_away),
    }
