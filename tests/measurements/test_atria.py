"""P waves without QRS complexes: planted ones are found, and where there are none, none are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgfoundry import Recording, measure

RATE = 500.0


def blocks(conducted: list[bool], *, pp_s: float = 0.75, leads: int = 3) -> Recording:
    """Sinus P waves every ``pp_s``; QRS (160 ms behind P) and T where they are conducted."""
    time = np.arange(round(10 * RATE)) / RATE
    x = 0.004 * np.random.default_rng(3).standard_normal((leads, time.size))
    for number, place in enumerate(np.arange(0.4, 9.9, pp_s)):
        waves = [(place, 0.018, 0.14)]
        if conducted[number % len(conducted)]:
            waves += [(place + 0.16, 0.012, 1.1), (place + 0.46, 0.04, 0.3)]
        for at, width, height in waves:
            x += height * np.exp(-0.5 * ((time - at) / width) ** 2)
    return Recording(signal=x, sampling_rate=RATE, leads=("I", "II", "V1")[:leads])


def test_a_p_wave_that_no_complex_follows_is_found() -> None:
    """Mobitz II, every fourth is blocked: of the P waves 0.4 + 0.75 k the numbers 3, 7 and 11."""
    found = measure(blocks([True, True, True, False])).p_relation
    lone = found.p_time_s[found.p_beat < 0]
    # The last one has no P wave behind it that could say when the next was due.
    assert lone[:2] == pytest.approx([2.65, 5.65], abs=0.02)
    assert found.blocked in (2, 3)


@pytest.mark.parametrize("leads", [1, 3])
def test_two_to_one_block_has_twice_as_many_p_waves(leads: int) -> None:
    found = measure(blocks([True, False], leads=leads))
    assert found.heart_rate_bpm == pytest.approx(40, abs=0.5)
    assert found.atrial_rate_bpm == pytest.approx(80, abs=1.0)
    assert found.p_relation.blocked >= 5
    assert found.p_relation.pp_ms == pytest.approx(750, abs=20)
    assert found.pr_ms == pytest.approx(160, abs=15)


def test_without_block_every_p_wave_has_its_complex() -> None:
    for pp_s in (0.6, 0.75, 1.2, 1.5):
        found = measure(blocks([True], pp_s=pp_s)).p_relation
        assert found.blocked == 0
        assert found.p_before.all()


def test_real_ecgs_without_block_have_no_blocked_p_waves(fixtures: Path) -> None:
    for name in ("philips/129DYPRG.xml", "dicom/waveform_ecg.dcm", "cinc2021/HR06005.hea"):
        assert measure(fixtures / name).p_relation.blocked == 0
