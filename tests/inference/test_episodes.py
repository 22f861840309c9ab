"""Episodes and burden against hand-made timelines."""

from __future__ import annotations

import pytest

from ecgfoundry.inference.interpretation import WindowResult, find_episodes
from ecgfoundry.signals.quality import Notice


def window(start: float, *present: str, length: float = 10.0, p: float = 0.9) -> WindowResult:
    return WindowResult(start, length, probabilities={"A": p, "B": p}, present=present)


def test_consecutive_windows_join_and_refusals_part_them() -> None:
    refused = WindowResult(30, 10, refused=Notice("flat", "flat"))
    windows = [window(0, "A"), window(10, "A", p=0.7), window(20, "B"), refused, window(40, "A")]
    episodes, burden, readable = find_episodes(windows, ("A", "B"))
    assert [(e.name, e.start_s, e.end_s) for e in episodes] == [
        ("A", 0, 20), ("B", 20, 30), ("A", 40, 50),
    ]  # fmt: skip
    assert episodes[0].probability == pytest.approx(0.8)
    assert readable == 40 and burden == {"A": pytest.approx(30 / 40), "B": pytest.approx(10 / 40)}


def test_the_overlap_of_the_last_window_is_counted_once() -> None:
    windows = [window(0, "A"), window(10, "A"), window(14, "A")]
    episodes, burden, readable = find_episodes(windows, ("A",))
    assert readable == 24 and burden["A"] == 1.0
    assert [(e.start_s, e.end_s) for e in episodes] == [(0, 24)]


def test_a_gap_in_time_ends_an_episode() -> None:
    episodes, _, _ = find_episodes([window(0, "A"), window(50, "A")], ("A",))
    assert len(episodes) == 2


def test_nothing_readable_has_no_burden() -> None:
    refused = WindowResult(0, 10, refused=Notice("flat", "flat"))
    assert find_episodes([refused], ("A",)) == ((), {"A": None}, 0.0)
