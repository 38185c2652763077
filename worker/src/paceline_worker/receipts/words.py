"""Opt-out words and their opposites: which inbound messages are one. Pure."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

# What people are told to write, and what peers understand. Words that also answer a question (END, CANCEL, YES) are left out.
OPT_OUT: Final = (
    "STOP", "STOPALL", "STOPP", "UNSUBSCRIBE", "OPTOUT", "OPT OUT", "BAJA", "DAR DE BAJA", "SALIR", "PARAR", "SAIR",
    "DESCADASTRAR", "CANCELAR INSCRICAO", "ARRET", "ARRETER", "DESABONNER", "ABMELDEN", "ABBESTELLEN", "DISISCRIVIMI",
    "AFMELDEN", "REZYGNUJE", "IPTAL", "BERHENTI", "\u0421\u0422\u041e\u041f",
    "\u041e\u0422\u041f\u0418\u0421\u0410\u0422\u042c\u0421\u042f", "\u062a\u0648\u0642\u0641",
)  # fmt: skip
OPT_IN: Final = (
    "START", "UNSTOP", "SUBSCRIBE", "OPTIN", "OPT IN", "ALTA", "DAR DE ALTA", "INSCREVER", "REPRENDRE", "ANMELDEN",
    "\u0421\u0422\u0410\u0420\u0422",
)  # fmt: skip
# A longer message is none of them: it says something else as well.
_LONGEST: Final = 64
_LONGEST_WORD: Final = 40


@dataclass(frozen=True, slots=True)
class Change:
    """What a word asks for.

    Args:
        way: ``out``: onto the suppression list; ``in``: off it.
        word: as it is configured.
    """

    way: Literal["out", "in"]
    word: str


class Words:
    """What inbound messages are compared with: as a whole, whatever their case, accents and punctuation around them.

    Args:
        opt_out: words that put a number on the list.
        opt_in: words that take it off.
    """

    def __init__(self, opt_out: Iterable[str] = OPT_OUT, opt_in: Iterable[str] = OPT_IN) -> None:
        self._changes = {folded(word): Change("in", word) for word in opt_in}
        self._changes |= {folded(word): Change("out", word) for word in opt_out}

    def meaning(self, text: str) -> Change | None:
        """What a message asks for; None when it is no word.

        Args:
            text: the whole message.
        """
        return self._changes.get(folded(text)) if len(text) <= _LONGEST else None


def folded(text: str) -> str:
    """A text as it is compared: letters and digits without case and accents, single blanks between words."""
    # Letters of a style (a bold S) become plain ones first: only those have a case to fold.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = (
        character if character.isalnum() else " "
        for character in plain
        if unicodedata.category(character) not in ("Mn", "Cf")
    )
    return " ".join("".join(letters).split())


def read_words(text: str) -> tuple[str, ...]:
    """Words of a setting, separated by commas.

    Raises:
        ValueError: one has no letter, or is too long.
    """
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in words:
        if not folded(word) or len(word) > _LONGEST_WORD or not word.isprintable():
            raise ValueError(
                f"must be words of 1 to {_LONGEST_WORD} characters, separated by commas, such as STOP, BAJA"
            )
    return words
