"""Paper, phone, dark, and those who cannot see the page as it is drawn."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from tests.service.browsing import (
    FIXTURES,
    MILLIMETRE,
    PATIENCE_MS,
    axe_faults,
    picture,
    sample_files,
    upload,
    wait_done,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    assert axe_faults(page) == []
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    page.click("#calipers-button")
    page.check("#marks")
    page.locator("button.statement").first.click()
    page.set_input_files("#earlier", str(FIXTURES / "dicom" / "waveform_ecg.dcm"))
    page.locator("#earlier-table table").wait_for()
    for summary in page.locator("#findings summary, #compare summary").all():
        if summary.is_visible():
            summary.click()
    page.click("#more summary")
    assert axe_faults(page) == []
    if scheme == "dark":
        page.keyboard.press("Escape")
        picture(page, "page-dark")
    page.click("nav a[data-view=worklist]")
    page.locator("#worklist-status:has-text('recording')").wait_for()
    assert axe_faults(page) == []
    page.click("nav a[data-view=live]")
    page.locator("#live-list:not(:empty)").wait_for()
    assert axe_faults(page) == []
    # The check sees what it should.
    page.evaluate("() => document.documentElement.style.setProperty('--text', '#9a9a9a')")
    if scheme == "light":
        assert any(fault.startswith("color-contrast") for fault in axe_faults(page))
    context.close()


def test_on_a_phone_nothing_sticks_out(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.set_input_files("#file", sample_files("12-lead"))
    wait_done(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('button, .button, select, summary, nav a')]"
        ".filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 44
    assert page.locator("#paper-scroll").evaluate("(e) => e.scrollLeft") == 0
    page.locator("button.statement:has-text('ST depression')").click()  # V2 to V6: to the right
    assert page.locator("#paper-scroll").evaluate("(e) => e.scrollLeft") > 300
    assert page.locator("#lit").is_visible()
    assert axe_faults(page) == []
    picture(page, "page-phone", at="#recording", height=1500)
    context.close()


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_print_is_true_to_scale_and_names_the_patient_on_every_page(page: Any, paper: str) -> None:
    pdfium = pytest.importorskip("pypdfium2")
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    document = pdfium.PdfDocument(io.BytesIO(page.pdf(format=paper, landscape=True)))
    assert len(document) == 1
    page.locator("#layout").select_option("12x1")
    document = pdfium.PdfDocument(io.BytesIO(page.pdf(format=paper, landscape=True)))
    assert len(document) == 2
    for number, printed in enumerate(document):
        words = " ".join(printed.get_textpage().get_text_range().replace("\ufb01", "fi").split())
        assert "642341, born 1971-01-23 · waveform_ecg.dcm" in words
        assert "Printed 20" in words
        assert f"page {number + 1}" in words
    seen = document[1].render(scale=4).to_numpy()
    middle = seen[round(0.45 * len(seen)) : round(0.55 * len(seen))].min(axis=(0, 2))
    columns = np.flatnonzero(middle < 250)  # the grid from its left to its right edge
    wide = (columns[-1] - columns[0] + 1) / 4 / 72 * 25.4
    assert wide == pytest.approx(266, abs=0.6)  # mm: ten seconds at 25 mm/s, and the pulse


def test_everything_is_reached_by_tab(page: Any) -> None:
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    page.evaluate("() => document.activeElement?.blur()")
    wanted = {"file", "layout", "rhythm-lead", "speed", "gain", "marks", "calipers-button", "back",
              "forth", "paper-scroll", "keep", "print", "earlier"}  # fmt: skip
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement.id"))
    assert wanted <= reached


def test_the_scale_of_the_screen(page: Any) -> None:
    """The browser's millimetre: 96 pixels an inch."""
    assert pytest.approx(3.7795, abs=1e-4) == MILLIMETRE
    page.click("text=12-lead sample")
    wait_done(page)
    width = page.locator("#paper").bounding_box()["width"]
    assert width / MILLIMETRE == pytest.approx(266, abs=0.05)
