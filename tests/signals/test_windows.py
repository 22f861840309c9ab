"""The one rule for windows, as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgfoundry.signals.windows import window_bounds


@given(
    samples=st.integers(0, 200_000),
    rate=st.sampled_from([62.5, 100.0, 128.0, 257.0, 300.0, 360.0, 500.0, 999.7]),
    window_s=st.sampled_from([2.5, 10.0, 30.0]),
    tail=st.sampled_from(["align", "drop"]),
)
def test_windows(samples: int, rate: float, window_s: float, tail: str) -> None:
    bounds = window_bounds(samples, rate, window_s, tail=tail)
    length = round(window_s * rate)
    if samples == 0:
        assert bounds == []
    elif samples <= length:
        assert bounds == [(0, samples)]
    else:
        assert all(stop - start == length for start, stop in bounds)
        assert bounds[0][0] == 0 and bounds[-1][1] <= samples
        full = bounds[:-1] if tail == "align" else bounds
        for k, (start, _) in enumerate(full):
            assert abs(start - k * window_s * rate) <= 0.5  # no drift
        lost = samples - bounds[-1][1]
        assert 0 <= lost < (0.1 * length if tail == "align" else length) + 1
        assert bounds == sorted(set(bounds))


def test_examples() -> None:
    assert window_bounds(15_000, 500, 10) == [(0, 5000), (5000, 10_000), (10_000, 15_000)]
    assert window_bounds(12_000, 500, 10) == [(0, 5000), (5000, 10_000), (7000, 12_000)]
    assert window_bounds(5004, 500, 10) == [(0, 5000)]
    assert window_bounds(12_000, 500, 10, tail="drop") == [(0, 5000), (5000, 10_000)]


@pytest.mark.parametrize(
    ("samples", "rate", "window_s", "tail", "wanted"),
    [
        # A tenth of a window counts, and less does not.
        (5499, 500.0, 10.0, "align", [(0, 5000)]),
        (5500, 500.0, 10.0, "align", [(0, 5000), (500, 5500)]),
        (10_499, 500.0, 10.0, "align", [(0, 5000), (5000, 10_000)]),
        (10_500, 500.0, 10.0, "align", [(0, 5000), (5000, 10_000), (5500, 10_500)]),
        (10_500, 500.0, 10.0, "drop", [(0, 5000), (5000, 10_000)]),
        # A recording of one window or less is one window.
        (5000, 500.0, 10.0, "align", [(0, 5000)]),
        (4999, 500.0, 10.0, "align", [(0, 4999)]),
        (1, 500.0, 10.0, "drop", [(0, 1)]),
        (0, 500.0, 10.0, "align", []),
        (-1, 500.0, 10.0, "align", []),
        # 642.5 samples round to 642 (half to even); the starts 642.5 and 1285 do not drift.
        (1927, 257.0, 2.5, "align", [(0, 642), (642, 1284), (1285, 1927)]),
        # 625.25 samples: the starts 625.25, 1250.5, 1875.75 are rounded each for itself.
        (2501, 250.1, 2.5, "drop", [(0, 625), (625, 1250), (1250, 1875), (1876, 2501)]),
    ],
)
def test_edges(
    samples: int, rate: float, window_s: float, tail: str, wanted: list[tuple[int, int]]
) -> None:
    assert window_bounds(samples, rate, window_s, tail=tail) == wanted


def test_the_remainder_is_covered_unless_told_otherwise() -> None:
    assert window_bounds(7500, 500.0, 10.0) == [(0, 5000), (2500, 7500)]
