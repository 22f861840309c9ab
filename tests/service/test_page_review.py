"""Kept recordings on the page: the worklist, what a reader decides, the back button."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.service.browsing import (
    FIXTURES,
    Held,
    picture,
    planted_file,
    upload,
    wait_done,
    wave_file,
)

from ecgfoundry import read, write

pytestmark = pytest.mark.slow


def keep(page: Any) -> str:
    """Keep the open recording; return its name."""
    page.click("#keep")
    page.wait_for_url("**#recording/*")
    page.locator("#review").wait_for()
    wait_done(page)
    return str(page.url.rpartition("/")[2])


def test_a_reader_confirms_edits_and_rejects(page: Any, tmp_path: Path) -> None:
    depressed = dict.fromkeys(("V4", "V5", "V6"), -0.2)
    upload(page, planted_file(tmp_path / "depressed.npz", depressed))
    assert not page.locator("#review").is_visible()  # nothing is kept yet
    keep(page)
    assert page.locator("#review-state").inner_text() == "Unconfirmed"
    machine = page.locator("#statements").inner_text()

    page.locator("#review-statements label:has-text('ST depression') input").uncheck()
    page.fill("#review-add", "early repolarization")
    page.fill("#review-comment", "seen by daylight")
    page.click("#review-edit")
    page.locator("#reviews li").wait_for()
    first = page.locator("#reviews li").first.inner_text()
    assert first.startswith("edited by local, ")
    assert "does not hold: ST depression" in first
    assert "early repolarization" in first
    assert "“seen by daylight”" in first
    assert page.locator("#review-state").inner_text() == "edited by local"
    box = page.locator("#review-statements label:has-text('ST depression') input")
    assert not box.is_checked()  # the reading goes on from what was said

    page.click("#review-confirm")
    page.locator("#reviews li >> nth=1").wait_for()
    second = page.locator("#reviews li").nth(1).inner_text()
    assert "ST depression" in second  # as the machine has stated
    assert "early repolarization" not in second
    page.click("#review-reject")
    page.locator("#reviews li >> nth=2").wait_for()
    said = [text.split()[0] for text in page.locator("#reviews li").all_inner_texts()]
    assert said == ["edited", "confirmed", "rejected"]  # nothing is overwritten
    assert page.locator("#review-state").inner_text() == "rejected by local"
    assert page.locator("#statements").inner_text() == machine
    picture(page, "page-review", at="#review", height=420)


def test_the_worklist_on_a_phone(browser: Any, address: str, tmp_path: Path) -> None:
    """A row of an ECG without an identifier, in a file that a cart has named by its UID."""
    uid = tmp_path / f"1.2.826.0.1.3680043.8.498.{'7' * 38}.dcm"
    write(read("sample:12-lead"), uid)
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    off = page.locator(".button").evaluate_all(
        """(all) => all.filter((one) => one.offsetParent).map((one) => {
          const words = document.createRange();
          words.selectNodeContents(one);
          const [a, b] = [words.getBoundingClientRect(), one.getBoundingClientRect()];
          return Math.abs((a.top + a.bottom) - (b.top + b.bottom)) / 2; })"""
    )
    assert off and max(off) < 4, "words lie in the middle of their button"
    upload(page, uid)
    name = keep(page)
    page.click("nav a[data-view=worklist]")
    link = page.locator(f"#worklist-table a[href='#recording/{name}']")
    link.wait_for()
    assert link.inner_text() == "No identifier"
    row = link.locator("xpath=ancestor::tr")
    assert "1.2.826.0.1.…777777777777.dcm" in row.inner_text()
    box = row.bounding_box()
    assert box["height"] < 260, "one row, not a column of letters"
    assert page.locator("#worklist-table").evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
    assert "open" in row.locator(".badge").inner_text()
    picture(page, "page-worklist-phone", height=700)
    context.close()


def test_the_worklist_finds_and_opens(page: Any) -> None:
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    name = keep(page)
    page.click("nav a[data-view=worklist]")
    link = page.locator(f"#worklist-table a[href='#recording/{name}']")
    link.wait_for()
    assert not page.locator("#view-ecg").is_visible()  # one patient, or a list of them
    page.locator("#worklist-q").fill("642341")
    page.keyboard.press("Enter")
    page.locator("#worklist-table tbody:not(:has(tr + tr)) tr:has-text('642341')").wait_for()
    row = page.locator("#worklist-table tbody tr").inner_text()
    assert "642341" in row
    assert "born 1971-01-23, 42 years, female" in row
    assert "2013-01-25 10:59:19" in row
    assert "open" in row
    picture(page, "page-worklist", height=300)
    link.click()
    wait_done(page)
    assert page.locator("#recording-title").inner_text() == "642341"
    page.click("#review-confirm")
    page.locator("#reviews li").wait_for()
    page.click("nav a[data-view=worklist]")
    page.locator("#worklist-review").select_option("done")
    # Not the count, which may be that of the list before.
    page.locator("#worklist-table tbody tr:first-child:has-text('confirmed')").wait_for()


def test_whose_ecg_it_is_as_the_request_has_said(page: Any, address: str, tmp_path: Path) -> None:
    """The date of birth in a file with another number is not told beside this one."""
    real = (FIXTURES / "dicom" / "waveform_ecg.dcm").read_bytes()
    content = b"x" * 128 + real[128:]  # another preamble: not the file that other tests keep
    file = {"name": "x.dcm", "mimeType": "application/dicom", "buffer": content}
    kept = page.request.post(f"{address}/v1/recordings?patient=4711", multipart={"file": file})
    page.goto(f"{address}/#recording/{kept.json()['recording']}")
    wait_done(page)
    assert page.locator("#recording-title").inner_text() == "4711"
    assert page.locator("#source dd").first.inner_text() == "42 years, female"
    path = tmp_path / "x.pdf"
    page.pdf(path=path, format="A4", landscape=True)
    pdfium = pytest.importorskip("pypdfium2")
    assert "4711 · x.dcm" in pdfium.PdfDocument(path)[0].get_textpage().get_text_range()
    page.request.delete(f"{address}/v1/recordings/{kept.json()['recording']}")


def test_the_back_button_never_mixes_two_people(page: Any, tmp_path: Path) -> None:
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    first = keep(page)
    upload(page, wave_file(tmp_path / "other.npz", "I"))
    second = keep(page)
    assert first != second
    held = Held(page, "**/v1/read*", "**/v1/diagnose*", "**/reviews*")
    page.go_back()  # files were opened before they were kept
    page.go_back()  # to the first recording: its answers are slow
    held.wait(1)
    assert not page.locator("#recording").is_visible()  # nothing of the second stays
    page.unroute_all()
    page.go_forward()
    page.go_forward()
    page.locator("#facts:has-text('other.npz')").wait_for()
    wait_done(page)
    page.locator("#review-statements").wait_for()  # the reviews come last
    seen = page.locator("#recording").inner_text()
    held.let_go()
    assert page.locator("#recording").inner_text() == seen
    assert "642341" not in page.locator("#view-ecg").inner_text()


def test_an_earlier_ecg_of_the_same_person_is_offered(page: Any) -> None:
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    keep(page)
    page.click("nav a[data-view=ecg]")
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    page.locator("#earlier-kept button").first.click()
    page.locator("#earlier-table table").wait_for()
    assert page.locator("#earlier-warning").inner_text() == ""
