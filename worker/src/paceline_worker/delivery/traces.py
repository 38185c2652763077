"""What a worker adds to a trace: that the operation was accepted, each delivery, and in it the provider's answer.

Everything is known only afterwards, so spans are made with the times at which things happened: the state server's, which all
workers share. The context does not go to the provider. See `paceline.tracing.spans`.
"""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from paceline.operations.requests import ProviderRequest
from paceline.tracing import spans
from paceline.version import VERSION
from paceline_worker.delivery.begun import Begun
from paceline_worker.state.clock import ServerClock
from paceline_worker.state.inbox import Acceptance
from paceline_worker.verdict.meaning import Answer

if TYPE_CHECKING or spans.INSTALLED:
    from opentelemetry import trace

REASON: Final = "paceline.reason"
# settle.lua's reply: an outcome, or what follows.
RESULT: Final = "paceline.result"
ATTEMPT: Final = "paceline.attempt"
LOOKS_UP: Final = "paceline.looks_up"
DUPLICATE: Final = "paceline.duplicate"
_METHOD: Final = "http.request.method"
_STATUS: Final = "http.response.status_code"
_ENDPOINT: Final = "url.template"


class Delivery:
    """One delivery of an operation, from begin to settle; used as a context.

    Args:
        span: None while nothing records.
        clock: server time on the monotonic clock.
    """

    def __init__(self, span: "trace.Span | None", clock: ServerClock) -> None:
        self._span = span
        self._clock = clock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        with spans.harmless():
            if kind is not None:
                self._span.set_attribute(spans.ERROR, kind.__name__)
                self._span.set_status(trace.StatusCode.ERROR)
            self._span.end(self._ns(time.monotonic()))

    def called(self, request: ProviderRequest, answer: Answer, sent_s: float, answered_s: float) -> None:
        """The provider answered, or did not.

        Args:
            request: the request; only the method and the path without variable parts are told.
            answer: the answer; only its code is told, for its words may quote the request.
            sent_s: monotonic seconds.
            answered_s: time of the answer, on the same clock.
        """
        if self._span is not None:
            with spans.harmless():
                self._called(self._span, request, answer, sent_s, answered_s)

    def _called(
        self, within: "trace.Span", request: ProviderRequest, answer: Answer, sent_s: float, answered_s: float
    ) -> None:
        call = trace.get_tracer(spans.SCOPE, VERSION).start_span(
            f"{request.method} {request.endpoint}",
            trace.set_span_in_context(within),
            kind=trace.SpanKind.CLIENT,
            attributes={_METHOD: request.method, _ENDPOINT: request.endpoint},
            start_time=self._ns(sent_s),
        )
        if answer.code.isdecimal():
            call.set_attribute(_STATUS, int(answer.code))
        if not answer.code.startswith("2"):
            call.set_attribute(spans.ERROR, answer.code)
            call.set_status(trace.StatusCode.ERROR)
        call.end(self._ns(answered_s))

    def settled(self, result: str, reason: str) -> None:
        """The verdict.

        Args:
            result: settle.lua's answer.
            reason: a bounded label, or ''.
        """
        if self._span is None:
            return
        self._span.set_attribute(RESULT, result)
        if reason:
            self._span.set_attribute(REASON, reason)

    def _ns(self, monotonic_s: float) -> int:
        return self._clock.server_us(monotonic_s) * 1000


class Traces:
    """The spans of one worker.

    Args:
        clock: server time on the monotonic clock.
    """

    def __init__(self, clock: ServerClock) -> None:
        self._clock = clock
        self._untraced = Delivery(None, clock)

    def accepted(self, acceptance: Acceptance, began_s: float) -> None:
        """An operation was taken into its lane, or turned out to be a duplicate.

        Args:
            acceptance: what accept.lua did.
            began_s: monotonic seconds before it was asked; it ends now.
        """
        if acceptance.trace in ("", spans.UNSAMPLED) or not spans.recorded():
            return
        with spans.harmless():
            self._accepted(acceptance, began_s)

    def _accepted(self, acceptance: Acceptance, began_s: float) -> None:
        span = trace.get_tracer(spans.SCOPE, VERSION).start_span(
            "accept",
            spans.read(acceptance.trace),
            kind=trace.SpanKind.CONSUMER,
            attributes={spans.SYSTEM: spans.SCOPE, spans.ACCOUNT: acceptance.account},
            start_time=self._clock.server_us(began_s) * 1000,
        )
        if acceptance.duplicates:
            span.set_attribute(DUPLICATE, value=True)
        span.end(self._clock.server_us(time.monotonic()) * 1000)

    def delivery(self, op_id: str, begun: Begun, began_s: float) -> Delivery:
        """An operation was begun.

        One of a campaign has a trace of its own, linked to the upload: a million in one trace would be of no use to anybody.

        Args:
            op_id: the operation.
            begun: what begin.lua said.
            began_s: monotonic seconds before it was asked.
        """
        if begun.trace == spans.UNSAMPLED or not spans.recorded():
            return self._untraced
        with spans.harmless():
            return self._delivery(op_id, begun, began_s)
        return self._untraced

    def _delivery(self, op_id: str, begun: Begun, began_s: float) -> Delivery:
        upload = trace.get_current_span(spans.read(begun.upload_trace)).get_span_context()
        span = trace.get_tracer(spans.SCOPE, VERSION).start_span(
            f"deliver {begun.kind}",
            spans.read(begun.trace),
            kind=trace.SpanKind.CONSUMER,
            links=[trace.Link(upload)] if upload.is_valid else (),
            start_time=self._clock.server_us(began_s) * 1000,
        )
        if not span.is_recording():
            return self._untraced
        told = {spans.OPERATION: op_id, spans.ACCOUNT: begun.account, spans.CAMPAIGN: begun.campaign}
        span.set_attributes({name: value for name, value in told.items() if value})
        span.set_attributes(
            {
                spans.SYSTEM: spans.SCOPE,
                spans.PRIORITY: "transactional" if begun.priority == "t" else "bulk",
                ATTEMPT: begun.situation.attempts + 1,
                LOOKS_UP: begun.looks_up,
            }
        )
        return Delivery(span, self._clock)
