"""Which Python a sandboxed program may be written in, and the guarded program that it becomes.

RestrictedPython refuses what it does not know and routes every attribute, item and write through guards. On top, this
takes the ordinary Python that it refuses though it harms nobody, and says in words what would be right instead.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from types import CodeType, MappingProxyType
from typing import Any

from RestrictedPython.transformer import (
    ALLOWED_FUNC_NAMES,
    INSPECT_ATTRIBUTES,
    IOPERATOR_TO_STR,
    RestrictingNodeTransformer,
    copy_locations,
)

from runtime.sandbox.syntax import Source

RESULT = "_result_"  # where the value of the last expression is left; no author can write such a name

# A class may say how it prints, counts, iterates and adds. What decides over attributes or classes is not among these.
_METHOD_NAMES = ALLOWED_FUNC_NAMES | {
    *("__str__", "__repr__", "__len__", "__bool__", "__hash__", "__call__", "__iter__", "__next__", "__getitem__"),
    *("__setitem__", "__enter__", "__exit__", "__add__", "__radd__", "__sub__", "__mul__", "__truediv__", "__neg__"),
}
_SIGNS: Mapping[type[ast.operator], str] = MappingProxyType({**IOPERATOR_TO_STR})
_HINTS_BY_NODE = {"TryStar": "use plain `except`"}
_HINTS_BY_MESSAGE = {
    **{"Eval": "without eval: write the code out", "Exec": "without exec: write the code out"},
    '"*" imports': "name what you import: from math import floor",
}
_HINTS_BY_ATTRIBUTE = {
    "__class__": "use type(x), and type(x).__name__ for its name",
    "__dict__": "use dict(record)",
    "__doc__": "there is no documentation inside the sandbox; fetch the Schema of a noun instead",
}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One thing that the policy does not let through, and where."""

    line: int
    byte_offset: int
    message: str
    hint: str | None


class NotAllowed(Exception):
    """The program is Python, but not Python that may run here."""

    def __init__(self, refusals: list[Refusal]) -> None:
        self.refusals = refusals
        super().__init__(refusals[0].message)


def compiled(source: Source, filename: str) -> CodeType:
    """The program behind its guards; its value is left in the global `_result_`.

    Raises `NotAllowed` with every refusal in order, or SyntaxError where Python itself finds fault.
    The tree of `source` is used up.
    """
    policy = _Policy()
    try:
        policy.visit(source.tree)
        if policy.refusals:
            raise NotAllowed(sorted(policy.refusals, key=lambda refusal: (refusal.line, refusal.byte_offset)))
        _keep_last_value(source.tree)
        return compile(source.tree, filename, "exec", dont_inherit=True)
    except (RecursionError, MemoryError) as error:
        raise SyntaxError("the code is nested too deeply", (filename, 1, 1, None)) from error


def _keep_last_value(tree: ast.Module) -> None:
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        kept = ast.Assign(targets=[ast.Name(RESULT, ast.Store())], value=last.value)
        copy_locations(kept, last)
        tree.body[-1] = kept


def _call(name: str, arguments: list[ast.expr], at: ast.expr | ast.stmt) -> ast.Call:
    call = ast.Call(func=ast.Name(name, ast.Load()), args=arguments, keywords=[])
    copy_locations(call, at)
    return call


def _drop_type_parameters(node: Any) -> None:
    """`def f[T]` and `class A[T]`, since 3.12: annotations too."""
    if hasattr(node, "type_params"):
        node.type_params = []


class _Policy(RestrictingNodeTransformer):
    """The visitor. RestrictedPython calls `visit_<Node>` for each node and refuses nodes without such a method."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[Refusal] = []
        self._functions = 0  # how many functions deep

    # What is said

    def refuse(self, node: ast.AST, message: str, hint: str | None = None) -> None:
        line, offset = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        self.refusals.append(Refusal(line=line, byte_offset=offset, message=message, hint=hint))

    def _refuse_dollar(self, node: ast.AST) -> None:
        self.refuse(node, "`$` is the tenant and cannot be given another meaning", "choose another name")

    def error(self, node: ast.AST, info: str) -> None:
        hint = next((hint for start, hint in _HINTS_BY_MESSAGE.items() if info.startswith(start)), None)
        self.refuse(node, info.rstrip("."), hint)

    def not_allowed(self, node: ast.AST) -> None:
        name = type(node).__name__
        self.refuse(node, f"{name} is not available in the sandbox", _HINTS_BY_NODE.get(name))

    def check_name(self, node: Any, name: str | None, allow_magic_methods: bool = False) -> None:
        """Every name that a program binds comes by here: variables, parameters of every kind, imports, captures."""
        if name is None or name == "_" or not (name.startswith("_") or name.endswith("__roles__")):
            if name == "$" and not isinstance(node, (ast.FunctionDef, ast.Lambda)):  # as a parameter it is welcome
                self._refuse_dollar(node)
            return
        if allow_magic_methods and name in _METHOD_NAMES and node.col_offset != 0:
            return
        better = name.strip("_") or "other"
        self.refuse(node, f"the name {name!r} begins with `_`, which is kept for the sandbox", f"call it {better!r}")

    # Names and attributes

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if isinstance(node.ctx, ast.Load):
            if node.id == "__name__":  # `if __name__ == "__main__":` is a harmless habit
                return ast.copy_location(ast.Constant("__main__"), node)
            if node.id != "$":
                self.check_name(node, node.id)
        else:
            self.check_name(node, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        if node.attr == "__name__" and isinstance(node.ctx, ast.Load):
            return _call("_name_", [self.visit(node.value)], node)
        if (node.attr.startswith("_") and node.attr != "_") or node.attr in INSPECT_ATTRIBUTES:
            self.refuse(node, f"the attribute {node.attr!r} is not accessible", _HINTS_BY_ATTRIBUTE.get(node.attr))
            return node
        return super().visit_Attribute(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        for name in node.names:
            self.check_name(node, name)
        return node

    # Operators that can exhaust the machine in one step, or print an address

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        if not isinstance(node.op, (ast.Pow, ast.Mod)):
            return super().visit_BinOp(node)
        guard = "_power_" if isinstance(node.op, ast.Pow) else "_modulo_"
        return _call(guard, [self.visit(node.left), self.visit(node.right)], node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        visited = self.node_contents_visit(node)
        guard = {-1: "_shown_", ord("s"): "_text_", ord("r"): "_repr_", ord("a"): "_ascii_"}[visited.conversion]
        visited.value = _call(guard, [visited.value], visited.value)
        visited.conversion = -1
        return visited

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        target = node.target
        if isinstance(target, ast.Name):
            return super().visit_AugAssign(node)
        operator = ast.Constant(_SIGNS[type(node.op)])
        if isinstance(target, ast.Attribute):
            if target.attr.startswith("_") or target.attr in INSPECT_ATTRIBUTES:
                self.refuse(target, f"the attribute {target.attr!r} is not accessible")
                return node
            guard, key = "_change_attribute_", ast.Constant(target.attr)
        else:
            guard, key = "_change_item_", self.visit(target.slice)
        # Through a call, so that the object and the key are worked out once.
        change = ast.Expr(_call(guard, [self.visit(target.value), key, operator, self.visit(node.value)], node))
        copy_locations(change, node)
        return change

    # Annotations say nothing at run time here

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self.visit(ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_TypeAlias(self, node: ast.AST) -> ast.AST:
        return ast.copy_location(ast.Pass(), node)

    # Functions, classes, and the way out

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        if node.name == "$":
            self._refuse_dollar(node)
        node.returns = None
        _drop_type_parameters(node)
        self._functions += 1
        visited = super().visit_FunctionDef(node)
        self._functions -= 1
        return visited

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        # Not RestrictedPython's own, which builds the class anew from text and loses its place.
        self.check_name(node, node.name)
        if node.keywords:
            self.refuse(node, "a class takes no keywords here, such as metaclass", "leave them out")
        _drop_type_parameters(node)
        node = self.node_contents_visit(node)
        metaclass = ast.keyword(arg="metaclass", value=ast.Name("_metaclass_", ast.Load()))
        node.keywords = [ast.fix_missing_locations(ast.copy_location(metaclass, node))]
        return node

    def visit_Return(self, node: ast.Return) -> Any:
        visited = self.node_contents_visit(node)
        if self._functions:
            return visited
        # Outside a function: an exception that nothing in the program can catch carries the value out.
        leave = ast.Raise(exc=_call("_return_", [visited.value or ast.Constant(None)], node), cause=None)
        copy_locations(leave, node)
        return leave

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Any:
        visited: Any = super().visit_ExceptHandler(node)
        if visited.type is None:  # a bare except would catch that way out as well
            visited.type = ast.copy_location(ast.Name("_exception_", ast.Load()), node)
        return visited

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.module == "__future__":
            return ast.copy_location(ast.Pass(), node)
        return super().visit_ImportFrom(node)

    # `await` and its kin change nothing: every call here already waits

    def visit_Await(self, node: ast.Await) -> Any:
        return self.visit(node.value)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> Any:
        fields: dict[str, Any] = {name: getattr(node, name, None) for name in ast.FunctionDef._fields}
        return self.visit(ast.copy_location(ast.FunctionDef(**fields), node))

    def visit_AsyncFor(self, node: ast.AsyncFor) -> Any:
        loop = ast.For(target=node.target, iter=node.iter, body=node.body, orelse=node.orelse, type_comment=None)
        return self.visit(ast.copy_location(loop, node))

    def visit_AsyncWith(self, node: ast.AsyncWith) -> Any:
        return self.visit(ast.copy_location(ast.With(items=node.items, body=node.body, type_comment=None), node))

    def visit_comprehension(self, node: ast.comprehension) -> Any:
        node.is_async = 0
        return super().visit_comprehension(node)

    # `match`, whose captures bind names and whose class patterns read attributes behind the guards

    def visit_Match(self, node: ast.Match) -> Any:
        return self.node_contents_visit(node)

    def visit_match_case(self, node: ast.match_case) -> Any:
        return self.node_contents_visit(node)

    def visit_MatchValue(self, node: ast.MatchValue) -> Any:
        # Only constants: the compiler takes no guarded `a.b` for a pattern, and an unguarded one must not be.
        if not isinstance(node.value, (ast.Constant, ast.UnaryOp, ast.BinOp)):
            self.refuse(node, "a pattern takes plain values here", "use `case x if x == ...`")
        return node

    def visit_MatchSingleton(self, node: ast.MatchSingleton) -> Any:
        return node

    def visit_MatchSequence(self, node: ast.MatchSequence) -> Any:
        return self.node_contents_visit(node)

    def visit_MatchOr(self, node: ast.MatchOr) -> Any:
        return self.node_contents_visit(node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> Any:
        self.check_name(node, node.rest)
        for key in node.keys:
            if not isinstance(key, (ast.Constant, ast.UnaryOp, ast.BinOp)):
                self.refuse(key, "a pattern takes plain values as keys here", "use a string")
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        return node

    def visit_MatchAs(self, node: ast.MatchAs) -> Any:
        self.check_name(node, node.name)
        return self.node_contents_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> Any:
        self.check_name(node, node.name)
        return node

    def visit_MatchClass(self, node: ast.MatchClass) -> Any:
        if node.patterns or node.kwd_attrs or not isinstance(node.cls, ast.Name):
            hint = "match the type alone, `case dict():`, or a mapping, `case {'stage': stage}:`"
            self.refuse(node, "class patterns with attributes are not available in the sandbox", hint)
            return node
        self.check_name(node.cls, node.cls.id)
        return node
