"""The one home of the names that cross a process boundary: tasks, queues, Redis root, environment variables.

Redis keys below the root are named in ``lua/keys.lua`` only; metrics in ``paceline_worker.telemetry.metrics`` and ``gauges`` only.
"""

from typing import Final

ACCEPT_TASK: Final = "paceline.accept"
DELIVER_TASK: Final = "paceline.deliver"

# On hints about records of campaigns; other hints overtake them.
BULK_HEADER: Final = "paceline_bulk"

# The first word of all keys, queues and exchanges, unless PACELINE_NAMESPACE says otherwise.
NAMESPACE: Final = "paceline"


def accept_queue(namespace: str = NAMESPACE) -> str:
    """The queue of hints about inbox records."""
    return f"{namespace}.accept"


def deliver_queue(namespace: str = NAMESPACE) -> str:
    """The queue of granted operations."""
    return f"{namespace}.deliver"


def state_root(namespace: str = NAMESPACE, shard: int = 0) -> str:
    """The first part of every key of a shard of the state. The braces are a Redis Cluster hash tag: see lua/keys.lua."""
    return f"{namespace}:{{{shard}}}"


ACCEPT_QUEUE: Final = accept_queue()
DELIVER_QUEUE: Final = deliver_queue()
STATE_ROOT: Final = state_root()

ENV_BROKER_URL: Final = "PACELINE_BROKER_URL"
ENV_STATE_URL: Final = "PACELINE_STATE_URL"
ENV_NAMESPACE: Final = "PACELINE_NAMESPACE"
ENV_SHARDS: Final = "PACELINE_SHARDS"
ENV_BROKER_OPTIONS: Final = "PACELINE_BROKER_OPTIONS"
ENV_API_BASE: Final = "PACELINE_API_BASE"
ENV_SECRET_KEY: Final = "PACELINE_SECRET_KEY"  # noqa: S105 - the name of a variable, not a secret
ENV_METRICS_PORT: Final = "PACELINE_METRICS_PORT"
ENV_EXPORTER_PORT: Final = "PACELINE_EXPORTER_PORT"
ENV_METRICS_ADDRESS: Final = "PACELINE_METRICS_ADDRESS"
ENV_RECEIPTS_PORT: Final = "PACELINE_RECEIPTS_PORT"
ENV_RECEIPTS_ADDRESS: Final = "PACELINE_RECEIPTS_ADDRESS"
ENV_OPT_OUT_WORDS: Final = "PACELINE_OPT_OUT_WORDS"
ENV_OPT_IN_WORDS: Final = "PACELINE_OPT_IN_WORDS"
ENV_LOG_FORMAT: Final = "PACELINE_LOG_FORMAT"
ENV_CAPACITY: Final = "PACELINE_CAPACITY"
ENV_HTTP_DEADLINE: Final = "PACELINE_HTTP_DEADLINE"
ENV_ALLOW_VOLATILE: Final = "PACELINE_ALLOW_VOLATILE"
ENV_ASSUME_DURABLE: Final = "PACELINE_ASSUME_DURABLE"
ENV_WAIT_REPLICAS: Final = "PACELINE_WAIT_REPLICAS"
ENV_RETENTION: Final = "PACELINE_RETENTION"
ENV_RECONCILE_GRACE: Final = "PACELINE_RECONCILE_GRACE"
ENV_HISTORY_KEPT: Final = "PACELINE_HISTORY_KEPT"
ENV_ENCRYPT_PAYLOADS: Final = "PACELINE_ENCRYPT_PAYLOADS"
ENV_PAYLOAD_KEY: Final = "PACELINE_PAYLOAD_KEY"
ENV_DEBUG: Final = "PACELINE_DEBUG"
ENV_SHOW_NUMBERS: Final = "PACELINE_SHOW_NUMBERS"

INBOX_VERSION: Final = 1
CHUNK_ROWS: Final = 250

# What a number begins with that stands encrypted in state (state/envelopes.py); nothing is imported to know it.
SEALED_NUMBER: Final = "+x"
