"""Figures of the rows of a window, by hand: with NumPy and with the compiled kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecgfoundry import native
from ecgfoundry.signals.lead_metrics import (
    Measures,
    RowFigures,
    limb_figures,
    measure_rows,
    saturated_samples,
)

MEASURES = Measures(
    sampling_rate=100.0,
    flat_block=10,
    flat_amplitude=0.02,
    saturated_run=4,
    spike_reach=0,
    spike_height=0.25,
    spike_share=0.25,
    spike_distance=50.0,
)
SPIKES = replace(MEASURES, spike_reach=2)


@pytest.fixture(params=["0", "base", "auto"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """NumPy and SciPy, the kernels for any processor, and the best ones."""
    monkeypatch.setenv(native.VARIABLE, request.param)
    if request.param != "0" and not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")
    return str(request.param)


def one(x: np.ndarray, measures: Measures = MEASURES) -> RowFigures:
    (figures,) = measure_rows(np.asarray(x)[np.newaxis], measures)
    return figures


# --- what is there -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "missing", "measured"),
    [(100, 90, True), (100, 91, False), (10, 2, True), (10, 3, False), (8, 0, True), (7, 0, False)],
)
def test_a_tenth_and_eight_samples_must_be_there(
    samples: int, missing: int, measured: bool
) -> None:
    x = np.arange(float(samples))
    x[:missing] = np.nan
    figures = one(x)
    assert figures.missing_share == pytest.approx(missing / samples)
    if measured:
        assert figures.low is not None and figures.high is not None
    else:
        assert figures == RowFigures(missing / samples)
        assert (figures.low, figures.middle, figures.high, figures.spikes) == (None, None, None, 0)
        assert figures.shares == (None, None, None)


def test_a_row_does_not_depend_on_those_beside_it() -> None:
    x = np.random.default_rng(0).normal(size=(4, 300))
    x[1] = np.nan
    x[2, :50] = np.nan
    together = measure_rows(x, MEASURES)
    assert together == [one(row) for row in x]
    assert together[1] == RowFigures(1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.float16])
def test_every_type_and_layout_is_read(dtype: type) -> None:
    x = (np.random.default_rng(1).normal(size=(3, 400)) * 100).astype(dtype)
    wanted = measure_rows(np.ascontiguousarray(x.astype(np.float64)), MEASURES)
    wide = np.zeros((6, 800), dtype)
    wide[::2, ::2] = x
    for layout in (x, np.asfortranarray(x), wide[::2, ::2], x[:, ::-1][:, ::-1]):
        found = measure_rows(layout, MEASURES)
        for given, right in zip(found, wanted, strict=True):
            assert given.low == pytest.approx(right.low)
            assert given.shares == pytest.approx(right.shares)
            assert given.flat_share == right.flat_share
    assert measure_rows(x[::-1], MEASURES)[0].high == pytest.approx(wanted[2].high)


# --- percentiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "low", "middle", "high"),
    [
        (201, 1.0, 100.0, 199.0),
        (101, 0.5, 50, 99.5),
        (11, 0.05, 5, 9.95),
        (50, 0.245, 24.5, 48.755),
    ],
)
def test_the_half_per_cent_at_either_end_is_left_out(
    samples: int, low: float, middle: float, high: float
) -> None:
    """Of 0, 1, 2 ...: 0.005, 0.5 and 0.995 of the last, in any order."""
    x = np.random.default_rng(0).permutation(samples).astype(float)
    figures = one(x)
    assert (figures.low, figures.middle, figures.high) == pytest.approx((low, middle, high))
    gaps = np.full(samples + 20, np.nan)
    gaps[10:-10] = x
    figures = one(gaps)
    assert (figures.low, figures.middle, figures.high) == pytest.approx((low, middle, high))


# --- flat and saturated --------------------------------------------------------------------------


def test_blocks_below_the_amplitude_are_flat() -> None:
    """From peak to peak 0.019, 0.021, 0 and 1 mV, and a rest that is no block."""
    x = np.zeros(45)
    x[3], x[15], x[37] = 0.019, 0.021, 1.0
    assert one(x).flat_share == 0.5
    assert one(x[:40]).flat_share == 0.5
    assert one(x[:39]).flat_share == pytest.approx(2 / 3)
    # Exactly the amplitude is not flat: powers of two, so that nothing is rounded.
    exact = replace(MEASURES, flat_amplitude=0.25)
    x = np.zeros(20)
    x[3] = 0.25
    assert one(x, exact).flat_share == 0.5


def test_a_row_shorter_than_a_block_is_one_block() -> None:
    assert one(np.full(9, 3.0)).flat_share == 1.0
    assert one(np.linspace(0, 1, 9)).flat_share == 0.0


def test_gaps_are_bridged_before_flat_parts_are_sought() -> None:
    x = np.linspace(0, 10, 100)
    x[20:50] = np.nan  # a straight line that rises
    assert one(x).flat_share == 0.0
    x[20:50] = np.nan
    x[50:] = x[19]  # the same level before and behind
    assert one(x).flat_share == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("runs", "saturated"),
    [((3,), 0), ((4,), 4), ((5, 3), 5), ((4, 6), 10), ((1, 1, 1, 1), 0)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_runs_at_the_extreme_are_saturated(
    runs: tuple[int, ...], saturated: int, sign: int
) -> None:
    """At least four in a row exactly at the highest or lowest value."""
    x = np.random.default_rng(0).uniform(-1, 1, 100)
    for number, length in enumerate(runs):
        x[10 + 20 * number : 10 + 20 * number + length] = 2.0
    x *= sign
    assert saturated_samples(x, 4) == saturated
    assert one(x).saturated_share == pytest.approx(saturated / 100)
    gaps = np.concatenate([x, np.full(100, np.nan)])
    assert one(gaps).saturated_share == pytest.approx(saturated / 100)  # of those that are there


def test_both_ends_saturate_and_a_flat_row_does_not() -> None:
    x = np.random.default_rng(0).uniform(-1, 1, 100)
    x[:5], x[50:57], x[-4:] = 2.0, -2.0, 2.0
    assert saturated_samples(x, 4) == 16
    assert saturated_samples(np.full(50, 2.0), 4) == 0
    assert one(np.full(50, 2.0)).saturated_share == 0.0
    assert saturated_samples(np.full(50, 2.0) + np.eye(50)[3], 4) == 46


# --- spikes --------------------------------------------------------------------------------------


def spikes(places: dict[int, float], *, samples: int = 400, base: np.ndarray | None = None) -> int:
    x = np.zeros(samples) if base is None else base.copy()
    for place, height in places.items():
        x[place] += height
    return one(x, SPIKES).spikes


@pytest.mark.parametrize(("height", "count"), [(0.24, 0), (0.26, 1), (-0.26, 1), (3.0, 1)])
def test_a_spike_has_a_quarter_of_a_millivolt(height: float, count: int) -> None:
    assert spikes({200: height}) == count


@pytest.mark.parametrize(("height", "count"), [(0.45, 0), (0.55, 1)])
def test_a_spike_has_a_quarter_of_the_amplitude(height: float, count: int) -> None:
    """Half of the row stands at 2 mV, far from the spike."""
    base = np.zeros(400)
    base[200:] = 2.0
    assert spikes({100: height}, base=base) == count


@pytest.mark.parametrize(("distance", "count"), [(50, 1), (51, 2), (120, 2)])
def test_spikes_within_the_distance_are_one(distance: int, count: int) -> None:
    assert spikes({100: 1.0, 100 + distance: 1.0}) == count
    assert spikes({100: 1.0, 130: 1.0, 160: 1.0}) == 1  # each within it of the one before


@pytest.mark.parametrize(("step", "count"), [(0.15, 1), (0.25, 0)])
def test_a_spike_stands_on_level_ground(step: float, count: int) -> None:
    """Two and four samples beside it differ by less than a fifth of its height of 1 mV."""
    for place in (-4, 4):
        assert spikes({200: 1.0, 200 + place: step}) == count


def test_a_spike_rises_and_falls_within_the_reach() -> None:
    step = np.where(np.arange(400) < 200, 0.0, 1.0)
    assert spikes({}, base=step) == 0
    bump = np.zeros(400)
    bump[195:206] = 1.0  # broader than twice the reach
    assert spikes({}, base=bump) == 0
    assert one(bump, MEASURES).spikes == 0


@pytest.mark.parametrize(("samples", "count"), [(9, 0), (10, 1)])
def test_spikes_need_more_than_twice_their_surroundings(samples: int, count: int) -> None:
    assert spikes({4: 1.0}, samples=samples) == count


def test_the_first_and_last_places_of_a_spike() -> None:
    assert spikes({4: 1.0}) == 1
    assert spikes({395: 1.0}) == 1
    assert spikes({3: 1.0}) == 0
    assert spikes({396: 1.0}) == 0


def test_a_missing_sample_counts_as_zero_where_spikes_are_sought() -> None:
    x = np.zeros(400)
    x[200] = np.nan
    assert one(x, SPIKES).spikes == 0
    assert one(x + 1.0, SPIKES).spikes == 1


# --- spectrum ------------------------------------------------------------------------------------


def sine(*parts: tuple[float, float], seconds: float = 10.0, rate: float = 500.0) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return sum(height * np.sin(2 * np.pi * hz * time + 0.4) for hz, height in parts)


FAST = replace(MEASURES, sampling_rate=500.0)


@pytest.mark.parametrize(
    ("hz", "noise", "mains"),
    [
        (10.0, 0.0, 0.0), (39.7, 0.0, 0.0), (40.4, 0.5, 0.0), (48.6, 0.5, 0.0), (49.3, 0.0, 0.5),
        (50.0, 0.0, 0.5), (50.7, 0.0, 0.5), (51.4, 0.5, 0.0), (58.6, 0.5, 0.0), (59.3, 0.0, 0.5),
        (60.7, 0.0, 0.5), (61.4, 0.5, 0.0), (200.0, 0.5, 0.0),
    ],
)  # fmt: skip
def test_noise_is_above_40_hz_and_mains_within_1_hz_of_50_and_60(
    hz: float, noise: float, mains: float
) -> None:
    """As much power as that of a second sine at 5 Hz."""
    shares = one(sine((5.0, 1.0), (hz, 1.0)) + 3.0, FAST).shares
    assert shares == pytest.approx((noise, mains, 0.0), abs=2e-3)


@pytest.mark.parametrize(("hz", "wander"), [(0.3, 0.8), (0.75, 0.0)])
def test_wander_is_below_half_a_hertz(hz: float, wander: float) -> None:
    """Twice the height of the sine at 5 Hz; the other shares are of what lies above it."""
    shares = one(sine((5.0, 1.0), (hz, 2.0), (80.0, 1.0), seconds=40.0), FAST).shares
    assert shares[2] == pytest.approx(wander * 5 / 6, abs=4e-3)
    assert shares[0] == pytest.approx(0.5 if wander else 1 / 6, abs=4e-3)


@pytest.mark.parametrize(("samples", "there"), [(1000, True), (999, False)])
def test_shares_need_two_seconds(samples: int, there: bool) -> None:
    shares = one(sine((5.0, 1.0))[:samples], FAST).shares
    assert (shares != (None, None, None)) is there


def test_a_row_without_power_has_no_shares() -> None:
    assert one(np.zeros(5000), FAST).shares == (None, None, None)


# --- limb leads ----------------------------------------------------------------------------------


def limbs(seed: int = 0) -> dict[str, np.ndarray]:
    """Six leads that agree: III = II - I, aVR = -(I + II)/2, aVL = I - II/2, aVF = II - I/2."""
    one_, two = np.random.default_rng(seed).normal(size=(2, 500))
    return {
        "I": one_, "II": two, "III": two - one_, "aVR": -(one_ + two) / 2, "aVL": one_ - two / 2,
        "aVF": two - one_ / 2,
    }  # fmt: skip


def disagreement(leads: dict[str, np.ndarray], width: int = 30) -> dict[str, float]:
    return limb_figures(np.stack(list(leads.values())), tuple(leads), width)


def test_limb_leads_that_agree() -> None:
    found = disagreement(limbs())
    assert list(found) == ["III", "aVR", "aVL", "aVF"]
    assert list(found.values()) == pytest.approx([0.0] * 4, abs=1e-6)
    # In any order, among other leads, and whatever stands on them for a baseline.
    drift = np.linspace(0, 20, 500)
    mixed = {lead: x + k * drift for k, (lead, x) in enumerate(limbs().items())}
    mixed = {"V1": drift, **dict(reversed(mixed.items()))}
    found = disagreement(mixed)
    assert sorted(found) == ["III", "aVF", "aVL", "aVR"]
    assert max(found.values()) < 0.06  # the ends of the drift


@pytest.mark.parametrize(("factor", "figure"), [(2.0, 0.5), (0.5, 0.5), (4.0, 0.75), (-1.0, 2.0)])
@pytest.mark.parametrize("lead", ["III", "aVR", "aVL", "aVF"])
def test_a_rescaled_limb_lead(lead: str, factor: float, figure: float) -> None:
    """Mean distance over the larger mean size: |k - 1| / max(|k|, 1)."""
    leads = limbs()
    leads[lead] = factor * leads[lead]
    found = disagreement(leads)
    assert found.pop(lead) == pytest.approx(figure, rel=1e-5)
    assert list(found.values()) == pytest.approx([0.0] * 3, abs=1e-6)


def test_limb_leads_without_i_or_ii_are_not_compared() -> None:
    leads = limbs()
    for lead in ("I", "II"):
        assert disagreement({name: x for name, x in leads.items() if name != lead}) == {}
    assert disagreement({name: leads[name] for name in ("I", "II")}) == {}
    assert disagreement({"I": leads["I"], "II": leads["II"], "V1": leads["aVF"]}) == {}
    assert disagreement({name: leads[name] for name in ("I", "II", "aVF")}) == pytest.approx(
        {"aVF": 0.0}, abs=1e-6
    )


def test_the_baseline_is_a_running_mean_of_the_width() -> None:
    """Of a sine over ten widths 1.6 % are left, of one over a single width all."""
    leads = limbs()
    leads["aVF"] = leads["aVF"] + 3.0 * np.sin(2 * np.pi * np.arange(500) / 300)
    assert disagreement(leads, width=30)["aVF"] < 0.1
    assert disagreement(leads, width=300)["aVF"] > 0.7


def test_a_missing_sample_of_a_limb_lead_counts_as_zero() -> None:
    leads = limbs()
    zeros = {lead: np.where(np.arange(500) < 50, 0.0, x) for lead, x in leads.items()}
    gaps = {lead: np.where(np.arange(500) < 50, np.nan, x) for lead, x in leads.items()}
    for lead in ("aVF", "III"):
        zeros[lead], gaps[lead] = 2 * zeros[lead], 2 * gaps[lead]
    assert disagreement(gaps) == pytest.approx(disagreement(zeros))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_limb_leads_of_every_type(dtype: type) -> None:
    leads = {lead: (1000 * x).astype(dtype) for lead, x in limbs().items()}
    leads["aVL"] = (leads["aVL"] * 2).astype(dtype)
    found = disagreement(leads)
    assert found["aVL"] == pytest.approx(0.5, abs=1e-3)
    assert found["aVF"] == pytest.approx(0.0, abs=2e-3)
