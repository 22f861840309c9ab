"""The counts of the source's structure, on small sources whose answer is seen by eye."""

from __future__ import annotations

import ast

import pytest
from benchmarks.structure import circles, imports, many_parameters, modules, net_lines


def test_lines_of_code() -> None:
    text = '"""Two lines\nof words."""\n\nimport os  # said\n\n# nothing\n\n\n'
    text += 'def f(\n    a,\n):\n    """Word."""\n    return a\n'
    assert net_lines(text) == 5  # import, def over three lines, return


def test_parameters_are_counted() -> None:
    names = ", ".join("abcdefghij")
    trees = {"m": ast.parse(f"def f({names}): ...\ndef g({names[:-3]}): ...\n")}
    assert many_parameters(trees) == ["m.f (10)"]


def test_circles_are_found_and_type_checking_is_none() -> None:
    trees = {
        "a": ast.parse("import b"),
        "b": ast.parse("def f():\n    import c"),
        "c": ast.parse("from a import x\nimport d"),
        "d": ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a"),
    }
    assert circles(imports(trees)) == [["a", "b", "c"]]


@pytest.mark.slow
def test_the_source_has_no_circles() -> None:
    assert circles(imports(modules())) == []
