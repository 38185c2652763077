"""promtool, Prometheus' own checker, where it is at hand."""

import os
import shutil
import subprocess
from typing import Final

import pytest

_MISSING: Final = "promtool is missing: Debian's package prometheus has it"


def promtool(*arguments: str, stdin: str = "") -> str:
    """Run it; the test is skipped where it is missing, and fails there under continuous integration (``CI=true``).

    Args:
        arguments: such as ``check``, ``rules`` and a path.
        stdin: what it reads, of ``check metrics``.

    Returns:
        What it printed.

    Raises:
        AssertionError: it objects; the message is its own.
    """
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail(_MISSING)
        pytest.skip(_MISSING)
    ran = subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, timeout=100, check=False)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
