from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Connects the receiver of outcomes."""

    name = "shop"

    def ready(self) -> None:
        """Import it."""
        from shop import outcomes  # noqa: F401, PLC0415 - models must be loaded first
