"""Clusters of beats of one shape."""

from __future__ import annotations

import numpy as np
import pytest
from tests.drawn_beats import drawn, rhythm

from ecgfoundry.measurements.templates import BeatPieces, cluster_beats, cut_beats

BEATS = "NNNNNNVNNNNNVNNNNNN" * 6  # 102 N, 12 V


def planted(rate=250.0, **more):
    times = rhythm(BEATS)
    signal = drawn(times, BEATS, rate=rate, **more)
    return signal, np.rint(np.asarray(times) * rate).astype(np.int64)


@pytest.mark.parametrize("leads", [1, 2])
@pytest.mark.parametrize("rate", [100.0, 250.0, 360.0, 1000.0])
def test_two_shapes_are_two_templates(leads, rate):
    signal, beats = planted(rate, leads=leads)
    templates = cluster_beats(signal, rate, beats)
    assert templates.sizes.tolist() == [102, 12]
    assert "".join("NV"[k] for k in templates.number) == BEATS
    assert templates.reference == 0


def test_the_unit_and_an_offset_do_not_matter():
    signal, beats = planted()
    one = cluster_beats(signal, 250.0, beats)
    other = cluster_beats(signal * 1000.0 + 7.0e4, 250.0, beats)
    assert one.number.tolist() == other.number.tolist()
    np.testing.assert_allclose(one.likeness, other.likeness, atol=1e-3)


def test_beats_that_were_marked_beside_the_peak_are_of_one_shape():
    signal, beats = planted()
    beside = beats + np.resize([-5, 0, 5, 3], beats.size)  # up to 20 ms
    assert cluster_beats(signal, 250.0, beside).sizes.tolist() == [102, 12]


def test_a_lead_of_noise_does_not_tear_the_clusters_apart():
    signal, beats = planted()
    noise = np.random.default_rng(5).normal(0.0, 1.0, signal.shape)
    templates = cluster_beats(np.vstack([signal, noise]), 250.0, beats)
    assert "".join("NV"[k] for k in templates.number[:19]) == BEATS[:19]


def test_in_bigeminy_the_late_beats_are_the_usual_ones():
    beats = "NV" * 40 + "V" * 3  # more V than N
    times = rhythm(beats)
    signal = drawn(times, beats)
    at = np.rint(np.asarray(times) * 250).astype(np.int64)
    templates = cluster_beats(signal, 250.0, at)
    assert templates.sizes.tolist() == [43, 40]
    assert templates.reference == 1


def test_the_middle_of_a_broad_complex_is_behind_its_peak():
    # R 0.034 s wide at 0, S 0.030 s wide and 0.4 as high at 85 ms: the centre of the squared slope
    # lies between them, at 26 ms by numerical integration of the two Gaussians (tapered: 20 to 30).
    times = [1.0 + k for k in range(10)]
    signal = drawn(times, "V" * 10, noise=0.0)
    pieces = cut_beats(signal, 250.0, np.rint(np.asarray(times) * 250).astype(np.int64))
    late = pieces.centre_s - np.asarray(times)
    assert (late > 0.005).all()
    assert (late < 0.045).all()
    assert np.ptp(late) < 0.002


def test_missing_beats_are_of_no_template():
    signal, beats = planted()
    signal[:, beats[3] - 60 : beats[5] + 60] = np.nan
    templates = cluster_beats(signal, 250.0, beats)
    assert (templates.number[3:6] == -1).all()
    assert (np.delete(templates.number, [3, 4, 5]) >= 0).all()


def test_no_beats_and_no_readable_lead():
    assert cluster_beats(np.zeros((2, 1000)), 250.0, np.array([100, 500])).reference == -1
    signal, _ = planted()
    assert cluster_beats(signal, 250.0, np.empty(0, np.int64)).number.size == 0


def test_stretches_are_joined_at_their_times():
    signal, beats = planted()
    whole = cut_beats(signal, 250.0, beats)
    half = int(beats[57]) - 100
    first = cut_beats(signal[:, :half], 250.0, beats[:57])
    second = cut_beats(signal[:, half:], 250.0, beats[57:] - half).later(half / 250.0)
    joined = BeatPieces.joined([first, second])
    np.testing.assert_allclose(joined.centre_s, whole.centre_s, atol=0.002)
    assert joined.values.shape == whole.values.shape


@pytest.mark.parametrize(("shape", "rate"), [((1000,), 250.0), ((1, 1000), 40.0)])
def test_what_cannot_be_cut_is_refused(shape, rate):
    with pytest.raises(ValueError, match=r"dimensions|50 Hz"):
        cut_beats(np.zeros(shape), rate, np.array([100]))
