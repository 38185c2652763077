"""Groups: make them, change who is in them, and what they show."""

from collections.abc import Callable
from typing import Annotated, Unpack

import typer

from paceline.cli.commands import example
from paceline.cli.panels import SendingCommand
from paceline.cli.send.participants import OPTIONS, Participant, ParticipantsFile, participants_of
from paceline.cli.send.submit import Common, submits
from paceline.operations import (
    AddParticipants,
    CreateGroup,
    DemoteParticipants,
    PromoteParticipants,
    RemoveParticipants,
    SetGroupDescription,
    SetGroupPicture,
)

Group = Annotated[
    str, typer.Argument(metavar="GROUP", help="Group: its uuid WAG..., or the id of `paceline group create`.")
]
Change = AddParticipants | RemoveParticipants | PromoteParticipants | DemoteParticipants

app = typer.Typer(help="Groups. An operation with more than ten participants takes several calls.")


@submits(name="NAME", participants=OPTIONS)
def create(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the group, at most 100 characters.")],
    participant: Participant = None,
    participants: ParticipantsFile = None,
    description: Annotated[str | None, typer.Option("--description", help="Description of the group.")] = None,
    **common: Unpack[Common],
) -> CreateGroup:
    """Make a group of up to 1,024 participants, the sender not counted.

    Other commands may name the group by this operation's id, also before it exists: they wait for it.
    """
    numbers = participants_of(participant, participants, common["sender"])
    return CreateGroup(name=name, participants=numbers, description=description, **common)


def _changing(model: type[Change], sentence: str) -> Callable[..., Change]:
    def make(
        *,
        group: Group,
        participant: Participant = None,
        participants: ParticipantsFile = None,
        **common: Unpack[Common],
    ) -> Change:
        return model(group=group, participants=participants_of(participant, participants), **common)

    make.__doc__ = f"{sentence}\n\n`paceline status` shows the result of each number."
    return make


@submits(group="GROUP", description="--text")
def describe(
    *,
    group: Group,
    text: Annotated[str, typer.Option("--text", help="Text of the description; '' removes the description.")],
    **common: Unpack[Common],
) -> SetGroupDescription:
    """Set a group's description."""
    return SetGroupDescription(group=group, description=text, **common)


@submits(group="GROUP")
def picture(
    *,
    group: Group,
    url: Annotated[str, typer.Option("--url", help="Public https address of the picture.")],
    **common: Unpack[Common],
) -> SetGroupPicture:
    """Set a group's picture."""
    return SetGroupPicture(group=group, url=url, **common)


def _example(command: str, rest: str) -> str:
    return example(f"paceline group {command} --account acme --from +15550100001 \\", f"  {rest}")


_WAG = "WAG11111111-2222-4333-8444-555555555555"

app.command(
    cls=SendingCommand, epilog=_example('create "Team A"', "--participant +15550100002 --participants people.csv")
)(create)
for _verb, _model, _sentence in (
    ("add", AddParticipants, "Add numbers to a group."),
    ("remove", RemoveParticipants, "Remove numbers from a group."),
    ("promote", PromoteParticipants, "Make participants admins."),
    ("demote", DemoteParticipants, "Make admins participants again."),
):
    app.command(_verb, cls=SendingCommand, epilog=_example(f"{_verb} {_WAG}", "--participant +15550100002"))(
        submits(group="GROUP", participants=OPTIONS)(_changing(_model, _sentence))
    )
app.command(cls=SendingCommand, epilog=_example(f"describe {_WAG}", '--text "Thursdays at six"'))(describe)
app.command(cls=SendingCommand, epilog=_example(f"picture {_WAG}", "--url https://example.com/logo.jpg"))(picture)
