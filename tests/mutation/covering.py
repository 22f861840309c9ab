"""Which tests judge a mutant: those that execute the changed statement, the fastest first."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tests.mutation.choose import Mutant

IMPORTING = -1
"""In place of a test: the line is executed when its module is imported."""


LEAST_LIMIT_S, PATIENCE = 10.0, 5.0
"""A mutant has so many seconds, and so many times those of the unchanged source."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the tests of an area do on the unchanged source.

    Attributes
    ----------
    tests : list of str
        Node ids.
    seconds : list of float
        Of each test, measured with coverage.
    lines : dict
        By module (path inside the package) and line: places in ``tests``, or ``IMPORTING``.
    starters : set of int
        Tests that start processes, in which nothing is recorded: they may execute any line.
    failing : list of str
        Tests, or whole files, that fail on the unchanged source and judge nothing.
    """

    tests: list[str]
    seconds: list[float]
    lines: dict[str, dict[int, list[int]]]
    starters: set[int]
    failing: list[str]

    def judges(self, mutant: Mutant) -> list[str]:
        """Return the node ids that can notice a mutant, in the order in which they run."""
        if not mutant.key.module.endswith(".py"):  # coverage sees no compiled code
            return self._ordered(set(range(len(self.tests))))
        lines = self.lines.get(mutant.key.module, {})
        place = statement(mutant.source, mutant.line)
        direct = self._of(lines, place.lines)
        if place.imported:
            near = self._of(lines, _users(mutant.source, place.names)) | direct
            near |= self._of(lines, place.body)
            near.discard(IMPORTING)
            return self._ordered(near) + self._ordered(set(range(len(self.tests))) - near)
        return self._ordered(direct) + self._ordered(self.starters - direct)

    def limits(self) -> dict[str, float]:
        """Return the seconds that one test may take on a mutant, by file.

        By the slowest of the file: whichever runs first sets up what they share.
        """
        slowest: dict[str, float] = {}
        for name, seconds in zip(self.tests, self.seconds, strict=True):
            file = name.partition("::")[0]
            slowest[file] = max(slowest.get(file, 0.0), seconds)
        return {file: LEAST_LIMIT_S + PATIENCE * seconds for file, seconds in slowest.items()}

    def limit(self, tests: Iterable[str]) -> float:
        """Return the seconds that the tests may take on a mutant."""
        known = dict(zip(self.tests, self.seconds, strict=True))
        return LEAST_LIMIT_S + PATIENCE * sum(known.get(name, 0.0) for name in tests)

    def _of(self, lines: dict[int, list[int]], wanted: Iterable[int]) -> set[int]:
        return {test for line in wanted for test in lines.get(line, ())}

    def _ordered(self, places: set[int]) -> list[str]:
        """Order by file, the file whose tests are fastest on average first."""
        failing = set(self.failing)
        files: dict[str, list[int]] = {}
        for place in sorted(places, key=lambda place: self.seconds[place]):
            if self.tests[place] not in failing:
                files.setdefault(self.tests[place].partition("::")[0], []).append(place)
        pace = {
            file: sum(self.seconds[place] for place in own) / len(own)
            for file, own in files.items()
        }
        return [self.tests[p] for file in sorted(files, key=pace.__getitem__) for p in files[file]]


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement around a mutant.

    ``lines`` are its own lines (of a compound statement the head alone), ``names`` what it
    defines, ``body`` the lines of the function whose defaults it holds. ``imported``: importing
    the module executes it, which a test may be the first to do.
    """

    lines: range
    names: tuple[str, ...]
    body: range
    imported: bool


def statement(source: str, line: int) -> Statement:
    """Return the innermost statement of a line."""
    found: ast.stmt | None = None
    for node in _statements(source):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if first <= line <= (node.end_lineno or first):
            found = node  # outer statements come before inner ones
    if found is None:
        return Statement(range(line, line + 1), (), range(0), imported=True)
    imported = not any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node is not found
        and node.body[0].lineno <= found.lineno <= (node.end_lineno or 0)
        for node in _statements(source)
    )
    first = min([found.lineno, *(d.lineno for d in getattr(found, "decorator_list", ()))])
    body = getattr(found, "body", None)
    if not isinstance(body, list) or not body:
        own = range(first, (found.end_lineno or first) + 1)
        return Statement(own, _defined(found), range(0), imported)
    head = range(first, max(first + 1, body[0].lineno))
    inner = range(0)
    if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        inner = range(body[0].lineno, (found.end_lineno or first) + 1)
    return Statement(head, _defined(found), inner, imported)


@functools.lru_cache(maxsize=8)
def _statements(source: str) -> tuple[ast.stmt, ...]:
    found: list[ast.stmt] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            found.append(node)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return tuple(found)


def _defined(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return (node.name,)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return tuple(
        part.id
        for target in targets
        if target is not None
        for part in ast.walk(target)
        if isinstance(part, ast.Name)
    )


def _users(source: str, names: tuple[str, ...]) -> list[int]:
    """Return the lines of a module that mention one of the names."""
    if not names:
        return []
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    lines = source.splitlines()
    return [number for number, text in enumerate(lines, 1) if pattern.search(text)]
