"""What the tests of the page share: waiting, uploading, pictures, and signals with known waves."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from tests.service.waiting import LONGEST_S

import ecgfoundry
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.samples import sample_path

MILLIMETRE = 96 / 25.4
"""CSS pixels."""
PATIENCE_MS = 300_000
"""Of one look at the page."""
FIXTURES = Path(__file__).parents[1] / "fixtures"
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def wait_done(page: Any) -> None:
    page.locator('#status:text-is("Done.")').wait_for()


def upload(page: Any, *paths: Path) -> None:
    page.set_input_files("#file", [str(path) for path in paths])
    page.locator(f"#facts:has-text('{paths[0].stem}')").wait_for()
    wait_done(page)


def under_more(page: Any, selector: str) -> Any:
    """Return a setting that stands under "More", which is opened for it."""
    if not page.locator(selector).is_visible():
        page.click("#more summary")
    return page.locator(selector)


def sample_files(name: str) -> list[str]:
    header = sample_path(name)
    return [str(path) for path in header.parent.glob(f"{header.stem}.*")]


def picture(page: Any, name: str, *, at: str = "#top", height: int | None = None) -> None:
    """Write what is seen from ``at`` on into the folder of ECGFOUNDRY_SCREENSHOTS, if there is one.

    ``ECGFOUNDRY_SCREENSHOTS=docs/images pytest -m slow tests/service -k page`` makes the pictures
    of docs/service-page.md.
    """
    folder = os.environ.get("ECGFOUNDRY_SCREENSHOTS")
    if not folder:
        return
    from PIL import Image

    width = page.viewport_size["width"]
    page.evaluate("(at) => document.querySelector(at).scrollIntoView()", at)
    page.wait_for_timeout(400)
    top = page.evaluate("(at) => document.querySelector(at).getBoundingClientRect().top", at)
    top += page.evaluate("() => window.scrollY")
    path = Path(folder) / f"{name}.png"
    clip = {"x": 0, "y": max(top - 8, 0), "width": width, "height": height or 890}
    page.screenshot(path=str(path), full_page=True, clip=clip)
    with Image.open(path) as taken:
        taken.convert("RGB").quantize(96).save(path, optimize=True)
    assert path.stat().st_size < 250_000


class Held:
    """Requests of a page that are held back, as on a slow network, until they are let go."""

    def __init__(self, page: Any, *patterns: str) -> None:
        self._page, self._routes = page, []
        for pattern in patterns:
            page.route(pattern, lambda route: self._routes.append(route))

    def wait(self, count: int) -> None:
        until = time.monotonic() + 600
        while len(self._routes) < count:
            assert time.monotonic() < until, "the request was not made"
            self._page.wait_for_timeout(50)

    def let_go(self) -> None:
        """Answer all that were held; those that the page has given up go nowhere."""
        from playwright.sync_api import Error

        self._page.unroute_all()
        for route in self._routes:
            with contextlib.suppress(Error):
                route.continue_()
        self._page.wait_for_timeout(1500)


class Device:
    """Sends the fibrillating sample over and over, a second after the answer to the one before."""

    def __init__(self, lead: str = "I") -> None:
        self.lead = lead
        self.sends, self._enough, self._says_so = threading.Event(), threading.Event(), True
        self.sends.set()

    def end(self, *, says_so: bool) -> None:
        """Send no more; without ``says_so`` the connection breaks."""
        self._says_so = self._says_so and says_so
        self._enough.set()
        self.sends.set()

    def run(self, address: str) -> None:
        from websockets.sync.client import connect

        recording = ecgfoundry.read(sample_path("single-lead"))
        rate = round(recording.sampling_rate)
        with connect(f"{address.replace('http', 'ws')}/v1/stream", open_timeout=LONGEST_S) as line:
            line.send(json.dumps({"leads": [self.lead], "sampling_rate": rate, "unit": "mV"}))
            for second in itertools.count():
                self.sends.wait()
                if self._enough.wait(0.05):
                    break
                start = second * rate % (recording.samples - rate)
                part = recording.signal[:, start : start + rate]
                line.send(encode_frame(part, start=second * rate))
                told: dict[str, Any] = {}
                while second >= 2 and told.get("type") != "answer":  # the first is about three
                    told = json.loads(line.recv(LONGEST_S))
            if self._says_so:
                line.send(json.dumps({"type": "end"}))
                while json.loads(line.recv(LONGEST_S))["type"] != "closing":
                    pass


@contextlib.contextmanager
def sending(address: str, lead: str = "I") -> Iterator[Device]:
    """A device that sends as long as the page is looked at, however slow the machine is."""
    device = Device(lead)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(device.run, address)
        try:
            yield device
        finally:
            device.end(says_so=True)
        ended.result()


def drawing(page: Any) -> str:
    """Return the paper as it is drawn."""
    return str(page.evaluate("() => document.getElementById('paper').toDataURL()"))


def is_lit(page: Any, x_mm: float, y_mm: float) -> bool:
    """Whether a place of the paper has the colour of lit evidence, and not of paper or grid."""
    red, _, blue = page.evaluate(
        """([x, y]) => {
          const canvas = document.getElementById('paper');
          const ratio = canvas.width / canvas.getBoundingClientRect().width;
          const at = [x, y].map((mm) => Math.round(mm * 96 / 25.4 * ratio));
          return [...canvas.getContext('2d').getImageData(at[0], at[1], 1, 1).data].slice(0, 3);
        }""",
        [x_mm, y_mm],
    )
    return bool(red - blue > 60)


def waves(seconds: float, rate: int, parts: Mapping[float, tuple[float, float]]) -> Any:
    """75 beats a minute, the first R at 0.3 s; ``parts``: s from R -> width (s), height (mV)."""
    time_s = np.arange(round(seconds * rate)) / rate
    phase = (time_s - 0.3 + 0.4) % 0.8 - 0.4
    total = np.zeros_like(time_s)
    for place, (width, height) in parts.items():
        total += height * np.exp(-(((phase - place) / width) ** 2))
    return total


def wave_file(path: Path, lead: str, **more: Any) -> Path:
    """Ten seconds with 75 beats a minute in one lead."""
    signal = waves(10, 250, {-0.16: (0.025, 0.12), 0.0: (0.012, 1.0), 0.26: (0.05, 0.25)})
    fields = {"leads": np.array([lead]), "sampling_rate": 250.0, "unit": "mV"} | more
    np.savez(path, signal=signal[np.newaxis].astype(np.float32), **fields)
    return path


def planted_file(path: Path, st_mv: Mapping[str, float], **more: Any) -> Path:
    """Twelve leads at 500 Hz with 75 beats a minute; in the leads of ``st_mv`` ST is displaced."""
    rate = 500
    p, r, t = waves(10, rate, {-0.16: (0.025, 0.12)}), {}, {}
    height = {
        "I": 0.8,
        "II": 1.0,
        "V1": -0.6,
        "V2": -0.8,
        "V3": 0.5,
        "V4": 1.0,
        "V5": 1.0,
        "V6": 0.8,
    }
    for lead, millivolts in height.items():
        r[lead] = waves(10, rate, {0.0: (0.016, millivolts)})
        t[lead] = waves(10, rate, {0.27: (0.05, 0.3 if lead != "V1" else 0.1)})
    noise = np.random.default_rng(0)
    beats = {lead: p + r[lead] + t[lead] + noise.normal(0, 0.005, len(p)) for lead in height}
    segment = waves(10, rate, {0.11: (0.08, 1.0)})
    for lead, millivolts in st_mv.items():
        beats[lead] = beats[lead] + millivolts * segment
    one, two = beats["I"], beats["II"]
    beats |= {"III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    signal = np.array([beats[lead] for lead in TWELVE], dtype=np.float32)
    fields = {"leads": np.array(TWELVE), "sampling_rate": float(rate), "unit": "mV"} | more
    np.savez(path, signal=signal, **fields)
    return path


def long_recording(folder: Path) -> Path:
    """Eleven minutes: the fibrillating sample, and beats as regular as a clock before it."""
    sample = ecgfoundry.read(sample_path("single-lead")).signal[0]
    beats = waves(330, 300, {-0.16: (0.025, 0.12), 0.0: (0.012, 1.0), 0.26: (0.05, 0.25)})
    noise = np.random.default_rng(0).normal(0, 0.01, len(beats))
    signal = np.concatenate([beats + noise, np.tile(sample, 11)]).astype(np.float32)
    path = folder / "long.npz"
    np.savez_compressed(
        path, signal=signal[np.newaxis], leads=np.array(["I"]), sampling_rate=300.0, unit="mV"
    )
    return path


def axe_faults(page: Any) -> list[str]:
    """Return what axe-core finds wrong with the page, by WCAG 2.2 A and AA and good practice."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


def keep_sample(page: Any) -> str:
    """Keep the sample of one lead, wait until its stored answer is shown; return its name."""
    page.click("text=Single-lead sample")
    wait_done(page)
    page.click("#keep")
    page.wait_for_url("**#recording/*")
    page.locator("#review").wait_for()
    wait_done(page)
    return str(page.url.rpartition("/")[2])
