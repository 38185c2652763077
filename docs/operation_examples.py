"""Examples for the reference of operations: each in Python and in the shell, both of the same operation."""

from dataclasses import dataclass
from typing import Final

from paceline import (
    AddParticipants,
    CheckNumber,
    CreateGroup,
    DeleteMessage,
    DemoteParticipants,
    Operation,
    PostStory,
    PromoteParticipants,
    RemoveParticipants,
    SendMessage,
    SendSms,
    SendTemplate,
    SendWaba,
    SetAbout,
    SetGroupDescription,
    SetGroupPicture,
    SetProfilePicture,
)

_GROUP = "WAG11111111-2222-4333-8444-555555555555"
_MESSAGE = "MSG11111111-2222-4333-8444-555555555555"
_TEMPLATE = "TMP11111111-2222-4333-8444-555555555555"
_LOGO = "https://example.com/logo.jpg"
_HOURS = "Mon-Fri 09:00-18:00 Europe/Berlin"
_FROM = "--account acme --from +15550100001"


def _sent(name: str, *fields: str) -> str:
    """An operation being sent, with one argument a line."""
    given = ('account="acme"', 'sender="+15550100001"', *fields)
    return f"outbox.send(\n    {name}(\n" + "".join(f"        {field},\n" for field in given) + "    )\n)"


@dataclass(frozen=True, slots=True)
class Example:
    """One operation, written twice.

    Args:
        fields: the model's arguments besides account and sender.
        shell: the command, with ``FROM`` for account and sender.
        more: further Python, such as other forms of the operation.
    """

    fields: tuple[str, ...]
    shell: str
    more: tuple[str, ...] = ()

    def python(self, model: type[Operation]) -> str:
        """The example as code that needs an `outbox`."""
        name = model.__name__
        return "\n".join((f"from paceline import {name}\n", _sent(name, *self.fields), *self.more))

    def command(self) -> str:
        """The example as a command."""
        return self.shell.replace("FROM", _FROM)


def _participants(verb: str) -> Example:
    return Example(
        (f'group="{_GROUP}"', 'participants=["+15550100002", "+15550100003"]'),
        f"paceline group {verb} {_GROUP} FROM \\\n  --participant +15550100002 --participant +15550100003",
    )


EXAMPLES: Final[dict[type[Operation], Example]] = {
    SendMessage: Example(
        ('to="+15550100002"', 'text="Your bill"', f'url="{_LOGO}"'),
        f'paceline send FROM --to +15550100002 \\\n  --text "Your bill" --url {_LOGO}',
        (
            _sent("SendMessage", f'group="{_GROUP}"', 'text="Hello all"'),
            _sent("SendMessage", 'remote_id="123456789012345@lid"', 'text="Hello"'),
            "\nfrom paceline import Pin\n",
            _sent("SendMessage", 'to="+15550100002"', 'pin=Pin(latitude=52.52, longitude=13.405, name="Our shop")'),
        ),
    ),
    DeleteMessage: Example(
        (f'message="{_MESSAGE}"', 'to="+15550100002"'),
        f"paceline delete {_MESSAGE} FROM --to +15550100002",
        (
            "\nmistake = " + _sent("SendMessage", 'to="+15550100002"', 'text="Oops"'),
            _sent("DeleteMessage", "message=mistake.id"),
        ),
    ),
    PostStory: Example(
        ('text="Open until six"', 'background_color="#205081"'),
        'paceline story FROM --text "Open until six" --background-color "#205081"',
        (_sent("PostStory", f'image_url="{_LOGO}"'),),
    ),
    SetAbout: Example(('text="Open until six"',), 'paceline profile about FROM --text "Open until six"'),
    SetProfilePicture: Example((f'url="{_LOGO}"',), f"paceline profile picture FROM --url {_LOGO}"),
    CreateGroup: Example(
        ('name="Team A"', 'participants=["+15550100002", "+15550100003"]'),
        'paceline group create "Team A" FROM \\\n  --participant +15550100002 --participant +15550100003',
    ),
    AddParticipants: _participants("add"),
    RemoveParticipants: _participants("remove"),
    PromoteParticipants: _participants("promote"),
    DemoteParticipants: _participants("demote"),
    SetGroupDescription: Example(
        (f'group="{_GROUP}"', 'description="Thursdays at six"'),
        f'paceline group describe {_GROUP} FROM \\\n  --text "Thursdays at six"',
    ),
    SetGroupPicture: Example(
        (f'group="{_GROUP}"', f'url="{_LOGO}"'),
        f"paceline group picture {_GROUP} FROM \\\n  --url {_LOGO}",
    ),
    SendTemplate: Example(
        ('to="+15550100002"', f'template="{_TEMPLATE}"', 'body=["Ada", "7"]'),
        f"paceline template {_TEMPLATE} FROM \\\n  --to +15550100002 --body Ada --body 7",
    ),
    SendWaba: Example(
        ('to="+15550100002"', 'text="It is on its way"'),
        'paceline waba FROM --to +15550100002 --text "It is on its way"',
        (
            "\nfrom paceline.operations import Interactive, ReplyButton\n",
            'buttons = (ReplyButton(id="y", label="Yes"), ReplyButton(id="n", label="No"))',
            _sent("SendWaba", 'to="+15550100002"', 'interactive=Interactive(body="Shall we?", buttons=buttons)'),
        ),
    ),
    SendSms: Example(
        ('to="+15550100002"', 'text="Hello"', f'window="{_HOURS}"'),
        f'paceline sms FROM --to +15550100002 --text "Hello" \\\n  --window "{_HOURS}"',
    ),
    CheckNumber: Example(('number="+15550100002"',), "paceline number check +15550100002 FROM"),
}

# Where requests or credits are not simply one.
REQUESTS: Final[dict[type[Operation], str]] = {
    DeleteMessage: "1; in a group 2; 1 more while the sender's channel is not known",
    **dict.fromkeys(
        (CreateGroup, AddParticipants, RemoveParticipants, PromoteParticipants, DemoteParticipants),
        "1 for each 10 participants",
    ),
}
CREDITS: Final[dict[type[Operation], str]] = {CheckNumber: "1; 2 with `extra_information`"}
