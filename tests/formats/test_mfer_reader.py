"""MFER: files laid out byte by byte from ISO 22077-1; no licensed real file was found."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from tests.formats.layouts import ecg_like, mfer_file

from ecgfoundry.errors import FormatError
from ecgfoundry.formats import inspect, read
from ecgfoundry.recording import Subject

pytest.importorskip("ecgdatakit", reason="the decoder 'ecgdatakit' is not installed")


@pytest.mark.parametrize("little", [True, False])
def test_leads_units_and_rate(tmp_path: Path, little: bool) -> None:
    x = ecg_like(3, 500, 250)
    x[1, 100:110] = -32768
    path = mfer_file(
        tmp_path / "x.mwf", x, codes=(1, 64, 8), rate=250, nanovolts=1250, little=little,
        null=-32768,
    )  # fmt: skip
    recording = read(path)
    assert recording.leads == inspect(path).leads == ("I", "aVF", "V6")
    assert recording.sampling_rate == 250
    expected = x * 0.00125
    expected[1, 100:110] = np.nan
    np.testing.assert_allclose(recording.signal, expected, rtol=1e-6)
    assert recording.subject == Subject(61.0, "female", "P9", dt.date(1963, 1, 2))
    assert recording.start_time == dt.datetime(2024, 5, 6, 7, 8, 9, 500_000)
    assert recording.device["manufacturer"] == "Maker"


def test_a_cut_length_is_typed(tmp_path: Path) -> None:
    path = mfer_file(tmp_path / "x.mwf", ecg_like(2, 300, 250), codes=(1, 2), rate=250)
    path.write_bytes(path.read_bytes()[:-700])
    with pytest.raises(FormatError, match="remain"):
        read(path)
