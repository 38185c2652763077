"""Traces, where OpenTelemetry is installed: one for each operation, from `send()` to the provider's answer.

The context travels with the operation, as the ``traceparent`` of W3C Trace Context in its record, so it survives whatever the
operation survives. Only the API is used here: a service sets up OpenTelemetry as it does for itself. Where it is not installed,
or nothing records, nothing is written down and hardly anything done. Spans tell names, ids and times; never a number, a text
or a key.
"""

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Final

from paceline.errors import ConfigurationError
from paceline.version import VERSION

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
_ENV_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENV_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_ENV_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# A collector that is away must not keep a program from ending.
_FLUSH_S: Final = 2.0


@contextmanager
def sending(name: str, attributes: Mapping[str, str]) -> Iterator[str]:
    """A span of whoever enqueues.

    Args:
        name: of the span; there are few different ones.
        attributes: by the names above.

    Yields:
        What is to be written down for those who go on: a traceparent, `UNSAMPLED`, or '' where nothing records.
    """
    if not INSTALLED:
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


def set_up(service: str, environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Let a program of ours send its spans where OpenTelemetry's own variables say, if they say so.

    Off unless ``OTEL_TRACES_EXPORTER`` (``otlp`` or ``console``) or ``OTEL_EXPORTER_OTLP_ENDPOINT`` is set; everything else
    OpenTelemetry reads by itself. A program that was started under ``opentelemetry-instrument`` keeps what that set up.

    Args:
        service: its ``service.name``, unless the environment has one.
        environ: where to read.

    Returns:
        A function that sends what is left, and ends; it waits two seconds at most.

    Raises:
        ConfigurationError: it is asked for and cannot be. No reason not to work: programs say so and go on.
    """
    wanted = environ.get(_ENV_EXPORTER) or ("otlp" if any(map(environ.get, _ENV_ENDPOINTS)) else "none")
    if wanted == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return _nothing_to_end
    protocol = next(filter(None, map(environ.get, _ENV_PROTOCOLS)), "http/protobuf")
    try:
        shutdown: Callable[[], None] | None = import_module("paceline.trace_export").start(service, wanted, protocol)
    except ImportError as error:
        raise ConfigurationError(f"no traces are sent: pip install 'paceline[otel]' ({error})") from error
    except ValueError as error:
        raise ConfigurationError(f"no traces are sent: {error}") from error
    except Exception as error:  # whatever a plugin of OpenTelemetry's does
        raise ConfigurationError(f"no traces are sent: {type(error).__name__}: {error}") from error
    if shutdown is None:
        return _nothing_to_end

    def end() -> None:
        last = threading.Thread(target=shutdown, name="paceline-traces", daemon=True)
        last.start()
        last.join(_FLUSH_S)

    return end


def _nothing_to_end() -> None:
    pass
