"""What a receiver counts: names, labels, bounds."""

from prometheus_client import CollectorRegistry

from paceline_worker.receipts.metrics import ReceiptMetrics, Result


def test_names_and_labels_are_pinned() -> None:
    """Dashboards are written against these; every result has its series from the start."""
    registry = CollectorRegistry()
    metrics = ReceiptMetrics(registry)
    metrics.receipts("acme", "read", 2)
    metrics.request(Result.MOVED)
    assert 2 == registry.get_sample_value("paceline_receipts_total", {"account": "acme", "status": "read"})
    found = {
        result: registry.get_sample_value("paceline_receipt_requests_total", {"result": result})
        for result in (
            "moved",
            "known",
            "early",
            "unknown",
            "opted_out",
            "opted_in",
            "ignored",
            "malformed",
            "forbidden",
            "unavailable",
        )
    }
    assert dict.fromkeys(map(str, Result), 0) | {"moved": 1} == found


def test_accounts_beyond_200_share_one_series() -> None:
    """And each of their receipts is counted."""
    registry = CollectorRegistry()
    metrics = ReceiptMetrics(registry)
    for _ in range(2):
        for number in range(1000):
            metrics.receipts(f"a{number}", "sent")
    samples = [one for family in registry.collect() for one in family.samples if one.name == "paceline_receipts_total"]
    assert 201 == len(samples)
    assert 2000 == sum(one.value for one in samples)
    assert 1600 == registry.get_sample_value("paceline_receipts_total", {"account": "other", "status": "sent"})
