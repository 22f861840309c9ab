"""Augmentation of standardized windows against lead algebra on unscaled leads."""

import numpy as np
import pytest

from ecgfoundry.leads import FRONTAL_AXES_DEGREES, LIMB_LEADS, complete_limb_leads, project_frontal
from ecgfoundry.training.data import lead_augmentation as augmentation

SAMPLES = 2500


@pytest.fixture(scope="module")
def unscaled():
    """Band-limited limb leads of three people in mV, zero mean, with very different scales."""
    generator = np.random.default_rng(0)
    white = generator.standard_normal((3, 2, SAMPLES))
    smooth = np.apply_along_axis(np.convolve, -1, white, np.hanning(15), mode="same")
    smooth -= smooth.mean(axis=-1, keepdims=True)
    smooth *= np.array([[0.2, 1.5], [0.9, 0.4], [1.0, 1.1]])[:, :, None]
    leads = {"I": smooth[:, 0], "II": smooth[:, 1]}
    leads |= complete_limb_leads(leads)
    return np.stack([leads[lead] for lead in LIMB_LEADS], axis=1)


@pytest.fixture(scope="module")
def standardized(unscaled):
    chest = np.random.default_rng(1).standard_normal((len(unscaled), 6, SAMPLES))
    return augmentation.standardize_leads(np.concatenate([unscaled, chest], axis=1))


def z(x):
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def test_scales_are_the_ones_that_standardization_took(unscaled, standardized):
    deviation = unscaled.std(axis=-1)
    np.testing.assert_allclose(
        augmentation.frontal_scales(standardized), deviation[:, :2] / deviation[:, 2:3], rtol=1e-4
    )


def test_restored_leads_are_the_unscaled_ones_up_to_one_factor(unscaled, standardized):
    restored = augmentation.restore_limb_leads(standardized)
    factor = unscaled[:, 2].std(axis=-1)[:, None, None]
    np.testing.assert_allclose(restored * factor, unscaled, atol=1e-3 * unscaled.std())


@pytest.mark.parametrize("angle", [-75.0, 0.0, 17.0, 60.0, 90.0, 180.0])
def test_projection_equals_the_closed_form_on_unscaled_leads(unscaled, standardized, angle):
    expected = project_frontal(unscaled[:, 0], unscaled[:, 1], angle)
    np.testing.assert_allclose(
        augmentation.project_axis(standardized, angle), z(expected), atol=2e-3
    )


def test_projection_on_a_leads_own_axis_gives_that_lead(standardized):
    for row, lead in enumerate(LIMB_LEADS):
        projected = augmentation.project_axis(standardized, FRONTAL_AXES_DEGREES[lead])
        np.testing.assert_allclose(projected, standardized[:, row], atol=2e-3)


def test_projection_takes_one_angle_per_window(standardized):
    angles = np.array([10.0, -40.0, 85.0])
    together = augmentation.project_axis(standardized, angles)
    alone = [augmentation.project_axis(standardized[k : k + 1], a)[0] for k, a in enumerate(angles)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_rotation_moves_every_limb_lead_by_the_angle(unscaled, standardized):
    # After turning by 30 degrees, an axis sees what the axis 30 degrees before it saw.
    turned = augmentation.rotate_frontal_axis(standardized, 30.0)
    for row, lead in enumerate(LIMB_LEADS):
        axis = FRONTAL_AXES_DEGREES[lead] - 30.0
        expected = z(project_frontal(unscaled[:, 0], unscaled[:, 1], axis))
        np.testing.assert_allclose(turned[:, row], expected, atol=3e-3)
    np.testing.assert_array_equal(turned[:, 6:], standardized[:, 6:])


def test_rotation_back_and_by_nothing(standardized):
    np.testing.assert_array_equal(augmentation.rotate_frontal_axis(standardized, 0.0), standardized)
    there = augmentation.rotate_frontal_axis(standardized, 25.0)
    np.testing.assert_allclose(
        augmentation.rotate_frontal_axis(there, -25.0), standardized, atol=5e-3
    )


def test_stretching_moves_a_sine_to_the_expected_frequency():
    time = np.arange(SAMPLES) / 250.0
    wave = np.sin(2 * np.pi * 2.0 * time)[None, None].astype(np.float32)
    faster = augmentation.stretch_time(wave, 1.1)
    inside = slice(0, 2200)
    np.testing.assert_allclose(
        faster[0, 0, inside], np.sin(2 * np.pi * 2.2 * time)[inside], atol=2e-3
    )
    np.testing.assert_array_equal(augmentation.stretch_time(wave, 1.0), wave)


def test_noise_is_repeatable_and_bounded_by_its_strength():
    silence = np.zeros((4, 12, SAMPLES), np.float32)
    first = augmentation.add_noise(silence, np.random.default_rng(3), most=0.2)
    again = augmentation.add_noise(silence, np.random.default_rng(3), most=0.2)
    np.testing.assert_array_equal(first, again)
    deviation = first.std(axis=-1)
    assert deviation.max() < 0.2 / 3**0.5 * 1.1
    assert deviation.min() < 0.3 * deviation.max()


def test_lead_subsets():
    presence = augmentation.draw_lead_subsets(20_000, np.random.default_rng(0))
    assert set(np.unique(presence)) == {0.0, 1.0}
    count = presence.sum(axis=1)
    assert count.min() >= 1
    # Two limb leads give the others.
    limb = presence[:, :6].sum(axis=1)
    assert set(np.unique(limb)) == {0.0, 1.0, 6.0}
    only_limb = (presence[:, :6] == 1).all(axis=1) & (presence[:, 6:] == 0).all(axis=1)
    assert (count == 12).mean() > 0.5
    assert only_limb.mean() > 0.15
    # Every single lead occurs alone.
    assert (presence[count == 1].sum(axis=0) > 0).all()


# --- numbers ------------------------------------------------------------------------------------


def test_standardization_divides_by_the_deviation_of_all_samples():
    # 1, 2, 3, 4: mean 2.5, variance 5/4 (ddof 0).
    found = augmentation.standardize_leads(np.array([[1.0, 2.0, 3.0, 4.0]]))
    np.testing.assert_allclose(found[0], [-1.3416408, -0.4472136, 0.4472136, 1.3416408], rtol=1e-6)
    # A deviation under 1e-6 is taken for 1e-6; a flat lead is 0.
    small = augmentation.standardize_leads(np.array([[1e-8, -1e-8], [5.0, 5.0]]))
    np.testing.assert_allclose(small, [[0.01, -0.01], [0.0, 0.0]], rtol=1e-6)


def two_waves():
    """Two waves of deviation 1 that have nothing in common."""
    angle = 2 * np.pi * np.arange(1000) / 100
    return 2**0.5 * np.sin(angle), 2**0.5 * np.cos(angle)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        # (I, II) as shares of two waves; III = II - I; deviations over III's.
        ((3.0, 0.0), (0.0, 4.0), [0.6, 0.8]),
        # Lead III 30 times smaller than I and II: clipped at 20.
        ((30.0, 0.0), (30.0, 1.0), [20.0, 20.0]),
        ((19.0, 0.0), (19.0, 1.0), [19.0, 19.0263]),
        # Lead I 30 times smaller than III: clipped at 0.05.
        ((1.0, 0.0), (0.0, 30.0), [0.05, 0.99945]),
        ((1.0, 0.0), (0.0, 19.0), [0.05256, 0.99862]),
    ],
)
def test_frontal_scales_within_a_factor_of_twenty(one, two, expected):
    waves = np.stack(two_waves())
    first, second = np.array(one) @ waves, np.array(two) @ waves
    signal = np.stack([z(x) for x in (first, second, second - first)])[None]
    np.testing.assert_allclose(augmentation.frontal_scales(signal)[0], expected, rtol=1e-3)


def test_leads_that_are_one_and_the_same_leave_finite_scales():
    # Without a second direction the determinant is 0, and 1e-4 is taken for it.
    wave, _ = two_waves()
    found = augmentation.frontal_scales(np.stack([wave, wave, np.zeros_like(wave)])[None])
    np.testing.assert_allclose(found, 0.05)


def test_stretched_samples_by_hand():
    signal = np.array([[[0.0, 10.0, 20.0, 30.0, 40.0]]])
    faster = augmentation.stretch_time(signal, 1.5)
    # Places 0, 1.5, 3, 4.5 and 6, wrapped at 4 intervals: 0.5 and 2.
    np.testing.assert_allclose(faster[0, 0], [0.0, 15.0, 30.0, 5.0, 20.0], rtol=1e-6)
    slower = augmentation.stretch_time(signal, 0.5)
    np.testing.assert_allclose(slower[0, 0], [0.0, 5.0, 10.0, 15.0, 20.0], rtol=1e-6)


def test_noise_is_smoothed_over_three_samples_and_up_to_015_before():
    silence = np.zeros((500, 12, 400), np.float32)
    noise = augmentation.add_noise(silence, np.random.default_rng(0))
    inside = noise[..., 1:-1].astype(np.float64)
    variance = (inside**2).mean(axis=-1)
    # The mean of three independent samples has a third of the variance, and shares two of three
    # with its neighbour, one of three with the one after.
    total = variance.mean()
    ends = (noise[..., [0, -1]].astype(np.float64) ** 2).mean()
    assert ends / total == pytest.approx(3.0, abs=0.2)
    for lag, share in ((1, 2 / 3), (2, 1 / 3), (3, 0.0), (4, 0.0)):
        product = (inside[..., lag:] * inside[..., :-lag]).mean()
        assert product / total == pytest.approx(share, abs=0.01)
    # Strength uniform on 0 to 0.15: its mean square is 0.15^2 / 3.
    assert total == pytest.approx(0.15**2 / 3 / 3, rel=0.05)
    deviation = variance**0.5
    assert 0.15 / 3**0.5 * 0.97 < deviation.max() < 0.15 / 3**0.5 * 1.2
    assert abs(np.corrcoef(deviation[:, 0], deviation[:, 1])[0, 1]) < 0.2


def test_shares_of_the_lead_subsets():
    """Against counting: a random subset of s leads, s uniform on 1 to 11, with 35 % chance.

    Two of its limb leads bring all six. It ends as all twelve if it has the six chest leads and two
    limb leads, C(6, s - 6) / C(12, s): 15/495, 20/220, 15/66 and 6/12 for s = 8 to 11, 0.0771350 on
    average; and as the six limb leads if it has no chest lead, C(6, s) / C(12, s) for s = 2 to 6:
    0.0324675. One draw in a million leaves a share of 100,000 by more than 0.0078.
    """
    presence = augmentation.draw_lead_subsets(100_000, np.random.default_rng(0))
    count, limb, chest = presence.sum(1), presence[:, :6].sum(1), presence[:, 6:].sum(1)
    assert (count == 12).mean() == pytest.approx(0.50 + 0.35 * 0.0771350, abs=0.0078)
    only_limb = (limb == 6) & (chest == 0)
    assert only_limb.mean() == pytest.approx(0.15 + 0.35 * 0.0324675, abs=0.0058)
    assert (count == 1).mean() == pytest.approx(0.35 / 11, abs=0.0028)
    # One short of twelve: five chest leads and two or more limb leads, 6 C(6, s - 5) / C(12, s)
    # for s = 7 to 11, 0.1646006 on average.
    assert (count == 11).mean() == pytest.approx(0.35 * 0.1646006, abs=0.0037)


def test_rotation_by_120_degrees_moves_lead_i_to_lead_iii():
    # The axes of I and III are 120 degrees apart: what lead I saw, lead III sees afterwards.
    waves = np.stack(two_waves())
    first, second = np.array([1.0, 0.3]) @ waves, np.array([0.4, 1.1]) @ waves
    limb = {"I": first, "II": second}
    limb |= complete_limb_leads(limb)
    stacked = np.stack([limb[lead] for lead in LIMB_LEADS])
    signal = augmentation.standardize_leads(np.concatenate([stacked, stacked])[None])
    turned = augmentation.rotate_frontal_axis(signal, 120.0)[0]
    np.testing.assert_allclose(turned[2], signal[0, 0], atol=1e-4)
