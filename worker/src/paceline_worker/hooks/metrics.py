"""What a runner shows, declared once."""

from typing import Final, get_args

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from paceline_worker.hooks.policy import Result
from paceline_worker.hooks.stored import StoredHook

# Labels stay bounded: hooks beyond this many share one series.
_MOST_HOOKS: Final = 200
OTHER_HOOKS: Final = "other"
RESULTS: Final[tuple[Result, ...]] = get_args(Result)


class HookMetrics:
    """Counters and gauges of one runner. Gauges are of the hooks that this runner serves.

    Args:
        registry: where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._labels: set[str] = set()
        self._shown: set[str] = set()
        self._requests = Counter(
            "paceline_hook_requests",
            "Posts by result. delivered: 2xx. gone: 410, which disables the hook. failed: another status, or no"
            " connection. timeout: no answer in time. refused: the address is not public, so nothing was posted.",
            ["hook", "result"],
            registry=registry,
        )
        self._dead = Counter(
            "paceline_hook_events_dead", "Events given up after the last try.", ["hook"], registry=registry
        )
        self._seconds = Histogram(
            "paceline_hook_request_duration_seconds",
            "Time from the look-up of the address to the end of the answer.",
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30),
            registry=registry,
        )
        gauges = {
            "waiting": ("paceline_hook_events_waiting", "Events that are not delivered yet."),
            "dead": ("paceline_hook_dead_events", "Events on the dead-letter list."),
            "oldest": ("paceline_hook_oldest_age_seconds", "Age of the oldest event that is not delivered."),
            "open": ("paceline_hook_breaker_open", "1 while the receiver fails and only probes are posted."),
            "disabled": (
                "paceline_hook_disabled",
                "1 while the hook is disabled: its receiver answered 410, or a person disabled it.",
            ),
            "gaps": (
                "paceline_hook_gaps",
                "Gaps: entries of the stream of outcomes deleted before they were read, so their events are lost.",
            ),
        }
        self._gauges = {
            name: Gauge(metric, words, ["hook"], registry=registry) for name, (metric, words) in gauges.items()
        }

    def request(self, hook: str, result: Result, seconds: float) -> None:
        """An event was posted."""
        self._requests.labels(self._label(hook), result).inc()
        self._seconds.observe(seconds)

    def died(self, hook: str) -> None:
        """An event was given up."""
        self._dead.labels(self._label(hook)).inc()

    def show(self, hooks: list[StoredHook], now_ms: int) -> None:
        """The hooks that are served; what is another runner's is not shown any more."""
        served = hooks[:_MOST_HOOKS]
        for gone in self._shown - {hook.id for hook in served}:
            for gauge in self._gauges.values():
                gauge.remove(gone)
        self._shown = {hook.id for hook in served}
        for hook in served:
            for result in RESULTS:
                self._requests.labels(self._label(hook.id), result)
            age = max(0.0, now_ms / 1000 - hook.oldest.timestamp()) if hook.oldest else 0.0
            numbers = {
                "waiting": hook.waiting,
                "dead": hook.dead,
                "oldest": age,
                "open": int(bool(hook.breaker.open_until_ms)),
                "disabled": int(bool(hook.disabled)),
                "gaps": hook.gaps,
            }
            for name, number in numbers.items():
                self._gauges[name].labels(hook.id).set(number)

    def _label(self, hook: str) -> str:
        if hook not in self._labels:
            if len(self._labels) >= _MOST_HOOKS:
                return OTHER_HOOKS
            self._labels.add(hook)
        return hook
