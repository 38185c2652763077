"""The report: what each key did, against what it was allowed."""

from paceline_sandbox.accounts.accounts import Account
from paceline_sandbox.answers import JsonObject
from paceline_sandbox.clock import SECOND_US
from paceline_sandbox.provider import Provider


def achieved_per_second(account: Account) -> float | None:
    """The rate of accepted messages, (n-1)/(last-first) per second, or None for fewer than two instants.

    Args:
        account: the key's state.
    """
    first_us, last_us = account.first_accepted_us, account.last_accepted_us
    if first_us is None or last_us is None or last_us <= first_us:
        return None
    return (account.accepted - 1) * SECOND_US / (last_us - first_us)


def key_report(account: Account) -> JsonObject:
    """The report of one key.

    Args:
        account: the key's state.
    """
    rate = achieved_per_second(account)
    return {
        "arrivals": account.arrivals,
        "accepted": account.accepted,
        "duplicates": account.duplicates,
        "repeats": account.repeats,
        "violations": account.violations,
        "operations": dict(sorted(account.operations.items())),
        "answers": dict(sorted(account.answers.items())),
        "credits_used": account.credits_used,
        "checks_used": account.checks_used,
        "first_arrival_us": account.first_us,
        "last_arrival_us": account.last_us,
        "first_accepted_us": account.first_accepted_us,
        "last_accepted_us": account.last_accepted_us,
        "achieved_per_second": rate,
        "limits": [
            {
                "limit": limit.text,
                "algorithm": limit.algorithm or account.settings.algorithm,
                "violations": violations,
                "share_used": None if rate is None else rate / limit.per_second,
            }
            for limit, violations in zip(account.limits, account.broken, strict=True)
        ],
    }


def summary(provider: Provider) -> JsonObject:
    """The report without its keys: the seed, the present and totals.

    Args:
        provider: the provider's state.
    """
    accounts = provider.accounts.values()
    return {
        "seed": provider.seed,
        "now_us": provider.clock(),
        "totals": {
            "requests": len(provider.journal),
            "keys": len(accounts),
            "arrivals": sum(account.arrivals for account in accounts),
            "accepted": sum(account.accepted for account in accounts),
            "duplicates": sum(account.duplicates for account in accounts),
            "violations": sum(account.violations for account in accounts),
        },
    }
