"""Processes that tell how much garbage they leave to Python's collector of cycles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.cycles import sitecustomize

if TYPE_CHECKING:
    from collections.abc import Mapping


class Cycles:
    """What one process left.

    Args:
        directory: for the file in which it tells that.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "cycles"
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment: Mapping[str, str] = {"PYTHONPATH": path, sitecustomize.FILE: str(self._path)}

    @property
    def threshold(self) -> int:
        """Objects more made than freed at which the collector looked."""
        return int(self._path.read_text().split()[0])

    @property
    def objects(self) -> int:
        """Objects in cycles at the end of the process."""
        return int(self._path.read_text().split()[1])
