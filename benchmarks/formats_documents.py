"""Rows of ``benchmarks.formats_readers``: XML and JSON documents, and records in ZIP archives."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.formats import vendor_files

from benchmarks.measure import Row, compare
from ecgfoundry.formats import read

FIXTURES = Path(__file__).resolve().parents[1] / "tests" / "fixtures"


def document_rows(folder: Path) -> list[Row]:
    """Documents against ecgdatakit, Philips also against sierraecg."""
    import sierraecg
    from ecgdatakit.parsing import FileParser

    recording = read(FIXTURES / "cinc2021" / "JS20000")
    with zipfile.ZipFile(FIXTURES / "hl7_aecg" / "subject1_0.zip") as archive:
        archive.extractall(folder)
    philips = FIXTURES / "philips" / "129DYPRG.xml"
    files = {"HL7 aECG, 12 x 10 s": folder / "subject1_0.xml", "Philips XLI, 12 x 11 s": philips}
    for name, ending, write in (
        ("GE MUSE, 8 x 10 s", "muse.xml", vendor_files.muse_xml),
        ("Mortara, 12 x 10 s", "mortara.xml", vendor_files.mortara_xml),
        ("Kardia, 3 x 10 s", "kardia.json", vendor_files.kardia_json),
    ):
        files[name] = folder / ending
        files[name].write_bytes(write(recording))
    rows = [
        compare(
            name,
            ours=lambda path=path: read(path),
            reference=_quiet(lambda path=path: FileParser().parse(path)),
            reference_name="ecgdatakit",
        )
        for name, path in files.items()
    ]
    rows.append(
        compare(
            "Philips XLI, 12 x 11 s",
            ours=lambda: read(philips),
            reference=lambda: sierraecg.read_file(str(philips)),
            reference_name="sierraecg",
        )
    )
    return rows


def archive_rows(folder: Path) -> list[Row]:
    """A record in a ZIP archive of 2002 members against the same record on disk."""
    archive = folder / "set.zip"
    record = FIXTURES / "cinc2021" / "JS20000.hea"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(1000):
            for ending in ("hea", "mat"):
                file.writestr(f"d/x{number}.{ending}", b"")
        for ending in (".hea", ".mat"):
            file.write(record.with_suffix(ending), f"d/JS20000{ending}")
    return [
        compare(
            "ZIP, one WFDB record of 1001",
            ours=lambda: read(f"{archive}::d/JS20000.hea"),
            reference=lambda: read(record),
            reference_name="the same reader, unpacked",
        )
    ]


def _quiet(call: Callable[[], object]) -> Callable[[], object]:
    def quiet() -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call()

    return quiet
