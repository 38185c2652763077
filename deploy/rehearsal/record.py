"""Recording: a fleet meets incidents, and Prometheus answers the queries of the dashboards."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from deploy.grafana.queries import GRAFANA_VALUES, committed, panels, substitute
from deploy.rehearsal.cast import ACCOUNT, CAMPAIGN
from deploy.rehearsal.fleet import Fleet, wait_s
from deploy.rehearsal.recording import Kind, Recording
from deploy.rehearsal.scenario import LENGTH_S, WORKERS, Play
from paceline_sandbox.demo.interrupts import Interrupts

STEP_S: Final = 1.0
# What Grafana would take were it told to see every 5 s; shorter, and 10 calls a minute would look like single ones.
RATE_INTERVAL_S: Final = 20
_BEFORE_S: Final = 5.0  # of quiet before the first incident
_SETTLE_S: Final = 3.0  # for the last scrapes


def record(folder: Path, interrupts: Interrupts, say: Callable[[str], None]) -> Recording:
    """Start a fleet, play, ask, end everything.

    Args:
        folder: an empty folder for logs and data.
        interrupts: the caller is in its block.
        say: prints the progress.

    Raises:
        PacelineError: a step failed; the message says why.
        Interrupted: a signal came; everything is ended.
    """
    fleet = Fleet(folder, interrupts, WORKERS)
    say(
        f"starting a state server, the emulated 2Chat API, {len(WORKERS)} workers, exporter, receiver of receipts, Prometheus"
    )
    with fleet:
        play = Play(fleet, say)
        play.prepare()
        say(f"all of them are seen; looking for {RATE_INTERVAL_S} s, so that rates are known")
        wait_s(RATE_INTERVAL_S + _BEFORE_S, fleet)
        start = time.time() - _BEFORE_S
        say(f"playing for {LENGTH_S:.0f} s")
        play.run()
        end = time.time()
        wait_s(_SETTLE_S, fleet)
        values = {**GRAFANA_VALUES, **_values(end - start)}
        say("asking Prometheus what the dashboards ask")
        prometheus = fleet.prometheus
        answers = [
            prometheus.instant(expr, end) if kind == "instant" else prometheus.over(expr, start, end, STEP_S)
            for kind, expr in asked(values)
        ]
        say("stopping everything")
    return Recording(start=start, end=end, step=STEP_S, values=values, events=play.events, answers=answers)


def asked(values: Mapping[str, str]) -> Iterator[tuple[Kind, str]]:
    """Each query of the committed dashboards once, and how it is asked.

    Args:
        values: of variables by name.
    """
    seen: set[tuple[Kind, str]] = set()
    for found in committed():
        targets = [target for panel in panels(found) for target in panel["targets"]]
        for target in targets + found["annotations"]["list"]:
            kind: Kind = "instant" if target.get("instant") else "range"
            query = (kind, substitute(target["expr"], values))
            if query not in seen:
                seen.add(query)
                yield query


def _values(seconds: float) -> dict[str, str]:
    return {
        "account": ACCOUNT,
        "campaign": CAMPAIGN,
        "__interval": f"{STEP_S:g}s",
        "__rate_interval": f"{RATE_INTERVAL_S}s",
        "__range": f"{seconds:.0f}s",
    }
