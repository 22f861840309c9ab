"""The mutants of a module, in whichever language it is written."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.choose import Mutant, find_mutants
from tests.mutation.kernels import find_kernel_mutants


def mutants_of(package: Path, module: str) -> list[Mutant]:
    """Return all mutants of a module (path inside the package), in the order of the text."""
    find = find_kernel_mutants if module.endswith(".c") else find_mutants
    return find(package / module, module)
