"""Changes between two recordings of one person: planted ones are found, repeats are not."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.criteria.building import Built
from tests.criteria.cases import CASES
from tests.criteria.constructed import LEFT_BLOCK, frontal, with_st, with_t_earlier

from ecgfoundry.criteria.serial import (
    AGE_YEARS,
    ANOTHER_ORDER,
    ONE_RECORDING,
    compare_measurements,
    compare_recordings,
    superimposed,
    two_persons,
)
from ecgfoundry.errors import SignalError
from ecgfoundry.formats.files import read
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.synthesis.planted import NORMAL, P_NORMAL, Planted, paint
from ecgfoundry.vocabularies import load_vocabulary


def compared(earlier: Built, later: Built):  # type: ignore[no-untyped-def]
    return compare_measurements(earlier.measurements(), later.measurements(), age=55.0, sex="male")


def present(comparison) -> list[str]:  # type: ignore[no-untyped-def]
    return [s.name for s in comparison.statements if s.present]


def leads(value: dict[str, float], *names: str) -> Built:
    return Built(leads=dict.fromkeys(names, value))


def test_the_same_recording_twice_has_no_change() -> None:
    found = compared(Built(), Built())
    assert found.changed == ()
    assert present(found) == []
    assert (found.appeared, found.disappeared) == ((), ())


def test_all_serial_statements_of_the_vocabulary_are_judged() -> None:
    serial = [t.name for t in load_vocabulary("ecgfounder-150").targets
              if t.kind == "serial comparison"]  # fmt: skip
    found = compared(Built(), Built())
    assert [s.name for s in found.statements] == serial
    assert len(serial) == 22
    assert {s.present for s in found.statements} == {False}
    assert {s.decided_by for s in found.statements} == {"comparison"}


T, ST = "t_mv", "st_j60_mv"


@pytest.mark.parametrize(
    ("name", "earlier", "later"),
    [
        ("NONSPECIFIC T WAVE ABNORMALITY NOW EVIDENT IN", {T: 0.35}, {T: 0.03}),
        ("NONSPECIFIC T WAVE ABNORMALITY NO LONGER EVIDENT IN", {T: 0.03}, {T: 0.35}),
        ("T WAVE INVERSION NOW EVIDENT IN", {T: 0.35}, {T: -0.2}),
        ("T WAVE INVERSION NO LONGER EVIDENT IN", {T: -0.2}, {T: 0.35}),
        ("INVERTED T WAVES HAVE REPLACED NONSPECIFIC T WAVE ABNORMALITY IN", {T: 0.02}, {T: -0.2}),
        ("NONSPECIFIC T WAVE ABNORMALITY HAS REPLACED INVERTED T WAVES IN", {T: -0.2}, {T: 0.02}),
        ("T WAVE INVERSION LESS EVIDENT IN", {T: -0.5}, {T: -0.2}),
        ("T WAVE INVERSION MORE EVIDENT IN", {T: -0.2}, {T: -0.5}),
        ("T WAVE AMPLITUDE HAS DECREASED IN", {T: 0.8}, {T: 0.4}),
        ("T WAVE AMPLITUDE HAS INCREASED IN", {T: 0.4}, {T: 0.8}),
        ("ST NOW DEPRESSED IN", {ST: 0.0}, {ST: -0.12}),
        ("ST NO LONGER DEPRESSED IN", {ST: -0.12}, {ST: 0.0}),
        ("ST LESS DEPRESSED IN", {ST: -0.3}, {ST: -0.1}),
        ("ST MORE DEPRESSED IN", {ST: -0.1}, {ST: -0.3}),
        ("ST ELEVATION NOW PRESENT IN", {ST: 0.02}, {ST: 0.12}),
        ("ST NO LONGER ELEVATED IN", {ST: 0.2}, {ST: 0.02}),
        ("ST LESS ELEVATED IN", {ST: 0.4}, {ST: 0.2}),
        ("ST MORE ELEVATED IN", {ST: 0.2}, {ST: 0.4}),
        ("ST ELEVATION HAS REPLACED ST DEPRESSION IN", {ST: -0.1}, {ST: 0.15}),
        ("NON-SPECIFIC CHANGE IN ST SEGMENT IN", {ST: -0.03}, {ST: 0.06}),
    ],
)
def test_serial_statements_need_two_neighbouring_leads(
    name: str, earlier: dict[str, float], later: dict[str, float]
) -> None:
    found = compared(leads(earlier, "V5", "V6"), leads(later, "V5", "V6"))
    assert present(found) == [name]
    statement = next(s for s in found.statements if s.name == name)
    assert [e.lead for e in statement.evidence] == ["V5", "V6"]
    # One lead alone, and two that are no neighbours, say nothing.
    assert present(compared(leads(earlier, "V6"), leads(later, "V6"))) == []
    assert present(compared(leads(earlier, "aVL", "V6"), leads(later, "aVL", "V6"))) == []


@pytest.mark.parametrize(
    ("change", "names"),
    [(40.0, ["QT HAS LENGTHENED"]), (-40.0, ["QT HAS SHORTENED"]), (20.0, []), (-20.0, [])],
)
def test_qt_that_changed_by_40_ms(change: float, names: list[str]) -> None:
    later = Built(values={"qtc_ms": 409.0 + change, "qt_ms": 380.0 + change})
    assert present(compared(Built(), later)) == names


def test_rate_axis_and_a_new_block_are_found() -> None:
    block = CASES["LEFT BUNDLE BRANCH BLOCK"][0]
    later = replace(
        block,
        values={**block.values, "heart_rate_bpm": 95.0, "qrs_axis_deg": -20.0},
    )
    found = compared(Built(), later)
    assert {"heart_rate_bpm", "qrs_ms", "qrs_axis_deg"} <= {c.name for c in found.changed}
    assert "LEFT BUNDLE BRANCH BLOCK" in found.appeared
    axis = found.change("qrs_axis_deg")
    assert axis is not None
    assert (axis.earlier, axis.later, axis.difference) == (45.0, -20.0, -65.0)


def test_axes_change_the_shorter_way_round() -> None:
    found = compared(Built(values={"qrs_axis_deg": 175.0}), Built(values={"qrs_axis_deg": -175.0}))
    axis = found.change("qrs_axis_deg")
    assert axis is not None
    assert axis.difference == 10.0


def test_a_recording_that_varies_by_itself_needs_a_larger_change() -> None:
    later = Built(values={"qtc_ms": 449.0})
    loose = {("qtc_ms", None): 25.0}
    found = compare_measurements(Built().measurements(), later.measurements(), scatter=loose)
    assert present(found) == []


def test_a_possible_statement_neither_appears_nor_disappears() -> None:
    found = compared(Built(values={"pr_ms": 199.0}), Built(values={"pr_ms": 203.0}))
    assert found.appeared == ()
    far = compared(Built(values={"pr_ms": 160.0}), Built(values={"pr_ms": 240.0}))
    assert far.appeared == ("WITH 1ST DEGREE AV BLOCK",)


BORN = dt.date(1950, 3, 1)
NEW_YEAR = dt.datetime(2020, 1, 1)


def of_nobody(start: dt.datetime | None = None, **subject: Any) -> Recording:
    return Recording(
        np.zeros((1, 5000), np.float32), 500.0, ("II",), start_time=start,
        subject=Subject(**subject),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("earlier", "later", "words"),
    [
        ({"identifier": "a"}, {"identifier": "b"}, "identifier a and b"),
        ({"sex": "female"}, {"sex": "male"}, "sex female and male"),
        ({"birth_date": BORN}, {"birth_date": dt.date(1951, 3, 1)},
         "date of birth 1950-03-01 and 1951-03-01"),
        # A number may be another hospital's, a sex may not.
        ({"identifier": "a", "sex": "female"}, {"identifier": "a", "sex": "male"},
         "sex female and male"),
        ({"age": 84.0}, {"age": 78.0}, "age 84 and 78"),
        ({"age": 30.0, "start": NEW_YEAR}, {"age": 78.0, "start": NEW_YEAR.replace(year=2021)},
         "age 30 and 78"),
    ],
)  # fmt: skip
def test_two_persons_are_refused_unless_told(
    earlier: dict[str, Any], later: dict[str, Any], words: str
) -> None:
    """A woman of 84 was once compared with a man of 78 without a word."""
    first, second = of_nobody(**earlier), of_nobody(**later)
    with pytest.raises(
        SignalError, match=f"two persons: {words}. If it is one person.*same_person"
    ):
        compare_recordings(first, second)
    # Told that it is one person, it goes on to look at the signal, of which there is none.
    with pytest.raises(SignalError, match="the earlier recording cannot be read"):
        compare_recordings(first, second, same_person=True)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"identifier": "b", "sex": "male", "age": 30.0}),
        ({"age": 30.0}, {"age": 78.0}),  # nobody says how much later it is
        ({"age": 60.0}, {"age": 59.0}),
        ({"age": 30.0, "start": NEW_YEAR}, {"age": 79.0, "start": NEW_YEAR.replace(year=2068)}),
        ({"age": 0.0, "birth_date": BORN}, {"age": 1.5, "birth_date": BORN}),
    ],
)
def test_what_may_be_one_person_is_compared(earlier: dict[str, Any], later: dict[str, Any]) -> None:
    assert two_persons(of_nobody(**earlier), of_nobody(**later)) == ()


def test_median_beats_lie_over_each_other_at_the_qrs_onset() -> None:
    def with_beat(rate: float, onset_s: float) -> object:
        seconds = np.arange(round(0.8 * rate)) / rate
        values = np.where(seconds >= onset_s, 1.0, 0.0)[None]
        beat = MedianBeat(
            leads=("II",), values=values, sampling_rate=rate, fiducial=round(0.3 * rate),
            boundaries={"qrs_onset": onset_s * rate}, likeness=np.ones(5),
            noise_mv=np.zeros(1), beats_used=5,
        )  # fmt: skip
        return replace(Built().measurements(), median=beat)

    (both,) = superimposed(with_beat(500.0, 0.3), with_beat(250.0, 0.2))  # type: ignore[arg-type]
    assert both.lead == "II"
    at = {int(t): k for k, t in enumerate(np.rint(both.time_ms))}
    assert np.diff(both.time_ms)[0] == pytest.approx(4.0)
    assert both.earlier[at[-8]] == both.later[at[-8]] == 0.0
    assert both.earlier[at[0]] == both.later[at[0]] == 1.0
    assert np.isnan(both.later[at[-240]]) and both.earlier[at[-240]] == 0.0


# --- from the signal on ------------------------------------------------------------------------


def drawn(shape=NORMAL, *, seed: int = 1, rr: float = 0.8):  # type: ignore[no-untyped-def]
    onsets = [0.5 + rr * k for k in range(int(9.3 / rr))]
    return paint(
        Planted([(t, shape) for t in onsets], [(t - 0.16, P_NORMAL) for t in onsets],
                noise_mv=0.01, seed=seed)
    )  # fmt: skip


def test_the_same_heart_in_other_noise_has_no_change() -> None:
    found = compare_recordings(drawn(), drawn(seed=2))
    assert [c.name for c in found.changed] == []
    assert present(found) == []
    assert (found.appeared, found.disappeared) == ((), ())


@pytest.mark.parametrize("name", ["E07500", "HR06005"])
def test_fewer_leads_or_another_rate_are_no_change(name: str, fixtures: Path) -> None:
    """Three leads see a shorter QRS complex than twelve; the same three see the same."""
    whole = read(fixtures / "cinc2021" / f"{name}.hea")
    few = whole.select(["II", "V1", "V5"])
    turned = whole.select(whole.leads[::-1])
    for earlier, later in (
        (whole, few),
        (few, whole),
        (whole, turned),
        (whole.resample(1000.0), few),
    ):
        found = compare_recordings(earlier, later)
        assert found.changes
        assert [(c.name, c.lead) for c in found.changed] == []
        assert (present(found), found.appeared, found.disappeared) == ([], (), ())
        only_in_one = tuple(lead for lead in whole.leads if lead not in few.leads)
        assert found.left_out == (() if later is turned else only_in_one)
    with pytest.raises(SignalError, match="no lead in common: the earlier has I, the later II, V1"):
        compare_recordings(whole.select(["I"]), few)


def test_starts_in_the_other_order_are_remarked_on() -> None:
    """A T wave that "appeared" has gone if the recordings were given in the wrong order."""
    noon = dt.datetime(2024, 3, 1, 12, 0, tzinfo=dt.UTC)
    first, second = replace(drawn(), start_time=noon), drawn(seed=2)
    earlier_noon = dt.datetime(2024, 3, 1, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    for start, remarks in (
        (noon - dt.timedelta(days=1), (ANOTHER_ORDER,)),
        (earlier_noon, (ANOTHER_ORDER,)),  # 11:30 UTC
        (noon + dt.timedelta(days=1), ()),
        (noon.replace(tzinfo=None), ()),  # nobody knows which was first
        (None, ()),
    ):
        found = compare_recordings(first, replace(second, start_time=start))
        assert found.remarks == remarks
        assert found.to_dict()["remarks"] == list(remarks)


def test_one_recording_twice_is_remarked_on() -> None:
    assert compare_recordings(drawn(), drawn()).remarks == (ONE_RECORDING,)
    assert compare_recordings(drawn(), drawn(seed=2)).remarks == ()


def test_planted_changes_are_found_in_the_signal() -> None:
    longer = compare_recordings(drawn(), drawn(with_t_earlier(NORMAL, -40.0), seed=2))
    assert "QT HAS LENGTHENED" in present(longer)
    qt = longer.change("qt_ms")
    assert qt is not None
    assert abs(qt.difference - 40.0) <= 8.0
    raised = compare_recordings(drawn(), drawn(with_st(0.1, "V4", "V5", "V6"), seed=2))
    levels = [raised.change("st_j60_mv", lead) for lead in ("V4", "V5", "V6")]
    assert all(c is not None and c.beyond and abs(c.difference - 0.1) < 0.02 for c in levels)
    elevated = compare_recordings(drawn(), drawn(with_st(0.14, "V4", "V5", "V6"), seed=2))
    assert "ST ELEVATION NOW PRESENT IN" in present(elevated)
    block = compare_recordings(drawn(), drawn(LEFT_BLOCK, seed=2))
    assert "LEFT BUNDLE BRANCH BLOCK" in block.appeared
    turned = compare_recordings(drawn(), drawn(frontal(0.6, -0.6), seed=2))
    assert "qrs_axis_deg" in {c.name for c in turned.changed}
    faster = compare_recordings(drawn(), drawn(rr=0.65, seed=2))
    assert "heart_rate_bpm" in {c.name for c in faster.changed}
    assert "QT HAS LENGTHENED" not in present(faster)


def test_the_page_takes_people_for_two_by_the_same_limit() -> None:
    script = (files("ecgfoundry.service.page") / "header.js").read_text(encoding="utf-8")
    assert re.findall(r"const AGE_YEARS = (\d+);", script) == [f"{AGE_YEARS:g}"]
