"""What is not worth a mutant: text for people, types, and guards against programming errors.

Left out are type annotations and aliases, ``__all__``, ``if TYPE_CHECKING``, the texts of raised
errors, warnings and log lines, the options of ``dataclass`` and of caches, ``zip(strict=...)``
and the alternatives of ``isinstance``. Docstrings hold nothing that an operator changes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Place = tuple[int, int]
Span = tuple[Place, Place]

_LOGGERS = {"log", "logger", "_log", "_logger", "logging", "warnings", "LOG", "_LOG"}
_PLAIN_DECORATORS = {"dataclass", "lru_cache", "cache", "total_ordering"}


def excluded_spans(source: str) -> list[Span]:
    """Return the parts of a module, as ((line, column), (line, column)), that are left alone.

    Lines count from 1 and columns from 0, in characters.
    """
    lines = source.splitlines()
    return [
        (_place(lines, node.lineno, node.col_offset), _end(lines, node))
        for node in _excluded(ast.parse(source))
    ]


def is_excluded(start: Place, end: Place, spans: list[Span]) -> bool:
    """Whether a place lies wholly within one of the spans."""
    return any(first <= start and end <= last for first, last in spans)


def _end(lines: list[str], node: ast.AST) -> Place:
    return _place(lines, node.end_lineno or 0, node.end_col_offset or 0)


def _place(lines: list[str], line: int, column: int) -> Place:
    """Return the column in characters: ``ast`` counts bytes."""
    return line, len(lines[line - 1].encode()[:column].decode())


def _excluded(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        yield from _annotations(node)
        yield from _messages(node)
        match node:
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                yield node
            case ast.Assign(value=value) if _is_union(value):
                yield node
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield node
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                for decorator in node.decorator_list:
                    if _name(decorator) in _PLAIN_DECORATORS:
                        yield decorator
            case ast.Call(func=ast.Name(id="zip")):
                yield from (word for word in node.keywords if word.arg == "strict")
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, kinds]):
                yield kinds
            case ast.Call(func=ast.Name(id="TypeVar" | "NewType" | "cast")):
                yield node


def _annotations(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
        yield node.annotation
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
        yield node.returns


def _messages(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the texts of errors, warnings and log lines with what is set into them."""
    told: ast.AST | None = None
    if isinstance(node, ast.Raise):
        told = node.exc
    elif isinstance(node, ast.Call) and _name(node) in _LOGGERS:
        told = node
    elif isinstance(node, ast.Assert):
        told = node.msg
    if told is not None:
        for part in ast.walk(told):
            if isinstance(part, ast.JoinedStr | ast.Constant) and (
                isinstance(part, ast.JoinedStr) or isinstance(part.value, str)
            ):
                yield part


def _name(node: ast.expr) -> str:
    """Return the first name of ``logger.warning(...)``, the last one of ``functools.cache``."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        owner = node.value
        if isinstance(owner, ast.Name) and owner.id in _LOGGERS:
            return owner.id
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _is_union(node: ast.expr) -> bool:
    """Whether an expression is a union of types, such as ``Path | None``."""
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _is_type(left) and _is_type(right)
    return False


def _is_type(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name):
            return name[:1].isupper() or name in ("int", "float", "str", "bytes", "bool", "complex")
        case ast.Subscript(value=value):
            return _is_type(value)
        case ast.Attribute(attr=name):
            return name[:1].isupper()
    return _is_union(node)
