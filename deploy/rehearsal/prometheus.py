"""A Prometheus of our own: what it is told to look at, and how it is asked."""

import http.client
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.recording import Answer, Kind, Series

RULES: Final = Path(__file__).parents[1] / "prometheus" / "rules"
_ANSWER_WITHIN_S: Final = 30.0


def program() -> str:
    """Where Prometheus is.

    Raises:
        RehearsalError: it is not installed.
    """
    found = shutil.which("prometheus")
    if found is None:
        raise RehearsalError("prometheus is not installed; Debian's package prometheus has it")
    return found


class Prometheus:
    """Its files, and questions to it.

    Args:
        folder: for its configuration and data.
        port: where it will listen.
        rules: alerting rules; a path that may hold ``*``.
    """

    def __init__(self, folder: Path, port: int, rules: Path) -> None:
        self._rules = rules
        self.command: Final = (
            program(),
            f"--config.file={folder / 'prometheus.json'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        )
        self._folder = folder
        self._root = f"http://127.0.0.1:{port}"
        self._opener = build_opener(ProxyHandler({}))  # a proxy from the environment must not see local calls

    def configure(self, exporter: int, receipts: int, workers: Mapping[str, int]) -> None:
        """Write what it looks at every second, with the names of jobs and the rules that are used in earnest.

        Args:
            exporter: the exporter's port.
            receipts: the port of the receiver of receipts.
            workers: ports by name of worker.
        """
        self.look_at(workers)
        jobs = [
            {"job_name": "paceline-worker", "file_sd_configs": [{"files": [str(self._workers)]}]},
            {"job_name": "paceline-exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
            {"job_name": "paceline-receipts", "static_configs": [{"targets": [f"127.0.0.1:{receipts}"]}]},
        ]
        configuration = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "5s"},
            "rule_files": [str(self._rules)],
            "scrape_configs": jobs,
        }
        # JSON is YAML.
        (self._folder / "prometheus.json").write_text(json.dumps(configuration), encoding="utf-8")

    def look_at(self, workers: Mapping[str, int]) -> None:
        """From now on these workers; it notices the change, as it does where they come from a name service.

        Args:
            workers: ports by name.
        """
        found = [
            {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in sorted(workers.items())
        ]
        fresh = self._workers.with_suffix(".new")
        fresh.write_text(json.dumps(found), encoding="utf-8")
        fresh.replace(self._workers)

    def says(self, expr: str) -> bool:
        """Whether an instant query has an answer; no, while it does not listen yet."""
        try:
            return bool(self._ask("query", query=expr))
        except (OSError, http.client.HTTPException):
            return False

    def instant(self, expr: str, at: float) -> Answer:
        """An expression at one moment, in seconds since 1970."""
        found = self._ask("query", query=expr, time=f"{at:.3f}")
        return _answer("instant", expr, [(series["metric"], [series["value"]]) for series in found])

    def over(self, expr: str, start: float, end: float, step: float) -> Answer:
        """An expression over a range, in seconds since 1970, every so many seconds."""
        found = self._ask("query_range", query=expr, start=f"{start:.3f}", end=f"{end:.3f}", step=f"{step:g}")
        return _answer("range", expr, [(series["metric"], series["values"]) for series in found])

    @property
    def _workers(self) -> Path:
        return self._folder / "workers.json"

    def _ask(self, what: str, **values: str) -> list[dict[str, Any]]:
        values.setdefault("time", f"{time.time():.3f}") if what == "query" else None
        try:
            with self._opener.open(
                f"{self._root}/api/v1/{what}?{urlencode(values)}", timeout=_ANSWER_WITHIN_S
            ) as reply:
                found: list[dict[str, Any]] = json.load(reply)["data"]["result"]
        except HTTPError as error:
            raise RehearsalError(f"Prometheus does not answer {values['query']!r}: {error.read().decode()}") from error
        return found


def _answer(kind: Kind, expr: str, found: list[tuple[dict[str, str], list[tuple[float, str]]]]) -> Answer:
    series = [Series(labels=labels, points=[(at, float(text)) for at, text in points]) for labels, points in found]
    return Answer(kind=kind, expr=expr, series=series)
