"""A file is opened once: how often the disk is asked, what an opened file offers, and its end."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tests.formats import vendor_files
from tests.formats.layouts import edf_file

import ecgfoundry
from ecgfoundry.errors import FileAccessError, SignalError
from ecgfoundry.formats import ReadOptions, inspect, iterate, open_file, read
from ecgfoundry.recording import Recording
from ecgfoundry.samples import sample_path

COUNT = """
import collections, sys
names = collections.Counter()
watched = tuple(sys.argv[1].split("|"))
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(watched):
        names[str(arguments[0]).rpartition("/")[2]] += 1
{prepare}
sys.addaudithook(hook)
{call}
print(*(name + "=" + str(count) for name, count in sorted(names.items())))
"""


def opens(watched: str, prepare: str, call: str, *arguments: str) -> Counter[str]:
    """Return how often files with these endings are opened by ``call``, in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT.format(prepare=prepare, call=call), watched, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    pairs = (item.rsplit("=", 1) for item in done.stdout.splitlines()[-1].split())
    return Counter({name: int(count) for name, count in pairs})


READ_ALL = (
    "import ecgfoundry\n"
    "with ecgfoundry.open(sys.argv[2], **eval(sys.argv[3])) as file:\n"
    "    file.info; sum(w.samples for w in file.windows(1)); file.read(); file.annotations()\n"
)


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("r.hea", {"r.hea": 1}),
        ("r.edf", None),
        ("waveform_ecg.dcm", None),
        ("r.csv", {"r.csv": 2}),
        ("r.mat", {"r.mat": 2}),
        ("r.xml", {"r.xml": 2}),
    ],
)
def test_how_often_a_file_is_opened(
    tmp_path: Path, fixtures: Path, name: str, most: dict[str, int] | None
) -> None:
    """A WFDB header once. What is parsed as a whole: to recognise it, and to read it.

    EDF and DICOM have their samples in the same file: one more for each of the parts that are read,
    and one for the annotations.
    """
    stated: dict[str, object] = {}
    path = tmp_path / name
    if name == "r.hea":
        path.write_text("r 1 100 300\nr.dat 16 200 16 0 0 0 0 I\n")
        (tmp_path / "r.dat").write_bytes(bytes(600))
    elif name == "r.edf":
        edf_file(path, [{"label": "ECG", "samples": 100, "data": np.arange(300)}], records=3)
        most = {"r.edf": 2 + 3 + 1}
    elif name == "waveform_ecg.dcm":
        path = fixtures / "dicom" / name
        most = {name: 2 + 1 + 10 + 1}  # the mean beats, ten windows, the whole
    elif name == "r.csv":
        path.write_text("I,II\n" + "".join(f"{n % 7},{n % 5}\n" for n in range(300)))
        stated = {"unit": "mV", "sampling_rate": 100}
    elif name == "r.mat":
        from scipy.io import savemat

        savemat(path, {"val": np.arange(600.0).reshape(2, 300)})
        stated = {"leads": ("I", "II"), "unit": "mV", "sampling_rate": 100}
    else:
        recording = read(sample_path("12-lead"))
        leads = {lead: recording.lead(lead) for lead in ("I", "II")}
        path.write_bytes(vendor_files.aecg_xml(vendor_files.aecg_series(leads)))
    found = opens(path.name, "import numpy", READ_ALL, str(path), repr(stated))
    assert found.keys() == (most or {}).keys()
    assert all(count <= (most or {})[file] for file, count in found.items()), found


def test_a_member_of_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        archive.writestr("a/r.hea", "r 1 100 300\nr.dat 16 200 16 0 0 0 0 I\n")
        archive.writestr("a/r.dat", bytes(600))
    found = opens("r.hea", "import numpy", READ_ALL, f"{tmp_path}/r.zip::a/r.hea", "{}")
    assert found["r.hea"] == 2  # written, and read


def test_segments_are_opened_once(tmp_path: Path) -> None:
    """A layout and two segments, read in eight windows of 1 s."""
    (tmp_path / "m.hea").write_text("m/4 1 100 800\nm_0 0\nm_1 300\n~ 100\nm_2 400\n")
    (tmp_path / "m_0.hea").write_text("m_0 1 100 0\n~ 0 200 16 0 0 0 0 I\n")
    for name, frames in (("m_1", 300), ("m_2", 400)):
        (tmp_path / f"{name}.hea").write_text(
            f"{name} 1 100 {frames}\n{name}.dat 16 200 16 0 0 0 0 I\n"
        )
        (tmp_path / f"{name}.dat").write_bytes(bytes(2 * frames))
    found = opens(".hea", "import numpy", READ_ALL, str(tmp_path / "m.hea"), "{}")
    assert found == {"m.hea": 1, "m_0.hea": 1, "m_1.hea": 1, "m_2.hea": 1}


def test_a_diagnosis_opens_the_header_once_and_reads_the_samples_once() -> None:
    path = sample_path("12-lead")
    found = opens(
        ".hea|.dat|.mat|.atr",
        "import contextlib, io",
        "from ecgfoundry.cli.diagnose import AnswerOptions, diagnose\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    diagnose(sys.argv[2], answer=AnswerOptions(json=True), threads=1)\n",
        str(path),
    )
    assert found[path.name] == 1
    assert sum(found.values()) == 2, found  # the header and the signal file, no annotations


# ------------------------------------------------------------------------------- an opened file


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Twelve samples of two leads at 4 Hz, one beat after a second, and a note at the end."""
    (tmp_path / "r.hea").write_text(
        "r 2 4 12 10:20:30 01/02/2020\nr.dat 16 1 16 0 0 0 0 I\nr.dat 16 1 16 0 0 0 0 ABP\n"
        "# age: 61\n"
    )
    np.arange(24, dtype="<i2").tofile(tmp_path / "r.dat")
    words = [(1 << 10) | 4, (22 << 10) | 8, 0]  # a beat after 4 samples, a note after 8 more
    np.array(words, "<u2").tofile(tmp_path / "r.atr")
    return tmp_path / "r.hea"


def test_what_an_opened_file_offers(record: Path) -> None:
    with ecgfoundry.open(record) as file:
        assert repr(file) == "EcgFile(r.hea: wfdb, I, 4 Hz, 3 s)"
        assert (file.leads, file.sampling_rate, file.samples, file.duration_s) == (
            ("I",), 4.0, 12, 3.0,
        )  # fmt: skip
        assert file.info.other_channels == ("ABP",)
    with ecgfoundry.open(record.with_suffix(""), leads=("II", "V1"), sampling_rate=8) as file:
        assert (file.leads, file.samples, file.duration_s) == (("II", "V1"), 12, 1.5)


def test_parts_and_annotations_of_an_opened_file(record: Path) -> None:
    with open_file(record) as file:
        whole = file.read()
        np.testing.assert_array_equal(whole.signal[0], np.arange(0, 24, 2))
        assert [(m.time_s, m.kind) for m in whole.annotations] == [(1.0, "beat"), (3.0, "note")]
        assert file.read(annotations=False).annotations == ()
        assert file.part(2, 5).signal[0].tolist() == [4, 6, 8]
        assert file.read(-5, 99).samples == 12 and file.read(7, 3).samples == 0
        assert file.read_seconds(1.0, 0.5).signal[0].tolist() == [8, 10]
        assert file.read_seconds(2.0).samples == 4
        assert [(m.time_s, m.text) for m in file.annotations(4, 8)] == [(0.0, "N")]
        # The note at the end of the recording belongs to the part that reaches there.
        assert [(m.time_s, m.kind) for m in file.annotations(8)] == [(1.0, "note")]
        assert file.annotations(5, 11) == ()
        windows = list(file.windows(1.25, annotations=True))
        assert [window.samples for window in windows] == [5, 5, 2]
        assert [len(window.annotations) for window in windows] == [1, 0, 1]
        assert all(window.annotations == () for window in file.windows(1.25))


def test_the_info_is_what_the_header_says(record: Path) -> None:
    for info in (inspect(record), open_file(record).info):
        assert (info.format, info.recordings, info.subject.age) == ("wfdb", 1, 61.0)
        assert info.start_time == dt.datetime(2020, 2, 1, 10, 20, 30)
        assert info.header["record"] == "r"
    path = sample_path("12-lead")
    assert inspect(path).filters == {}


def test_the_filters_are_those_of_the_device(fixtures: Path) -> None:
    info = inspect(fixtures / "dicom" / "waveform_ecg.dcm")
    assert info.filters == {"highpass": "0.05 Hz", "lowpass": "300 Hz"}
    assert info.recordings == 1 and len(info.other_channels) == 12


@pytest.mark.parametrize("kind", ["wfdb", "npy"])
def test_a_closed_file_gives_nothing_more(record: Path, kind: str) -> None:
    path, stated = record, {}
    if kind == "npy":
        path = record.with_name("r.npy")
        np.save(path, np.zeros((2, 12)))
        stated = {"leads": ["I", "II"], "unit": "mV", "sampling_rate": 4}
    file = open_file(path, **stated)
    file.close()
    file.close()
    assert "closed" in repr(file) and file.samples == 12
    for call in (file.read, file.annotations, lambda: file.windows(1), lambda: file.info):
        with pytest.raises(FileAccessError, match="was closed"):
            call()


def test_parts_that_are_none(record: Path) -> None:
    with open_file(record) as file:
        for start, duration in ((-1.0, None), (0.0, 0.0), (3.0, None), (float("nan"), 1.0)):
            with pytest.raises(SignalError):
                file.read_seconds(start, duration)
            with pytest.raises(SignalError):
                file.windows(1.0, start_s=start, duration_s=duration)
        for window_s in (0.0, -1.0, 0.01, float("nan")):
            with pytest.raises(SignalError):
                file.windows(window_s)


def test_options_are_packed_once(record: Path) -> None:
    options = ReadOptions(leads="II", unit="uV", sampling_rate=8.0, format="wfdb")
    assert options.leads == ("II",)
    two = ReadOptions(leads=["II", "V2"], sampling_rate=8.0)
    assert (read(record, two).leads, read(record, two).sampling_rate) == (("II", "V2"), 8.0)
    assert read(record, two, sampling_rate=2.0).sampling_rate == 2.0  # stated beside them: wins
    windows = list(iterate(record, 1.0, two))
    assert [window.samples for window in windows] == [8, 4]
    with pytest.raises(TypeError, match="modle"):
        open_file(record, modle="x")  # type: ignore[call-arg]


def test_of_several_recordings_the_first_is_described_and_none_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, np.zeros((3, 2, 50)))
    stated = {"leads": ("I", "II"), "unit": "mV", "sampling_rate": 10.0}
    with open_file(path, **stated) as file:
        assert (file.info.recordings, file.samples) == (3, 50)
        for call in (file.read, file.read_seconds, lambda: file.windows(1), file.annotations):
            with pytest.raises(SignalError, match="holds 3 recordings"):
                call()
    assert read(path, index=2, **stated).samples == 50


def test_a_recording_is_cut_like_a_file() -> None:
    """Every source of windows gives the same parts: a file, and the recording read from it."""
    path = sample_path("12-lead")
    whole = read(path)
    with open_file(path) as file:
        for source in (file, whole):
            part = source.part(100, 350)
            assert isinstance(part, Recording) and part.annotations == ()
            np.testing.assert_array_equal(part.signal, whole.signal[:, 100:350])
        assert (file.leads, file.sampling_rate, file.samples) == (
            whole.leads, whole.sampling_rate, whole.samples,
        )  # fmt: skip
