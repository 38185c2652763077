"""A campaign's first message to its own author."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice

from paceline.campaigns.content import operation_of
from paceline.campaigns.draft import Draft
from paceline.campaigns.recipients import PAYLOAD, numbered
from paceline.errors import InvalidOperation, InvalidRow
from paceline.operations import Operation
from paceline.operations.requests import merged

# Rows looked at for one that can be sent.
_MOST_ROWS = 1000


def first_message(described: Draft, recipients: Iterable[Mapping[str, object]], to: str) -> Operation:
    """The message that the first recipient would get, for another number.

    Args:
        described: the campaign.
        recipients: its rows.
        to: the number.

    Returns:
        A transactional message without the campaign's times.

    Raises:
        InvalidOperation: there are no rows, or none of the first ones can be sent; the reason of the first one is told.
    """
    encoder, reasons = described.encoder(), list[str]()
    for row in numbered(islice(recipients, _MOST_ROWS)):
        try:
            fields = encoder(row)
        except InvalidRow as error:
            reasons.append(f"line {row.line}: {error.reason}")
            continue
        payload = merged(described.template, json.loads(fields[PAYLOAD]))
        return operation_of(
            described.kind,
            payload,
            account=described.account,
            sender=described.sender,
            to=to,
            metadata={"test_of": described.name},
        )
    raise InvalidOperation(f"recipients: {f'no row can be sent; {reasons[0]}' if reasons else 'there are none'}")
