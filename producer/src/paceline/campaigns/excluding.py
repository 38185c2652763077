"""Recipients of other campaigns, who are left out."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from paceline.errors import CampaignConflict, InvalidOperation, NotFound
from paceline.ids import derived_ids
from paceline.lua.fields import OPERATION
from paceline.recipients.numbers import is_phone_number
from paceline.state.calls import State
from paceline.times import instant, microseconds

# Ids of a row stand in its record, where they have their place up to this number.
MOST: Final = 10
# Looked up once: an upload makes millions of rows.
EXCLUDED_IDS: Final = OPERATION.code("excluded_ids")
ROW_KEY: Final = OPERATION.code("row_key")


class Exclusions:
    """Under which ids the recipients of a campaign would be found in others.

    Args:
        names: the other campaigns.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = tuple(dict.fromkeys(names))
        makers = [(derived_ids("campaign", name), derived_ids("campaign", name, "key")) for name in self.names]
        self._makers: list[tuple[Callable[[str], str], Callable[[str], str]]] = makers

    def of(self, fields: Mapping[str, str]) -> dict[str, str]:
        """What a row's record holds besides the row itself: the ids, with blanks between.

        Args:
            fields: of the row, as `Encoder` makes them.
        """
        if not self._makers:
            return {}
        to, key = fields["to"], fields.get(ROW_KEY, "")
        ids = [by_number(to) for by_number, _ in self._makers]
        if key:
            # As the row itself is told apart: a key that is a number is not that number's recipient.
            is_number = is_phone_number(key)
            ids += [(by_key if is_number else by_number)(key) for by_number, by_key in self._makers]
        return {EXCLUDED_IDS: " ".join(ids)}

    def check(self, state: State, account: str, keys: str) -> None:
        """Refuse campaigns in which the recipients could not be found.

        Args:
            state: asked for each of them.
            account: of the campaign that leaves them out.
            keys: of its rows, from `upload.keys_of`.

        Raises:
            NotFound: the account has none of that name.
            InvalidOperation: there are too many.
            CampaignConflict: its recipients are told apart in another way, or are forgotten.
        """
        if len(self.names) > MOST:
            raise InvalidOperation(f"exclude_campaigns: names more than {MOST} campaigns")
        for name in self.names:
            campaign = state.campaign(name)
            if not campaign or campaign.account != account:
                raise NotFound(
                    f"exclude_campaigns: account {account!r} has no campaign named {name!r}: see `paceline campaign list`"
                )
            if {campaign.keys, keys} == {"all", "none"}:
                other = "have a `key`, and these have none" if keys == "none" else "have no `key`, and these have one"
                raise CampaignConflict(
                    f"campaign {name!r}: its rows {other}, so nobody can tell who got its message: "
                    "use a list with the same column"
                )
            forgets_at_us = campaign.forgets_at_us
            if forgets_at_us and forgets_at_us <= microseconds(datetime.now(UTC)):
                raise CampaignConflict(
                    f"campaign {name!r}: its first outcomes are past their retention time since "
                    f"{instant(forgets_at_us).isoformat(timespec='seconds')}, so nobody knows who got its message"
                )
