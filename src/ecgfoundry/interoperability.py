"""A recording as an object of other libraries: polars, MNE-Python, wfdb.

Nothing is resampled, filtered or renamed on the way; missing samples stay NaN.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import MissingExtraError
from ecgfoundry.extras import require_polars

__all__ = ["to_frame", "to_mne", "to_wfdb"]

_VOLTS = 1e-3  # per mV


class _Recorded(Protocol):
    """What is used of a :class:`ecgfoundry.Recording`, whose module stands above this one."""

    @property
    def signal(self) -> NDArray[np.float32]: ...
    @property
    def sampling_rate(self) -> float: ...
    @property
    def leads(self) -> tuple[str, ...]: ...
    @property
    def start_time(self) -> dt.datetime | None: ...
    @property
    def annotations(self) -> Sequence[Any]: ...
    @property
    def samples(self) -> int: ...


def to_frame(recording: _Recorded) -> Any:
    """Return the ECG leads as a table: see :meth:`ecgfoundry.Recording.to_frame`."""
    pl = require_polars("a recording as a table")
    times = np.arange(recording.samples) / recording.sampling_rate
    columns = {"time_s": times}
    columns |= dict(zip(recording.leads, recording.signal, strict=True))
    return pl.DataFrame(columns)


def to_mne(recording: _Recorded) -> Any:
    """Return an ``mne.io.RawArray``: see :meth:`ecgfoundry.Recording.to_mne`."""
    try:
        import mne
    except ImportError:
        raise MissingExtraError(
            "a recording for MNE-Python needs the package mne, which is not installed",
            remedy="Run: pip install mne",
        ) from None
    info = mne.create_info(list(recording.leads), recording.sampling_rate, ch_types="ecg")
    raw = mne.io.RawArray(recording.signal.astype(np.float64) * _VOLTS, info, verbose="error")
    start = recording.start_time
    if start is not None:  # MNE keeps times in UTC; a time without a zone is taken as it stands
        aware = start if start.tzinfo else start.replace(tzinfo=dt.UTC)
        raw.set_meas_date(aware.astimezone(dt.UTC))
    marks = recording.annotations
    raw.set_annotations(
        mne.Annotations(
            onset=[mark.time_s for mark in marks],
            duration=[mark.duration_s for mark in marks],
            description=[f"{mark.kind}: {mark.text}" for mark in marks],
            ch_names=[(mark.lead,) if mark.lead in recording.leads else () for mark in marks],
        ),
        emit_warning=False,
        verbose="error",
    )
    return raw


def to_wfdb(recording: _Recorded, name: str = "recording") -> Any:
    """Return a ``wfdb.Record``: see :meth:`ecgfoundry.Recording.to_wfdb`."""
    try:
        import wfdb
    except ImportError:
        raise MissingExtraError(
            "a recording as wfdb.Record needs the package wfdb, which is not installed",
            remedy="Run: pip install wfdb",
        ) from None
    start = recording.start_time
    return wfdb.Record(
        p_signal=recording.signal.T.astype(np.float64),
        record_name=re.sub(r"[^A-Za-z0-9_-]", "_", name),
        n_sig=len(recording.leads),
        fs=recording.sampling_rate,
        sig_len=recording.samples,
        sig_name=list(recording.leads),
        units=["mV"] * len(recording.leads),
        base_date=start.date() if start else None,
        base_time=start.time() if start else None,
    )
