"""Drift of verdicts and prevalence: by hand, from a calibrated bundle, and through a service."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.hand_waves import P, R, build, record, wave

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from tests.service.conftest import LocalClient

from ecgfoundry.errors import BundleError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.inference.recalibration import recalibrate
from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest
from ecgfoundry.models.bundle import find_bundle, load_bundle
from ecgfoundry.models.reference import ANSWERS_FILE, AnswersReference, read_answers_reference
from ecgfoundry.service.api import create_app
from ecgfoundry.service.drift import DriftWatch, Reference, Seen, Sight, reference_of
from ecgfoundry.service.handlers import Worker
from ecgfoundry.service.live.lanes import LaneStreams, StreamOrder
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.work import Work

AF = (("absent", "AF"),)
HOME = AnswersReference(np.array([90, 8, 2]), AF, (np.array([[320, 10], [80, 90]]),))
"""Sensitivity 0.9, specificity 0.8, prevalence 0.2; 8 of 100 flagged and 2 refused."""
POINT = np.zeros(1, np.float32)


def watch(answers: AnswersReference = HOME) -> DriftWatch:
    return DriftWatch(lambda model, source: Reference(None, answers))


def take(drift: DriftWatch, first: int, count: int, verdict: str, said: int | None) -> None:
    """Take so many people, with numbers of their own."""
    choices, point = (None, None) if said is None else ((said,), POINT)
    for person in range(first, first + count):
        drift.take(Seen("m", person.to_bytes(2, "big"), Sight(verdict, choices, point)))


def test_verdicts_and_prevalence_by_hand() -> None:
    """Of 125 people 25 are refused and 50 flagged; of 100 answers 62 are AF: (.62 - .2) / .7."""
    drift = watch()
    take(drift, 0, 38, "good", 0)
    take(drift, 38, 12, "good", 1)
    take(drift, 50, 50, "usable", 1)
    take(drift, 100, 25, "refused", None)
    seen = drift.look()["m", "recordings"]
    assert seen.people == 125 and seen.shift is None and seen.quality is not None
    assert (seen.quality.records_reference, seen.quality.records) == (100, 125)
    assert (seen.quality.refused_reference, seen.quality.refused) == (0.02, 0.2)
    assert (seen.quality.flagged_reference, seen.quality.flagged) == (0.08, 0.4)
    assert seen.quality.p_value == 0.001  # the smallest of 999 permutations
    (af,) = seen.prevalence  # not of "absent", which says the same
    assert (af.target, af.reference, af.answered) == ("AF", 0.2, 0.62)
    assert af.estimated == pytest.approx(0.6) and af.low < 0.6 < af.high
    assert af.shifted is True and af.low > 0.4
    document = json.loads(json.dumps(seen.to_dict(), allow_nan=False))
    assert document["quality"]["shifted"] is True and document["distance"] is None
    assert "observed" not in document["prevalence"][0]


def test_people_like_the_reference_are_no_shift() -> None:
    """Of 100 people 66 are said to be without and 34 with, as at home."""
    drift = watch()
    take(drift, 0, 66, "good", 0)
    take(drift, 66, 24, "good", 1)
    take(drift, 90, 10, "usable", 1)
    seen = drift.look()["m", "recordings"]
    assert seen.quality is not None and seen.quality.p_value == 1.0
    assert seen.to_dict()["quality"]["shifted"] is False
    assert seen.prevalence[0].estimated == pytest.approx(0.2)
    assert seen.prevalence[0].shifted is False


def test_few_people_and_few_of_a_class_are_said() -> None:
    drift = watch()
    take(drift, 0, 29, "good", 1)
    seen = drift.look()["m", "recordings"]
    assert seen.quality is None and seen.prevalence == ()
    rare = AnswersReference(np.array([100, 0, 0]), AF, (np.array([[320, 1], [80, 8]]),))
    drift = watch(rare)
    take(drift, 0, 40, "good", 1)
    seen = drift.look()["m", "recordings"]
    assert seen.prevalence[0].problem == "a class has fewer than 10 reference records"
    assert seen.to_dict()["prevalence"][0]["estimated"] is None


def test_classes_that_exclude_each_other_are_estimated_together() -> None:
    joint = np.array([[80, 20, 10], [10, 60, 10], [10, 20, 80]])
    home = AnswersReference(np.array([300, 0, 0]), (("N", "A", "O"),), (joint,))
    drift = watch(home)
    # A half, 0.3 and 0.2 of 100 people: 0.8*0.5 + 0.2*0.3 + 0.1*0.2 = 0.48, and so on.
    for first, count, said in ((0, 48, 0), (48, 25, 1), (73, 27, 2)):
        take(drift, first, count, "good", said)
    found = drift.look()["m", "recordings"].prevalence
    assert [one.target for one in found] == ["N", "A", "O"]
    assert [one.estimated for one in found] == pytest.approx([0.5, 0.3, 0.2])


def test_answers_of_another_model_under_the_same_name_are_not_counted() -> None:
    drift = watch()
    take(drift, 0, 40, "good", 1)
    for person in range(100, 140):
        drift.take(Seen("m", person.to_bytes(2, "big"), Sight("good", (1, 0), POINT)))
        drift.take(Seen("m", (500 + person).to_bytes(2, "big"), Sight("good", (2,), POINT)))
    assert drift.look()["m", "recordings"].prevalence[0].answered == 1.0


def test_a_refusal_leaves_the_last_answer_of_a_person() -> None:
    drift = watch()
    take(drift, 0, 40, "good", 1)
    take(drift, 0, 40, "refused", None)
    seen = drift.look()["m", "recordings"]
    assert seen.people == 40 and seen.quality is not None and seen.quality.refused == 1.0
    assert seen.prevalence[0].answered == 1.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of twenty people with A and twenty without, and two flat ones."""
    folder = tmp_path_factory.mktemp("people")
    for k in range(20):
        scale = 1 + k / 100  # no two alike
        write_wfdb(record(wave(P) * scale), folder, f"with{k}")
        write_wfdb(record(wave(R) * scale), folder, f"without{k}")
    for k in range(2):
        write_wfdb(record(np.zeros((3, 5000))), folder, f"flat{k}")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that was calibrated on them; the first person comes a second time."""
    rows = [
        ManifestRow(f"{name}{k}", f"{name}{k}.hea", patient=f"{name}{k}", targets={"A": label})
        for name, label in (("with", 1.0), ("without", 0.0))
        for k in range(20)
    ]
    rows += [
        ManifestRow(f"flat{k}", f"flat{k}.hea", patient=f"flat{k}", targets={"A": 0.0})
        for k in range(2)
    ]
    rows.append(ManifestRow("again", "without0.hea", patient="with0", targets={"A": 1.0}))
    output = tmp_path_factory.mktemp("bundles") / "of-this-site"
    hand = build(tmp_path_factory.mktemp("hand"))
    data = MappedManifest(Manifest(tuple(rows), folder), ("A",))
    recalibrate(hand, data, output, drift_reference=True)
    return output


def test_what_the_bundle_carries(model: Path) -> None:
    """A is 3.2 with and 0.0 without: all are told apart. B and H have no labels."""
    found = read_answers_reference(load_bundle(model))
    assert set(found) == {"recordings", "windows"}
    for one in found.values():
        assert one.verdicts.tolist() == [40, 0, 2]  # good, usable, refused
        assert one.questions == (("absent", "A"), ("absent", "B"), ("absent", "H"))
        assert [counts.tolist() for counts in one.counts] == [
            [[20, 0], [0, 20]],
            [[0, 0], [0, 0]],
            [[0, 0], [0, 0]],
        ]
    reference = reference_of(load_bundle(model), "streams")
    assert reference is not None and reference.embeddings is not None
    assert len(reference.embeddings) == 40


def test_a_bundle_without_counts_and_one_with_something_else(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    shipped = load_bundle(find_bundle("rhythm-single-lead"))
    assert read_answers_reference(shipped) == {} and reference_of(shipped, "recordings") is None
    bundle = load_bundle(model)
    for k, text in enumerate(("[]", '{"recordings": 1}', '{"recordings": {"verdicts": {}}}')):
        copy = tmp_path / f"copy{k}"
        copy.mkdir()
        for path in model.iterdir():
            (copy / path.name).write_bytes(path.read_bytes())
        (copy / ANSWERS_FILE).write_text(text)
        damaged = load_bundle(copy, verify=False)
        with pytest.raises(BundleError, match="is no table of answers"):
            read_answers_reference(damaged)
    assert ANSWERS_FILE in bundle.about.files


def test_a_worker_hands_on_verdict_and_answer(folder: Path, model: Path) -> None:
    works = [
        Work("diagnose", str(folder / f"{name}0.hea"), name, model="of-this-site")
        for name in ("with", "without", "flat")
    ]
    seen = [one.seen for one in Worker(models=(str(model),), salt=b"1").run(works)]
    assert [one.sight.verdict for one in seen if one] == ["good", "good", "refused"]
    said = [one.sight.choices for one in seen if one]
    assert said[0] is not None and said[1] is not None and said[2] is None
    assert (said[0][0], said[1][0]) == (1, 0)


def test_of_a_refused_long_recording_only_the_verdict_counts(folder: Path, model: Path) -> None:
    write_wfdb(record(np.zeros((3, 60_000))), folder, "long-flat")
    work = Work("diagnose", str(folder / "long-flat.hea"), "long", model="of-this-site")
    seen = Worker(models=(str(model),), salt=b"1").run([work])[0].seen
    assert seen is not None and seen.source == "long"
    assert seen.sight == Sight("refused")


def test_a_live_window_that_cannot_be_read_counts_too(model: Path) -> None:
    lane = LaneStreams()
    lane.open(StreamOrder("a", model, ("I", "II", "V1"), 500.0, 0.001))
    lane.open(StreamOrder("b", model, ("I", "II", "V1"), 500.0, 0.001))
    beats = encode_frame(np.round(wave(P) * 1000).astype(np.int16), start=0)
    flat = encode_frame(np.zeros((3, 5000), np.int16), start=0)
    seen = dict(lane.answer([("a", beats), ("b", flat)]).seen)
    assert seen["a"].verdict == "good" and seen["a"].choices is not None
    assert seen["a"].choices[0] == 1 and seen["a"].embedding is not None
    assert seen["b"] == Sight("refused")


@pytest.mark.slow
def test_a_shifted_stream_of_people_through_a_service(folder: Path, model: Path) -> None:
    """Sixteen with A, four without and ten flat ones, where half had it and 2 of 42 were flat."""
    sent = [f"with{k}" for k in range(16)] + [f"without{k}" for k in range(4)]
    settings = ServiceSettings(workers=1, models=(str(model),), requests_per_minute=1_000_000)
    with LocalClient(create_app(settings)) as client:
        for k in range(10):
            x = np.zeros((3, 5000))
            x[0, k] = 0.001  # nobody is named: the samples tell them apart
            write_wfdb(record(x), folder, f"nothing{k}")
        for file in (*sent, *(f"nothing{k}" for k in range(10))):
            parts = [
                ("file", (f"{file}{end}", (folder / f"{file}{end}").read_bytes()))
                for end in (".hea", ".dat")
            ]
            answer = client.post("/v1/diagnose?model=of-this-site", files=parts)
            assert answer.status_code == 200, answer.text
        listed = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
        figures = client.get("/metrics").text
    found = listed["of-this-site"]["drift"]["recordings"]
    assert found["people"] == 30 and found["distance"] is None  # twenty have an embedding
    assert found["quality"]["refused"] == pytest.approx(1 / 3)
    assert found["quality"]["refused_reference"] == pytest.approx(2 / 42)
    assert found["quality"]["shifted"] is True
    assert found["prevalence"] == []  # of twenty people nothing is said
    labels = '{model="of-this-site",of="now",source="recordings",verdict="refused"}'
    assert f"ecgfoundry_drift_verdicts{labels} 0.3333" in figures
