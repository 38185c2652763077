"""The dashboard an operator looks at first: what is wrong, and where."""

from deploy.grafana import pages, sdk
from deploy.grafana.pages import Section
from deploy.grafana.panels import (
    BAD,
    BAD_FROM_1,
    BREAKER,
    GOOD,
    PER_MINUTE,
    SECONDS,
    SHARE,
    SPAN,
    UP,
    WARN,
    WARN_FROM_1,
    Column,
    Query,
    graph,
    stat,
    table,
)
from deploy.grafana.promql import NAMED, each, or_none, or_zero, quantile, rate, top, total
from deploy.grafana.trouble import wrong

_BACKLOG = "paceline_backlog_operations"
_BACKLOG_BY_ACCOUNT = total(_BACKLOG, "account", "priority", by="account", where=NAMED)
_LARGEST = top(20, _BACKLOG_BY_ACCOUNT)
_LEFT = total("paceline_campaign_operations", "campaign", "state", by="campaign", where='state=~"waiting|scheduled"')
_LONGEST = top(20, _LEFT)


def page() -> sdk.dashboard.Dashboard:
    """The whole dashboard."""
    return pages.page(
        pages.OVERVIEW,
        "What is wrong, and where: all accounts, campaigns and workers together.",
        [wrong(), _health(), _sending(), _waiting(), _accounts(), _campaigns(), _workers()],
        annotations=(
            pages.pauses(),
            pages.suspensions(),
            pages.campaign_pauses('state="paused"'),
            *pages.held_and_released("paceline_held_operations", "account"),
            pages.breaker(),
            pages.new_release(),
        ),
    )


def _health() -> Section:
    return Section(
        "Is all well?",
        [
            stat(
                "Unaccounted",
                "Operations that came in and are nowhere. Anything but 0 is a fault of Paceline: run `paceline audit`, keep the "
                "state server's files. No value means that the exporter does not read the state, so nobody knows.",
                each("paceline_unaccounted_operations"),
                steps=BAD_FROM_1,
            ),
            stat(
                "Held",
                "Operations whose outcome nobody can know. They wait for a person: `paceline held list`.",
                or_zero(total("paceline_held_operations", "account")),
                steps=WARN_FROM_1,
            ),
            stat(
                "Dead letters",
                "Operations that were rejected or ran out of attempts and can be sent again: `paceline dead list`.",
                or_zero(total("paceline_dead_letters", "account")),
            ),
            stat(
                "Provider's breaker",
                "Open: the provider does not work for anybody, and nothing but a probe is sent. It closes automatically.",
                or_zero(each("paceline_breaker_open", where='scope="provider"')),
                words=BREAKER,
            ),
            stat(
                "Accounts' breakers open",
                "Accounts for which the provider does not work while it does for others. They close by themselves.",
                or_zero(total("paceline_breaker_open", "scope", where='scope!="provider"')),
                steps=WARN_FROM_1,
            ),
            stat(
                "Suspended accounts",
                "Accounts that send nothing until a person acts: wrong key, unpaid, or suspended by hand. Their backlog stays.",
                or_zero(total("paceline_account_suspended", "account", "reason")),
                steps=BAD_FROM_1,
            ),
            stat(
                "Paused accounts",
                "Accounts that the provider told to wait (429). They go on by themselves; many of them mean that somebody else "
                "uses the same keys.",
                or_zero(total("paceline_account_paused", "account")),
                steps=WARN_FROM_1,
            ),
            stat(
                "State server",
                "Whether the exporter reached the state server, or the servers of all shards, at its last look.",
                "min(paceline_state_shard_up) or max(paceline_state_up)",
                words=UP,
            ),
            stat(
                "Backlog",
                "Operations that stand in lanes, due or not yet their account's turn. Large is normal: keys are slow.",
                or_zero(total(_BACKLOG, "account", "priority")),
            ),
            stat(
                "Oldest",
                "Age of the oldest operation that may leave. Paused campaigns and closed windows are left out.",
                or_zero(each("paceline_backlog_oldest_age_seconds")),
                unit=SPAN,
            ),
            stat(
                "Too late",
                "Operations that cannot leave before their validity ends at their account's rate: they will expire. An estimate.",
                or_zero(total("paceline_backlog_late_operations", "account")),
                steps=WARN_FROM_1,
            ),
            stat(
                "In flight",
                "Operations that workers have taken on and not yet settled.",
                each("paceline_in_flight_operations"),
            ),
            stat(
                "Inbox",
                "Records that services wrote and no worker has taken in yet. It should be near 0: rising means too few workers, "
                "or a broker that lost the hints (they are looked for again by themselves).",
                each("paceline_inbox_records"),
                steps=((None, GOOD), (1000, WARN), (100_000, BAD)),
            ),
            stat(
                "Workers",
                "Alive, by the state server, against wanted for all that is due.",
                Query(each("paceline_workers"), "alive"),
                Query(each("paceline_workers_wanted"), "wanted"),
                width=6,
            ),
            stat("Accounts", "Accounts that exist, with work or without.", each("paceline_accounts")),
        ],
    )


def _sending() -> Section:
    limit = "paceline_rate_limit_per_second"
    with_work = (
        f"{each(limit, 'account')} * 60 and on (account) {total(_BACKLOG, 'account', 'priority', by='account')} > 0"
    )
    return Section(
        "Sending: details of one account",
        [
            graph(
                "Sent per minute against allowed",
                "Calls of the provider, what all accounts together may send, and what those with a backlog may. Sent should "
                "follow the last one: far below it, look at pauses, breakers, workers. Accounts without a series of their own "
                "count as one.",
                Query(rate("paceline_provider_requests_total"), "sent"),
                Query(or_zero(f"{total(limit, 'account')} * 60"), "allowed, all accounts"),
                Query(or_zero(f"sum({with_work})"), "allowed, accounts with a backlog"),
                unit=PER_MINUTE,
            ),
            graph(
                "Rate used, top 10",
                "Slots taken in the last minute over what the account's own limit allows. With a backlog it should be near "
                "100 %; after 429s, in an outage and with slow calls less is allowed.",
                Query(top(10, each("paceline_rate_used_ratio", "account", where=NAMED)), "{{account}}"),
                unit=SHARE,
                most=1,
                url=pages.ACCOUNT_OF_SERIES,
                empty="No account exists, or the state is not read",
            ),
            graph(
                "Outcomes per minute",
                "What became of operations. Accepted by the provider is the good one; expired means that validity was too short "
                "for the rate.",
                Query(rate("paceline_operations_settled_total", "outcome"), "{{outcome}}"),
                unit=PER_MINUTE,
                width=6,
                stacked=True,
            ),
            graph(
                "Answers by code",
                "Answers of the provider; a word where there was none (timeout, connect). 429 should hardly be seen.",
                Query(rate("paceline_provider_requests_total", "code"), "{{code}}"),
                unit=PER_MINUTE,
                width=6,
                stacked=True,
            ),
            graph(
                "Taken in against settled",
                "New operations, and operations that got their outcome. Taken in above settled: the backlog grows.",
                Query(rate("paceline_operations_accepted_total"), "taken in"),
                Query(rate("paceline_operations_settled_total"), "settled"),
                unit=PER_MINUTE,
                width=6,
            ),
            graph(
                "Receipts per minute",
                "Messages that were sent, received or read for the first time, where receipts are taken (paceline receipts).",
                Query(rate("paceline_receipts_total", "status"), "{{status}}"),
                unit=PER_MINUTE,
                width=6,
            ),
        ],
        leads_to=pages.ACCOUNT,
    )


def _waiting() -> Section:
    return Section(
        "Waiting: details of one account",
        [
            graph(
                "Backlog by priority",
                "What stands in lanes. Transactional leaves first and should stay low.",
                Query(
                    or_none(total(_BACKLOG, "account", "priority", by="priority"), "priority"),
                    "{{priority}}",
                ),
                Query(or_zero(total("paceline_backlog_scheduled_operations", "account")), "waits for a time"),
                width=8,
                stacked=True,
            ),
            graph(
                "Oldest age, top 10",
                "Age of the oldest operation that may leave. It grows by a second a second where an account is held back.",
                Query(top(10, each("paceline_backlog_oldest_age_seconds", "account", where=NAMED)), "{{account}}"),
                unit=SECONDS,
                width=8,
                url=pages.ACCOUNT_OF_SERIES,
                empty="No account exists, or the state is not read",
            ),
            graph(
                "For a person, and not yet taken in",
                "Held operations and dead letters wait for a person; inbox records for a worker.",
                Query(or_zero(total("paceline_held_operations", "account")), "held"),
                Query(or_zero(total("paceline_dead_letters", "account")), "dead letters"),
                Query(each("paceline_inbox_records"), "inbox"),
                width=8,
            ),
            table(
                "Accounts with the largest backlog",
                "The 20 with most to send, and how they are getting on. A name leads to the account's dashboard.",
                [
                    Column("Backlog", _LARGEST),
                    Column(
                        "Allowed", _of_largest(f"{each('paceline_rate_limit_per_second', 'account')} * 60"), PER_MINUTE
                    ),
                    Column("Rate used", _of_largest(each("paceline_rate_used_ratio", "account")), SHARE),
                    Column("Oldest", _of_largest(each("paceline_backlog_oldest_age_seconds", "account")), SPAN),
                    Column("Too late", _of_largest(each("paceline_backlog_late_operations", "account"))),
                ],
                label="account",
                heading="Account",
                url=pages.ACCOUNT_OF_ROW,
                empty="No account exists, or the state is not read",
            ),
        ],
        leads_to=pages.ACCOUNT,
    )


def _accounts() -> Section:
    expiry = each("paceline_account_expiry_timestamp_seconds", "account", where=NAMED)
    return Section(
        "Accounts that need attention: details of one account",
        [
            graph(
                "Accounts kept from sending",
                "How many are suspended, paused by the provider, or behind an open breaker.",
                Query(or_zero(total("paceline_account_suspended", "account", "reason")), "suspended"),
                Query(or_zero(total("paceline_account_paused", "account")), "paused"),
                Query(or_zero(total("paceline_breaker_open", "scope", where='scope!="provider"')), "breaker open"),
                width=6,
            ),
            table(
                "Suspended",
                "Which, and why: bad_key wants a key that works, unpaid is lifted when the provider says so, manual was us.",
                [Column("Suspended", top(50, f"{each('paceline_account_suspended', 'account', 'reason')} > 0"))],
                label="account",
                heading="Account",
                url=pages.ACCOUNT_OF_ROW,
                width=6,
                empty="None is suspended",
            ),
            table(
                "Next to expire",
                "Accounts that end soonest, as the provider says. What has not left by then stays.",
                [Column("Left", f"bottomk(10, {expiry} - time())", SPAN)],
                label="account",
                heading="Account",
                url=pages.ACCOUNT_OF_ROW,
                width=6,
                empty="The provider has named no end",
            ),
            table(
                "Figures read longest ago",
                "Since when limit, credits and end are as the provider's /info told them. It is read every 15 minutes.",
                [Column("Ago", top(10, each("paceline_account_info_age_seconds", "account", where=NAMED)), SPAN)],
                label="account",
                heading="Account",
                url=pages.ACCOUNT_OF_ROW,
                width=6,
                empty="None was read yet",
            ),
        ],
        leads_to=pages.ACCOUNT,
    )


def _campaigns() -> Section:
    states = total("paceline_campaign_state", "campaign", "state", by="state")
    return Section(
        "Campaigns: details of one campaign",
        [
            graph(
                "Open campaigns by state",
                "Of the 50 open campaigns with most left to do. A paused one may have paused itself: look at its rejections.",
                Query(or_none(states, "state"), "{{state}}"),
                width=8,
                stacked=True,
            ),
            table(
                "Campaigns with most left",
                "The 20 largest, when each ends at this pace, and how many of its last 100 answers were rejections.",
                [
                    Column("Left", _LONGEST),
                    Column(
                        "Ends in",
                        f"({each('paceline_campaign_ends_timestamp_seconds', 'campaign')} - time()) "
                        f"and on (campaign) {_LONGEST}",
                        SPAN,
                    ),
                    Column(
                        "Rejected",
                        f"{each('paceline_campaign_rejected_ratio', 'campaign')} and on (campaign) {_LONGEST}",
                        SHARE,
                    ),
                ],
                label="campaign",
                heading="Campaign",
                url=pages.CAMPAIGN_OF_ROW,
                width=16,
                empty="No campaign is open",
            ),
        ],
        leads_to=pages.CAMPAIGN,
    )


def _workers() -> Section:
    lateness = "paceline_slot_lateness_seconds"
    return Section(
        "Workers: details",
        [
            graph(
                "Workers alive against wanted",
                "Wanted is what would do all that is due. More wanted than alive for long: start some.",
                Query(each("paceline_workers"), "alive"),
                Query(each("paceline_workers_wanted"), "wanted"),
                width=8,
            ),
            graph(
                "Load against capacity",
                "Calls under way, and how many the fleet may have under way.",
                Query("sum(paceline_worker_load_operations) or vector(0)", "load"),
                Query(each("paceline_fleet_capacity_operations"), "capacity"),
                width=8,
            ),
            graph(
                "How promptly, and how fast the provider",
                "99 % of requests left within this time after their slot; 95 % of answers came within that time.",
                Query(quantile(0.99, lateness), "slot lateness, p99"),
                Query(quantile(0.95, "paceline_provider_request_duration_seconds"), "provider's answer, p95"),
                unit=SECONDS,
                width=8,
                empty="Nothing was sent",
            ),
        ],
        leads_to=pages.WORKERS,
    )


def _of_largest(expr: str) -> str:
    return f"{expr} and on (account) {_LARGEST}"
