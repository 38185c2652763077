"""The dashboard of one account: is it sending as fast as it may, and what keeps it."""

from deploy.grafana import pages, sdk
from deploy.grafana.pages import Section
from deploy.grafana.panels import (
    BAD,
    BREAKER,
    GOOD,
    PAUSED,
    PER_MINUTE,
    SECONDS,
    SHARE,
    SPAN,
    SUSPENDED,
    WARN,
    WARN_FROM_1,
    Query,
    graph,
    stat,
)
from deploy.grafana.promql import each, quantile, rate

_THIS = 'account="$account"'
# The exporter names the accounts with the largest backlog only; of the others the workers' counters remain.
_UNNAMED = "Not among the accounts with a series of their own"
_DAY = 86_400


def page() -> sdk.dashboard.Dashboard:
    """The whole dashboard."""
    described = (
        "One account: is it sending as fast as it may, and what keeps it. The state of the 50 accounts with the largest backlog "
        "is shown one by one; of another, what workers counted."
    )
    return pages.page(
        pages.ACCOUNT,
        described,
        [_now(), _pace(), _waiting(), _outcomes(), _contract()],
        variables=[pages.choice("account", "Account", "Whose key the operations are sent with", pages.ACCOUNTS)],
        annotations=(
            pages.pauses(_THIS),
            pages.suspensions(_THIS),
            *pages.held_and_released("paceline_held_operations", "account", where=_THIS),
            pages.breaker(),
        ),
    )


def _known(expr: str) -> str:
    """0 where the account has series of its own, and of this none."""
    return f"{expr} or {_own('paceline_rate_limit_per_second')} * 0"


def _own(metric: str) -> str:
    return each(metric, where=_THIS)


def _now() -> Section:
    return Section(
        "Now",
        [
            stat(
                "Suspended",
                "Whether the account is suspended, and why: bad_key wants a key that works and then "
                "`paceline accounts resume`, unpaid is lifted when the provider says so, manual was us.",
                Query(f"topk(1, {each('paceline_account_suspended', 'reason', where=_THIS)})", "{{reason}}"),
                words=SUSPENDED,
                empty=_UNNAMED,
                text=sdk.common.BigValueTextMode.VALUE_AND_NAME,
            ),
            stat(
                "Paused",
                "Whether the provider told this account to wait (429). It continues automatically.",
                _known(_own("paceline_account_paused")),
                words=PAUSED,
                empty=_UNNAMED,
            ),
            stat(
                "Breaker",
                "Open: the provider does not work for this account; a probe is sent from time to time.",
                _known(each("paceline_breaker_open", where='scope="$account"')),
                words=BREAKER,
                empty=_UNNAMED,
            ),
            stat(
                "Rate used",
                "Slots taken in the last window over what the limit allows. With a backlog it should be near 100 %.",
                _own("paceline_rate_used_ratio"),
                unit=SHARE,
                empty=_UNNAMED,
            ),
            stat(
                "Backlog",
                "Operations in this account's lanes.",
                f"sum({each('paceline_backlog_operations', 'account', 'priority', where=_THIS)})",
                empty=_UNNAMED,
            ),
            stat(
                "Oldest",
                "Age of the oldest operation that may leave. Paused campaigns and closed windows are left out.",
                _own("paceline_backlog_oldest_age_seconds"),
                unit=SPAN,
                empty=_UNNAMED,
            ),
            stat(
                "Too late",
                "Operations that cannot leave before their validity ends, at this rate: they will expire. An estimate.",
                _known(_own("paceline_backlog_late_operations")),
                steps=WARN_FROM_1,
                empty=_UNNAMED,
            ),
            stat(
                "Held",
                "Operations whose outcome nobody can know; a person decides: `paceline held list`.",
                _known(_own("paceline_held_operations")),
                steps=WARN_FROM_1,
                empty=_UNNAMED,
            ),
        ],
    )


def _pace() -> Section:
    limit = f"{_own('paceline_rate_limit_per_second')} * 60"
    lateness = "paceline_slot_lateness_seconds"
    return Section(
        "Pace",
        [
            graph(
                "Calls allowed and made",
                "Calls that the limit allows a minute, and calls that workers made. After a 429 or an outage fewer are "
                "allowed for a while.",
                Query(limit, "allowed"),
                Query(rate("paceline_provider_requests_total", where=_THIS), "made"),
                unit=PER_MINUTE,
                empty=_UNNAMED,
            ),
            graph(
                "Rate used over time",
                "Slots taken in the last minute over what the account's own limit allows, also while 429s or an outage allow "
                "less. Below 100 % with a backlog: see what follows.",
                Query(_own("paceline_rate_used_ratio"), "used"),
                unit=SHARE,
                most=1,
                empty=_UNNAMED,
            ),
            graph(
                "Deferrals by reason",
                "Times an operation was told 'not now' without spending an attempt: throttled by the provider, sender "
                "busy, paused.",
                Query(rate("paceline_deferrals_total", "reason", where=_THIS), "{{reason}}"),
                unit=PER_MINUTE,
                width=8,
                stacked=True,
            ),
            graph(
                "Retries and further calls by reason",
                "Attempts that failed and will be repeated, and calls beyond an operation's first: steps, waits, look-ups.",
                Query(rate("paceline_retries_total", "reason", where=_THIS), "retry: {{reason}}"),
                Query(rate("paceline_operation_steps_total", "reason", where=_THIS), "further call: {{reason}}"),
                unit=PER_MINUTE,
                width=8,
                stacked=True,
            ),
            graph(
                "Slot lateness, all accounts",
                "How long after their slots requests leave. It is measured for all accounts together: high here means busy "
                "workers, and this account waits with the others.",
                Query(quantile(0.5, lateness), "p50"),
                Query(quantile(0.99, lateness), "p99"),
                unit=SECONDS,
                width=8,
                empty="Nothing was sent",
            ),
        ],
    )


def _waiting() -> Section:
    backlog = each("paceline_backlog_operations", "priority", where=_THIS)
    return Section(
        "Waiting",
        [
            graph(
                "Backlog by priority",
                "Operations in lanes, and operations waiting for a time: not_before, a window, a back-off.",
                Query(backlog, "{{priority}}"),
                Query(_known(_own("paceline_backlog_scheduled_operations")), "waits for a time"),
                stacked=True,
                width=8,
                empty=_UNNAMED,
            ),
            graph(
                "Oldest age",
                "It grows by a second a second while nothing leaves.",
                Query(_own("paceline_backlog_oldest_age_seconds"), "oldest"),
                unit=SECONDS,
                width=8,
                empty=_UNNAMED,
            ),
            graph(
                "Too late, held, dead",
                "Too late to leave while valid; held and dead letters wait for a person.",
                Query(_known(_own("paceline_backlog_late_operations")), "too late"),
                Query(_known(_own("paceline_held_operations")), "held"),
                Query(_known(_own("paceline_dead_letters")), "dead letters"),
                width=8,
                empty=_UNNAMED,
            ),
        ],
    )


def _outcomes() -> Section:
    return Section(
        "Outcomes",
        [
            graph(
                "Outcomes per minute",
                "What became of this account's operations.",
                Query(rate("paceline_operations_settled_total", "outcome", where=_THIS), "{{outcome}}"),
                unit=PER_MINUTE,
                width=6,
                stacked=True,
            ),
            graph(
                "Answers by code",
                "The provider's answers; a word where there was none. 401 and 403 suspend the account, 402 too until it is paid.",
                Query(rate("paceline_provider_requests_total", "code", where=_THIS), "{{code}}"),
                unit=PER_MINUTE,
                width=6,
                stacked=True,
            ),
            graph(
                "Taken in by kind",
                "New operations of this account.",
                Query(rate("paceline_operations_accepted_total", "kind", where=_THIS), "{{kind}}"),
                unit=PER_MINUTE,
                width=6,
                stacked=True,
            ),
            graph(
                "Receipts per minute",
                "Messages that were sent, received or read for the first time, where receipts are taken. Accepted and never "
                "sent: the phone may not be connected.",
                Query(rate("paceline_receipts_total", "status", where=_THIS), "{{status}}"),
                unit=PER_MINUTE,
                width=6,
            ),
        ],
    )


def _contract() -> Section:
    credit = _own("paceline_credits_remaining")
    expiry = _own("paceline_account_expiry_timestamp_seconds")
    return Section(
        "What the provider says of the account",
        [
            stat(
                "Credits",
                "Calls the account has paid for, when the provider's /info was read last.",
                credit,
                steps=((None, BAD), (1, WARN), (1000, GOOD)),
                width=4,
                empty="Not said",
            ),
            stat(
                "Expires in",
                "Until the account ends. What has not left by then stays.",
                f"{expiry} - time()",
                unit=SPAN,
                steps=((None, BAD), (3 * _DAY, WARN), (14 * _DAY, GOOD)),
                width=4,
                empty="Not said",
            ),
            stat(
                "Read",
                "How long ago /info was read. It is read every 15 minutes unless told otherwise; much older means that it fails.",
                _own("paceline_account_info_age_seconds"),
                unit=SPAN,
                steps=((None, GOOD), (3600, WARN)),
                width=4,
                empty="Never",
            ),
            graph(
                "Credits left",
                "Against the backlog: with fewer credits than backlog, not everything can be sent.",
                Query(credit, "credits"),
                Query(f"sum({each('paceline_backlog_operations', 'account', 'priority', where=_THIS)})", "backlog"),
                empty="Not said",
            ),
        ],
    )
