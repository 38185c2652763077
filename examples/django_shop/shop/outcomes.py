from django.dispatch import receiver

from paceline import OutcomeEntry
from paceline.django import outcome_received
from shop.models import Order


@receiver(outcome_received)
def note(entry: OutcomeEntry, **_: object) -> None:
    """Runs in one transaction with the place of the follower: each entry is noted once."""
    if number := entry.metadata.get("order"):
        Order.objects.filter(number=number).update(told=entry.outcome if entry.event == "settled" else entry.event)
