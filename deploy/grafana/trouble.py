"""The first row of the overview: alerts that fire, and accounts that something keeps from sending."""

from deploy.grafana import pages
from deploy.grafana.pages import Section
from deploy.grafana.panels import (
    labels_table,
)
from deploy.grafana.promql import NAMED, select


def _why(metric: str, why: str, *labels: str, where: str = NAMED) -> str:
    """1 for each account about which a gauge is above zero, with the reason as label ``why``."""
    found = f"max by ({', '.join(('account', *labels))}) ({select(metric, where)}) > bool 0 == 1"
    source, pattern = (labels[0], "(.*)") if labels else ("", "")
    return f'max by (account, why) (label_replace({found}, "why", "{why}", "{source}", "{pattern}"))'


def _in_trouble() -> str:
    """Accounts that something keeps from sending, or whose messages need a person; one series for each reason."""
    broken = (
        'label_replace(max by (scope) (paceline_breaker_open{scope!="provider"}) > bool 0 == 1, '
        '"account", "$1", "scope", "(.*)")'
    )
    reasons = (
        _why("paceline_account_suspended", "suspended: $1", "reason"),
        _why("paceline_account_paused", "paused: 2Chat answered 429"),
        f'max by (account, why) (label_replace({broken}, "why", "breaker open: its calls fail", "", ""))',
        _why("paceline_held_operations", "messages are held"),
        _why("paceline_backlog_late_operations", "messages will expire"),
    )
    return " or ".join(reasons)


def wrong() -> Section:
    """The section that is empty when nothing is wrong."""
    fires = 'alertstate="firing", alertname!="Watchdog"'
    # The alert of an account's breaker names the account as its scope.
    firing = (
        "max by (alertname, severity, account, campaign) "
        f'(label_replace(ALERTS{{{fires}, scope!="provider"}}, "account", "$1", "scope", "(.+)") '
        f'or ALERTS{{{fires}, scope="provider"}})'
    )
    return Section(
        "What is wrong?",
        [
            labels_table(
                "Alerts that fire",
                "Each alert has a runbook of its name: what users feel, where to look, what to do first.",
                firing,
                {"alertname": "Alert", "severity": "Severity", "account": "Account", "campaign": "Campaign"},
                links={"Alert": pages.RUNBOOK_OF_ROW, "Account": pages.ACCOUNT_OF_ROW},
                empty="No alert fires",
            ),
            labels_table(
                "Accounts in trouble",
                "Accounts that do not send, or whose messages wait for a person, and why. The first 50.",
                f"topk(50, {_in_trouble()})",
                {"account": "Account", "why": "Why"},
                links={"Account": pages.ACCOUNT_OF_ROW},
                empty="No account is in trouble",
            ),
        ],
    )
