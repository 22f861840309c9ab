"""How a recording in an archive is named: ``archive.zip::folder/A0001.hea``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["MEMBER_SEPARATOR", "is_member_path", "split_member_path"]

MEMBER_SEPARATOR = "::"


def is_member_path(path: str | Path) -> bool:
    """Whether a path names a recording in an archive (and is no file of that name itself)."""
    text = str(path)
    return MEMBER_SEPARATOR in text and not Path(text).exists()


def split_member_path(path: str | Path) -> tuple[Path, str | None]:
    """Return the archive and the member that a path names; None for the archive alone."""
    if not is_member_path(path):
        return Path(path), None
    archive, _, member = str(path).partition(MEMBER_SEPARATOR)
    return Path(archive), member
