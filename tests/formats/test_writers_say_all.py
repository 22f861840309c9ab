"""Whatever a writer is given comes back when the file is read, or a note names what does not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecgfoundry.formats import read
from ecgfoundry.formats.common.channels import channel_kinds
from ecgfoundry.formats.writers import write, writers
from ecgfoundry.leads import canonical_lead
from ecgfoundry.recording import Annotation, Channel, Recording, Subject

ALL = {writer.name: writer for writer in writers()}
SECONDS = 2.0

texts = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "Zs"), max_codepoint=0x2FF),
    min_size=1, max_size=90,
).map(str.strip).filter(bool)  # fmt: skip
names = st.one_of(
    st.sampled_from(["I", "V1", "aVR", "Ableitung Brust 1", "Ableitung Brust 2", "Derivação"]),
    st.from_regex(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ0-9 ]{0,24}[A-Za-z0-9]", fullmatch=True),
)
offsets_s = (0, 3600, -19_800, 50_400, 1172, -60_000)
zones = st.sampled_from([None, *(dt.timezone(dt.timedelta(seconds=s)) for s in offsets_s)])
starts = st.builds(
    lambda moment, zone: moment.replace(tzinfo=zone),
    st.datetimes(dt.datetime(1930, 1, 1), dt.datetime(2199, 12, 31)),
    zones,
)
ages = st.one_of(st.integers(0, 110).map(float), st.floats(0, 110).map(lambda x: round(x, 2)))
subjects = st.builds(
    Subject,
    st.none() | ages,
    st.none() | st.sampled_from(["male", "female"]),
    st.none() | texts,
    st.none() | st.dates(dt.date(1800, 1, 1), dt.date(2199, 12, 31)),
)
marks = st.lists(
    st.builds(
        Annotation,
        st.integers(0, 1900).map(lambda ms: ms / 1000),
        st.sampled_from(["beat", "rhythm", "wave", "noise", "note"]),
        st.from_regex(r"[A-Za-z(][A-Za-z0-9 ]{0,8}[a-z]", fullmatch=True),
        st.sampled_from([0.0, 0.05]),
        st.sampled_from([None, "I", "V1"]),
    ),
    max_size=4,
).map(lambda marks: tuple(sorted(marks, key=lambda mark: mark.time_s)))
devices = st.dictionaries(
    st.sampled_from(["manufacturer", "model", "software", "serial_number", "equipment"]), texts
) | st.fixed_dictionaries(
    {"highpass": st.sampled_from(["0.05 Hz", "0.5 Hz"]), "lowpass": st.just("150 Hz")},
    optional={"notch": st.sampled_from(["50 Hz", "none"])},
)


def channel(name: str, kind: str, unit: str, rate: float) -> Channel:
    signal = np.sin(np.arange(round(rate * SECONDS)) / 9).astype(np.float32)
    return Channel(name, kind, unit, rate, signal)


channels = st.lists(
    st.builds(
        channel,
        st.sampled_from(["Resp", "Pleth", "Temperatur der Haut", "ABP"]),
        st.sampled_from(["respiration", "ppg", "other", "representative-beat"]),
        st.sampled_from(["V", "mmHg", "°C"]),
        st.sampled_from([25.0, 125.0, 33.3]),
    ),
    max_size=2,
    unique_by=lambda one: one.name,
).map(tuple)


def called(name: str) -> str:
    """What a reader calls the lead; no two leads of a recording are called the same."""
    return (canonical_lead(name) or name).upper()


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    leads = draw(st.lists(names, min_size=1, max_size=3, unique_by=called))
    # An EEG electrode (O1) is no ECG lead to any reader, whoever wrote it there.
    assume(set(channel_kinds(leads, ["mV"] * len(leads))) == {"ecg"})
    rate = draw(st.sampled_from([200.0, 250.0, 333.33, 500.0]))
    samples = round(SECONDS * rate)
    generator = np.random.default_rng(samples)
    return Recording(
        signal=generator.normal(0, 0.5, (len(leads), samples)).astype("f4"),
        sampling_rate=rate,
        leads=tuple(leads),
        start_time=draw(st.none() | starts),
        subject=draw(subjects),
        device=draw(devices),
        annotations=draw(marks),
        other_channels=draw(channels),
        mains_frequency=draw(st.sampled_from([None, 50.0, 60.0])),
        header={"field": "text"},
    )


def said(notes: tuple[str, ...], *words: str) -> bool:
    return any(word in note for note in notes for word in words)


def differences(original: Recording, back: Recording) -> dict[str, tuple[str, ...]]:
    """Field that did not come back -> words of which a note must have one."""
    found: dict[str, tuple[str, ...]] = {}
    if back.leads != original.leads:
        found["leads"] = ("the lead ",)
    if back.sampling_rate != original.sampling_rate:
        found["rate"] = ("sampling rate",)
    start, again = original.start_time, back.start_time
    if start != again or (start and again and start.utcoffset() != again.utcoffset()):
        same_clock = start and again and start.replace(tzinfo=None) == again.replace(tzinfo=None)
        kept = same_clock or start == again
        found["start"] = ("time zone",) if kept else ("the start time",)
    for field in ("age", "sex", "identifier", "birth_date"):
        given = getattr(original.subject, field)
        # A reader may know the age from start and date of birth.
        if getattr(back.subject, field) != given and not (field == "age" and given is None):
            found[field] = (f"the {field.replace('_', ' ')}",)
    for key, text in original.device.items():
        if back.device.get(key) != text:
            found[f"device {key}"] = (key,)
    if original.mains_frequency != back.mains_frequency:
        found["mains"] = ("mains frequency",)
    if len(original.annotations) != len(back.annotations):
        found["annotations"] = ("annotations are left out",)
    else:
        for field in ("kind", "text", "lead"):
            if [getattr(m, field) for m in original.annotations] != [
                getattr(m, field) for m in back.annotations
            ]:
                found[f"annotation {field}"] = (f"{field}s of the annotations",)
        for field in ("time_s", "duration_s"):
            np.testing.assert_allclose(
                [getattr(m, field) for m in back.annotations],
                [getattr(m, field) for m in original.annotations],
                atol=2e-6,
            )
    kept = {one.name: one for one in back.other_channels}
    for one in original.other_channels:
        stored = kept.get(one.name)
        if stored is None or stored.unit != one.unit or stored.kind != one.kind:
            found[f"channel {one.name}"] = ("other channels", one.name)
        elif len(stored.signal) != len(one.signal):
            assert np.isnan(stored.signal[len(one.signal) :]).all()
    return found


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=40, deadline=None)
@given(original=recordings())
def test_what_does_not_come_back_is_said(
    name: str, original: Recording, tmp_path_factory: pytest.TempPathFactory
) -> None:
    writer = ALL[name]
    path = tmp_path_factory.mktemp("w") / f"x{writer.extension}"
    written = write(original, path)
    back = read(written.path)
    part = back.signal[:, : original.samples]
    np.testing.assert_allclose(part, original.signal, rtol=1e-6, atol=written.step_mv / 2 + 4e-6)
    if back.samples != original.samples:
        assert said(written.notes, "missing samples were added")
    for field, words in differences(original, back).items():
        assert said(written.notes, *words), (field, written.notes, back)


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_said_without_a_reason(name: str, tmp_path: Path) -> None:
    start = dt.datetime(2026, 11, 21, 8, 30)
    signal = np.ones((2, 500), "f4")
    plain = Recording(signal=signal, sampling_rate=250.0, leads=("I", "V1"), start_time=start)
    assert write(plain, tmp_path / "x", format=name).notes == ()


@pytest.mark.parametrize(
    ("name", "zone", "age", "birth"),
    [("wfdb", False, True, False), ("edf", False, False, True), ("dicom", True, True, True),
     ("npz", True, True, True), ("parquet", True, True, True)],
)  # fmt: skip
def test_what_each_format_holds(
    name: str, zone: bool, age: bool, birth: bool, tmp_path: Path
) -> None:
    start = dt.datetime(2024, 3, 2, 10, 20, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    original = Recording(
        signal=np.ones((1, 500), "f4"), sampling_rate=250.0, leads=("I",), start_time=start,
        subject=Subject(0.5, "female", "A-7", dt.date(2023, 9, 1)),
    )  # fmt: skip
    written = write(original, tmp_path / "x", format=name)
    back = read(written.path)
    assert back.start_time == (start if zone else start.replace(tzinfo=None))
    born = dt.date(2023, 9, 1) if birth else None
    # EDF has no age: whole years from the date of birth.
    assert back.subject == Subject(0.5 if age else 0.0, "female", "A-7", born)
    assert len(written.notes) == (not zone) + (not age) + (not birth)


@pytest.mark.parametrize(
    ("seconds", "stored"), [(1172, "+0020"), (-1172, "-0020"), (-60_000, "+0000")]
)
def test_a_zone_that_dicom_cannot_state(seconds: int, stored: str, tmp_path: Path) -> None:
    """Amsterdam's clock until 1937 was 19 min 32 s ahead of Greenwich; DICOM ends at 14 h."""
    zone = dt.timezone(dt.timedelta(seconds=seconds))
    start = dt.datetime(1931, 3, 2, 10, 20, 30, tzinfo=zone)
    original = Recording(
        signal=np.ones((1, 500), "f4"), sampling_rate=250.0, leads=("I",), start_time=start
    )
    written = write(original, tmp_path / "a.dcm")
    back = read(written.path).start_time
    assert back == start
    assert back is not None and back.strftime("%z") == stored
    assert any(f"is stored as {stored}; the moment is the same" in note for note in written.notes)


@pytest.mark.parametrize(
    ("age", "text"),
    [(50.0, "050Y"), (0.5, "006M"), (1.5, "018M"), (0.06, "003W"), (0.03, "011D"), (0.0, "000Y")],
)
def test_ages_in_dicom(age: float, text: str, tmp_path: Path) -> None:
    """PS3.5, AS: three digits and the unit."""
    pydicom = pytest.importorskip("pydicom")
    original = Recording(
        signal=np.ones((1, 500), "f4"), sampling_rate=250.0, leads=("I",), subject=Subject(age)
    )
    written = write(original, tmp_path / "x.dcm")
    assert pydicom.dcmread(written.path).PatientAge == text
    assert read(written.path).subject.age == age


@pytest.mark.parametrize("year", [1931, 1984, 1985, 2084, 2085, 2137])
def test_years_in_edf(year: int, tmp_path: Path) -> None:
    start = dt.datetime(year, 10, 26, 16, 57, 3)
    original = Recording(
        signal=np.ones((1, 500), "f4"), sampling_rate=250.0, leads=("I",), start_time=start
    )
    assert read(write(original, tmp_path / "x.edf").path).start_time == start
