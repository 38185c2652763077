"""Traces, where OpenTelemetry is installed: one for each operation, from `send()` to the provider's answer.

The context travels with the operation, as the ``traceparent`` of W3C Trace Context in its record, so it survives whatever the
operation survives. Only the API is used here: a service sets up OpenTelemetry as it does for itself. Where it is not installed,
or nothing records, nothing is written down and hardly anything done. Spans tell names, ids and times; never a number, a text
or a key.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from paceline.version import VERSION

if TYPE_CHECKING:
    from paceline.operations import Operation

try:
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

# In place of a context that the sampler left out: whoever goes on with the operation leaves it out, too.
UNSAMPLED: Final = "0"
SCOPE: Final = "paceline"

# Attributes: those of OpenTelemetry's conventions where they fit, else our own.
SYSTEM: Final = "messaging.system"
OPERATION: Final = "messaging.message.id"
ERROR: Final = "error.type"
ACCOUNT: Final = "paceline.account"
CAMPAIGN: Final = "paceline.campaign"
PRIORITY: Final = "paceline.priority"

_PARENT: Final = "traceparent"


@contextmanager
def sending(name: str, attributes: Mapping[str, str]) -> Iterator[str]:
    """A span of whoever enqueues.

    Args:
        name: of the span; there are few different ones.
        attributes: by the names above.

    Yields:
        What is to be written down for those who go on: a traceparent, `UNSAMPLED`, or '' where nothing records.
    """
    if not recorded() and not (INSTALLED and trace.get_current_span().get_span_context().is_valid):
        yield ""
        return
    span = _started(name, attributes)
    try:
        with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield _written(span.get_span_context())
    except Exception as error:
        # Its type only: its words may quote a number.
        span.set_attribute(ERROR, type(error).__name__)
        span.set_status(trace.StatusCode.ERROR)
        raise
    finally:
        with harmless():
            span.end()


def sending_one(operation: "Operation", op_id: str) -> AbstractContextManager[str]:
    """`sending` for one operation."""
    told = {OPERATION: op_id, ACCOUNT: operation.account, PRIORITY: operation.priority}
    return sending(f"send {operation.kind}", told)


def recorded() -> bool:
    """Whether anybody has set up OpenTelemetry in this process; asked for each call, so it costs next to nothing."""
    return INSTALLED and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def harmless() -> suppress:
    """Around what starts or ends a span: a host's sampler or span processor that raises must cost no message, and double none."""
    return suppress(Exception)


def _started(name: str, attributes: Mapping[str, str]) -> "trace.Span":
    with harmless():
        tracer = trace.get_tracer(SCOPE, VERSION)
        return tracer.start_span(name, kind=trace.SpanKind.PRODUCER, attributes={SYSTEM: SCOPE, **attributes})
    return trace.INVALID_SPAN


def _written(context: "trace.SpanContext") -> str:
    if not context.is_valid:
        return ""
    if not context.trace_flags.sampled:
        return UNSAMPLED
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(trace.NonRecordingSpan(context)))
    return carrier[_PARENT]


def read(written: str) -> "Context":
    """The context that was written down, to go on in; an empty one where there is none, or none that can be read.

    Args:
        written: from `sending`.
    """
    return TraceContextTextMapPropagator().extract({_PARENT: written}, Context())
