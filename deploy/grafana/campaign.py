"""The dashboard of one campaign: how far it is, when it ends, and whether it is going well."""

from deploy.grafana import pages, sdk
from deploy.grafana.pages import Section
from deploy.grafana.panels import (
    BAD,
    FROM_NOW,
    GOOD,
    PER_MINUTE,
    SHARE,
    SPAN,
    WARN,
    WARN_FROM_1,
    Query,
    graph,
    stat,
    timeline,
)
from deploy.grafana.promql import each, holds

_THIS = 'campaign="$campaign"'
_OPERATIONS = "paceline_campaign_operations"
_RECEIPTS = "paceline_campaign_receipts"
_NOT_OPEN = "Not among the open campaigns"
_NO_FORECAST = "Cannot be said"
_NO_RECEIPTS = "No receipts"
_LEFT = "waiting|scheduled"


def page() -> sdk.dashboard.Dashboard:
    """The whole dashboard."""
    described = (
        "One campaign: how far it is, when it ends, whether it is going well. The 50 open ones with most left, and for six hours "
        "those that completed; of others see `paceline campaign status`."
    )
    return pages.page(
        pages.CAMPAIGN,
        described,
        [_now(), _progress(), _quality()],
        variables=[pages.choice("campaign", "Campaign", "By its name", pages.CAMPAIGNS)],
        annotations=(
            pages.campaign_pauses(f'{_THIS}, state="paused"'),
            pages.suspensions(),
            *pages.held_and_released(_OPERATIONS, "campaign", "state", where=f'{_THIS}, state="held"'),
            pages.breaker(),
        ),
        since="now-6h",
    )


def _sum(states: str = "") -> str:
    where = f'{_THIS}, state=~"{states}"' if states else _THIS
    return f"sum({each(_OPERATIONS, 'state', where=where)})"


def _told(status: str) -> str:
    """How many of its messages receipts told that of; nothing where no receipt came."""
    told = each(_RECEIPTS, where=f'{_THIS}, status="{status}"')
    return f"{told} and on () sum({each(_RECEIPTS, 'status', where=_THIS)}) > 0"


def _now() -> Section:
    ends = each("paceline_campaign_ends_timestamp_seconds", where=_THIS)
    return Section(
        "Now",
        [
            stat(
                "State",
                "uploading, running, paused (by hand, or automatically after too many rejections) or cancelling.",
                Query(holds(each("paceline_campaign_state", "state", where=_THIS)), "{{state}}"),
                empty=_NOT_OPEN,
                text=sdk.common.BigValueTextMode.NAME,
            ),
            stat(
                "Done",
                "Share of its operations that have an outcome.",
                f"1 - ({_sum(_LEFT)} or {_sum()} * 0) / clamp_min({_sum()}, 1)",
                unit=SHARE,
                empty=_NOT_OPEN,
            ),
            stat("Left", "Operations that wait for their turn or for a time.", _sum(_LEFT), empty=_NOT_OPEN),
            stat(
                "Ends",
                "When the last one is expected to leave, beside all else that waits. Nothing can be said while it is paused.",
                f"({ends} > 0) * 1000",
                unit=FROM_NOW,
                empty=_NO_FORECAST,
            ),
            stat(
                "Ends in",
                "The same, as a time from now.",
                f"clamp_min(({ends} > 0) - time(), 0)",
                unit=SPAN,
                empty=_NO_FORECAST,
            ),
            stat(
                "Delivered",
                "Messages that reached the recipient's device, as receipts tell. Receipts come for hours after the last outcome.",
                _told("delivered"),
                empty=_NO_RECEIPTS,
            ),
            stat(
                "Read",
                "Messages that the recipient has read, as far as receipts tell: people may switch that off.",
                _told("read"),
                empty=_NO_RECEIPTS,
            ),
            stat(
                "Not sent",
                "Messages that the provider accepted, and told to have failed after all.",
                _told("not_sent"),
                steps=WARN_FROM_1,
                empty=_NO_RECEIPTS,
            ),
            stat(
                "Rejected of the last 100",
                "Share of its last 100 answers that were rejections. Above 20 %, unless told otherwise, it pauses automatically.",
                each("paceline_campaign_rejected_ratio", where=_THIS),
                unit=SHARE,
                steps=((None, GOOD), (0.05, WARN), (0.2, BAD)),
                empty=_NOT_OPEN,
            ),
            stat(
                "Expired",
                "Operations that were not sent while they were valid: too slow a rate, too short a validity, a long pause.",
                f"{_sum('expired')} or {_sum()} * 0",
                steps=WARN_FROM_1,
                empty=_NOT_OPEN,
            ),
            stat(
                "Suppressed",
                "Operations that were not sent because their recipient is on a suppression list: `paceline suppress check`.",
                f"{_sum('suppressed')} or {_sum()} * 0",
                empty=_NOT_OPEN,
            ),
            stat(
                "Held",
                "Operations whose outcome nobody can know; a person decides: `paceline held list`.",
                f"{_sum('held')} or {_sum()} * 0",
                steps=WARN_FROM_1,
                empty=_NOT_OPEN,
            ),
        ],
    )


def _progress() -> Section:
    ended = each(_OPERATIONS, "state", where=f'{_THIS}, state!~"{_LEFT}"')
    pace = f'max by (state) (deriv({_OPERATIONS}{{{_THIS}, state!~"{_LEFT}"}}[$__rate_interval]))'
    return Section(
        "Progress",
        [
            graph(
                "Progress by state",
                "All its operations: waiting operations, operations waiting for a time, and those with an outcome.",
                Query(each(_OPERATIONS, "state", where=_THIS), "{{state}}"),
                stacked=True,
                empty=_NOT_OPEN,
            ),
            graph(
                "Outcomes by state",
                "The same without what is left.",
                Query(ended, "{{state}}"),
                empty=_NOT_OPEN,
            ),
            graph(
                "Pace",
                "Outcomes a minute. It shares its sender with other campaigns by weight, and the account with all else.",
                Query(f"clamp_min({pace}, 0) * 60", "{{state}}"),
                unit=PER_MINUTE,
                stacked=True,
                empty=_NOT_OPEN,
            ),
            graph(
                "Receipts",
                "Messages that receipts report as sent, delivered, read, or failed after all. None at all: "
                "`paceline receipts subscribe`.",
                Query(each(_RECEIPTS, "status", where=_THIS), "{{status}}"),
                empty=_NO_RECEIPTS,
            ),
            timeline(
                "State over time",
                "When it was uploading, running, paused, cancelling.",
                Query(each("paceline_campaign_state", "state", where=_THIS), "{{state}}"),
                words={0: ("no", "text"), 1: ("yes", "blue")},
                width=12,
                empty=_NOT_OPEN,
            ),
        ],
    )


def _quality() -> Section:
    ends = each("paceline_campaign_ends_timestamp_seconds", where=_THIS)
    return Section(
        "Is it going well?",
        [
            graph(
                "Rejected share",
                "Of the last 100 answers, and of all. The dashed line is the default threshold of the automatic pause.",
                Query(each("paceline_campaign_rejected_ratio", where=_THIS), "of the last 100"),
                Query(f"({_sum('rejected')} or {_sum()} * 0) / clamp_min({_sum('accepted|rejected')}, 1)", "of all"),
                unit=SHARE,
                line=0.2,
                empty=_NOT_OPEN,
            ),
            graph(
                "Time left by the forecast",
                "It should fall by a second a second. Level means that something keeps it; a step, that its plan changed.",
                Query(f"clamp_min(({ends} > 0) - time(), 0)", "left"),
                unit=SPAN,
                empty=_NO_FORECAST,
            ),
        ],
    )
