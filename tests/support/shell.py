"""The `paceline` command, called in this process: what it prints and its exit code, without an interpreter to start.

Whatever is about the process itself (signals, terminals, pipes, what is imported) starts one; see tests/cli.
"""

from __future__ import annotations

import io
import logging
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest.mock import patch

import structlog

from paceline.cli import main
from tests.support.stack import canary_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Ended:
    """How one run of the command ended."""

    code: int
    out: str
    err: str


def paceline(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> Ended:
    """Run one command, as with these variables of ours and no others.

    Args:
        environment: our variables.
        arguments: without the program's name.
        stdin: what it reads.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.dict("os.environ", {**canary_environment(), **environment}, clear=True),
        patch("sys.stdin", io.StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
        logging_as_before(),
    ):
        code = main(arguments)
    return Ended(code, out.getvalue(), err.getvalue())


@contextmanager
def logging_as_before() -> Iterator[None]:
    """A program that configures its logs does so for its process, which is that of the tests."""
    root, configured, settings = logging.getLogger(), structlog.is_configured(), structlog.get_config()
    handlers, level = [*root.handlers], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        if configured:
            structlog.configure(**settings)
        else:
            structlog.reset_defaults()
