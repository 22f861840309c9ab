"""The examples of the documentation strings do what they show."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
# The programs of an export import their neighbours by bare names; they run in tests of the export.
MODULES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((SOURCE / "ecgfoundry").rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8") and "export_files" not in path.parts
]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    try:
        module = import_module(name)
    except ImportError as error:
        pytest.skip(f"an extra is not installed: {error}")
    found = doctest.testmod(module, optionflags=FLAGS)
    assert found.failed == 0
