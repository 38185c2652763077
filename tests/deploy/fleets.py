"""Series for promtool: fleets in several states, over ten minutes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from tests.deploy.names import COUNTERS, HISTOGRAMS, NAMED_GAUGES, STATE_GAUGES, WORKER_GAUGES

_STEPS: Final = 60
INTERVAL: Final = "10s"
LAST: Final = "10m"

_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "account": ("acme", "globex", "other"),
    "priority": ("transactional", "bulk"),
    "kind": ("message",),
    "outcome": ("accepted", "rejected"),
    "endpoint": ("send", "info"),
    "code": ("200", "429"),
    "reason": ("throttled", "bad_key"),
    "scope": ("provider", "acme"),
    "shard": ("0", "1"),
    "campaign": ("spring", "autumn"),
    "status": ("sent", "not_sent", "delivered", "read"),
    "result": ("moved", "early"),
    "hook": ("hook-1", "hook-2"),
    "version": ("0.2.0",),
    "state": ("waiting", "scheduled", "accepted", "rejected", "expired", "held", "running", "paused"),
}
_BOUNDS: Final = ("0.01", "0.1", "1", "+Inf")
# True also of a fleet at rest.
_STANDING: Final = {
    "paceline_state_up": 1,
    "paceline_state_shard_up": 1,
    "up": 1,
    "paceline_build_info": 1,
    "paceline_rate_limit_per_second": 0.16,
    "paceline_variation_seconds": 0.01,
    "paceline_state_aof_enabled": 1,
}


# Never anything else.
_ONE: Final = {"up", "paceline_build_info"}


@dataclass(frozen=True, slots=True)
class Series:
    """One series in promtool's notation."""

    series: str
    values: str


def untouched() -> list[Series]:
    """The exporter reads an empty state; no worker has started."""
    return [_exported(name, {}, _STANDING.get(name, 0), 0) for name in sorted(STATE_GAUGES)]


def idle() -> list[Series]:
    """Accounts, a campaign and two workers exist. Nothing ever happened; counters and buckets are 0."""
    return [*untouched(), *_named(0), *_working(0)]


def busy(exporters: int = 1) -> list[Series]:
    """All counters and gauges grow.

    Args:
        exporters: how many show the same state.
    """
    shown = [_exported(name, {}, 1, int(name != "paceline_state_up")) for name in sorted(STATE_GAUGES)]
    series = [*shown, *_named(1)]
    doubled = [
        Series(one.series.replace("exporter:9809", f"exporter{number}:9809"), one.values)
        for number in range(1, exporters)
        for one in series
    ]
    return [*series, *doubled, *_working(1)]


def _named(growth: int) -> Iterator[Series]:
    for name, labels in NAMED_GAUGES.items():
        # Each at its own pace: among equals the largest would be any.
        for place, one in enumerate(_labelled(labels), start=1):
            yield _exported(name, one, _STANDING.get(name, growth), growth * place)


def _working(growth: int) -> Iterator[Series]:
    for worker in ("worker-1:9808", "worker-2:9808"):
        target = {"job": "paceline-worker", "instance": worker}
        for name, labels in (COUNTERS | WORKER_GAUGES).items():
            for one in _labelled(labels):
                yield _series(name, {**one, **target}, _STANDING.get(name, 0), growth if name not in _ONE else 0)
        for name, labels in HISTOGRAMS.items():
            for one in _labelled(labels):
                for place, bound in enumerate(_BOUNDS, start=1):
                    yield _series(f"{name}_bucket", {**one, **target, "le": bound}, 0, growth * place)


def _labelled(labels: tuple[str, ...]) -> Iterator[dict[str, str]]:
    for values in product(*(_VALUES[label] for label in labels)):
        yield dict(zip(labels, values, strict=True))


def _exported(name: str, labels: Mapping[str, str], start: float, growth: int) -> Series:
    return _series(name, {**labels, "job": "paceline-exporter", "instance": "exporter:9809"}, start, growth)


def _series(name: str, labels: Mapping[str, str], start: float, growth: int) -> Series:
    matchers = ", ".join(f'{label}="{value}"' for label, value in labels.items())
    return Series(f"{name}{{{matchers}}}", f"{start}+{growth}x{_STEPS}")
