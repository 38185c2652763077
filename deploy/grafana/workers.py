"""The dashboard of the machinery: workers, the provider's answers, the state server."""

from deploy.grafana import pages, sdk, webhooks
from deploy.grafana.pages import Section
from deploy.grafana.panels import (
    BAD,
    BYTES,
    GOOD,
    ON,
    PER_MINUTE,
    SECONDS,
    SHARE,
    UP,
    WARN,
    WARN_FROM_1,
    WRITTEN,
    Query,
    graph,
    heatmap,
    stat,
)
from deploy.grafana.promql import each, quantile, rate, top

_WORKER = 'job="paceline-worker"'
_IDLE = "Nothing was sent"
_NONE = "No worker is scraped"
_MEMORY = "paceline_state_memory_bytes"
_LIMIT = "paceline_state_memory_limit_bytes"


def page() -> sdk.dashboard.Dashboard:
    """The whole dashboard."""
    return pages.page(
        pages.WORKERS,
        "The machinery: workers, how fast the provider answers, the state server.",
        [_now(), _fleet(), _provider(), _slots(), webhooks.section(), _processes(), _state()],
        annotations=(pages.breaker(), pages.pauses(), pages.suspensions(), pages.new_release()),
    )


def _load() -> str:
    return "paceline_worker_load_operations / clamp_min(paceline_worker_capacity_operations, 1)"


def _memory_used() -> str:
    """Without a limit the division has no value, and the share is 0."""
    return f"{each(_MEMORY)} / ({each(_LIMIT)} > 0) or {each(_MEMORY)} * 0"


def _now() -> Section:
    return Section(
        "Now",
        [
            stat(
                "Workers",
                "Alive, by the state server, against wanted for all that is due.",
                Query(each("paceline_workers"), "alive"),
                Query(each("paceline_workers_wanted"), "wanted"),
                width=6,
            ),
            stat(
                "Fleet load",
                "Operations workers have taken on over what they may. Near 100 % for long: start more, or raise "
                "PACELINE_CAPACITY.",
                "sum(paceline_worker_load_operations) / clamp_min(sum(paceline_worker_capacity_operations), 1)",
                unit=SHARE,
                steps=((None, GOOD), (0.8, WARN), (0.95, BAD)),
                empty=_NONE,
            ),
            stat(
                "Not scraped",
                "Workers that Prometheus knows of and cannot read.",
                f"count(up{{{_WORKER}}} == 0) or vector(0)",
                steps=WARN_FROM_1,
            ),
            stat(
                "State server",
                "Whether the exporter reached it at its last look.",
                each("paceline_state_up"),
                words=UP,
            ),
            stat(
                "State memory used",
                "Of its limit; 0 % where it has none. At the limit it refuses to write: nothing new is taken in.",
                _memory_used(),
                unit=SHARE,
                steps=((None, GOOD), (0.7, WARN), (0.9, BAD)),
            ),
            stat(
                "Append-only file",
                "Without it the state server forgets everything when it restarts.",
                each("paceline_state_aof_enabled"),
                words=ON,
            ),
            stat(
                "Last write",
                "Failing: the disk is full or broken, and what is taken in now may be forgotten.",
                each("paceline_state_aof_last_write_ok"),
                words=WRITTEN,
            ),
        ],
    )


def _fleet() -> Section:
    return Section(
        "Fleet",
        [
            graph(
                "Wanted against running",
                "Wanted would do all that is due. Alive is what the state server knows, scraped what Prometheus reads: they "
                "should agree.",
                Query(each("paceline_workers_wanted"), "wanted"),
                Query(each("paceline_workers"), "alive"),
                Query(f"count(up{{{_WORKER}}} == 1) or vector(0)", "scraped"),
                width=6,
            ),
            graph(
                "Capacity and load",
                "How many calls the fleet may have under way, how many operations it takes on now (fewer while it is late), how "
                "many it has, and how many the state counts as in flight.",
                Query(each("paceline_fleet_capacity_operations"), "capacity"),
                Query(each("paceline_fleet_intake_operations"), "intake"),
                Query("sum(paceline_worker_load_operations) or vector(0)", "load"),
                Query(each("paceline_in_flight_operations"), "in flight"),
                width=6,
            ),
            graph(
                "Load by worker, top 10",
                "Of its capacity. They should be alike: work goes to whoever asks.",
                Query(top(10, _load()), "{{instance}}"),
                unit=SHARE,
                width=6,
                most=1,
                empty=_NONE,
            ),
            graph(
                "Workers by release",
                "Old and new ones may run side by side while an upgrade goes on.",
                Query("count by (version) (paceline_build_info)", "{{version}}"),
                width=6,
                stacked=True,
                empty=_NONE,
            ),
            graph(
                "Workers with and without a way to the provider",
                "One that cannot connect to the provider takes no operations on; the others send them. Its log says why.",
                Query("sum(paceline_worker_reaches_provider)", "with"),
                Query("count(paceline_worker_reaches_provider == 0) or vector(0)", "without"),
                width=24,
                empty=_NONE,
            ),
        ],
    )


def _provider() -> Section:
    duration = "paceline_provider_request_duration_seconds"

    def answers(share: float, name: str, words: str) -> sdk.timeseries.Panel:
        return graph(
            f"Provider's answer by endpoint, {name}",
            f"{words} of answers came within this time. A call without an answer counts until it was given up.",
            Query(top(10, quantile(share, duration, "endpoint")), "{{endpoint}}"),
            unit=SECONDS,
            width=8,
            empty=_IDLE,
        )

    return Section(
        "Provider",
        [answers(0.5, "p50", "Half"), answers(0.95, "p95", "95 %"), answers(0.99, "p99", "99 %")],
    )


def _slots() -> Section:
    lateness = "paceline_slot_lateness_seconds"
    latency = "paceline_delivery_latency_seconds"
    return Section(
        "Slots",
        [
            heatmap(
                "Slot lateness",
                "Time between slots and requests. A request too late for the provider's window moves to a later "
                "slot first.",
                f"sum by (le) (increase({lateness}_bucket[$__rate_interval]))",
                unit=SECONDS,
                empty=_IDLE,
            ),
            graph(
                "Slot lateness, quantiles",
                "Rising with the load of workers: they are too few, or their machines are busy with something else.",
                Query(quantile(0.5, lateness), "p50"),
                Query(quantile(0.95, lateness), "p95"),
                Query(quantile(0.99, lateness), "p99"),
                unit=SECONDS,
                empty=_IDLE,
            ),
            graph(
                "From acceptance to sending",
                "How long operations waited until their slot. Transactional ones should be quick whatever the backlog.",
                Query(quantile(0.5, latency, "priority"), "{{priority}}, p50"),
                Query(quantile(0.95, latency, "priority"), "{{priority}}, p95"),
                unit=SECONDS,
                empty=_IDLE,
            ),
            graph(
                "Moved to a later slot",
                "Operations that were late for the slot they were granted, and are sent all the same. Many while more is due "
                "than the fleet can send; else workers are too busy, or the state server is slow.",
                Query(rate("paceline_slots_moved_total"), "moved"),
                unit=PER_MINUTE,
            ),
            graph(
                "Lateness of the fleet",
                "Mean lateness of the worker that is latest. Above 0.25 s it takes fewer operations on.",
                Query(each("paceline_fleet_lateness_seconds"), "lateness"),
                unit=SECONDS,
            ),
            graph(
                "Leases given back",
                "Operations that were granted to a worker and begun by nobody in time: it died, or the broker lost the hint. "
                "Nothing is lost by it but time.",
                Query(rate("paceline_leases_given_back_total"), "given back"),
                unit=PER_MINUTE,
            ),
        ],
    )


def _processes() -> Section:
    memory = f"process_resident_memory_bytes{{{_WORKER}}}"
    processor = f"rate(process_cpu_seconds_total{{{_WORKER}}}[$__rate_interval])"
    return Section(
        "Processes",
        [
            graph(
                "Memory by worker, top 10",
                "It should not depend on the backlog, which stays in the state server.",
                Query(top(10, memory), "{{instance}}"),
                unit=BYTES,
                width=6,
                empty=_NONE,
            ),
            graph(
                "CPU by worker, top 10",
                "Cores in use. A worker is one process and cannot use much more than one.",
                Query(top(10, processor), "{{instance}}"),
                width=6,
                empty=_NONE,
            ),
            graph(
                "Webhooks of the provider",
                "What became of receipts. `forbidden`: an old address, or somebody who tries; `unavailable`: the state server "
                "did not answer; many `unknown`: of another installation.",
                Query(rate("paceline_receipt_requests_total", "result"), "{{result}}"),
                unit=PER_MINUTE,
                width=6,
            ),
            graph(
                "Broker messages refused",
                "What lay in the broker and was no hint of ours, by reason. Workers throw it away; somebody else writes there.",
                Query(rate("paceline_broker_messages_refused_total", "reason"), "{{reason}}"),
                unit=PER_MINUTE,
                width=6,
            ),
            graph(
                "Changed in state",
                "Operations, campaigns and API keys that are not what a worker accepted, by reason: somebody writes into "
                "state. Nothing of it is sent.",
                Query(rate("paceline_tampering_refused_total", "reason"), "{{reason}}"),
                unit=PER_MINUTE,
                width=6,
            ),
        ],
    )


def _state() -> Section:
    return Section(
        "State server",
        [
            graph(
                "Memory against limit",
                "At the limit it refuses to write. A limit of 0 is none: then the machine's memory is.",
                Query(each(_MEMORY), "used"),
                Query(each(_LIMIT), "limit (0: none)"),
                unit=BYTES,
                width=8,
            ),
            graph(
                "Append-only file over time",
                "1 while it is on, and while the last write to it went well. Both have to be 1.",
                Query(each("paceline_state_aof_enabled"), "on"),
                Query(each("paceline_state_aof_last_write_ok"), "last write good"),
                width=8,
                most=1,
            ),
            graph(
                "Time the exporter takes",
                "Time to read the state once. Beyond Prometheus' timeout no gauge is seen.",
                Query(each("paceline_exporter_scrape_seconds"), "one look"),
                unit=SECONDS,
                width=8,
            ),
            graph(
                "Forgotten writes",
                "Times it came back without what it had acknowledged, as workers noticed. Operations of that time may be lost, or "
                "sent again.",
                Query("sum(increase(paceline_state_forgotten_total[15m])) or vector(0)", "in a quarter of an hour"),
                width=24,
            ),
        ],
    )
