"""The one home of the names that cross a process boundary: tasks, queues, Redis root, environment variables.

Redis keys below the root are named in ``lua/keys.lua`` only; metrics in ``paceline_worker.telemetry.metrics`` and ``gauges`` only.
"""

from typing import Final

ACCEPT_TASK: Final = "paceline.accept"
DELIVER_TASK: Final = "paceline.deliver"
ACCEPT_QUEUE: Final = "paceline.accept"
DELIVER_QUEUE: Final = "paceline.deliver"

# The braces are a Redis Cluster hash tag: see lua/keys.lua.
STATE_ROOT: Final = "paceline:{0}"

ENV_BROKER_URL: Final = "PACELINE_BROKER_URL"
ENV_STATE_URL: Final = "PACELINE_STATE_URL"
ENV_API_BASE: Final = "PACELINE_API_BASE"
ENV_SECRET_KEY: Final = "PACELINE_SECRET_KEY"  # noqa: S105 - the name of a variable, not a secret
ENV_METRICS_PORT: Final = "PACELINE_METRICS_PORT"
ENV_EXPORTER_PORT: Final = "PACELINE_EXPORTER_PORT"
ENV_METRICS_ADDRESS: Final = "PACELINE_METRICS_ADDRESS"
ENV_RECEIPTS_PORT: Final = "PACELINE_RECEIPTS_PORT"
ENV_RECEIPTS_ADDRESS: Final = "PACELINE_RECEIPTS_ADDRESS"
ENV_LOG_FORMAT: Final = "PACELINE_LOG_FORMAT"
ENV_CAPACITY: Final = "PACELINE_CAPACITY"
ENV_HTTP_DEADLINE: Final = "PACELINE_HTTP_DEADLINE"
ENV_ALLOW_VOLATILE: Final = "PACELINE_ALLOW_VOLATILE"
ENV_RETENTION: Final = "PACELINE_RETENTION"
ENV_RECONCILE_GRACE: Final = "PACELINE_RECONCILE_GRACE"
ENV_DEBUG: Final = "PACELINE_DEBUG"

INBOX_VERSION: Final = 1
CHUNK_ROWS: Final = 250
