"""What a receiver counts, declared once. A counter of each receiver: their sum counts each receipt once."""

from enum import StrEnum
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter

from paceline.status.receipt import ReceiptStatus
from paceline_worker.telemetry.metrics import OTHER_ACCOUNTS

# Labels stay bounded, as those of a worker do: accounts beyond this many share one series.
_MOST_ACCOUNTS: Final = 200


class Result(StrEnum):
    """What became of one request."""

    MOVED = "moved"
    KNOWN = "known"
    EARLY = "early"
    UNKNOWN = "unknown"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    IGNORED = "ignored"
    MALFORMED = "malformed"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"


class ReceiptMetrics:
    """Counters of one receiver.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._accounts: set[str] = set()
        self._receipts = Counter(
            "paceline_receipts",
            "Messages by status that a receipt reported: sent, received, read, or not sent. Each message counts once "
            "per status, however often the provider repeats it.",
            ["account", "status"],
            registry=registry,
        )
        self._requests = Counter(
            "paceline_receipt_requests",
            "Webhooks by result. moved: news of a message. known: a repetition. early: kept for ten minutes, because "
            "no message has this id yet. unknown: of no message of this account. opted_out, opted_in: an"
            " inbound message was a word that put its number on the suppression list, or took it off. ignored: another event."
            " malformed: no JSON, or a receipt without an id. forbidden: wrong account or token. unavailable: the state server"
            " did not answer, so the provider was told to repeat it.",
            ["result"],
            registry=registry,
        )
        for result in Result:
            self._requests.labels(result.value)

    def receipts(self, account: str, status: ReceiptStatus, number: int = 1) -> None:
        """Receipts told something new."""
        self._receipts.labels(self._account(account), status).inc(number)

    def request(self, result: Result) -> None:
        """A request was answered."""
        self._requests.labels(result.value).inc()

    def _account(self, name: str) -> str:
        if name not in self._accounts:
            if len(self._accounts) >= _MOST_ACCOUNTS:
                return OTHER_ACCOUNTS
            self._accounts.add(name)
        return name
