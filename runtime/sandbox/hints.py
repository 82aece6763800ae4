"""One concrete hint for each mistake that models are known to make, so that the next attempt is the right one.

`docs/mistakes.md` has a row for each of the habits behind these; the tests run every row.
"""

import ast
import difflib
from collections.abc import Iterator

from runtime.errors import nearest
from runtime.sandbox.allowed import MODULE_NAMES
from runtime.sandbox.guards import BUILTIN_NAMES
from runtime.sandbox.habits import (
    ANY_ATTRIBUTE,
    ATTRIBUTES,
    ELSEWHERE,
    FOREIGN_SYNTAX,
    MEMBERS,
    MESSAGES,
    MODULES_INSTEAD,
    OUTSIDE,
    OUTSIDE_MODULES,
    SYNTAX_MESSAGES,
    Table,
)
from runtime.sandbox.syntax import Source

HINT_CHARS_MAX = 500
_NAMES_LOOKED_AT_MAX = 2_000
_BUILTIN_CUTOFF = 0.85  # an own variable of an earlier call is likelier than a misspelt builtin


def hint_for_syntax(message: str, source: Source, line: int) -> str | None:
    """What to write instead, judged by the line that Python did not understand, or the one before it."""
    for text in (source.line(line), source.line(line - 1)):
        for pattern, hint in FOREIGN_SYNTAX:
            if pattern.search(text):
                return hint
    return _first(SYNTAX_MESSAGES, message)


def hint_for(error: BaseException, message: str, source: Source) -> str | None:
    """What to do about an exception that left the program; None where the message says it all.

    `source` is as the policy left it: its tree is the guarded program.
    """
    own = getattr(error, "hint", None)
    if type(own) is str:
        return own[:HINT_CHARS_MAX]
    if isinstance(error, NameError):
        return _for_name(error.name or "", source)
    if isinstance(error, ImportError):
        return _for_import(error.name or "") if near_word(message) is None else None
    if isinstance(error, AttributeError):
        return _first(ATTRIBUTES, message) or (_first(ANY_ATTRIBUTE, message) if near_word(message) is None else None)
    if isinstance(error, KeyError):
        if error.args and type(error.args[0]) is int:
            return "it is a mapping: the rows of a page are in page.results, as in $.search(...).results[0]"
        return "read it with record.get(key), or check `key in record` first" if near_word(message) is None else None
    if isinstance(error, IndexError):
        return "the list may be empty: check its length first, `values[0] if values else None`"
    if isinstance(error, StopIteration):
        return "give `next` a second argument for when there is nothing: next(values, None)"
    return _first(MESSAGES, message)


def hint_for_nothing(source: Source) -> str | None:
    """What to add to a program that ran and gave no value; None where it did give one, though that was None.

    `source` is as its author wrote it.
    """
    body = source.tree.body
    last = body[-1] if body else None
    if isinstance(last, (ast.FunctionDef, ast.AsyncFunctionDef)) and not last.decorator_list:
        return f"{last.name} was defined and never called: end with {last.name}()"
    if isinstance(last, ast.Assign) and isinstance(last.targets[0], ast.Name):
        return f"the value is that of the last expression, or what is returned: end with {last.targets[0].id}"
    call = last.value if isinstance(last, ast.Expr) else None
    call = call.value if isinstance(call, ast.Await) else call
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
        for function in _functions(source.tree):
            if function.name == call.func.id and not any(_returns(function)):
                return f"{function.name} returns nothing: write `return value` in it"
    return None


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def _returns(function: ast.AST) -> Iterator[bool]:
    return (True for node in ast.walk(function) if isinstance(node, (ast.Return, ast.Yield, ast.YieldFrom)))


def near_word(message: str) -> str | None:
    """The hint that a guard put behind its message, as in "Deal has no 'nme'; did you mean 'name'?"."""
    _, found, near = message.partition(NEAR)
    return f"did you mean {near}" if found else None


NEAR = "; did you mean "


def _for_name(name: str, source: Source) -> str:
    if name.startswith("$"):
        return f"write $.{name[1:]}"
    place = _place_of(name, source)
    if place is not None:
        return place
    if name == "datetime" and "datetime.datetime" not in source.text:
        return "add `from datetime import datetime` above, or use $.now()"
    if name in MODULE_NAMES:
        return f"add `import {name}` above; each `do` starts empty"
    if name in MEMBERS:
        return f"add `from {MEMBERS[name]} import {name}` above"
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    if name[:1].isupper():
        near = nearest(name, [known for known in _names_of(source) if known[:1].isupper()])
        if near is not None:
            return f"did you mean {near!r}?"
        return f"types live on `$`: $.{name}" if _is_asked(name, source) else f'a text needs quotes: "{name}"'
    near = nearest(name, _names_of(source))
    if near is not None:
        return f"did you mean {near!r}?"
    near = difflib.get_close_matches(name, BUILTIN_NAMES, n=1, cutoff=_BUILTIN_CUTOFF)
    if near:
        return f"did you mean {near[0]!r}?"
    return (
        "variables do not persist between do calls: define it in this code,"
        " or fetch it again with `$`, as in $.Deal.find(...)"
    )


def _place_of(name: str, source: Source) -> str | None:
    """What an unknown name stands for where it stands: a key without quotes, a field in a condition, an exception."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Dict(keys=keys) if any(isinstance(key, ast.Name) and key.id == name for key in keys):
                return f'keys are text: {{"{name}": …}}'
            case ast.ExceptHandler(type=ast.expr() as kind) if name in _names_in(kind):
                return "what `$` refuses is a plain exception: `except Exception as error:`, then error.code"
            case ast.Call(args=[*_, ast.Compare(left=ast.Name(id=left))]) if left == name:
                return f'a filter is a mapping: {{"{name}": {{"$gt": …}}}}'
            case _:
                pass
    return None


def _is_asked(name: str, source: Source) -> bool:
    """Whether the program reads an attribute of it, which the policy has made a call of a guard."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_getattr_"
        and isinstance(node.args[0], ast.Name)
        and node.args[0].id == name
        for node in ast.walk(source.tree)
    )


def _names_in(node: ast.AST) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _for_import(name: str) -> str:
    available = f"there is: {', '.join(MODULE_NAMES)}"
    root = name.partition(".")[0]
    if root in OUTSIDE_MODULES:
        return f"{OUTSIDE}. {available}"
    if root in MODULES_INSTEAD:
        return f"{MODULES_INSTEAD[root]}. {available}"
    return available


def _names_of(source: Source) -> set[str]:
    """The names that the program itself gives."""
    names: set[str] = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        if len(names) >= _NAMES_LOOKED_AT_MAX:
            break
    return {name for name in names if not name.startswith("_")}


def _first(table: Table, message: str) -> str | None:
    return next((hint for pattern, hint in table if pattern.search(message)), None)
