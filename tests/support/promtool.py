"""Prometheus, Alertmanager and their own checkers: where `make test` put them, or on the search path."""

import os
import shutil
import subprocess
import sys
from typing import Final

import pytest

_PLACES: Final = os.pathsep.join((os.path.join(sys.prefix, "bin"), os.environ.get("PATH", os.defpath)))  # noqa: PTH118


def found(program: str) -> str:
    """Where ``prometheus`` or another of these programs is; without, the test is skipped, or fails where ``CI=true``."""
    path = shutil.which(program, path=_PLACES)
    if path is None:
        missing = f"{program} is missing: `make test` fetches it from Debian's packages where there is apt-get"
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(missing)
        pytest.skip(missing)
    return path


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool, whatever it says.

    Args:
        arguments: such as ``check``, ``rules`` and a path.
        stdin: what it reads, of ``check metrics``.
    """
    return subprocess.run(
        [found("promtool"), *arguments], input=stdin, capture_output=True, text=True, timeout=200, check=False
    )


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run promtool, which must not object.

    Args:
        arguments: see `run`.
        stdin: see `run`.

    Returns:
        What it printed.

    Raises:
        AssertionError: it objects; the message is its own.
    """
    ran = run(*arguments, stdin=stdin)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
