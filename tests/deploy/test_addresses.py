"""Addresses and receivers of alerts from the environment: the scripts that the compose file starts, with a real Alertmanager."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
from ruamel.yaml import YAML

from paceline_sandbox.embedded import free_port
from tests.support.processes import spawn
from tests.support.promtool import found, promtool
from tests.support.wait import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTMANAGER = DEPLOY / "start" / "alertmanager.sh"
ADDRESSES = DEPLOY / "start" / "addresses.sh"
SOURCE = DEPLOY / "alertmanager" / "alertmanager.yml"
PATIENCE = timedelta(seconds=150)
EVERYTHING = {
    "ALERTS_PAGE_WEBHOOK": "https://on-call.example/hook?it's=1",
    "ALERTS_PAGE_PAGERDUTY": "k'e\"y: {{ # $HOME",
    "ALERTS_PAGE_SLACK": "https://hooks.slack.example/T/B/x",
    "ALERTS_TICKET_EMAIL": "operations@example.com, second@example.com",
    "ALERTS_SMTP": "mail.example.com:587",
    "ALERTS_SMTP_FROM": "paceline@example.com",
    "ALERTS_SMTP_USER": "paceline",
    "ALERTS_SMTP_PASSWORD": "it's `secret`",
}


def start(script: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script with no other variables than these."""
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        ["sh", str(script), *map(str, arguments)], env=environment, capture_output=True, text=True, check=False
    )


def written(target: Path, **variables: str) -> Any:
    """The configuration that Alertmanager is started with."""
    done = start(ALERTMANAGER, SOURCE, target, "true", **variables)
    assert 0 == done.returncode, done.stderr
    return YAML(typ="safe").load(target)


def test_without_receivers_alerts_are_only_shown(tmp_path: Path) -> None:
    """The routes are as they stand in the file; a line in the log says that nobody hears of alerts."""
    done = start(ALERTMANAGER, SOURCE, tmp_path / "out.yml", "true")
    assert SOURCE.read_text() == (tmp_path / "out.yml").read_text()
    assert ["PAGE", "TICKET"] == [line.split("severity ")[1].split(":")[0] for line in done.stderr.splitlines()]


def test_receivers_are_what_the_environment_says(tmp_path: Path) -> None:
    """Whatever characters a secret has; the file is nobody else's to read."""
    made = written(tmp_path / "out.yml", **EVERYTHING)
    page, ticket = made["receivers"]
    assert EVERYTHING["ALERTS_PAGE_WEBHOOK"] == page["webhook_configs"][0]["url"]
    assert EVERYTHING["ALERTS_PAGE_PAGERDUTY"] == page["pagerduty_configs"][0]["routing_key"]
    assert EVERYTHING["ALERTS_PAGE_SLACK"] == page["slack_configs"][0]["api_url"]
    assert EVERYTHING["ALERTS_TICKET_EMAIL"] == ticket["email_configs"][0]["to"]
    assert EVERYTHING["ALERTS_SMTP_PASSWORD"] == made["global"]["smtp_auth_password"]
    assert "mail.example.com:587" == made["global"]["smtp_smarthost"]
    assert 0 == (tmp_path / "out.yml").stat().st_mode & 0o077
    assert YAML(typ="safe").load(SOURCE)["inhibit_rules"] == made["inhibit_rules"]


@pytest.mark.parametrize("variables", [{}, EVERYTHING])
def test_alertmanagers_own_checker_takes_it(tmp_path: Path, variables: dict[str, str]) -> None:
    """With nobody to tell, and with everybody."""
    target = tmp_path / "out.yml"
    done = start(ALERTMANAGER, SOURCE, target, found("amtool"), "check-config", target, **variables)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "2 receivers" in done.stdout


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ALERTS_PAGE_WEBHOOK": "on-call.example"}, "ALERTS_PAGE_WEBHOOK is not an address"),
        ({"ALERTS_TICKET_SLACK": "#operations"}, "ALERTS_TICKET_SLACK is not an address"),
        ({"ALERTS_PAGE_EMAIL": "a@example.com"}, "mail needs ALERTS_SMTP (host:port) and ALERTS_SMTP_FROM"),
        ({"ALERTS_PAGE_PAGERDUTY": "a\n- b"}, "ALERTS_PAGE_PAGERDUTY holds a line break"),
    ],
)
def test_a_value_that_cannot_be_is_told(tmp_path: Path, variables: dict[str, str], words: str) -> None:
    """The variable is named, nothing is started, and no secret is printed."""
    done = start(ALERTMANAGER, SOURCE, tmp_path / "out.yml", "touch", tmp_path / "started", **variables)
    assert (2, True, False) == (done.returncode, words in done.stderr, (tmp_path / "out.yml").exists())
    assert not (tmp_path / "started").exists()


@contextmanager
def receiving() -> Iterator[tuple[str, list[Any]]]:
    """A service that takes webhooks; its address, and what came."""
    came: list[Any] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the base class
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_alert_reaches_the_receiver_of_its_severity(tmp_path: Path) -> None:
    """A real Alertmanager, started as the compose file starts it: the page goes to the one, the ticket to the other."""
    program = found("prometheus-alertmanager")
    if not Path("/usr/share/prometheus/alertmanager/default.tmpl").exists():
        pytest.skip("Debian's alertmanager lacks its templates: root's `make test` puts them into /usr/share")
    quick = SOURCE.read_text().replace("group_wait: 30s", "group_wait: 1s").replace("group_wait: 10s", "group_wait: 1s")
    (tmp_path / "source.yml").write_text(quick)
    port, target = free_port(), tmp_path / "out.yml"
    command = ["sh", str(ALERTMANAGER), str(tmp_path / "source.yml"), str(target), program]
    command += [f"--config.file={target}", f"--storage.path={tmp_path / 'data'}", "--cluster.listen-address="]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    with receiving() as (paged, pages), receiving() as (told, tickets):
        receivers = {"ALERTS_PAGE_WEBHOOK": paged, "ALERTS_TICKET_WEBHOOK": told}
        with spawn(command, {**receivers, "PATH": os.environ["PATH"]}, tmp_path / "log"):
            wait_until(lambda: post(port), PATIENCE, "Alertmanager takes alerts")
            wait_until(lambda: bool(pages and tickets), PATIENCE, "both are told")
    assert [["StateDown"], ["CreditsLow"]] == [
        sorted({alert["labels"]["alertname"] for body in came for alert in body["alerts"]}) for came in (pages, tickets)
    ]


def post(port: int) -> bool:
    """Raise a page and a ticket, as Prometheus does."""
    now = datetime.now(UTC).isoformat()
    alerts = [
        {"labels": {"alertname": name, "severity": severity}, "startsAt": now}
        for name, severity in (("StateDown", "page"), ("CreditsLow", "ticket"))
    ]
    body, address = json.dumps(alerts).encode(), f"http://127.0.0.1:{port}/api/v2/alerts"
    try:
        with urlopen(Request(address, body, {"content-type": "application/json"}), timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, ConnectionError, TimeoutError):
        return False


def test_alerts_and_dashboards_lead_where_the_environment_says(tmp_path: Path) -> None:
    """No example address is left, the files are what they were otherwise, and Prometheus takes them."""
    variables = {
        "RUNBOOKS_URL": "https://git.example.com/paceline/blob/main/",
        "GRAFANA_URL": "https://grafana.example.com",
    }
    for folder in ("prometheus", "grafana/dashboards"):
        done = start(ADDRESSES, DEPLOY / folder, tmp_path / folder, "true", **variables)
        assert 0 == done.returncode, done.stderr
    for path in (*tmp_path.rglob("*.yml"), *tmp_path.rglob("*.json")):
        text, before = path.read_text(), (DEPLOY / path.relative_to(tmp_path)).read_text()
        assert "paceline.example" not in text
        assert "localhost:3000" not in text
        back = text.replace("https://git.example.com/paceline/blob/main/", "https://paceline.example/")
        back = back.replace("https://git.example.com/paceline/blob/main", "https://paceline.example")
        assert before == back.replace("https://grafana.example.com", "http://localhost:3000")
    rules = (tmp_path / "prometheus/rules/alerts.yml").read_text()
    assert "https://git.example.com/paceline/blob/main/deploy/runbooks/StateDown.md" in rules
    promtool("check", "config", str(tmp_path / "prometheus/prometheus.yml"))


@pytest.mark.parametrize("address", ["git.example.com", 'https://x/"', "https://x/#a", "https://x/$(id)", "ftp://x"])
def test_an_address_that_cannot_be_is_told(tmp_path: Path, address: str) -> None:
    """Before anything is started."""
    done = start(ADDRESSES, DEPLOY / "prometheus", tmp_path / "out", "true", RUNBOOKS_URL=address)
    assert (2, True) == (done.returncode, "RUNBOOKS_URL" in done.stderr)
