"""An answer that was stored says on paper what it said when it was made."""

from __future__ import annotations

from ecgfoundry import interpret, read, sample_path
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.stating import with_median_beat


def test_the_median_beat_of_a_stored_answer() -> None:
    recording = read(sample_path("12-lead"))
    answer = interpret(recording)
    stored = Interpretation.from_dict(answer.to_dict())
    assert stored.measurements is not None and stored.measurements.median is None
    again = with_median_beat(stored, recording)
    assert answer.measurements is not None and answer.measurements.median is not None
    assert again.measurements is not None and again.measurements.median is not None
    assert again.measurements.median.boundaries == answer.measurements.median.boundaries
    assert again.to_dict() == answer.to_dict()
    assert with_median_beat(again, recording) is again


def test_no_mark_of_other_beats_stands_beside_stored_values() -> None:
    recording = read(sample_path("12-lead"))
    stored = Interpretation.from_dict(interpret(recording).to_dict())
    half = recording.part(0, recording.samples // 2)
    assert with_median_beat(stored, half) is stored
    other = recording.select(["I", "II"])
    assert with_median_beat(stored, other) is stored
