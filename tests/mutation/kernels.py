"""Mutants of the compiled kernels: cosmic-ray knows Python alone, so these are made by patterns.

The C sources are formatted with spaces around binary operators; that is what the patterns rest on.
Numbers, comparisons and sums are changed as in Python; comments, strings, ``#include`` and
``#if`` are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from cosmic_ray.work_item import MutationSpec

from tests.mutation.choose import Mutant, numbered
from tests.mutation.operators import FACTORS, SMALLEST

_LEFT_ALONE = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|^[ \t]*#[ \t]*(?:include|if|elif)[^\n]*', re.S | re.M
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w.])")
_EXCHANGED = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
    "==": ("!=",), "!=": ("==",), "+": ("-",), "-": ("+",), "+=": ("-=",), "&&": ("||",),
    "||": ("&&",),
}  # fmt: skip
_OPERATOR = re.compile(r"(?<= )(?:<=|>=|==|!=|\+=|&&|\|\||[<>+-])(?= )")
_FUNCTION = re.compile(r"^(?:[A-Za-z_][^\n;={}]*?[ *])??(\w+)\([^;]*?\{|^#define (\w+)\(", re.M)


class KernelMutant(Mutant):
    """A change of a C source: ``spec`` holds the place, and the new text as an argument."""

    @cached_property
    def mutated(self) -> str | None:
        """The changed source."""
        lines = self.source.splitlines(keepends=True)
        row, column = self.spec.start_pos
        text = lines[row - 1]
        lines[row - 1] = (
            text[:column] + self.spec.operator_args["new"] + text[self.spec.end_pos[1] :]
        )
        return "".join(lines)


def find_kernel_mutants(path: Path, module: str, source: str | None = None) -> list[Mutant]:
    """Return all mutants of a C source, in the order of the text; see ``choose.find_mutants``."""
    source = path.read_text(encoding="utf-8") if source is None else source
    code = _LEFT_ALONE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)
    functions = [(found.start(), found[1] or found[2]) for found in _FUNCTION.finditer(code)]
    found = []
    for start, end, name, new in sorted(_changes(code), key=lambda change: change[:3]):
        row = source.count("\n", 0, start) + 1
        column = start - (source.rfind("\n", 0, start) + 1)
        spec = MutationSpec(
            module_path=path,
            operator_name=name,
            operator_args={"new": new},
            occurrence=0,
            start_pos=(row, column),
            end_pos=(row, column + end - start),
        )
        function = next((own for place, own in reversed(functions) if place <= start), "")
        found.append((spec, name, function, source.splitlines()[row - 1].rstrip(" \\").strip()))
    return [KernelMutant(key, spec, source) for key, spec in numbered(module, found)]


def _changes(code: str) -> Iterator[tuple[int, int, str, str]]:
    for found in _NUMBER.finditer(code):
        text = found[0]
        if text.isdigit():
            new = [str(int(text) + 1), str(int(text) - 1)]
        elif float(text) >= SMALLEST:
            new = [repr(float(f"{float(text) * factor:.6g}")) for factor in FACTORS]
        else:
            new = [repr(float(text) + 1.0), repr(float(text) - 1.0)]
        for changed in new:
            yield found.start(), found.end(), "c/Number", changed
    for found in _OPERATOR.finditer(code):
        for changed in _EXCHANGED[found[0]]:
            yield found.start(), found.end(), "c/Operator", changed
