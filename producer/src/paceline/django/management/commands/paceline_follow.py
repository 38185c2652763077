import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from paceline.django import get_outbox, outcome_received
from paceline.django.models import Place
from paceline.errors import OutcomesTrimmed, StateUnavailable
from paceline.status.entry import OutcomeEntry

# While the state server is away it is asked again after so long.
_PAUSE_S = 1.0


class Command(BaseCommand):
    """Follow outcomes, and send the signal `outcome_received` for each."""

    help = "Follow the outcomes of operations. Each arrives as the signal outcome_received, in one transaction with the cursor."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name, receipts, and whether to end."""
        parser.add_argument("--name", default="default", help="Name of the cursor to continue from. Default: default.")
        parser.add_argument("--receipts", action="store_true", help="Follow receipts too: sent, delivered, read.")
        parser.add_argument("--once", action="store_true", help="Stop at the end of the stream instead of following.")

    def handle(self, *_: Any, **options: Any) -> None:
        """Until SIGTERM or Ctrl-C."""
        with _stopped_by_signals() as stop:
            while not stop.is_set():
                try:
                    self._follow(stop, options)
                except StateUnavailable as error:
                    self.stderr.write(f"{error}; trying again")
                    stop.wait(_PAUSE_S)
                    continue
                except OutcomesTrimmed as gap:
                    raise CommandError(
                        f"{gap}; look up the missing outcomes, then delete the cursor {options['name']!r}"
                    ) from gap
                if options["once"]:
                    return

    def _follow(self, stop: threading.Event, options: dict[str, Any]) -> None:
        place, _ = Place.objects.get_or_create(name=options["name"], defaults={"entry_id": "0"})
        found = get_outbox().outcomes(
            after=place.entry_id, follow=not options["once"], receipts=options["receipts"], stop=stop
        )
        for entry in found:
            self._handle(place, entry)

    def _handle(self, place: Place, entry: OutcomeEntry) -> None:
        with transaction.atomic():
            outcome_received.send(sender=Command, entry=entry)
            place.entry_id = entry.entry_id
            place.save(update_fields=["entry_id"])


@contextmanager
def _stopped_by_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set; in a thread of a test signals go their own way."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
