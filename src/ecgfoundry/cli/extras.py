"""What a command needs beyond the core, checked before anything is read."""

from __future__ import annotations

import importlib.util

from ecgfoundry.errors import MissingExtraError

__all__ = ["require_torch"]


def require_torch(purpose: str) -> None:
    """Stop with the install command if PyTorch is not there.

    Raises
    ------
    MissingExtraError
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError.for_extra(purpose, "torch")
