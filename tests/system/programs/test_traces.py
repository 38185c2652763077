"""Traces as a collector gets them: from a producer's process and from a worker's, over OTLP."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline import SendMessage
from paceline.state import connect
from paceline.tracing.spans import UNSAMPLED
from paceline_sandbox.embedded import free_port
from tests.support.collector import Collector, Span, collecting
from tests.support.processes import Process, spawn
from tests.support.stack import PATIENCE, Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system]

SEND, DELIVER = "send message.to_number", "deliver message.to_number"
SENDER, RECIPIENT, TEXT = "+15550100001", "+15559998877", "canary text 5c1a"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the programs write; each reads its own part."""
    return tmp_path / "log"


def paceline(stack: Stack, log: Path, *arguments: str, **environment: str) -> Process:
    """The program, as a producer with a process of its own, after its end."""
    args = [sys.executable, "-m", "paceline.cli", *arguments]
    with spawn(args, {"PACELINE_BROKER_URL": stack.server.url, **environment}, log, forked=True) as program:
        program.wait(PATIENCE)
    return program


def send(stack: Stack, log: Path, *options: str, **environment: str) -> Process:
    words = ["send", "--account", stack.name, "--from", SENDER, "--to", RECIPIENT, "--text", TEXT, *options]
    return paceline(stack, log, *words, **environment)


def delivered(collector: Collector, number: int) -> list[Span]:
    """So many deliveries, once they have arrived."""
    wait_until(lambda: len(collector.named(DELIVER)) >= number, PATIENCE, lambda: str(collector.spans()))
    return collector.named(DELIVER)


def test_one_trace_leads_from_send_to_the_providers_answer(stack: Stack, collector: Collector, log: Path) -> None:
    """Through three processes and a retry: who enqueued, when it was accepted, each call and what came of it."""
    stack.add_account()
    stack.scenario(faults=[{"kind": "answer", "status": 503, "from_request": 1, "count": 1}])
    stack.start_worker(**collector.environment)
    assert 0 == send(stack, log, "--key", "k1", **collector.environment).exit_code
    second = delivered(collector, 2)[1]
    of_trace = collector.spans(second.trace)
    root = of_trace[0]
    assert (SEND, "PRODUCER", "paceline-cli", "") == (root.name, root.kind, root.service, root.parent)
    below = [(span.name, span.kind, span.service) for span in of_trace if span.parent == root.id]
    worker = "paceline-worker"
    assert [("accept", "CONSUMER", worker), *[(DELIVER, "CONSUMER", worker)] * 2] == below
    calls = {span.parent: span for span in of_trace if span.kind == "CLIENT"}
    outcomes = [
        (span.attributes["paceline.attempt"], span.attributes["paceline.result"], calls[span.id].attributes)
        for span in delivered(collector, 2)
    ]
    asked = {"http.request.method": "POST", "url.template": "/whatsapp/send-message"}
    assert [
        (1, "retry", asked | {"http.response.status_code": 503, "error.type": "503"}),
        (2, "accepted", asked | {"http.response.status_code": 202}),
    ] == outcomes
    assert [True, False] == [calls[span.id].failed for span in delivered(collector, 2)]
    assert all(calls[span.id].begin_ns >= span.begin_ns for span in delivered(collector, 2))
    assert all(span.end_ns >= calls[span.id].end_ns for span in delivered(collector, 2))


def test_a_duplicate_shows_in_its_own_trace(stack: Stack, collector: Collector, log: Path) -> None:
    """It was accepted as one and not delivered again."""
    stack.add_account()
    stack.start_worker(**collector.environment)
    for _ in range(2):
        assert 0 == send(stack, log, "--key", "k1", "--wait", "30", **collector.environment).exit_code
    wait_until(lambda: len(collector.named("accept")) >= 2, PATIENCE, lambda: str(collector.spans()))
    first, second = collector.named("accept")
    assert first.trace != second.trace
    assert [None, True] == [span.attributes.get("paceline.duplicate") for span in (first, second)]
    delivered(collector, 1)
    stack.workers[0].stop()
    assert [first.trace] == [span.trace for span in collector.named(DELIVER)]


def test_a_campaigns_calls_are_linked_to_its_upload(
    stack: Stack, collector: Collector, log: Path, tmp_path: Path
) -> None:
    """Each has a trace of its own: a million in one would be of no use to anybody."""
    stack.add_account()
    stack.start_worker(**collector.environment)
    people = tmp_path / "people.csv"
    people.write_text(f"to,name\n{RECIPIENT},Ann\n+15559998878,Bob\n", encoding="utf-8")
    upload = ["campaign", "start", f"{stack.name}-spring", "--account", stack.name, "--from", SENDER]
    done = paceline(
        stack, log, *upload, "--recipients", str(people), "--template", "Hi {name}", **collector.environment
    )
    assert 0 == done.exit_code, done.log_text()
    one, other = delivered(collector, 2)
    root = collector.named("upload campaign")[0]
    assert [((root.trace, root.id),)] * 2 == [one.links, other.links]
    assert 3 == len({one.trace, other.trace, root.trace})
    assert ["", ""] == [one.parent, other.parent]
    assert f"{stack.name}-spring" == one.attributes["paceline.campaign"]


def test_what_a_sampler_left_out_stays_out(stack: Stack, collector: Collector, log: Path) -> None:
    """The worker does not begin a trace of its own for it; for one whose producer knows no traces, it does."""
    stack.add_account()
    stack.start_worker(**collector.environment)
    assert 0 == send(stack, log, "--wait", "30", **collector.environment, OTEL_TRACES_SAMPLER="always_off").exit_code
    stack.settled(1)
    stack.outbox.send(SendMessage(account=stack.name, sender=SENDER, to=RECIPIENT, text=TEXT))
    stack.settled(2)
    stack.workers[0].stop()
    assert [DELIVER, "POST /whatsapp/send-message"] == [span.name for span in collector.spans()]
    client = connect(stack.server.url)
    written = [client.hget(key, "tp") for key in client.scan_iter("paceline:*:o:*")]
    client.close()
    assert {UNSAMPLED, None} == set(written)


def test_spans_tell_neither_numbers_nor_texts_nor_keys(stack: Stack, collector: Collector, log: Path) -> None:
    """Also where the provider's words quote them, and where an enqueueing fails with words that do."""
    stack.add_account(senders=[SENDER])
    words = f"number {RECIPIENT} is bad"
    stack.scenario(faults=[{"kind": "answer", "status": 422, "from_request": 1, "count": 1, "message": words}])
    stack.start_worker(**collector.environment)
    assert 0 == send(stack, log, **collector.environment).exit_code
    delivered(collector, 1)
    other_way = ["send", "--account", stack.name, "--from", RECIPIENT, "--to", SENDER, "--text", TEXT]
    refused = paceline(stack, log, *other_way, **collector.environment)
    assert 1 == refused.exit_code
    assert RECIPIENT in refused.log_text()
    failed = collector.named(SEND)[-1]
    assert (True, "UnknownSender") == (failed.failed, failed.attributes["error.type"])
    assert len(collector.spans()) >= 5
    for canary in (RECIPIENT, RECIPIENT[1:], SENDER[1:], TEXT):
        assert canary.encode() not in b"".join(collector.bodies)
    assert stack.name.encode() in b"".join(collector.bodies)


def test_a_collector_that_is_away_keeps_nobody_from_working(stack: Stack, log: Path) -> None:
    """Messages leave, the program answers, and the worker ends in order."""
    nobody = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    stack.add_account()
    worker = stack.start_worker(**nobody)
    assert 0 == send(stack, log, **nobody).exit_code
    stack.settled(1)
    assert 0 == worker.stop()
    assert "Traceback" not in worker.log_text()


FAILING = """
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

class Failing(SpanProcessor):
    def {method}(self, span, *_, **__):
        raise RuntimeError("no disk left")

provider = TracerProvider()
provider.add_span_processor(Failing())
trace.set_tracer_provider(provider)
"""


@pytest.mark.parametrize("method", ["on_start", "on_end"])
def test_a_worker_whose_processor_of_spans_fails_sends_each_message_once(
    stack: Stack, tmp_path: Path, method: str
) -> None:
    """A host's OpenTelemetry may be broken; a delivery between the provider's answer and its settling must not notice."""
    (tmp_path / "sitecustomize.py").write_text(FAILING.format(method=method), encoding="utf-8")
    stack.add_account()
    stack.start_worker(PYTHONPATH=str(tmp_path))
    receipts = [stack.send(number, on_unknown="resend") for number in range(3)]
    stack.settled(3)
    assert {f"message {number}": 1 for number in range(3)} == stack.texts_accepted()
    assert ["accepted"] * 3 == [stack.outbox.status(receipt.id).state for receipt in receipts]


def test_what_is_not_installed_is_said_and_does_not_hurt(stack: Stack, log: Path) -> None:
    """One sentence in the log, one on the terminal; everything works."""
    wrong = {"OTEL_TRACES_EXPORTER": "zipkin"}
    stack.add_account()
    worker = stack.start_worker(**wrong)
    done = send(stack, log, **wrong)
    assert 0 == done.exit_code
    sentence = "no traces are sent: OTEL_TRACES_EXPORTER is otlp, console or none, not zipkin"
    said, answer = done.log_text().splitlines()
    assert f"paceline: {sentence}" == said
    assert answer.endswith(" is written.")
    assert sentence in worker.log_text()
    stack.settled(1)
