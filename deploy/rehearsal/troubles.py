"""Five troubles, each on a small fleet of its own, until the alert of its name fires; and what the Overview shows then."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from deploy.grafana.pages import OVERVIEW
from deploy.grafana.queries import GRAFANA_VALUES, committed, panels, substitute
from deploy.rehearsal.errors import RehearsalError
from deploy.rehearsal.fleet import KEY_VARIABLE, Fleet
from deploy.rehearsal.prometheus import RULES
from deploy.rehearsal.recording import Answer
from paceline.operations import SendMessage
from paceline_sandbox.demo.interrupts import Interrupts
from paceline_sandbox.faults.scenario import Scenario

_WORKERS: Final = ("worker-1", "worker-2")
_ACCOUNTS: Final = {"acme": 600, "globex": 600, "initech": 60}
_CUT: Final = "+15559992001"  # the sandbox's own: the connection is cut before anything is accepted
_PATIENCE_S: Final = 180.0
_AFTER_S: Final = 15.0
# Alerts wait for minutes before they fire. Here a minute of the rules takes a second, and no time is shorter than some looks.
_FASTER: Final = 60
_LEAST_S: Final = 5
_LEAST_RANGE_S: Final = 20
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong.

    Args:
        name: in file names.
        alert: which alert has to fire.
        words: what a reader should say who sees the picture only.
        begin: lets it go wrong.
        quiet_s: seconds before that; an alert that compares with an hour ago needs a minute.
    """

    name: str
    alert: str
    words: str
    begin: Callable[[Fleet], object]
    quiet_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Screen:
    """What the Overview shows at one moment.

    Args:
        start: the first moment, in seconds since 1970.
        end: the last one.
        answers: by kind and query, as in the dashboard.
    """

    start: float
    end: float
    answers: Mapping[tuple[str, str], Answer]


def accelerated(rules: str) -> str:
    """Alerting rules whose times are sixty times shorter.

    Args:
        rules: as they are used in earnest.
    """

    def shorter(text: str, least: int) -> str:
        number, unit = int(text[:-1]), text[-1]
        return f"{max(least, number * _SECONDS[unit] // _FASTER)}s"

    rules = re.sub(r"(?<=\bfor: )\d+[smhd]", lambda found: shorter(found[0], _LEAST_S), rules)
    rules = re.sub(r"(?<=\[)\d+[smhd](?=\])", lambda found: shorter(found[0], _LEAST_RANGE_S), rules)
    return re.sub(r"(?<=\boffset )\d+[smhd]", lambda found: shorter(found[0], _LEAST_RANGE_S), rules)


def rehearse(trouble: Trouble, folder: Path, interrupts: Interrupts, say: Callable[[str], None]) -> Screen:
    """Start a fleet, let one thing go wrong, wait for the alert, and ask what the Overview asks.

    Args:
        trouble: what goes wrong.
        folder: an empty folder for logs and data.
        interrupts: the caller is in its block.
        say: prints the progress.

    Raises:
        PacelineError: a step failed, or the alert does not fire.
    """
    (folder / "rules.yml").write_text(accelerated((RULES / "alerts.yml").read_text(encoding="utf-8")), encoding="utf-8")
    with Fleet(folder, interrupts, _WORKERS, rules=folder / "rules.yml") as fleet:
        _prepare(fleet)
        time.sleep(trouble.quiet_s)
        say(f"{trouble.name}: {trouble.words}")
        trouble.begin(fleet)
        firing = f'ALERTS{{alertname="{trouble.alert}", alertstate="firing"}}'
        until = time.monotonic() + _PATIENCE_S
        while not fleet.prometheus.says(firing):
            if time.monotonic() > until:
                raise RehearsalError(f"{trouble.alert} did not fire within {_PATIENCE_S:.0f} s")
            time.sleep(0.5)
        time.sleep(_AFTER_S)
        return _looked_at(fleet)


def _looked_at(fleet: Fleet) -> Screen:
    end = time.time()
    start = end - 60
    values = {**GRAFANA_VALUES, "__interval": "1s", "__rate_interval": "20s", "__range": "60s"}
    answers: dict[tuple[str, str], Answer] = {}
    [overview] = [page for page in committed() if page["uid"] == OVERVIEW]
    for target in (target for panel in panels(overview) for target in panel["targets"]):
        expr = substitute(target["expr"], values)
        kind = "instant" if target.get("instant") else "range"
        asked = fleet.prometheus.instant(expr, end) if kind == "instant" else fleet.prometheus.over(expr, start, end, 1)
        answers[kind, target["expr"]] = asked
    return Screen(start, end, answers)


def _scenario(**trouble: Any) -> Scenario:
    keys = [
        {"key": f"key-of-{name}", "limits": [f"{number}/minute"], "credits": 90_000, "on_trial": False}
        for name, number in _ACCOUNTS.items()
    ]
    return Scenario.model_validate({"latency_ms": 20, "latency_jitter_ms": 40, "keys": keys, **trouble})


def _prepare(fleet: Fleet) -> None:
    """Three accounts that send campaigns, and nothing wrong."""
    fleet.provider(_scenario())
    for place, (name, number) in enumerate(_ACCOUNTS.items()):
        limit = ("accounts", "add", name, "--limit", f"{number}/minute", "--pacing", "window")
        fleet.paceline(*limit, "--api-key-env", KEY_VARIABLE, **{KEY_VARIABLE: f"key-of-{name}"})
        _campaign(fleet, f"news-{name}", name, number * 6, f"+1555010{place:04d}")


def _campaign(fleet: Fleet, name: str, account: str, recipients: int, sender: str, **options: Any) -> None:
    prefix = 200 + sum(map(ord, name)) % 700
    rows = ({"to": f"+1555{prefix}{place:04d}"} for place in range(recipients))
    fleet.outbox.start_campaign(name, account=account, sender=sender, template="Hello", recipients=rows, **options)


def _key_refused(fleet: Fleet) -> None:
    fleet.provider(_scenario(faults=[{"kind": "answer", "status": 401, "key": "key-of-globex"}]))


def _provider_down(fleet: Fleet) -> None:
    fleet.provider(_scenario(faults=[{"kind": "answer", "status": 503}]))


def _no_worker(fleet: Fleet) -> None:
    for name in _WORKERS:
        fleet.kill_worker(name)


def _held(fleet: Fleet) -> None:
    for number in range(12):
        message = SendMessage(
            account="acme", sender=f"+15550109{number:03d}", to=_CUT, text=f"Payment {number}", on_unknown="hold"
        )
        fleet.outbox.send(message)


def _late(fleet: Fleet) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=10)
    _campaign(fleet, "last-day", "initech", 2_000, "+15550100099", valid_until=ends)


TROUBLES: Final = (
    Trouble("key-refused", "AccountSuspended", "2Chat refuses the key of globex", _key_refused),
    Trouble("provider-down", "BreakerOpen", "2Chat fails for everybody", _provider_down),
    Trouble("no-worker", "NoWorker", "no worker runs", _no_worker),
    Trouble(
        "held-growing", "HeldGrowing", "messages of acme are held: nobody knows whether they were sent", _held, 65.0
    ),
    Trouble("campaign-late", "BacklogLate", "a campaign of initech cannot be sent in time", _late),
)
