"""Path data written out by hand: which samples are kept, and how numbers are written."""

from __future__ import annotations

import numpy as np

from ecgfoundry.reports.paper.traces import BIN_MM, decimate_extremes, trace_path


def test_a_bin_is_a_tenth_of_a_millimetre() -> None:
    assert BIN_MM == 0.1


def test_of_every_bin_the_lowest_and_the_highest_are_kept() -> None:
    """Five samples a bin, three bins: extremes of 0-4 are 1 and 3, of 5-9 5 and 9, of 10-14 12
    and 10; the first and the last sample are kept as well.
    """
    y = np.array([0, -3, 1, 4, 0, -1, 0, 1, 2, 3, 9, 5, 1, 5, 5], float)
    x = 7.0 + np.arange(15) * 0.02
    assert decimate_extremes(x, y, 0.1).tolist() == [0, 1, 3, 5, 9, 10, 12, 14]


def test_the_width_of_a_bin_can_be_another() -> None:
    y = np.array([0, 2, 1, 3, 0, 1, 5, 1], float)
    assert decimate_extremes(np.arange(8.0), y, 4.0).tolist() == [0, 3, 4, 6, 7]
    assert decimate_extremes(np.arange(8.0), y, 8.0).tolist() == [0, 6, 7]


def test_two_samples_a_bin_are_kept_whole_and_three_are_not() -> None:
    zigzag = np.array([0.0, 1.0, 0.5, 0.0, 1.0, 0.5])
    assert decimate_extremes(np.arange(6) * 0.05, zigzag).tolist() == [0, 1, 2, 3, 4, 5]
    # 0, 0.033, 0.066 and 0.099 mm are in the first bin, 0.132 and 0.165 in the second.
    assert decimate_extremes(np.arange(6) * 0.033, zigzag).tolist() == [0, 1, 4, 5]
    assert decimate_extremes(np.arange(3) * 0.01, np.array([0.0, 0.5, 1.0])).tolist() == [0, 2]
    assert decimate_extremes(np.array([5.0]), np.array([1.0])).tolist() == [0]
    assert decimate_extremes(np.array([5.0, 5.01]), np.array([1.0, 1.0])).tolist() == [0, 1]


def test_numbers_are_as_short_as_they_can_be() -> None:
    x = np.array([1.0, 1.5, 2.25, 12.25, 13.0])
    y = np.array([0.0, -0.5, 0.25, 10.29, 10.29])
    # Steps: 0.5 -0.5, 0.75 0.75, 10 10.04, 0.75 0.
    assert trace_path(x, y) == "M1 0l.5-.5 .75 .75 10 10.04 .75 0"
    assert trace_path(np.array([0.0, 1.0]), np.array([0.05, -100.0])) == "M0 .05l1-100.05"
    assert trace_path(np.array([0.004, 0.996]), np.array([-0.004, 0.006])) == "M0 0l1 .01"


def test_runs_are_written_one_after_another() -> None:
    y = np.array([1.0, 2.0, np.nan, 3.0, np.inf, 4.0, 5.0])
    assert trace_path(np.arange(7.0), y) == "M0 1l1 1M3 3l0 0M5 4l1 1"
