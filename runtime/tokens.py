"""Words as search understands them: letters and digits, without regard to case and accents."""

import re
import unicodedata

# A longer run is no word that anybody types; it is a key, a hash, or an attack on the index.
TOKEN_CHARS_MAX = 80

# Small letters that are no other with an accent, and what people write who do not have them on their keyboard. Greek
# writes a sigma differently at the end of a word; Python's lower() knows, and SQL's does not.
LETTERS = {
    "æ": "ae", "ð": "d", "đ": "d", "ħ": "h", "ł": "l", "ŋ": "n", "ø": "o", "œ": "oe", "ß": "ss", "ŧ": "t", "þ": "th",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i", "\N{GREEK SMALL LETTER FINAL SIGMA}": "\N{GREEK SMALL LETTER SIGMA}",
}  # fmt: skip

_LETTERS = str.maketrans(LETTERS)
_WORD = re.compile(r"[^\W_]+")


def tokenize(text: str) -> list[str]:
    """The words of `text`, folded, in order; what is too long for a word is cut."""
    return [word[:TOKEN_CHARS_MAX] for word in _WORD.findall(fold(text))]


def fold(text: str) -> str:
    """`text` in lower case and without accents: "Élan" and "elan" are one word, "Søren" and "soren", "Straße" and "strasse"."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFD", text)
    bare = "".join(letter for letter in apart if not unicodedata.category(letter).startswith("M"))
    return unicodedata.normalize("NFC", bare.lower().translate(_LETTERS))
