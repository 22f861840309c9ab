"""Files in which a fault of a known kind could come again; each was read wrongly once.

Signals are spikes of known size, so that a wrong lead, unit, rate or place shows.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import dicom_file, ecg_like, edf_file, ishne_file, mfer_file, scp_file
from vendor_files import (
    aecg_series,
    aecg_xml,
    cardiosoft_xml,
    kardia_json,
    mortara_xml,
    muse_xml,
)

from ecgfoundry import interpret
from ecgfoundry.errors import LeadError, SignalError, UnsupportedVariantError
from ecgfoundry.formats.files import inspect, read
from ecgfoundry.formats.writers import write
from ecgfoundry.recording import Recording

RATE = 500.0
X = ecg_like(12, 2500, RATE)
LEAD_CODES = [f"5.6.3-9-{n}" for n in (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)]
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


# --- arrays: a row is a lead because its name, its unit and its company say so -------------------


def array_file(folder: Path, kind: str, names: tuple[str, ...], unit: str = "uV") -> Path:
    path = folder / f"x.{kind}"
    signal = X[: len(names)]
    if kind == "npz":
        np.savez(path, signal=signal, leads=names, sampling_rate=RATE, unit=unit)
    elif kind == "h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            attributes = file.create_dataset("x", data=signal).attrs
            attributes["leads"], attributes["unit"] = list(names), unit
            attributes["sampling_rate"] = RATE
    else:
        polars = pytest.importorskip("polars")
        table = polars.DataFrame(dict(zip(names, signal.astype(np.float64), strict=True)))
        table.write_parquet(path, metadata={"ecgfoundry": '{"sampling_rate": 500, "unit": "uV"}'})
    return path


@pytest.mark.parametrize("kind", ["npz", "h5", "parquet"])
@pytest.mark.parametrize("names", [("Fp1", "C3", "C4", "O1"), ("C3",), ("X", "Y", "Z")])
def test_electrodes_and_axes_in_an_array_are_no_leads(
    tmp_path: Path, kind: str, names: tuple[str, ...]
) -> None:
    path = array_file(tmp_path, kind, names)
    with pytest.raises(LeadError, match="no ECG lead"):
        read(path)
    # The caller knows what they are.
    assert len(read(path, leads=names).leads) == len(names)


@pytest.mark.parametrize("kind", ["npz", "h5", "parquet"])
def test_what_stands_beside_a_lead_in_an_array_is_another_channel(
    tmp_path: Path, kind: str
) -> None:
    recording = read(array_file(tmp_path, kind, ("time", "II", "PLETH", "acc_x")))
    assert recording.leads == ("II",)
    assert [c.name for c in recording.other_channels] == ["time", "PLETH", "acc_x"]
    np.testing.assert_allclose(recording.signal[0], X[1] / 1000, rtol=1e-6)


@pytest.mark.parametrize("ending", [".npz", ".parquet"])
@pytest.mark.parametrize("names", [("X", "Y", "Z"), ("PPG",), ("mark 1", "II")])
def test_what_was_written_here_is_read_as_it_was(
    tmp_path: Path, ending: str, names: tuple[str, ...]
) -> None:
    signal = X[: len(names)] / np.float32(1000)
    write(Recording(signal, RATE, names), tmp_path / f"x{ending}")
    again = read(tmp_path / f"x{ending}")
    assert again.leads == names and again.other_channels == ()
    np.testing.assert_array_equal(again.signal, signal)


def test_what_a_file_states_counts_before_the_layout_of_a_data_set(tmp_path: Path) -> None:
    """A dataset "ecg" of twelve rows is SPH only if nothing says otherwise."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        attributes = file.create_dataset("ecg", data=X.astype(np.float16)).attrs
        attributes["leads"], attributes["unit"] = [*TWELVE[6:], *TWELVE[:6]], "uV"
        attributes["sampling_rate"] = 250.0
    recording = read(tmp_path / "x.h5")
    assert recording.leads[:2] == ("V1", "V2") and recording.sampling_rate == 250
    assert 0.5 < np.abs(recording.signal).max() < 2
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.create_dataset("ecg", data=X)  # whole numbers, as a converter stores them
    with pytest.raises(LeadError, match="does not name its 12 lead"):
        read(tmp_path / "y.h5")


# --- EDF ----------------------------------------------------------------------------------------


def onsets(*seconds: float) -> dict[str, Any]:
    data = [b"+%g\x14\x14\0" % second for second in seconds]
    data[1] += b"+1.5\x14here\x14\0"
    return {"label": "EDF Annotations", "samples": 40, "data": data}


def test_gaps_that_only_the_records_state_are_missing_samples(tmp_path: Path) -> None:
    ecg = {"label": "ECG II", "samples": 500, "data": X[1][:2000].astype(int)}
    path = edf_file(tmp_path / "x.edf", [ecg, onsets(0, 1, 5, 6)], records=4, reserved="EDF+C")
    recording = read(path)
    assert recording.samples == 3500
    missing = np.flatnonzero(np.isnan(recording.signal[0]))
    assert (missing[0], missing[-1], missing.size) == (1000, 2499, 1500)
    assert "do not follow" in recording.header["gaps"]
    steady = edf_file(tmp_path / "y.edf", [ecg, onsets(0, 1, 2, 3)], records=4, reserved="EDF+C")
    assert read(steady).samples == 2000
    # A writer that states the same onset in each record says nothing.
    careless = edf_file(tmp_path / "z.edf", [ecg, onsets(0, 0, 0, 0)], records=4, reserved="EDF+C")
    assert read(careless).samples == 2000


# --- another rate from the caller: marks stay on their samples ------------------------------------


def marked(folder: Path, kind: str) -> Path:
    """A recording at 500 Hz with a mark at sample 750."""
    if kind == "edf":
        ecg = {"label": "ECG II", "samples": 500, "data": X[1][:2000].astype(int)}
        return edf_file(folder / "x.edf", [ecg, onsets(0, 1, 2, 3)], records=4, reserved="EDF+C")
    if kind == "ishne":
        return ishne_file(folder / "x.ecg", X[:2], codes=[5, 6], rate=500, beats=[750])
    if kind == "npz":
        from ecgfoundry.recording import Annotation

        marks = (Annotation(1.5, "beat", "N"),)
        write(Recording(X[:2] / np.float32(1000), RATE, ("I", "II"), annotations=marks),
              folder / "x.npz")  # fmt: skip
        return folder / "x.npz"
    leads = ("I", "II", *TWELVE[6:])
    recording = Recording.from_array(X[:8], sampling_rate=RATE, leads=leads, unit="uV")
    text = muse_xml(recording).replace(b"<Time>614<", b"<Time>1500<")
    (folder / "x.xml").write_bytes(text)
    return folder / "x.xml"


@pytest.mark.parametrize("kind", ["edf", "ishne", "npz", "muse"])
def test_marks_stay_on_their_samples_at_a_rate_from_the_caller(tmp_path: Path, kind: str) -> None:
    path = marked(tmp_path, kind)
    assert [mark.time_s for mark in read(path).annotations] == [1.5]
    at_250 = read(path, sampling_rate=250)
    assert [mark.time_s for mark in at_250.annotations] == [3.0]
    part = read(path, sampling_rate=250, start_s=2.0, duration_s=2.0)
    assert [mark.time_s for mark in part.annotations] == [1.0]


# --- DICOM --------------------------------------------------------------------------------------


def dicom(folder: Path, edit: Callable[[Any], None]) -> Path:
    pydicom = pytest.importorskip("pydicom")
    path = dicom_file(folder / "x.dcm", X, codes=LEAD_CODES)
    data = pydicom.dcmread(path)
    edit(data)
    data.save_as(folder / "y.dcm", enforce_file_format=True)
    return folder / "y.dcm"


def another_group(data: Any, rows: np.ndarray, rate: str, name: str, *, first: bool) -> None:
    group = copy.deepcopy(data.WaveformSequence[0])
    group.SamplingFrequency, group.NumberOfWaveformSamples = rate, rows.shape[1]
    group.NumberOfWaveformChannels = len(rows)
    group.ChannelDefinitionSequence = group.ChannelDefinitionSequence[: len(rows)]
    group.WaveformData = rows.T.astype("<i2").tobytes()
    group.MultiplexGroupLabel = ""
    if name:
        code = group.ChannelDefinitionSequence[0].ChannelSourceSequence[0]
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "109105", "DCM", name
        group.ChannelDefinitionSequence[0].ChannelLabel = name
    data.WaveformSequence.insert(0 if first else 1, group)


def test_a_group_of_another_signal_before_the_ecg(tmp_path: Path) -> None:
    path = dicom(
        tmp_path, lambda d: another_group(d, X[:1, :1250], "250", "Respiration", first=True)
    )
    recording = read(path)
    assert recording.leads == TWELVE and recording.sampling_rate == 500
    assert recording.header["groups_left_out"] == "Respiration at 250 Hz"


def test_of_two_strips_none_is_read_until_one_is_chosen(tmp_path: Path) -> None:
    path = dicom(tmp_path, lambda d: another_group(d, X[:1, :1250], "250", "", first=True))
    assert inspect(path).recordings == 2
    with pytest.raises(SignalError, match="holds 2 waveforms"):
        read(path)
    assert read(path, index=0).leads == ("I",)
    assert read(path, index=1).leads == TWELVE


def test_a_short_group_without_a_label_is_a_mean_beat(tmp_path: Path) -> None:
    path = dicom(tmp_path, lambda d: another_group(d, X[:, :600], "500", "", first=False))
    recording = read(path)
    assert recording.samples == 2500
    assert {c.kind for c in recording.other_channels} == {"representative-beat"}


def test_a_code_and_a_label_of_different_leads(tmp_path: Path) -> None:
    def turned(data: Any) -> None:
        channels = data.WaveformSequence[0].ChannelDefinitionSequence
        for channel, lead in zip(channels, (*TWELVE[:6], *TWELVE[:5:-1]), strict=True):
            channel.ChannelLabel = f"Lead {lead}"

    path = dicom(tmp_path, turned)
    with pytest.raises(LeadError, match="channel 7 says lead V1, its label 'Lead V6'"):
        read(path)
    assert read(path, leads=TWELVE).leads == TWELVE


def test_lead_codes_of_iso_11073_in_one_number(tmp_path: Path) -> None:
    def numbered(data: Any) -> None:
        for channel in data.WaveformSequence[0].ChannelDefinitionSequence:
            code = channel.ChannelSourceSequence[0]
            code.CodeValue = str(131072 + int(code.CodeValue.rpartition("-")[2]))
            code.CodingSchemeDesignator = "MDC"

    assert read(dicom(tmp_path, numbered)).leads == TWELVE


def test_the_limit_of_16_bits_without_a_padding_value_is_missing(tmp_path: Path) -> None:
    def filled(data: Any) -> None:
        stored = X.copy()
        stored[:, 2000:] = -32768
        data.WaveformSequence[0].WaveformData = stored.T.astype("<i2").tobytes()

    signal = read(dicom(tmp_path, filled)).signal
    assert np.isnan(signal[:, 2000:]).all() and not np.isnan(signal[:, :2000]).any()


# --- a start that is stated, but not so that it can be read --------------------------------------


def aecg_of(head: str) -> bytes:
    return aecg_xml(aecg_series({"II": X[1] / 1000}, heads=[head]))


def muse_of(date: str) -> bytes:
    leads = ("I", "II", *TWELVE[6:])
    recording = Recording.from_array(X[:8], sampling_rate=RATE, leads=leads, unit="uV")
    return muse_xml(recording).replace(b">03-31-2015<", f">{date}<".encode())


def wfdb_of(folder: Path, behind: str) -> Path:
    X[1].astype("<i2").tofile(folder / "r.dat")
    line = f"r 1 500 2500 {behind}\nr.dat 16 1000/mV 16 0 0 0 0 II\n"
    (folder / "r.hea").write_text(line)
    return folder / "r.hea"


def test_a_start_that_cannot_be_read_is_kept_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(aecg_of("11/22/2002 09:10"))
    (tmp_path / "m.xml").write_bytes(muse_of("23-02-2024"))
    plain = edf_file(
        tmp_path / "p.edf",
        [{"label": "ECG II", "samples": 500, "data": X[1][:2000].astype(int)}],
        records=4,
        date="05.23.24",
    )
    american = dicom(tmp_path, lambda d: setattr(d, "AcquisitionDateTime", "202413"))
    for path, stated in (
        (tmp_path / "a.xml", "11/22/2002 09:10"),
        (tmp_path / "m.xml", "23-02-2024 09:21:07"),
        (wfdb_of(tmp_path, "10:20:30 03/25/2019"), "10:20:30 03/25/2019"),
        (plain, "05.23.24 07.08.09"),
        (american, "202413"),
    ):
        recording = read(path)
        assert recording.start_time is None, path
        assert recording.header["start_date"] == stated
    assert "start_date" not in read(wfdb_of(tmp_path, "10:20:30 25/03/2019")).header


def date_alone(folder: Path, kind: str) -> Path:
    """A file that states a date and no time of day."""
    leads = ("I", "II", *TWELVE[6:])
    recording = Recording.from_array(X[:8], sampling_rate=RATE, leads=leads, unit="uV")
    path = folder / f"{kind}.xml"
    if kind == "muse":
        path.write_bytes(muse_xml(recording).replace(b">09:21:07<", b"><"))
    elif kind == "aecg":
        path.write_bytes(aecg_of("20150331"))
    elif kind == "cardiosoft":
        text = cardiosoft_xml(recording)
        for part in (b"<Hour>9</Hour>", b"<Minute>5</Minute>", b"<Second>1</Second>"):
            assert part in text
            text = text.replace(part, b"")
        path.write_bytes(text)
    elif kind.startswith("mortara"):
        # With the hour alone, its digits once were a moment of another day.
        day = b"20201231" if kind == "mortara" else b"2020123114"
        path.write_bytes(mortara_xml(recording).replace(b"20170203112233", day))
    elif kind == "kardia":
        path = folder / "x.json"
        path.write_bytes(kardia_json(recording, leads=("I",)).replace(b"T10:11:12.500Z", b""))
    elif kind == "ishne":
        path = ishne_file(folder / "x.ecg", X[:1], codes=[5], rate=500)
        content = path.read_bytes()
        path.write_bytes(content[:150] + struct.pack("<3h", -9, -9, -9) + content[156:])
    elif kind == "scp":
        path = scp_file(folder / "x.scp", [X[0]], codes=[1], samples=2500)
        clock = struct.pack("<BH", 26, 3)
        path.write_bytes(path.read_bytes().replace(clock, struct.pack("<BH", 200, 3)))
    elif kind == "dicom":
        return dicom(folder, lambda d: setattr(d, "AcquisitionDateTime", "20240506"))
    elif kind == "npy":
        path = folder / "x.npy"
        np.save(path, X[:1])
        about = '{"leads": ["I"], "unit": "uV", "sampling_rate": 500, "start_time": "2024-05-06"}'
        (folder / "x.json").write_text(about)
    else:
        return wfdb_of(folder, "25/03/2019")
    return path


@pytest.mark.parametrize(
    ("kind", "stated"),
    [
        ("muse", "03-31-2015"),
        ("aecg", "20150331"),
        ("cardiosoft", "7 6 2014"),
        ("mortara", "20201231"),
        ("mortara-hour", "2020123114"),
        ("kardia", "2021-05-04"),
        ("ishne", "2010-03-02"),
        ("scp", "2024-05-06"),
        ("dicom", "20240506"),
        ("npy", "2024-05-06"),
        ("wfdb", "25/03/2019"),
    ],
)
def test_a_date_alone_does_not_begin_at_midnight(tmp_path: Path, kind: str, stated: str) -> None:
    recording = read(date_alone(tmp_path, kind))
    assert recording.start_time is None
    assert recording.header["start_date"] == stated


def test_a_start_that_cannot_be_read_is_said_in_the_answer(tmp_path: Path) -> None:
    answer = interpret(wfdb_of(tmp_path, "10:20:30 03/25/2019"), model="rhythm-single-lead-edge")
    words = "the start '10:20:30 03/25/2019' is no date with a time of day: the answer has no start"
    assert [w.message for w in answer.warnings if w.code == "start-not-read"] == [words]


def test_samples_of_another_record_are_said_in_the_answer(tmp_path: Path, fixtures: Path) -> None:
    """The signal file of another person under this header: only its checksums know."""
    for name in ("JS20000.hea", "JS20000.mat"):
        (tmp_path / name).write_bytes((fixtures / "cinc2021" / name).read_bytes())
    path = tmp_path / "JS20000.hea"
    codes = [w.code for w in interpret(path, model="rhythm-single-lead-edge").warnings]
    assert "checksum-differs" not in codes
    (tmp_path / "JS20000.mat").write_bytes((fixtures / "cinc2021" / "E07500.mat").read_bytes())
    codes = [w.code for w in interpret(path, model="rhythm-single-lead-edge").warnings]
    assert codes.count("checksum-differs") == 1


def test_the_zone_of_scp(tmp_path: Path) -> None:
    plain = scp_file(tmp_path / "x.scp", [X[0]], codes=[1], samples=2500)
    assert read(plain).start_time.tzinfo is None
    tag = struct.pack("<BHhH", 34, 5, -300, 0) + b"\0"
    content = plain.read_bytes()
    # The zone takes the place of two tags of filters, which are as long together.
    place = content.index(struct.pack("<BHH", 27, 2, 5))
    changed = content[:place] + tag + content[place + len(tag) :]
    (tmp_path / "y.scp").write_bytes(changed)
    start = read(tmp_path / "y.scp").start_time
    assert start is not None and start.isoformat() == "2024-05-06T07:08:09-05:00"


# --- more in a file than is read ----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["scp", "ishne", "mfer"])
def test_another_record_behind_the_first_is_said(tmp_path: Path, kind: str) -> None:
    if kind == "scp":
        path = scp_file(tmp_path / "x.scp", [X[0]], codes=[1], samples=2500)
    elif kind == "ishne":
        path = ishne_file(tmp_path / "x.ecg", X[:1], codes=[5], rate=500)
    else:
        pytest.importorskip("ecgdatakit")
        path = mfer_file(tmp_path / "x.mwf", X[:1], codes=[1], rate=500)
    content = path.read_bytes()
    assert "trailing_bytes" not in read(path).header
    path.write_bytes(content + content)
    recording = read(path)
    assert recording.samples == 2500
    assert int(recording.header["trailing_bytes"]) == pytest.approx(len(content), abs=4)


# --- a name, or the file, says that it is no ECG ------------------------------------------------


def test_traces_of_other_signals_in_a_document(tmp_path: Path) -> None:
    text = aecg_of("20021122091000").decode()
    series = aecg_series({"I": X[0] / 1000, "II": X[1] / 1000})
    both = aecg_xml(series).decode()
    (tmp_path / "b.xml").write_text(both.replace('MDC_ECG_LEAD_I"', 'MDC_PRESS_BLD_ART"'))
    recording = read(tmp_path / "b.xml")
    assert recording.leads == ("II",)
    assert [channel.name for channel in recording.other_channels] == ["MDC_PRESS_BLD_ART"]
    (tmp_path / "e.xml").write_text(text.replace("MDC_ECG_LEAD_II", "MDC_EEG_FP1"))
    with pytest.raises(LeadError, match="no ECG lead among its traces"):
        read(tmp_path / "e.xml")


def test_an_eeg_in_mfer_is_no_ecg(tmp_path: Path) -> None:
    """Its lead codes are those of electrodes: 1 would be lead I."""
    pytest.importorskip("ecgdatakit")
    path = mfer_file(tmp_path / "x.mwf", X[:2], codes=[1, 2], rate=500)
    content = path.read_bytes()
    place = content.index(b"\x0a\x01\x00")  # before the type of the data
    path.write_bytes(content[:place] + b"\x08\x02\x28\x00" + content[place:])
    with pytest.raises(LeadError, match="a resting EEG"):
        read(path)


def test_a_hole_between_two_frames_of_mfer(tmp_path: Path) -> None:
    pytest.importorskip("ecgdatakit")
    path = mfer_file(tmp_path / "x.mwf", X[:1], codes=[1], rate=500)
    content = path.read_bytes()
    place = content.index(b"\x1e\x84")
    body, wave = content[:place], content[place:].removesuffix(b"\x80\x00")

    def frames(second: int) -> Path:
        pointers = [b"\x07\x04" + value.to_bytes(4, "little") for value in (0, second)]
        path.write_bytes(body + pointers[0] + wave + pointers[1] + wave + b"\x80\x00")
        return path

    assert read(frames(2500)).samples == 5000
    with pytest.raises(UnsupportedVariantError, match="something is missing between them"):
        read(frames(4000))
