"""Laboratory estimates through the service: one recording, long ones, live; synthetic models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.bundles import make_bundle

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.service.conftest import LocalClient
from tests.service.waiting import finished

import ecgfoundry
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.labs.estimates import estimate_laboratory
from ecgfoundry.recording import Recording
from ecgfoundry.service.api import create_app
from ecgfoundry.service.settings import ServiceSettings

TARGETS = (
    {"name": "potassium high", "kind": "laboratory indicator", "codes": {"LOINC": "2823-3"}},
    {"name": "lactate high", "kind": "laboratory indicator", "codes": {"LOINC": "2524-7"}},
)
SYNTHETIC = {"name": "simulated", "licence": "Apache-2.0", "records": 1, "synthetic": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle for lead I that says it was trained on simulated patients."""
    provenance = {"training_data": [SYNTHETIC], "code": "tests", "created": "2026-01-01"}
    return make_bundle(
        tmp_path_factory.mktemp("bundles") / "tiny-laboratory",
        np.array([[1.0, -0.5]]),
        name="tiny-laboratory",
        lead_mode="any-single",
        leads=("I",),
        targets=TARGETS,
        provenance=provenance,
    )


@pytest.fixture(scope="module")
def laboratory(model: Path) -> Iterator[TestClient]:
    settings = ServiceSettings(workers=1, models=(str(model),), synthetic_ok=True)
    with LocalClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Ninety seconds of beats at 250 Hz."""
    time_s = np.arange(250 * 90) / 250
    beats = np.exp(-(((time_s % 0.8 - 0.3) / 0.02) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.02, len(time_s))
    return Recording.from_array(
        (beats + noise).astype(np.float32), sampling_rate=250, leads=("I",), unit="mV"
    )


def body(recording: Recording, seconds: float) -> dict[str, Any]:
    signal = recording.signal[:, : round(seconds * recording.sampling_rate)]
    rows = [[round(float(v), 5) for v in row] for row in signal]
    return {"signal": rows, "sampling_rate": 250, "leads": ["I"], "unit": "mV"}


def test_estimates_are_those_of_the_library_and_say_synthetic(
    laboratory: TestClient, model: Path, recording: Recording
) -> None:
    answer = laboratory.post("/v1/labs", json=body(recording, 30)).json()
    short = recording.window(0, 30)
    wanted = estimate_laboratory(
        ecgfoundry.load_model(model), short, short, synthetic_ok=True
    ).to_dict()
    assert answer["trained_on_synthetic_data"] is True
    assert answer["caveats"][0].startswith("SYNTHETIC")
    assert "synthetic-model" in [warning["code"] for warning in answer["warnings"]]
    for given, own in zip(answer["estimates"], wanted["estimates"], strict=True):
        assert given["name"] == own["name"]
        assert given["probability"] == pytest.approx(own["probability"], abs=1e-4)
    assert "trend" not in answer
    listed = {entry["name"]: entry for entry in laboratory.get("/v1/models").json()["models"]}
    assert listed["tiny-laboratory"]["kinds"] == ["laboratory indicator"]


def test_a_long_recording_has_estimates_and_a_trend(
    laboratory: TestClient, recording: Recording
) -> None:
    sent = {"json": body(recording, 90)}
    answer = laboratory.post("/v1/labs", params={"trend": True}, **sent).json()
    assert answer["windows"] == 9
    assert [point["time_s"] for point in answer["trend"]["points"]] == list(range(10, 91, 10))
    last = answer["trend"]["points"][-1]["estimates"][0]
    assert last["low"] < last["estimate"] < last["high"]
    assert last["estimate"] == pytest.approx(answer["estimates"][0]["probability"], abs=1e-4)
    assert answer["trend"]["caveats"][0].startswith("SYNTHETIC")
    fhir = laboratory.post("/v1/labs", params={"format": "fhir"}, **sent).json()
    observations = [e["resource"] for e in fhir["entry"] if "valueQuantity" in str(e)]
    assert "2823-3" in json.dumps(observations)
    assert "simulated patients" in json.dumps(fhir)


def test_jobs_estimate_too(laboratory: TestClient, recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, signal=recording.signal, leads=np.array(["I"]), sampling_rate=250.0, unit="mV")
    for kind, field in (("labs", "estimates"), ("embed", "windows"), ("read", "leads")):
        files = [("file", ("x.npz", path.read_bytes()))]
        started = laboratory.post("/v1/jobs", params={"kind": kind}, files=files)
        address = started.headers["location"]
        state = finished(laboratory, address)
        assert (state["kind"], state["progress"], state["failed"]) == (kind, 1.0, 0)
        (line,) = laboratory.get(state["results"]).text.splitlines()
        assert json.loads(line)[field]


def test_a_live_stream_has_trends_with_intervals(
    laboratory: TestClient, recording: Recording
) -> None:
    opening = {"leads": ["I"], "sampling_rate": 250, "unit": "mV"}
    with laboratory.websocket_connect("/v1/stream") as device:
        device.send_json(opening)
        opened = device.receive_json()
        assert opened["laboratory"]["model"] == "tiny-laboratory"
        assert opened["laboratory"]["trained_on_synthetic_data"] is True
        for start in range(0, 250 * 60, 250):
            device.send_bytes(encode_frame(recording.signal[:, start : start + 250], start=start))
        trends = []
        while len(trends) < 6:
            message = device.receive_json()
            if message["type"] == "laboratory":
                trends.append(message)
        assert [trend["time_s"] for trend in trends] == [10, 20, 30, 40, 50, 60]
        assert all(trend["caveats"][0].startswith("SYNTHETIC") for trend in trends)
        assert "low" not in trends[1]["estimates"][0]
        last = trends[-1]["estimates"][0]
        assert last["low"] < last["estimate"] < last["high"]
        with laboratory.websocket_connect(f"/v1/streams/{opened['stream']}/watch") as viewer:
            viewer.send_json({})
            kinds = {}
            while "laboratory" not in kinds:
                message = viewer.receive_json()
                kinds[message["type"]] = message
            assert [p["time_s"] for p in kinds["laboratory"]["history"]] == [10, 20, 30, 40, 50]
    sent = laboratory.post("/v1/labs", json=body(recording, 60)).json()["estimates"][0]
    assert last["estimate"] == pytest.approx(sent["probability"], abs=1e-4)


def test_a_lead_that_was_not_learned_from_gives_no_estimates_unasked(
    laboratory: TestClient, recording: Recording
) -> None:
    """A model of lead I estimated a laboratory value of any lead that came, and did not say so."""
    opening = {"leads": ["V5"], "sampling_rate": 250, "unit": "mV"}
    with laboratory.websocket_connect("/v1/stream") as device:
        device.send_json(opening)
        assert device.receive_json()["laboratory"] is None
        device.send_bytes(encode_frame(recording.signal[:, :1000], start=0))
        answer = device.receive_json()
        (foreign,) = (n for n in answer["warnings"] if n["code"] == "lead-not-trained-on")
        assert foreign["leads"] == ["V5"]
    with laboratory.websocket_connect("/v1/stream") as device:
        device.send_json(opening | {"laboratory": "tiny-laboratory"})
        about = device.receive_json()["laboratory"]
        assert about["leads_used"] == ["V5"]
        assert about["caveats"][-1] == "lead V5 is read; the model was trained on I"


def test_a_device_can_do_without(laboratory: TestClient) -> None:
    opening = {"leads": ["I"], "sampling_rate": 250, "unit": "mV", "laboratory": False}
    with laboratory.websocket_connect("/v1/stream") as device:
        device.send_json(opening)
        assert device.receive_json()["laboratory"] is None


def test_a_model_of_synthetic_data_is_refused_unless_allowed(model: Path) -> None:
    app = create_app(ServiceSettings(workers=1, models=(str(model),)))
    with LocalClient(app) as client:
        for path, query in (
            ("/v1/labs", {}),
            ("/v1/labs", {"model": "tiny-laboratory"}),
            ("/v1/diagnose", {"model": "tiny-laboratory"}),
            ("/v1/embed", {"model": "tiny-laboratory"}),
        ):
            time_s = np.arange(2500) / 250
            rows = [[float(np.exp(-(((t % 0.8 - 0.3) / 0.02) ** 2))) for t in time_s]]
            sent = {"signal": rows, "sampling_rate": 250, "leads": ["I"], "unit": "mV"}
            response = client.post(path, params=query, json=sent)
            assert (response.status_code, response.json()["code"]) == (409, "synthetic-model")
        for wanted in ({"laboratory": "tiny-laboratory"}, {"model": "tiny-laboratory"}):
            with client.websocket_connect("/v1/stream") as device:
                device.send_json({"leads": ["I"], "sampling_rate": 250, "unit": "mV"} | wanted)
                assert device.receive_json()["code"] == "synthetic-model"
                with pytest.raises(WebSocketDisconnect):
                    device.receive_json()
        with client.websocket_connect("/v1/stream") as device:  # nobody asked for it
            device.send_json({"leads": ["I"], "sampling_rate": 250, "unit": "mV"})
            assert device.receive_json()["laboratory"] is None
