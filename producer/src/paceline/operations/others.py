"""Operations of other channels: SMS, and the check of a number (docs/provider.md, 2.3 and 2.5)."""

from typing import Any, ClassVar, Final

from pydantic import Field

from paceline.operations.base import Operation
from paceline.operations.values import PhoneNumber

# Ten segments.
LONGEST_SMS: Final = 1600


class SendSms(Operation):
    """An SMS from an SMS-enabled number; segments of 160 characters are billed apart.

    Call: ``POST /sms/send``.

    Args:
        to: the recipient's number, E.164.
        text: the words, at most ten segments.
    """

    kinds: ClassVar = ("sms.send",)

    to: PhoneNumber
    text: str = Field(min_length=1, max_length=LONGEST_SMS)

    @property
    def target(self) -> str:
        """The recipient's number."""
        return self.to

    def payload(self) -> dict[str, Any]:
        """The words."""
        return {"text": self.text}


class CheckNumber(Operation):
    """Ask whether a number is on WhatsApp; the answer is the operation's result.

    Call: ``GET /whatsapp/check-number/{your_number}/{target}``. Checks have a pool and a rate of their own.

    Args:
        number: the number asked about, E.164.
        extra_information: ask for more, which costs a second credit.
    """

    kinds: ClassVar = ("number.check",)

    number: PhoneNumber
    extra_information: bool = False

    @property
    def target(self) -> str:
        """The number asked about."""
        return self.number

    @property
    def credits(self) -> int:
        """Two with extra information."""
        return 2 if self.extra_information else 1

    def payload(self) -> dict[str, Any]:
        """Whether more is asked for."""
        return {"extra_information": True} if self.extra_information else {}
