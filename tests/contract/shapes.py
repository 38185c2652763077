"""The shapes of the provider's bodies (docs/provider.md, 1 and 2): required keys and their types, nothing else."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

MessageUuid = Annotated[str, Field(pattern="^MSG")]
GroupUuid = Annotated[str, Field(pattern="^(WAG|WGP)")]
WaGroupId = Annotated[str, Field(pattern="@g[.]us$")]


class Body(BaseModel):
    """Whatever else the provider adds is its own affair."""

    model_config = ConfigDict(extra="allow", strict=True)


class Success(Body):
    success: Literal[True]


class Batched(Success):
    batched: bool


class Sent(Batched):
    message_uuid: MessageUuid


class SmsSent(Success):
    """One source says ``message_id``, another ``message_uuid`` (docs/provider.md, 2.5)."""

    message_id: str | None = None
    message_uuid: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if not (self.message_id or self.message_uuid):
            raise ValueError("neither message_id nor message_uuid")
        return self


class Deleted(Success):
    message_uuid: MessageUuid
    whatsapp_message_id: str | None


class Addition(Body):
    statusCode: int  # noqa: N815 - the provider's own spelling, as below
    message: str
    isInviteV4Sent: bool  # noqa: N815


class Founding(Addition):
    isGroupCreator: bool  # noqa: N815


class MadeGroup(Body):
    uuid: GroupUuid
    name: str
    wa_group_id: WaGroupId
    participants: dict[str, Founding]
    accepted_numbers: list[str]
    unaccepted_numbers: list[str]


class Created(Success):
    group: MadeGroup


class Added(Success):
    """Refused numbers are listed at the top or among the participants, if at all."""

    participants: dict[str, Addition | list[str]]


class ChangedParticipants(Body):
    timestamp: int
    accepted_numbers: list[str]
    unaccepted_numbers: list[str]


class Changed(Success):
    participants: ChangedParticipants


class Message(Body):
    id: str
    uuid: MessageUuid
    session_key: str
    message: dict[str, Any]
    created_at: str
    sent_by: str


class Messages(Success):
    page_number: int
    messages: list[Message]


class Group(Body):
    uuid: GroupUuid
    channel_uuid: str
    wa_group_id: WaGroupId
    wa_group_name: str
    wa_subject: str | None
    size: int
    created_at: str


class Groups(Success):
    data: list[Group]


class Participant(Body):
    wa_participant_id: str
    wa_is_admin: bool
    wa_is_super_admin: bool
    phone_number: str


class WholeGroup(Group):
    participants: list[Participant]


class OneGroup(Success):
    data: WholeGroup


class Channel(Body):
    uuid: Annotated[str, Field(pattern="^WPN")]
    phone_number: str
    connection_status: Literal["C", "D", "F"]
    channel_type: str


class Numbers(Success):
    count: int
    page: int
    numbers: list[Channel]


class KnownNumber(Body):
    e164_format: str
    iso_country_code: str
    region: str | None
    carrier: str | None
    timezone: list[str]


class WhatsAppInfo(Body):
    number_id: str


class Checked(Body):
    """There is no ``success`` in it."""

    is_valid: Literal[True]
    on_whatsapp: bool
    number: KnownNumber
    whatsapp_info: WhatsAppInfo | None = None


class NoNumber(Body):
    is_valid: Literal[False]


class Account(Body):
    name: str
    uuid: str
    on_trial: bool
    blocked: bool
    created_at: str
    expires_at: str | None


class Limits(Body):
    requests_per_minute: int


class Usage(Body):
    api_request_count: int
    max_api_request_count: int
    number_check_count: int
    max_number_check_count: int


class Info(Success):
    account: Account
    limits: Limits
    usage: Usage


class OfTheApplication(Body):
    """The first family of errors; over SMS it has no ``success``."""

    success: Literal[False] = False
    error: Literal[True]
    error_message: str


class OfTheGateway(Body):
    detail: str


class FieldError(Body):
    loc: list[str | int]
    msg: str
    type: str


class OfTheFields(Body):
    detail: list[FieldError]


ANY_ERROR: TypeAdapter[OfTheApplication | OfTheGateway | OfTheFields] = TypeAdapter(
    OfTheApplication | OfTheGateway | OfTheFields
)
