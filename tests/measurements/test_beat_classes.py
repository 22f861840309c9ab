"""Classes of beats: planted ectopy, what must not matter, and real records."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from tests.drawn_beats import drawn, rhythm

import ecgfoundry
from ecgfoundry.measurements.beat_classes import (
    BeatLabeller,
    BeatNetwork,
    beat_network,
    called_classes,
    label_beats,
    label_pieces,
    without_narrow,
)
from ecgfoundry.measurements.beat_features import BEAT_FEATURES, beat_features
from ecgfoundry.measurements.templates import cluster_pieces, cut_beats

BEATS = "NNNNNNNVNNNNNNNSNNNNNNNNNNVVNNNNNNNNNVNNNNNNNNSNNNNNNN" * 3


def planted(rate=250.0, beats=BEATS, **more):
    times = rhythm(beats)
    signal = drawn(times, beats, rate=rate, **more)
    return signal, np.rint(np.asarray(times) * rate).astype(np.int64)


@pytest.mark.parametrize(("leads", "rate"), [(1, 250.0), (2, 250.0), (1, 360.0), (2, 500.0)])
def test_planted_ectopic_beats_are_named(leads, rate):
    signal, beats = planted(rate, leads=leads)
    found = label_beats(signal, rate, beats)
    assert "".join(found.label) == BEATS
    assert (found.confidence > 0.25).all()
    assert found.usual.tolist() == [kind in "NS" for kind in BEATS]


@pytest.mark.parametrize("beats", ["N" * 60, "NV" * 30, "NNV" * 20])
def test_a_regular_rhythm_bigeminy_and_trigeminy(beats):
    signal, at = planted(beats=beats)
    assert "".join(label_beats(signal, 250.0, at).label) == beats


def test_unit_offset_and_order_of_leads_do_not_matter():
    signal, beats = planted(leads=2)
    wanted = "".join(label_beats(signal, 250.0, beats).label)
    for changed in (signal * 1000.0, signal + 5.0, signal[::-1], np.repeat(signal, 6, axis=0)):
        assert "".join(label_beats(changed, 250.0, beats).label) == wanted


def test_paced_and_missing_beats_are_q():
    signal, beats = planted()
    signal[:, beats[20] - 40 : beats[20] + 40] = np.nan
    paced = np.zeros(beats.size, bool)
    paced[30:33] = True
    found = label_beats(signal, 250.0, beats, paced=paced)
    assert np.flatnonzero(found.label == "Q").tolist() == [20, 30, 31, 32]
    assert np.isnan(found.confidence[[20, 30, 31, 32]]).all()
    # Paced beats that look like the usual ones are measured like them; missing ones are not.
    assert found.usual[[20, 30, 31, 32]].tolist() == [False, True, True, True]


def test_two_beats_are_too_few():
    signal, beats = planted()
    found = label_beats(signal[:, :600], 250.0, beats[:2])
    assert found.label.tolist() == ["Q", "Q"]
    assert label_beats(signal, 250.0, beats[:0]).label.size == 0


def test_stretches_of_a_long_recording_are_labelled_like_the_whole():
    beats = BEATS * 24  # 52 minutes: a half hour and the rest
    signal, at = planted(beats=beats)
    whole = label_beats(signal, 250.0, at)
    labeller = BeatLabeller()
    edges = np.arange(0, signal.shape[1], 60 * 250)
    for low, high in zip(edges, [*edges[1:], signal.shape[1]], strict=True):
        begin, end = max(0, low - 1000), min(high + 1000, signal.shape[1])
        inside = (at >= low) & (at < high)
        around = (at >= begin) & (at < end)
        pieces = cut_beats(signal[:, begin:end], 250.0, at[around] - begin).later(begin / 250.0)
        labeller.add(pieces.chosen(inside[around]))
    found = labeller.finish()
    assert "".join(found.label) == "".join(whole.label) == beats
    # The same shapes have the same numbers in both half hours.
    assert set(found.template[found.label == "V"]) == {1}
    assert set(found.template[found.label == "N"]) == {0}


def test_features_are_finite_and_named_once():
    assert len(set(BEAT_FEATURES)) == len(BEAT_FEATURES)
    signal, beats = planted()
    signal[:, 2000:2100] = 0.0
    pieces = cut_beats(signal, 250.0, beats)
    table = beat_features(pieces, cluster_pieces(pieces))
    assert table.shape == (beats.size, len(BEAT_FEATURES))
    assert np.isfinite(table).all()


def test_timing_features_by_hand():
    # Beats at 0, 1, 2 ... s, and one 0.4 s early: its interval is 0.6 s, the next one 1.4 s.
    beats = "N" * 30 + "V" + "N" * 30
    times = [1.0 + k for k in range(61)]
    times[30] -= 0.4
    signal = drawn(times, "N" * 61, noise=0.0)
    pieces = cut_beats(signal, 250.0, np.rint(np.asarray(times) * 250).astype(np.int64))
    table = beat_features(pieces, cluster_pieces(pieces))
    early = dict(zip(BEAT_FEATURES, table[30], strict=True))
    assert early["rr_before_near"] == pytest.approx(np.log(0.6), abs=0.01)
    assert early["rr_before_after"] == pytest.approx(np.log(0.6 / 1.4), abs=0.01)
    assert early["rr_pair_near"] == pytest.approx(0.0, abs=0.01)
    assert early["rr_rank"] == pytest.approx(0.0)
    assert early["irregularity"] == pytest.approx(0.0, abs=0.01)
    assert early["regular_share"] == pytest.approx(19 / 21)
    assert len(beats) == 61


def test_timing_against_usual_beats_by_hand():
    # A V 0.4 s early in a beat a second: the N behind it comes 2 s after the usual one before it.
    beats = "N" * 30 + "V" + "N" * 30
    times = [1.0 + k for k in range(61)]
    times[30] -= 0.4
    signal = drawn(times, beats, noise=0.0)
    pieces = cut_beats(signal, 250.0, np.rint(np.asarray(times) * 250).astype(np.int64))
    table = beat_features(pieces, cluster_pieces(pieces))
    early, behind = (dict(zip(BEAT_FEATURES, row, strict=True)) for row in table[30:32])
    # The middle of the drawn V complex lies up to 40 ms away from the annotation.
    assert early["usual_since"] == pytest.approx(np.log(0.6), abs=0.07)
    assert early["usual_until"] == pytest.approx(np.log(1.4), abs=0.03)
    assert early["usual_around"] == pytest.approx(0.0, abs=0.01)
    assert behind["usual_since"] == pytest.approx(np.log(2.0), abs=0.01)
    assert behind["usual_before"] == pytest.approx(np.log(1.4), abs=0.03)
    assert behind["usual_before_all"] == pytest.approx(np.log(1.4), abs=0.03)
    assert behind["usual_irregularity"] == pytest.approx(0.0, abs=0.01)
    assert behind["usual_regular_all"] == 1.0
    assert behind["usual_share"] == pytest.approx(60 / 61)


CLASSES = ("N", "S", "V", "F")


def rows_of(**columns):
    table = np.zeros((len(next(iter(columns.values()))), len(BEAT_FEATURES)))
    for name, values in columns.items():
        table[:, BEAT_FEATURES.index(name)] = values
    return table


def test_a_beat_of_the_form_and_width_of_the_usual_narrow_one_is_not_v():
    # Of the usual form and narrow; of another form; wider; all complexes wide, as in a tachycardia.
    table = rows_of(
        like_reference=[0.95, 0.6, 0.95, 0.99],
        width_reference=[0.1, 0.1, 0.4, 0.0],
        width=np.log([0.020, 0.020, 0.020, 0.040]),
    )
    found = without_narrow(np.tile([0.3, 0.1, 0.5, 0.1], (4, 1)), table, CLASSES)
    np.testing.assert_allclose(found[0], [0.6, 0.2, 0.0, 0.2])
    np.testing.assert_allclose(found[1:], np.tile([0.3, 0.1, 0.5, 0.1], (3, 1)))


def test_behind_a_v_a_beat_that_was_due_is_not_premature():
    probability = np.array([[0.9, 0.1, 0, 0], [0, 0, 1, 0], [0.1, 0.9, 0, 0], [0.1, 0.9, 0, 0]])
    for since, wanted in ((1.0, "NVNS"), (0.6, "NVSS")):
        table = rows_of(usual_since=np.log([1.0, 0.6, since, 1.0]))
        assert "".join(called_classes(probability, table, CLASSES, np.zeros(4))) == wanted


def test_a_network_by_hand():
    # One layer, two features: N = a + 1, S = 2 b; softmax of (1.5, 2) is (0.3775, 0.6225).
    network = BeatNetwork.from_dict(
        {
            "features": ["gain", "width"],
            "mean": [1.0, 0.0],
            "scale": [2.0, 1.0],
            "classes": ["N", "S"],
            "offset": [0.0, 0.0],
            "members": [[{"weight": [[1.0, 0.0], [0.0, 2.0]], "bias": [1.0, 0.0]}]],
        }
    )
    table = np.zeros((1, len(BEAT_FEATURES)))
    table[0, BEAT_FEATURES.index("gain")] = 2.0
    table[0, BEAT_FEATURES.index("width")] = 1.0
    np.testing.assert_allclose(network.probabilities(table), [[0.377541, 0.622459]], atol=1e-6)


def test_the_shipped_network_is_small_and_reads_what_is_measured(tmp_path):
    from importlib.resources import files

    text = (files("ecgfoundry.measurements") / "beat_classes.json").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    document = json.loads(text)
    assert document["classes"] == ["N", "S", "V", "F"]
    assert set(document["features"]) <= set(BEAT_FEATURES)
    assert beat_network().probabilities(np.zeros((3, len(BEAT_FEATURES)))).shape == (3, 4)


@pytest.mark.slow
def test_a_record_of_mitbih_that_trained_nothing(shared_data, tmp_path):
    # Record 231 of DS2 has 1,568 N, one A and two V; 113 has 1,789 N and six atrial beats.
    with zipfile.ZipFile(shared_data / "mitbih_arrhythmia.zip") as archive:
        archive.extractall(tmp_path)
    header = next(tmp_path.rglob("231.hea"))
    recording = ecgfoundry.read(header)
    beats = [m for m in recording.annotations if m.text in "NRAV"]
    at = np.array([round(m.time_s * 360) for m in beats])
    found = label_pieces(cut_beats(recording.signal, 360.0, at)).label
    wanted = np.array(["N" if m.text in "NR" else "S" if m.text == "A" else "V" for m in beats])
    assert (found == wanted).mean() > 0.99
    assert (found[wanted == "V"] == "V").all()
