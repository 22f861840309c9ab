"""What a WFDB header means: channels, units, gains, skew, times, comments, and what is refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    FormatError,
    LeadError,
    LimitError,
    SamplingRateError,
    TruncatedFileError,
    UnitError,
    UnsupportedVariantError,
)
from ecgfoundry.formats import inspect, read


def record(
    folder: Path, header: str, samples: np.ndarray | None = None, *, name: str = "r"
) -> Path:
    """Write a header, and int16 samples (frames, signals) as ``<name>.dat``."""
    path = folder / f"{name}.hea"
    path.write_text(header)
    if samples is not None:
        (folder / f"{name}.dat").write_bytes(samples.astype("<i2").tobytes())
    return path


RAMP = np.arange(20)[:, np.newaxis]


def test_physionet_challenge_2021(fixtures: Path) -> None:
    recording = read(fixtures / "cinc2021/HR06005.mat")
    assert recording.leads[:6] == ("I", "II", "III", "aVR", "aVL", "aVF")
    assert recording.sampling_rate == 500
    assert recording.samples == 5000
    assert recording.source is not None
    assert recording.source.endswith("HR06005.hea")
    assert recording.subject.sex in ("female", "male")
    assert recording.subject.age is not None
    assert recording.header["Dx"]
    assert recording.header["checksum"] == "verified"
    assert 0.1 < np.ptp(recording.lead("II")) < 5  # mV


def test_physionet_challenge_2017(fixtures: Path) -> None:
    recording = read(fixtures / "cinc2017/A00001")
    assert recording.leads == ("ECG",)
    assert (recording.sampling_rate, recording.samples) == (300, 9000)
    assert recording.start_time == dt.datetime(2000, 5, 1, 5, 5, 15)
    assert float(recording.signal[0, 0]) == np.float32(-0.127)


def test_ludb_has_subject_diagnoses_and_delineation(fixtures: Path) -> None:
    recording = read(fixtures / "ludb/8")
    assert (recording.subject.age, recording.subject.sex) == (57, "female")
    assert "Atrial fibrillation" in recording.header["comments"]
    assert {mark.lead for mark in recording.annotations} == set(recording.leads)
    assert {mark.text for mark in recording.annotations} <= set("pNtu()")


def test_missing_gain_is_200_and_is_marked(tmp_path: Path) -> None:
    for gain in ("", " 0", " 0/mV"):
        recording = read(record(tmp_path, f"r 1 100 20\nr.dat 16{gain}\n", RAMP), leads=["I"])
        assert recording.header["gain"] == "assumed"
        assert float(recording.signal[0, 10]) == np.float32(10 / 200)


def test_baseline_defaults_to_the_adc_zero_and_gain_may_be_negative(tmp_path: Path) -> None:
    recording = read(record(tmp_path, "r 1 100 20\nr.dat 16 -100 12 5 0 0 0 II\n", RAMP))
    assert float(recording.signal[0, 10]) == np.float32(-0.05)
    assert "gain" not in recording.header


def test_units_become_millivolts(tmp_path: Path) -> None:
    for unit, factor in (("uV", 1e-3), ("mv", 1.0), ("V", 1e3)):
        recording = read(record(tmp_path, f"r 1 100 20\nr.dat 16 2(0)/{unit} 16 0 0 0 0 I\n", RAMP))
        np.testing.assert_array_equal(
            recording.signal[0], (np.arange(20) / 2 * factor).astype(np.float32)
        )


def test_other_channels_keep_their_unit_and_rate(tmp_path: Path) -> None:
    frames = np.arange(60).reshape(20, 3)
    header = "r 2 125 20\nr.dat 16x2 10/mV 16 0 0 0 0 II\nr.dat 16 2(1)/mmHg 16 0 0 0 0 ABP\n"
    recording = read(record(tmp_path, header, frames))
    assert (recording.leads, recording.sampling_rate, recording.samples) == (("II",), 250, 40)
    pressure = recording.other_channels[0]
    assert (pressure.name, pressure.unit, pressure.sampling_rate) == ("ABP", "mmHg", 125)
    np.testing.assert_array_equal(pressure.signal, ((frames[:, 2] - 1) / 2).astype(np.float32))
    np.testing.assert_array_equal(
        recording.signal[0], (frames[:, :2].reshape(-1) / 10).astype(np.float32)
    )


def test_skew_moves_a_signal_and_leaves_its_end_missing(tmp_path: Path) -> None:
    frames = np.stack([np.arange(20), np.arange(20)], axis=1)
    header = "r 2 100 20\nr.dat 16 1/mV 16 0 0 0 0 I\nr.dat 16:3 1/mV 16 0 0 0 0 II\n"
    recording = read(record(tmp_path, header, frames))
    assert recording.signal[1, :17].tolist() == list(range(3, 20))
    assert np.isnan(recording.signal[1, 17:]).all()


def test_length_is_taken_from_the_file_where_the_header_has_none(tmp_path: Path) -> None:
    for line in ("r 1 100", "r 1 100 0"):
        assert read(record(tmp_path, f"{line}\nr.dat 16 200 16 0 0 0 0 I\n", RAMP)).samples == 20


def test_a_wrong_checksum_is_a_remark(tmp_path: Path) -> None:
    recording = read(record(tmp_path, "r 1 100 20\nr.dat 16 200 16 0 0 77 0 I\n", RAMP))
    assert recording.header["checksum"] == "mismatch in 'I': stated 77, found 190"
    part = read(tmp_path / "r.hea", duration_s=0.05)
    assert "checksum" not in part.header


def test_options_replace_what_the_header_says(tmp_path: Path) -> None:
    path = record(tmp_path, "r 1 100 20\nr.dat 16 1/mV 16 0 0 0 0 I\n", RAMP)
    recording = read(path, leads="V2", unit="uV", sampling_rate=250, mains_frequency=60)
    assert (recording.leads, recording.sampling_rate) == (("V2",), 250)
    assert recording.mains_frequency == 60
    assert float(recording.signal[0, 5]) == np.float32(0.005)


def test_multi_segment_record_with_a_gap(tmp_path: Path) -> None:
    record(tmp_path, "s1 1 100 20\ns1.dat 16 1/mV 16 0 0 0 0 I\n", RAMP, name="s1")
    record(tmp_path, "s2 1 100 20\ns2.dat 16 2/mV 16 0 0 0 0 I\n", RAMP, name="s2")
    master = record(tmp_path, "m/3 1 100 50\ns1 20\n~ 10\ns2 20\n", name="m")
    signal = read(master).signal[0]
    assert signal[:20].tolist() == list(range(20))
    assert np.isnan(signal[20:30]).all()
    assert signal[30:].tolist() == [value / 2 for value in range(20)]
    part = read(master, start_s=0.15, duration_s=0.2).signal[0]
    np.testing.assert_array_equal(part, signal[15:35])


AGES = {
    "# Age: 82\n# Sex: Female": (82, "female"),
    "#Age: 49\n#Sex: Male": (49, "male"),
    "#<age>: 51\n#<sex>: F": (51, "female"),
    "# <age>: 25  <sex>: M  <diagnoses>: (none)": (25, "male"),
    "# 69 M 1085 1629 x1\n# Aldomet, Inderal": (69, "male"),
    "# age: 81\n# sex: female\n# ECG date: 01/10/1990": (81, "female"),
    "# Age: NaN\n# Sex: Unknown": (None, None),
    "# Age: 300": (None, None),
    "# Age: -1": (None, None),
    "# <age>: ?? <sex>: ?": (None, None),
    "# Stage: 3\n# Image: 7": (None, None),
}


@pytest.mark.parametrize("comments", AGES)
def test_subject_from_comments(tmp_path: Path, comments: str) -> None:
    text = f"r 1 100 20\nr.dat 16 200 16 0 0 0 0 I\n{comments}\n"
    subject = read(record(tmp_path, text, RAMP)).subject
    assert (subject.age, subject.sex) == AGES[comments]


def test_date_before_time_as_in_the_2020_challenge(tmp_path: Path) -> None:
    text = "r 1 100 20 12-May-2020 12:33:59\nr.dat 16 200 16 0 0 0 0 I\n"
    assert read(record(tmp_path, text, RAMP)).start_time == dt.datetime(2020, 5, 12, 12, 33, 59)
    later = read(tmp_path / "r.hea", start_s=0.1)
    assert later.start_time == dt.datetime(2020, 5, 12, 12, 33, 59, 100_000)


def test_eeg_electrodes_are_no_chest_leads(tmp_path: Path) -> None:
    lines = [f"r.dat 16 200/mV 16 0 0 0 0 {name}" for name in ("C3", "Fp1", "ECG")]
    recording = read(record(tmp_path, "\n".join(["r 3 100 6", *lines]), np.zeros((6, 3))))
    assert recording.leads == ("ECG",)
    lines = [f"r.dat 16 200/mV 16 0 0 0 0 {name}" for name in ("aVF", "C2", "C3")]
    recording = read(record(tmp_path, "\n".join(["r 3 100 6", *lines]), np.zeros((6, 3))))
    assert recording.leads == ("aVF", "V2", "V3")
    lines = [f"r.dat 16 200/mV 16 0 0 0 0 {name}" for name in ("C1", "C2", "C3")]
    path = record(tmp_path, "\n".join(["r 3 100 6", *lines]), np.zeros((6, 3)))
    with pytest.raises(LeadError, match=r"no ECG lead among its channels \(C1 in mV"):
        read(path)
    assert read(path, leads=("C1", "C2", "C3")).leads == ("V1", "V2", "V3")


ONE = "r.dat 16 200 16 0 0 0 0 I"
REFUSED: dict[str, tuple[type[EcgFoundryError], str]] = {
    f"r 1 100 21\n{ONE}": (TruncatedFileError, "40 bytes, the header announces 42"),
    f"r 1 100 1000000000\n{ONE}": (TruncatedFileError, "2000000000"),
    "r 1 100 20\nmissing.dat 16 200 16 0 0 0 0 I": (FileAccessError, "'missing.dat'"),
    f"r 1 0 20\n{ONE}": (SamplingRateError, "0.0"),
    f"r 1 -250 20\n{ONE}": (SamplingRateError, "-250"),
    f"r 1 nan 20\n{ONE}": (FormatError, "not a number"),
    f"r 1 1e400 20\n{ONE}": (FormatError, "not a number"),
    f"r 1 100 -20\n{ONE}": (FormatError, "number of samples -20"),
    f"r 1 100 99999999999999999999999\n{ONE}": (FormatError, "number of samples"),
    f"r 1000000 100 20\n{ONE}": (LimitError, "1000000 signals"),
    f"r 2 100 20\n{ONE}": (FormatError, "announces 2 signals and describes 1"),
    "r 0 100 20\n": (FormatError, "no signals"),
    "r/1000000 1 100 20\ns1 20": (FormatError, "1000000 segments"),
    "r/1 1 100 20\nr 20": (FormatError, "itself a multi-segment"),
    "r/1 1 100 20\n~ 20": (FormatError, "gaps only"),
    "r/1 1 100 20\ns1 21": (FormatError, "21 samples together"),
    "r/1 1 100 20\ns1 20": (FileAccessError, "s1.hea"),
    "r 1 100 20\n../r.dat 16 200 16 0 0 0 0 I": (FormatError, "out of the folder"),
    "r 1 100 20\n/etc/passwd 16 200 16 0 0 0 0 I": (FormatError, "out of the folder"),
    "r 1 100 20\n.. 16 200 16 0 0 0 0 I": (FormatError, "out of the folder"),
    "r/1 1 100 20\n../s1 20": (FormatError, "out of the folder"),
    "r 1 100 20\nr.dat 999 200 16 0 0 0 0 I": (UnsupportedVariantError, "format 999"),
    "r 1 100 20\nr.dat 0 200 16 0 0 0 0 I": (UnsupportedVariantError, "master header"),
    "r 1 100 20\nr.dat 16 200/µX 16 0 0 0 0 I": (UnitError, "its unit is 'µX'"),
    "r 1 100 20\nr.dat x 200 16 0 0 0 0 I": (FormatError, "no storage format"),
    "r 1 100 20\nr.dat 16 1e999 16 0 0 0 0 I": (FormatError, "gain"),
    "r 1 100 20\nr.dat 16x99999999999999999 200 16 0 0 0 0 I": (FormatError, "samples per frame"),
    "r 1 100 20\nr.dat 16x1000000000 200 16 0 0 0 0 I": (TruncatedFileError, "40 bytes"),
    "r 1 100 20\nr.dat 16+1000000000000 200 16 0 0 0 0 I": (TruncatedFileError, "40 bytes"),
    "r 1 100 20\nr.dat 16 200 16 0 0 0 0": (LeadError, "channel 0 has no lead name"),
    "r 1 100 20\nr.dat 16 200/mmHg 16 0 0 0 0 ABP": (LeadError, "no ECG lead"),
    "r 2 100 4\nr.dat 16 200 16 0 0 0 0 I\nr.dat 212 200 16 0 0 0 0 II": (
        FormatError,
        "different storage formats",
    ),
    "# nothing but a comment": (FormatError, "no record line"),
}


@pytest.mark.parametrize("header", REFUSED)
def test_refused_headers_say_why(tmp_path: Path, header: str) -> None:
    kind, words = REFUSED[header]
    path = record(tmp_path, header + "\n", RAMP)
    with pytest.raises(kind, match=words.replace("(", r"\(")) as caught:
        read(path)
    assert type(caught.value) is kind
    assert caught.value.path is not None
    assert "\n" not in str(caught.value)


def test_a_record_beyond_the_limit_is_read_in_parts(tmp_path: Path) -> None:
    from ecgfoundry.formats.base import Limits, ReadOptions
    from ecgfoundry.formats.wfdb.reader import READER

    path = record(tmp_path, f"r 1 100 20\n{ONE}\n", RAMP)
    options = ReadOptions(limits=Limits(samples=10))
    with pytest.raises(LimitError, match="20 samples"):
        READER.read(path, options, 0, None)
    assert READER.read(path, options, 5, 15).samples == 10


def test_absurd_skew_gives_missing_samples_not_memory(tmp_path: Path) -> None:
    path = record(tmp_path, "r 1 100 20\nr.dat 16:1000000000 200 16 0 0 0 0 I\n", RAMP)
    assert np.isnan(read(path).signal).all()


def test_inspect_agrees_with_read(fixtures: Path) -> None:
    info = inspect(fixtures / "ludb/8.hea")
    recording = read(fixtures / "ludb/8.hea")
    assert info.leads == recording.leads
    assert (info.sampling_rate, info.samples) == (500, recording.samples)


def test_flac_without_its_library_names_the_install_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from ecgfoundry.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "soundfile", None)
    path = record(tmp_path, "r 1 100 20\nr.dat 516 200 16 0 0 0 0 I\n", RAMP)
    with pytest.raises(MissingExtraError, match=r"storage format 516.*ecgfoundry\[formats\]"):
        read(path)


def test_flac_that_is_none_is_a_format_error(tmp_path: Path) -> None:
    pytest.importorskip("soundfile", reason="the extra 'formats' is not installed")
    path = record(tmp_path, "r 1 100 20\nr.dat 516 200 16 0 0 0 0 I\n", RAMP)
    with pytest.raises(FormatError, match="no FLAC"):
        read(path)


HALVES = np.arange(20) * 8


def test_any_white_space_stands_between_the_fields(tmp_path: Path) -> None:
    """header(5): fields are separated by white space; a TAB behind the gain lost it."""
    for blank in ("\t", "  ", "\t ", " \t"):
        fields = ["r.dat", "16", "8(4)/uV", "16", "0", "0", "0", "0", "V 1"]
        recording = read(record(tmp_path, f"r 1 100 20\n{blank.join(fields)}\n", HALVES))
        assert recording.leads == ("V1",)
        # (digital - 4) / 8 microvolts
        np.testing.assert_allclose(recording.signal[0], (np.arange(20) - 0.5) / 1000, rtol=1e-6)
        assert "gain" not in recording.header


def test_signals_of_one_name_are_numbered(tmp_path: Path) -> None:
    lines = [f"r.dat 16 200/mV 16 0 0 0 0 {name}" for name in ("ECG", "ekg", "II", "ABP", "ABP")]
    path = record(tmp_path, "\n".join(["r 5 100 4", *lines]), np.arange(20))
    recording = read(path)
    assert recording.leads == ("ECG", "ekg 2", "II")
    assert [channel.name for channel in recording.other_channels] == ["ABP", "ABP"]
    assert recording.header["renamed_leads"] == "ekg 2 ('ekg' in the file)"
    assert read(path, leads=("I", "II", "III")).leads == ("I", "II", "III")


def test_a_slow_voltage_does_not_slow_the_ecg(tmp_path: Path) -> None:
    """Two frames of 1 s: four samples of ECG, one of temperature in mV, one of another lead."""
    text = (
        "r 3 1 2\nr.dat 16x4 1/mV 16 0 0 0 0 ECG\nr.dat 16 1/mV 16 0 0 0 0 Skin\n"
        "r.dat 16x2 1/mV 16 0 0 0 0 aux\n"
    )
    recording = read(record(tmp_path, text, np.arange(14)))
    assert (recording.leads, recording.sampling_rate) == (("ECG",), 4.0)
    assert recording.signal.tolist() == [[0, 1, 2, 3, 7, 8, 9, 10]]
    found = [(c.name, c.sampling_rate, c.signal.tolist()) for c in recording.other_channels]
    assert found == [("Skin", 1.0, [4, 11]), ("aux", 2.0, [5, 6, 12, 13])]
    assert recording.header["leads_at_other_rates"] == "Skin, aux"


def test_a_null_record_is_a_gap(tmp_path: Path) -> None:
    """header(5): a segment whose signals have the storage format 0."""
    (tmp_path / "m.hea").write_text("m/3 1 100 9\na 3\nnull 2\nb 4\n")
    (tmp_path / "null.hea").write_text("null 1 100 2\n~ 0 1/mV 0 0 0 0 0 II\n")
    for name, values in (("a", [1, 2, 3]), ("b", [4, 5, 6, 7])):
        (tmp_path / f"{name}.hea").write_text(
            f"{name} 1 100 {len(values)}\n{name}.dat 16 1/mV 16 0 0 0 0 II\n"
        )
        np.array(values, "<i2").tofile(tmp_path / f"{name}.dat")
    signal = read(tmp_path / "m.hea").signal[0]
    np.testing.assert_array_equal(signal, [1, 2, 3, np.nan, np.nan, 4, 5, 6, 7])


def test_a_signal_that_is_not_stored_beside_others_is_missing(tmp_path: Path) -> None:
    text = "r 2 100 3\nr.dat 16 1/mV 16 0 0 0 0 I\n~ 0 1/mV 0 0 0 0 0 II\n"
    signal = read(record(tmp_path, text, np.array([1, 2, 3]))).signal
    np.testing.assert_array_equal(signal, [[1, 2, 3], [np.nan] * 3])
