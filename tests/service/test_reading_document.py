"""What a page shows of an interpretation: words, places of evidence, values beside the device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.service.browsing import waves

from ecgfoundry.criteria import Evidence, Statement
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.measurements.measuring import measure
from ecgfoundry.recording import Recording
from ecgfoundry.service.reading import reading_document, stretch_of, words_of_present


def evidence(name: str, **fields: object) -> Evidence:
    return Evidence(name, 1.0, "1", "> 0", True, "a book", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "beat", "stretch"),
    [
        ("pr_ms", None, "pr"),
        ("p_terminal_mv_ms", "median", "p"),
        ("steady_p_share_percent", None, "p"),
        ("qrs_ms", None, "qrs"),
        ("r_over_s", "median", "qrs"),
        ("r_peak_time_ms", "median", "qrs"),
        ("sokolow_lyon_mv", "median", "qrs"),
        ("st_j60_mv", "median", "st"),
        ("t_mv", "median", "t"),
        ("qtc_ms", None, "qt"),
        ("heart_rate_bpm", None, "qrs"),
        ("longest_pause_s", 7, "rr"),
        ("ventricular_premature_count", 3, "beat"),
        ("ventricular_spike_count", None, None),
        ("SINUS RHYTHM", None, None),
        ("probability", None, None),
    ],
)
def test_the_part_of_a_beat_that_was_measured(name: str, beat: object, stretch: object) -> None:
    assert stretch_of(evidence(name, beat=beat)) == stretch


def answer_with(*statements: Statement) -> Interpretation:
    """Ten seconds of lead I with 75 beats a minute, P onset to QRS onset about 160 ms."""
    signal = waves(10, 500, {-0.16: (0.025, 0.12), 0.0: (0.016, 1.0), 0.27: (0.05, 0.3)})
    recording = Recording(signal[None], 500.0, ("I",))
    return Interpretation(
        file="x.npz",
        model=None,
        model_version=None,
        preprocessing=None,
        runtime=None,
        target_kind=None,
        calibrated=False,
        duration_s=10.0,
        verdict="good",
        measurements=measure(recording),
        statements=statements,
    )


def test_ours_stand_beside_the_devices_and_a_missing_value_has_its_reason() -> None:
    document = reading_document(answer_with(), {"pr_ms": 161.0, "qtc_ms": 402.0})
    rows = {row["label"]: row for row in document["header"]}
    assert list(rows) == ["HR", "P", "PR", "QRS", "QT/QTc", "axes P/QRS/T"]
    assert (rows["HR"]["text"], rows["HR"]["unit"], rows["HR"]["device"]) == ("75", "/min", None)
    assert rows["PR"]["device"] == "161"
    assert rows["QT/QTc"]["device"] == "–/402"
    assert rows["axes P/QRS/T"]["text"] == "–"
    assert rows["axes P/QRS/T"]["reason"] == "two limb leads are needed"


def test_statements_in_words_with_the_place_of_their_evidence() -> None:
    depressed = Statement(
        "ST DEPRESSION",
        "st_t",
        True,
        (
            Evidence("st_j60_mv", -0.2, "mV", "<= -0.05", True, "Thygesen 2018", "V5", "median"),
            Evidence("sokolow_lyon_mv", 3.9, "mV", ">= 3.5", True, "Sokolow 1949", None, "median"),
        ),
        needs_confirmation=True,
    )
    possible = Statement("WITH 1ST DEGREE AV BLOCK", "av", True, possible=True)
    missing = Statement(
        "R IN AVL", "voltage", None, reason="lead aVL is not there or cannot be read"
    )
    absent = Statement("LOW VOLTAGE QRS", "voltage", False)
    document = reading_document(answer_with(depressed, possible, missing, absent), {})
    first, second = document["statements"]
    assert first["words"] == "ST depression"
    assert first["because"].startswith("ST level at J + 60 ms in V5 −0.20 mV (limit ≤ −0.05 mV)")
    places = [(item["leads"], item["stretch"], item["beat"]) for item in first["evidence"]]
    assert places == [(["V5"], "st", "median"), (["V1", "V5", "V6"], "qrs", "median")]
    assert (second["words"], second["possible"]) == ("1st degree AV block", True)
    assert document["undecided"] == [
        {"reason": "a lead that it needs is not there or cannot be read", "names": ["R in aVL"]}
    ]
    assert document["absent"] == 1


def test_a_count_has_the_place_of_every_beat_it_is_of() -> None:
    premature = Statement(
        "PREMATURE ATRIAL COMPLEXES",
        "ectopy",
        True,
        (evidence("supraventricular_premature_count", beat=2), evidence("qrs_ms")),
    )
    answer = answer_with(premature)
    labels = np.array(list("NNSNNSN"), "<U1")
    labels = np.concatenate([labels, np.full(len(answer.measurements.beats) - 7, "N")])
    beats = replace(answer.measurements.beats, label=labels)
    answer = replace(answer, measurements=replace(answer.measurements, beats=beats))
    (line,) = reading_document(answer, {})["statements"]
    assert [(item["beat"], item["beats"]) for item in line["evidence"]] == [(2, [2, 5]), (None, [])]


def test_a_class_of_a_network_is_named_by_what_it_means() -> None:
    statement = Statement("CD", "network", True, decided_by="network", probability=0.9)
    assert words_of_present(answer_with(statement)) == ["CD"]  # of a network nobody describes


def test_the_waves_of_the_usual_beat_stand_where_they_were_planted() -> None:
    """P peak 160 ms before R, T peak 270 ms after it; ST ends 80 ms after J."""
    document = reading_document(answer_with(), {})
    found = document["waves"]
    assert found["p_peak"] == pytest.approx(-0.16, abs=0.01)
    assert found["t_peak"] == pytest.approx(0.27, abs=0.01)
    assert found["st_end"] - found["qrs_offset"] == pytest.approx(0.08, abs=1e-4)
    ends = {end for pair in document["stretches"].values() for end in pair}
    assert ends - set(found) == {"beat", "beat_before"}
