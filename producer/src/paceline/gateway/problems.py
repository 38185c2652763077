"""Errors as problem details (RFC 9457): what a service answers over HTTP when an outbox raises."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from paceline.errors import (
    AlreadyBegun,
    CampaignConflict,
    Conflict,
    InvalidOperation,
    InvalidRow,
    NotFound,
    NotYetAccepted,
    NotYetSettled,
    OutcomesTrimmed,
    PacelineError,
    Refusal,
    StateUnavailable,
    UnknownAccount,
    UnknownSender,
)
from paceline.state.trouble import is_failed_script

MEDIA_TYPE: Final = "application/problem+json"
_DEFECT: Final = "the gateway failed; its log says why"

# The first class that fits counts.
_STATUS: Final[tuple[tuple[type[PacelineError], HTTPStatus, str], ...]] = (
    # As the IETF draft of the header Idempotency-Key wants it.
    (Conflict, HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-conflict"),
    (CampaignConflict, HTTPStatus.CONFLICT, "campaign-conflict"),
    (AlreadyBegun, HTTPStatus.CONFLICT, "already-begun"),
    (UnknownAccount, HTTPStatus.NOT_FOUND, "unknown-account"),
    (UnknownSender, HTTPStatus.UNPROCESSABLE_ENTITY, "unknown-sender"),
    (Refusal, HTTPStatus.UNPROCESSABLE_ENTITY, "refused"),
    (InvalidRow, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-row"),
    (InvalidOperation, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-operation"),
    (NotFound, HTTPStatus.NOT_FOUND, "not-found"),
    (OutcomesTrimmed, HTTPStatus.GONE, "outcomes-trimmed"),
    (NotYetAccepted, HTTPStatus.SERVICE_UNAVAILABLE, "not-yet-accepted"),
    (NotYetSettled, HTTPStatus.SERVICE_UNAVAILABLE, "not-yet-settled"),
    (StateUnavailable, HTTPStatus.SERVICE_UNAVAILABLE, "state-unavailable"),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem detail.

    Args:
        status: of the HTTP answer.
        kind: the end of its ``type``.
        detail: one sentence.
        more: further members.
    """

    status: int
    kind: str
    detail: str
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The members of RFC 9457."""
        title = self.kind.replace("-", " ").capitalize()
        about = {"type": f"urn:paceline:problem:{self.kind}", "title": title, "status": self.status}
        return about | {"detail": self.detail} | self.more


def problem_of(error: PacelineError) -> Problem:
    """What an error is over HTTP.

    Args:
        error: what an outbox raised.

    Returns:
        Its status, type and sentence; a conflict also names the operation that has the key.
    """
    if is_defect(error):
        return defect()
    for kind, status, name in _STATUS:
        if isinstance(error, kind):
            more = {"operation": error.id} if isinstance(error, Conflict) else {}
            return Problem(status, name, str(error), more)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "failure", str(error))


def defect() -> Problem:
    """What a defect is over HTTP: the answer tells nothing of its cause."""
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "failure", _DEFECT)


def is_defect(error: PacelineError) -> bool:
    """Whether an error is no outage of the state server, but a script that fails there."""
    return isinstance(error, StateUnavailable) and is_failed_script(error.__cause__)
