"""Two stored recordings compared over HTTP, and long ones counted: with planted changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.service.browsing import planted_file

from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.service.long_recordings import rate_by_minute


def held(client: TestClient, path: Path) -> str:
    answer = client.post("/v1/uploads", files=[("file", (path.name, path.read_bytes()))])
    assert answer.status_code == 201
    return str(answer.json()["recording"])


@pytest.fixture(scope="module")
def pair(service: TestClient, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """An ECG, and one with ST 0.25 mV lower in V4 to V6."""
    folder = tmp_path_factory.mktemp("pair")
    before = planted_file(folder / "before.npz", {})
    now = planted_file(folder / "now.npz", dict.fromkeys(("V4", "V5", "V6"), -0.25))
    return held(service, before), held(service, now)


def test_a_planted_change_is_found_and_nothing_else(
    service: TestClient, pair: tuple[str, str]
) -> None:
    before, now = pair
    answer = service.get(f"/v1/recordings/{now}/comparison", params={"earlier": before})
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    reading = document["reading"]
    changed = {(one["name"], one["lead"]): one["difference"] for one in reading["lead_changes"]}
    assert {lead for _, lead in changed} == {"V4", "V5", "V6"}
    for lead in ("V4", "V5", "V6"):
        assert changed["st_j60_mv", lead] == pytest.approx(-0.25, abs=0.02)
    assert not any(one["beyond"] for one in reading["changes"])
    assert [one["words"] for one in reading["statements"]] == ["ST now depressed in"]
    assert reading["appeared"] == ["ST depression"]
    assert [beat["lead"] for beat in document["median_beats"]][-3:] == ["V4", "V5", "V6"]
    last = document["median_beats"][-1]
    at = int(np.argmin(np.abs(np.array(last["time_ms"]) - 160)))  # R + 110 ms: the middle of ST
    assert last["later"][at] - last["earlier"][at] == pytest.approx(-0.25, abs=0.03)


def test_what_is_refused(service: TestClient, pair: tuple[str, str], tmp_path: Path) -> None:
    _, now = pair
    path = f"/v1/recordings/{now}/comparison"
    assert service.get(path).status_code == 400  # of what?
    assert service.get(path, params={"earlier": "0" * 32}).status_code == 404
    assert service.get(path, params={"earlier": now, "patient": "x"}).status_code == 400
    flat = tmp_path / "flat.npz"
    np.savez(
        flat, signal=np.zeros((1, 2500)), leads=np.array(["I"]), sampling_rate=250.0, unit="mV"
    )
    answer = service.get(path, params={"earlier": held(service, flat)})
    assert answer.status_code == 422
    assert "earlier recording cannot be read" in answer.json()["detail"]


def test_two_people_are_compared_only_when_asked(service: TestClient, fixtures: Path) -> None:
    one = held(service, fixtures / "dicom" / "waveform_ecg.dcm")
    two = held(service, fixtures / "philips" / "129DYPRG.xml")
    path = f"/v1/recordings/{one}/comparison"
    answer = service.get(path, params={"earlier": two})
    assert answer.status_code == 422
    assert "two persons" in answer.json()["detail"]
    answer = service.get(path, params={"earlier": two, "same_person": "true"})
    assert answer.status_code == 200
    # Names as they were sent, and not where the files lie on the server.
    names = (answer.json()["earlier"], answer.json()["later"])
    assert names == ("129DYPRG.xml", "waveform_ecg.dcm")


def test_an_answer_has_measurements_and_statements(
    service: TestClient, pair: tuple[str, str]
) -> None:
    _, now = pair
    answer = service.post("/v1/diagnose", params={"recording": now}).json()
    assert answer["measurements"]["values"]["heart_rate_bpm"]["value"] == pytest.approx(75, abs=0.5)
    present = [one["name"] for one in answer["statements"] if one["present"]]
    assert "ST DEPRESSION" in present
    sent = service.post("/v1/diagnose", params={"recording": now, "format": "reading"})
    assert sent.headers["content-type"] == "application/vnd.ecgfoundry.reading+json"
    read = sent.json()
    assert "ST depression" in [one["words"] for one in read["reading"]["statements"]]
    assert read["statements"] == answer["statements"]


def test_the_rate_of_every_minute() -> None:
    """A minute at 60, one at 120, one that cannot be read, and one at 80."""
    first, second, last = (
        np.arange(0.5, 60),
        np.arange(60.25, 120, 0.5),
        np.arange(180.5, 240, 0.75),
    )
    times = np.concatenate([first, second, last])
    rr = np.diff(times, prepend=np.nan)
    rr[len(first) + len(second)] = np.nan  # beats may be missing before it
    beats = Beats.from_samples(np.round(times * 1000).astype(int), 1000.0, rr_s=rr)
    rate = rate_by_minute(beats, duration_s=240.0)
    assert rate["median"] == [60.0, 120.0, None, 80.0]
    assert rate["low"][2] is None
    assert rate["low"][3] == rate["high"][3] == 80.0


def test_two_people_of_whom_the_files_say_nothing(service: TestClient, tmp_path: Path) -> None:
    """Whose they are was said when they were kept: two people were compared as one."""
    kept = []
    for number, patient in enumerate(("4711", "5001", "4711")):
        path = planted_file(tmp_path / f"{number}.npz", {"V4": -0.01 * number})
        files = [("file", (path.name, path.read_bytes()))]
        made = service.post("/v1/recordings", params={"patient": patient}, files=files)
        kept.append(str(made.json()["recording"]))
    first, other, again = kept

    def compared(earlier: str, **more: str) -> Any:
        asked = {"earlier": earlier, **more}
        return service.get(f"/v1/recordings/{again}/comparison", params=asked)

    refused = compared(other)
    assert refused.status_code == 422 and "two persons" in refused.json()["detail"]
    assert compared(first).status_code == 200
    assert compared(other, same_person="true").status_code == 200
    for name in kept:
        assert service.delete(f"/v1/recordings/{name}").status_code == 204
