from django.db import models


class Order(models.Model):
    """An order, and what became of the message about it."""

    number = models.CharField(max_length=32, unique=True)
    phone = models.CharField(max_length=20)
    told = models.CharField(max_length=16, default="no")

    def __str__(self) -> str:
        return str(self.number)
