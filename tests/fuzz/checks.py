"""What must hold for a damaged file that is read: the invariants that every reader shares."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats import identify, inspect, read
from ecgfoundry.recording import Recording
from ecgfoundry.units import MAXIMUM_SAMPLING_RATE

__all__ = ["outcome"]


def outcome(path: Path, stated: dict[str, Any]) -> tuple[str, str]:
    """Read a file; return "read", "refused" or "net", and the error's code.

    "net" is a refusal, too, but one that a reader did not raise itself: an exception of another
    type reached the registry, which made a typed error of it.

    Raises
    ------
    AssertionError
        The recording breaks an invariant, or an error is not as errors must be.
    Exception
        Any untyped exception of the reader.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", category=RuntimeWarning, module="ecgfoundry")
        try:
            recording = read(path, **stated)
        except EcgFoundryError as error:
            _check_error(error)
            _inspect_is_typed(path, stated)
            return _kind(error), f"{error.code}: {type(error.__cause__).__name__}"
        check_recording(recording)
        info = inspect(path, **stated)
    assert info.leads == recording.leads, "inspect names other leads than read"
    assert info.sampling_rate == recording.sampling_rate, "inspect states another rate than read"
    assert info.samples == recording.samples, "inspect states another length than read"
    # Without random access a part is a slice of the whole: there is nothing to compare.
    if recording.samples > 1 and identify(path).random_access:
        end = min(recording.samples, 50) / recording.sampling_rate
        part = read(path, duration_s=end, **stated)
        same = np.array_equal(part.signal, recording.signal[:, : part.samples], equal_nan=True)
        assert same, "a part differs from the same part of the whole"
    return "read", ""


def _check_error(error: EcgFoundryError) -> None:
    text = str(error)
    assert text, "an error without a text"
    assert "\n" not in text, "an error on several lines"
    assert error.path is not None, "an error that does not name the file"
    assert "needs more memory than there is" not in text, "the memory limit was reached"


def _kind(error: EcgFoundryError) -> str:
    untyped = error.__cause__ is not None and not isinstance(error.__cause__, EcgFoundryError)
    return "net" if untyped and error.problem.startswith("the file is damaged (") else "refused"


def _inspect_is_typed(path: Path, stated: dict[str, Any]) -> None:
    try:
        inspect(path, **stated)
    except EcgFoundryError as error:
        _check_error(error)


def check_recording(recording: Recording) -> None:
    """Assert what every recording must be."""
    signal = recording.signal
    assert signal.dtype == np.float32
    assert signal.ndim == 2
    assert signal.shape == (len(recording.leads), recording.samples)
    assert recording.samples > 0, "no samples"
    assert all(name.strip() for name in recording.leads), "an unnamed lead"
    assert len(set(recording.leads)) == len(recording.leads), "two leads of one name"
    assert 0 < recording.sampling_rate <= MAXIMUM_SAMPLING_RATE
    assert not np.isinf(signal).any(), "an infinite sample"
    age = recording.subject.age
    assert age is None or 0 <= age <= 120, "an impossible age"
    assert recording.subject.sex in (None, "female", "male")
    for mark in recording.annotations:
        assert math.isfinite(mark.time_s), "an annotation at no time"
        assert mark.duration_s >= 0, "an annotation of negative length"
    for channel in recording.other_channels:
        assert channel.name, "an unnamed channel"
        assert channel.signal.ndim == 1
        assert 0 < channel.sampling_rate <= MAXIMUM_SAMPLING_RATE
        assert not np.isinf(channel.signal).any(), f"an infinite sample in {channel.name}"
    for part in (recording.header, recording.device):
        assert all(isinstance(k, str) and isinstance(v, str) for k, v in part.items())
