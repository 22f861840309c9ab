"""Filters, medians and quantiles of many rows, with kernels and without, as by SciPy and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage as ndi
import scipy.signal as ss

from ecgfoundry.measurements.medians import median, median_of_rows, quantile_of_rows
from ecgfoundry.measurements.nearest import distance_to_nearest
from ecgfoundry.signals.filters import averaged, both_ways, butterworth_sos, gaussian
from ecgfoundry.signals.kernels import correlate_rows

# SciPy and the kernels do the same operations in the same order; compilers may fuse them on ARM.
ROUNDING = 1e-11


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 8, 9, 13, 17])
@pytest.mark.parametrize("order", [1, 2, 4, 5])  # as many sections; five are left to SciPy
def test_filters_both_ways(way: str, rows: int, order: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, 700)).cumsum(axis=1)
    sos = butterworth_sos(order, (5.0, 25.0), "bandpass", 250.0)
    for pad in (0, 250, 699):
        wanted = ss.sosfiltfilt(sos, x, padtype="odd" if pad else None, padlen=pad)
        assert both_ways(sos, x, pad) == pytest.approx(wanted, abs=ROUNDING)
    several = both_ways(sos, x.reshape(1, rows, 700), 9)
    assert np.array_equal(several[0], both_ways(sos, x, 9))
    assert np.array_equal(both_ways(sos, x[:1], 9)[0], several[0, 0])  # alone as among others


@pytest.mark.parametrize("derivative", [0, 1, 2])
@pytest.mark.parametrize("samples", [1, 7, 64, 65, 1000])
def test_gaussians(way: str, derivative: int, samples: int) -> None:
    x = np.random.default_rng(samples).normal(size=(5, samples))
    for deviation, truncate in ((0.1, 4.0), (2.0, 3.0), (3.125, 4.0), (9.9, 3.0)):
        wanted = ndi.gaussian_filter1d(x, deviation, order=derivative, truncate=truncate, axis=1)
        given = gaussian(x, deviation, derivative=derivative, truncate=truncate)
        assert given == pytest.approx(wanted, abs=ROUNDING)


@pytest.mark.parametrize("members", [1, 2, 3, 18, 19, 96, 97])
def test_medians_of_columns(way: str, members: int) -> None:
    rng = np.random.default_rng(members)
    for columns in (1, 31, 32, 70):
        x = np.round(rng.normal(size=(3, members, columns)), 1)  # many equal values
        assert np.array_equal(median_of_rows(x, axis=1), np.median(x, axis=1))
        assert np.array_equal(median_of_rows(x[0], axis=0), np.median(x[0], axis=0))


@pytest.mark.parametrize("size", [1, 2, 5, 100, 2501])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_order_statistics_of_rows(size: int, kind: type) -> None:
    x = np.random.default_rng(size).normal(size=(4, size)).astype(kind)
    assert median(x[0]) == np.median(x[0].astype(np.float64))
    assert np.array_equal(median_of_rows(x), np.median(x, axis=1))
    for share in (0.0, 0.005, 0.3, 0.5, 0.98, 1.0):
        given = quantile_of_rows(x, share)
        assert given.dtype == kind
        assert given == pytest.approx(np.quantile(x, share, axis=1), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 8])
def test_averages_of_some_samples(factor: int) -> None:
    x = np.random.default_rng(factor).normal(size=(3, 1001))
    wanted = [
        [row[k : k + factor].mean() for k in range(0, 1001 - factor + 1, factor)] for row in x
    ]
    assert averaged(x, factor) == pytest.approx(np.array(wanted), abs=1e-14)


def test_how_far_the_nearest_is() -> None:
    given = distance_to_nearest(np.array([3, 10]), np.array([-1.0, 3.0, 6.0, 7.5, 12.0]))
    assert given.tolist() == [4.0, 0.0, 3.0, 2.5, 2.0]


def test_rows_of_another_type_are_not_read_as_doubles() -> None:
    x = np.arange(40.0).reshape(2, 20)
    weight = np.array([0.25, 0.5, 0.25])
    expected = correlate_rows(x, weight, symmetric=True)
    for kind in (np.float32, np.int16):
        found = correlate_rows(x.astype(kind), weight, symmetric=True)
        assert (found is None) == (expected is None)
        if found is not None:
            assert found.dtype == np.float64
            # A straight line is its own mean of neighbours, but for its mirrored ends.
            np.testing.assert_array_equal(found[:, 1:-1], x[:, 1:-1])
