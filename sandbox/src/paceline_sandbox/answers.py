"""What the provider says: a status, a JSON body in one of three error families, and headers (docs/provider.md, 1.2 to 1.4)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from paceline_sandbox.clock import SECOND_US, as_http_date

JsonObject = dict[str, object]

# 486 is borrowed from SIP and no HTTP library knows it.
REASONS: Final[Mapping[int, str]] = {486: "Busy Here"}

_WORDS: Final[Mapping[int, str]] = {
    400: "The JSON structure of the request is wrong",
    401: "Invalid API Key",
    402: "Your trial has expired or your API credits are used up",
    403: "This operation is forbidden",
    404: "The number, group or message was not found",
    406: "This operation is not supported by that number",
    409: "The number is booting after a connection restart, try again in a few seconds",
    410: "The number is connecting or disconnecting, try again in a few seconds",
    413: "The request is too large",
    422: "The request is malformed",
    429: "Too many requests, try again later",
    486: "The number is busy with a previous request, try again in a few seconds",
    500: "Internal error",
    502: "Bad gateway",
    503: "The messaging service is temporarily unavailable, try again in a few seconds",
    504: "Bad gateway, try again in a few seconds",
}
# These come from the gateway in front of the API, which writes a bare `detail` (docs/provider.md, 1.3 and 1.4 family B).
_GATEWAY: Final = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer: status, JSON body, extra headers; `raw` is sent instead of the body when there is one."""

    status: int
    body: JsonObject
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"

    @property
    def good(self) -> bool:
        """Whether the status is 2xx; the body may still tell of a failure."""
        return 200 <= self.status < 300

    def encoded(self) -> bytes:
        """The body as it is sent."""
        return json.dumps(self.body).encode() if self.raw is None else self.raw


def refusal(status: int, words: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """An error answer in the family the provider uses for that status.

    Args:
        status: any HTTP status; a 2xx gives the ``success: false`` answer of docs/provider.md, 1.4.
        words: the error text. Default: a text that suits the status.
        headers: extra headers.
    """
    text = words or _WORDS.get(status, "The request failed")
    if status in _GATEWAY:
        return Answer(status, {"detail": text}, headers or {})
    return Answer(status, {"success": False, "error": True, "error_message": text}, headers or {})


def invalid_field(location: str, words: str, kind: str, *, inside: str = "body") -> Answer:
    """A 422 of family C: a list of field errors.

    Args:
        location: the field's name.
        words: what is wrong with it.
        kind: the machine-readable kind of error, as ``value_error.missing``.
        inside: where the field is: ``body``, ``query`` or ``path``.
    """
    return Answer(422, {"detail": [{"loc": [inside, location], "msg": words, "type": kind}]})


def no_key(status: int) -> Answer:
    """The answer to a request without an API key.

    Args:
        status: 403 as measured, or 401 as documented (docs/provider.md, 1.3).
    """
    return Answer(status, {"detail": "Not authenticated"})


def in_family(answer: Answer, kind: str) -> Answer:
    """An answer as the channel it comes from writes it: two of them have their own form of family A (docs/provider.md, 1.4).

    Args:
        answer: the answer in the general form.
        kind: of the call: for ``waba`` an error has an ``error_code``, for ``sms`` no ``success``.
    """
    if kind not in {"waba", "sms"} or answer.body.get("success") is not False:
        return answer
    if kind == "waba":
        return replace(answer, body={"error_code": str(answer.status), **answer.body})
    return replace(answer, body={name: value for name, value in answer.body.items() if name != "success"})


def retry_after_header(form: str, wait_us: int, now_us: int) -> dict[str, str]:
    """The Retry-After header of a throttled request.

    Args:
        form: ``none``, ``seconds`` or ``date``.
        wait_us: microseconds until a request would be admitted; rounded up to whole seconds.
        now_us: the present, in microseconds since the epoch.

    Returns:
        The header, or nothing for ``none``.
    """
    seconds = -(-wait_us // SECOND_US)
    if form == "seconds":
        return {"Retry-After": str(seconds)}
    if form == "date":
        # One more second: the date's fraction is cut off, and a client may not come back early because of that.
        return {"Retry-After": as_http_date(now_us + (seconds + 1) * SECOND_US)}
    return {}
