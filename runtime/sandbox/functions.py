"""The source of a function that a program gives to `$`: how a handler leaves the program that defined it."""

import __future__

import ast
import dis
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runtime.sandbox.allowed import MODULE_NAMES
from runtime.sandbox.guards import BUILTIN_NAMES
from runtime.sandbox.proxy import DollarError
from runtime.sandbox.syntax import Source, parse


@dataclass(frozen=True, kw_only=True)
class _Definition:
    """Where a `def` or a `lambda` stands in the program."""

    name: str  # "<lambda>" for a lambda, as its code object says
    first_line: int  # of its first decorator, as its code object says
    segment: str  # its own text, without decorators and outer indentation
    line: int
    body: tuple[tuple[int, int], tuple[int, int]]  # (line, byte offset) of its start and end


class Functions:
    """The functions of one program, found again from their code objects."""

    def __init__(self, source: Source) -> None:
        # Taken before the policy changes the tree.
        self._definitions = [
            _definition(node, source) for node in ast.walk(source.tree) if isinstance(node, _FUNCTIONS)
        ]

    def shape(self, function: types.FunctionType) -> dict[str, Any]:
        """`{"$function": {name, source, line, parameters}}`; the source stands alone.

        Raises DollarError `invalid_arguments` for a function that leans on names that it does not carry.
        """
        definition = self._find(function.__code__)
        if definition is None:
            raise DollarError(
                "invalid_arguments",
                "only a def or a lambda of this program can be stored",
                "wrap it: lambda entity, $: …",
            )
        missing = sorted(_names_from_outside(definition) - BUILTIN_NAMES - {definition.name})
        if missing:
            words = ", ".join(repr(name) for name in missing)
            inside = [f"import {name}" if name in MODULE_NAMES else f"{name} = …" for name in missing[:3]]
            raise DollarError(
                "invalid_arguments",
                f"the function leans on {words}, which it does not carry",
                f"it is stored alone, so inside it: {'; '.join(inside)}; or read it through `$`",
                {"names": missing},
            )
        code = function.__code__
        by_name = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        wanted = [name for name in by_name if name not in (function.__kwdefaults__ or {})]
        if wanted:
            raise DollarError(
                "invalid_arguments",
                f"{definition.name} wants {wanted[0]!r} by its name, and a handler is given what it takes by its place",
                "def handler(entity, $): …",
            )
        parameters = code.co_argcount if not code.co_flags & 0x04 else None  # 0x04: takes *args
        return {
            "$function": {
                "name": definition.name,
                "source": definition.segment,
                "line": definition.line,
                "parameters": parameters,
            }
        }

    def _find(self, code: types.CodeType) -> _Definition | None:
        found = [
            definition
            for definition in self._definitions
            if definition.name == code.co_name and definition.first_line == code.co_firstlineno
        ]
        if len(found) > 1:  # lambdas of one line: the innermost whose body holds the code's own positions
            positions = list(_positions(code))
            found = [
                one for one in found if all(one.body[0] <= start and end <= one.body[1] for start, end in positions)
            ]
            found.sort(key=lambda one: one.body[0], reverse=True)
        return found[0] if found else None


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def _definition(node: Any, source: Source) -> _Definition:
    body: Any = node.body if isinstance(node, ast.Lambda) else node.body[0]
    last: Any = node.body if isinstance(node, ast.Lambda) else node.body[-1]
    return _Definition(
        name="<lambda>" if isinstance(node, ast.Lambda) else node.name,
        first_line=min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))]),
        segment=_segment(node, source),
        line=node.lineno,
        body=((body.lineno, body.col_offset), (last.end_lineno, last.end_col_offset)),
    )


def _segment(node: Any, source: Source) -> str:
    """The text of the node. A nested `def` moves to the margin; lines inside its strings stay as they are."""
    lines = source.lines[node.lineno - 1 : node.end_lineno]
    start = source.column(node.lineno, node.col_offset) - 1
    end = source.column(node.end_lineno, node.end_col_offset) - 1
    lines[-1] = lines[-1][:end]
    indent, lines[0] = lines[0][:start], lines[0][start:]
    if isinstance(node, ast.Lambda) or not indent or not indent.isspace():
        return "\n".join(lines)
    in_text: set[int] = set()
    for part in ast.walk(node):
        if isinstance(part, (ast.Constant, ast.JoinedStr)) and part.end_lineno:
            in_text.update(range(part.lineno + 1, part.end_lineno + 1))
    return "\n".join(
        line if node.lineno + index in in_text else line.removeprefix(indent) for index, line in enumerate(lines)
    )


def _positions(code: types.CodeType) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for line, end_line, offset, end_offset in code.co_positions():
        if (
            line is not None
            and end_line is not None
            and offset is not None
            and end_offset is not None
            and end_offset > 0
        ):
            yield (line, offset), (end_line, end_offset)


def _names_from_outside(definition: _Definition) -> set[str]:
    text = f"({definition.segment})" if definition.name == "<lambda>" else definition.segment
    # Annotations say nothing at run time here, so nothing that stands in one is leaned on.
    flags = __future__.annotations.compiler_flag
    module = compile(parse(text).tree, "<function>", "exec", flags=flags, dont_inherit=True)
    return _globals_of(module)


def _globals_of(code: types.CodeType) -> set[str]:
    read: set[str] = set()
    written: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(step.argval)
        elif step.opname in ("STORE_NAME", "STORE_GLOBAL"):
            written.add(step.argval)
    inner = [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return (read - written - {"__name__"}).union(*(_globals_of(one) for one in inner))
