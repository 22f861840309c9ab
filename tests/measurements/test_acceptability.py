"""The second opinion on quality: trees that are data, of clean and of spoiled leads."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from ecgfoundry.formats.files import read
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.acceptability import quality_model
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.measurements.quality_features import LEAD_FEATURES, lead_features
from ecgfoundry.measurements.trees import Trees
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.samples import sample_path
from ecgfoundry.signals.quality import LeadQuality

GOOD = LeadQuality(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)


def test_a_tree_goes_left_at_the_threshold_and_sums_its_leaves() -> None:
    tree = Trees(
        feature=np.array([[0, 1, 1]]),
        threshold=np.array([[0.5, 2.0, 3.0]]),
        leaf=np.array([[1.0, 2.0, 4.0, 8.0]]),
        start=0.25,
        scale=2.0,
        offset=-1.0,
    )
    rows = np.array([[0.5, 2.0], [0.5, 2.5], [0.75, 3.0], [0.75, 3.5]])
    # 2 (0.25 + leaf) - 1, by hand.
    assert tree.logits(rows).tolist() == [1.5, 3.5, 7.5, 15.5]


def test_the_level_and_the_wander_of_sine_waves_are_measured_in_millivolt() -> None:
    time = np.arange(5000) / 500.0
    wave = np.sin(2 * np.pi * 10.0 * time) + 0.5 * np.sin(2 * np.pi * 0.3 * time)
    (found,) = lead_features(wave[np.newaxis], 500.0, [GOOD], None)
    value = dict(zip(LEAD_FEATURES, found.tolist(), strict=True))
    # A sine wave of amplitude a has the standard deviation a / sqrt 2.
    assert 10 ** value["level"] == pytest.approx(0.7071, rel=0.02)
    assert 10 ** value["below_0_7_hz"] == pytest.approx(0.3536, rel=0.05)
    assert value["snr_db"] == -20.0


def test_the_model_of_the_installation_is_for_these_features() -> None:
    text = (files("ecgfoundry.measurements") / "signal_quality.json").read_text(encoding="utf-8")
    document = json.loads(text)
    assert document["name"] == "signal-quality"
    model = quality_model()
    assert model.window.leaf.shape == (150, 8)
    assert model.lead.leaf.shape == (80, 8)


def test_a_sample_is_acceptable_and_its_spoiled_lead_is_not() -> None:
    recording = read(sample_path("12-lead"))
    signal = recording.signal[:, :5000].copy()
    clean = judge_window(signal, 500.0, recording.leads)
    assert clean.acceptable is not None
    assert clean.acceptable > 0.8
    noise = 3.0 * np.random.default_rng(1).standard_normal(5000)
    signal[recording.leads.index("V5")] += noise
    spoiled = judge_window(signal, 500.0, recording.leads)
    worst = min(spoiled.leads, key=lambda lead: spoiled.leads[lead].acceptable or 0.0)
    assert worst == "V5"
    assert (spoiled.leads["V5"].acceptable or 0.0) < 0.2
    assert (spoiled.acceptable or 0.0) < clean.acceptable


def test_a_refused_window_has_no_opinion() -> None:
    quality = judge_window(np.zeros((1, 3000)), 300.0, ["I"])
    assert quality.refusal is not None
    assert quality.acceptable is None
    assert replace(GOOD).acceptable is None


@pytest.mark.slow
def test_real_records_of_cinc_2011_are_ranked(shared_data) -> None:
    """The model learned from these records: this shows that the way through the gate is whole."""
    with np.load(shared_data / "cinc2011_quality.npz") as stored:
        chosen = np.arange(0, 448, 4)
        signal = np.cumsum(stored["delta"][chosen], axis=2, dtype=np.int16) / 200.0
        label = stored["acceptable"][chosen].astype(int)
    found = [judge_window(one, 500.0, STANDARD_12_LEADS).acceptable or 0.0 for one in signal]
    assert auroc(label, np.array(found)) > 0.95
