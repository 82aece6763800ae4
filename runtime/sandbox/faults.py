"""How a failed program is told, in its author's terms: `{code, message, hint, details}` with type, line and column."""

import ast
from types import FrameType, TracebackType
from typing import Any

from runtime.sandbox.hints import HINT_CHARS_MAX, NEAR, hint_for, hint_for_syntax, near_word
from runtime.sandbox.plain import NotPlain
from runtime.sandbox.policy import NotAllowed
from runtime.sandbox.proxy import DollarError
from runtime.sandbox.syntax import Source
from runtime.sandbox.texts import text_of

MESSAGE_CHARS_MAX = 2_000
LINE_CHARS_MAX = 300
REFUSALS_MAX = 5  # told at once; the rest would scroll the first away

Shape = dict[str, Any]


def shape(
    error: BaseException, source: Source | None, code: str, filename: str, returned: TracebackType | None = None
) -> Shape:
    """The error as callers get it. Only places in the program are told, never places of ours.

    `source` is None where the code could not be parsed. `returned` is where it left with `return`: the place of a
    result that cannot be sent.
    """
    source = source or Source(tree=ast.Module(body=[], type_ignores=[]), text=code, python=code)
    if isinstance(error, NotAllowed):
        return _refused(error, source)
    if isinstance(error, SyntaxError) and error.filename == filename:
        return _misspelt(error, source)
    line, column = _place(error.__traceback__, source, filename)
    if line is None:
        line, column = _place(returned, source, filename)
    if line is None and isinstance(error, (NotPlain, DollarError)) and source.tree.body:
        last = source.tree.body[-1]
        line, column = last.lineno, source.column(last.lineno, last.col_offset)
    if isinstance(error, DollarError):
        return _answered(error, line, column, source)
    if isinstance(error, MemoryError):
        hint = "fetch fewer entities or only the fields you need, or work in batches"
        return _shape("memory_exceeded", "the code used all its memory", hint, "MemoryError", line, column, source)
    if isinstance(error, NotPlain):
        return _shape(
            "execution_error",
            f"the result cannot be sent: {error.message}",
            error.hint,
            "NotData",
            line,
            column,
            source,
        )
    if isinstance(error, RecursionError):
        hint = "loop instead, or check what ends the recursion"
        return _shape(
            "execution_error", "the calls are nested too deeply", hint, "RecursionError", line, column, source
        )
    text = message_of(error)
    hint = hint_for(error, text, source) or near_word(text)
    return _shape("execution_error", text.partition(NEAR)[0], hint, type(error).__name__, line, column, source)


def deadline(seconds: float, frame: FrameType | None, source: Source | None, filename: str) -> Shape:
    """What is told when the time of the code is up, with the line that was running."""
    while frame is not None and frame.f_code.co_filename != filename:
        frame = frame.f_back
    line = frame.f_lineno if frame is not None else None
    where = f" in line {line}" if line else ""
    details: dict[str, Any] = {"type": "Timeout", "seconds": seconds}
    if source is not None and line:
        details |= {"line": line, "source": source.line(line)[:LINE_CHARS_MAX]}
    return {
        "code": "timeout",
        "message": f"the code was stopped after {seconds:g} s{where}",
        "hint": "narrow the query, or do the work in several calls",
        "details": details,
    }


def message_of(error: BaseException) -> str:
    """The text of an exception, whatever its class does when asked for it."""
    try:
        text = text_of(error)
    except Exception:
        text = ""
    if isinstance(error, KeyError) and error.args and type(error.args[0]) is str:
        key, found, near = error.args[0].partition(NEAR)
        text = f"there is no key {key!r}{found}{near}"
    if isinstance(error, KeyError) and error.args and type(error.args[0]) is int:
        text = f"there is no key {error.args[0]}"
    if isinstance(error, AssertionError) and not text:
        text = "the assertion does not hold"
    return (text or type(error).__name__)[:MESSAGE_CHARS_MAX]


def _refused(error: NotAllowed, source: Source) -> Shape:
    first = error.refusals[0]
    column = source.column(first.line, first.byte_offset)
    told = _shape("execution_error", first.message, first.hint, "NotAllowed", first.line, column, source)
    if len(error.refusals) > 1:
        rest = error.refusals[1:REFUSALS_MAX]
        told["details"]["also"] = [f"line {refusal.line}: {refusal.message}"[:LINE_CHARS_MAX] for refusal in rest]
    return told


def _misspelt(error: SyntaxError, source: Source) -> Shape:
    line, column = error.lineno or 1, max(error.offset or 1, 1)
    hint = hint_for_syntax(error.msg, source, line)
    return _shape("execution_error", error.msg, hint, "SyntaxError", line, column, source)


def _answered(error: DollarError, line: int | None, column: int | None, source: Source) -> Shape:
    told = _shape(error.code, error.message, error.hint, None, line, column, source)
    if isinstance(error.details, dict):
        told["details"] = {**told["details"], **error.details}  # pyright: ignore[reportUnknownMemberType]
    return told


def _shape(
    code: str, message: str, hint: str | None, kind: str | None, line: int | None, column: int | None, source: Source
) -> Shape:
    details: dict[str, Any] = {} if kind is None else {"type": kind}
    if line is not None:
        details |= {"line": line, "column": column, "source": source.line(line)[:LINE_CHARS_MAX]}
    told: Shape = {"code": code, "message": message[:MESSAGE_CHARS_MAX], "details": details}
    if hint:
        told["hint"] = hint[:HINT_CHARS_MAX]
    return told


def _place(trace: TracebackType | None, source: Source, filename: str) -> tuple[int | None, int | None]:
    """Line and column of the innermost step that is the author's."""
    found: tuple[int | None, int | None] = (None, None)
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == filename:
            positions = list(code.co_positions())
            line, _, offset, _ = positions[trace.tb_lasti // 2]
            line = line or trace.tb_lineno
            found = (line, None if offset is None else source.column(line, offset))
        trace = trace.tb_next
    return found
