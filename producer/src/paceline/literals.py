"""The words that types are made of: a checker knows each of them, and completes them."""

from typing import Final, Literal, TypeAlias, get_args

KindName: TypeAlias = Literal[
    "message.to_number",
    "message.to_group",
    "message.to_remote_id",
    "message.pin",
    "message.delete",
    "status.text",
    "status.image",
    "status.video",
    "profile.about",
    "profile.picture",
    "group.create",
    "group.add",
    "group.remove",
    "group.promote",
    "group.demote",
    "group.set_description",
    "group.set_picture",
    "waba.template",
    "waba.session_text",
    "waba.session_media",
    "waba.interactive",
    "sms.send",
    "number.check",
]

# What becomes of an operation: exactly one of them.
Outcome: TypeAlias = Literal["accepted", "rejected", "expired", "cancelled", "dead", "held", "suppressed"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)

# Where an operation is, or its outcome.
OperationState: TypeAlias = Literal[
    "waiting", "granted", "sending", "accepted", "rejected", "expired", "cancelled", "dead", "held", "suppressed"
]

# What an entry of a stream of outcomes tells.
EntryEvent: TypeAlias = Literal["settled", "sent", "delivered", "read", "not_sent"]

CampaignState: TypeAlias = Literal["uploading", "running", "paused", "cancelling", "cancelled", "complete"]
