"""What receivers do with an object: keep it, and order its interpretation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ECG_CLASSES", "Take", "Taken"]

ECG_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.9.1.1",  # 12-lead ECG Waveform Storage
    "1.2.840.10008.5.1.4.1.1.9.1.2",  # General ECG Waveform Storage
    "1.2.840.10008.5.1.4.1.1.9.1.3",  # Ambulatory ECG Waveform Storage
)


@dataclass(frozen=True, slots=True)
class Taken:
    """Name of the recording in the service; ``new``: it was not kept already."""

    recording: str
    new: bool


Take = Callable[[bytes, str, str, str], Taken]
"""Called with content, file name, owner and source ("dicom:CART1"), from any thread."""
