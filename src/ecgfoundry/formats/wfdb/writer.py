"""Writing WFDB records in storage format 16 (header(5), signal(5))."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ecgfoundry.errors import FormatError, SignalError, UnsupportedVariantError
from ecgfoundry.formats.common.capabilities import Capabilities
from ecgfoundry.io import write_whole
from ecgfoundry.recording import Recording

__all__ = ["WFDB_HOLDS", "write_wfdb"]

_NAME = re.compile(r"^[A-Za-z0-9_-]+$")  # header(5): letters, digits and underscores; also "-"
_WORD = re.compile(r"^[^\s,;]+$")  # what a comment line gives back as one identifier
_INVALID = -(2**15)
_LARGEST = 2**15 - 1


def write_wfdb(
    recording: Recording,
    folder: str | Path,
    name: str,
    *,
    gain: float = 1000.0,
    fmt: str = "16",
) -> Path:
    """Write the ECG leads of a recording as a WFDB record; other channels are left out.

    Parameters
    ----------
    recording : Recording
    folder : str or Path
        Created if it does not exist.
    name : str
        Record name: letters, digits, "_" and "-".
    gain : float
        Units per mV. A stored value is off by at most ``0.5 / gain`` mV; the range is
        ``32767 / gain`` mV on either side of zero.
    fmt : {"16"}
        Storage format.

    Returns
    -------
    Path
        Of the header. Both files appear complete or not at all, the header last.

    Raises
    ------
    FormatError, SignalError, UnsupportedVariantError, FileAccessError
    """
    if fmt != "16":
        raise UnsupportedVariantError(f"WFDB storage format {fmt} is not written; use '16'")
    if not _NAME.match(name):
        raise FormatError(
            f"'{name}' is no WFDB record name", remedy="Use letters, digits, '_' and '-'"
        )
    digital = _digital(recording, gain)
    target = Path(folder)
    header = target / f"{name}.hea"
    write_whole(target / f"{name}.dat", digital.T.astype("<i2").tobytes())
    write_whole(header, _header_text(recording, name, gain, digital).encode("utf-8"))
    return header


def _digital(recording: Recording, gain: float) -> np.ndarray:
    """Return int16 (leads, samples), with -32768 for missing samples."""
    if not 0 < gain < float("inf"):
        raise SignalError(f"a gain of {gain} units per mV cannot be written")
    scaled = np.rint(recording.signal.astype(np.float64) * gain)
    missing = np.isnan(scaled)
    largest = float(np.max(np.abs(scaled), where=~missing, initial=0.0))
    if largest > _LARGEST:
        raise SignalError(
            f"the signal reaches {largest / gain:.3g} mV, more than format 16 holds at a gain of "
            f"{gain:g} units per mV",
            path=recording.source,
            remedy=f"Write it with a gain of {_LARGEST / (largest / gain):.4g} or less",
        )
    return np.where(missing, _INVALID, scaled).astype(np.int16)


def _header_text(recording: Recording, name: str, gain: float, digital: np.ndarray) -> str:
    leads, samples = digital.shape
    line = f"{name} {leads} {recording.sampling_rate!r} {samples}"
    if recording.start_time is not None:
        line += recording.start_time.strftime(" %H:%M:%S.%f %d/%m/%Y")
    lines = [line]
    for lead, row in zip(recording.leads, digital, strict=True):
        checksum = int(np.sum(row, dtype=np.int64)) & 0xFFFF
        first = int(row[0]) if samples else 0
        lines.append(f"{name}.dat 16 {gain!r}(0)/mV 16 0 {first} {checksum} 0 {lead}")
    if recording.subject.age is not None:
        lines.append(f"# Age: {recording.subject.age!r}".removesuffix(".0"))
    if recording.subject.sex is not None:
        lines.append(f"# Sex: {recording.subject.sex.capitalize()}")
    if _identifier(recording.subject.identifier or "") is not None:
        lines.append(f"# Subject ID: {recording.subject.identifier}")
    return "\n".join(lines) + "\n"


def _identifier(identifier: str) -> str | None:
    return identifier if _WORD.match(identifier) else None


WFDB_HOLDS = Capabilities(start=True, identifier=_identifier)
"""A header has no place for a zone; comments hold the subject. Annotation files are not written."""
