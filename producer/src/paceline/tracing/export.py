"""Sending the spans of our own programs; needs OpenTelemetry's SDK (``paceline[otel]``), which `tracing` does not."""

from collections.abc import Callable
from importlib import import_module

from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from paceline.version import VERSION

# Only the first one comes with `paceline[otel]`.
_OTLP = {
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "grpc": "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
}


def start(service: str, wanted: str, protocol: str) -> Callable[[], None] | None:
    """Install a provider of spans that sends them from a thread of its own.

    Args:
        service: ``service.name`` where the environment has none.
        wanted: ``otlp`` or ``console``.
        protocol: of OTLP: ``http/protobuf`` or ``grpc``.

    Returns:
        Its end, which blocks until all is sent or given up; None when the program has a provider already.

    Raises:
        ImportError: the exporter is not installed.
        ValueError: exporter or protocol are not known.
    """
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return None
    exporter = _exporter(wanted, protocol)
    resource = Resource.create({SERVICE_VERSION: VERSION})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: service}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def _exporter(wanted: str, protocol: str) -> SpanExporter:
    if wanted == "console":
        return ConsoleSpanExporter()
    if wanted != "otlp":
        raise ValueError(f"OTEL_TRACES_EXPORTER is otlp, console or none, not {wanted}")
    if protocol not in _OTLP:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {' or '.join(_OTLP)}, not {protocol}")
    exporter: SpanExporter = import_module(_OTLP[protocol]).OTLPSpanExporter()
    return exporter
