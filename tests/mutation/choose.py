"""Find the mutants of a module and draw a sample of them.

A mutant is named by where it stands in the text (module, function, operator, line, how many-th of
its kind on such a line), not by a line number: a sample and its verdicts outlive edits elsewhere.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import MutationVisitor
from cosmic_ray.work_item import MutationSpec

from tests.mutation import operators
from tests.mutation.exclusions import excluded_spans, is_excluded


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What names a mutant, without line numbers.

    ``function`` is the qualified name of the innermost function or class, empty in the module;
    ``line`` the first line of the changed text without its indentation; ``occurrence`` counts the
    mutants that agree in all else.
    """

    module: str
    function: str
    operator: str
    line: str
    occurrence: int


@dataclass(frozen=True)
class Mutant:
    """One small change to one module."""

    key: Key
    spec: MutationSpec
    source: str

    @cached_property
    def mutated(self) -> str | None:
        """The changed module; None where the change is none, or no Python."""
        operator = operators.get(self.spec.operator_name)
        code = MutationVisitor.mutate_code(self.source, operator, self.spec.occurrence)
        if code is None or code == self.source:
            return None
        try:
            changed = ast.dump(ast.parse(code))
            compile(code, self.key.module, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            return None
        return None if changed == ast.dump(ast.parse(self.source)) else code

    @cached_property
    def identity(self) -> str:
        """A name for the session: another one when the module was edited."""
        return _digest(repr(self.key), self.source)[:32]

    @property
    def line(self) -> int:
        """Number of the line, from 1."""
        return self.spec.start_pos[0]

    def change(self) -> str:
        """Return the change as ``old -> new``: the lines that differ, without indentation."""
        old, new = self.source.splitlines(), (self.mutated or self.source).splitlines()
        first = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
        last = 0
        while last < min(len(old), len(new)) - first - 1 and old[-1 - last] == new[-1 - last]:
            last += 1
        before = " ".join(text.strip() for text in old[first : len(old) - last])
        after = " ".join(text.strip() for text in new[first : len(new) - last])
        return f"{before} -> {after}"


def find_mutants(path: Path, module: str, source: str | None = None) -> list[Mutant]:
    """Return all mutants of a module, in the order of the text.

    Parameters
    ----------
    path : Path
        The file.
    module : str
        Its path inside the package, with forward slashes: the name in keys.
    source : str, optional
        The text, where it is not that of the file.
    """
    source = path.read_text(encoding="utf-8") if source is None else source
    spans, lines = excluded_spans(source), source.splitlines()
    nodes = list(ast_nodes(get_ast(source)))
    found = []
    for name in operators.names():
        operator = operators.get(name)
        places = ((node, place) for node in nodes for place in operator.mutation_positions(node))
        for occurrence, (node, (start, end)) in enumerate(places):
            left_out = operators.is_left_out(name, node)
            if left_out or start >= end or is_excluded(start, end, spans):
                continue
            spec = MutationSpec(
                module_path=path,
                operator_name=name,
                occurrence=occurrence,
                start_pos=start,
                end_pos=end,
                definition_name=ASTQuery(node).get_definition_name(),
            )
            found.append((spec, name, _qualified_name(node), lines[start[0] - 1].strip()))
    found.sort(key=lambda entry: (entry[0].start_pos, entry[1], entry[0].occurrence))
    return [Mutant(key, spec, source) for key, spec in numbered(module, found)]


def numbered(
    module: str, found: Iterable[tuple[MutationSpec, str, str, str]]
) -> Iterator[tuple[Key, MutationSpec]]:
    """Give keys to changes in the order of the text: (spec, operator, function, line)."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for spec, name, function, line in found:
        yield Key(module, function, name, line, seen[function, name, line]), spec
        seen[function, name, line] += 1


def draw(mutants: Iterable[Mutant], size: int | None, seed: int) -> list[Mutant]:
    """Return a random sample of the mutants that really change something.

    Every mutant has a random rank that depends on its key and the seed alone. A larger sample
    contains the smaller one, and an edit elsewhere does not change it.

    Parameters
    ----------
    mutants : iterable of Mutant
    size : int or None
        How many; None for all.
    seed : int
    """
    ranked = sorted(mutants, key=lambda mutant: _digest(str(seed), repr(mutant.key)))
    chosen: list[Mutant] = []
    for mutant in _changing(ranked):
        if size is not None and len(chosen) >= size:
            break
        chosen.append(mutant)
    return chosen


def _changing(mutants: Iterable[Mutant]) -> Iterator[Mutant]:
    return (mutant for mutant in mutants if mutant.mutated is not None)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _qualified_name(node: object) -> str:
    names: list[str] = []
    while node is not None:
        if getattr(node, "type", "") in ("funcdef", "classdef"):
            names.append(node.name.value)  # type: ignore[attr-defined]
        node = getattr(node, "parent", None)
    return ".".join(reversed(names))
