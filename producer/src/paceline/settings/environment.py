"""What the environment says, cleaned: blanks, files, and variables that others put there."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from paceline.errors import ConfigurationError

FILE: Final = "_FILE"
# Kubernetes and Docker tell of a service named `paceline-metrics` by a variable that has the name of ours.
_SERVICE_LINK: Final = re.compile(r"(?:tcp|udp|sctp)://\S+:\d+")
_LARGEST_FILE: Final = 1 << 16


def read_environment(
    environ: Mapping[str, str], variables: Mapping[str, str], from_files: Iterable[str]
) -> dict[str, str]:
    """The values of our variables.

    Args:
        environ: the environment.
        variables: field to variable.
        from_files: fields whose value may also come from a file, which the variable with ``_FILE`` behind its name names.

    Returns:
        Field to value, without those that are not set. Blanks around a value are ignored.

    Raises:
        ConfigurationError: a value or a file cannot be used. The message names the variable, and quotes no value.
    """
    files = set(from_files)
    found = {}
    for name, variable in variables.items():
        value = environ.get(variable, "").strip()
        path = environ.get(variable + FILE, "").strip() if name in files else ""
        if value and path:
            raise ConfigurationError(f"{variable}{FILE}: {variable} is set as well; keep one of the two")
        if variable.endswith("_PORT") and _SERVICE_LINK.fullmatch(value):
            continue
        if path:
            found[name] = checked(_from_file(path, variable + FILE), variable + FILE)
        elif value:
            found[name] = checked(value, variable)
    return found


def checked(value: str, variable: str) -> str:
    """A value that is one line without quotation marks around it.

    Raises:
        ConfigurationError: it is not.
    """
    if value[0] in "'\"" and value[-1] == value[0]:
        raise ConfigurationError(f"{variable}: is in quotation marks; write the value without them")
    if not value.isprintable():
        raise ConfigurationError(f"{variable}: holds a line break or a control character; write the value in one line")
    return value


def _from_file(path: str, variable: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_LARGEST_FILE).strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(f"{variable}: the file cannot be read: {why}") from error
    if not text:
        raise ConfigurationError(f"{variable}: the file is empty")
    return text
