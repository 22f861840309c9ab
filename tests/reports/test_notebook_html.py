"""What a notebook shows: the values, the statements with reasons, nothing unescaped."""

from __future__ import annotations

from dataclasses import replace

import ecgfoundry
from ecgfoundry.samples import sample_path


def test_an_interpretation_shows_values_statements_and_the_disclaimer() -> None:
    answer = ecgfoundry.interpret("sample:single-lead", model="rhythm-single-lead-edge")
    assert repr(answer).startswith("<Interpretation: atrial fibrillation; ")
    assert repr(answer).endswith(" statements; rhythm-single-lead-edge, good>")
    html = answer._repr_html_()
    for words in ("<th>HR</th>", "<b>atrial fibrillation</b>: network", "Not a medical device"):
        assert words in html
    assert "rhythm-single-lead-edge: atrial fibrillation (0.9" in html


def test_measurements_say_why_a_value_is_missing() -> None:
    html = ecgfoundry.measure(ecgfoundry.read(sample_path("single-lead")))._repr_html_()
    assert 'title="' in html and "<th>QT/QTc</th>" in html


def test_names_are_escaped() -> None:
    answer = ecgfoundry.interpret("sample:single-lead", model="rhythm-single-lead-edge")
    named = replace(answer, model="<script>alert(1)</script>")
    assert "<script>" not in named._repr_html_()
