"""What a reader does with one ECG: the head, statements and their evidence, layouts, comparing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.service.browsing import (
    FIXTURES,
    MILLIMETRE,
    Held,
    drawing,
    is_lit,
    picture,
    planted_file,
    sample_files,
    upload,
    wait_done,
    wave_file,
)

pytestmark = pytest.mark.slow

LEFT = 14  # mm: where the first strip begins
PER_S = 25  # mm


def statement(page: Any, words: str) -> Any:
    return page.locator(f"button.statement:has(.name:text-matches('^{words}'))")


def texts(page: Any, selector: str) -> list[str]:
    return [str(text).strip() for text in page.locator(selector).all_inner_texts()]


# --- the head --------------------------------------------------------------------------------


def test_whose_ecg_it_is_and_what_its_device_stated(page: Any) -> None:
    """A real export of a Mortara device; the values of the device are those in the file."""
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        assert page.locator("#recording-title").inner_text() == "642341"
        assert page.locator("#review-state").inner_text() == "Unconfirmed"
        assert page.locator("#source").inner_text().splitlines() == [
            "Person",
            "born 1971-01-23, 42 years, female",
            "Recorded",
            "2013-01-25 10:59:19, time zone not stated",
            "Device",
            "Mortara Instrument, Inc. el250, software 0.0.0",
            "Filters of the device",
            "highpass 0.05 Hz, lowpass 300 Hz",
        ]
        assert page.locator("#device-statements").inner_text() == (
            "Stated by the device, unconfirmed RITMO SINUSALE · ECG NORMALE"
        )
        assert texts(page, ".measure dt") == ["HR", "P", "PR", "QRS", "QT/QTc", "axes P/QRS/T"]
        assert texts(page, ".measure .device") == [
            "device –",
            "device –",
            "device 161",
            "device 75",
            "device 368/370",
            "device 74/52/57",
        ]
    page.emulate_media(media="screen")
    ours = texts(page, ".measure .value")
    # Ours beside it: within the tolerances of IEC 60601-2-25 for global intervals.
    assert abs(int(ours[2].split()[0]) - 161) <= 10
    assert abs(int(ours[3].split()[0]) - 75) <= 15
    assert abs(int(ours[4].split("/")[0]) - 368) <= 25


def test_a_value_that_is_missing_has_its_reason(page: Any) -> None:
    """Atrial fibrillation in one lead: no P wave, and one lead has no axis."""
    page.click("text=Single-lead sample")
    wait_done(page)
    missing = {
        cell.locator("dt").inner_text(): cell.locator(".reason").inner_text()
        for cell in page.locator(".measure").all()
        if cell.locator(".value").inner_text() == "–"
    }
    assert missing == {
        "P": "no P wave keeps its place before the QRS complexes",
        "PR": "no P wave keeps its place before the QRS complexes",
        "axes P/QRS/T": "two limb leads are needed",
    }
    assert "a lead that it needs is not there" in page.locator("#undecided").text_content()


# --- statements and evidence -----------------------------------------------------------------


def test_a_statement_lights_its_leads_and_the_place_of_its_evidence(
    page: Any, tmp_path: Path
) -> None:
    """ST is 0.2 mV down in V4 to V6; R peaks stand at 0.3, 1.1, 1.9 … s."""
    depressed = {"V4": -0.2, "V5": -0.2, "V6": -0.2}
    upload(page, planted_file(tmp_path / "depressed.npz", depressed))
    page.locator("#layout").select_option("12x1")
    beat = LEFT + 1.9 * PER_S  # the third R peak
    foot = {lead: 5 + (row + 0.85) * 14 for lead, row in (("I", 0), ("V2", 7), ("V5", 10))}
    assert not is_lit(page, beat + 0.09 * PER_S, foot["V5"])
    statement(page, "ST depression").click()
    assert "seen in V4, V5, V6" in page.locator("#lit-words").inner_text()
    assert is_lit(page, beat + 0.09 * PER_S, foot["V5"])  # in the ST segment
    assert not is_lit(page, beat - 0.20 * PER_S, foot["V5"])  # before the P wave
    assert not is_lit(page, beat + 0.09 * PER_S, foot["I"])
    assert not is_lit(page, beat + 0.09 * PER_S, foot["V2"])
    evidence = texts(page, ".evidence li.met")
    assert any(line.startswith("ST level at J + 60 ms in V5 −0.") for line in evidence)
    assert all("(limit ≤ −0.05 mV)" in line for line in evidence if line.startswith("ST level"))
    assert "Thygesen" in page.locator(".evidence").inner_text()
    # Escape puts the light out; nothing else on the paper has changed.
    page.keyboard.press("Escape")
    assert not page.locator("#lit").is_visible()
    assert not is_lit(page, beat + 0.09 * PER_S, foot["V5"])


def test_evidence_in_another_lead_is_one_click_away(page: Any, tmp_path: Path) -> None:
    depressed = {"V4": -0.2, "V5": -0.2, "V6": -0.2}
    upload(page, planted_file(tmp_path / "depressed.npz", depressed))
    page.locator("#layout").select_option("single")  # II, in which nothing of it is seen
    statement(page, "ST depression").click()
    page.click("#lit-go")
    assert page.locator("#layout").input_value() == "12x1"
    assert not page.locator("#lit-go").is_visible()
    assert is_lit(page, LEFT + 1.9 * PER_S + 0.09 * PER_S, 5 + 10.85 * 14)


def test_statements_are_chosen_by_keyboard(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    names = page.locator("button.statement")
    assert names.count() >= 5
    names.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert names.nth(1).get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert names.nth(1).get_attribute("aria-expanded") == "false"
    assert names.nth(2).get_attribute("aria-expanded") == "true"
    statement(page, "ST depression").click()
    page.check("#marks")
    picture(page, "page-evidence")


def test_premature_beats_are_lit_alone_and_all(page: Any) -> None:
    """JS20000: early wide beats at 0.6 and 6.3 s, an early narrow one at 4.8 s."""
    page.click("text=12-lead sample")
    wait_done(page)
    rhythm = 5 + 3.9 * 25

    def lit() -> list[float]:
        seconds = (0.68, 1.45, 4.5, 4.8, 5.5, 6.33, 7.0)
        return [second for second in seconds if is_lit(page, LEFT + second * PER_S, rhythm)]

    statement(page, "Premature ventricular").click()
    assert lit() == [0.68, 6.33]
    statement(page, "Premature atrial").click()
    assert lit() == [4.8]


def test_marks_stand_at_the_planted_waves(page: Any, tmp_path: Path) -> None:
    upload(page, planted_file(tmp_path / "plain.npz", {}))
    plain = drawing(page)
    page.check("#marks")
    assert drawing(page) != plain
    assert "onset of P" in page.locator("#imprint").inner_text()
    page.uncheck("#marks")
    assert drawing(page) == plain


# --- layouts -----------------------------------------------------------------------------------


def test_a_strip_of_half_a_minute_is_shown_in_full(page: Any) -> None:
    page.click("text=Single-lead sample")
    wait_done(page)
    assert page.locator("#layout").input_value() == "full"
    box = page.locator("#paper").bounding_box()
    assert box["height"] / MILLIMETRE == pytest.approx(3 * 25 + 10, abs=0.1)
    assert "from 0.0 to 30.0 seconds" in page.locator("#paper").get_attribute("aria-label")
    page.locator("#speed").select_option("50")
    box = page.locator("#paper").bounding_box()
    assert box["height"] / MILLIMETRE == pytest.approx(6 * 25 + 10, abs=0.1)
    page.locator("#speed").select_option("25")
    statement(page, "Atrial fibrillation").click()
    picture(page, "page-strip")


def test_cabrera_begins_with_avl_and_turns_avr(page: Any, tmp_path: Path) -> None:
    """R of aVR points down (I and II point up); as −aVR it points up."""
    upload(page, planted_file(tmp_path / "plain.npz", {}))

    def trace_above(y_mm: float) -> bool:
        """Whether the trace stands 6 mm above a baseline at the second R peak."""
        return bool(
            page.evaluate(
                """([x, y]) => {
                  const canvas = document.getElementById('paper');
                  const scale = canvas.width / canvas.getBoundingClientRect().width * 96 / 25.4;
                  const [left, top] = [(x - 0.8) * scale, (y - 0.2) * scale].map(Math.round);
                  const size = [1.6 * scale, 0.4 * scale].map(Math.round);
                  const data = canvas.getContext('2d').getImageData(left, top, ...size).data;
                  const dark = (k) => data[4 * k] < 90 && data[4 * k + 2] < 90;
                  return Array.from({ length: data.length / 4 }, (_, k) => k).some(dark);
                }""",
                [LEFT + 1.1 * PER_S, y_mm - 6],
            )
        )

    page.locator("#layout").select_option("12x1")
    assert not trace_above(5 + 3.5 * 14)  # aVR
    page.locator("#layout").select_option("cabrera")
    assert trace_above(5 + 2.5 * 20)  # -aVR
    label = page.locator("#paper").get_attribute("aria-label")
    assert label.startswith("ECG, aVL, V1, I, V2, aVR, V3, II, V4, aVF, V5, III, V6, from")


def test_calipers_stay_when_the_window_changes(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    page.click("#calipers-button")
    before = page.locator("#measured").inner_text()
    for width in (1000, 390, 1600):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.locator("#measured").inner_text() == before
    page.locator("#layout").select_option("cabrera")
    assert page.locator("#measured").inner_text() == before


# --- comparing ---------------------------------------------------------------------------------


def test_what_changed_since_an_earlier_ecg(page: Any, tmp_path: Path) -> None:
    """ST went down by 0.25 mV in V4 to V6, and nothing else."""
    before = planted_file(tmp_path / "before.npz", {})
    now = planted_file(tmp_path / "now.npz", dict.fromkeys(("V4", "V5", "V6"), -0.25))
    upload(page, now)
    page.set_input_files("#earlier", str(before))
    page.locator("#earlier-table table").wait_for()
    assert "before.npz" in page.locator("#earlier-facts").inner_text()
    summary = page.locator("#earlier-summary").inner_text()
    assert "ST now depressed in V4, V5, V6: ST level" in summary
    assert re.search(
        r"ST level at J \+ 60 ms changed by .*, −0\.2\d mV in V5, .*variation", summary
    )
    rows = texts(page, "#earlier-table tr.present th")
    assert not {"Heart rate", "PR interval", "QRS duration", "QRS axis"} & set(rows)
    page.click("#earlier-leads summary")
    changed = texts(page, "#earlier-lead-table tr th[scope=row]")
    assert {"ST level at J + 60 ms in V4", "ST level at J + 60 ms in V5"} <= set(changed)
    assert not any(name.endswith((" in I", " in II", " in V1", " in V2")) for name in changed)
    assert page.locator("#earlier-medians").is_visible()
    picture(page, "page-compare", at="#compare", height=760)


def test_the_same_ecg_has_not_changed(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    page.set_input_files("#earlier", sample_files("12-lead"))
    page.locator("#earlier-table table").wait_for()
    assert page.locator("#earlier-table tr.present").count() == 0
    assert "No statement came or went" in page.locator("#earlier-summary").inner_text()
    assert not page.locator("#earlier-leads").is_visible()


def test_two_people_are_not_compared_without_a_word(page: Any) -> None:
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    page.set_input_files("#earlier", str(FIXTURES / "philips" / "129DYPRG.xml"))
    page.locator("#earlier-warning:has-text('different people')").wait_for()
    words = page.locator("#earlier-warning").inner_text()
    assert "identifier 1112010721168bdc and 642341" in words
    assert "sex male and female" in words
    assert "They are not compared" in words
    # Nothing of the other is shown, until the reader says that it is one person.
    assert page.locator("#earlier-facts").inner_text() == ""
    assert not page.locator("#earlier-shown").is_visible()
    page.click("text=It is one person: compare")
    page.locator("#earlier-table table").wait_for()
    assert "different people" in page.locator("#earlier-warning").inner_text()


def test_a_comparison_that_comes_late_is_not_shown_over_the_next(page: Any, tmp_path: Path) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    held = Held(page, "**/comparison*")
    page.set_input_files("#earlier", sample_files("12-lead"))
    held.wait(1)
    page.unroute_all()
    upload(page, wave_file(tmp_path / "next.npz", "I"))
    held.let_go()
    assert not page.locator("#comparison").is_visible()
    assert page.locator("#earlier-table").text_content() == ""
