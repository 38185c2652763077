"""Paceline in a Django project: an outbox, sending when a transaction commits, and a command that follows outcomes.

Add ``paceline.django`` to ``INSTALLED_APPS`` and run ``migrate``. The setting ``PACELINE`` may hold ``broker_url`` and
``state_url``; what is not given comes from ``PACELINE_*`` in the environment.
"""

import threading
from typing import Any, Final

from django.conf import settings
from django.core.signals import setting_changed
from django.db import transaction
from django.dispatch import Signal

from paceline.errors import ConfigurationError
from paceline.operations import Operation
from paceline.outbox import Outbox

__all__ = ["get_outbox", "outcome_received", "send_on_commit", "use_outbox"]

# Sent by `paceline_follow` for each entry, in one transaction with its place: `entry` is an `OutcomeEntry`.
outcome_received: Final = Signal()

_lock = threading.Lock()
_found: dict[str, Outbox] = {}
_KNOWN: Final = {"broker_url", "state_url"}


def get_outbox() -> Outbox:
    """The project's outbox, made when it is first asked for; shared by all threads, and usable after a fork.

    Raises:
        ConfigurationError: the setting ``PACELINE`` has a name that is not known, or an address is malformed.
    """
    with _lock:
        if "" not in _found:
            given: dict[str, Any] = getattr(settings, "PACELINE", {})
            if unknown := given.keys() - _KNOWN:
                raise ConfigurationError(
                    f"PACELINE: {min(unknown)} is not a known setting; known are broker_url, state_url"
                )
            _found[""] = Outbox(**given)
        return _found[""]


def use_outbox(outbox: Outbox | None) -> None:
    """Put another outbox in place, such as a `RecordingOutbox` of a test; None brings the project's own back."""
    with _lock:
        _found.clear()
        if outbox is not None:
            _found[""] = outbox


def send_on_commit(operation: Operation, *, using: str | None = None) -> None:
    """Send an operation when the transaction commits; after a rollback nothing is sent. Without a transaction, send at once.

    The commit and the writing are two steps. Give an idempotency key: when the process dies between them, sending again is safe.

    Args:
        operation: checked already, because it is a model.
        using: alias of the database.

    Raises:
        PacelineError: from the commit, when the operation could not be written. What the transaction did stays.
    """
    transaction.on_commit(lambda: get_outbox().send(operation), using=using)


def _settings_changed(*, setting: str, **_: object) -> None:
    if setting == "PACELINE":
        use_outbox(None)


setting_changed.connect(_settings_changed)
