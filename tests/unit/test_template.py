import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.errors import InvalidOperation
from paceline.template import placeholders, render

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)


def escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


@pytest.mark.parametrize(
    ("names", "text", "template"),
    [
        (set(), "Hello", "Hello"),
        (set(), "", ""),
        ({"name"}, "Hi Ada", "Hi {name}"),
        ({"a", "b"}, "1 and 2, 1", "{a} and {b}, {a}"),
        ({"a_1"}, "x", "{a_1}"),
        ({"_"}, "y", "{_}"),
        (set(), "{name}", "{{name}}"),
        ({"name"}, "{Ada}", "{{{name}}}"),
        ({"a", "b"}, "12", "{a}{b}"),
        (set(), "{}", "{{}}"),
        (set(), "100 %s %d $name", "100 %s %d $name"),
    ],
)
def test_placeholders_are_filled_and_doubled_braces_are_braces(names: set[str], text: str, template: str) -> None:
    """``{name}`` becomes the column's value, and a doubled brace one brace."""
    values = {"name": "Ada", "a": "1", "b": "2", "a_1": "x", "_": "y"}
    assert names == placeholders(template)
    assert text == render(template, values)


@pytest.mark.parametrize(
    ("position", "template"),
    [
        (1, "{"),
        (1, "}"),
        (4, "Hi {"),
        (4, "Hi }"),
        (4, "Hi {}"),
        (4, "Hi {first name}"),
        (4, "Hi {0}"),
        (4, "Hi {1st}"),
        (4, "Hi { name }"),
        (4, "Hi {name!r}"),
        (4, "Hi {name:>10}"),
        (10, "Hi {name}}"),
        (10, "Hi {{name}"),
        (1, "{name\n}"),
    ],
)
def test_a_stray_brace_is_refused_with_its_position(position: int, template: str) -> None:
    """A brace that is neither doubled nor part of a placeholder is refused, and the message says where it is."""
    with pytest.raises(InvalidOperation, match=rf"^template: .* position {position} "):
        placeholders(template)


@pytest.mark.parametrize(
    "template",
    [
        "{name.__class__}",
        "{name.__class__.__mro__[1].__subclasses__}",
        "{name[0]}",
        "{0.__globals__}",
        "{name!s}",
        "{__class__.__init__}",
    ],
)
def test_a_template_reaches_no_attributes(template: str) -> None:
    """Attributes, indexes and conversions of `str.format` are refused and never evaluated."""
    with pytest.raises(InvalidOperation):
        placeholders(template)
    assert template == render(template, {"name": "Ada"})


def test_a_missing_value_is_named() -> None:
    """A value that is not there is named in the refusal."""
    with pytest.raises(InvalidOperation, match=r"^template: no value for \{name\}$"):
        render("Hi {name}", {"Name": "Ada"})


def test_values_are_not_templates() -> None:
    """What a column holds is put in as it is, braces and all."""
    assert render("Hi {name}", {"name": "{other} {{x}}", "other": "no"}) == "Hi {other} {{x}}"


@given(st.text())
def test_an_escaped_text_renders_to_itself(text: str) -> None:
    """Doubling the braces of any text makes a template without placeholders that renders to the text."""
    assert set() == placeholders(escaped(text))
    assert text == render(escaped(text), {})


@given(st.lists(st.tuples(st.text(string.printable), NAMES, st.text())))
def test_rendering_puts_each_value_in_its_place(parts: list[tuple[str, str, str]]) -> None:
    """A template of texts and placeholders renders to the texts and values in the same order."""
    values = {name: value for _, name, value in parts}
    template = "".join(f"{escaped(text)}{{{name}}}" for text, name, _ in parts)
    assert set(values) == placeholders(template)
    assert "".join(text + values[name] for text, name, _ in parts) == render(template, values)


@given(st.text(st.sampled_from("{}a.0_ !:[]")))
def test_rendering_never_needs_more_than_the_placeholders(template: str) -> None:
    """A template that `placeholders` accepts can be rendered with just those names."""
    try:
        names = placeholders(template)
    except InvalidOperation:
        return
    assert isinstance(render(template, dict.fromkeys(names, "x")), str)
