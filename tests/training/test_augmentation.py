"""Augmentation: what it changes, what it leaves, and that the generator decides everything."""

from __future__ import annotations

import numpy as np
import pytest

from ecgfoundry.training.data import augmentation as a

RATE = 200


def make_batch() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((64, 2, 1000)).astype(np.float32)


CHANGES = {
    "flip_sign": a.flip_sign,
    "scale_amplitude": a.scale_amplitude,
    "add_noise": a.add_noise,
    "add_baseline_wander": lambda x, g: a.add_baseline_wander(x, g, sampling_rate=RATE),
    "add_bursts": lambda x, g: a.add_bursts(x, g, duration=(20, 100)),
    "cut_out": lambda x, g: a.cut_out(x, g, duration=(20, 100)),
    "drop_leads": a.drop_leads,
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_pure_and_repeatable(name: str) -> None:
    batch = make_batch()
    before = batch.copy()
    first = CHANGES[name](batch, np.random.default_rng(5))
    second = CHANGES[name](batch, np.random.default_rng(5))
    other = CHANGES[name](batch, np.random.default_rng(6))
    assert np.array_equal(batch, before)
    assert first.shape == batch.shape
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, batch)


@pytest.mark.parametrize("name", ["flip_sign", "add_noise", "add_bursts", "cut_out"])
def test_probability_zero_changes_nothing(name: str) -> None:
    batch = make_batch()
    extra = {"duration": (20, 100)} if name in {"add_bursts", "cut_out"} else {}
    changed = getattr(a, name)(batch, np.random.default_rng(0), probability=0.0, **extra)
    assert np.array_equal(changed, batch)


def test_crop_at_another_speed_moves_the_frequency() -> None:
    time = np.arange(12000) / RATE
    signal = np.sin(2 * np.pi * 2.0 * time)[None].astype(np.float32)  # 2 Hz
    crop = a.random_crop(signal, 8000, np.random.default_rng(0), speed=1.25)
    spectrum = np.abs(np.fft.rfft(crop[0]))
    frequency = np.fft.rfftfreq(8000, 1 / RATE)[spectrum.argmax()]
    assert crop.shape == (1, 8000)
    assert frequency == pytest.approx(2.5, abs=RATE / 8000)


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.1])
def test_crop_of_a_short_signal_is_what_there_is(speed: float) -> None:
    signal = np.arange(100, dtype=np.float32)[None]
    crop = a.random_crop(signal, 1000, np.random.default_rng(0), speed=speed)
    assert crop.shape[1] == int(99 / speed) + 1
    assert 0 <= crop[0, 0] < speed
    assert np.diff(crop[0]) == pytest.approx(np.full(crop.shape[1] - 1, speed), abs=1e-3)


def test_crops_reach_both_ends() -> None:
    signal = np.arange(20, dtype=np.float32)[None]
    generator = np.random.default_rng(0)
    starts = {int(a.random_crop(signal, 15, generator)[0, 0]) for _ in range(200)}
    assert starts == set(range(6))


def test_noise_stays_within_its_strength() -> None:
    batch = 5 * make_batch()
    added = a.add_noise(batch, np.random.default_rng(0), probability=1.0, largest=0.2) - batch
    share = added.std(axis=2) / batch.std(axis=2)
    assert share.max() < 0.2 * 1.1
    assert share.max() > 0.1


def test_wander_is_one_slow_wave() -> None:
    quiet = np.zeros((1, 1, 4000), np.float32)
    quiet[..., ::2] = 1.0  # unit range; standard deviation 0.5, all at the Nyquist frequency
    changed = a.add_baseline_wander(
        quiet, np.random.default_rng(0), sampling_rate=RATE, probability=1.0, largest=0.5
    )
    spectrum = np.abs(np.fft.rfft(changed[0, 0] - quiet[0, 0]))
    frequencies = np.fft.rfftfreq(4000, 1 / RATE)
    assert 0.1 <= frequencies[spectrum.argmax()] <= 0.75


def test_cut_out_blanks_one_piece_of_the_stated_length() -> None:
    batch = np.ones((200, 2, 500), np.float32)
    changed = a.cut_out(batch, np.random.default_rng(0), probability=1.0, duration=(10, 40))
    blank = changed == 0
    assert np.array_equal(blank[:, 0], blank[:, 1])
    lengths = blank[:, 0].sum(axis=1)
    assert lengths.min() >= 10
    assert lengths.max() <= 40
    edges = np.abs(np.diff(blank[:, 0].astype(int), axis=1)).sum(axis=1)
    assert edges.max() <= 2  # one piece


def test_one_lead_is_always_left() -> None:
    batch = np.ones((500, 3, 10), np.float32)
    changed = a.drop_leads(batch, np.random.default_rng(0), probability=0.95)
    left = (changed != 0).any(axis=2).sum(axis=1)
    assert left.min() == 1
    assert left.mean() < 1.3


def test_mixing_keeps_probabilities_and_is_linear() -> None:
    batch = make_batch()
    targets = np.eye(4, dtype=np.float32)[np.arange(64) % 4]
    mixed, soft = a.mix(batch, targets, np.random.default_rng(0), alpha=1.0)
    assert soft.sum(axis=1) == pytest.approx(np.ones(64), abs=1e-6)
    # A constant signal that equals its target must still equal it after mixing.
    constant = np.repeat(targets[:, :1, None], 5, axis=2)
    same, soft = a.mix(constant, targets, np.random.default_rng(0), alpha=1.0)
    assert same[:, 0, 0] == pytest.approx(soft[:, 0], abs=1e-6)
    assert mixed.shape == batch.shape


def test_balanced_order_draws_as_its_power_says() -> None:
    classes = np.repeat([0, 1, 2], [900, 90, 10])
    for power, expected in [(0.0, [0.9, 0.09, 0.01]), (1.0, [1 / 3] * 3)]:
        drawn = a.balanced_order(classes, 3000, np.random.default_rng(0), power=power)
        share = np.bincount(classes[drawn], minlength=3) / 3000
        assert share == pytest.approx(expected, abs=0.002)
    natural = a.balanced_order(classes, 1000, np.random.default_rng(0), power=0.0)
    assert np.array_equal(np.sort(natural), np.arange(1000))
