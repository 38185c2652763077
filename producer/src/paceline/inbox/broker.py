"""Celery as a hint bus: ids only, early acknowledgement, bounded waits. Producers and workers share these settings."""

import json
from typing import Any, Final

from paceline.settings import Settings
from paceline.settings.address import read_broker

# A half-open connection must not hang a publisher or a consumer: kombu's own default waits for ever.
SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 1.0
# Of PACELINE_BROKER_OPTIONS and ours: the type of our queues on RabbitMQ. Celery has a setting for it, and no transport option.
QUEUE_TYPE: Final = "queue_type"


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Settings of every Celery app of ours.

    Args:
        settings: broker, namespace and options.

    Returns:
        Keywords for ``app.conf.update``.
    """
    broker, name = read_broker(settings.broker_url), settings.namespace
    options: dict[str, Any] = {}
    if broker.kind in ("redis", "sentinel"):
        options = _redis_options(name)
    elif broker.kind == "amqp":
        options = {"confirm_publish": True}
    told = json.loads(settings.broker_options or "{}")
    queue_type = told.pop(QUEUE_TYPE, "classic")
    return {
        "broker_url": broker.url,
        "broker_transport_options": options | dict(broker.options) | told,
        "broker_connection_timeout": CONNECT_TIMEOUT_S,
        # Another app on the same broker has control commands and events of its own.
        "control_exchange": name,
        "event_exchange": f"{name}.celeryev",
        "event_queue_prefix": f"{name}.celeryev",
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_ignore_result": True,
        # A lost reply to a publish, repeated, would be a second hint; the sweeper makes up for a lost one.
        "task_publish_retry": False,
        "task_create_missing_queues": True,
        # Whoever comes first declares a queue, and RabbitMQ refuses whoever declares it otherwise.
        "task_create_missing_queue_type": queue_type,
    } | ({"broker_use_ssl": dict(broker.tls)} if broker.tls else {})


def _redis_options(namespace: str) -> dict[str, Any]:
    return {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_keepalive": True,
        "health_check_interval": 5,
        # kombu's record of what is not acknowledged: another app's would have our time-out, and its messages would be repeated.
        "unacked_key": f"{namespace}.unacked",
        "unacked_index_key": f"{namespace}.unacked_index",
        "unacked_mutex_key": f"{namespace}.unacked_mutex",
        "keyprefix_binding_deadlines": f"_kombu.binding_deadlines.{namespace}",
        # Hints are acknowledged early, so redelivery is only for a worker that died between receipt and acknowledgement.
        "visibility_timeout": 120,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "unacked_mutex_expire": 10,
    }
