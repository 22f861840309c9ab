"""What every writer shares: its contract, and scaling to integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import SignalError
from ecgfoundry.formats.common.capabilities import Capabilities
from ecgfoundry.recording import Recording

__all__ = ["MISSING", "Writer", "Written", "digital", "microvolts_per_step"]

MISSING = -(2**15)
"""The stored value of a missing sample in 16 bits."""
_LARGEST = 2**15 - 1


@dataclass(frozen=True, slots=True)
class Written:
    """What a writer did.

    Parameters
    ----------
    path : Path
        The file to read back (of a WFDB record, its header).
    step_mv : float
        Distance of two stored values in mV; a sample is off by at most half of it. 0 is exact.
    notes : tuple of str
        What the format could not hold, or holds in another way.
    """

    path: Path
    step_mv: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Writer:
    """One format that is written.

    Parameters
    ----------
    name : str
        As the reader of the format is called.
    description : str
        One line for lists.
    extension : str
        With the dot, lower case.
    write : callable (recording, path) -> Written
        ``path`` has the extension; its folder exists. Complete files or none.
    missing : str
        How missing samples are stored.
    holds : Capabilities
        What the format can hold of a recording; the notes of :class:`Written` follow from it.
    extra : str, optional
        The extra whose packages it needs.
    """

    name: str
    description: str
    extension: str
    write: Callable[[Recording, Path], Written]
    missing: str
    holds: Capabilities
    extra: str | None = None


def microvolts_per_step(signal: NDArray[np.float32], *, path: str | None = None) -> int:
    """Return the whole number of microvolts per step that lets 16 bits hold a signal in mV.

    1 up to 32.767 mV; the next whole number that fits for signals with larger artefacts.

    Raises
    ------
    SignalError
        Above 8 V, which is no ECG in mV.
    """
    largest = float(np.nanmax(np.abs(signal), initial=0.0)) * 1000.0
    step = max(int(np.ceil(largest / _LARGEST)), 1) if np.isfinite(largest) else 0
    if not 1 <= step <= 250:
        raise SignalError(
            f"the signal reaches {largest / 1000:.3g} mV, too much for 16 bits in useful steps",
            path=path,
            remedy="Check its unit",
        )
    return step


def digital(signal: NDArray[np.float32], step_uv: float) -> NDArray[np.int16]:
    """Return int16 in steps of ``step_uv`` microvolts from mV; :data:`MISSING` for NaN."""
    scaled = np.rint(signal.astype(np.float64) * (1000.0 / step_uv))
    result: NDArray[np.int16] = np.where(np.isnan(scaled), MISSING, scaled).astype(np.int16)
    return result
