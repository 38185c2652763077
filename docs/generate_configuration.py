"""Write docs/configuration.md from the settings object: `python -m docs.generate_configuration`.

The words around the table are in configuration.template.md; variables, types, limits, defaults and meanings come from `Settings`
and its docstring.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from docs.generate_operations import _table, _told
from pydantic import SecretStr

from paceline.settings import _ENVIRONMENT, Settings

FOLDER: Final = Path(__file__).parent
PAGE: Final = FOLDER / "configuration.md"

_CALLED: Final = {str: "text", SecretStr: "text, never shown", int: "whole number", float: "number"}
_BOUNDS: Final = ("ge", "gt", "le", "lt")
# A default that is not in the field, because it follows from another one.
_FOLLOWS: Final = {"state_url": "the broker's"}


def page() -> str:
    """The whole page."""
    text = (FOLDER / "configuration.template.md").read_text(encoding="utf-8")
    return text.replace("<!-- settings -->", _table(("variable", "value", "limits", "default", "meaning"), rows()))


def rows() -> Iterator[tuple[str, ...]]:
    """One row for each setting, in the order of the settings object."""
    _, meanings = _told(Settings)
    meanings = {
        name: words.removesuffix(" Raises:") for name, words in meanings.items()
    }  # the heading after the last one
    for name, field in Settings.model_fields.items():
        default = _FOLLOWS.get(name) or text_of(field.default)
        yield f"`{_ENVIRONMENT[name]}`", called(field.annotation), limits(field.metadata), default, meanings[name]


def called(annotation: Any) -> str:
    """What a variable of this type holds.

    Args:
        annotation: as the settings object has it.
    """
    if annotation is bool:
        return "`true` or `false`"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    return _CALLED[annotation]


def limits(metadata: Iterable[Any]) -> str:
    """What is asked of a number, in words.

    Args:
        metadata: of the field.
    """
    bounds = {
        bound: value for item in metadata for bound in _BOUNDS if (value := getattr(item, bound, None)) is not None
    }
    if "ge" in bounds and "le" in bounds:
        return f"{bounds['ge']} to {bounds['le']}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return ", ".join(f"{words[bound]} {bounds[bound]}" for bound in _BOUNDS if bound in bounds)


def text_of(value: Any) -> str:
    """A default as one would write it into the environment.

    Args:
        value: of the field.
    """
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return f"`{value}`" if value != "" else "none"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
