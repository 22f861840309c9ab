"""Files to damage: the fixtures, layout-true files of every format, and real ones if there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats import read
from ecgfoundry.formats.writers import write

__all__ = ["Seed", "collect_seeds"]

_LARGEST = 400_000
_SHARED = (
    "wfdb/wfdb-python", "dicom", "hl7_aecg", "ishne", "philips_sierra", "csv_txt", "sph_hdf5",
    "code15_mat", "cpsc2018_mat5", "cpsc2021_af_wfdb",
)  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """A file to damage, the files that must stand beside it, and what the caller states."""

    format: str
    target: Path
    beside: tuple[Path, ...] = ()
    opened: str | None = None
    stated: dict[str, Any] | None = None

    @property
    def read_name(self) -> str:
        """The name of the file that is read: the target, or the one that leads to it."""
        return self.opened or self.target.name


def collect_seeds(fixtures: Path, folder: Path, shared: Path | None = None) -> list[Seed]:
    """Return the seeds in a stable order; generated ones are written into ``folder``."""
    from tests.formats import test_formats_shared as table

    seeds = []
    for name, sample in table.SAMPLES.items():
        place = folder / "".join(sign if sign.isalnum() else "_" for sign in name)
        place.mkdir(parents=True, exist_ok=True)
        path = _short_text(sample.make(fixtures, place), place)
        seeds += _record(sample.reader, path, dict(sample.stated))
    seeds += _variants(folder)
    if shared is not None:
        for part in _SHARED:
            for path in sorted((shared / "formats" / part).rglob("*")):
                if path.is_file() and path.suffix != ".md":
                    seeds += _real(path)
    unique: dict[tuple[str, str], Seed] = {}
    for seed in seeds:
        unique.setdefault((seed.format, str(seed.target)), seed)
    return list(unique.values())


def _short_text(path: Path, folder: Path) -> Path:
    """Return the first lines of a table of numbers: the rest is more of the same lines."""
    if path.suffix not in (".csv", ".txt"):
        return path
    short = folder / f"short{path.suffix}"
    short.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:400]))
    return short


def _record(format: str, path: Path, stated: dict[str, Any]) -> Iterator[Seed]:
    """Give a seed for the file, and for the files that belong to it."""
    beside = tuple(
        other
        for other in sorted(path.parent.glob(f"{path.stem}.*"))
        if other != path and other.is_file()
    )
    yield Seed(format, path, beside, None, stated)
    for other in beside:
        if other.stat().st_size <= _LARGEST:
            rest = tuple(one for one in (path, *beside) if one != other)
            yield Seed(format, other, rest, path.name, stated)


def _variants(folder: Path) -> Iterator[Seed]:
    """Further layouts of the binary formats, small, so that damage hits structure."""
    from tests.formats import layouts

    place = folder / "variants"
    place.mkdir(parents=True, exist_ok=True)
    x = layouts.ecg_like(2, 400, 100)
    marks = [f"+{n + n // 2}\x14\x14\0+{n}.5\x14beat\x14\0".encode() for n in range(4)]
    texts = {"label": "EDF Annotations", "unit": "", "samples": 30, "data": marks}
    signals = [
        {"label": "ECG I", "samples": 100, "data": x[0]},
        {"label": "Resp", "samples": 25, "data": x[1][:100]},
    ]
    yield Seed("edf", layouts.edf_file(place / "d.edf", [*signals, texts], records=4,
                                       reserved="EDF+D"))  # fmt: skip
    yield Seed("edf", layouts.edf_file(place / "b.bdf", signals, records=4, bdf=True))
    yield Seed("scp", layouts.scp_file(place / "p.scp", x, codes=(1, 2), samples=400))
    beat = {
        "length_ms": 200, "fiducial": 50, "rows": [x[0][:100], x[1][:100]], "interval_us": 2000,
        "differences": 1, "marks": [(0, 80, 120, 169, 90, 149), (0, 260, 300, 349, 270, 330)],
    }  # fmt: skip
    yield Seed("scp", layouts.scp_file(place / "r.scp", x, codes=(1, 2), samples=400, huffman=True,
                                       differences=2, flags=5, beat=beat))  # fmt: skip
    yield Seed("mfer", layouts.mfer_file(place / "m.mwf", x, codes=(1, 2), rate=100))
    yield Seed("ishne", layouts.ishne_file(place / "h.ecg", x, codes=(5, 6), rate=100))
    codes = ("5.6.3-9-1", "5.6.3-9-2")
    for name, syntax in (("i", "1.2.840.10008.1.2"), ("z", "1.2.840.10008.1.2.1.99")):
        path = layouts.dicom_file(place / f"{name}.dcm", x, codes=codes, rate=100, syntax=syntax)
        yield Seed("dicom", path)
    for suffix in ("edf", "dcm", "npz", "parquet", "hea"):
        recording = read(place / "d.edf")
        path = write(recording, place / f"w.{suffix}", overwrite=True).path
        yield from _record(
            {"hea": "wfdb", "npz": "arrays", "dcm": "dicom"}.get(suffix, suffix), path, {}
        )


def _real(path: Path) -> Iterator[Seed]:
    from ecgfoundry.formats import identify

    if path.stat().st_size > _LARGEST:
        return
    try:
        format = identify(path).name
        read(path, duration_s=10)
    except EcgFoundryError:
        return
    beside = tuple(
        other
        for other in path.parent.glob(f"{path.stem}.*")
        if other != path and other.is_file() and other.stat().st_size < _LARGEST * 8
    )
    yield Seed(format, path, beside, None, {})


def save(seeds: list[Seed], path: Path) -> None:
    """Write the list for the workers."""
    path.write_text(
        json.dumps(
            [
                {
                    "format": seed.format,
                    "target": str(seed.target),
                    "beside": [str(one) for one in seed.beside],
                    "opened": seed.opened,
                    "stated": seed.stated or {},
                }
                for seed in seeds
            ]
        )
    )


def stage(seed: Seed, folder: Path) -> Path:
    """Copy what stands beside the target into an empty folder; return the target's place."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for one in seed.beside:
        shutil.copyfile(one, folder / one.name)
    return folder / seed.target.name


def random_for(number: int, seed: int) -> np.random.Generator:
    """Return the generator of one damaged file, so that each can be made again alone."""
    return np.random.default_rng([seed, number])
