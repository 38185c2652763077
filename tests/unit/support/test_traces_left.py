"""What is noticed when a test leaves something behind."""

import logging
import os
import signal
from contextvars import ContextVar, copy_context
from pathlib import Path

import pytest

from tests.support.traces_left import differences, state

_left: ContextVar[str] = ContextVar("left")


def test_nothing_was_done_and_nothing_is_told() -> None:
    """The same process, asked twice."""
    assert {} == differences(state(), state())


def test_environment_and_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables that came, went and changed."""
    monkeypatch.setenv("LEFT_CHANGED", "1")
    monkeypatch.setenv("LEFT_GONE", "1")
    before, folder = state(), str(Path.cwd())
    monkeypatch.setenv("LEFT_CHANGED", "2")
    monkeypatch.delenv("LEFT_GONE")
    monkeypatch.setenv("LEFT_NEW", "3")
    monkeypatch.chdir(tmp_path)
    assert {
        "environment: LEFT_CHANGED": ("1", "2"),
        "environment: LEFT_GONE": ("1", None),
        "environment: LEFT_NEW": (None, "3"),
        "folder": (folder, os.path.realpath(tmp_path)),
    } == differences(before, state())


def test_context_variables() -> None:
    """In a context of its own, or this test would leave one."""

    def leave() -> dict[str, tuple[object, object]]:
        before = state()
        _left.set("words")
        return differences(before, state())

    assert {"context: left": (None, "words")} == copy_context().run(leave)


def test_signals_and_logging() -> None:
    """Handlers of either."""
    before, root = state(), logging.getLogger()
    handler, ignored = logging.NullHandler(), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    root.addHandler(handler)
    try:
        assert ["signal: SIGHUP", "logging"] == list(differences(before, state()))
    finally:
        root.removeHandler(handler)
        signal.signal(signal.SIGHUP, ignored)
