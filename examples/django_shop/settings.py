import os
from pathlib import Path

SECRET_KEY = "for this example only"  # noqa: S105
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = ["paceline.django", "shop"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", Path(__file__).parent / "shop.sqlite3"),
    }
}
# PACELINE = {"broker_url": "redis://127.0.0.1:6379/0"}; without it PACELINE_BROKER_URL counts
