"""A real Prometheus on a real worker and exporter, under load and with faults: what the dashboards and alerts ask has an answer."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

import pytest
from deploy.grafana.queries import expressions

from paceline_sandbox.embedded import free_port
from tests.conftest import Servers
from tests.deploy import keda
from tests.deploy.chart import FULL, NAMESPACE, TRIAL, container_of, of_kind, programs
from tests.support.processes import spawn, start_sandbox
from tests.support.promtool import found
from tests.support.servers import SERVER_KINDS
from tests.support.stack import Stack
from tests.support.wait import wait_until

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules"
SENDER = "+15550100001"
PATIENCE = timedelta(seconds=150)


@dataclass
class Watched:
    """A fleet that Prometheus has looked at for a while.

    Args:
        origin: Prometheus' address.
        exporter: the exporter's address.
        account: the account that sends.
        campaign: its campaign, half done and paused.
    """

    origin: str
    exporter: str
    account: str
    campaign: str

    def ask(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        address = f"{self.origin}/api/v1/query?{urlencode({'query': expression})}"
        try:
            with urlopen(address, timeout=200) as answer:
                found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        except HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        return found


@pytest.fixture(scope="module")
def watched(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    prometheus = found("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    ports = [free_port() for _ in range(3)]
    with ExitStack() as stack:
        sandbox = stack.enter_context(start_sandbox())
        built = stack.enter_context(Stack(servers.get(SERVER_KINDS[0]), sandbox))
        built.client.flushall()
        built.scenario(latency_ms=10, faults=[{"kind": "answer", "status": 503, "from_request": 10, "count": 1}])
        built.add_account("600/minute")
        built.start_worker(PACELINE_METRICS_PORT=str(ports[0]))
        exporter = [sys.executable, "-m", "paceline_worker.exporter", "--port", str(ports[1])]
        stack.enter_context(spawn(exporter, built.environment, folder / "exporter.log"))
        (folder / "prometheus.yml").write_text(configuration(ports[0], ports[1]), encoding="utf-8")
        program = [prometheus, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"]
        program += [f"--web.listen-address=127.0.0.1:{ports[2]}", "--log.level=warn"]
        stack.enter_context(spawn(program, {}, folder / "prometheus.log"))
        _, shown_by, origin = (f"http://127.0.0.1:{port}" for port in ports)
        seen = Watched(origin, shown_by, built.name, f"{built.name}-spring")
        load(built, seen)
        yield seen


def configuration(worker: int, exporter: int) -> str:
    """The jobs of deploy/prometheus/prometheus.yml, looked at every second, with its rules; in a namespace, as Kubernetes has."""
    jobs = {"paceline-worker": worker, "paceline-exporter": exporter}
    return json.dumps(  # JSON is YAML
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES / "*.yml")],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": NAMESPACE}}],
                }
                for job, port in jobs.items()
            ],
        }
    )


def load(stack: Stack, seen: Watched) -> None:
    """Single messages, a rejected one, and a campaign that is paused in the middle; then two more scrapes."""
    rows = [{"to": f"+4915{n:09d}", "name": f"Customer {n}"} for n in range(300)]
    campaign = stack.outbox.start_campaign(
        seen.campaign, account=stack.name, sender=SENDER, template="Hi {name}", recipients=rows
    )
    for number in range(20):
        stack.send(number)
    stack.send(21, to="+15559990422")
    wait_until(lambda: campaign.progress().outcomes["accepted"] >= 150, PATIENCE, "half of it has left")
    wait_until(lambda: answers(seen, 'count(up{job=~"paceline-.*"} == 1) == 2'), PATIENCE, "both are scraped")
    wait_until(lambda: answers(seen, "sum(rate(paceline_operations_settled_total[20s])) > 0"), PATIENCE, "rates")
    wait_until(lambda: answers(seen, "paceline_provider_requests_total{code='503'} > 0"), PATIENCE, "a fault was seen")


def answers(seen: Watched, expression: str) -> bool:
    try:
        return bool(seen.ask(expression))
    except (URLError, ConnectionError, TimeoutError):
        return False


def values(samples: list[dict[str, Any]]) -> list[float]:
    return [float(sample["value"][1]) for sample in samples]


def test_every_panel_shows_numbers(watched: Watched) -> None:
    """None is empty where the load implies something, and none is NaN or infinite."""
    empty, odd, answered = [], [], 0
    for row in expressions(account=watched.account, campaign=watched.campaign, __rate_interval="20s", __range="1m"):
        found = values(watched.ask(row.expr))
        answered += bool(found)
        if not found and not row.empty and not row.is_annotation:
            empty.append((row.dashboard, row.panel, row.expr))
        if not all(map(math.isfinite, found)):
            odd.append((row.dashboard, row.panel, row.expr, found))
    assert ([], []) == (empty, odd)
    assert answered > 90  # most of them: what may be empty is told by few panels


@pytest.fixture(scope="module")
def rules(watched: Watched) -> list[dict[str, Any]]:
    """Prometheus' own account of the rules it loaded and evaluates."""
    with urlopen(f"{watched.origin}/api/v1/rules", timeout=200) as answer:
        return [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]


def test_every_alert_is_evaluated(rules: list[dict[str, Any]]) -> None:
    """Prometheus takes the rules as they are, no evaluation fails, and no alert of a healthy fleet fires."""
    assert [] == [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"]
    names = {rule["name"] for rule in rules if rule["type"] == "alerting"}
    assert names == {path.stem for path in (RULES.parents[1] / "runbooks").glob("*.md")}
    assert [] == [rule["name"] for rule in rules if rule.get("state") == "firing"]


def test_every_alerts_condition_is_about_numbers(watched: Watched, rules: list[dict[str, Any]]) -> None:
    """Whatever it compares is finite."""
    for rule in rules:
        assert all(map(math.isfinite, values(watched.ask(rule["query"])))), rule


def test_kedas_scalers_read_the_number_of_workers(watched: Watched) -> None:
    """The chart's triggers, asked as KEDA asks: of the exporter's page and of Prometheus; both say how many are wanted."""
    (asks_exporter,), (asks_prometheus,) = (
        next(iter(of_kind(values, "ScaledObject").values()))["spec"]["triggers"] for values in (FULL, TRIAL)
    )
    path = urlsplit(asks_exporter["metadata"]["url"]).path
    with urlopen(f"{watched.exporter}{path}", timeout=200) as page:
        wanted = keda.value_of(page.read().decode(), asks_exporter["metadata"])
    (sample,) = watched.ask(asks_prometheus["metadata"]["query"])
    assert [wanted] == values([sample])
    assert 1 <= keda.replicas(wanted, float(asks_exporter["metadata"]["targetValue"]), least=1, most=20) == wanted


def test_a_selector_that_names_nothing_is_no_number(watched: Watched) -> None:
    """Another name, another label or another format would leave KEDA without a value: the check above can fail."""
    with urlopen(f"{watched.exporter}/metrics", timeout=200) as answer:
        page = answer.read().decode()
    metadata = {"format": "prometheus", "valueLocation": "paceline_workers_wanted"}
    for other in ({"valueLocation": "paceline_workers"} | {"format": "json"}, {"valueLocation": "paceline_wanted"}):
        with pytest.raises(keda.NotScalable):
            keda.value_of(page, metadata | other)
    with pytest.raises(keda.NotScalable):
        keda.value_of(page, metadata | {"valueLocation": 'paceline_workers_wanted{account="acme"}'})


def test_the_exporter_answers_the_charts_probes(watched: Watched) -> None:
    """Each probe's path answers 200 on the program itself."""
    container = container_of(programs(FULL)["exporter"])
    for kind in ("startup", "liveness", "readiness"):
        with urlopen(f"{watched.exporter}{container[f'{kind}Probe']['httpGet']['path']}", timeout=200) as answer:
            assert 200 == answer.status
