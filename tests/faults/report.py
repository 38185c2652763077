"""The report of a profile: each part of a fault is kept when it ends, so an interrupted profile goes on where it was."""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterable
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path
from typing import Self

from tests.faults.catalogue import FAULTS
from tests.faults.profile import Profile
from tests.faults.result import Result, as_json, as_markdown, from_dict, merged

_LOOK_S = 5.0
# Seeds of the parts of a fault lie from those of another seed's.
_APART = 1000


class Report:
    """Runs faults, and keeps what came of them.

    Args:
        directory: of the parts that are kept, and of ``report.md`` and ``report.json``.
        profile: the sizes.
        seed: of all random choices.
        about: what is run, one line.
        sources: names the sizes and the files that are run; parts that were kept under another name are run again.
        again: run also what passed before.
    """

    def __init__(
        self, directory: Path, profile: Profile, seed: int, *, about: str, sources: str, again: bool = False
    ) -> None:
        self._directory = directory
        self._profile = profile
        self._seed = seed
        self._about = about
        self._sources = sources
        self._again = again
        self._parts: dict[str, dict[int, Result]] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        directory.mkdir(parents=True, exist_ok=True)

    def parts(self, names: Iterable[str]) -> list[tuple[str, int]]:
        """The parts of some faults, in the order in which they are run: the first of each, the second of each, and so on.

        Args:
            names: of the faults.

        Returns:
            Pairs of a fault's name and a number from 0. A fault that lasts long begins early, and a profile that is
            interrupted has something of each.
        """
        every = [(name, part) for name in names for part in range(self._number_of_parts(name))]
        return sorted(every, key=itemgetter(1))

    def run(self, name: str, part: int) -> None:
        """Run a part of a fault, unless it has passed with these sources and this seed."""
        if self._over.is_set():
            return
        kept = None if self._again else self._kept(name, part)
        result = kept or self._ran(name, part, self._number_of_parts(name))
        with self._lock:
            self._parts.setdefault(name, {})[part] = result
        if kept is None:
            self.write()

    def tell(self, name: str) -> None:
        """Take what was kept of a fault, of these sources or others, passed or not; run nothing."""
        paths = {part: self._path(name, part) for part in range(self._number_of_parts(name))}
        kept = {
            part: from_dict(json.loads(path.read_text())["result"]) for part, path in paths.items() if path.exists()
        }
        if kept:
            with self._lock:
                self._parts[name] = kept

    def stop(self) -> None:
        """Begin no further part."""
        self._over.set()

    def results(self) -> list[Result]:
        """The rows, one for each fault of which something was run."""
        with self._lock:
            parts = {name: dict(sorted(found.items())) for name, found in self._parts.items()}
        return [merged(parts[name], self._number_of_parts(name)) for name in FAULTS if name in parts]

    def write(self) -> str:
        """Write the pages; returns the one for people."""
        results = self.results()
        page = as_markdown(results, about=self._about)
        (self._directory / "report.md").write_text(page)
        (self._directory / "report.json").write_text(as_json(results, about=self._about))
        return page

    def _number_of_parts(self, name: str) -> int:
        return FAULTS[name].parts if self._profile.name == "full" else 1

    def _path(self, name: str, part: int) -> Path:
        return self._directory / f"{name.replace(' ', '-')}-{part + 1}.json"

    def _kept(self, name: str, part: int) -> Result | None:
        path = self._path(name, part)
        if not path.exists():
            return None
        found = json.loads(path.read_text())
        result = from_dict(found["result"])
        return result if found.get("sources") == self._sources and result.passed else None

    def _ran(self, name: str, part: int, number: int) -> Result:
        began_s = time.monotonic()
        with _Load() as load:
            try:
                result = FAULTS[name].run(self._profile.scaled(100, number), self._seed * _APART + part)
            except Exception as error:  # noqa: BLE001 - one run that breaks must not end the others
                traceback.print_exc()
                words = f"{type(error).__name__}: {str(error).splitlines()[:1]}"
                result = Result(name.split(maxsplit=1)[0], "the run broke", name, failures=(words,))
        result = replace(result, took_s=round(time.monotonic() - began_s, 1), load=round(load.highest, 1))
        self._path(name, part).write_text(json.dumps({"sources": self._sources, "result": asdict(result)}))
        verdict = "pass" if result.passed else "FAIL"
        words = "; ".join(result.failures)
        sys.stderr.write(f"{name} {part + 1}/{number}: {verdict} in {result.took_s:g} s {words}\n")
        return result


class _Load:
    """The highest load of the machine within a block."""

    def __enter__(self) -> Self:
        self.highest = os.getloadavg()[0]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_S):
            self.highest = max(self.highest, os.getloadavg()[0])
