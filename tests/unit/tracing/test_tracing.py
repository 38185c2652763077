"""Contexts that travel with operations, and where spans are sent."""

import subprocess
import sys

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from paceline.errors import ConfigurationError
from paceline.tracing import setup, spans

TOLD = {spans.ACCOUNT: "acme"}


def recording(monkeypatch: pytest.MonkeyPatch, sampler: Sampler = ALWAYS_ON) -> InMemorySpanExporter:
    """A service that has set up OpenTelemetry, for this test."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    return kept


def finished(kept: InMemorySpanExporter) -> ReadableSpan:
    (span,) = kept.get_finished_spans()
    return span


def test_where_nothing_records_nothing_is_written_down() -> None:
    """The package OpenTelemetry alone is no reason to store a context."""
    with spans.sending("send", TOLD) as written:
        assert "" == written


def test_what_is_written_down_is_read_as_the_same_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceparent as W3C Trace Context has it, 55 bytes."""
    kept = recording(monkeypatch)
    with spans.sending("send", TOLD) as written:
        pass
    assert 55 == len(written)
    found = trace.get_current_span(spans.read(written)).get_span_context()
    span = finished(kept)
    assert span.context is not None
    assert (span.context.trace_id, span.context.span_id, True) == (found.trace_id, found.span_id, found.is_remote)
    assert {"messaging.system": "paceline", "paceline.account": "acme"} == dict(span.attributes or {})


def test_one_that_was_left_out_costs_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that nobody records the rest of it."""
    recording(monkeypatch, ALWAYS_OFF)
    with spans.sending("send", TOLD) as written:
        assert "0" == spans.UNSAMPLED == written


def test_a_failure_tells_its_type_and_not_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words may quote a number."""
    kept = recording(monkeypatch)
    with pytest.raises(ValueError, match="15550100001"), spans.sending("send", TOLD):
        raise ValueError("+15550100001 is not among them")
    assert "ValueError" == (finished(kept).attributes or {})["error.type"]
    assert "15550100001" not in finished(kept).to_json()


class Failing(SpanProcessor):
    """What a host may have put into OpenTelemetry: fails when a span starts, or when it ends."""

    def __init__(self, at: str) -> None:
        self._at = at

    def on_start(self, span: Span, parent_context: object = None) -> None:  # noqa: ARG002 - OpenTelemetry's signature
        self._fail("start")

    def on_end(self, span: ReadableSpan) -> None:  # noqa: ARG002 - the interface has it
        self._fail("end")

    def _fail(self, at: str) -> None:
        if at == self._at:
            raise RuntimeError("no disk left")


@pytest.mark.parametrize("at", ["start", "end"])
def test_a_processor_of_spans_that_fails_fails_nobody_else(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """What was written is written, and who enqueued it is not told otherwise: they would send it twice."""
    provider = TracerProvider()
    provider.add_span_processor(Failing(at))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    done = []
    with spans.sending("send", TOLD) as written:
        done.append(written)
    assert 1 == len(done)
    with pytest.raises(ZeroDivisionError), spans.sending("send", TOLD):
        _ = 1 / 0


@pytest.mark.parametrize(
    "written", ["", spans.UNSAMPLED, "00-xyz-1-01", "\x00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
def test_what_cannot_be_read_is_no_context(written: str) -> None:
    """Whoever goes on begins again."""
    assert not trace.get_current_span(spans.read(written)).get_span_context().is_valid


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_SERVICE_NAME": "mine"},
    ],
)
def test_nothing_is_sent_unless_asked_for(environ: dict[str, str]) -> None:
    """No provider is installed."""
    setup.set_up("x", environ)()
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)


@pytest.mark.parametrize(
    ("sentence", "environ"),
    [
        ("OTEL_TRACES_EXPORTER is otlp, console or none, not zipkin", {"OTEL_TRACES_EXPORTER": "zipkin"}),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL is http/protobuf or grpc, not http/json",
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        ),
        (
            "no traces are sent: ",
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "bogus"},
        ),
    ],
)
def test_what_cannot_be_is_told(monkeypatch: pytest.MonkeyPatch, sentence: str, environ: dict[str, str]) -> None:
    """In one sentence, whoever finds it: OpenTelemetry reads the environment, too."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=sentence):
        setup.set_up("x", environ)


def test_spans_of_a_program_can_be_looked_at() -> None:
    """`console` prints them; the environment's name of the service wins over ours."""
    code = (
        "from paceline.tracing import setup, spans\n"
        "end = setup.set_up('paceline-cli')\n"
        "with spans.sending('send', {'paceline.account': 'acme'}): pass\n"
        "end()"
    )
    names = []
    for more in ({}, {"OTEL_SERVICE_NAME": "mine"}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"OTEL_TRACES_EXPORTER": "console", **more},
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )
        assert '"paceline.account": "acme"' in done.stdout
        names += [name for name in ("paceline-cli", "mine") if f'"service.name": "{name}"' in done.stdout]
    assert ["paceline-cli", "mine"] == names


def test_without_opentelemetry_all_works() -> None:
    """And asking for traces says what to install."""
    code = (
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from paceline import Outbox\nfrom paceline.tracing import setup, spans\n"
        "import paceline_worker.delivery.traces\n"
        "with spans.sending('send', {}) as written: print(repr(written))\n"
        "try: setup.set_up('x', {'OTEL_TRACES_EXPORTER': 'otlp'})\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=True)
    assert "''" == done.stdout.splitlines()[0]
    assert "ConfigurationError no traces are sent: pip install 'paceline[otel]'" in done.stdout
