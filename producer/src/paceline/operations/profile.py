"""Stories and the profile of a connected number (docs/provider.md, 2.3)."""

from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import Field, StringConstraints, model_validator

from paceline.fields import MediaUrl, Text
from paceline.operations.base import Operation, exactly_one, given

_COLOR: Final = r"^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$"
_KINDS = {"text": "status.text", "image_url": "status.image", "video_url": "status.video"}


class _OfTheSender(Operation):
    """About the sender itself: there is no other target."""

    @property
    def target(self) -> str:
        """The sender."""
        return self.sender


class PostStory(_OfTheSender):
    """A story that shows for 24 hours: words, a picture or a video.

    Call: ``POST /whatsapp/set-{text|image|video}-status/{number}``.

    Args:
        text: the words; exactly one of ``text``, ``image_url`` and ``video_url``.
        image_url: public https address of the picture.
        video_url: public https address of the video.
        background_color: of a story of words, ``#RRGGBB`` or ``#AARRGGBB``.
        font: font number of a story of text, as WhatsApp defines it.
    """

    kinds: ClassVar = tuple(_KINDS.values())

    text: Text | None = None
    image_url: MediaUrl | None = None
    video_url: MediaUrl | None = None
    background_color: Annotated[str, StringConstraints(pattern=_COLOR)] | None = None
    font: int | None = Field(default=None, ge=0, le=10)

    @model_validator(mode="after")
    def _one_content(self) -> Self:
        exactly_one(text=self.text, image_url=self.image_url, video_url=self.video_url)
        if self.text is None and (self.background_color is not None or self.font is not None):
            raise ValueError("background_color, font: need text")
        return self

    @property
    def kind(self) -> str:
        """By content."""
        return next(kind for field, kind in _KINDS.items() if getattr(self, field) is not None)

    def payload(self) -> dict[str, Any]:
        """The words with their looks, or one address."""
        if self.text is None:
            return given(image_url=self.image_url, video_url=self.video_url)
        looks = {"backgroundColor": self.background_color, "font": self.font}
        params = {name: value for name, value in looks.items() if value is not None}
        return {"text": self.text} | given(params=params)


class SetAbout(_OfTheSender):
    """The "about" line of the sender's profile.

    Call: ``POST /whatsapp/set-status/{number}``.

    Args:
        text: the line, at most 139 characters, which is WhatsApp's own limit.
    """

    kinds: ClassVar = ("profile.about",)

    text: str = Field(min_length=1, max_length=139)

    def payload(self) -> dict[str, Any]:
        """The line."""
        return {"status": self.text}


class SetProfilePicture(_OfTheSender):
    """The picture of the sender's profile.

    Call: ``POST /whatsapp/set-profile-picture/{number}``.

    Args:
        url: public https address of the picture; None removes the present one.
    """

    kinds: ClassVar = ("profile.picture",)

    url: MediaUrl | None

    def payload(self) -> dict[str, Any]:
        """The address, or null."""
        return {"url": self.url}
