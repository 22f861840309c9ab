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
