"""What an import does with a row: a pure function of the row and of the account as it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from paceline_worker.accounts.account import DEFAULT_BUDGETS, NewAccount, budgets_text
from paceline_worker.accounts.info import Info
from paceline_worker.accounts.rows import ANY, NONE, AccountRow, RowError, Wanted
from paceline_worker.accounts.secrets import ApiKey
from paceline_worker.accounts.stored import StoredAccount
from paceline_worker.pacing.bucket import Variation, parse_rates


@dataclass(frozen=True, slots=True)
class Add:
    """There is no account of this name."""

    row: AccountRow
    key: ApiKey

    @property
    def needs_info(self) -> bool:
        """Whether nobody but the provider says how fast it may send."""
        return not self.row.wanted.rates

    def account(self, info: Info | None = None) -> NewAccount:
        """What is added.

        Args:
            info: its answer to ``/info``.
        """
        asked = self.row.wanted
        budgets = {**DEFAULT_BUDGETS, **(asked.budgets or {})}
        return NewAccount(
            name=self.row.name,
            key=self.key,
            rates=asked.rates or "",
            pacing=asked.pacing or "spacing",
            variation="auto" if asked.variation is None else asked.variation,
            senders=asked.senders or (),
            budgets={kind: rate for kind, rate in budgets.items() if rate},
            reserve=asked.reserve or 0,
            info=info,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """The account has other settings.

    Args:
        row: asks for them.
        options: arguments of `Accounts.change`, those that differ.
    """

    row: AccountRow
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The account is as the row asks."""

    row: AccountRow


Decision = Add | Change | Unchanged | RowError

_KEY_MISSING: Final = "key: is missing, and no account has this name. Give key, or key_env with the name of a variable"
_KEY_UNREADABLE: Final = (
    "the stored key cannot be decrypted, so nobody can say whether this is the same: PACELINE_SECRET_KEY differs. "
    "Set the value that the workers have"
)


def decide(row: AccountRow, stored: StoredAccount | None) -> Decision:
    """Compare a row with the account of its name.

    Args:
        row: what is asked for.
        stored: what is there, with its key; None when there is none.
    """
    if stored is None:
        return RowError(row.row, row.name, _KEY_MISSING) if row.key is None else Add(row, row.key)
    if row.key is not None:
        if stored.key is None:
            return RowError(row.row, row.name, _KEY_UNREADABLE)
        if stored.key.reveal() != row.key.reveal():
            words = f"the account has another key. To replace it, run `paceline accounts rotate {row.name}`"
            return RowError(row.row, row.name, words)
    options = _differences(row.wanted, stored)
    return Change(row, options) if options else Unchanged(row)


def exported(stored: StoredAccount) -> dict[str, str]:
    """The row that an import finds unchanged: texts by column, with `key_env` empty.

    Args:
        stored: the account.
    """
    absent = {kind: NONE for kind in DEFAULT_BUDGETS if kind not in stored.budgets}
    return {
        "name": stored.name,
        "key_env": "",
        "limit": stored.rates or NONE,
        "pacing": stored.pacing,
        "variation": _in_words(stored.variation),
        "reserve": str(stored.reserve),
        "budget": "; ".join(f"{kind}={rate}" for kind, rate in (stored.budgets | absent).items()),
        "senders": " ".join(stored.senders) or ANY,
    }


def _in_words(variation: Variation) -> str:
    if variation == "auto":
        return "auto"
    return f"{variation.total_seconds() * 1000:.3f}".rstrip("0").rstrip(".") + "ms"


def _differences(asked: Wanted, stored: StoredAccount) -> dict[str, Any]:
    budgets = {kind: rate for kind, rate in {**stored.budgets, **(asked.budgets or {})}.items() if rate}
    differ = {
        "rates": asked.rates is not None and _rates(asked.rates) != _rates(stored.rates),
        "pacing": asked.pacing not in {None, stored.pacing},
        "variation": asked.variation not in {None, stored.variation},
        "reserve": asked.reserve not in {None, stored.reserve},
        "budgets": _budgets(budgets) != _budgets(stored.budgets),
        "senders": asked.senders is not None and set(asked.senders) != set(stored.senders),
    }
    values = {"budgets": {kind: rate or None for kind, rate in (asked.budgets or {}).items()}}
    return {name: values.get(name, getattr(asked, name)) for name, other in differ.items() if other}


def _rates(text: str) -> list[tuple[int, int]]:
    """A limit without regard to its spelling."""
    return sorted(parse_rates(text)) if text else []


def _budgets(rates: Mapping[str, str]) -> list[str]:
    return sorted(budgets_text(rates).split())
