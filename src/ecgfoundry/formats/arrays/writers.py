"""Writing tables of samples without loss: NPZ (NumPy) and Parquet (extra "data")."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import MissingExtraError, UnsupportedVariantError
from ecgfoundry.formats.arrays.stated import WRITER
from ecgfoundry.formats.common.capabilities import Capabilities
from ecgfoundry.formats.common.subjects import believed_birth
from ecgfoundry.formats.common.writing import Writer, Written
from ecgfoundry.io import write_atomically
from ecgfoundry.recording import Recording

__all__ = ["NPZ_WRITER", "PARQUET_METADATA", "PARQUET_WRITER", "write_npz", "write_parquet"]

PARQUET_METADATA = "ecgfoundry"
"""Key of the file's metadata under which a JSON object states rate, unit, age, sex and the rest."""


def write_npz(recording: Recording, path: Path) -> Written:
    """Write ``signal`` (leads, samples) in mV with ``leads``, ``sampling_rate`` and ``unit``.

    float32 values come back bit by bit, NaN included.
    """
    arrays: dict[str, Any] = {
        "signal": recording.signal,
        "leads": np.array(recording.leads),
        "sampling_rate": np.float64(recording.sampling_rate),
        "unit": np.array("mV"),
    }
    if recording.subject.age is not None:
        arrays["age"] = np.float64(recording.subject.age)
    if recording.subject.sex is not None:
        arrays["sex"] = np.array(recording.subject.sex)
    arrays["about"] = np.array(json.dumps(_about(recording)))
    with write_atomically(path) as temporary:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        if not zipfile.is_zipfile(temporary):
            raise UnsupportedVariantError("the archive could not be completed", path=path)
    return Written(path, 0.0)


def write_parquet(recording: Recording, path: Path) -> Written:
    """Write one float32 column in mV per lead, one row per sample, NaN for missing ones."""
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("writing Parquet", "data") from None
    stated: JsonObject = {
        "sampling_rate": recording.sampling_rate,
        "unit": "mV",
        "leads": list(recording.leads),
    }
    if recording.subject.age is not None:
        stated["age"] = recording.subject.age
    if recording.subject.sex is not None:
        stated["sex"] = recording.subject.sex
    stated |= _about(recording)
    table = polars.DataFrame(dict(zip(recording.leads, recording.signal, strict=True)))
    with write_atomically(path) as temporary:
        table.write_parquet(temporary, metadata={PARQUET_METADATA: json.dumps(stated)})
    return Written(path, 0.0)


def _about(recording: Recording) -> JsonObject:
    """Return what the recording says beside its signal, as JSON holds it."""
    start, born = recording.start_time, believed_birth(recording)
    about: JsonObject = {
        "writer": WRITER,
        "identifier": recording.subject.identifier,
        "birth_date": born.isoformat() if born is not None else None,
        "start_time": start.isoformat() if start is not None else None,
        "mains_frequency": recording.mains_frequency,
        "device": dict(recording.device),
        "annotations": [
            [mark.time_s, mark.kind, mark.text, mark.duration_s, mark.lead]
            for mark in recording.annotations
        ],
    }
    return {key: value for key, value in about.items() if value}


_HOLDS = Capabilities(
    start=True,
    zone=True,
    birth_date=True,
    annotations=frozenset({"kind", "lead"}),
    device=lambda _key, text: text or None,
    mains_frequency=True,
)


NPZ_WRITER = Writer(
    name="npz",
    description="NumPy archive: float32, exact",
    extension=".npz",
    write=write_npz,
    missing="NaN",
    holds=_HOLDS,
)
PARQUET_WRITER = Writer(
    name="parquet",
    description="Parquet: one float32 column per lead, exact",
    extension=".parquet",
    write=write_parquet,
    missing="NaN",
    holds=_HOLDS,
    extra="data",
)
