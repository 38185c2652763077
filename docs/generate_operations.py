"""Write docs/operations.md from the models: `python -m docs.generate_operations`.

The words around the tables are in operations.template.md, the examples in operation_examples.py; everything else comes from
the models, their docstrings and the table of kinds.
"""

import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from docs.operation_examples import CREDITS, EXAMPLES, REQUESTS
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from paceline.kinds import KINDS, Resolution, unknown_letter
from paceline.operations import OPERATIONS, OnUnknown, Operation, values
from paceline.recipients.numbers import phone_number
from paceline.times import utc

FOLDER: Final = Path(__file__).parent
PAGE: Final = FOLDER / "operations.md"

# Types that a check makes: what they are called, and what it asks for.
_CHECKED: Final = {
    phone_number: ("phone number", "E.164"),
    values.group_uuid: ("group uuid", "`WAG...` or `WGP...`"),
    values.group_reference: ("group uuid or operation id", ""),
    values.message_reference: ("message uuid or operation id", ""),
    values.remote_id: ("remote id", "`<digits>@lid`"),
    values.media_url: ("address", "https, a public host"),
    utc: ("time", "with a zone, years 1970 to 2254"),
}
_PLAIN: Final = {str: "text", int: "whole number", float: "number", bool: "yes or no", datetime: "time"}
_UNITS: Final = {"text": " characters", "several": " of them", "names and texts": " of them"}
_BOUNDS: Final = ("min_length", "max_length", "ge", "gt", "le", "pattern")

_UNKNOWN: Final[dict[str, str]] = {
    "r": "called again",
    "h": "held",
    "history": "the conversation is read: found is accepted, absent twice is sent again, undecidable is held",
    "groups": "the sender's groups are read: found is accepted, absent is held, because a new group shows late",
}


def page() -> str:
    """The whole page."""
    text = (FOLDER / "operations.template.md").read_text(encoding="utf-8")
    parts = {
        "summary": _table(
            ("operation", "kinds", "endpoint", "requests", "credits", "a repeated call", "unknown outcome"),
            map(_summary, OPERATIONS),
        ),
        "common": _fields(Operation, Operation.model_fields),
        "sections": "\n\n".join(map(_section, OPERATIONS)),
        "unknown": _table(("kinds", *(f"`{policy}`" for policy in get_args(OnUnknown))), _unknown()),
    }
    for name, part in parts.items():
        text = text.replace(f"<!-- {name} -->", part)
    return text


def words_of(annotation: Any, metadata: Iterable[Any] = ()) -> tuple[str, str]:
    """A field's type and limits, in words.

    Args:
        annotation: as the model has it.
        metadata: of the field.

    Returns:
        What it is called; what is asked of it, or nothing.
    """
    origin, inner, held = get_origin(annotation), get_args(annotation), list(metadata)
    if origin is Annotated:
        return words_of(inner[0], [*inner[1:], *held])
    if origin in (Union, UnionType):
        (one,) = (arg for arg in inner if arg is not NoneType)
        return words_of(one, held)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inner), ""
    for check in held:
        if (found := _CHECKED.get(getattr(check, "func", None))) is not None:  # type: ignore[arg-type]
            return found[0], _joined(found[1], _limits("text", held))
    if origin is Sequence:
        name, limits = words_of(inner[0])
        return f"several: {name}", _joined(_limits("several", held), limits and f"each {limits}")
    if origin is dict:
        name, limits = words_of(inner[1])
        return "names and texts", _joined(_limits("names and texts", held), limits and f"each {limits}")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})", ""
    name = _PLAIN[annotation]
    return name, _limits(name, held)


def _limits(name: str, metadata: Iterable[Any]) -> str:
    bounds: dict[str, Any] = {}
    for item in metadata:
        for part in item.metadata if isinstance(item, FieldInfo) else (item,):
            bounds |= {bound: value for bound in _BOUNDS if (value := getattr(part, bound, None)) is not None}
    least = bounds.get("min_length", bounds.get("ge", bounds["gt"] + 1 if "gt" in bounds else None))
    most = bounds.get("max_length", bounds.get("le"))
    if "pattern" in bounds:
        return f"as in `{bounds['pattern']}`"
    if least is None and most is None:
        return ""
    amount = f"{least} to {most}" if least is not None and most is not None else ""
    amount = amount or (f"at most {most}" if least is None else f"at least {least}")
    return amount + _UNITS.get(name, "")


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or not value else f"`{value}`"


def _told(model: type[BaseModel]) -> tuple[str, dict[str, str]]:
    """A docstring's sentences, without where they come from, and the meaning of each argument."""
    sentences, _, args = (inspect.getdoc(model) or "").partition("\nArgs:\n")
    sentences = re.sub(r"\s*Call: [^.]+\.", "", sentences)
    meanings: dict[str, str] = {}
    for line in args.splitlines():
        if named := re.match(r" {4}(\w+): (.*)", line):
            last = named[1]
            meanings[last] = named[2]
        elif line.strip():
            meanings[last] += f" {line.strip()}"
    return _wrapped(_markdown(sentences)), {name: _markdown(text) for name, text in meanings.items()}


def _markdown(text: str) -> str:
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph).replace("``", "`")


def _wrapped(text: str) -> str:
    paragraphs = text.split("\n\n")
    fill = partial(textwrap.fill, width=100, break_long_words=False, break_on_hyphens=False)
    return "\n\n".join(map(fill, paragraphs))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _fields(model: type[BaseModel], chosen: Iterable[str]) -> str:
    _, meanings = _told(model)
    rows = []
    for name in chosen:
        field = model.model_fields[name]
        rows.append((f"`{name}`", *_type(field), _default(field), meanings[name]))
    return _table(("field", "type", "limits", "default", "meaning"), rows)


def _type(field: FieldInfo) -> tuple[str, str]:
    name, limits = words_of(field.annotation, field.metadata)
    may_be_none = field.is_required() and NoneType in get_args(field.annotation)
    return f"{name} or None" if may_be_none else name, limits


def _summary(model: type[Operation]) -> Iterator[str]:
    kinds = [KINDS[kind] for kind in model.kinds]
    yield f"[{model.__name__}](#{model.__name__.lower()})"
    yield "<br>".join(f"`{kind}`" for kind in model.kinds)
    yield "<br>".join(_each(f"`{kind.method} {kind.path}`" for kind in kinds))
    yield REQUESTS.get(model, "1")
    yield CREDITS.get(model, "as requests" if model in REQUESTS else "1")
    yield "; ".join(_each(kind.repeating for kind in kinds))
    yield "; ".join(_each(_short(kind.resolution) for kind in kinds))


def _short(resolution: Resolution) -> str:
    return {"history": "looked up", "groups": "looked up", "repeat": "called again", "hold": "held"}[resolution]


def _each(texts: Iterable[str]) -> Iterable[str]:
    """Each of them once, in order."""
    return dict.fromkeys(texts)


def _unknown() -> Iterator[tuple[str, ...]]:
    """Kinds of the same fate together, with that fate under each policy."""
    together: dict[tuple[str, ...], list[str]] = {}
    for name, kind in KINDS.items():
        letters = [unknown_letter(name, policy) for policy in get_args(OnUnknown)]
        fate = tuple(_UNKNOWN[kind.resolution if letter == "l" else letter] for letter in letters)
        together.setdefault(fate, []).append(f"`{name}`")
    for fate, names in together.items():
        yield ", ".join(names), *fate


def _section(model: type[Operation]) -> str:
    sentences, _ = _told(model)
    example = EXAMPLES[model]
    own = [name for name in model.model_fields if name not in Operation.model_fields]
    return "\n\n".join(
        (
            f"### {model.__name__}",
            sentences,
            _fields(model, own),
            *map(_part, _parts(model)),
            f"```python\n{example.python(model)}\n```",
            f"```sh\n{example.command()}\n```",
        )
    )


def _part(model: type[BaseModel]) -> str:
    sentences, _ = _told(model)
    return "\n\n".join((f"#### {model.__name__}", sentences, _fields(model, model.model_fields)))


def _parts(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The models that a model's fields hold, and those that they hold."""
    for field in model.model_fields.values():
        for one in _within(field.annotation):
            yield one
            yield from _parts(one)


def _within(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _within(inner)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
