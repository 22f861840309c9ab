"""A live stream whose device begins anew: nothing of before stands beside what comes now."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient
from tests.service.waiting import LONGEST_S

import ecgfoundry
from ecgfoundry.inference.live.frames import decode_frame, encode_frame
from ecgfoundry.samples import sample_path

OPENING = {"leads": ["I"], "sampling_rate": 300, "unit": "mV", "model": "rhythm-single-lead"}


def test_who_watches_is_told_before_the_first_frame(service: TestClient) -> None:
    ecg = ecgfoundry.read(sample_path("single-lead")).signal
    with service.websocket_connect("/v1/stream") as device:
        device.send_json(OPENING)
        stream = device.receive_json()["stream"]
        device.send_bytes(encode_frame(ecg[:, :1200], start=0))
        assert [device.receive_json()["time_s"] for _ in range(2)] == [3, 4]
        with service.websocket_connect(f"/v1/streams/{stream}/watch") as viewer:
            viewer.send_json({})
            assert [viewer.receive_json()["type"] for _ in range(2)] == ["opened", "answer"]
            device.send_bytes(encode_frame(ecg[:, 4000:4600], start=0))  # it was switched on anew
            told = device.receive_json()
            assert told["type"] == "restarted" and "begins anew" in told["reason"]
            assert viewer.receive_json() == told
            frame = decode_frame(viewer.receive_bytes(), millivolts=1.0)
            assert frame.start == 0
            np.testing.assert_array_equal(frame.signal, ecg[:, 4000:4600])
        with service.websocket_connect(f"/v1/streams/{stream}/watch") as late:
            late.send_json({})
            assert late.receive_json()["type"] == "opened"
            device.send_bytes(encode_frame(ecg[:, 4600:5200], start=600))
            assert late.receive_bytes(), "no answer of before comes first"
        device.send_json({"type": "end"})


@pytest.mark.slow
def test_the_page_shows_the_ecg_of_now(page: Any, address: str) -> None:
    """Numbers that went back were drawn nowhere: the ECG of before stood beside new answers."""
    connect = pytest.importorskip("websockets.sync.client").connect
    ecg = ecgfoundry.read(sample_path("single-lead")).signal
    drawn = "document.querySelector('#live-paper').toDataURL()"
    target = f"{address.replace('http', 'ws')}/v1/stream"
    with connect(target, open_timeout=LONGEST_S) as device:
        device.send(json.dumps(OPENING))
        page.click("nav a[data-view=live]")
        page.locator("#live-list button").wait_for()
        page.wait_for_function(f"() => !document.querySelector('#live-paper').hidden && {drawn}")
        empty = page.evaluate(f"() => {drawn}")
        device.send(encode_frame(ecg[:, :3000], start=90_000))
        page.locator("#live-table table").wait_for()
        page.wait_for_function(f"(before) => {drawn} !== before", arg=empty)
        first = page.evaluate(f"() => {drawn}")
        device.send(encode_frame(ecg[:, 5000:5600], start=0))
        page.wait_for_function(f"(before) => {drawn} !== before", arg=first)
        page.locator("#live-table:not(:has(table))").wait_for(state="attached")
        device.send(json.dumps({"type": "end"}))
