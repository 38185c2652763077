"""Stories and the profile of a connected number."""

from typing import Annotated, Unpack

import typer

from paceline.cli.commands import example
from paceline.cli.send.submit import Common, submits
from paceline.errors import InvalidOperation
from paceline.operations import PostStory, SetAbout, SetProfilePicture

app = typer.Typer(help="The profile of the connected number.")


@submits()
def story(
    *,
    text: Annotated[str | None, typer.Option("--text", help="The words.")] = None,
    image_url: Annotated[
        str | None, typer.Option("--image-url", metavar="URL", help="Or a picture: its public https address.")
    ] = None,
    video_url: Annotated[
        str | None, typer.Option("--video-url", metavar="URL", help="Or a video: its public https address.")
    ] = None,
    background_color: Annotated[
        str | None, typer.Option("--background-color", metavar="#RRGGBB", help="Behind the words; also #AARRGGBB.")
    ] = None,
    font: Annotated[int | None, typer.Option("--font", metavar="0-10", help="WhatsApp's number of the font.")] = None,
    **common: Unpack[Common],
) -> PostStory:
    """Post a story that shows for 24 hours: words, a picture or a video."""
    return PostStory(
        text=text, image_url=image_url, video_url=video_url, background_color=background_color, font=font, **common
    )


@submits()
def about(
    *,
    text: Annotated[str, typer.Option("--text", help="The line, at most 139 characters.")],
    **common: Unpack[Common],
) -> SetAbout:
    """Set the "about" line."""
    return SetAbout(text=text, **common)


@submits()
def picture(
    *,
    url: Annotated[str | None, typer.Option("--url", help="Public https address of the picture.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Or remove the present one.")] = False,
    **common: Unpack[Common],
) -> SetProfilePicture:
    """Set or remove the picture."""
    if remove == (url is not None):
        raise InvalidOperation("--url, --remove: give exactly one of them")
    return SetProfilePicture(url=url, **common)


app.command(epilog=example('paceline profile about --account acme --from +15550100001 --text "Open until six"'))(about)
app.command(
    epilog=example("paceline profile picture --account acme --from +15550100001 --url https://example.com/logo.jpg")
)(picture)
