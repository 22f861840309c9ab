"""The page in a real browser: what a person sees and does, by pointer, keyboard and phone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.samples import sample_path

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FIXTURES = Path(__file__).parents[1] / "fixtures"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if _is_fault(m) else None)
    outside: list[str] = []
    page.on("request", lambda r: None if r.url.startswith(address) else outside.append(r.url))
    page.goto(address)
    yield page
    assert errors == []
    assert outside == [], "the page works offline"
    context.close()


def _is_fault(message: Any) -> bool:
    """Chromium calls an answer that is no success an error of the page; ours are expected."""
    return message.type == "error" and "status of 4" not in message.text


def wait_done(page: Any) -> None:
    page.locator('#status:text-is("Done.")').wait_for()


def upload(page: Any, *paths: Path) -> None:
    page.set_input_files("#file", [str(path) for path in paths])
    wait_done(page)


def picture(page: Any, name: str, *, at: str = "header", height: int | None = None) -> None:
    """Write what is seen from ``at`` on into the folder of ECGFOUNDRY_SCREENSHOTS, if there is one.

    ``ECGFOUNDRY_SCREENSHOTS=docs/images pytest -m slow tests/service/test_page.py`` makes the
    pictures of docs/service-page.md.
    """
    folder = os.environ.get("ECGFOUNDRY_SCREENSHOTS")
    if not folder:
        return
    from PIL import Image

    width = page.viewport_size["width"]
    page.evaluate("(at) => document.querySelector(at).scrollIntoView()", at)
    top = page.evaluate("(at) => document.querySelector(at).getBoundingClientRect().top", at)
    top += page.evaluate("() => window.scrollY")
    path = Path(folder) / f"{name}.png"
    clip = {"x": 0, "y": max(top - 8, 0), "width": width, "height": height or 860}
    page.screenshot(path=str(path), full_page=True, clip=clip)
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(48).save(path, optimize=True)
    assert path.stat().st_size < 250_000


def test_a_sample_by_keyboard_alone(page: Any) -> None:
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.dataset.sample") == "12-lead":
            break
    else:
        pytest.fail("the button of the sample is not reached by Tab")
    page.keyboard.press("Enter")
    wait_done(page)
    assert page.locator("#table tbody tr").count() == 5
    assert "present" in page.locator("#table tbody tr.present").first.inner_text()
    page.focus("#paper-scroll")
    page.locator("#speed").select_option("50")
    page.focus("#paper-scroll")
    page.keyboard.press("ArrowRight")
    assert "from 0.2 s" in page.locator("#imprint").inner_text()
    page.focus("#calipers-button")
    page.keyboard.press("Enter")
    before = float(page.locator("#measured").get_attribute("data-milliseconds"))
    page.locator(".caliper").nth(1).focus()
    page.keyboard.press("ArrowRight")
    after = float(page.locator("#measured").get_attribute("data-milliseconds"))
    assert after - before == pytest.approx(2.0)  # one sample at 500 Hz
    picture(page, "page-12-lead", height=1250)


def test_the_paper_has_true_scale(page: Any) -> None:
    """25 mm/s and 10 mm/mV in CSS millimetres."""
    page.click("text=12-lead sample")
    wait_done(page)
    width = "() => document.getElementById('paper').getBoundingClientRect().width"
    millimetre = 96 / 25.4
    assert page.evaluate(width) / millimetre == pytest.approx(14 + 10 * 25 + 2, abs=0.05)
    page.locator("#layout").select_option("12x1")
    height = "() => document.getElementById('paper').getBoundingClientRect().height"
    assert page.evaluate(height) / millimetre == pytest.approx(12 * 25 + 10, abs=0.05)
    page.locator("#gain").select_option("20")
    assert page.evaluate(height) / millimetre == pytest.approx(12 * 50 + 10, abs=0.05)
    page.locator("#layout").select_option("6x2")
    page.locator("#zoom").fill("200")
    assert page.evaluate(width) / millimetre == pytest.approx(2 * 266, abs=0.1)


def test_calipers_measure_a_known_interval(page: Any, tmp_path: Path) -> None:
    """Spikes of 1 mV every 0.8 s at 250 Hz, measured with the pointer: within one sample."""
    signal = np.zeros((1, 2500), np.float32)
    generator = np.random.default_rng(0)
    signal += generator.normal(0, 0.01, signal.shape).astype(np.float32)
    for start in range(100, 2500, 200):
        signal[0, start - 5 : start + 6] += np.hanning(11).astype(np.float32)
    path = tmp_path / "spikes.npz"
    np.savez(path, signal=signal, leads=np.array(["I"]), sampling_rate=250.0, unit="mV")
    upload(page, path)
    page.click("#calipers-button")
    box = page.locator("#paper").bounding_box()
    millimetre = 96 / 25.4

    def at(sample: int) -> tuple[float, float]:
        x = box["x"] + (14 + sample / 250 * 25) * millimetre
        return x, box["y"] + (5 + 12.5) * millimetre

    page.mouse.move(*at(500))
    page.mouse.down()
    page.mouse.move(*at(600), steps=5)
    page.mouse.move(*at(700), steps=5)
    page.mouse.up()
    output = page.locator("#measured")
    assert float(output.get_attribute("data-milliseconds")) == pytest.approx(800, abs=4.001)
    assert "75 bpm" in output.inner_text()
    page.mouse.move(*at(1000))
    page.mouse.down()
    page.mouse.move(*at(1100), steps=5)
    page.mouse.up()
    assert "mV" in output.inner_text()


def test_five_formats_are_taken(page: Any, tmp_path: Path) -> None:
    for name, files in five_formats(tmp_path):
        upload(page, *files)
        assert name in page.locator("#facts").inner_text()
        assert page.locator("#verdict").inner_text().startswith(("Signal", "Not interpreted"))
        page.reload()


def five_formats(folder: Path) -> list[tuple[str, list[Path]]]:
    recording = ecgfoundry.read(sample_path("12-lead"))
    header = sample_path("12-lead")
    path = folder / "x.npz"
    np.savez(
        path,
        signal=recording.signal,
        leads=np.array(recording.leads),
        sampling_rate=500.0,
        unit="mV",
    )
    hdf5 = sorted((FIXTURES / "sph").glob("*.h5"))[:1]
    rest = [("hdf5", hdf5), ("wfdb", sorted(header.parent.glob(f"{header.stem}.*")))]
    return [("arrays", [path]), *rest, *written(recording, folder)]


def written(recording: Any, folder: Path) -> list[tuple[str, list[Path]]]:
    """By the project's own writers, which have tests of their own."""
    import importlib

    writers = importlib.import_module("ecgfoundry.formats.writers")
    results = []
    for name, ending in (("edf", "edf"), ("dicom", "dcm")):
        path = folder / f"y.{ending}"
        writers.write(recording, path)
        results.append((name, [path]))
    return results


def test_a_file_that_is_no_ecg_is_explained(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "holiday.txt"
    path.write_text("Dear all, ...")
    page.set_input_files("#file", str(path))
    page.locator("#problem:visible").wait_for()
    assert "no reader" in page.locator("#problem").inner_text().lower()


def test_on_a_phone_nothing_sticks_out(browser: Any, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    page.click("text=Single-lead sample")
    wait_done(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('button, .button, select')]"
        ".filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 44
    picture(page, "page-phone", at="#recording")
    context.close()


def test_what_the_model_looked_at_and_the_overlay(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    plain = page.evaluate("() => document.getElementById('paper').toDataURL()")
    page.check("#filtered")
    page.locator("#imprint:has-text('overlay')").wait_for()
    filtered = page.evaluate("() => document.getElementById('paper').toDataURL()")
    page.check("#saliency")
    page.locator("#status:has-text('Shaded')").wait_for()
    shaded = page.evaluate("() => document.getElementById('paper').toDataURL()")
    assert len({plain, filtered, shaded}) == 3
    picture(page, "page-saliency", at="#recording", height=560)


def test_an_earlier_ecg_is_compared(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    header = sample_path("12-lead")
    page.set_input_files("#earlier", [str(p) for p in header.parent.glob(f"{header.stem}.*")])
    page.locator("#earlier-table table").wait_for()
    assert page.locator("#earlier-table tbody tr").count() == 5
    assert page.locator("#earlier-table tr.present").count() == 0  # the same ECG: nothing changed


def test_a_replayed_recording_is_seen_live(page: Any, address: str) -> None:
    command = [sys.executable, "-m", "ecgfoundry", "stream", "replay", "sample:single-lead"]
    url = address.replace("http", "ws")
    with subprocess.Popen(
        [*command, "--url", url, "--speed", "3"], stdout=subprocess.PIPE, text=True
    ) as sender:
        until = time.monotonic() + 60
        while True:
            page.click("#show-live")
            time.sleep(0.5)
            if page.locator("#live-list button").count():
                break
            assert time.monotonic() < until
        page.locator("#live-table table").wait_for()
        assert page.locator("#live-paper").is_visible()
        page.locator("#live-state:has-text('atrial fibrillation')").wait_for()
        picture(page, "page-live", at="#live", height=480)
        printed, _ = sender.communicate(timeout=60)
    assert "28 answers for 30.0 s" in printed


class Held:
    """Requests of a page that are held back, as on a slow network, until they are let go."""

    def __init__(self, page: Any, *patterns: str) -> None:
        self._page, self._routes = page, []
        for pattern in patterns:
            page.route(pattern, lambda route: self._routes.append(route))

    def wait(self, count: int) -> None:
        until = time.monotonic() + 30
        while len(self._routes) < count:
            assert time.monotonic() < until, "the request was not made"
            self._page.wait_for_timeout(50)

    def let_go(self) -> None:
        """Answer all that were held; those that the page has given up go nowhere."""
        self._page.unroute_all()
        for route in self._routes:
            with contextlib.suppress(sync_api.Error):
                route.continue_()
        self._page.wait_for_timeout(1500)


def wave_file(path: Path, lead: str) -> Path:
    """Ten seconds with 75 beats a minute in one lead."""
    time_s = np.arange(2500) / 250
    beats = np.zeros_like(time_s)
    for place, width, height in ((0.14, 0.025, 0.12), (0.3, 0.012, 1.0), (0.56, 0.05, 0.25)):
        beats += height * np.exp(-(((time_s % 0.8 - place) / width) ** 2))
    signal = beats[np.newaxis].astype(np.float32)
    np.savez(path, signal=signal, leads=np.array([lead]), sampling_rate=250.0, unit="mV")
    return path


def shown_of_the_first(page: Any) -> dict[str, Any]:
    """What a page shows beside the paper: all of it must be gone with the recording."""
    return {
        "comparison": page.locator("#earlier-table").inner_text(),
        "earlier": page.locator("#earlier-facts").inner_text(),
        "earlier paper": page.locator("#earlier-paper").is_visible(),
        "overlay": "overlay" in page.locator("#imprint").inner_text(),
        "filtered": page.locator("#filtered").is_checked(),
        "saliency": page.locator("#saliency").is_checked(),
        "status": page.locator("#status").inner_text(),
        "measured": page.locator("#measured").inner_text(),
        "problem": page.locator("#problem").is_visible(),
    }


NOTHING_OF_THE_FIRST = {
    "comparison": "",
    "earlier": "",
    "earlier paper": False,
    "overlay": False,
    "filtered": False,
    "saliency": False,
    "status": "Done.",
    "measured": "",
    "problem": False,
}


def test_nothing_of_one_patient_stays_over_the_next(page: Any, tmp_path: Path) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    page.click("#calipers-button")
    page.check("#filtered")
    page.locator("#imprint:has-text('overlay')").wait_for()
    page.check("#saliency")
    page.locator("#status:has-text('Shaded')").wait_for()
    header = sample_path("12-lead")
    page.set_input_files("#earlier", [str(p) for p in header.parent.glob(f"{header.stem}.*")])
    page.locator("#earlier-table table").wait_for()
    page.set_input_files("#file", str(wave_file(tmp_path / "next.npz", "I")))
    page.locator("#facts:has-text('next.npz')").wait_for()
    wait_done(page)
    assert shown_of_the_first(page) == NOTHING_OF_THE_FIRST
    fresh = page.evaluate("() => document.getElementById('paper').toDataURL()")
    page.reload()
    upload(page, tmp_path / "next.npz")
    assert page.evaluate("() => document.getElementById('paper').toDataURL()") == fresh


def test_nothing_of_one_patient_arrives_over_the_next(page: Any, tmp_path: Path) -> None:
    """A slow network: saliency, overlay and comparison come when another ECG is open."""
    page.click("text=12-lead sample")
    wait_done(page)
    held = Held(page, "**/v1/explain*", "**/v1/read*", "**/v1/uploads*")
    page.check("#filtered")
    page.check("#saliency")
    header = sample_path("12-lead")
    page.set_input_files("#earlier", [str(p) for p in header.parent.glob(f"{header.stem}.*")])
    held.wait(3)
    page.unroute_all()
    page.set_input_files("#file", str(wave_file(tmp_path / "next.npz", "I")))
    page.locator("#facts:has-text('next.npz')").wait_for()
    wait_done(page)
    before = page.evaluate("() => document.getElementById('paper').toDataURL()")
    held.let_go()
    assert shown_of_the_first(page) == NOTHING_OF_THE_FIRST
    assert page.evaluate("() => document.getElementById('paper').toDataURL()") == before
    page.check("#filtered")  # asks for its own overlay
    page.locator("#imprint:has-text('overlay')").wait_for()


def test_a_file_is_sent_once_and_let_go(page: Any, address: str, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []  # address, media type of what was sent

    def note(request: Any) -> None:
        if request.method == "POST":
            kind = request.headers.get("content-type", "").split(";")[0]
            asked.append((request.url.split("?")[0].removeprefix(address), kind))

    page.on("request", note)
    upload(page, wave_file(tmp_path / "one.npz", "I"))
    page.check("#filtered")
    page.locator("#imprint:has-text('overlay')").wait_for()
    assert asked == [
        ("/v1/uploads", "multipart/form-data"),
        ("/v1/read", ""),
        ("/v1/diagnose", ""),
        ("/v1/read", ""),
    ]
    with page.expect_response(lambda r: r.request.method == "DELETE") as gone:
        upload(page, wave_file(tmp_path / "two.npz", "I"))
    assert gone.value.status == 204


def test_findings_that_come_late_are_not_those_of_the_open_ecg(page: Any, tmp_path: Path) -> None:
    held = Held(page, "**/v1/diagnose*")
    page.click("text=12-lead sample")
    held.wait(1)
    page.unroute_all()
    page.set_input_files("#file", str(wave_file(tmp_path / "next.npz", "I")))
    wait_done(page)
    rows = page.locator("#table").inner_text()
    held.let_go()
    assert page.locator("#table").inner_text() == rows
    assert "rhythm-single-lead" in page.locator("#provenance").inner_text()


def test_a_file_that_cannot_be_read_shows_nothing_of_the_one_before(
    page: Any, tmp_path: Path
) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    path = tmp_path / "holiday.txt"
    path.write_text("Dear all, ...")
    page.set_input_files("#file", str(path))
    page.locator("#problem:visible").wait_for()
    page.set_viewport_size({"width": 1000, "height": 900})  # draws anew
    for part in ("#recording", "#findings", "#comparison"):
        assert not page.locator(part).is_visible()


def test_two_recordings_at_once_are_refused_by_name(page: Any, tmp_path: Path) -> None:
    files = [wave_file(tmp_path / name, "I") for name in ("smith.npz", "jones.npz")]
    page.set_input_files("#file", [str(path) for path in files])
    page.locator("#problem:visible").wait_for()
    words = page.locator("#problem").inner_text()
    assert "smith.npz" in words
    assert "jones.npz" in words
    assert not page.locator("#recording").is_visible()


def test_calipers_stay_on_their_strip(page: Any) -> None:
    """An interval on the rhythm strip of II, which the column strip of II shows as well."""
    page.click("text=12-lead sample")
    wait_done(page)
    page.click("#calipers-button")
    page.evaluate("() => document.getElementById('paper').scrollIntoView()")
    millimetre = 96 / 25.4
    box = page.locator("#paper").bounding_box()
    y = box["y"] + (5 + 3.5 * 25) * millimetre  # the fourth row
    page.mouse.move(box["x"] + (14 + 1.0 * 25) * millimetre, y)
    page.mouse.down()
    page.mouse.move(box["x"] + (14 + 2.354 * 25) * millimetre, y, steps=5)
    page.mouse.up()
    output = page.locator("#measured")
    before = output.inner_text()
    measured = float(output.get_attribute("data-milliseconds"))
    assert measured == pytest.approx(1354, abs=8)
    assert before.startswith("II: ")

    def rows() -> list[float]:
        heights = page.evaluate(
            "() => [...document.querySelectorAll('.caliper')].map((e) => e.hidden ? -1 : "
            "parseFloat(e.style.top) / parseFloat(e.style.height))"
        )
        return [round(value) for value in heights]

    assert rows() == [3, 3]
    for gain in ("20", "5", "10"):
        page.locator("#gain").select_option(gain)
        assert output.inner_text() == before
        assert rows() == [3, 3]
    page.locator("#layout").select_option("12x1")
    assert output.inner_text() == before
    assert rows() == [1, 1]  # II is the second of twelve rows
    page.locator("#layout").select_option("single")  # shows I alone
    assert float(output.get_attribute("data-milliseconds")) == measured
    assert rows() == [-1, -1]
    page.locator("#layout").select_option("6x2")
    assert output.inner_text() == before
    page.locator("#speed").select_option("50")
    assert float(output.get_attribute("data-milliseconds")) == measured


def test_a_device_that_goes_away_is_told_within_five_seconds(page: Any, address: str) -> None:
    command = [sys.executable, "-m", "ecgfoundry", "stream", "replay", "sample:single-lead"]
    url = address.replace("http", "ws")
    with subprocess.Popen([*command, "--url", url], stdout=subprocess.DEVNULL) as sender:
        until = time.monotonic() + 60
        while not page.locator("#live-list button").count():
            assert time.monotonic() < until
            page.click("#show-live")
            page.wait_for_timeout(500)
        page.locator("#live-table table").wait_for()
        assert not page.locator("#live-gone").is_visible()
        assert page.locator(".stale").count() == 0
        os.kill(sender.pid, signal.SIGSTOP)  # its connection stays, as when a cable is drawn
        page.locator("#live-gone:has-text('Nothing comes')").wait_for(timeout=6_000)
        assert page.locator("#live-table.stale").count() == 1
        assert page.locator("#live-state.stale").count() == 1
        os.kill(sender.pid, signal.SIGCONT)
        page.locator("#live-gone").wait_for(state="hidden", timeout=6_000)
        sender.kill()
        page.locator("#live-gone:has-text('The device is gone')").wait_for(timeout=5_000)
        assert page.locator("#live-table.stale").count() == 1


def test_whose_ecg_it_is_and_what_its_device_stated(page: Any) -> None:
    """A real export: the header is on the page and in print, as the file has it."""
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    page.emulate_media(media="print")
    assert page.locator("#source").is_visible()
    lines = page.locator("#source").inner_text().splitlines()
    assert lines == [
        "Identifier",
        "642341",
        "Age, sex",
        "42 years, female",
        "Recorded",
        "2013-01-25 10:59:19 (time zone not stated)",
        "Device",
        "Mortara Instrument, Inc., el250, software 0.0.0",
        "Filters of the device",
        "highpass 0.05 Hz, lowpass 300 Hz",
        "Measured by the device",
        "RR 982 ms · PR 161 ms · QRS 75 ms · QT 368 ms · QTc 370 ms · P axis 74° · QRS axis 52° · "
        "T axis 57°",
        "Stated by the device, unconfirmed",
        "RITMO SINUSALE",
        "ECG NORMALE",
    ]
    page.emulate_media(media="screen")


def test_two_people_are_not_compared_without_a_word(page: Any) -> None:
    upload(page, FIXTURES / "dicom" / "waveform_ecg.dcm")
    page.set_input_files("#earlier", str(FIXTURES / "dicom" / "waveform_ecg.dcm"))
    page.locator("#earlier-table table").wait_for()
    assert page.locator("#earlier-warning").inner_text() == ""
    page.set_input_files("#earlier", str(FIXTURES / "philips" / "129DYPRG.xml"))
    page.locator("#earlier-warning:has-text('different people')").wait_for()
    words = page.locator("#earlier-warning").inner_text()
    assert "identifier 1112010721168bdc and 642341" in words
    assert "sex male and female" in words


def test_every_episode_can_be_reached(page: Any) -> None:
    """450 episodes: three pages, none left out."""
    page.evaluate(
        """async () => {
          const { showAnswer } = await import("/page/findings.js");
          const episodes = Array.from({ length: 450 }, (_, k) => (
            { start_s: 60 * k, end_s: 60 * k + 30, name: `episode ${k + 1}` }));
          showAnswer({ refused: null, quality: { verdict: "good", warnings: [] }, leads_used: ["I"],
            calibrated: true, findings: [], burden: [], episodes, model: "m", model_version: "1",
            preprocessing: "p", runtime: "r", target_kind: "multiclass" }, () => {});
        }"""
    )
    seen: list[str] = []
    counts = []
    while True:
        counts.append(page.locator("#events-shown").text_content())
        seen += page.locator("#event-list li span").all_text_contents()
        if page.locator("#events-after").is_disabled():
            break
        page.evaluate("() => document.getElementById('events-after').click()")
    assert counts == ["1 to 200 of 450", "201 to 400 of 450", "401 to 450 of 450"]
    assert seen == [f" episode {k}" for k in range(1, 451)]


FAULTS = Path(__file__).with_name("page_faults.js").read_text(encoding="utf-8").split("\n", 2)[2]
"""What is wrong with a page for those who cannot see it as drawn, by some rules of WCAG 2.2."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_names_and_order(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    assert page.evaluate(FAULTS) == []
    page.click("text=12-lead sample")
    wait_done(page)
    page.click("#calipers-button")
    header = sample_path("12-lead")
    page.set_input_files("#earlier", [str(p) for p in header.parent.glob(f"{header.stem}.*")])
    page.locator("#earlier-table table").wait_for()
    page.click("#show-live")
    assert page.evaluate(FAULTS) == []
    page.evaluate("() => document.documentElement.style.setProperty('--quiet', '#9a9a9a')")
    if scheme == "light":  # the check sees what it should
        assert any(fault.startswith("contrast") for fault in page.evaluate(FAULTS))
    if scheme == "dark":
        page.reload()
        page.click("text=12-lead sample")
        wait_done(page)
        picture(page, "page-dark", at="#recording", height=620)
    context.close()


def test_layouts_leads_and_scales_change_the_drawing(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    seen = {}
    for layout, rows in (("3x4", 4), ("6x2", 6), ("12x1", 12), ("single", 1)):
        page.locator("#layout").select_option(layout)
        box = page.locator("#paper").bounding_box()
        assert (box["height"] / (96 / 25.4) - 10) / 25 == pytest.approx(rows, abs=0.05)
        seen[layout] = page.evaluate("() => document.getElementById('paper').toDataURL()")
    page.locator("#layout").select_option("12x1")
    page.locator("#leads-shown input").nth(3).uncheck()
    box = page.locator("#paper").bounding_box()
    assert (box["height"] / (96 / 25.4) - 10) / 25 == pytest.approx(11, abs=0.05)
    for speed in ("12.5", "50"):
        page.locator("#speed").select_option(speed)
        seen[speed] = page.evaluate("() => document.getElementById('paper').toDataURL()")
        assert f"{speed} mm/s" in page.locator("#imprint").inner_text()
    assert len(set(seen.values())) == len(seen)
    assert not page.locator("#filtered").is_checked()
    assert "drawn unfiltered" in page.locator("#imprint").inner_text()


def long_recording(folder: Path) -> Path:
    """Eleven minutes: the fibrillating sample, and beats as regular as a clock in between."""
    sample = ecgfoundry.read(sample_path("single-lead")).signal[0]
    time_s = np.arange(300 * 330) / 300
    beats = np.zeros_like(time_s)
    for place, width, height in ((0.14, 0.025, 0.12), (0.3, 0.012, 1.0), (0.56, 0.05, 0.25)):
        beats += height * np.exp(-(((time_s % 0.9 - place) / width) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.01, len(beats))
    signal = np.concatenate([beats + noise, np.tile(sample, 11)]).astype(np.float32)
    path = folder / "long.npz"
    np.savez_compressed(
        path, signal=signal[np.newaxis], leads=np.array(["I"]), sampling_rate=300.0, unit="mV"
    )
    return path


def test_a_long_recording_has_an_overview_and_episodes(page: Any, tmp_path: Path) -> None:
    page.set_input_files("#file", str(long_recording(tmp_path)))
    page.locator("#status:has-text('Interpreting')").wait_for()
    wait_done(page)
    assert page.locator("#overview").is_visible()
    assert "00:11:00" in page.locator("#facts").inner_text()
    rows = page.locator("#event-list li").all_inner_texts()
    fibrillation = next(k for k, row in enumerate(rows) if "atrial fibrillation" in row)
    page.locator("#event-list button").nth(fibrillation).click()
    page.locator("#imprint:has-text('from 3')").wait_for()
    assert float(page.locator("#overview").get_attribute("aria-valuenow")) > 300
    page.focus("#overview")
    page.keyboard.press("End")
    page.locator("#imprint:has-text('from 650.0 s')").wait_for()
    picture(page, "page-long", at="#recording", height=900)


def test_laboratory_estimates_of_a_synthetic_model_say_so(browser: Any, tmp_path: Path) -> None:
    from tests.bundles import make_bundle
    from tests.service.conftest import running
    from tests.service.test_laboratory import SYNTHETIC, TARGETS

    model = make_bundle(
        tmp_path / "tiny-laboratory",
        np.array([[1.0, -0.5]]),
        name="tiny-laboratory",
        lead_mode="any-single",
        leads=("I",),
        targets=TARGETS,
        provenance={"training_data": [SYNTHETIC], "code": "tests", "created": "2026-01-01"},
    )
    with running("--model", str(model), "--synthetic-ok") as address:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.goto(address)
        page.set_input_files("#file", str(long_recording(tmp_path)))
        wait_done(page)
        page.locator("#laboratory svg").first.wait_for()
        assert page.locator("#laboratory .synthetic").inner_text() == "SYNTHETIC"
        assert page.locator("#laboratory svg .band").count() == 2
        assert page.evaluate(FAULTS) == []
        picture(page, "page-laboratory", at="#laboratory", height=420)
        command = [sys.executable, "-m", "ecgfoundry", "stream", "replay", "sample:single-lead"]
        command += ["--url", address.replace("http", "ws"), "--speed", "4"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as sender:
            until = time.monotonic() + 60
            while not page.locator("#live-list button").count():
                assert time.monotonic() < until
                page.click("#show-live")
                time.sleep(0.5)
            page.locator("#live-laboratory-table svg").first.wait_for()
            assert page.locator("#live-laboratory .synthetic").inner_text() == "SYNTHETIC"
            sender.wait(60)
        context.close()
