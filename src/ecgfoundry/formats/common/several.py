"""Files of several recordings: which one the caller means, or that none was chosen."""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.errors import SignalError

__all__ = ["chosen_recording", "undecided_among"]


def undecided_among(
    index: int | None, count: int, path: Path, *, what: str = "recordings"
) -> SignalError | None:
    """Return the error of a file of which one recording has to be chosen; None where it is clear.

    Parameters
    ----------
    index : int or None
        What the caller chose.
    count : int
        Recordings in the file.
    path : Path
    what : str
        What the format calls them.
    """
    if index is not None or count <= 1:
        return None
    return SignalError(
        f"the file holds {count} {what}",
        path=path,
        remedy="Choose one with index=0 … or --index 0",
    )


def chosen_recording(index: int | None, count: int, path: Path, *, what: str = "recording") -> int:
    """Return the number of the recording that is meant: the first, where none was chosen.

    Parameters
    ----------
    index : int or None
        What the caller chose.
    count : int
        Recordings in the file.
    path : Path
    what : str
        What the format calls one of them.

    Raises
    ------
    SignalError
        The file has no such recording.
    """
    chosen = 0 if index is None else index
    if not 0 <= chosen < count:
        raise SignalError(
            f"there is no {what} {chosen}; the file holds {count}",
            path=path,
            remedy="Leave the index out" if count == 1 else "They are numbered from 0",
        )
    return chosen
