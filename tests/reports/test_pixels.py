"""What is seen: the ECG paper as PNG, on the screen and in print, read from its pixels.

A picture that is well-formed can still be black or empty. Here the known square wave, the grid,
the pulse and the lead name are looked for in what each renderer drew: resvg (PNG), WeasyPrint
(PDF of the service) and Chromium (screen and print). PDF pages become pixels by PDFium.

The sheet of ``square_wave`` by its layout: a grid of 270 x 35 mm; the pulse from 5 to 10 mm right
of its left edge; the trace from 15 mm on, its low level 20 mm below the upper edge; 25 mm/s and
10 mm/mV.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ecgfoundry import interpret, read
from ecgfoundry.errors import MissingExtraError, SignalError
from ecgfoundry.recording import Recording, Subject
from ecgfoundry.reports import ReportItem, ecg_paper_svg, html_report
from ecgfoundry.reports.paper.files import plot, svg_to_png
from ecgfoundry.reports.pdf import html_to_pdf

Image = pytest.importorskip("PIL.Image")

PX = 10
"""Pixels per mm: 254 dots per inch."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
Pixels = NDArray[np.int16]


def pixels_of_png(content: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.int16)


def pixels_of_pdf(content: bytes, page: int = 0) -> Pixels:
    pdfium = pytest.importorskip("pypdfium2")
    picture = pdfium.PdfDocument(content)[page].render(scale=PX * 25.4 / 72).to_pil()
    return np.asarray(picture.convert("RGB")).astype(np.int16)


def grid_of(picture: Pixels) -> Pixels:
    """Cut the grid out of a picture, by its bold lines, which alone are of that pink."""
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    pink = (red > 215) & (green < 205) & (green > 150) & (red - green > 35) & (green >= blue)
    rows, columns = np.flatnonzero(pink.sum(1) > 1000), np.flatnonzero(pink.sum(0) > 100)
    assert rows.size and columns.size, "no grid is seen"
    # Half of the line lies outside the grid.
    top, left = rows[0] + 1, columns[0] + 1
    bottom, right = rows[-1], columns[-1]
    assert (bottom - top) / PX == pytest.approx(35, abs=0.35)
    assert (right - left) / PX == pytest.approx(270, abs=0.35)
    return picture[top : bottom + 1, left : right + 1]


def centres(mask: NDArray[np.bool_]) -> list[float]:
    """Return the middle of every run of True, in mm."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(np.int8), [0]))))
    return [(first + last) / 2 / PX for first, last in edges.reshape(-1, 2)]


def assert_the_square_wave_is_seen(picture: Pixels) -> None:
    grid = grid_of(picture)
    ink = grid.max(axis=2) < 140
    # Black fills would be everywhere; the trace and the words are thin.
    assert 0.002 < ink.mean() < 0.05
    assert (picture.max(axis=2) < 60).mean() < 0.05

    # Halfway up, 15 mm below the upper edge, every edge of the pulse and of the wave is crossed:
    # the wave falls 0.4 s after each second (10 mm) and rises with the next (25 mm).
    expected = [5.0, 10.0, *(15.0 + 25 * k + x for k in range(10) for x in (0, 10))]
    expected.remove(15.0)  # the recording begins on the high level
    assert centres(ink[15 * PX]) == pytest.approx(expected, abs=0.15)
    # The pulse, and the wave: high at 10 mm, low at 20 mm below the upper edge.
    for x, y in ((7.5, 10), (11, 20), (20, 10), (32, 20), (245, 10), (258, 20)):
        column = ink[5 * PX :, round(x * PX)]
        assert centres(column) == pytest.approx([y - 5], abs=0.15), x

    # Grid: a line every millimetre, bold every five, and paper between. 2.5 mm below the edge
    # nothing else is.
    green = grid[round(2.5 * PX), :, 1]
    for k in range(1, 270):
        darkest = green[k * PX - 2 : k * PX + 3].min()
        assert darkest < (215 if k % 5 == 0 else 248), k
        assert green[k * PX - PX // 2] > 250, k
    assert min(green[k * PX - 2 : k * PX + 3].min() for k in range(1, 270) if k % 5) > 215

    # The name of the lead: "II" at 16.2 mm, two upright strokes above 9 mm, 2 mm tall at least.
    name = ink[6 * PX : 9 * PX, 16 * PX : 21 * PX]
    assert name.any(axis=1).sum() >= 2 * PX
    assert 30 < name.sum() < 500


@pytest.fixture
def page(square_wave: Recording, make_interpretation: Callable[..., dict[str, Any]]) -> str:
    return html_report([ReportItem(square_wave, make_interpretation())])


def weasyprint_pdf(page: str) -> bytes:
    try:
        return html_to_pdf(page)
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_png(square_wave: Recording) -> None:
    pytest.importorskip("resvg_py")
    assert_the_square_wave_is_seen(pixels_of_png(svg_to_png(ecg_paper_svg(square_wave), dpi=254)))


def test_a_plot_as_pdf_png_and_svg(square_wave: Recording, tmp_path: Path) -> None:
    """The PDF is one page of the size of the sheet, 276 x 55 mm."""
    pytest.importorskip("resvg_py")
    weasyprint_pdf("<p>a</p>")
    drawn = plot(square_wave, title="")
    assert drawn._repr_svg_() == ecg_paper_svg(square_wave, title="")
    pdf = pixels_of_pdf(drawn.save(tmp_path / "a.pdf").read_bytes())
    assert pdf.shape[:2] == pytest.approx((550, 2760), abs=1)
    assert_the_square_wave_is_seen(pdf)
    assert drawn.save(tmp_path / "deep/a.png").read_bytes().startswith(b"\x89PNG")
    assert drawn.save(tmp_path / "a.SVG").read_text("utf-8").endswith("</svg>\n")
    with pytest.raises(SignalError, match="'.bmp'"):
        drawn.save(tmp_path / "a.bmp")
    with pytest.raises(SignalError, match="layout"):
        plot(square_wave, layout="7x7")


@pytest.mark.slow
def test_pdf_of_the_service(page: str) -> None:
    picture = pixels_of_pdf(weasyprint_pdf(page))
    assert_the_square_wave_is_seen(picture)
    # The bars of the findings: present in the colour of a bar, the other one paler, on a track.
    for colour in ((0x2B, 0x7F, 0x93), (0x93, 0xA7, 0xAE), (0xE9, 0xEB, 0xEA)):
        assert (np.abs(picture - np.array(colour)).max(axis=2) < 4).sum() > 200, colour


@pytest.mark.slow
def test_pdf_by_the_oldest_weasyprint_that_is_allowed(page: str, tmp_path: Path) -> None:
    project = Path(__file__).parents[2] / "pyproject.toml"
    wanted = tomllib.loads(project.read_text())["project"]["optional-dependencies"]["plot"]
    (oldest,) = [line.split(">=")[1] for line in wanted if line.startswith("weasyprint")]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv/bin/python"
    installed = subprocess.run(
        [python, "-m", "pip", "install", "-q", f"weasyprint=={oldest}"], check=False
    )
    if installed.returncode:
        pytest.skip("no package index is reached")
    (tmp_path / "page.html").write_text(page, "utf-8")
    script = "import weasyprint; weasyprint.HTML('page.html').write_pdf('page.pdf')"
    subprocess.run([python, "-c", script], cwd=tmp_path, check=True)
    assert_the_square_wave_is_seen(pixels_of_pdf((tmp_path / "page.pdf").read_bytes()))


@pytest.mark.slow
def test_on_the_screen_light_and_dark_and_in_print(page: str, browser: Any) -> None:
    view = browser.new_page(
        viewport={"width": 1400, "height": 900}, device_scale_factor=PX * 25.4 / 96
    )
    view.set_content(page)
    assert_the_square_wave_is_seen(pixels_of_png(view.screenshot()))
    view.emulate_media(color_scheme="dark")
    dark = pixels_of_png(view.locator("svg.ecg-paper").screenshot())
    # The trace is nearly white on a nearly black ground with darkish grey lines.
    assert (dark.max(axis=2) < 90).mean() > 0.9
    assert 0.002 < (dark.min(axis=2) > 180).mean() < 0.05
    # What is printed is dark on white, whatever the screen shows.
    assert_the_square_wave_is_seen(
        pixels_of_pdf(view.pdf(prefer_css_page_size=True, print_background=True))
    )


def test_no_label_takes_anything_from_a_large_trace(square_wave: Recording) -> None:
    """With and without the names of the leads, every pixel of the traces is as dark."""
    pytest.importorskip("resvg_py")
    time = np.arange(5000) / 500
    beats = np.exp(-(((time % 0.8 - 0.1) / 0.012) ** 2))  # the first R peak below the name
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    gains = (1.5, 2.6, 1.1, -2.0, 0.6, 1.9, -2.5, -3.0, 1.2, 3.2, 3.0, 2.2)
    large = Recording.from_array(
        np.stack([gain * beats for gain in gains]), sampling_rate=500, leads=names, unit="mV"
    )
    svg = ecg_paper_svg(large)
    start = svg.index('<g class="labels"')
    bare = svg[:start] + svg[svg.index("</g>", start) + 4 :]
    with_names, without = (pixels_of_png(svg_to_png(text, dpi=127)) for text in (svg, bare))
    ink = without.max(axis=2) < 100
    assert ink.sum() > 5_000
    assert (with_names.max(axis=2)[ink] < 100).all()
    # And the names themselves are crossed by no trace: they add the ink of all their strokes.
    added = (with_names.max(axis=2) < 100) & ~ink
    assert added.sum() > 13 * 15


def test_every_page_of_a_report_says_whose_it_is() -> None:
    """A sheet that is torn off tells its person, its file and that it is unconfirmed."""
    pdfium = pytest.importorskip("pypdfium2")
    pytest.importorskip("weasyprint")
    items = []
    for name, person in (
        ("12-lead", Subject(identifier="0815", age=84.0, sex="female")),
        ("single-lead", Subject(identifier='47"11')),
    ):
        recording = replace(read(f"sample:{name}"), subject=person)
        items.append(ReportItem(recording, interpret(recording)))
    document = pdfium.PdfDocument(html_to_pdf(html_report(items)))
    texts = [page.get_textpage().get_text_range() for page in document]
    assert len(texts) >= 5
    for number, text in enumerate(texts, start=1):
        assert f"Unconfirmed. Page {number} of {len(texts)}" in text
        if number > 1:  # the first is the index
            lines = [line for line in text.splitlines() if " · " in line and ".hea" in line]
            whose = [line for line in lines if line.startswith(("0815 · ", '47"11 · '))]
            assert len(whose) == 1, text
            other = '47"11' if whose[0].startswith("0815") else "0815"
            assert other not in text
