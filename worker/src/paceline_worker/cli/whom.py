"""To whom listed operations are, and from which number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from paceline.cli.numbers import shown
from paceline.cli.options import opened_state
from paceline.status.view import status_of


@dataclass(frozen=True, slots=True)
class Whom:
    """Recipient and sender as this command prints them; '' when the operation is deleted.

    Args:
        to: the recipient, or the group or other target; masked unless whole numbers are asked for.
        sender: the number that sends.
    """

    to: str = ""
    sender: str = ""

    def as_json(self) -> dict[str, str | None]:
        """Plain values."""
        return {"to": self.to or None, "sender": self.sender or None}


def whom(ids: Iterable[str]) -> Mapping[str, Whom]:
    """Recipients and senders by id.

    Args:
        ids: of operations.
    """
    found = {}
    with opened_state() as state:
        for op_id in ids:
            picture = state.operation(op_id)
            status = status_of(picture) if picture else None
            found[op_id] = Whom(shown(status.to), status.sender) if status else Whom()
    return found
