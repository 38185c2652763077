"""Celery as a hint bus: ids only, early acknowledgement, bounded waits. Producers and workers share these settings."""

from typing import Any, Final

# A half-open connection must not hang a publisher or a consumer: kombu's own default waits for ever.
SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 1.0


def celery_settings(broker_url: str) -> dict[str, Any]:
    """Settings of every Celery app of ours.

    Args:
        broker_url: any broker that Celery supports.

    Returns:
        Keywords for ``app.conf.update``.
    """
    options: dict[str, Any] = {}
    if broker_url.startswith(("redis://", "rediss://", "sentinel://", "unix://")):
        options = {
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "socket_keepalive": True,
            "health_check_interval": 5,
            # Hints are acknowledged early, so redelivery is only for a worker that died between receipt and acknowledgement.
            "visibility_timeout": 120,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "unacked_mutex_expire": 10,
        }
    elif broker_url.startswith(("amqp://", "amqps://", "pyamqp://")):
        options = {"confirm_publish": True}
    return {
        "broker_url": broker_url,
        "broker_transport_options": options,
        "broker_connection_timeout": CONNECT_TIMEOUT_S,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "task_ignore_result": True,
        # A lost reply to a publish, repeated, would be a second hint; the sweeper makes up for a lost one.
        "task_publish_retry": False,
        "task_create_missing_queues": True,
    }
