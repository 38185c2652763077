"""Real state servers for tests, of every kind that this machine has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from paceline_sandbox.embedded import AppendFsync, EmbeddedServer, NoServerBinary, Source, find_server_binary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


# `one` leaves out all kinds but the first, for who wants to know soon.
_ENV: Final = "TEST_SERVERS"


def _available() -> list[Source]:
    found: list[Source] = []
    kinds: tuple[Source, ...] = ("system", "bundled")
    for kind in kinds:
        try:
            find_server_binary(kind)
        except NoServerBinary:
            continue
        found.append(kind)
    return found[:1] if os.environ.get(_ENV) == "one" else found


SERVER_KINDS: list[Source] = _available()


def start_server(
    kind: Source | None = None,
    *,
    directory: Path | None = None,
    port: int = 0,
    appendfsync: AppendFsync = "everysec",
    extra: Sequence[str] = (),
) -> EmbeddedServer:
    """Starts an empty server of the given kind, or of the first available one; a context manager."""
    return EmbeddedServer.start(directory, port, kind, appendfsync, extra)
