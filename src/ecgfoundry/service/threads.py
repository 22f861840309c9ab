"""Work in threads that must not be left half known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["to_its_end"]

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


async def to_its_end(
    function: Callable[_Given, _Result], *arguments: _Given.args, **named: _Given.kwargs
) -> _Result:
    """Call a function in a thread; who is cancelled meanwhile waits for its end.

    A thread cannot be cancelled. What it still writes into a database would be known to nobody.

    Raises
    ------
    asyncio.CancelledError
        After the function has ended.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(function, *arguments, **named))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
