from django.apps import AppConfig


class PacelineConfig(AppConfig):
    """What ``paceline.django`` in ``INSTALLED_APPS`` is."""

    name = "paceline.django"
    label = "paceline"
    verbose_name = "Paceline"
    default_auto_field = "django.db.models.BigAutoField"
