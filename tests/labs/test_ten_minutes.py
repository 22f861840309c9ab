"""Ten minutes of ECG and pulse: which seconds are read, what is planted in the pulse is found."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("polars")
pytest.importorskip("sklearn")
pytest.importorskip("wfdb")

import wfdb

from ecgfoundry.datasets.mc_med import open_mc_med
from ecgfoundry.errors import TrainingError
from ecgfoundry.labs.settings import TenMinuteSettings
from ecgfoundry.labs.ten_minutes import ARMS, Arm, ten_minutes
from ecgfoundry.labs.ten_minutes_data import common_spans, span_windows
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med

MODEL = "rhythm-single-lead-edge"
SIGNALS = (("ecg",), ("ppg",), ("ecg", "ppg"))
NUMBERS = ("embeddings", "features")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = SyntheticOptions(
        visits=12, minutes=0.7, seed=4, pulse_share=0.6, oracle_draws=0, interruptions=False
    )
    return write_synthetic_mc_med(tmp_path_factory.mktemp("ten") / "data", options)


def test_both_signals_are_cut_at_the_same_clock(small: Path) -> None:
    """Against wfdb: sample 0 of both at the later of the two starts, then every ten seconds."""
    data = open_mc_med(small, labs=False)
    spans, left_out = common_spans(data.folder, data.waveforms, windows=3)
    pulses = {path.stem.partition("_")[0] for path in small.rglob("Pleth/*.hea")}
    assert {span.visit for span in spans} == pulses and 3 < len(pulses) < 12
    assert left_out == {"no pulse": 12 - len(pulses)}
    epoch = dt.datetime(1970, 1, 1)
    for span in spans:
        for signal, rate in (("ecg", 500), ("ppg", 125)):
            path = small / span.waveforms[signal].path
            record = wfdb.rdrecord(str(path.with_suffix("")))
            start = (span.start_us - (record.base_datetime - epoch).total_seconds() * 1e6) / 1e6
            first = round(start * rate)
            windows = span_windows(data.folder, span, signal)
            assert windows.shape == (3, 10 * rate)
            wanted = record.p_signal[first : first + 30 * rate, 0].reshape(3, -1)
            np.testing.assert_allclose(windows, wanted, atol=1e-6)
        later = max(w.start_us or 0 for w in span.waveforms.values())
        assert span.start_us == later


def test_a_visit_without_enough_of_both_is_left_out_and_counted(small: Path) -> None:
    data = open_mc_med(small, labs=False)
    spans, left_out = common_spans(data.folder, data.waveforms, windows=5)
    assert spans == [] and sum(left_out.values()) == 12
    with pytest.raises(TrainingError, match="shorter than 60") as refused:
        ten_minutes(small, small.parent / "none", model=MODEL)
    assert "--windows" in str(refused.value)


def test_networks_that_cannot_read_one_signal_are_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="reads 12 leads"):
        ten_minutes(small, tmp_path, model=MODEL, pulse_model="ptbxl-superclass-12lead")


def test_what_was_computed_of_a_visit_is_kept_until_its_signal_changes(
    small: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(small, data)

    def kept() -> dict[str, int]:
        with pytest.raises(TrainingError, match="no indicator has enough patients"):
            ten_minutes(data, tmp_path / "o", model=MODEL, settings=TenMinuteSettings.of(windows=1))
        return {p.name: p.stat().st_mtime_ns for p in (tmp_path / "o" / "visits").iterdir()}

    first = kept()
    assert len(first) > 3 and kept() == first
    pulse = sorted(data.rglob("Pleth/*.dat"))[0]
    pulse.write_bytes(pulse.read_bytes()[::-1])
    (changed,) = set(kept()) - set(first)
    assert changed.startswith(pulse.stem.partition("_")[0])


def test_arms_are_compared_with_the_ecg_alone_and_with_features_alone() -> None:
    both = Arm(("ecg", "ppg"), ("embeddings", "features"))
    assert [arm.name for arm in both.over] == ["ecg, embeddings + features", "ecg + ppg, features"]
    assert Arm(("ppg",), ("features",)).over == () and Arm().name == "age and sex"
    assert len(ARMS) == len(set(ARMS)) == 10


@pytest.mark.slow
def test_what_is_planted_in_the_pulse_is_found_by_the_pulse_only(tmp_path: Path) -> None:
    """Bicarbonate shapes the reflected wave and nothing else; sodium shapes nothing."""
    options = SyntheticOptions(
        visits=240, minutes=0.2, seed=5, shares=(0.5, 0.1, 0.4), pulse_share=1.0, oracle_draws=0,
        interruptions=False, frequent_share=0.4,
    )  # fmt: skip
    data = write_synthetic_mc_med(tmp_path / "data", options)
    settings = TenMinuteSettings.of(windows=1, window_minutes=None, values=False)
    targets = ("bicarbonate low", "sodium low")

    found = ten_minutes(data, tmp_path / "o", model=MODEL, targets=targets, settings=settings)
    assert found.synthetic and found.visits["test"] > 80
    for numbers in NUMBERS:
        ecg, ppg, both = (found.row("bicarbonate low", Arm(s, (numbers,))) for s in SIGNALS)
        assert ppg.found.value > 0.8 and both.found.value > 0.75
        assert (ecg.band, ppg.band, both.band) == ("limited", "strong", "strong")
        (gain,) = both.gains
        assert gain.over == f"ecg, {numbers}" and gain.low > 0.1 and gain.q < 0.01
        for signals in SIGNALS:
            nothing = found.row("sodium low", Arm(signals, (numbers,)))
            assert nothing.band == "limited" and all(own.low < 0.0 for own in nothing.gains)
    # Chronological: the test patients are those of the official file, and nobody else is measured.
    test = set((data / "split_chrono_test.csv").read_text().split())
    with (data / "visits.csv").open(newline="") as stream:
        assert len(test & {row["CSN"] for row in csv.DictReader(stream)}) >= found.visits["test"]
    document = json.loads((tmp_path / "o" / "ten-minutes.json").read_text())
    assert document["synthetic"] and document["settings"]["results"]["split"] == "chrono"
    assert (tmp_path / "o" / "table.md").read_text().startswith("SYNTHETIC")
