"""How often, how strongly and where each augmentation acts, by default and in a plan.

Counts are held to the limits that a binomial count leaves in one of a million cases, so that
another version of the generator does not fail them: of 4,000 at p = 0.5 1,845 to 2,155, at 0.3
1,060 to 1,343, at 0.2 679 to 926.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.errors import TrainingError
from ecgfoundry.training.data import augmentation as a
from ecgfoundry.training.data.augmentations import AUGMENTATIONS, Compose

HALF, THIRD, FIFTH = (1845, 2155), (1060, 1343), (679, 926)


def unit(records: int, samples: int, *, leads: int = 1) -> np.ndarray:
    """Plus and minus 1 in turn: mean 0, standard deviation 1, nothing below the Nyquist rate."""
    one = np.where(np.arange(samples) % 2, -1.0, 1.0).astype(np.float32)
    return np.broadcast_to(one, (records, leads, samples)).copy()


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=(1, 2))


# --- how often ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "limits"),
    [
        (a.flip_sign, HALF),
        (a.add_noise, HALF),
        (lambda x, g: a.add_baseline_wander(x, g, sampling_rate=100.0), THIRD),
        (lambda x, g: a.add_bursts(x, g, duration=(5, 10)), FIFTH),
        (lambda x, g: a.cut_out(x, g, duration=(5, 10)), THIRD),
        (lambda x, g: a.add_mains(x, g, sampling_rate=333.0), FIFTH),
        (lambda x, g: a.replace_lead(x[:, 0], x[:, 1], g)[:, None], HALF),
    ],
)
def test_share_of_the_recordings_that_are_changed(change: object, limits: tuple[int, int]) -> None:
    batch = unit(4000, 40, leads=2)
    batch[:, 1] *= 2
    after = change(batch, generator())
    count = int(changed(batch[:, : after.shape[1]], after).sum())
    assert limits[0] <= count <= limits[1]


def test_share_of_the_leads_that_are_dropped() -> None:
    # One lead of each recording is safe: of twelve, 0.1 * 11 / 12 are lost. 120,000 leads.
    batch = np.ones((10_000, 12, 2), np.float32)
    lost = (a.drop_leads(batch, generator()) == 0).all(axis=2)
    assert lost.mean() == pytest.approx(0.091667, abs=0.0042)
    assert lost.any(axis=0).all()
    alone = np.ones((50, 1, 2), np.float32)
    assert (a.drop_leads(alone, generator(), probability=1.0) == 1).all()


def test_flipping_is_a_change_of_sign() -> None:
    batch = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    np.testing.assert_array_equal(a.flip_sign(batch, generator(), probability=1.0), -batch)


# --- how strongly -------------------------------------------------------------------------------


def test_amplitudes_are_log_normal_lead_by_lead() -> None:
    batch = np.full((10_000, 2, 3), 3.0, np.float32)
    after = a.scale_amplitude(batch, generator())
    factors = np.log(after / 3.0)
    assert (np.ptp(factors, axis=2) < 1e-6).all()
    # 20,000 draws: the deviation 0.2 is known to 0.001, the mean to 0.0014.
    assert factors[:, :, 0].std() == pytest.approx(0.2, abs=0.005)
    assert factors[:, :, 0].mean() == pytest.approx(0.0, abs=0.007)
    assert abs(np.corrcoef(factors[:, 0, 0], factors[:, 1, 0])[0, 1]) < 0.05


def level_db(added: np.ndarray) -> np.ndarray:
    return 20 * np.log10(added.std(axis=-1))


def test_noise_is_at_most_14_db_below_the_lead() -> None:
    batch = 3.0 * unit(600, 2000, leads=2)
    batch[:, 1] *= 2
    after = a.add_noise(batch, generator(), probability=1.0)
    level = level_db((after - batch) / batch.std(axis=2, keepdims=True))
    # Strength uniform on 0 to 0.2 deviations: 20 lg 0.2 = -13.98 dB, half of them under -20 dB.
    assert -14.3 < level.max() < -13.6
    assert np.median(level) == pytest.approx(-20.0, abs=1.0)
    # One strength for all leads of a recording, each in units of its own deviation.
    assert np.abs(level[:, 0] - level[:, 1]).max() < 0.7
    share = np.exp(level[:, 0] / 20 * np.log(10))
    assert share.mean() == pytest.approx(0.1, abs=0.012)


def test_noise_is_white_and_normal() -> None:
    batch = unit(1, 200_000)
    noise = (a.add_noise(batch, generator(2), probability=1.0, largest=1.0) - batch)[0, 0]
    z = noise / noise.std()
    assert abs(np.mean(z[1:] * z[:-1])) < 0.02
    assert np.mean(z**4) == pytest.approx(3.0, abs=0.1)
    assert abs(z.mean()) < 0.02


def test_wander_is_a_sine_of_stated_frequency_and_amplitude() -> None:
    rate, samples = 10.0, 4000
    batch = unit(300, samples) * 2.0  # deviation 2
    after = a.add_baseline_wander(batch, generator(), sampling_rate=rate, probability=1.0)
    wave = (after - batch)[:, 0]
    window = np.hanning(samples)
    spectrum = np.abs(np.fft.rfft(wave * window, 8 * samples, axis=1))
    at = np.fft.rfftfreq(8 * samples, 1 / rate)[spectrum.argmax(axis=1)]
    assert 0.15 - 0.002 < at.min() < 0.165
    assert 0.685 < at.max() < 0.70 + 0.002
    assert at.mean() == pytest.approx(0.425, abs=0.04)
    # Amplitude uniform on 0 to 0.5 deviations: at most 1.0 here. RMS of a sine: 1 / sqrt(2).
    amplitude = wave.std(axis=1) * 2**0.5 / 2.0
    assert 0.48 < amplitude.max() < 0.505
    assert amplitude.mean() == pytest.approx(0.25, abs=0.035)
    # Any phase: the first sample falls on either side, rising and falling.
    begin, slope = wave[:, 0], wave[:, 1] - wave[:, 0]
    for sign in (1, -1):
        for direction in (1, -1):
            assert ((sign * begin > 0) & (direction * slope > 0)).sum() > 40


def test_band_noise_lies_in_5_to_40_hz_at_the_stated_ratio() -> None:
    batch = unit(300, 2000, leads=2)
    batch[:, 1] *= 3
    after = a.add_band_noise(
        batch, generator(), sampling_rate=200.0, probability=1.0, partial=0.0
    )  # fmt: skip
    noise = (after - batch) / batch.std(axis=2, keepdims=True)
    power = (np.abs(np.fft.rfft(noise, axis=2)) ** 2).mean(axis=(0, 1))
    hz = np.fft.rfftfreq(2000, 1 / 200)
    inside = (hz >= 5) & (hz <= 40)
    assert power[~inside].max() < 1e-6 * power[inside].mean()
    # Uniform from 0 to 20 dB below the lead; both leads alike.
    level = -20 * np.log10(noise.std(axis=2))
    np.testing.assert_allclose(level[:, 0], level[:, 1], atol=0.01)
    assert -0.01 < level.min() < 0.5 and 19.5 < level.max() < 20.01
    assert level.mean() == pytest.approx(10.0, abs=1.7)  # 20 / sqrt 12 / sqrt 300, five times
    # From white to 1/f: at 40 Hz 1/8 of the power at 5 Hz at the most.
    ends = [power[(hz >= f - 1) & (hz <= f + 1) & inside].mean() for f in (6, 39)]
    assert 1 / 7 < ends[1] / ends[0] < 1


def test_band_noise_of_half_the_recordings_covers_a_piece() -> None:
    batch = unit(400, 1000)
    after = a.add_band_noise(batch, generator(), sampling_rate=200.0, probability=0.5)
    different = (after != batch)[:, 0]
    noisy = different.any(axis=1)
    assert 151 <= int(noisy.sum()) <= 249  # binomial(400, 0.5), one in a million
    length = different[noisy].sum(axis=1)
    share = (length < 990).mean()
    assert 0.3 < share < 0.67  # half, and of the pieces a few are nearly whole
    assert length.min() >= 195  # a fifth, less a few samples that stay equal


def test_half_of_the_noise_covers_one_piece() -> None:
    """A piece of a fifth up to the whole: one in eighty of them is as good as whole."""
    batch = unit(4000, 200)
    after = a.add_band_noise(batch, generator(), sampling_rate=100.0, probability=1.0)
    share = ((after != batch)[:, 0].sum(axis=1) < 198).mean()
    assert share == pytest.approx(0.494, abs=0.039)  # five standard errors


def test_mains_is_50_or_60_hz_of_stated_amplitude_and_one_phase() -> None:
    batch = unit(400, 500, leads=2)
    batch[:, 1] *= 3
    after = a.add_mains(batch, generator(), sampling_rate=500.0, probability=1.0)
    hum = (after - batch) / batch.std(axis=2, keepdims=True)
    np.testing.assert_allclose(hum[:, 0], hum[:, 1], atol=1e-5)
    at = np.abs(np.fft.rfft(hum[:, 0], axis=1)).argmax(axis=1)  # 1 Hz a bin
    assert set(at.tolist()) == {50, 60}
    assert 151 <= int((at == 50).sum()) <= 249  # binomial(400, 0.5), one in a million
    amplitude = hum[:, 0].std(axis=1) * 2**0.5
    assert 0.19 < amplitude.max() < 0.201
    assert amplitude.mean() == pytest.approx(0.1, abs=0.015)
    assert min((hum[:, 0, 0] > 0).sum(), (hum[:, 0, 0] < 0).sum()) > 145


def test_bursts_are_one_piece_of_stated_length_and_strength() -> None:
    batch = unit(2000, 1000, leads=2) * 1e-3
    batch[:, 1] *= 10
    after = a.add_bursts(batch, generator(), probability=1.0, duration=(100, 300))
    touched = (after != batch)[:, 0]
    first = touched.argmax(axis=1)
    last = 999 - touched[:, ::-1].argmax(axis=1)
    length = last - first + 1
    assert 100 <= length.min() <= 102 and 297 <= length.max() <= 300
    assert first.min() <= 2 and last.max() >= 997
    added = (after - batch) / batch.std(axis=2, keepdims=True)
    pieces = [slice(f, e + 1) for f, e in zip(first, last, strict=True)]
    strength, other = (
        np.array([row[piece].std() for row, piece in zip(lead, pieces, strict=True)])
        for lead in added.transpose(1, 0, 2)
    )
    # Up to one deviation of the lead; 100 samples tell a deviation to 7 %, five of these are 35 %.
    assert 0.95 < strength.max() < 1.35
    assert strength.mean() == pytest.approx(0.5, abs=0.04)
    assert np.median(other / strength) == pytest.approx(1.0, abs=0.03)


def test_a_burst_reaches_the_other_leads_where_the_first_one_is_absent() -> None:
    batch = unit(20, 500, leads=2)
    batch[:, 0] = 0.0
    after = a.add_bursts(batch, generator(), probability=1.0, duration=(50, 100))
    assert (after[:, 0] == 0).all()
    assert changed(batch, after).all()


# --- where --------------------------------------------------------------------------------------


def test_pieces_have_both_stated_lengths_and_reach_both_ends() -> None:
    batch = np.ones((3000, 2, 30), np.float32)
    blank = a.cut_out(batch, generator(), probability=1.0, duration=(2, 4)) == 0
    assert np.array_equal(blank[:, 0], blank[:, 1])
    length = blank[:, 0].sum(axis=1)
    assert np.unique(length).tolist() == [2, 3, 4]
    assert blank[:, 0, 0].any() and blank[:, 0, -1].any()
    whole = a.cut_out(batch[:3], generator(), probability=1.0, duration=(50, 60))
    assert (whole == 0).all()


def test_moves_go_up_to_the_largest_either_way_and_bring_zeros() -> None:
    signal = np.arange(1, 11, dtype=np.float32)
    batch = np.broadcast_to(signal, (2000, 2, 10)).copy()
    after = a.shift_time(batch, generator(), largest=3)
    expected = {
        -3: [4, 5, 6, 7, 8, 9, 10, 0, 0, 0],
        -1: [2, 3, 4, 5, 6, 7, 8, 9, 10, 0],
        0: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        2: [0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
        3: [0, 0, 0, 1, 2, 3, 4, 5, 6, 7],
    }
    found = {tuple(row) for row in after[:, 0].astype(int).tolist()}
    assert len(found) == 7
    assert {tuple(row) for row in expected.values()} <= found
    np.testing.assert_array_equal(after[:, 0], after[:, 1])


def test_a_crop_at_another_speed_begins_anywhere_and_stays_inside() -> None:
    # 51 samples at speed 1.5 span 75 of the 100 intervals: the start is uniform on 0 to 25.
    signal = np.arange(101, dtype=np.float64)[None]
    draws = generator()
    crops = np.stack([a.random_crop(signal, 51, draws, speed=1.5)[0] for _ in range(2000)])
    np.testing.assert_allclose(np.diff(crops, axis=1), 1.5, atol=1e-9)
    assert 0 <= crops[:, 0].min() < 0.1
    assert 99.9 < crops[:, -1].max() <= 100.0
    assert crops[:, 0].mean() == pytest.approx(12.5, abs=0.8)


@settings(max_examples=50)
@given(st.integers(2, 60), st.integers(1, 80), st.floats(0.5, 2.0), st.integers(0, 2**32 - 1))
def test_a_crop_of_a_ramp_is_a_ramp(samples: int, length: int, speed: float, seed: int) -> None:
    crop = a.random_crop(np.arange(samples, dtype=np.float64)[None], length, generator(seed),
                         speed=speed)[0]  # fmt: skip
    assert 1 <= len(crop) <= length
    assert crop[0] >= 0 and crop[-1] <= samples - 1 + 1e-9
    np.testing.assert_allclose(np.diff(crop), speed, atol=1e-9)
    # No longer crop would have fitted.
    assert len(crop) == length or len(crop) * speed > samples - 1 - 1e-9


# --- another frontal axis -----------------------------------------------------------------------


def test_the_six_axes_of_the_paper() -> None:
    """L(t) = I cos t + ((2 II - I) / sqrt 3) sin t for I = 0.6 and II = 1.0 mV, by hand.

    (2 II - I) / sqrt 3 = 0.8082904. At -60 degrees it is I - II = -III, at 60 II, at 90 aVF
    times 2 / sqrt 3 = 0.7 * 1.1547005.
    """
    assert a.PAPER_ANGLES_DEGREES == (-90.0, -60.0, -30.0, 30.0, 60.0, 90.0)
    one = np.full((6000, 2), 0.6, np.float32)
    two = np.full((6000, 2), 1.0, np.float32)
    after = a.replace_lead(one, two, generator(), probability=1.0)
    values, counts = np.unique(after[:, 0].round(5), return_counts=True)
    expected = [-0.8082904, -0.4, 0.1154701, 0.8082904, 0.9237604, 1.0]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    # Drawn with equal chance: binomial(6000, 1/6), one in a million.
    assert counts.min() >= 861 and counts.max() <= 1144
    np.testing.assert_array_equal(after[:, 0], after[:, 1])


def test_a_given_axis() -> None:
    after = a.replace_lead(
        np.float32([[2.0]]), np.float32([[1.5]]), generator(), probability=1.0, angles=(90.0,)
    )
    assert after[0, 0] == pytest.approx(0.5773503, abs=1e-6)  # (3 - 2) / sqrt 3


# --- mixtures and balance -----------------------------------------------------------------------


def test_mixtures_lie_nearer_to_the_own_recording() -> None:
    batch = np.arange(1500, dtype=np.float32)[:, None, None]
    targets = np.eye(1500, dtype=np.float32)
    _, soft = a.mix(batch, targets, generator())
    weight = soft.diagonal()
    assert weight.min() >= 0.5
    # The larger share of Beta(0.2, 0.2) is 0.89881 on average (numerical integral, SciPy 1.17.1).
    assert weight.mean() == pytest.approx(0.8988, abs=0.02)


def test_balance_draws_by_the_root_of_the_share() -> None:
    # 900 and 100 recordings: weights 900 / 30 and 100 / 10, so 0.75 and 0.25 of the draws.
    classes = np.repeat([0, 1], [900, 100])
    drawn = a.balanced_order(classes, 4000, generator())
    assert np.bincount(classes[drawn]).tolist() == pytest.approx([3000, 1000], abs=2)
    # Systematic: each recording as often as its weight says, give or take one.
    often = np.bincount(drawn, minlength=1000)
    assert set(often[:900].tolist()) == {3, 4} and set(often[900:].tolist()) == {10}
    # In random order.
    assert 60 < int((classes[drawn[:400]] == 1).sum()) < 145


# --- a whole plan -------------------------------------------------------------------------------


def planned(name: str, batch: np.ndarray, rate: float = 100.0) -> np.ndarray:
    return AUGMENTATIONS[name](batch, generator(), sampling_rate=rate)


def test_names_of_the_plan() -> None:
    own = tuple(n for n in AUGMENTATIONS if AUGMENTATIONS.origin(n) == "ecgfoundry")
    assert own == (
        "lead-dropout", "shift", "scale", "noise", "band-noise", "baseline-wander", "mains",
        "masking",
    )  # fmt: skip


def test_augmentations_compose_in_the_order_given() -> None:
    class Add:
        name, source = "add", "test"

        def __call__(self, batch, generator, *, sampling_rate):
            return batch + sampling_rate

    class Double:
        name, source = "double", "test"

        def __call__(self, batch, generator, *, sampling_rate):
            return 2 * batch

    one = np.ones((1, 1, 3), np.float32)
    both = Compose.of((Add(), Double()))
    assert both.names == ("add", "double")
    assert both(one, generator(), sampling_rate=4.0).tolist() == [[[10.0, 10.0, 10.0]]]
    other = Compose.of((Double(), Compose.of((Add(),))))
    assert other(one, generator(), sampling_rate=4.0).tolist() == [[[6.0, 6.0, 6.0]]]
    with pytest.raises(TrainingError, match=r"no augmentation 'nois'\. Did you mean 'noise'"):
        Compose.of(("shift", "nois"))
    with pytest.raises(TrainingError, match="is no augmentation"):
        Compose.of((len,))


def test_a_plan_moves_by_up_to_half_a_second() -> None:
    batch = np.zeros((3000, 1, 301), np.float32)
    batch[:, :, 150] = 1.0
    moves = planned("shift", batch)[:, 0].argmax(axis=1) - 150
    assert (moves.min(), moves.max()) == (-50, 50)


def test_a_plan_masks_a_tenth_of_a_second_to_a_second() -> None:
    batch = np.ones((6000, 1, 400), np.float32)
    length = (planned("masking", batch) == 0)[:, 0].sum(axis=1)
    assert 1628 <= int((length > 0).sum()) <= 1975  # binomial(6000, 0.3), one in a million
    assert (length[length > 0].min(), length.max()) == (10, 100)


@pytest.mark.parametrize(
    ("name", "limits"), [("noise", HALF), ("baseline-wander", THIRD), ("mains", FIFTH)]
)
def test_a_plan_has_the_shares_of_its_parts(name: str, limits: tuple[int, int]) -> None:
    batch = unit(4000, 40)
    count = int(changed(batch, planned(name, batch, 333.0)).sum())
    assert limits[0] <= count <= limits[1]


def test_a_plan_knows_the_sampling_rate() -> None:
    batch = unit(200, 1000)
    hum = planned("mains", batch, 250.0) - batch
    loud = hum[changed(batch, planned("mains", batch, 250.0))][:, 0]
    assert set(np.abs(np.fft.rfft(loud, axis=1)).argmax(axis=1).tolist()) == {200, 240}
    slow = planned("baseline-wander", batch, 10.0) - batch
    at = np.abs(np.fft.rfft(slow[slow.any(axis=(1, 2))][:, 0], axis=1)).argmax(axis=1) / 100.0
    assert at.min() >= 0.14 and at.max() <= 0.71 and at.max() > 0.4


def test_a_plan_drops_leads_only_where_there_are_several() -> None:
    alone = np.ones((100, 1, 5), np.float32)
    np.testing.assert_array_equal(planned("lead-dropout", alone), alone)
    two = np.ones((4000, 2, 5), np.float32)
    lost = (planned("lead-dropout", two) == 0).all(axis=2).any(axis=1).sum()
    assert 310 <= lost <= 496  # binomial(4000, 0.1), one in a million
