from django.db import models


class Place(models.Model):
    """The last entry of a stream that was handled; written in one transaction with what handling it did."""

    name = models.CharField(max_length=128, unique=True)
    # With many shards, an id has a part for each of them.
    entry_id = models.TextField()

    def __str__(self) -> str:
        return f"{self.name} at {self.entry_id}"
