"""Classes of the beats of a short recording: one rule, seen by measurements and statements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.experiments.gate import SEED, made

import ecgfoundry
from ecgfoundry.criteria import state
from ecgfoundry.measurements.beat_list import Beats
from ecgfoundry.measurements.settled_classes import settled_labels, surely_normal, usual_rr_s
from ecgfoundry.samples import sample_path
from ecgfoundry.synthesis.planted import NORMAL, P_NORMAL, Planted, paint

NAN = float("nan")


def beats(
    labels: str,
    rr_s: Sequence[float] | None = None,
    width_ms: Sequence[float] | float = 90.0,
    confidence: Sequence[float] | float = 0.9,
) -> Beats:
    rr = np.array(rr_s or [0.8] * len(labels), dtype=np.float64)
    times = np.cumsum(rr)
    rr[0] = NAN
    onset = times - 0.04
    return Beats.from_samples(
        np.round(times * 500).astype(np.int64), 500.0, label=list(labels), rr_s=rr,
        qrs_onset_s=onset, qrs_offset_s=onset + np.broadcast_to(width_ms, len(labels)) / 1000.0,
        confidence=np.broadcast_to(confidence, len(labels)),
    )  # fmt: skip


def settled(leads: int, *args: object, **fields: object) -> str:
    return "".join(settled_labels(beats(*args, **fields), leads))  # type: ignore[arg-type]


@pytest.mark.parametrize("label", ["S", "V", "F"])
def test_what_is_less_likely_than_not_is_normal(label: str) -> None:
    """From 0.5 on it is called so; a normal beat needs no confidence."""
    given = f"NN{label}NN"
    rr = [0.8, 0.8, 0.5, 1.1, 0.8]
    for confidence, expected in ((0.49, "NNNNN"), (0.5, given)):
        found = settled(1, given, rr, 150.0, [0.3, 0.3, confidence, 0.3, 0.3])
        assert found == expected


@pytest.mark.parametrize(
    ("label", "bounded", "expected"),
    [("F", False, "Q"), ("F", True, "Q"), ("V", False, "Q"), ("V", True, "V"), ("N", False, "N")],
)
def test_what_is_cut_off_by_the_edge_of_a_recording_has_no_form(
    label: str, bounded: bool, expected: str
) -> None:
    """A0031 of CPSC 2018 begins with a whole V; 14 records have an F where a usual beat is cut."""
    given = beats(f"{label}NNNNV", [0.09, 0.8, 0.8, 0.8, 0.8, 0.8], 150.0)
    onset = np.where(np.arange(6) > 0, given.qrs_onset_s, given.qrs_onset_s if bounded else NAN)
    given = replace(given, qrs_onset_s=onset)
    assert "".join(settled_labels(given, 1, duration_s=5.0)) == f"{expected}NNNNV"
    # The last beat stands at 4.09 s: 0.14 s before the end and 0.16 s.
    turned = replace(given, label=given.label[::-1], qrs_onset_s=onset[::-1])
    edge = "".join(settled_labels(turned, 1, duration_s=4.23))
    assert edge.endswith(expected)
    assert "".join(settled_labels(turned, 1, duration_s=4.25)).endswith(
        "Q" if label == "V" and not bounded else label
    )


def test_a_narrow_ventricular_beat_is_supraventricular_where_six_leads_show_it() -> None:
    """Narrow: under 120 ms. Early: before 0.9 of the usual 0.8 s, 0.72 s."""
    early, late = [0.8, 0.8, 0.8, 0.71, 0.8, 0.8], [0.8, 0.8, 0.8, 0.73, 0.8, 0.8]
    assert settled(6, "NNNVNN", early, 119.0, 0.89) == "NNNSNN"
    assert settled(6, "NNNVNN", late, 119.0, 0.89) == "NNNNNN"
    assert settled(6, "NNNVNN", early, 120.0, 0.89) == "NNNVNN"
    assert settled(5, "NNNVNN", early, 119.0, 0.89) == "NNNVNN"
    # Where the classifier is certain, it has to be under 100 ms.
    assert settled(6, "NNNVNN", early, 100.0, 0.9) == "NNNVNN"
    assert settled(6, "NNNVNN", early, 99.0, 0.9) == "NNNSNN"


BIGEMINY = [1.1, 0.6, 1.1, 0.6, 1.1, 0.6, 1.1]


def clocked(
    labels: str, rr_s: Sequence[float], with_p: int, blocked_s: Sequence[float] = ()
) -> str:
    given = beats(labels, rr_s, 130.0)
    p_s = np.where(np.arange(len(labels)) < with_p, given.time_s - 0.16, NAN)
    return "".join(settled_labels(replace(given, p_s=p_s), 12, np.array(blocked_s)))


def test_a_beat_is_premature_by_the_clock_alone_where_there_are_p_waves() -> None:
    """Usual: the upper quartile of the intervals, 1.1 s; three quarters of it are 0.825 s."""
    assert clocked("NNNNNNN", BIGEMINY, 7) == "NSNSNSN"
    assert clocked("NNNNNNN", BIGEMINY, 5) == "NSNSNSN"  # 5 of 7 have a P wave
    assert clocked("NNNNNNN", BIGEMINY, 4) == "NNNNNNN"  # 4 of 7: it may be fibrillation
    assert clocked("NNNNNNN", [1.1, 0.82, 1.1, 1.1, 0.83, 1.1, 1.1], 7) == "NSNNNNN"
    # Before three quarters of the interval behind it as well: a run that speeds up is none.
    assert clocked("NNNNNNN", [1.1, 1.1, 1.1, 1.1, 0.8, 0.8, 0.8], 7) == "NNNNNNN"
    # An ectopic beat before it explains the interval; a V beat that is unsure is not made S.
    assert clocked("NVNNNNN", BIGEMINY, 7)[1] == "V"
    assert clocked("NNNVNNN", [1.1, 1.1, 1.1, 0.6, 0.6, 1.1, 1.1], 7)[4] == "N"


def test_an_interval_with_a_blocked_p_wave_is_long_for_another_reason() -> None:
    """Beats at 1.1, 1.7, 2.8, 3.4, 4.5, 5.1 and 6.2 s; P waves alone at 2.2 and 3.9 s."""
    assert clocked("NNNNNNN", BIGEMINY, 7, [2.2, 3.9]) == "NNNNNSN"


def test_behind_an_interpolated_beat_the_sinus_beat_is_not_premature() -> None:
    """V 0.4 s after a beat and the next 0.4 s later: the sinus node was due 0.8 s after its last.

    A beat 0.3 s later comes after 0.7 s, before 0.72 s: it is early.
    """
    assert settled(1, "NNNVSN", [0.8, 0.8, 0.8, 0.4, 0.4, 0.8], 150.0) == "NNNVNN"
    assert settled(1, "NNNVSN", [0.8, 0.8, 0.8, 0.4, 0.3, 0.8], 150.0) == "NNNVSN"


@pytest.mark.parametrize(
    ("ventricular", "bounded", "expected"),
    [
        (1, True, "NNNVNNNNNN"),
        (1, False, "NNNQNNNNNN"),
        (2, True, "NNNVVNNNNN"),
        (2, False, "NNNQQNNNNN"),
        # Ventricular flutter has no ends of its complexes.
        (3, False, "NNNVVVNNNN"),
    ],
)
def test_ventricular_beats_without_ends_are_none_unless_they_are_a_run(
    ventricular: int, bounded: bool, expected: str
) -> None:
    labels = "NNN" + "V" * ventricular + "N" * (7 - ventricular)
    width = [150.0 if bounded or label == "N" else NAN for label in labels]
    rr = [0.4 if label == "V" else 0.8 for label in labels]
    assert settled(2, labels, rr, width) == expected


@pytest.mark.parametrize(
    ("labels", "template", "expected"),
    [
        ("NNNVNNNVN", [0, 0, 0, 1, 0, 0, 0, 1, 0], "NNNVNNNVN"),
        ("NNNVNNNVN", [0, 0, 0, 1, 0, 0, 0, 2, 0], "NNNQNNNQN"),
        ("NNNVNVNNN", [0, 0, 0, 1, 2, 1, 0, 0, 0], "NNNQNQNNN"),  # no usual beat between the two
    ],
)
def test_a_form_that_recurs_is_no_movement_of_the_electrode(
    labels: str, template: list[int], expected: str
) -> None:
    given = beats(labels, None, [NAN if label == "V" else 90.0 for label in labels])
    found = settled_labels(replace(given, template=np.array(template)), 12)
    assert "".join(found) == expected


@pytest.mark.parametrize(("spikes", "expected"), [(2, "QQQQNN"), (1, "QVVVNN")])
def test_a_beat_of_the_form_of_two_paced_ones_is_paced(spikes: int, expected: str) -> None:
    """Four beats of one form, of which one or two have a spike that was found."""
    given = beats("Q" * spikes + "V" * (4 - spikes) + "NN", None, 150.0)
    paced = np.arange(6) < spikes
    given = replace(given, template=np.array([1, 1, 1, 1, 0, 0]), paced=paced)
    assert "".join(settled_labels(given, 12)) == expected


def test_an_unsure_beat_is_normal_and_its_interval_no_normal_one() -> None:
    """Intervals between sure normal beats: 0.8 s; those at the settled beat, 0.5 and 1.1, are none.

    Where no beat has a probability, each N is taken as it is.
    """
    rr = [0.8, 0.8, 0.8, 0.5, 1.1, 0.8]
    given = beats("NNNNNN", rr, 90.0, [0.9, 0.9, 0.9, NAN, 0.9, 0.9])
    assert surely_normal(given).tolist() == [True, True, True, False, True, True]
    assert usual_rr_s(given) == pytest.approx(0.8)
    assert surely_normal(beats("NNV", confidence=NAN)).tolist() == [True, True, False]


def test_what_passes_the_gate_without_a_beat_is_measured() -> None:
    """A train of pulses, one of the signals that are no ECG and pass: it has no beats, and no
    statement is made."""
    signal, rate = made(("aside: pulse train", 1, 1, True), SEED)
    recording = ecgfoundry.Recording.from_array(signal, sampling_rate=rate, leads=["I"], unit="mV")
    assert settled_labels(Beats.from_samples([], 500.0), 12).tolist() == []
    measured = ecgfoundry.measure(recording)
    assert len(measured.beats) == 0
    assert not any(statement.present for statement in state(measured))


def test_where_nothing_was_delineated_ends_are_not_asked_for() -> None:
    assert settled(1, "NNVNN", [0.8, 0.8, 0.5, 1.1, 0.8], [NAN] * 5) == "NNVNN"


def test_the_beats_of_the_sample_are_those_that_its_statements_count() -> None:
    """One fact: the classes of the beats, and how many of them a statement names."""
    result = ecgfoundry.interpret(ecgfoundry.read(sample_path("12-lead")))
    assert result.measurements is not None
    labels = result.measurements.beats.label
    counted = {
        item.name: item.value
        for statement in result.statements
        for item in statement.evidence
        if item.name.endswith("_premature_count")
    }
    # By eye: wide, of another form and without P at 0.6 and 6.3 s; early and narrow at 4.8 s.
    assert ((labels == "V").sum(), (labels == "S").sum()) == (2, 1)
    assert counted["ventricular_premature_count"] == 2
    assert counted["supraventricular_premature_count"] == 1
    again = ecgfoundry.measure(sample_path("12-lead")).beats
    assert again.label.tolist() == labels.tolist()


def test_a_recording_of_more_than_one_piece_keeps_what_the_classifier_said() -> None:
    """Atrial bigeminy for 100 s, measured minute by minute: only a short one is settled."""
    onsets = 0.5 + np.cumsum([0.0, *[0.6, 1.1] * 58])
    waves = [(float(t), NORMAL) for t in onsets], [(float(t) - 0.16, P_NORMAL) for t in onsets]
    long = ecgfoundry.measure(paint(Planted(*waves, duration_s=100.0))).beats
    found = settled_labels(long, 12)
    assert found[1:115:2].tolist() == ["S"] * 57
    assert long.label[:115].tolist() != found[:115].tolist()
