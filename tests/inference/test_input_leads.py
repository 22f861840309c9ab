"""Which leads a model reads, and what the reader is told about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundles import make_about

from ecgfoundry.errors import LeadError
from ecgfoundry.inference.warnings import recording_warnings, trained_on_synthetic
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.models.bundle import Bundle, InputSpec
from ecgfoundry.preprocessing import get_preprocessing
from ecgfoundry.recording import Annotation, Recording, Subject
from ecgfoundry.synthesis.ecg import BeatShape, Noise, Rhythm, simulate_ecg

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def spec(mode: str, *leads: str, recipe: str = "ptbxl-bandpass@1") -> InputSpec:
    return InputSpec(mode, leads, get_preprocessing(recipe))


def test_the_shape_of_an_input() -> None:
    assert (spec("exact", "I", "II").rows, spec("any-subset", *TWELVE).rows) == (2, 12)
    assert spec("any-single", "I", "II").rows == 1
    assert spec("exact", "I").window_s == 10.0
    assert spec("exact", "I", recipe="single-lead-rhythm@1").window_s == 30.0


@pytest.mark.parametrize(
    ("available", "recorded", "derived", "absent"),
    [
        (TWELVE, "I II aVF V1", "", ""),
        (("V1", "aVF", "II", "I"), "I II aVF V1", "", ""),  # in the order of the model
        (("I", "II"), "I II", "aVF", "V1"),
        (("III", "aVR"), "", "I II aVF", "V1"),
        (("III", "aVR", "V1"), "V1", "I II aVF", ""),
        (("I", "V1"), "I V1", "", "II aVF"),  # one limb lead gives no other
        (("I", "V2"), "I", "", "II aVF V1"),
        (("V1",), "V1", "", "I II aVF"),
    ],
)
def test_leads_of_a_model_that_takes_any_subset(
    available: tuple[str, ...], recorded: str, derived: str, absent: str
) -> None:
    chosen = InputLeads.choose(spec("any-subset", "I", "II", "aVF", "V1"), available)
    assert chosen.rows == ("I", "II", "aVF", "V1")
    assert chosen.recorded == tuple(recorded.split())
    assert chosen.derived == tuple(derived.split())
    assert chosen.absent == tuple(absent.split())


def test_one_lead_of_several_on_request_derives_nothing() -> None:
    chosen = InputLeads.choose(spec("any-subset", "I", "II", "V1"), TWELVE, lead="d2")
    assert (chosen.recorded, chosen.derived, chosen.absent) == (("II",), (), ("I", "V1"))


@pytest.mark.parametrize(
    ("trained", "available", "lead", "row"),
    [("I", TWELVE, None, "I"), ("I", ("V1", "II"), None, "II"),
     ("I", ("V5", "MLII"), None, "MLII"), ("I", ("V5",), None, "V5"), ("I", TWELVE, "v4", "V4"),
     ("I", ("ECG",), None, "ECG"), ("II", TWELVE, None, "II"), ("V2", TWELVE[::-1], None, "V2"),
     ("aVL", ("I", "aVL"), None, "aVL"), ("V2", ("V1", "II"), None, "II"),
     ("V2", TWELVE, "I", "I")],
)  # fmt: skip
def test_the_lead_of_a_one_lead_model(
    trained: str, available: tuple[str, ...], lead: str | None, row: str
) -> None:
    chosen = InputLeads.choose(spec("any-single", trained), available, lead=lead)
    assert chosen == InputLeads((row,), (row,), (), ())


def test_what_cannot_be_read_is_refused() -> None:
    with pytest.raises(LeadError, match=r"needs I, II, V1; V1 is missing"):
        InputLeads.choose(spec("exact", "I", "II", "V1"), ("I", "III"))
    with pytest.raises(LeadError, match=r"none of the leads.*which has V5, V6"):
        InputLeads.choose(spec("any-subset", "I", "II"), ("V5", "V6"))
    assert InputLeads.choose(spec("exact", "I", "II"), ("I", "III")).derived == ("II",)
    with pytest.raises(LeadError, match="there is no lead V4"):
        InputLeads.choose(spec("any-single", "I"), ("I",), lead="V4")


def test_windows_stand_where_they_should() -> None:
    """25 s at 500 Hz in windows of 10 s: the last one ends with the recording."""
    x = simulate_ecg(
        Rhythm(), BeatShape(), Noise(), duration_s=25.0, sampling_rate=500.0,
        generator=np.random.default_rng(1),
    )[np.newaxis].astype(np.float64)  # fmt: skip
    x = np.nan_to_num(x)
    recording = Recording(x, 500.0, ("II",), annotations=(Annotation(1.0, "beat", "N"),))
    source = recording
    leads = InputLeads.choose(spec("any-subset", "I", "II"), ("II",))
    windows = list(prepare_windows(source, spec("any-subset", "I", "II"), leads))
    assert [(w.start, w.stop) for w in windows] == [(0, 5000), (5000, 10_000), (7500, 12_500)]
    for window in windows:
        assert window.standardized is not None and window.refusal is None
        assert window.standardized.shape == (2, 2500)
        assert np.isnan(window.standardized[0]).all()
        assert abs(float(window.standardized[1].mean())) < 1e-4  # a z-score of the window alone
        assert float(window.standardized[1].std()) == pytest.approx(1.0, abs=1e-4)
    assert source.part(0, 10).annotations == ()


# ------------------------------------------------------------------------------------ the warnings


def bundle(folder: Path, **changes: Any) -> Bundle:
    about = make_about(**changes)
    return Bundle(folder, about, get_preprocessing(about.input.preprocessing))


def codes(
    folder: Path, *, leads: InputLeads | None = None, duration_s: float = 10.0, **fields: Any
) -> list[str]:
    changes = {
        k: fields.pop(k) for k in ("lead_mode", "leads_of_model", "provenance") if k in fields
    }
    if "leads_of_model" in changes:
        changes["leads"] = changes.pop("leads_of_model")
    recording = Recording(
        np.zeros((1, 4)), 500.0, ("I",), **({"device": {"Low-pass FILTER": "40 Hz"}} | fields)
    )
    read = leads or InputLeads(("I", "II", "V1"), ("I", "II", "V1"), (), ())
    return [
        notice.code
        for notice in recording_warnings(recording, bundle(folder, **changes), read, duration_s)
    ]


def test_a_whole_recording_of_an_adult_has_no_warning(tmp_path: Path) -> None:
    assert codes(tmp_path, subject=Subject(age=50)) == []


@pytest.mark.parametrize(("age", "warned"), [(17.9, True), (18.0, False), (0.0, True)])
def test_children_are_under_18(tmp_path: Path, age: float, warned: bool) -> None:
    assert codes(tmp_path, subject=Subject(age=age)) == (["age-under-18"] if warned else [])


@pytest.mark.parametrize(("seconds", "warned"), [(7.99, True), (8.0, False), (2.5, True)])
def test_less_than_8_s_is_short(tmp_path: Path, seconds: float, warned: bool) -> None:
    assert codes(tmp_path, duration_s=seconds) == (["short"] if warned else [])


def test_absent_leads_and_unknown_filters(tmp_path: Path) -> None:
    leads = InputLeads(("I", "II", "V1"), ("I", "II"), (), ("V1",))
    assert codes(tmp_path, leads=leads) == ["leads-absent"]
    assert codes(tmp_path, device={"model": "X"}) == ["filters-unknown"]
    assert codes(tmp_path, device={}) == ["filters-unknown"]
    assert codes(tmp_path, device={"notch": ""}) == ["filters-unknown"]
    # Every key that a reader writes is a statement, "none" included.
    for key, text in (("highpass", "0.05 Hz"), ("lowpass", "150 Hz"), ("notch", "none")):
        assert codes(tmp_path, device={key: text}) == []


@pytest.mark.parametrize(
    ("lead", "warned"),
    [("I", []), ("V5", ["lead-not-trained-on"]), ("MLII", ["lead-not-trained-on"]),
     ("ECG", ["lead-unnamed"]), ("channel 1", ["lead-unnamed"])],
)  # fmt: skip
def test_the_lead_that_a_one_lead_model_reads(tmp_path: Path, lead: str, warned: list[str]) -> None:
    leads = InputLeads((lead,), (lead,), (), ())
    found = codes(tmp_path, leads=leads, lead_mode="any-single", leads_of_model=("I",))
    assert found == warned
    assert codes(tmp_path, leads=InputLeads((lead,), (lead,), (), ())) == []


def test_a_model_of_simulated_patients_says_so_first(tmp_path: Path) -> None:
    def trained_on(*synthetic: bool | None) -> dict[str, Any]:
        named = {"name": "d", "licence": "-"}
        data = [named | ({} if s is None else {"synthetic": s}) for s in synthetic]
        return {"training_data": data, "code": "tests", "created": "2026-01-01"}

    for simulated, said in (((None,), False), ((False,), False), ((False, True), True)):
        made = bundle(tmp_path, provenance=trained_on(*simulated))
        assert trained_on_synthetic(made) is said
    assert codes(tmp_path, provenance=trained_on(True), duration_s=5.0) == [
        "synthetic-model", "short",
    ]  # fmt: skip


def test_the_words_of_a_warning_name_the_leads(tmp_path: Path) -> None:
    leads = InputLeads(("I", "II", "V1"), ("I",), (), ("II", "V1"))
    (notice, *_) = recording_warnings(
        Recording(np.zeros((1, 4)), 500.0, ("I",)), bundle(tmp_path), leads, 10.0
    )
    assert (notice.code, notice.leads) == ("leads-absent", ("II", "V1"))
    assert notice.message == "II, V1: absent, masked; findings are less certain"
