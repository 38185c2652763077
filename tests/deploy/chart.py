"""The Helm chart, rendered by Helm's own library, and the values with which the tests render it."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import pytest
from ruamel.yaml import YAML

CHART: Final = Path(__file__).parents[2] / "deploy" / "helm" / "paceline"
RELEASE: Final = "demo"
NAMESPACE: Final = "messaging"

Values = Mapping[str, Any]
Object = dict[str, Any]

# Everything that can be switched on, with servers of one's own.
FULL: Final[Values] = {
    "image": {"repository": "registry.example.com/paceline", "tag": "1.2.3", "pullSecrets": [{"name": "registry"}]},
    "secret": {"name": "keys", "secretKey": "key", "stateUrl": "state", "brokerUrl": "broker"},
    "settings": {
        "apiBase": "https://api.example.com/open",
        "namespace": "paceline-staging",
        "httpDeadline": 22.5,
        "capacity": 300,
        "retention": 1_000_000,
        "reconcileGrace": 20,
        "historyKept": 100_000_000,
        "brokerOptions": '{"region": "eu-central-1"}',
        "optOutWords": "stop, ende",
        "optInWords": "start",
        "allowVolatile": True,
        "assumeDurable": True,
        "shards": 8,
        "waitReplicas": 1,
        "encryptPayloads": True,
        "payloadKey": "public",
    },
    "bindAddress": "::",
    "pod": {
        "annotations": {"example.com/team": "messaging"},
        "labels": {"team": "messaging"},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "volumes": [{"name": "ca", "configMap": {"name": "own-ca"}}],
        "volumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/own", "readOnly": True}],
        "nodeSelector": {"pool": "messaging"},
        "tolerations": [{"key": "messaging", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        "priorityClassName": "high",
    },
    "receiver": {"enabled": True, "ingress": {"enabled": True, "className": "nginx", "host": "hooks.example.com"}},
    "gateway": {
        "enabled": True,
        "rate": 50,
        "ingress": {
            "enabled": True,
            "host": "paceline.example.com",
            "annotations": {"example.com/whitelist": "10.0.0.0/8"},
            "tlsSecret": "certificate",
        },
    },
    "hooks": {"enabled": True},
    "autoscaling": {"enabled": True, "max": 50},
    "networkPolicy": {
        "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "egress": [{"ports": [{"protocol": "TCP", "port": 3128}]}],
    },
    "monitoring": {
        "serviceMonitor": True,
        "prometheusRule": True,
        "dashboards": True,
        "labels": {"release": "kube-prometheus-stack"},
        "runbooks": "https://runbooks.example.com",
        "grafana": "https://grafana.example.com",
    },
}
# A trial: its own server, another scaler, no policies.
TRIAL: Final[Values] = {
    "valkey": {"enabled": True, "storageClassName": "fast"},
    "autoscaling": {
        "enabled": True,
        "scaler": "prometheus",
        "prometheusAddress": "http://prometheus.monitoring.svc:9090",
    },
    "disruption": {"enabled": False},
    "gateway": {"enabled": True, "console": False},
}
ALL: Final[Mapping[str, Values]] = {"default": {}, "full": FULL, "trial": TRIAL}


def helm() -> Any:
    """Helm's library; without, the test is skipped, or fails where ``CI=true``."""
    try:
        import helm_python  # noqa: PLC0415 - a library of 80 MB, which exists for few kinds of machine
    except ImportError as error:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            raise
        pytest.skip(f"Helm's library cannot be had here: {error}")
    return helm_python


def rendered(values: Values) -> list[Object]:
    """The objects of a release.

    Args:
        values: over the chart's defaults.
    """
    return _rendered(json.dumps(values, sort_keys=True))


@cache
def _rendered(values: str) -> list[Object]:
    yaml = YAML(typ="safe")
    with helm().Chart.load(CHART) as chart:
        files = chart.render(json.loads(values), name=RELEASE, namespace=NAMESPACE)
    documents = [yaml.load_all(text) for path, text in files.items() if path.endswith(".yaml")]
    return [document for file in documents for document in file if document]


def of_kind(values: Values, kind: str) -> dict[str, Object]:
    """Objects of one kind by name.

    Args:
        values: see `rendered`.
        kind: such as ``Deployment``.
    """
    return {one["metadata"]["name"]: one for one in rendered(values) if one["kind"] == kind}


def pod_of(workload: Object) -> Object:
    """The Pod's specification of a workload, or of a Pod."""
    return cast(Object, workload["spec"] if workload["kind"] == "Pod" else workload["spec"]["template"]["spec"])


def container_of(workload: Object) -> Object:
    """The one container of a workload."""
    (container,) = pod_of(workload)["containers"]
    return cast(Object, container)


def programs(values: Values) -> dict[str, Object]:
    """Deployments of our programs by the program's name."""
    return {name.removeprefix(f"{RELEASE}-paceline-"): one for name, one in of_kind(values, "Deployment").items()}
