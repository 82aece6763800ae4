"""Words as search understands them: letters and digits, without regard to case and accents."""

import re
import unicodedata

# A longer run is no word that anybody types; it is a key, a hash, or an attack on the index.
TOKEN_CHARS_MAX = 80

_SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
_WORD = re.compile(r"[^\W_]+")


def tokenize(text: str) -> list[str]:
    """The words of `text`, folded, in order; what is too long for a word is cut."""
    return [word[:TOKEN_CHARS_MAX] for word in _WORD.findall(fold(text))]


def fold(text: str) -> str:
    """`text` in lower case and without accents: "Élan" and "elan" are one word."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFD", text)
    bare = "".join(letter for letter in apart if not unicodedata.category(letter).startswith("M"))
    # Greek writes a sigma differently at the end of a word; lower() knows, and SQL's does not.
    return unicodedata.normalize("NFC", bare.lower().replace("\N{GREEK SMALL LETTER FINAL SIGMA}", _SIGMA))
