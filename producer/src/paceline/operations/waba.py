"""The official WhatsApp Business API channel (docs/provider.md, 2.4)."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from paceline.operations.base import Operation, Refusing, given
from paceline.operations.values import LONGEST_TEXT, MediaBytes, MediaUrl, PhoneNumber, Text
from paceline.refusals import TEMPLATE_PATTERN

_NAMED: Final = re.compile(r"\{\{\s*[^0-9\s{}][^{}]*\}\}")
_VARIABLE: Final = re.compile(r"\{\{\s*([0-9]{1,3})\s*\}\}")
# WhatsApp's own limits.
_MOST_ROWS: Final = 10
LONGEST_VARIABLE: Final = 1024
LONGEST_FILENAME: Final = 240

Variable = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_VARIABLE)]
# Any sequence is taken; a model keeps a tuple, because it is a value.
Variables = Annotated[Sequence[Variable], AfterValidator(tuple)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=60)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=24)]


class _ToNumber(Operation):
    """To one number."""

    to: PhoneNumber

    @property
    def target(self) -> str:
        """The recipient's number."""
        return self.to


class SendTemplate(_ToNumber):
    """An approved template with its variables filled: what may be sent outside the 24 hours after a customer's message.

    Call: ``POST /waba/send-message`` with ``template_uuid`` and ``params``.

    Args:
        to: the recipient's number, E.164.
        template: the template's uuid, ``TMP...``.
        body: values of ``{{1}}``, ``{{2}}`` ... of the body, in this order; none of them empty.
        header: values of the header's variables.
        buttons: values of the buttons' variables.
        header_media_url: public https address of the header's picture, video or document.
        header_media_filename: what the document is called.
        content: the template's words with ``{{1}}`` ..., when known: then a missing or superfluous variable is refused here
            instead of by the provider.
    """

    kinds: ClassVar = ("waba.template",)

    template: str = Field(pattern=TEMPLATE_PATTERN)
    body: Variables = ()
    header: Variables = ()
    buttons: Variables = ()
    header_media_url: MediaUrl | None = None
    header_media_filename: str | None = Field(default=None, min_length=1, max_length=LONGEST_FILENAME)
    content: str | None = Field(default=None, min_length=1, max_length=LONGEST_TEXT)

    @model_validator(mode="after")
    def _variables_match(self) -> Self:
        if self.content is not None and _NAMED.search(self.content):
            raise ValueError("content: has a variable without a number; the provider's are {{1}}, {{2}} and so on")
        if self.content is not None:
            needed = max((int(found) for found in _VARIABLE.findall(self.content)), default=0)
            if needed > len(self.body):
                raise ValueError(f"body: has no value for {{{{{len(self.body) + 1}}}}} of the template")
            if needed < len(self.body):
                raise ValueError(f"body: has {len(self.body)} values, and the template {needed} variables")
        if self.header_media_filename and not self.header_media_url:
            raise ValueError("header_media_filename: needs header_media_url")
        return self

    def payload(self) -> dict[str, Any]:
        """The template and its values; ``params`` is there even when it is empty."""
        params = given(
            body=list(self.body),
            header=list(self.header),
            buttons=list(self.buttons),
            header_media_url=self.header_media_url,
            header_media_filename=self.header_media_filename,
        )
        return {"template_uuid": self.template, "params": params}


class UrlButton(Refusing):
    """One button that opens an address.

    Args:
        label: what it says.
        url: public https address.
    """

    label: Label
    url: MediaUrl


class ReplyButton(Refusing):
    """A button that answers.

    Args:
        id: what comes back, at most 256 characters.
        label: what it says.
    """

    id: str = Field(min_length=1, max_length=256)
    label: Annotated[str, StringConstraints(min_length=1, max_length=20)]


class ListRow(Refusing):
    """A row of a list.

    Args:
        id: what comes back, at most 200 characters.
        title: what it says.
        description: more about it.
    """

    id: str = Field(min_length=1, max_length=200)
    title: Label
    description: str | None = Field(default=None, min_length=1, max_length=72)


class ListSection(Refusing):
    """A part of a list.

    Args:
        rows: at least one.
        title: needed when there are several sections.
    """

    rows: Annotated[Sequence[ListRow], Field(min_length=1, max_length=_MOST_ROWS), AfterValidator(tuple)]
    title: Label | None = None


class Interactive(Refusing):
    """An interactive message: an address to open, up to three buttons, or a list of up to ten rows. Exactly one of them.

    Args:
        body: the words.
        header: above them.
        footer: below them.
        url_button: opens an address.
        buttons: one to three.
        sections: of a list.
        list_label: what opens the list says; needed with ``sections``.
    """

    body: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    header: Short | None = None
    footer: Short | None = None
    url_button: UrlButton | None = None
    buttons: Annotated[Sequence[ReplyButton], Field(max_length=3), AfterValidator(tuple)] = ()
    sections: Annotated[Sequence[ListSection], Field(max_length=_MOST_ROWS), AfterValidator(tuple)] = ()
    list_label: Annotated[str, StringConstraints(min_length=1, max_length=20)] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(map(bool, (self.url_button, self.buttons, self.sections))) != 1:
            raise ValueError("url_button, buttons, sections: give exactly one of them")
        if bool(self.sections) != (self.list_label is not None):
            raise ValueError("list_label: give list_label and sections, or neither")
        if len(self.sections) > 1 and not all(section.title for section in self.sections):
            raise ValueError("sections: need titles when there are several")
        if sum(len(section.rows) for section in self.sections) > _MOST_ROWS:
            raise ValueError(f"sections: hold more than {_MOST_ROWS} rows")
        return self

    @property
    def type(self) -> Literal["cta_url", "button", "list"]:
        """The provider's word for it."""
        if self.url_button:
            return "cta_url"
        return "button" if self.buttons else "list"

    def wire(self) -> dict[str, Any]:
        """The provider's form."""
        words: dict[str, Any] = {"type": self.type, "body": {"text": self.body}}
        if self.header:
            words["header"] = {"type": "text", "text": self.header}
        if self.footer:
            words["footer"] = {"text": self.footer}
        return words | {"action": self._action()}

    def _action(self) -> dict[str, Any]:
        if self.url_button:
            parameters = {"display_text": self.url_button.label, "url": self.url_button.url}
            return {"name": "cta_url", "parameters": parameters}
        if self.buttons:
            replies = [{"id": button.id, "title": button.label} for button in self.buttons]
            return {"buttons": [{"type": "reply", "reply": reply} for reply in replies]}
        sections = [
            given(title=section.title) | {"rows": [row.model_dump(exclude_none=True) for row in section.rows]}
            for section in self.sections
        ]
        return {"button": self.list_label, "sections": sections}


class SendWaba(_ToNumber):
    """A message within the 24 hours after a customer's last one: words, a file, or something interactive.

    Call: ``POST /waba/send-message``.

    Args:
        to: the recipient's number, E.164.
        text: the words; with ``url`` the caption.
        url: public https address of an attachment.
        media_bytes: the attachment's size in bytes, when known: more than 16 MB is refused here.
        interactive: excludes text and url.
    """

    kinds: ClassVar = ("waba.session_text", "waba.session_media", "waba.interactive")

    text: Text | None = None
    url: MediaUrl | None = None
    media_bytes: MediaBytes | None = None
    interactive: Interactive | None = None

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        if not (self.text or self.url or self.interactive):
            raise ValueError("text, url, interactive: give at least one of them")
        if self.interactive and (self.text or self.url):
            raise ValueError("interactive: excludes text and url")
        if self.media_bytes and not self.url:
            raise ValueError("media_bytes: needs url")
        return self

    @property
    def kind(self) -> str:
        """By content."""
        if self.interactive:
            return "waba.interactive"
        return "waba.session_media" if self.url else "waba.session_text"

    def payload(self) -> dict[str, Any]:
        """Words and address, or the interactive message."""
        if self.interactive:
            return {"payload": {"interactive": self.interactive.wire()}}
        return given(text=self.text, url=self.url)
