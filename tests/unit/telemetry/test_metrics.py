"""Names and labels of the worker's metrics."""

import socket
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families

from paceline.literals import OUTCOMES
from paceline_worker.telemetry import scraped
from paceline_worker.telemetry.metrics import Metrics
from tests.unit.samples import ACCOUNT

# name in the exposition, kind, labels
COUNTED = {
    ("paceline_operations_accepted", "counter", ("account", "kind")),
    ("paceline_operations_settled", "counter", ("account", "kind", "outcome")),
    ("paceline_provider_requests", "counter", ("account", "code", "endpoint")),
    ("paceline_provider_request_duration_seconds", "histogram", ("endpoint",)),
    ("paceline_retries", "counter", ("account", "reason")),
    ("paceline_operation_steps", "counter", ("account", "reason")),
    ("paceline_deferrals", "counter", ("account", "reason")),
    ("paceline_delivery_latency_seconds", "histogram", ("priority",)),
    ("paceline_slot_lateness_seconds", "histogram", ()),
    ("paceline_leases_given_back", "counter", ()),
    ("paceline_worker_load_operations", "gauge", ()),
    ("paceline_worker_capacity_operations", "gauge", ()),
    ("paceline_worker_intake_operations", "gauge", ()),
    ("paceline_worker_reaches_provider", "gauge", ()),
    ("paceline_worker_state_answers", "gauge", ()),
    ("paceline_worker_way_seconds", "gauge", ()),
    ("paceline_slots_moved", "counter", ()),
    ("paceline_inbox_records_refused", "counter", ()),
    ("paceline_state_forgotten", "counter", ()),
    ("paceline_broker_messages_refused", "counter", ("reason",)),
    ("paceline_tampering_refused", "counter", ("reason",)),
    ("paceline_build", "info", ("version",)),
}
KIND = "message.to_number"
ENDPOINT = "/whatsapp/send-message"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def touch(metrics: Metrics, account: str = ACCOUNT) -> None:
    """Everything a worker can count, once."""
    metrics.accepted(account, KIND, 1)
    metrics.settled(account, KIND, "accepted")
    metrics.settled_as(account, KIND, "retry", "overloaded")
    metrics.settled_as(account, KIND, "step", "step")
    metrics.deferred(account, "throttled")
    metrics.given_back(1)
    metrics.moved()
    metrics.state_forgot()
    metrics.message_refused("body")
    metrics.tampered("content")
    metrics.sent("t", 0.001, 1.0)
    metrics.answered(account, ENDPOINT, "202", 0.1)


def test_names_kinds_and_labels_are_pinned(metrics: Metrics) -> None:
    """Dashboards and alerts are written against these."""
    touch(metrics)
    found = {
        (family.name, family.type, tuple(sorted({label for one in family.samples for label in one.labels} - {"le"})))
        for family in metrics.registry.collect()
    }
    assert found == COUNTED


def test_counters_end_in_total_and_have_no_created_series(metrics: Metrics) -> None:
    """A counter is shown under its name with ``_total``, and nothing else."""
    touch(metrics)
    names = {one.name for family in metrics.registry.collect() for one in family.samples if family.type == "counter"}
    assert {name for name in names if not name.endswith("_total")} == set()


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_an_outcome_is_counted_as_settled(outcome: str, metrics: Metrics) -> None:
    """What settle.lua calls by an outcome's name has ended."""
    metrics.settled_as(ACCOUNT, KIND, outcome, "")
    labels = {"account": ACCOUNT, "kind": KIND, "outcome": outcome}
    assert value(metrics, "paceline_operations_settled_total", **labels) == 1


@pytest.mark.parametrize(
    ("name", "done", "reason"),
    [
        ("paceline_retries_total", "retry", "overloaded"),
        ("paceline_operation_steps_total", "step", "step"),
        ("paceline_operation_steps_total", "wait", "new_group"),
        ("paceline_operation_steps_total", "lookup", "lookup"),
        ("paceline_deferrals_total", "deferred", "throttled"),
        ("paceline_deferrals_total", "deferred", "sender_busy"),
    ],
)
def test_what_did_not_end_is_counted_by_its_reason(name: str, done: str, reason: str, metrics: Metrics) -> None:
    """Steps, retries and deferrals are different things, each with a bounded reason."""
    metrics.settled_as(ACCOUNT, KIND, done, reason)
    assert value(metrics, name, account=ACCOUNT, reason=reason) == 1


@pytest.mark.parametrize("done", ["step", "wait", "lookup"])
def test_what_goes_on_without_a_reason_is_its_own(done: str, metrics: Metrics) -> None:
    """There is no series with an empty reason."""
    metrics.settled_as(ACCOUNT, KIND, done, "")
    assert value(metrics, "paceline_operation_steps_total", account=ACCOUNT, reason=done) == 1


def test_a_look_up_is_no_delivery(metrics: Metrics) -> None:
    """A call that is not the operation's own counts as sent in time, and not as the operation's latency."""
    metrics.sent("t", 0.001, None)
    assert value(metrics, "paceline_slot_lateness_seconds_count") == 1
    assert value(metrics, "paceline_delivery_latency_seconds_count", priority="transactional") is None


def test_every_metric_has_a_sentence_of_help(metrics: Metrics) -> None:
    """What a metric counts is told where it is shown."""
    texts = [family.documentation for family in metrics.registry.collect()]
    assert [text for text in texts if not (text[0].isupper() and text.endswith("."))] == []
    assert len(texts) == len(set(texts))


def test_nothing_accepted_makes_no_series(metrics: Metrics) -> None:
    """A record of duplicates alone does not show as an account that accepts nothing."""
    metrics.accepted(ACCOUNT, KIND, 0)
    metrics.accepted(ACCOUNT, KIND, -1)
    assert value(metrics, "paceline_operations_accepted_total", account=ACCOUNT, kind=KIND) is None


@pytest.mark.parametrize(("label", "priority"), [("transactional", "t"), ("bulk", "b")])
def test_latency_is_told_by_priority(label: str, priority: str, metrics: Metrics) -> None:
    """The letters of the operation's hash are words outside; time never counts backwards."""
    metrics.sent(priority, -0.001, -5.0)
    assert value(metrics, "paceline_delivery_latency_seconds_count", priority=label) == 1
    assert value(metrics, "paceline_delivery_latency_seconds_sum", priority=label) == 0
    assert value(metrics, "paceline_slot_lateness_seconds_sum") == 0


def test_accounts_beyond_two_hundred_share_a_label(metrics: Metrics) -> None:
    """However many accounts there are, each metric has 201 of them at most, and nothing is left uncounted."""
    for number in range(10_000):
        metrics.deferred(f"account-{number}", "throttled")
        metrics.settled_as(f"account-{number}", KIND, "step", "step")
        metrics.answered(f"account-{number}", ENDPOINT, "202", 0.1)
    for name in ("paceline_deferrals", "paceline_operation_steps", "paceline_provider_requests"):
        family = next(one for one in metrics.registry.collect() if one.name == name)
        accounts = {sample.labels["account"] for sample in family.samples}
        assert accounts == {f"account-{number}" for number in range(200)} | {"other"}
        assert sum(sample.value for sample in family.samples) == 10_000


def test_the_bound_holds_over_all_metrics(metrics: Metrics) -> None:
    """An account that has its label in one metric has it in all."""
    for number in range(200):
        metrics.deferred(f"account-{number}", "throttled")
    touch(metrics, "account-0")
    touch(metrics, "late")
    for account in ("account-0", "other"):
        assert value(metrics, "paceline_operations_accepted_total", account=account, kind=KIND) == 1
        assert value(metrics, "paceline_retries_total", account=account, reason="overloaded") == 1


def test_metrics_are_served_until_stopped(metrics: Metrics) -> None:
    """``/metrics`` shows the registry in the text format, on the interface asked for."""
    metrics.deferred(ACCOUNT, "throttled")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stop = scraped.serve(make_wsgi_app(metrics.registry), port, "127.0.0.1", "metrics")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            text = reply.read().decode()
    finally:
        stop()
    assert "paceline_deferrals" in {family.name for family in text_string_to_metric_families(text)}
