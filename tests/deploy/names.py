"""The metrics that dashboards may ask for, with their labels."""

from typing import Final

_ACCOUNT: Final = ("account",)
_ALONE: Final[tuple[str, ...]] = ()

COUNTERS: Final[dict[str, tuple[str, ...]]] = {
    "paceline_operations_accepted_total": ("account", "kind"),
    "paceline_operations_settled_total": ("account", "kind", "outcome"),
    "paceline_provider_requests_total": ("account", "endpoint", "code"),
    "paceline_retries_total": ("account", "reason"),
    "paceline_deferrals_total": ("account", "reason"),
    "paceline_operation_steps_total": ("account", "reason"),
    "paceline_leases_given_back_total": _ALONE,
    "paceline_slots_moved_total": _ALONE,
    "paceline_state_forgotten_total": _ALONE,
    "paceline_broker_messages_refused_total": ("reason",),
    "paceline_tampering_refused_total": ("reason",),
    "paceline_receipts_total": ("account", "status"),
    "paceline_receipt_requests_total": ("result",),
    "paceline_hook_requests_total": ("hook", "result"),
    "paceline_hook_events_dead_total": ("hook",),
    "process_cpu_seconds_total": _ALONE,
}

HISTOGRAMS: Final[dict[str, tuple[str, ...]]] = {
    "paceline_provider_request_duration_seconds": ("endpoint",),
    "paceline_delivery_latency_seconds": ("priority",),
    "paceline_slot_lateness_seconds": _ALONE,
    "paceline_hook_request_duration_seconds": _ALONE,
}

# Of one worker.
WORKER_GAUGES: Final[dict[str, tuple[str, ...]]] = {
    "paceline_worker_load_operations": _ALONE,
    "paceline_worker_capacity_operations": _ALONE,
    "paceline_worker_intake_operations": _ALONE,
    "paceline_worker_way_seconds": _ALONE,
    "paceline_worker_reaches_provider": _ALONE,
    "process_resident_memory_bytes": _ALONE,
    "paceline_build_info": ("version",),
    "up": _ALONE,
}

# Of the state, from the exporter: of single accounts and campaigns ...
NAMED_GAUGES: Final[dict[str, tuple[str, ...]]] = {
    "paceline_backlog_operations": ("account", "priority"),
    "paceline_backlog_scheduled_operations": _ACCOUNT,
    "paceline_backlog_oldest_age_seconds": _ACCOUNT,
    "paceline_backlog_late_operations": _ACCOUNT,
    "paceline_rate_limit_per_second": _ACCOUNT,
    "paceline_rate_used_ratio": _ACCOUNT,
    "paceline_variation_seconds": _ACCOUNT,
    "paceline_account_suspended": ("account", "reason"),
    "paceline_account_paused": _ACCOUNT,
    "paceline_credits_remaining": _ACCOUNT,
    "paceline_account_expiry_timestamp_seconds": _ACCOUNT,
    "paceline_account_info_age_seconds": _ACCOUNT,
    "paceline_breaker_open": ("scope",),
    "paceline_state_shard_up": ("shard",),
    "paceline_held_operations": _ACCOUNT,
    "paceline_dead_letters": _ACCOUNT,
    "paceline_campaign_operations": ("campaign", "state"),
    "paceline_campaign_state": ("campaign", "state"),
    "paceline_campaign_ends_timestamp_seconds": ("campaign",),
    "paceline_campaign_rejected_ratio": ("campaign",),
    "paceline_campaign_receipts": ("campaign", "status"),
    # Of runners of hooks, each of which shows those that it serves.
    "paceline_hook_events_waiting": ("hook",),
    "paceline_hook_dead_events": ("hook",),
    "paceline_hook_oldest_age_seconds": ("hook",),
    "paceline_hook_breaker_open": ("hook",),
    "paceline_hook_disabled": ("hook",),
    "paceline_hook_gaps": ("hook",),
}

# ... and of all together.
STATE_GAUGES: Final[frozenset[str]] = frozenset(
    {
        "paceline_fleet_intake_operations",
        "paceline_fleet_lateness_seconds",
        "paceline_in_flight_operations",
        "paceline_inbox_records",
        "paceline_accounts",
        "paceline_workers",
        "paceline_fleet_capacity_operations",
        "paceline_workers_wanted",
        "paceline_unaccounted_operations",
        "paceline_state_up",
        "paceline_state_memory_bytes",
        "paceline_state_memory_limit_bytes",
        "paceline_state_aof_enabled",
        "paceline_state_aof_last_write_ok",
        "paceline_exporter_scrape_seconds",
    }
)

# What Prometheus adds to each series.
_TARGET: Final = ("job", "instance")

LABELS: Final[dict[str, frozenset[str]]] = {
    # Of Prometheus: the alerts that fire or are about to.
    "ALERTS": frozenset(("alertname", "alertstate", "severity", "account", "campaign", "scope")),
    **{name: frozenset((*labels, *_TARGET)) for name, labels in (COUNTERS | WORKER_GAUGES | NAMED_GAUGES).items()},
    **{name: frozenset(_TARGET) for name in STATE_GAUGES},
    **{f"{name}_bucket": frozenset((*labels, "le", *_TARGET)) for name, labels in HISTOGRAMS.items()},
    **{
        f"{name}_{part}": frozenset((*labels, *_TARGET))
        for name, labels in HISTOGRAMS.items()
        for part in ("count", "sum")
    },
}
