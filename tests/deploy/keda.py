"""What KEDA makes of a trigger: its scalers `metrics-api` and `prometheus`, version 2.20, as their sources have them."""

import re
from collections.abc import Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

# Names that each scaler reads; another one is ignored in silence.
METADATA: Final = {
    "metrics-api": {"url", "format", "valueLocation", "targetValue", "activationTargetValue", "unsafeSsl", "timeout"},
    "prometheus": {
        "serverAddress",
        "query",
        "threshold",
        "activationThreshold",
        "namespace",
        "ignoreNullValues",
        "unsafeSsl",
        "timeout",
        "customHeaders",
        "queryParameters",
    },
}
_SELECTOR: Final = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<matchers>.*)\})?")
_MATCHER: Final = re.compile(r'(\w+)="([^"]*)"')


class NotScalable(Exception):
    """KEDA reads no value: it scales to the fallback."""


def value_of(text: str, metadata: Mapping[str, str]) -> float:
    """The value that the scaler `metrics-api` reads with ``format: prometheus``: the first sample with all the labels.

    Args:
        text: of the page that the trigger's `url` names.
        metadata: of the trigger.

    Raises:
        NotScalable: the scaler would report an error.
    """
    if metadata.get("format") != "prometheus":
        raise NotScalable(f"format {metadata.get('format')} is not read here")
    selector = _SELECTOR.fullmatch(metadata["valueLocation"])
    if selector is None:
        raise NotScalable(f"valueLocation {metadata['valueLocation']} is no selector")
    labels = set(_MATCHER.findall(selector["matchers"] or ""))
    families = {family.name: family for family in text_string_to_metric_families(text)}
    # Go's parser keeps the suffix of a counter in the family's name, which Python's takes away.
    family = families.get(selector["name"]) or families.get(selector["name"].removesuffix("_total"))
    if family is None:
        raise NotScalable(f"metric '{selector['name']}' not found")
    if family.type not in {"gauge", "counter", "unknown"}:
        raise NotScalable(f"a {family.type} has no value")
    for sample in family.samples:
        if sample.name == selector["name"] and labels <= set(sample.labels.items()):
            return float(sample.value)
    raise NotScalable(f"value {metadata['valueLocation']} not found")


def replicas(value: float, target: float, *, least: int, most: int) -> int:
    """Replicas that the autoscaler makes of an average value.

    Args:
        value: that the scaler read.
        target: of the trigger, for one replica.
        least: `minReplicaCount`.
        most: `maxReplicaCount`.
    """
    return max(least, min(most, -int(-value // target)))
