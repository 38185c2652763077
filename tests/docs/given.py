"""What the examples of the documents take for granted: a service's own names, as a type checker sees them."""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from paceline import Outbox, SendMessage


class Customer(Protocol):
    """A row of a service's own table."""

    phone: str
    name: str


class Database(Protocol):
    """A service's own database."""

    def transaction(self) -> AbstractContextManager[object]:
        """All or nothing."""
        raise NotImplementedError


outbox: Outbox
customers: Iterable[Customer]
my_database: Database


def load_place() -> str | None:
    """The last entry that was handled."""
    raise NotImplementedError


def save_place(entry_id: str) -> None:
    """Remember it."""
    raise NotImplementedError(entry_id)


def note(*values: object) -> None:
    """Do whatever a service does with an outcome."""
    raise NotImplementedError(values)


def report(error: Exception) -> None:
    """Tell somebody."""
    raise NotImplementedError(error)


def send_to(address: str) -> None:
    """The code under test."""
    raise NotImplementedError(address)


__all__ = [
    "SendMessage",
    "customers",
    "load_place",
    "my_database",
    "note",
    "outbox",
    "report",
    "save_place",
    "send_to",
]
