"""Write docs/texts.md, one page of all texts, for a reader: `python -m docs.generate_texts`. The page is not kept."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from docs.texts import Room, Text, texts

PAGE: Final = Path(__file__).parent / "texts.md"
_HEADINGS: Final[dict[Room, str]] = {
    "help": "Help of commands and options",
    "error": "Errors",
    "metric": "Help of metrics",
    "log": "Log sentences",
    "output": "Output of commands",
    "lua": "Sentences of scripts",
    "other": "Other sentences",
}


def page(found: Iterable[Text]) -> str:
    """The page.

    Args:
        found: the texts.
    """
    return "\n".join(_lines(list(found))) + "\n"


def _lines(found: list[Text]) -> Iterator[str]:
    yield "# Texts"
    yield ""
    yield "All texts that a user meets, made by `make texts`. The rules are in CONTRIBUTING.md."
    for room, heading in _HEADINGS.items():
        yield from ("", f"## {heading}")
        path = ""
        for text in found:
            if text.room != room:
                continue
            if text.path != path:
                path = text.path
                yield from ("", f"### {path}", "")
            yield f"- {text.line}: {text.words}"


if __name__ == "__main__":
    PAGE.write_text(page(texts()), encoding="utf-8")
