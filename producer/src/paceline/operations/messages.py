"""Messages of the WhatsApp Web channel (docs/provider.md, 2.1)."""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from paceline.fields import (
    GroupReference,
    GroupUuid,
    MediaBytes,
    MediaUrl,
    MessageReference,
    PhoneNumber,
    RemoteId,
    Text,
)
from paceline.ids import is_id
from paceline.operations.base import Operation, Refusing, exactly_one, given


class Pin(Refusing):
    """A place on the map.

    Args:
        latitude: degrees north, -90 to 90.
        longitude: degrees east, -180 to 180.
        name: what the place is called.
        address: where it is, in words.
    """

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    name: str | None = Field(default=None, max_length=256)
    address: str | None = Field(default=None, max_length=512)

    def wire(self) -> dict[str, str]:
        """The provider's form: coordinates as strings (docs/provider.md, 2.1.1)."""
        place = {"latitude": f"{self.latitude:.7f}", "longitude": f"{self.longitude:.7f}"}
        return place | given(name=self.name, address=self.address)


class SendMessage(Operation):
    """A WhatsApp message to a number, a group or a remote id: text, a file by its address (text is its caption), or a pin.

    Call: ``POST /whatsapp/send-message``.

    Args:
        to: the recipient's number, E.164; exactly one of ``to``, ``group`` and ``remote_id``.
        group: the group's uuid, or the id of the `CreateGroup` operation that makes it, which is then waited for.
        remote_id: a contact hidden behind a user name, ``<digits>@lid``.
        text: the words; at least one of ``text``, ``url``, ``pin``.
        url: public https address of an attachment, at most 16 MB.
        media_bytes: the attachment's size in bytes, when known: more than 16 MB is refused here instead of by the provider.
        pin: a place on the map; goes without text and file.
    """

    kinds: ClassVar = ("message.to_number", "message.to_group", "message.to_remote_id", "message.pin")

    to: PhoneNumber | None = None
    group: GroupReference | None = None
    remote_id: RemoteId | None = None
    text: Text | None = None
    url: MediaUrl | None = None
    media_bytes: MediaBytes | None = None
    pin: Pin | None = None

    @model_validator(mode="after")
    def _one_target_and_some_content(self) -> Self:
        exactly_one(to=self.to, group=self.group, remote_id=self.remote_id)
        if not (self.text or self.url or self.pin):
            raise ValueError("text, url, pin: give at least one of them")
        if self.pin and (self.text or self.url):
            raise ValueError("pin: excludes text and url")
        if self.media_bytes and not self.url:
            raise ValueError("media_bytes: needs url")
        return self

    @property
    def kind(self) -> str:
        """By content and target."""
        if self.pin:
            return "message.pin"
        if self.to:
            return "message.to_number"
        return "message.to_group" if self.group else "message.to_remote_id"

    @property
    def target(self) -> str:
        """The number, the group or the remote id."""
        return self.to or self.group or self.remote_id or ""

    def payload(self) -> dict[str, Any]:
        """Text, address and pin, as the provider wants them: a pin comes with an empty text."""
        if self.pin:
            return {"text": "", "pin": self.pin.wire()}
        return given(text=self.text, url=self.url)


class DeleteMessage(Operation):
    """Delete a message in 2Chat and in WhatsApp, up to 60 hours after it was sent.

    Call: ``DELETE /whatsapp/message/{session_key}/{message_uuid}``. The session key is made from the sender's
    channel, which is asked for once, and the conversation.

    Args:
        message: the message's uuid, or the id of the `SendMessage` operation that sent it, which is then waited for and
            says itself where it went.
        to: with a uuid, whom it went to; exactly one of ``to``, ``group`` and ``remote_id``.
        group: or the group's uuid.
        remote_id: or the remote id.
    """

    kinds: ClassVar = ("message.delete",)

    message: MessageReference
    to: PhoneNumber | None = None
    group: GroupUuid | None = None
    remote_id: RemoteId | None = None

    @model_validator(mode="after")
    def _conversation(self) -> Self:
        if not is_id(self.message):
            exactly_one(to=self.to, group=self.group, remote_id=self.remote_id)
        elif self.to or self.group or self.remote_id:
            raise ValueError("message: an operation's id determines the recipient; leave to, group and remote_id out")
        return self

    @property
    def target(self) -> str:
        """The conversation, so that a message is deleted after what was sent before."""
        return self.to or self.group or self.remote_id or self.message

    @property
    def follows(self) -> str | None:
        """The operation that sent it."""
        return self.message if is_id(self.message) else None

    @property
    def requests(self) -> int:
        """The deletion, and of a group's message the question for the group's WhatsApp id before it."""
        return 2 if self.group else 1

    def payload(self) -> dict[str, Any]:
        """The message's uuid; of an operation's message the worker knows it."""
        return {} if is_id(self.message) else {"message_uuid": self.message}
