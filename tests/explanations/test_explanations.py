"""Saliency stands where the network looks, nowhere else, and depends on its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.errors import SignalError, VocabularyError
from ecgfoundry.explanations import (
    beat_spans,
    explain_recording,
    integrated_gradients,
    map_agreement,
    occlude,
    time_spans,
)
from ecgfoundry.explanations.occlusion import hide
from ecgfoundry.explanations.saliency import target_score
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.recording import Recording

RATE = 250.0


@pytest.fixture(scope="module")
def recording() -> Recording:
    fixtures = Path(__file__).resolve().parents[1] / "fixtures"
    return ecgfoundry.read(fixtures / "cinc2021" / "HR06005.hea")


@pytest.fixture(scope="module")
def twelve_leads() -> Any:
    return ecgfoundry.load_model("ptbxl-superclass-12lead", threads=1)


def planted(windows: np.ndarray) -> np.ndarray:
    """A score that sees row 3 between 2.0 s and 3.0 s and nothing else."""
    return np.abs(windows[:, 3, 500:750]).mean(axis=1).astype(np.float64)


def test_occlusion_finds_the_planted_lead_and_time(random_generator) -> None:
    window = random_generator.normal(size=(12, 2500)).astype(np.float32)
    told: list[tuple[int, int]] = []
    values, whole = occlude(
        planted, window, time_spans(2500, RATE), progress=lambda *done: told.append(done)
    )
    # Spans of 0.4 s whose middles stand every 0.2 s from 0 to 10 s, in each of twelve leads.
    assert told[-1] == (51 * 12, 51 * 12) and told == sorted(told)
    assert whole == pytest.approx(planted(window[None])[0])
    assert (np.delete(values, 3, axis=0) == 0).all()
    row = values[3]
    # A sample is touched by spans that reach 0.4 s to either side at most.
    assert (row[:400] == 0).all() and (row[850:] == 0).all()
    assert (row[520:730] > 0).all()
    assert int(np.argmax(row)) in range(500, 750)


def test_occlusion_by_beat_finds_the_part_of_the_beat(recording: Recording) -> None:
    x = recording.resample(RATE).signal.astype(np.float32)
    beats = find_beats(x, RATE)
    t_waves = [slice(int(beat) + 50, int(beat) + 70) for beat in beats[:-1]]

    def score(windows: np.ndarray) -> np.ndarray:
        parts = [np.ptp(windows[:, 7, part], axis=1) for part in t_waves]
        return np.median(parts, axis=0).astype(np.float64)  # one beat alone changes nothing

    spans = beat_spans(beats, x.shape[1], RATE)
    values, _ = occlude(score, x, spans, rows=[[6], [7], [8]])
    assert (np.delete(values, 7, axis=0) == 0).all()
    strongest = (np.argmax(values[7]) - beats) / RATE
    assert np.any((strongest > 0.1) & (strongest < 0.35))
    alone, _ = occlude(score, x, time_spans(x.shape[1], RATE), rows=[[7]])
    assert np.nanmax(np.abs(alone)) < 0.5 * np.nanmax(values)


def test_hiding_makes_no_step(random_generator) -> None:
    x = np.cumsum(random_generator.normal(size=(2, 100)), axis=1).astype(np.float32)
    hidden = hide(x, [1], [(0, 10), (40, 60), (90, 100)])
    assert np.array_equal(hidden[0], x[0])
    np.testing.assert_allclose(np.diff(hidden[1, 39:61]), (x[1, 60] - x[1, 39]) / 21, atol=1e-5)
    assert (hidden[1, :10] == x[1, 10]).all() and (hidden[1, 90:] == x[1, 89]).all()
    assert np.array_equal(hidden[1, 10:40], x[1, 10:40])


@pytest.mark.parametrize("samples", [7, 99, 100, 101, 2500])
def test_spans_cover_everything(samples: int) -> None:
    covered = np.zeros(samples, int)
    for parts in time_spans(samples, RATE):
        for start, stop in parts:
            assert 0 <= start < stop <= samples
            covered[start:stop] += 1
    assert covered.min() >= 1


def test_log_odds_ignore_what_softmax_ignores() -> None:
    logits = np.array([[1.0, 2.0, 0.5], [11.0, 12.0, 10.5]])
    scores = target_score(logits, 0, exclusive=True)
    assert scores[0] == pytest.approx(scores[1])
    p = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert scores[0] == pytest.approx(np.log(p[0] / (1 - p[0])))


def test_integrated_gradients_of_a_linear_network_are_its_terms(random_generator) -> None:
    torch = pytest.importorskip("torch")

    class Flat(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(3 * 50, 2)

        def forward(self, x: Any) -> Any:
            return self.linear(x.flatten(1))

    torch.manual_seed(0)
    network = Flat()
    window = random_generator.normal(size=(3, 50)).astype(np.float32)
    told: list[tuple[int, int]] = []
    values, score = integrated_gradients(
        network, window, 1, steps=12, progress=lambda *done: told.append(done)
    )
    assert told == [(8, 12), (12, 12)]
    weight = network.linear.weight.detach().numpy()[1].reshape(3, 50)
    np.testing.assert_allclose(values, weight * window, rtol=1e-4, atol=1e-6)
    bias = float(network.linear.bias[1].detach())
    assert values.sum() == pytest.approx(score - bias, abs=1e-5)


def test_integrated_gradients_add_up_and_find_the_plant(random_generator) -> None:
    torch = pytest.importorskip("torch")

    class Planted(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.tanh(x[:, 3, 500:750].square().mean(dim=1, keepdim=True))

    window = random_generator.normal(size=(12, 1000)).astype(np.float32)
    window[5] = np.nan
    values, score = integrated_gradients(Planted(), window, 0)
    assert np.isnan(values[5]).all()
    seen = np.zeros((12, 1000), bool)
    seen[3, 500:750] = True
    assert (values[~seen & np.isfinite(values)] == 0).all()
    assert np.nansum(values) == pytest.approx(score, rel=1e-3)  # the score of zeros is zero


def test_saliency_of_a_real_model(recording: Recording, twelve_leads: Any) -> None:
    part = recording.select(("I", "II", "V2", "V5"))
    saliency = explain_recording(twelve_leads, part, "MI")
    assert saliency.values.shape == (12, part.samples)
    assert saliency.sampling_rate == part.sampling_rate and saliency.beats.size > 5
    there = {"I", "II", "III", "aVR", "aVL", "aVF", "V2", "V5"}
    for row, lead in enumerate(saliency.leads):
        assert np.isfinite(saliency.values[row]).all() == (lead in there)
    assert sum(saliency.lead_shares().values()) == pytest.approx(1)
    windows = ecgfoundry.standardize(
        part, twelve_leads.bundle.input.preprocessing, twelve_leads.bundle.input.leads
    )
    column = [target.name for target in twelve_leads.bundle.vocabulary.targets].index("MI")
    assert saliency.score == pytest.approx(twelve_leads.logits(windows)[0, column], abs=1e-4)


def test_random_weights_change_the_explanation(recording: Recording, twelve_leads: Any) -> None:
    """Adebayo et al. 2018: the control is the same network on hardly changed input."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from ecgfoundry.models.loading import load_network

    network, takes_presence = load_network(twelve_leads.bundle)
    window = ecgfoundry.standardize(
        recording, twelve_leads.bundle.input.preprocessing, twelve_leads.bundle.input.leads
    )[0]
    settings = {"takes_presence": takes_presence, "steps": 16}
    column = 4
    trained, _ = integrated_gradients(network, window, column, **settings)
    noise = np.random.default_rng(0).normal(0, 0.005, window.shape).astype(np.float32)
    again, _ = integrated_gradients(network, window + noise, column, **settings)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            flat = parameter.flatten()
            order = torch.randperm(flat.numel(), generator=generator)
            parameter.copy_(flat[order].reshape(parameter.shape))
    shuffled, _ = integrated_gradients(network, window, column, **settings)

    def signed(first: np.ndarray, second: np.ndarray) -> float:
        return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])

    assert signed(trained, again) > 0.9
    assert abs(signed(trained, shuffled)) < 0.5
    assert map_agreement(trained, again) > map_agreement(trained, shuffled) + 0.1


def test_map_agreement_against_scipy(random_generator) -> None:
    from scipy.stats import spearmanr

    first, second = random_generator.normal(size=(2, 4, 60))
    second = second + first
    expected = spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic
    assert map_agreement(first, second) == pytest.approx(expected)
    assert np.isnan(map_agreement(np.zeros((2, 2)), np.ones((2, 2))))


def test_what_cannot_be_explained_is_said(recording: Recording, twelve_leads: Any) -> None:
    with pytest.raises(VocabularyError, match=r"no target 'XYZ'.*NORM"):
        explain_recording(twelve_leads, recording, "XYZ")
    with pytest.raises(ValueError, match="unknown method"):
        explain_recording(twelve_leads, recording, "MI", method="grad-cam")
    with pytest.raises(SignalError, match="no window at 99 s"):
        explain_recording(twelve_leads, recording, "MI", start_s=99.0)
    flat = Recording.from_array(np.zeros((1, 5000)), sampling_rate=500, leads=("I",), unit="mV")
    with pytest.raises(SignalError, match="no window can be read"):
        explain_recording(twelve_leads, flat, "MI")
