"""The Helm chart: what Helm renders of it is valid, is what our programs take, and can do no more than it must."""

import gzip
import json
import re
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import pytest
import redis
from kubernetes_validate import utils as validation
from ruamel.yaml import YAML

from paceline.cli import main
from paceline.cli.show.health import GATEWAY_PORT
from paceline.gateway.app import build
from paceline.settings import _ENVIRONMENT, FROM_FILES, Settings
from paceline_worker.checks import check_state_server
from paceline_worker.hooks import process as hooks
from paceline_worker.state.values import LEASE_MARGIN_S
from paceline_worker.telemetry.health import LIVE, READY
from tests.deploy import keda
from tests.deploy.chart import (
    ALL,
    CHART,
    FULL,
    NAMESPACE,
    RELEASE,
    TRIAL,
    Object,
    Values,
    container_of,
    helm,
    of_kind,
    pod_of,
    programs,
    rendered,
)
from tests.deploy.names import COUNTERS, HISTOGRAMS, NAMED_GAUGES, WORKER_GAUGES
from tests.support.promtool import promtool
from tests.support.servers import start_server

DEPLOY: Final = CHART.parents[1]
COMPOSE: Final[Object] = YAML(typ="safe").load(DEPLOY.parent / "docker-compose.yml")
# The chart's own bound, and the newest that the schemas know.
RELEASES: Final = ("1.27", kubernetes_validate.latest_version())
# What Prometheus' operator adds to each series.
TARGET_LABELS: Final = {"namespace", "service", "pod", "container", "endpoint", "job", "instance", "node"}

each = pytest.mark.parametrize("values", ALL.values(), ids=ALL.keys())


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Any:
    """The library reads two files for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "schema_contents", cache(validation.schema_contents))
        yield


def crds() -> dict[tuple[str, str], Object]:
    found = [json.loads(path.read_text(encoding="utf-8")) for path in (Path(__file__).parent / "crds").glob("*.json")]
    return {(one["apiVersion"], one["kind"]): one["schema"] for one in found}


def closed(schema: Any) -> Any:
    """A schema that refuses what it does not name, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        strict["additionalProperties"] = False
    return strict


def environment(workload: Object) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container_of(workload)["env"]}


def settings_of(workload: Object, folder: Path, secret: dict[str, str]) -> Settings:
    """The settings that a program of the release would read, its Secret mounted."""
    (mounted,) = [one["secret"] for one in pod_of(workload)["volumes"] if "secret" in one] or [{"items": []}]
    paths = {one["path"]: secret[one["key"]] for one in mounted["items"]}
    for path, content in paths.items():
        (folder / path).write_text(content, encoding="utf-8")
    place = {name: value.replace("/run/secrets/paceline", str(folder)) for name, value in environment(workload).items()}
    return Settings.from_environment(place)


@each
def test_helm_has_nothing_to_say(values: Values) -> None:
    """`helm lint --strict`: no error and no warning."""
    report = helm().lint(CHART, values, strict=True)
    assert ([], []) == (report["errors"], [one for one in report["messages"] if one["severity"] > 1])


@pytest.mark.parametrize("release", RELEASES)
@each
def test_kubernetes_takes_every_object(values: Values, release: str) -> None:
    """Objects of Kubernetes keep to its schemas, the oldest release and the newest; nothing has a name it does not know."""
    known = crds()
    core = [one for one in rendered(values) if (one["apiVersion"], one["kind"]) not in known]
    assert len(core) > 5
    for one in core:
        kubernetes_validate.validate(one, release, strict=True)


@each
def test_custom_resources_keep_to_their_definitions(values: Values) -> None:
    """So do those of KEDA and of Prometheus' operator."""
    for one in rendered(values):
        schema = crds().get((one["apiVersion"], one["kind"]))
        if schema:
            jsonschema.Draft202012Validator(closed(schema)).validate(one)


def test_full_values_bring_every_custom_resource() -> None:
    """The schemas beside this test are of use."""
    assert set(crds()) <= {(one["apiVersion"], one["kind"]) for one in rendered(FULL)}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"worker": {"replicas": 3}}, "worker"),
        ({"workers": {"replicas": "three"}}, "replicas"),
        ({"settings": {"httpDeadline": 0}}, "httpDeadline"),
        ({"state": {"url": "valkey:6379"}}, "url"),
        ({"autoscaling": {"scaler": "cpu"}}, "scaler"),
        ({"secret": {"name": ""}}, "secret.name: is empty; name the Secret"),
        ({"valkey": {"enabled": True}, "state": {"url": "redis://mine"}}, "keep the trial's server, or yours"),
        ({"autoscaling": {"enabled": True, "min": 30}}, "autoscaling.min: 30 is more than autoscaling.max, 20"),
        ({"autoscaling": {"enabled": True}, "exporter": {"enabled": False}}, "set exporter.enabled"),
        ({"autoscaling": {"enabled": True, "scaler": "prometheus"}}, "autoscaling.prometheusAddress: is empty"),
        ({"gateway": {"enabled": True, "ingress": {"enabled": True}}}, "gateway.ingress.host: is empty"),
    ],
)
def test_values_that_cannot_work_are_refused(values: Values, words: str) -> None:
    """The schema knows every name; values that contradict each other end with a sentence."""
    with pytest.raises(helm().HelmError, match=re.escape(words)):
        rendered(values)


def test_the_schema_knows_every_value() -> None:
    """Each value of values.yaml has its place in values.schema.json, and each place its default."""

    def paths(node: Object, schema: Object, path: str = "") -> tuple[set[str], set[str]]:
        if schema.get("additionalProperties") is not False:
            return set(), set()
        given, known = ({f"{path}{key}" for key in names} for names in (node, schema["properties"]))
        for key in node.keys() & schema["properties"].keys():
            if isinstance(node[key], dict):
                deeper = paths(node[key], schema["properties"][key], f"{path}{key}.")
                given, known = given | deeper[0], known | deeper[1]
        return given, known

    values = YAML(typ="safe").load(CHART / "values.yaml")
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    given, known = paths(values, schema)
    assert given == known - {"global"}


def test_every_value_is_explained() -> None:
    """A comment stands above each group of values, or beside its first one."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    groups = re.split(r"\n\n", text)[1:]
    assert [] == [group.splitlines()[0] for group in groups if "#" not in group]


def test_the_chart_is_of_this_release() -> None:
    """Chart, image and package have one version."""
    version = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    about = YAML(typ="safe").load(CHART / "Chart.yaml")
    assert (version, version) == (about["version"], str(about["appVersion"]))
    assert f"paceline:{version}" == container_of(programs({})["workers"])["image"]


def test_every_setting_can_be_given() -> None:
    """The chart knows each variable of ours, and no other: a new setting needs its value."""
    given = {name for one in programs(FULL).values() for name in environment(one) if name.startswith("PACELINE_")}
    files = {f"{_ENVIRONMENT[field]}_FILE" for field in FROM_FILES}
    assert given <= {*_ENVIRONMENT.values(), *files}
    assert set(_ENVIRONMENT.values()) == {name.removesuffix("_FILE") for name in given}


def test_programs_read_what_the_values_say(tmp_path: Path) -> None:
    """Numbers stay numbers however large they are, texts stay texts, addresses and the key come from files."""
    secret = {"key": "A" * 43 + "=", "state": "rediss://u:p@state:6380/0", "broker": "amqps://u:p@broker:5671/v"}
    settings = settings_of(programs(FULL)["workers"], tmp_path, secret)
    assert (secret["state"], secret["broker"]) == (settings.state_url, settings.broker_url)
    assert secret["key"] == settings.secret_key.get_secret_value()
    values = FULL["settings"]
    assert (values["httpDeadline"], values["capacity"]) == (settings.http_deadline_s, settings.capacity)
    assert (values["retention"], values["historyKept"]) == (settings.retention_s, settings.history_kept)
    assert (values["reconcileGrace"], True) == (settings.reconcile_grace_s, settings.allow_volatile)
    assert (True, 1) == (settings.assume_durable, settings.wait_replicas)
    assert (values["apiBase"], values["namespace"]) == (settings.api_base, settings.namespace)
    assert (values["brokerOptions"], "stop, ende") == (settings.broker_options, settings.opt_out_words)
    assert (True, "public") == (settings.encrypt_payloads, settings.payload_key)
    assert ("::", "::", "json") == (settings.metrics_address, settings.receipts_address, settings.log_format)


@pytest.mark.parametrize(
    ("values", "state", "broker"),
    [
        ({}, "redis://s/0", "redis://b/0"),
        ({"secret": {"brokerUrl": ""}}, "redis://s/0", "redis://s/0"),
        ({"state": {"url": "redis://mine/0"}, "secret": {"brokerUrl": ""}}, "redis://mine/0", "redis://mine/0"),
        ({"state": {"url": "redis://mine/0"}}, "redis://mine/0", "redis://b/0"),
        ({"broker": {"url": "amqp://mine//"}}, "redis://s/0", "amqp://mine//"),
        (TRIAL, "redis://demo-paceline-valkey:6379/0", "redis://demo-paceline-valkey:6379/0"),
    ],
)
def test_addresses_come_from_the_secret_or_the_values(values: Values, state: str, broker: str, tmp_path: Path) -> None:
    """Without an address of the broker, the state server is the broker as well."""
    secret = {"secret-key": "A" * 43 + "=", "state-url": "redis://s/0", "broker-url": "redis://b/0"}
    for workload in programs(values).values():
        settings = settings_of(workload, tmp_path, secret)
        assert (state, broker) == (settings.state_url, settings.broker_url)


@each
def test_the_key_is_where_it_is_needed(values: Values) -> None:
    """Workers and the runner of webhooks mount PACELINE_SECRET_KEY; no secret is a variable."""
    for program, workload in programs(values).items():
        needs = program in {"workers", "hooks"}
        assert needs == ("PACELINE_SECRET_KEY_FILE" in environment(workload))
        mounted = [
            item["path"] for one in pod_of(workload)["volumes"] for item in one.get("secret", {}).get("items", [])
        ]
        assert needs == ("secret-key" in mounted)
        assert "PACELINE_SECRET_KEY" not in environment(workload)


def test_ports_are_those_of_the_programs() -> None:
    """Containers, services, probes and policies name the ports on which our programs listen."""
    defaults = Settings(broker_url="redis://b")
    expected = {
        "workers": defaults.metrics_port,
        "exporter": defaults.exporter_port,
        "receiver": defaults.receipts_port,
        "gateway": GATEWAY_PORT,
        "hooks": {field.name: field.default for field in fields(hooks.Options)}["port"],
    }
    services, policies = of_kind(FULL, "Service"), of_kind(FULL, "NetworkPolicy")
    assert set(expected) == set(programs(FULL))
    for program, workload in programs(FULL).items():
        container, name = container_of(workload), f"{RELEASE}-paceline-{program}"
        (port,) = container["ports"]
        probes = [container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")]
        (service,) = services[name]["spec"]["ports"]
        (rule,) = policies[name]["spec"]["ingress"]
        ports = {port["containerPort"], *probes, service["port"], service["targetPort"], rule["ports"][0]["port"]}
        assert {expected[program]} == ports
        assert port["name"] == service["name"]


def test_probes_ask_what_the_programs_answer() -> None:
    """`/healthz` decides on a restart, `/readyz` on taking part; every program has both."""
    for workload in programs(FULL).values():
        container = container_of(workload)
        asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
        assert {"startup": LIVE, "liveness": LIVE, "readiness": READY} == asked
    routes = {getattr(route, "path", "") for route in build(Settings(broker_url="redis://b")).routes}
    assert {LIVE, READY} <= routes
    assert {LIVE} < {*hooks._HEALTHY}  # noqa: SLF001 - what it answers
    assert hooks._READY == READY  # noqa: SLF001 - likewise


@each
def test_commands_exist(values: Values, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command line of the chart is one that ours takes, with its options; workers run the image's own."""
    workloads = [*programs(values).values(), *of_kind(values, "Pod").values()]
    commands = [one["command"] for workload in workloads for one in pod_of(workload)["containers"] if "command" in one]
    assert "command" not in container_of(programs(values)["workers"])
    assert len(commands) > 2
    for program, *arguments in commands:
        assert program == "paceline"
        assert main([*arguments, "--help"]) == 0, arguments
        capsys.readouterr()


@pytest.mark.parametrize("deadline", [0.5, 15, 22.5, 300])
def test_a_worker_has_time_to_stop(deadline: float) -> None:
    """SIGKILL comes after the HTTP deadline and the margin of a lease, with seconds to spare for the rest."""
    grace = pod_of(programs({"settings": {"httpDeadline": deadline}})["workers"])["terminationGracePeriodSeconds"]
    assert deadline + LEASE_MARGIN_S + 5 <= grace <= deadline + LEASE_MARGIN_S + 15


@each
def test_no_container_can_do_more_than_it_must(values: Values) -> None:
    """Any user but root, a root that nobody writes to, no capabilities, no token of Kubernetes, a bound of memory."""
    workloads = [one for kind in ("Deployment", "StatefulSet", "Pod") for one in of_kind(values, kind).values()]
    for workload in workloads:
        pod = pod_of(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert {"type": "RuntimeDefault"} == pod["securityContext"]["seccompProfile"]
        assert (False, False) == (pod["automountServiceAccountToken"], pod["enableServiceLinks"])
        for container in pod["containers"]:
            context = container["securityContext"]
            assert (True, False) == (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"])
            assert {"drop": ["ALL"]} == context["capabilities"]
            assert container["resources"]["limits"]["memory"]
    for workload in programs(values).values():
        assert "runAsUser" not in pod_of(workload)["securityContext"]
        assert "/tmp" in [one["mountPath"] for one in container_of(workload)["volumeMounts"]]


def test_a_node_is_drained_pod_by_pod() -> None:
    """Every program has its budget, which selects its own Pods."""
    budgets = of_kind({}, "PodDisruptionBudget")
    for program, workload in programs({}).items():
        spec = budgets[f"{RELEASE}-paceline-{program}"]["spec"]
        assert (1, workload["spec"]["selector"]) == (spec["maxUnavailable"], spec["selector"])
    assert {} == of_kind(TRIAL, "PodDisruptionBudget")


def test_selectors_meet_the_pods_they_are_for() -> None:
    """Services, budgets and policies select the Pods of one program, and of no other."""
    for kind, path in (("Service", ()), ("PodDisruptionBudget", ("matchLabels",)), ("NetworkPolicy", ("matchLabels",))):
        for name, one in of_kind(FULL, kind).items():
            selector = one["spec"]["podSelector" if kind == "NetworkPolicy" else "selector"]
            for key in path:
                selector = selector[key]
            labels = {n: w["spec"]["template"]["metadata"]["labels"] for n, w in of_kind(FULL, "Deployment").items()}
            assert [name] == [n for n, had in labels.items() if selector.items() <= had.items()]


def test_policies_open_no_more_than_is_needed() -> None:
    """Exporter, receiver and gateway reach servers and names; workers and webhooks the provider, too."""
    for name, policy in of_kind({**FULL, "networkPolicy": {}}, "NetworkPolicy").items():
        ports = {one["port"] for rule in policy["spec"]["egress"] for one in rule["ports"]}
        outside = {443} if name.endswith(("-workers", "-hooks")) else set()
        assert {53, 6379, 6380, 5671, 5672} | outside == ports
        assert ["Ingress", "Egress"] == policy["spec"]["policyTypes"]
    assert [] == of_kind(TRIAL, "NetworkPolicy")["demo-paceline-valkey"]["spec"]["egress"]


@pytest.mark.parametrize("values", [FULL, TRIAL], ids=["metrics-api", "prometheus"])
def test_the_autoscaler_scales_the_workers(values: Values) -> None:
    """The target exists and has no number of its own; each trigger has names that its scaler reads, and texts for values."""
    (scaled,) = of_kind(values, "ScaledObject").values()
    target = of_kind(values, scaled["spec"]["scaleTargetRef"]["kind"])[scaled["spec"]["scaleTargetRef"]["name"]]
    assert "replicas" not in target["spec"]
    (trigger,) = scaled["spec"]["triggers"]
    assert set(trigger["metadata"]) <= keda.METADATA[trigger["type"]]
    assert {str} == {type(value) for value in trigger["metadata"].values()}
    assert "AverageValue" == trigger["metricType"]
    assert scaled["spec"]["minReplicaCount"] <= scaled["spec"]["maxReplicaCount"]


def test_the_autoscaler_asks_the_exporter_of_the_release() -> None:
    """The address of the trigger is the exporter's Service, its port and the path of the metrics."""
    (scaled,) = of_kind(FULL, "ScaledObject").values()
    (service,) = [one for name, one in of_kind(FULL, "Service").items() if name.endswith("-exporter")]
    name, (port,) = service["metadata"]["name"], service["spec"]["ports"]
    assert f"http://{name}.{NAMESPACE}.svc:{port['port']}/metrics" == scaled["spec"]["triggers"][0]["metadata"]["url"]


def test_prometheus_finds_every_program_under_the_names_that_rules_ask_for() -> None:
    """The monitor selects each Service with metrics; the jobs have the names of deploy/prometheus/prometheus.yml."""
    (monitor,) = of_kind(FULL, "ServiceMonitor").values()
    selector, label = monitor["spec"]["selector"], monitor["spec"]["jobLabel"]
    assert [{"key": label, "operator": "Exists"}] == selector["matchExpressions"]
    jobs = {}
    for name, service in of_kind(FULL, "Service").items():
        had = service["metadata"]["labels"]
        if label in had:
            assert selector["matchLabels"].items() <= had.items()
            assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
            jobs[name.removeprefix(f"{RELEASE}-paceline-")] = had[label]
    configuration = YAML(typ="safe").load(DEPLOY / "prometheus" / "prometheus.yml")
    assert {one["job_name"] for one in configuration["scrape_configs"]} == set(jobs.values())
    assert {"workers", "exporter", "receiver", "hooks"} == set(jobs)


def test_labels_of_ours_are_not_renamed() -> None:
    """Labels that the operator adds have names of ours, so the monitor must honour ours."""
    ours = {
        label
        for names in (COUNTERS, HISTOGRAMS, NAMED_GAUGES, WORKER_GAUGES)
        for one in names.values()
        for label in one
    }
    assert ours & TARGET_LABELS
    (monitor,) = of_kind(FULL, "ServiceMonitor").values()
    assert {True} == {one["honorLabels"] for one in monitor["spec"]["endpoints"]}


def test_prometheus_takes_the_rules_of_the_chart(tmp_path: Path) -> None:
    """The rules of the custom resource are rules."""
    (rule,) = of_kind(FULL, "PrometheusRule").values()
    path = tmp_path / "rules.yml"
    path.write_text(json.dumps(rule["spec"]), encoding="utf-8")
    promtool("check", "rules", str(path))


def test_rules_and_dashboards_are_the_ones_of_this_release() -> None:
    """The chart has no copy of its own: all rules and all dashboards are there, and lead to the addresses of the values."""
    (rule,) = of_kind(FULL, "PrometheusRule").values()
    text = (DEPLOY / "prometheus" / "rules" / "alerts.yml").read_text(encoding="utf-8")
    text = text.replace("https://paceline.example", "https://runbooks.example.com")
    text = text.replace("http://localhost:3000", "https://grafana.example.com")
    assert YAML(typ="safe").load(text) == rule["spec"]
    shown = {
        name: json.loads(content)
        for one in of_kind(FULL, "ConfigMap").values()
        for name, content in one["data"].items()
        if "1" == one["metadata"]["labels"]["grafana_dashboard"]
    }
    made = (DEPLOY / "grafana" / "dashboards").glob("*.json")
    assert {f"paceline-{path.name}": json.loads(path.read_text(encoding="utf-8")) for path in made} == shown


def test_a_release_fits_into_its_secret() -> None:
    """Helm keeps the chart and what it rendered, packed, in one Secret of at most 1 MiB."""
    files = [path.read_bytes() for path in CHART.rglob("*") if path.is_file()]
    files += [path.read_bytes() for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")]
    packed = gzip.compress(b"".join(files) + json.dumps(rendered(FULL)).encode())
    assert len(packed) * 4 / 3 < 500_000


def test_the_trials_server_keeps_what_it_is_given() -> None:
    """The image of the compose file, started so that a worker accepts the server; off unless asked for."""
    server = of_kind(TRIAL, "StatefulSet")["demo-paceline-valkey"]
    assert COMPOSE["services"]["valkey"]["image"] == container_of(server)["image"]
    program, *words = container_of(server)["command"]
    assert ("valkey-server", 0) == (program, len(words) % 2)
    options = dict(zip(words[::2], words[1::2], strict=True))
    extra = [word for name, value in options.items() if name != "--dir" for word in (name, value)]
    with start_server(extra=extra) as started, redis.Redis.from_url(started.url) as client:
        check_state_server(client, allow_volatile=False)
        assert "always" == client.config_get("appendfsync")["appendfsync"]
    assert {} == of_kind({}, "StatefulSet")
