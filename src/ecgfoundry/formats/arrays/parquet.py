"""Reader of Parquet tables of samples: one column in mV per lead, one row per sample.

Rate and unit stand in the file's metadata, as :mod:`ecgfoundry.formats.arrays.writers` writes
them, or come from the caller. Needs the extra ``data``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ecgfoundry.errors import FormatError, LimitError, MissingExtraError
from ecgfoundry.formats.arrays.stated import (
    ArrayFile,
    Stated,
    load_sidecar,
    stated_from_mapping,
    with_options,
)
from ecgfoundry.formats.arrays.writers import PARQUET_METADATA
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions
from ecgfoundry.formats.common.limits import UnpackingBudget

__all__ = ["READER", "open_file", "sniff"]

_LARGEST_NUMBER = 8  # bytes
_MAGIC = b"PAR1"


def sniff(path: Path, head: bytes) -> bool:
    """Whether the content begins as Parquet."""
    return head.startswith(_MAGIC)


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Open a file, which is loaded as a whole; see :class:`Reader`."""
    array, stated = _load(path, options)
    # A column of a table may be a time, a count or a rate: only those named as leads are leads.
    return ArrayFile(
        array, stated, path=path, options=options, format=READER.name, unknown_is_ecg=False
    )


def _load(path: Path, options: ReadOptions) -> tuple[Any, Stated]:
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("reading Parquet", "data") from None
    size = path.stat().st_size
    if size > options.limits.file_bytes:
        raise LimitError(f"the file has {size} bytes", path=path)
    try:
        schema = polars.read_parquet_schema(path)
        metadata = polars.read_parquet_metadata(path)
        numeric = [name for name, kind in schema.items() if kind.is_numeric()]
        rows = int(polars.scan_parquet(path).select(polars.len()).collect().item())
        if rows * max(len(numeric), 1) > options.limits.samples:
            raise LimitError(f"{rows} rows of {len(numeric)} columns", path=path)
        unpacked = rows * len(numeric) * _LARGEST_NUMBER
        UnpackingBudget(path, options.limits).take(unpacked, size, f"{rows} rows")
        table = polars.read_parquet(path, columns=numeric)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        # A panic of the library is no Exception; it comes from damaged pages.
        raise FormatError(f"the table is damaged ({str(error)[:120]})", path=path) from None
    content: Any = {}
    if PARQUET_METADATA in metadata:
        try:
            content = json.loads(metadata[PARQUET_METADATA])
        except (ValueError, RecursionError) as error:
            raise FormatError(f"the metadata is no JSON ({error})", path=path) from None
        if not isinstance(content, dict):
            raise FormatError("the metadata is no JSON object", path=path)
    stated = stated_from_mapping({**content, "leads": numeric}, path)
    sidecar = load_sidecar(path)
    stated = Stated(
        leads=sidecar.leads or stated.leads,
        unit=sidecar.unit or stated.unit,
        sampling_rate=sidecar.sampling_rate or stated.sampling_rate,
        subject=stated.subject,
        about=stated.about,
        header={**stated.header, **sidecar.header},
        leads_are_certain=stated.leads_are_certain and sidecar.leads is None,
    )
    return table.to_numpy().T, with_options(stated, options)


READER = Reader(
    name="parquet",
    description="Parquet: one column per lead, one row per sample",
    extensions=(".parquet",),
    sniff=sniff,
    open=open_file,
    verified_on="tables written by Polars",
    extra="data",
)
