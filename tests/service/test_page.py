"""The page in a real browser: what a person sees and does, by pointer, keyboard and phone."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.service.browsing import (
    FIXTURES,
    MILLIMETRE,
    PATIENCE_MS,
    Held,
    axe_faults,
    drawing,
    long_recording,
    picture,
    sample_files,
    sending,
    under_more,
    upload,
    wait_done,
    wave_file,
)

import ecgfoundry
from ecgfoundry.samples import sample_path

pytestmark = pytest.mark.slow


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
    assert "present" in page.locator("#table tbody tr.present").first.text_content()
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


def test_the_paper_has_true_scale(page: Any) -> None:
    """25 mm/s and 10 mm/mV in CSS millimetres."""
    page.click("text=12-lead sample")
    wait_done(page)
    width = "() => document.getElementById('paper').getBoundingClientRect().width"
    assert page.evaluate(width) / MILLIMETRE == pytest.approx(14 + 10 * 25 + 2, abs=0.05)
    page.locator("#layout").select_option("12x1")
    height = "() => document.getElementById('paper').getBoundingClientRect().height"
    assert page.evaluate(height) / MILLIMETRE == pytest.approx(12 * 14 + 10, abs=0.05)
    page.locator("#gain").select_option("20")
    assert page.evaluate(height) / MILLIMETRE == pytest.approx(12 * 28 + 10, abs=0.05)
    page.locator("#layout").select_option("6x2")
    under_more(page, "#zoom").fill("200")
    assert page.evaluate(width) / MILLIMETRE == pytest.approx(2 * 266, abs=0.1)


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

    def at(sample: int) -> tuple[float, float]:
        x = box["x"] + (14 + sample / 250 * 25) * MILLIMETRE
        return x, box["y"] + (5 + 15) * MILLIMETRE

    page.mouse.move(*at(500))
    page.mouse.down()
    page.mouse.move(*at(600), steps=5)
    page.mouse.move(*at(700), steps=5)
    page.mouse.up()
    output = page.locator("#measured")
    assert float(output.get_attribute("data-milliseconds")) == pytest.approx(800, abs=4.001)
    assert "75/min" in output.inner_text()
    for first, second, sign in ((1000, 1100, ""), (1300, 1200, "\N{MINUS SIGN}")):
        page.mouse.move(*at(first))
        page.mouse.down()
        page.mouse.move(*at(second), steps=5)
        page.mouse.up()
        words = re.fullmatch(r"I: 400 ms · 150/min · (\W?)(\d\.\d\d) mV", output.inner_text())
        assert words and words[1] == sign and float(words[2]) == pytest.approx(1.0, abs=0.1)


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


def test_what_the_model_looked_at_and_the_overlay(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    plain = drawing(page)
    under_more(page, "#filtered").check()
    page.locator("#imprint:has-text('overlay')").wait_for()
    filtered = drawing(page)
    under_more(page, "#saliency").check()
    page.locator("#status:has-text('Shaded')").wait_for()
    shaded = drawing(page)
    assert len({plain, filtered, shaded}) == 3


def test_a_stream_is_seen_live(page: Any, address: str) -> None:
    with sending(address):
        page.click("nav a[data-view=live]")
        page.locator("#live-list button").wait_for()
        page.locator("#live-table table").wait_for()
        assert page.locator("#live-paper").is_visible()
        page.locator("#live-state:has-text('atrial fibrillation')").wait_for()
        picture(page, "page-live", at="#view-live", height=480)


def test_a_live_answer_is_shown_with_its_warnings(page: Any, address: str) -> None:
    """They stood beside the findings of a file, and beside those of a stream they did not."""
    with sending(address, "V5"):
        page.click("nav a[data-view=live]")
        page.locator("#live-list button").wait_for()
        page.locator("#live-table .notices").wait_for()
        said = page.locator("#live-table .notices").inner_text()
        assert "lead V5 is read; the model was trained on" in said


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
    under_more(page, "#filtered").check()
    page.locator("#imprint:has-text('overlay')").wait_for()
    under_more(page, "#saliency").check()
    page.locator("#status:has-text('Shaded')").wait_for()
    page.set_input_files("#earlier", sample_files("12-lead"))
    page.locator("#earlier-table table").wait_for()
    page.set_input_files("#file", str(wave_file(tmp_path / "next.npz", "I")))
    page.locator("#facts:has-text('next.npz')").wait_for()
    wait_done(page)
    assert shown_of_the_first(page) == NOTHING_OF_THE_FIRST
    fresh = drawing(page)
    page.reload()
    upload(page, tmp_path / "next.npz")
    assert drawing(page) == fresh


def test_nothing_of_one_patient_arrives_over_the_next(page: Any, tmp_path: Path) -> None:
    """A slow network: saliency, overlay and comparison come when another ECG is open."""
    page.click("text=12-lead sample")
    wait_done(page)
    held = Held(page, "**/v1/explain*", "**/v1/read*", "**/v1/uploads*")
    under_more(page, "#filtered").check()
    under_more(page, "#saliency").check()
    page.set_input_files("#earlier", sample_files("12-lead"))
    held.wait(3)
    page.unroute_all()
    page.set_input_files("#file", str(wave_file(tmp_path / "next.npz", "I")))
    page.locator("#facts:has-text('next.npz')").wait_for()
    wait_done(page)
    before = drawing(page)
    held.let_go()
    assert shown_of_the_first(page) == NOTHING_OF_THE_FIRST
    assert drawing(page) == before
    under_more(page, "#filtered").check()  # asks for its own overlay
    page.locator("#imprint:has-text('overlay')").wait_for()


def test_a_file_is_sent_once_and_let_go(page: Any, address: str, tmp_path: Path) -> None:
    asked: list[tuple[str, str]] = []  # address, media type of what was sent

    def note(request: Any) -> None:
        if request.method == "POST":
            kind = request.headers.get("content-type", "").split(";")[0]
            asked.append((request.url.split("?")[0].removeprefix(address), kind))

    page.on("request", note)
    upload(page, wave_file(tmp_path / "one.npz", "I"))
    under_more(page, "#filtered").check()
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
    rows = page.locator("#table").text_content()
    held.let_go()
    assert page.locator("#table").text_content() == rows
    assert "rhythm-single-lead" in page.locator("#provenance").text_content()


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
    for part in ("#recording", "#findings", "#compare"):
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
    box = page.locator("#paper").bounding_box()
    y = box["y"] + (5 + 3.5 * 25) * MILLIMETRE  # the fourth row
    page.mouse.move(box["x"] + (14 + 1.0 * 25) * MILLIMETRE, y)
    page.mouse.down()
    page.mouse.move(box["x"] + (14 + 2.354 * 25) * MILLIMETRE, y, steps=5)
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
    page.locator("#layout").select_option("single")  # of II: it is the rhythm lead
    assert output.inner_text() == before
    page.locator("#rhythm-lead").select_option("V1")
    assert float(output.get_attribute("data-milliseconds")) == measured
    assert rows() == [-1, -1]
    page.locator("#layout").select_option("6x2")
    assert output.inner_text() == before
    page.locator("#speed").select_option("50")
    assert float(output.get_attribute("data-milliseconds")) == measured


def test_a_device_that_goes_away_is_told_within_five_seconds(page: Any, address: str) -> None:
    """The page looks twice a second; a busy machine may draw it later."""
    script = urllib.request.urlopen(f"{address}/page/live.js").read().decode()
    (silence_s,) = re.findall(r"const SILENCE_S = (\d+);", script)
    assert int(silence_s) + 0.5 < 5
    with sending(address) as device:
        page.click("nav a[data-view=live]")
        page.locator("#live-list button").wait_for()
        page.locator("#live-table table").wait_for()
        page.wait_for_function("() => document.querySelector('#live-gone').hidden")
        device.sends.clear()  # its connection stays, as when a cable is drawn
        page.locator("#live-gone:has-text('Nothing comes')").wait_for()
        assert page.locator("#live-table.stale").count() == 1
        assert page.locator("#live-state.stale").count() == 1
        device.sends.set()
        page.wait_for_function(
            "() => document.querySelector('#live-gone').hidden && !document.querySelector('.stale')"
        )
        device.end(says_so=False)
        page.locator("#live-gone:has-text('The device is gone')").wait_for()
        assert page.locator("#live-table.stale").count() == 1


def test_layouts_leads_and_scales_change_the_drawing(page: Any) -> None:
    page.click("text=12-lead sample")
    wait_done(page)
    seen = {}
    heights = {"3x4": 4 * 25, "6x2": 6 * 20, "cabrera": 6 * 20, "12x1": 12 * 14, "single": 30}
    for layout, height in heights.items():
        page.locator("#layout").select_option(layout)
        box = page.locator("#paper").bounding_box()
        assert box["height"] / MILLIMETRE - 10 == pytest.approx(height, abs=0.5)
        seen[layout] = drawing(page)
    page.locator("#layout").select_option("12x1")
    under_more(page, "#leads-shown input >> nth=3").uncheck()
    box = page.locator("#paper").bounding_box()
    assert box["height"] / MILLIMETRE - 10 == pytest.approx(11 * 14, abs=0.5)
    for speed in ("12.5", "50"):
        page.locator("#speed").select_option(speed)
        seen[speed] = drawing(page)
        assert f"{speed} mm/s" in page.locator("#imprint").inner_text()
    assert len(set(seen.values())) == len(seen)
    assert not page.locator("#filtered").is_checked()
    assert "drawn unfiltered" in page.locator("#imprint").inner_text()


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
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.set_input_files("#file", str(long_recording(tmp_path)))
        wait_done(page)
        page.locator("#laboratory svg").first.wait_for()
        assert page.locator("#laboratory .synthetic").inner_text() == "SYNTHETIC"
        assert page.locator("#laboratory svg .band").count() == 2
        assert axe_faults(page) == []
        with sending(address):
            page.click("nav a[data-view=live]")
            page.locator("#live-list button").wait_for()
            page.locator("#live-laboratory-table svg").first.wait_for()
            assert page.locator("#live-laboratory .synthetic").inner_text() == "SYNTHETIC"
        context.close()
