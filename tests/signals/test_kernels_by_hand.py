"""What the compiled standardization does, on cases that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal as ss
from numpy.typing import NDArray

from ecgfoundry import native
from ecgfoundry.errors import SignalError
from ecgfoundry.preprocessing import design
from ecgfoundry.preprocessing.native import (
    KernelSteps,
    StridedWindows,
    linear_positions,
    standardize_natively,
)

NAN = float("nan")


@pytest.fixture(params=["base", "auto"], autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, request.param)
    if not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")


def run(
    x: NDArray,
    steps: KernelSteps,
    *,
    output: int | None = None,
    rate: float = 500.0,
    gain: float | None = None,
    **options,
) -> NDArray[np.float32] | None:
    """Standardize an array (windows, leads, samples) as it lies."""
    windows, leads, samples = x.shape
    units = {} if gain is None else {"gain": gain}
    given = StridedWindows(
        x, rate, np.arange(windows) * leads * samples, leads, samples, samples, **units
    )
    return standardize_natively(
        given, steps, output_samples=samples if output is None else output, **options
    )


# --- scaling ----------------------------------------------------------------------------------


def window(*rows: list[float], dtype: type = np.float64) -> NDArray:
    return np.array([rows], dtype=dtype)


def test_the_joint_z_score_by_hand() -> None:
    """1, 3, 5, 7: mean 4, deviation sqrt 5; an absent lead takes no part."""
    x = window([1.0, 3.0], [NAN, NAN], [5.0, 7.0])
    given = run(x, KernelSteps(500.0, (), epsilon=0.0))
    wanted = np.array([[-3.0, -1.0], [NAN, NAN], [1.0, 3.0]]) / np.sqrt(5.0)
    np.testing.assert_allclose(given[0], wanted, rtol=1e-7)
    given = run(x, KernelSteps(500.0, (), epsilon=1.0))
    np.testing.assert_allclose(given[0], wanted * np.sqrt(5.0) / (np.sqrt(5.0) + 1), rtol=1e-7)
    # Without a word the epsilon is that of the released code, 1e-8.
    tiny = run(window([-3e-8, 3e-8]), KernelSteps(500.0, ()))
    np.testing.assert_allclose(tiny[0, 0], [-0.75, 0.75], rtol=1e-6)


def test_a_gap_counts_as_zero() -> None:
    given = run(window([2.0, NAN, 4.0, NAN]), KernelSteps(500.0, (), epsilon=0.0))
    # 2, 0, 4, 0: mean 1.5, deviation sqrt(2.75).
    np.testing.assert_allclose(given[0, 0], np.array([0.5, -1.5, 2.5, -1.5]) / np.sqrt(2.75))


def test_padding_after_the_z_score_is_zero_and_before_it_takes_part() -> None:
    x = window([1.0, 3.0], [5.0, 7.0])
    after = run(x, KernelSteps(500.0, (), epsilon=0.0), output=4)
    np.testing.assert_allclose(
        after[0], np.array([[-3.0, -1.0, 0.0, 0.0], [1.0, 3.0, 0.0, 0.0]]) / np.sqrt(5.0)
    )
    # 1, 3, 0, 0, 5, 7, 0, 0: mean 2, squares 84/8 - 4 = 6.5.
    before = run(x, KernelSteps(500.0, (), scaling="joint-padded", epsilon=0.0), output=4)
    np.testing.assert_allclose(
        before[0],
        np.array([[-1.0, 1.0, -2.0, -2.0], [3.0, 5.0, -2.0, -2.0]]) / np.sqrt(6.5),
        rtol=1e-7,
    )
    # With one zero more for each lead: 16 / 6, squares 84/6 - (16/6)^2.
    third = run(x, KernelSteps(500.0, (), scaling="joint-padded", epsilon=0.0), output=3)
    wanted = (np.array([[1.0, 3.0, 0.0], [5.0, 7.0, 0.0]]) - 16 / 6) / np.sqrt(14 - (16 / 6) ** 2)
    np.testing.assert_allclose(third[0], wanted, rtol=1e-6)
    full = run(x, KernelSteps(500.0, (), scaling="joint-padded", epsilon=0.0), output=2)
    np.testing.assert_allclose(full[0], np.array([[-3.0, -1.0], [1.0, 3.0]]) / np.sqrt(5.0))
    # An epsilon as large as the deviation halves everything, padding too.
    half = run(x, KernelSteps(500.0, (), scaling="joint-padded", epsilon=np.sqrt(6.5)), output=4)
    np.testing.assert_allclose(half[0], before[0] / 2, rtol=1e-7)


def test_a_longer_result_is_cut_but_scaled_as_a_whole() -> None:
    cut = run(window([1.0, 3.0, 5.0, 7.0]), KernelSteps(500.0, (), epsilon=0.0), output=3)
    np.testing.assert_allclose(cut[0, 0], np.array([-3.0, -1.0, 1.0]) / np.sqrt(5.0))


def test_each_lead_has_its_own_z_score_and_a_flat_one_is_zero() -> None:
    x = window([-0.25, 0.25], [-0.2475, 0.2475], [10.0, 14.0], [3.0, 3.0])
    given = run(x, KernelSteps(500.0, (), scaling="each", epsilon=0.25), output=3)
    wanted = [[-1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_array_equal(given[0], wanted)


def test_values_are_clipped_at_the_limit() -> None:
    x = np.zeros((1, 1, 100))
    x[0, 0, [10, 20]] = [1.0, -1.0]  # deviation sqrt(2/100): z-scores of 7.07
    free = run(x, KernelSteps(500.0, (), scaling="each"))[0, 0]
    np.testing.assert_allclose(free[[10, 20]], [np.sqrt(50.0), -np.sqrt(50.0)], rtol=1e-7)
    clipped = run(x, KernelSteps(500.0, (), scaling="each", clip=7.0))[0, 0]
    np.testing.assert_array_equal(clipped[[10, 20]], [7.0, -7.0])
    assert run(x, KernelSteps(500.0, (), scaling="each", clip=7.1))[0, 0].max() == free.max()


# --- the way of the samples ----------------------------------------------------------------------


@pytest.mark.parametrize("samples", [8, 9, 16, 17, 1000, 1003])
def test_sums_take_every_sample(samples: int) -> None:
    x = np.random.default_rng(samples).normal(3.0, 2.0, size=(3, 5, samples))
    given = run(x, KernelSteps(500.0, (), epsilon=0.0))
    x = x.astype(np.float32).astype(np.float64)
    mean, deviation = x.mean(axis=(1, 2), keepdims=True), x.std(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(given, (x - mean) / deviation, rtol=1e-5, atol=1e-6)


def test_every_second_or_third_sample_is_kept() -> None:
    x = window([0.0, 90.0, 2.0, 90.0, 4.0, 90.0, 6.0])
    given = run(x, KernelSteps(500.0, (), decimation=2, epsilon=0.0), output=5)
    # 0, 2, 4, 6: mean 3, deviation sqrt 5.
    np.testing.assert_allclose(
        given[0, 0], np.array([-3.0, -1.0, 1.0, 3.0, 0.0]) / np.sqrt(5.0), rtol=1e-7
    )
    given = run(x, KernelSteps(500.0, (), decimation=3, epsilon=0.0), output=3)
    # 0, 90, 6: mean 32, squares (32^2 + 58^2 + 26^2) / 3.
    np.testing.assert_allclose(
        given[0, 0], np.array([-32.0, 58.0, -26.0]) / np.sqrt(5064 / 3), rtol=1e-7
    )


def test_the_running_median_by_hand() -> None:
    x = window([5.0, 1.0, 4.0, 2.0, 9.0])
    # Of 3, zeros beyond the ends: 1, 4, 2, 4, 2; left: 4, -3, 2, -2, 7; mean 1.6.
    left = np.array([4.0, -3.0, 2.0, -2.0, 7.0])
    given = run(x, KernelSteps(500.0, (), median_kernel=3, epsilon=0.0))
    np.testing.assert_allclose(given[0, 0], (left - 1.6) / np.sqrt(82 / 5 - 1.6**2), rtol=1e-7)


@pytest.mark.parametrize("kernel", [3, 31, 201])
def test_the_running_median_is_scipys(kernel: int) -> None:
    x = np.cumsum(np.random.default_rng(kernel).integers(-3, 4, (1, 2, 997)), axis=-1).astype(float)
    left = x - np.stack([ss.medfilt(row, kernel) for row in x[0]])
    given = run(x, KernelSteps(500.0, (), median_kernel=kernel, epsilon=0.0))
    np.testing.assert_allclose(given, (left - left.mean()) / left.std(), rtol=1e-6, atol=1e-6)


def test_linear_resampling_by_hand() -> None:
    x = window([0.0, 10.0, 40.0])
    left = np.array([0.0, 5.0, 10.0, 25.0, 40.0, 40.0])  # 250 to 500 Hz
    given = run(x, KernelSteps(500.0, (), epsilon=0.0), rate=250.0, output=6)
    np.testing.assert_allclose(given[0, 0], (left - 20.0) / left.std(), rtol=1e-6)
    np.testing.assert_array_equal(linear_positions(3, 250.0, 500.0)[0], [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(linear_positions(3, 250.0, 500.0)[1], [0, 0.5, 0, 0.5, 0, 0])
    np.testing.assert_array_equal(linear_positions(5, 400.0, 500.0)[0], [0, 0, 1, 2, 3, 4])
    np.testing.assert_allclose(linear_positions(5, 400.0, 500.0)[1], [0, 0.8, 0.6, 0.4, 0.2, 0])
    assert len(linear_positions(1, 1000.0, 100.0)[0]) == 1


def test_a_gap_beside_a_resampled_sample_counts_as_zero() -> None:
    x = window([2.0, NAN, 6.0, 8.0])
    # 250 to 500 Hz: 2, (2 + 0)/2, 0, (0 + 6)/2, 6, 7, 8, 8.
    left = np.array([2.0, 1.0, 0.0, 3.0, 6.0, 7.0, 8.0, 8.0])
    given = run(x, KernelSteps(500.0, (), epsilon=0.0), rate=250.0, output=8)
    np.testing.assert_allclose(given[0, 0], (left - left.mean()) / left.std(), rtol=1e-6)


def test_integers_are_multiplied_by_their_gain() -> None:
    x = window([100, 300], [500, 700], dtype=np.int16)
    given = run(x, KernelSteps(500.0, (), epsilon=1.0), gain=0.01)
    wanted = np.array([[-3.0, -1.0], [1.0, 3.0]]) / (np.sqrt(5.0) + 1.0)
    np.testing.assert_allclose(given[0], wanted, rtol=1e-6)
    plain = run(x, KernelSteps(500.0, (), epsilon=100.0))  # without a word a unit is 1 mV
    np.testing.assert_allclose(plain[0], wanted, rtol=1e-6)
    for dtype in (np.float32, np.float64):  # a gain is for integers alone
        given = run(x.astype(dtype) * 0.01, KernelSteps(500.0, (), epsilon=1.0), gain=5.0)
        np.testing.assert_allclose(given[0], wanted, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_windows_may_lie_anywhere(threads: int) -> None:
    """Overlapping windows of two leads that lie 100 samples apart in one array."""
    flat = np.random.default_rng(6).normal(size=260)
    starts = [0, 3, 50, 21, 100]
    given = standardize_natively(
        StridedWindows(flat, 500.0, starts, leads=2, samples=60, lead_stride=100),
        KernelSteps(500.0, (), epsilon=0.0),
        output_samples=60,
        threads=threads,
    )
    for start, window in zip(starts, given, strict=True):
        x = np.stack([flat[start : start + 60], flat[start + 100 : start + 160]])
        np.testing.assert_allclose(window, (x - x.mean()) / x.std(), rtol=1e-5, atol=1e-6)


# --- what is refused or left to NumPy ------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "stride", "fits"),
    [([0, 100], 100, True), ([0, 101], 100, False), ([-1], 100, False), ([100], -50, False)],
)
def test_no_window_reaches_outside(starts: list[int], stride: int, fits: bool) -> None:
    def call():
        return standardize_natively(
            StridedWindows(np.zeros(260), 500.0, starts, leads=2, samples=60, lead_stride=stride),
            KernelSteps(500.0, ()),
            output_samples=60,
        )

    if fits:
        assert call().shape == (len(starts), 2, 60)
    else:
        with pytest.raises(SignalError, match="outside the signal"):
            call()


def test_windows_up_to_65000_samples_are_taken() -> None:
    """Ranks of samples have 16 bits, and 535 of the 65535 are for the zeros beyond the ends."""
    steps = KernelSteps(500.0, (), median_kernel=201)
    assert run(np.zeros((1, 1, 65_000)), steps) is not None
    assert run(np.zeros((1, 1, 65_001)), steps) is None


def test_other_types_and_layouts_are_left_to_numpy() -> None:
    assert run(np.zeros((1, 1, 100), dtype=np.int32), KernelSteps(500.0, ())) is None
    assert run(np.zeros((1, 1, 100), dtype=np.float16), KernelSteps(500.0, ())) is None
    assert run(np.zeros((1, 100, 2)).transpose(0, 2, 1), KernelSteps(500.0, ())) is None


def test_a_window_has_to_be_longer_than_the_odd_extension() -> None:
    notch = design.notch(50.0, 30.0, 500.0)
    wide = design.band_pass(4, 0.67, 40.0, 500.0)
    assert KernelSteps(500.0, ()).shortest == 1
    assert KernelSteps(500.0, (notch,)).shortest == 10
    assert KernelSteps(500.0, (notch, wide)).shortest == 28
    assert run(np.ones((1, 1, 29)), KernelSteps(500.0, (notch, wide))) is not None
    assert run(np.ones((1, 1, 27)), KernelSteps(500.0, (notch, wide))) is None


# --- filters ----------------------------------------------------------------------------------


def odd(x: NDArray, sos: NDArray, pad: int) -> NDArray:
    return ss.sosfiltfilt(sos, x, axis=-1, padtype="odd", padlen=pad)


@pytest.mark.parametrize(
    ("part", "sos", "pad"),
    [
        (design.high_pass(2, 0.5, 500.0), ss.butter(2, 0.5, "highpass", fs=500, output="sos"), 9),
        (design.low_pass(2, 50.0, 500.0), ss.butter(2, 50, "lowpass", fs=500, output="sos"), 9),
        (design.notch(50.0, 30.0, 500.0), ss.tf2sos(*ss.iirnotch(50, 30, 500)), 9),
        (design.notch(60.0, 30.0, 500.0), ss.tf2sos(*ss.iirnotch(60, 30, 500)), 9),
        *(
            (
                design.band_pass(order, 0.5, 40.0, 500.0),
                ss.butter(order, [0.5, 40], "bandpass", fs=500, output="sos"),
                3 * (2 * order + 1),
            )
            for order in (1, 2, 3, 4)
        ),
    ],
)
@pytest.mark.parametrize("rows", [1, 5, 19])
def test_each_filter_is_scipys(part: design.ZeroPhaseFilter, sos: NDArray, pad: int, rows) -> None:
    assert part.pad == pad
    x = np.cumsum(np.random.default_rng(rows).normal(size=(1, rows, 700)), axis=-1)
    x = x.astype(np.float32).astype(np.float64)
    given = run(x, KernelSteps(500.0, (part,), epsilon=1.0))
    wanted = odd(x, sos, pad)
    wanted = (wanted - wanted.mean()) / (wanted.std() + 1.0)
    np.testing.assert_allclose(given, wanted, rtol=1e-6, atol=2e-7)


def test_two_filters_follow_each_other() -> None:
    x = np.cumsum(np.random.default_rng(7).normal(size=(1, 2, 300)), axis=-1)
    x = x.astype(np.float32).astype(np.float64)
    parts = (design.low_pass(2, 50.0, 500.0), design.band_pass(3, 0.5, 40.0, 500.0))
    wanted = odd(x, ss.butter(2, 50, "lowpass", fs=500, output="sos"), 9)
    wanted = odd(wanted, ss.butter(3, [0.5, 40], "bandpass", fs=500, output="sos"), 21)
    given = run(x, KernelSteps(500.0, parts, epsilon=0.0))
    np.testing.assert_allclose(given, (wanted - wanted.mean()) / wanted.std(), rtol=1e-6, atol=2e-7)
