"""`$` as a real Python name, with every column left where its author put it.

Python has no `$`. So each `$` that is code (not text, comment or format literal) is swapped for one letter that the
source does not contain, Python parses that, and the letter becomes `$` again in the tree: the compiler takes any string
for a name. Errors, signatures and columns then all speak of `$`.
"""

import ast
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

# One character each, so that columns stay: letters of rare scripts that NFKC, applied to names by Python, leaves alone.
_STAND_INS = ("\ua4e2", "\ua4f3", "\u16a0", "\u13a0", "\u1401", "\u2c00", "\ua500", "\u10a0")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A parsed program: its tree, its text, and the text as Python read it (same characters, a letter for each `$`)."""

    tree: ast.Module
    text: str
    python: str

    @cached_property
    def lines(self) -> list[str]:
        """The author's lines."""
        return self.text.split("\n")

    @cached_property
    def _python_lines(self) -> list[str]:
        return self.python.split("\n")

    def line(self, number: int | None) -> str:
        """The author's line, without its indentation; empty when there is no such line."""
        return self.lines[number - 1].strip() if number and 0 < number <= len(self.lines) else ""

    def column(self, line: int, byte_offset: int) -> int:
        """The 1-based character column of a byte offset as the tree has them."""
        text = self._python_lines[line - 1] if 0 < line <= len(self._python_lines) else ""
        return len(text.encode("utf-8", "replace")[:byte_offset].decode("utf-8", "ignore")) + 1


def parse(text: str, filename: str = "<do>") -> Source:
    """The program. Raises SyntaxError with the author's text and offset, also for code that is nested too deeply."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    dollars = dollars_of(text)
    stand_in = _stand_in(text) if dollars else ""
    python = _swapped(text, dollars, stand_in)
    try:
        tree = ast.parse(python, filename)
    except SyntaxError as error:
        if error.lineno is None:  # null bytes have no place
            raise SyntaxError(error.msg, (filename, 1, 1, None)) from error
        if dollars:
            _speak_of_dollars(error, stand_in)
        raise
    except (MemoryError, RecursionError) as error:
        raise SyntaxError("the code is nested too deeply", (filename, 1, 1, None)) from error
    except ValueError as error:
        raise SyntaxError(f"the code cannot be read: {error}", (filename, 1, 1, None)) from error
    if dollars:
        _restore(tree, stand_in)
    return Source(tree=tree, text=text, python=python)


def dollars_of(text: str) -> list[int]:
    """The index of every `$` that is code, in order."""
    if "$" not in text:
        return []
    scanner = _Scanner(text)
    scanner.code(0, in_field=False)
    return scanner.dollars


def _stand_in(text: str) -> str:
    normal, lower = unicodedata.normalize("NFKC", text), text.lower()
    for letter in _STAND_INS:
        # Its escape too: "\ua4e2" in a string would otherwise become a `$` when the tree is restored.
        if letter not in normal and letter not in text and f"{ord(letter):04x}" not in lower:
            return letter
    raise SyntaxError("the code uses too many letters of rare scripts to hold a `$`")


def _swapped(text: str, dollars: list[int], stand_in: str) -> str:
    characters = list(text)
    for index in dollars:
        characters[index] = stand_in
    return "".join(characters)


def _restore(tree: ast.AST, stand_in: str) -> None:
    for node in ast.walk(tree):
        for field, value in ast.iter_fields(node):
            if isinstance(value, str):
                if stand_in in value:  # names, attributes, arguments, and the text of f"{$.x=}"
                    setattr(node, field, value.replace(stand_in, "$"))
            elif isinstance(node, (ast.Global, ast.Nonlocal)):
                node.names = [name.replace(stand_in, "$") for name in node.names]


def _speak_of_dollars(error: SyntaxError, stand_in: str) -> None:
    error.msg = error.msg.replace(stand_in, "$")
    if error.text:
        error.text = error.text.replace(stand_in, "$")
    error.args = (
        error.msg,
        (error.filename, error.lineno, error.offset, error.text, error.end_lineno, error.end_offset),
    )


_CODE = re.compile(r"""[#"'()\[\]{}:!$]""")
_TEXT = re.compile(r"""[\\\n"']""")
_FORMATTED_TEXT = re.compile(r"""[\\{\n"']""")
_PREFIX_LETTERS = "rbuftRBUFT"


class _Scanner:
    """A lexer that knows only what hides a `$`: strings, comments, and the literal parts of f-strings.

    It reads f-strings as Python 3.12 does (nested quotes, comments in fields); what older ones accept reads the same.
    Each method takes the index where its part begins and gives the index just past it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.dollars: list[int] = []

    def code(self, index: int, *, in_field: bool) -> int:
        """Program text; in a replacement field up to its own `}`, `:` or `!`."""
        text, depth = self.text, 0
        while found := _CODE.search(text, index):
            index = found.start()
            character = text[index]
            if character == "$":
                self.dollars.append(index)
            elif character == "#":
                index = text.find("\n", index)
                if index < 0:
                    return len(text)
            elif character in "\"'":
                index = self._string(index)
                continue
            elif character in "([{":
                depth += 1
            elif in_field and depth == 0 and (character in ")]}:" or not text.startswith("!=", index)):
                return index
            elif character in ")]}":
                depth = max(0, depth - 1)
            index += 1
        return len(text)

    def _string(self, index: int) -> int:
        text, first = self.text, index
        while first > 0 and index - first < 2 and text[first - 1] in _PREFIX_LETTERS:
            first -= 1
        is_word = first > 0 and (text[first - 1].isalnum() or text[first - 1] == "_")  # `buf"..."` has no prefix
        prefix = "" if is_word else text[first:index].lower()
        quote = text[index] * 3 if text.startswith(text[index] * 3, index) else text[index]
        is_formatted = "f" in prefix or "t" in prefix
        return (self._formatted if is_formatted else self._literal)(index + len(quote), quote)

    def _literal(self, index: int, quote: str) -> int:
        text = self.text
        while found := _TEXT.search(text, index):
            index = found.start()
            if text[index] == "\\":
                index += 2
            elif text.startswith(quote, index):
                return index + len(quote)
            elif text[index] == "\n" and len(quote) == 1:
                return index  # unterminated: Python will say so
            else:
                index += 1
        return len(text)

    def _formatted(self, index: int, quote: str) -> int:
        text = self.text
        while found := _FORMATTED_TEXT.search(text, index):
            index = found.start()
            if text.startswith(quote, index):
                return index + len(quote)
            if text[index] == "\\":
                # A backslash hides no brace: f"\{x}" is a backslash and a field.
                index += 1 if text[index + 1 : index + 2] in ("{", "}") else 2
            elif text.startswith("{{", index):
                index += 2
            elif text[index] == "{":
                index = self._field(index + 1, quote)
            elif text[index] == "\n" and len(quote) == 1:
                return index
            else:
                index += 1
        return len(text)

    def _field(self, index: int, quote: str) -> int:
        text = self.text
        index = self.code(index, in_field=True)
        if text.startswith("!", index):  # a conversion, `!r`
            index += 1
            while index < len(text) and (text[index].isalnum() or text[index] in " \t"):
                index += 1
        if text.startswith(":", index):  # a format specification: text again, with fields of its own
            index += 1
            while index < len(text) and text[index] != "}":
                if text[index] == "{":
                    index = self._field(index + 1, quote)
                elif text.startswith(quote, index) or (text[index] == "\n" and len(quote) == 1):
                    return index
                else:
                    index += 1
        return index + 1 if text.startswith("}", index) else index
