"""Records per second of every reader against the library that reads the same file.

``python -m benchmarks.formats_readers`` prints the table; both sides run in turn in one process,
on the same files, from path to calibrated samples. Libraries that are not installed are left out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.formats import layouts

from benchmarks.formats_documents import archive_rows, document_rows
from benchmarks.measure import Row, compare
from ecgfoundry.formats import ReadOptions, open_file, read
from ecgfoundry.formats.wfdb.reader import READER as WFDB
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.recording import Recording

REPOSITORY = Path(__file__).resolve().parents[1]
FIXTURES = REPOSITORY / "tests" / "fixtures"
CODES = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)


def _row(
    name: str, path: Path, reference: Callable[[], object], library: str, **part: float
) -> Row:
    return compare(
        name, ours=lambda: read(path, **part), reference=reference, reference_name=library
    )


def wfdb_rows(folder: Path) -> list[Row]:
    """Whole ten-second records, a whole day, and ten seconds out of a day."""
    import wfdb

    short = FIXTURES / "cinc2021/JS20000"
    minute = layouts.ecg_like(3, 60 * 250, 250)
    day = np.tile(minute, (1, 24 * 60))
    recording = Recording.from_array(day, sampling_rate=250, leads=("I", "II", "V1"), unit="uV")
    long = write_wfdb(recording, folder, "day").with_suffix("")
    first = 12 * 3600 * 250
    return [
        _row(
            "WFDB, 12 leads x 10 s",
            short.with_suffix(".hea"),
            lambda: wfdb.rdrecord(str(short)).p_signal,
            "wfdb.rdrecord",
        ),
        _row(
            "WFDB, 3 leads x 24 h, all of it",
            long.with_suffix(".hea"),
            lambda: wfdb.rdrecord(str(long)).p_signal,
            "wfdb.rdrecord",
        ),
        _row(
            "WFDB, 10 s out of 24 h",
            long.with_suffix(".hea"),
            lambda: wfdb.rdrecord(str(long), sampfrom=first, sampto=first + 2500).p_signal,
            "wfdb.rdrecord",
            start_s=12 * 3600.0,
            duration_s=10.0,
        ),
    ]


def window_rows(folder: Path) -> list[Row]:
    """Half an hour in windows of 10 s: what the way through ``iterate`` adds to an opened record.

    The record has the size of those of MIT-BIH: two leads at 360 Hz.
    """
    minute = layouts.ecg_like(2, 60 * 360, 360)
    x = np.tile(minute, (1, 30))
    recording = Recording.from_array(x, sampling_rate=360, leads=("MLII", "V5"), unit="uV")
    path = write_wfdb(recording, folder, "half-hour")
    opened = WFDB.open(path, ReadOptions(), None)
    width, samples = 3600, opened.info.samples

    def segments() -> float:
        return sum(
            opened.read_segment(start, min(start + width, samples)).signal[0, 0]
            for start in range(0, samples, width)
        )

    def handle() -> float:
        with open_file(path) as file:
            return sum(window.signal[0, 0] for window in file.windows(10.0))

    def anew() -> float:
        return sum(
            read(path, start_s=start / 360, duration_s=10.0).signal[0, 0]
            for start in range(0, samples, width)
        )

    return [
        compare(name, ours=ours, reference=segments, reference_name="an opened record")
        for name, ours in (
            ("WFDB, 30 min in windows of 10 s, EcgFile", handle),
            ("WFDB, 30 min in windows of 10 s, opened for each", anew),
        )
    ]


def edf_rows(folder: Path, signal: np.ndarray) -> list[Row]:
    """Ten seconds of twelve leads, and an hour."""
    import edfio

    def values(path: Path) -> list[np.ndarray]:
        return [one.data for one in edfio.read_edf(path).signals]

    rows = []
    for name, x in (("10 s", signal), ("1 h", np.tile(signal, (1, 360)))):
        signals = [
            {"label": f"ECG {lead}", "samples": 500, "data": row} for lead, row in enumerate(x)
        ]
        path = layouts.edf_file(folder / f"{name[0]}.edf", signals, records=x.shape[1] // 500)
        rows.append(_row(f"EDF, 12 leads x {name}", path, lambda path=path: values(path), "edfio"))
    return rows


def other_rows(folder: Path, signal: np.ndarray) -> list[Row]:
    """DICOM against pydicom; SCP-ECG and ISHNE against ecgdatakit."""
    import pydicom
    from ecgdatakit.parsing.parsers.ishne_holter import ISHNEHolterParser
    from ecgdatakit.parsing.parsers.scp_ecg import SCPECGParser

    dicom = FIXTURES / "dicom/waveform_ecg.dcm"

    def both_groups() -> object:
        data = pydicom.dcmread(dicom)
        return data.waveform_array(0), data.waveform_array(1)

    plain = layouts.scp_file(folder / "p.scp", signal, codes=CODES, samples=signal.shape[1])
    coded = layouts.scp_file(
        folder / "h.scp", signal, codes=CODES, samples=signal.shape[1], huffman=True, differences=2
    )
    holter = layouts.ishne_file(
        folder / "h.ecg", np.tile(signal[:3], (1, 360)), codes=(5, 6, 7), rate=500
    )

    def physical(parser: type, path: Path) -> Callable[[], object]:
        return lambda: [
            lead.samples * lead.resolution / 1000 for lead in parser().parse(path).leads
        ]

    return [
        _row("DICOM, 12 leads x 10 s and median", dicom, both_groups, "pydicom"),
        _row("SCP-ECG, plain", plain, physical(SCPECGParser, plain), "ecgdatakit"),
        _row("SCP-ECG, Huffman", coded, physical(SCPECGParser, coded), "ecgdatakit"),
        _row("ISHNE, 3 leads x 1 h", holter, physical(ISHNEHolterParser, holter), "ecgdatakit"),
        _row(
            "ISHNE, 10 s out of 1 h",
            holter,
            physical(ISHNEHolterParser, holter),
            "ecgdatakit",
            start_s=1800.0,
            duration_s=10.0,
        ),
    ]


def main() -> None:
    """Print the table."""
    signal = np.rint(read(FIXTURES / "cinc2021/JS20000").signal * 1000).astype(np.int16)
    print("| file | ours, records/s | library, records/s | ratio (range) | library |")
    print("| --- | ---: | ---: | ---: | --- |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (
            lambda: wfdb_rows(folder),
            lambda: window_rows(folder),
            lambda: edf_rows(folder, signal),
            lambda: other_rows(folder, signal),
            lambda: document_rows(folder),
            lambda: archive_rows(folder),
        ):
            for row in part():
                low, high = min(row.ratios), max(row.ratios)
                print(
                    f"| {row.name} | {1 / row.ours:.3g} | {1 / row.reference:.3g} | "
                    f"**{row.ratio:.2f}** ({low:.2f}-{high:.2f}) | {row.reference_name} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
