"""Celery as a hint bus: ids only, early acknowledgement, bounded waits. Producers and workers share these settings."""

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

# A half-open connection must not hang a publisher or a consumer: kombu's own default waits for ever.
SOCKET_TIMEOUT_S: Final = 5.0
CONNECT_TIMEOUT_S: Final = 1.0
_WITH_TLS: Final = ("rediss", "valkeys")


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
        "broker_url": verified(broker_url),
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


def verified(broker_url: str) -> str:
    """The address, or each of several, with a check of the server's certificate wherever TLS is used.

    kombu's own default for ``rediss://`` takes any certificate, and then sends the password (celery/kombu#910).

    Args:
        broker_url: one address, or several separated by semicolons.

    Returns:
        The same with ``ssl_cert_reqs=required``, unless it says something else of that.
    """
    return ";".join(map(_verified, broker_url.split(";")))


def _verified(address: str) -> str:
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme not in _WITH_TLS or "ssl_cert_reqs" in options:
        return address
    return parts._replace(query=urlencode({**options, "ssl_cert_reqs": "required"}, safe="/")).geturl()
