"""The one test that every registered reader passes on a real recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.formats import layouts, vendor_files

from ecgfoundry.errors import EcgFoundryError, LeadError
from ecgfoundry.formats import formats, identify, inspect, iterate, read
from ecgfoundry.formats.base import Reader, ReadOptions
from ecgfoundry.formats.writers import write
from ecgfoundry.leads import STANDARD_12_LEADS, canonical_lead
from ecgfoundry.recording import Recording


@dataclass(frozen=True)
class Sample:
    """A real recording in one format, and what must come out."""

    reader: str
    make: Callable[[Path, Path], Path]
    leads: tuple[str, ...]
    sampling_rate: float
    samples: int
    stated: dict[str, Any] = field(default_factory=dict)
    format: str | None = None  # of the recording, where the reader is that of a container


def shipped(name: str) -> Callable[[Path, Path], Path]:
    return lambda fixtures, _: fixtures / name


def as_ramp(fixtures: Path, folder: Path) -> Path:
    (folder / "x.ramp").write_text("RAMP I,II 250 1000 END")
    return folder / "x.ramp"


def as_npy(fixtures: Path, folder: Path) -> Path:
    np.save(folder / "x.npy", read(fixtures / "cinc2021/JS20000").signal)
    return folder / "x.npy"


def as_npz(fixtures: Path, folder: Path) -> Path:
    recording = read(fixtures / "cinc2021/JS20000")
    np.savez(
        folder / "x.npz",
        signal=np.rint(recording.signal * 1000).astype(np.int16),
        leads=recording.leads,
        sampling_rate=recording.sampling_rate,
        unit="uV",
    )
    return folder / "x.npz"


def as_parquet(fixtures: Path, folder: Path) -> Path:
    return write(read(fixtures / "cinc2021/JS20000"), folder / "x.parquet", overwrite=True).path


def as_csv(fixtures: Path, folder: Path) -> Path:
    recording = read(fixtures / "cinc2021/E07500")
    header = ",".join(["time", *(f"{lead} (mV)" for lead in recording.leads)])
    times = np.arange(recording.samples)[:, np.newaxis] / recording.sampling_rate
    table = np.hstack([times, recording.signal.T])
    np.savetxt(folder / "x.csv", table, "%.4f", ",", header=header, comments="")
    return folder / "x.csv"


def as_code_part(fixtures: Path, folder: Path) -> Path:
    signal = read(fixtures / "code15/code_15_795649.mat").signal
    tracings = np.zeros((2, 4096, 12), np.float32)
    tracings[1, 581 : 581 + signal.shape[1]] = signal.T
    with h5py.File(folder / "exams_part0.hdf5", "w") as file:
        file["tracings"], file["exam_id"] = tracings, np.arange(2)
    return folder / "exams_part0.hdf5"


def vendor(name: str, write: Callable[[Recording], bytes | str]) -> Callable[[Path, Path], Path]:
    """Return a maker of a layout-true file of a vendor format from a real recording."""

    def make(fixtures: Path, folder: Path) -> Path:
        content = write(read(fixtures / "cinc2021/JS20000"))
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder / name

    return make


def polar(recording: Recording) -> str:
    times = 599_616_000_000_000_000 + np.arange(1300) * 1e9 / 130
    return vendor_files.polar_text(
        np.rint(recording.signal[1, :1300] * 1000).astype(int).tolist(),
        np.rint(times).astype(np.int64).tolist(),
    )


def opensignals(recording: Recording) -> str:
    counts = np.rint((recording.signal[1] / 1000 * 1100 / 3.3 + 0.5) * 1024).astype(int)
    return vendor_files.opensignals_text(counts)


SCP_CODES = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)


def binary(name: str, write: Callable[[Path, np.ndarray], Path]) -> Callable[[Path, Path], Path]:
    """Return a maker of a layout-true binary file from a real recording in microvolts."""

    def make(fixtures: Path, folder: Path) -> Path:
        signal = np.rint(read(fixtures / "cinc2021/JS20000").signal * 1000).astype(np.int16)
        return write(folder / name, signal)

    return make


def edf(path: Path, signal: np.ndarray) -> Path:
    signals = [
        {"label": f"ECG {lead}", "samples": 500, "data": row}
        for lead, row in zip(STANDARD_12_LEADS, signal, strict=True)
    ]
    return layouts.edf_file(path, signals, records=10)


def ishne(path: Path, signal: np.ndarray) -> Path:
    return layouts.ishne_file(path, signal, codes=range(5, 17), rate=500, beats=[300, 700, 1100])


def scp(path: Path, signal: np.ndarray) -> Path:
    return layouts.scp_file(
        path, signal, codes=SCP_CODES, samples=5000, huffman=True, differences=2
    )


def mfer(path: Path, signal: np.ndarray) -> Path:
    return layouts.mfer_file(path, signal, codes=SCP_CODES, rate=500)


TWELVE = STANDARD_12_LEADS
AECG_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF")
SAMPLES = {
    "CinC 2017 normal": Sample("wfdb", shipped("cinc2017/A00001.hea"), ("ECG",), 300, 9000),
    "CinC 2017 AF": Sample("wfdb", shipped("cinc2017/A00005.mat"), ("ECG",), 300, 18000),
    "Georgia": Sample("wfdb", shipped("cinc2021/E07500.hea"), TWELVE, 500, 5000),
    "Chapman": Sample("wfdb", shipped("cinc2021/JS20000.hea"), TWELVE, 500, 5000),
    "PTB-XL": Sample("wfdb", shipped("cinc2021/HR06005.hea"), TWELVE, 500, 5000),
    "LUDB": Sample("wfdb", shipped("ludb/8.dat"), TWELVE, 500, 5000),
    "MIT-BIH": Sample("wfdb", shipped("mitdb/201_450s.hea"), ("MLII", "V1"), 360, 21600),
    "CODE-15 in MATLAB": Sample("matlab", shipped("code15/code_15_795649.mat"), TWELVE, 400, 2934),
    "SPH": Sample("hdf5", shipped("sph/SPH00001.h5"), TWELVE, 500, 5000),
    "CODE-15 part": Sample("hdf5", as_code_part, TWELVE, 400, 2934, {"index": 1}),
    "NPY": Sample(
        "arrays", as_npy, TWELVE, 500, 5000, {"leads": TWELVE, "unit": "mV", "sampling_rate": 500}
    ),
    "NPZ": Sample("arrays", as_npz, TWELVE, 500, 5000),
    "format of another package": Sample("plugin-ramp", as_ramp, ("I", "II"), 250, 1000),
    "CSV": Sample("delimited", as_csv, TWELVE, 500, 5000),
    "OpenSignals": Sample(
        "delimited", shipped("csv/ecg_10s.txt"), ("ECG",), 1000, 10_000, {"unit": "1 uV"}
    ),
    "EDF": Sample("edf", binary("x.edf", edf), TWELVE, 500, 5000),
    "DICOM": Sample("dicom", shipped("dicom/waveform_ecg.dcm"), TWELVE, 1000, 10_000),
    "ISHNE": Sample("ishne", binary("x.ecg", ishne), TWELVE, 500, 5000),
    "SCP-ECG": Sample("scp", binary("x.scp", scp), TWELVE, 500, 5000),
    "Parquet": Sample("parquet", as_parquet, TWELVE, 500, 5000),
    "MFER": Sample("mfer", binary("x.mwf", mfer), TWELVE, 500, 5000),
    "aECG in a ZIP": Sample(
        "zip", shipped("hl7_aecg/subject1_0.zip"), AECG_LEADS, 500, 5000, {}, "hl7-aecg"
    ),
    "aECG": Sample(
        "hl7-aecg",
        vendor(
            "x.xml",
            lambda r: vendor_files.aecg_xml(
                vendor_files.aecg_series(dict(zip(r.leads, r.signal, strict=True)))
            ),
        ),
        TWELVE,
        500,
        5000,
    ),
    "Philips 1.03": Sample("philips-sierra", shipped("philips/129DYPRG.xml"), TWELVE, 500, 5500),
    "MUSE": Sample("ge-muse", vendor("x.xml", vendor_files.muse_xml), TWELVE, 500, 5000),
    "Mortara": Sample("mortara", vendor("x.xml", vendor_files.mortara_xml), TWELVE, 500, 5000),
    "CardioSoft": Sample(
        "ge-cardiosoft", vendor("x.xml", vendor_files.cardiosoft_xml), TWELVE, 500, 5000
    ),
    "Kardia": Sample(
        "kardia", vendor("x.json", vendor_files.kardia_json), ("I", "II", "III"), 500, 5000
    ),
    "Health Auto Export": Sample(
        "health-auto-export", vendor("x.json", vendor_files.health_json), ("I",), 512, 1024
    ),
    "Apple Watch": Sample(
        "apple-health",
        vendor("x.csv", lambda r: vendor_files.apple_csv(r.signal[0] * 1000, decimal=",")),
        ("I",),
        512,
        5000,
    ),
    "Polar H10": Sample("polar", vendor("x.txt", polar), ("ECG",), 130, 1300),
    "BITalino": Sample("opensignals", vendor("x.txt", opensignals), ("ECG",), 1000, 5000),
}


ONE_LINE_PER_SAMPLE = ("delimited", "apple-health", "polar", "opensignals")


def test_every_registered_reader_has_a_sample() -> None:
    assert {sample.reader for sample in SAMPLES.values()} == {r.name for r in formats()}


@pytest.fixture(scope="module", params=SAMPLES)
def sample(
    request: pytest.FixtureRequest, fixtures: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sample, Path]:
    chosen = SAMPLES[request.param]
    return chosen, chosen.make(fixtures, tmp_path_factory.mktemp("sample"))


def reader_of(sample: tuple[Sample, Path]) -> Reader:
    return next(reader for reader in formats() if reader.name == sample[0].reader)


def test_reader_describes_itself(sample: tuple[Sample, Path]) -> None:
    reader = reader_of(sample)
    assert reader.description
    assert "\n" not in reader.description
    assert all(name.startswith(".") and name.islower() for name in reader.extensions)
    assert reader.verified_on


def test_recording_is_what_the_file_says(sample: tuple[Sample, Path]) -> None:
    expected, path = sample
    assert identify(path).name == expected.reader
    recording = read(path, **expected.stated)
    assert recording.leads == expected.leads
    assert all(canonical_lead(lead) == lead for lead in recording.leads)
    assert recording.sampling_rate == expected.sampling_rate
    assert recording.samples == expected.samples
    assert recording.signal.dtype == np.float32
    assert recording.signal.shape == (len(expected.leads), expected.samples)
    assert not np.isinf(recording.signal).any()
    assert recording.format == (expected.format or expected.reader)
    assert recording.source is not None


def test_values_are_those_of_a_heart_in_millivolts(sample: tuple[Sample, Path]) -> None:
    expected, path = sample
    recording = read(path, **expected.stated)
    reach = np.nanpercentile(recording.signal, 99.5, axis=1) - np.nanpercentile(
        recording.signal, 0.5, axis=1
    )
    assert 0.2 < np.median(reach) < 6


def test_inspect_agrees_with_read(sample: tuple[Sample, Path]) -> None:
    expected, path = sample
    info = inspect(path, **expected.stated)
    assert info.format == (expected.format or expected.reader)
    assert info.leads == expected.leads
    assert info.sampling_rate == expected.sampling_rate
    assert info.samples == expected.samples
    assert info.duration_s == expected.samples / expected.sampling_rate


def test_a_range_equals_the_same_range_of_the_whole(sample: tuple[Sample, Path]) -> None:
    expected, path = sample
    reader = reader_of(sample)
    options = ReadOptions(**expected.stated)
    whole = reader.read(path, options, 0, None)
    np.testing.assert_array_equal(reader.read(path, options).signal, whole.signal)  # type: ignore[call-arg]
    for start, stop in ((0, 1), (17, 1033), (expected.samples - 3, expected.samples + 50), (5, 5)):
        part = reader.read(path, options, start, stop)
        np.testing.assert_array_equal(part.signal, whole.signal[:, start:stop])
        sliced = whole.slice_samples(start, stop)
        assert len(part.annotations) == len(sliced.annotations)
        assert part.start_time == sliced.start_time


def test_windows_cover_the_recording(sample: tuple[Sample, Path]) -> None:
    expected, path = sample
    windows = list(iterate(path, 2.7, **expected.stated))
    joined = np.concatenate([window.signal for window in windows], axis=1)
    np.testing.assert_array_equal(joined, read(path, **expected.stated).signal)


def test_a_wrong_number_of_leads_is_refused(sample: tuple[Sample, Path]) -> None:
    expected, path = sample
    wrong = tuple(f"V{n}" for n in range(1, 10)) if len(expected.leads) != 9 else ("I",)
    with pytest.raises(LeadError, match="9 lead names") as caught:
        read(path, **{**expected.stated, "leads": wrong})
    assert caught.value.path is not None


@pytest.mark.parametrize("kept", [0.02, 0.6, 0.999])
def test_a_cut_file_is_a_typed_error_or_shorter(
    sample: tuple[Sample, Path], tmp_path: Path, kept: float
) -> None:
    expected, path = sample
    for beside in path.parent.glob(f"{path.stem}.*"):
        content = beside.read_bytes()
        if beside.suffix == ".hea" or (beside.suffix == ".json" and beside != path):
            (tmp_path / beside.name).write_bytes(content)
        else:
            (tmp_path / beside.name).write_bytes(content[: int(len(content) * kept)])
    try:
        recording = read(tmp_path / path.name, **expected.stated)
    except EcgFoundryError as error:
        assert str(tmp_path) in str(error)
        assert "\n" not in str(error)
    else:
        assert expected.reader in ONE_LINE_PER_SAMPLE  # a cut text is a shorter text
        assert recording.samples < expected.samples
