"""Optional dependencies: one place that imports them, or says which extra brings them."""

from __future__ import annotations

import importlib.util
from typing import Any

from ecgfoundry.errors import MissingExtraError

__all__ = ["is_installed", "require_polars", "require_torch"]


def is_installed(module: str) -> bool:
    """Whether a module can be imported; it is looked up, not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # a finder of an embedding program may refuse it
        return False


def require_torch(purpose: str) -> None:
    """Stop with the install command if PyTorch is not installed.

    PyTorch is looked up, not imported: the import takes seconds.

    Raises
    ------
    MissingExtraError
    """
    if not is_installed("torch"):
        raise MissingExtraError.for_extra(purpose, "torch")


def require_polars(purpose: str) -> Any:
    """Return the module ``polars``.

    Raises
    ------
    MissingExtraError
        The extra ``data`` is not installed.
    """
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra(purpose, "data") from None
    return polars
