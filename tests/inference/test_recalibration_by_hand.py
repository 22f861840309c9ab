"""Calibration and thresholds fitted on square waves whose logits are known.

The literals of Platt's method are the minimum of
``mean(log(1 + exp(-t (s x + o)))) + 0.01 ((s - 1)^2 + 0.1 o^2)`` by SciPy's Nelder-Mead, for the
logits 1.6 (positives: the mean of 3.2 and 0) and 0.0 (negatives), as many of both.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.hand_waves import P, R, build, record, wave

from ecgfoundry.errors import BundleError, ManifestError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.recalibration import MINIMUM_EACH, recalibrate
from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest
from ecgfoundry.models.bundle import load_bundle

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

SCALE, OFFSET = 3.355688, -2.597752
THRESHOLD = 0.505196  # midway between 0.941108 at 1.6 and 0.069283 at 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    write_wfdb(record(wave(P, R)), folder, "p")
    write_wfdb(record(wave(R)), folder, "r")
    write_wfdb(record(np.zeros((3, 5000))), folder, "flat")
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return build(tmp_path_factory.mktemp("hand"))


def mapped(manifest: Manifest) -> MappedManifest:
    return MappedManifest(manifest, manifest.target_names)


def row(
    number: int, file: str, a: float | None, b: float | None = None, split: str | None = None
) -> ManifestRow:
    targets = {"A": a, "B": b}
    return ManifestRow(f"{number}", f"{file}.hea", split=split, targets=targets)


def table(positives: int, negatives: int, **more: str) -> list[ManifestRow]:
    """P is A, R is not; of B one label fewer is known than of A, on either side."""
    rows = [row(k, "p", 1.0, 0.0, **more) for k in range(positives)]
    rows += [row(100 + k, "r", 0.0, 1.0 if k else None, **more) for k in range(negatives)]
    return rows


def test_a_target_needs_ten_of_each(folder: Path, tiny: Predictor, tmp_path: Path) -> None:
    assert MINIMUM_EACH == 10
    done: list[tuple[int, int]] = []
    rows = [row(200, "flat", 1.0), row(201, "gone", 1.0), *table(10, 10)]
    result = recalibrate(
        tiny,
        mapped(Manifest(tuple(rows), folder)),
        tmp_path / "new",
        progress=lambda *k: done.append(k),
    )
    skipped = result.skipped
    assert list(skipped) == ["200", "201"]
    assert skipped["200"].startswith("every lead is flat") and "gone.hea" in skipped["201"]
    assert done == [(k, 22) for k in range(1, 23)]
    document = load_bundle(tmp_path / "new").document
    record_level, window_level = (document["calibration"][key] for key in ("record", "window"))
    reduced = document["calibration"]["reduced_leads"]
    assert record_level["method"] == "platt"
    # B has ten negatives and nine positives; H and the modifier have no column: they keep theirs.
    for level, others in (
        (record_level, [0.5, 0, 0]), (window_level, [-1, 0, 0]), (reduced, [0, 0, 0])
    ):  # fmt: skip
        assert level["scale"] == [pytest.approx(SCALE, rel=2e-3), 1, 1, 1]
        assert level["offset"] == [pytest.approx(OFFSET, rel=2e-3), *others]
    assert document["thresholds"]["values"] == [
        pytest.approx(THRESHOLD, abs=2e-3), 0.99, 0.5, 0.5,
    ]  # fmt: skip
    assert result.fitted == ("A",)
    assert document["uncalibrated"] == {} and len(result.kept) == 3
    words = "20 recordings of the owner; 1 of 4 targets (A)"
    assert document["calibration"]["fitted_on"] == words
    assert document["thresholds"] | {"values": 0} == {
        "values": 0, "criterion": "largest F1 (A); the others: -",
        "fitted_on": f"{words}; the others: -",
    }  # fmt: skip
    answer = load_model(tmp_path / "new").interpret(record(wave(P, R)))
    assert answer.finding("A").probability == pytest.approx(0.941108, abs=2e-3)
    assert answer.finding("A").present is True


def test_eight_people_are_too_few_for_anything(
    folder: Path, tiny: Predictor, tmp_path: Path
) -> None:
    few = Manifest(tuple(table(8, 8)), folder)
    with pytest.raises(
        ManifestError, match="10 positives and 10 negatives, nor labels of 9 people"
    ):
        recalibrate(tiny, mapped(few), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("positives", "negatives"), [(9, 20), (20, 9)])
def test_nine_people_are_enough_for_sets(
    folder: Path, tiny: Predictor, tmp_path: Path, positives: int, negatives: int
) -> None:
    """All positives have the logit 1.6, all negatives 0, so the limits are those probabilities."""
    few = Manifest(tuple(table(positives, negatives)), folder)
    found = recalibrate(tiny, mapped(few), tmp_path / "new")
    assert found.fitted == () and found.sets is not None and found.sets.coverage == 0.9
    answer = load_model(tmp_path / "new").interpret(record(wave(P, R))).finding("A")
    other = load_model(tmp_path / "new").interpret(record(wave(R))).finding("A")
    assert answer.probability == pytest.approx(found.sets.present[0], abs=1e-3)
    assert found.sets.absent is not None
    assert other.probability == pytest.approx(found.sets.absent[0], abs=1e-3)
    # Of H, which has no labels, nothing is excluded.
    assert (found.sets.present[2], found.sets.absent[2]) == (None, None)
    document = load_bundle(tmp_path / "new").document
    assert document["sets"]["fitted_on"] == "29 recordings of the owner"
    assert document["calibration"] == tiny.bundle.document["calibration"]


def test_only_the_validation_part_is_used_where_there_is_one(
    folder: Path, tiny: Predictor, tmp_path: Path
) -> None:
    """In the training part the labels are the other way round."""
    turned = [row(300 + k, "p" if k % 2 else "r", float(1 - k % 2), split="train")
              for k in range(40)]  # fmt: skip
    rows = [*turned, *table(11, 11, split="validation")]
    recalibrate(tiny, mapped(Manifest(tuple(rows), folder)), tmp_path / "new")
    document = load_bundle(tmp_path / "new").document
    assert (
        document["calibration"]["fitted_on"] == "22 recordings of the owner; 2 of 4 targets (A, B)"
    )
    assert document["calibration"]["record"]["scale"][0] == pytest.approx(SCALE, rel=2e-3)


def test_other_columns_and_other_kinds_are_refused(
    folder: Path, tiny: Predictor, tmp_path: Path
) -> None:
    rows = tuple(ManifestRow(str(k), "p.hea", targets={"Z": 1.0}) for k in range(3))
    with pytest.raises(ManifestError, match="no target column"):
        recalibrate(tiny, mapped(Manifest(rows, folder)), tmp_path / "new")
    scale = {"scale": [1.0] * 4, "offset": [0.0] * 4}
    values = build(tmp_path, target_kind="regression", calibration=None, thresholds=None,
                   regression=scale)  # fmt: skip
    with pytest.raises(BundleError, match="only models that decide are calibrated, not regression"):
        recalibrate(values, mapped(Manifest(rows, folder)), tmp_path / "new")


def test_classes_that_exclude_each_other_get_sets(folder: Path, tmp_path: Path) -> None:
    """Twelve and ten records are too few for a new calibration; other classes have no record."""
    classes = build(tmp_path, target_kind="multiclass", calibration=None, thresholds=None)
    names = classes.bundle.vocabulary.names

    def of(number: int, file: str, true: str) -> ManifestRow:
        return ManifestRow(str(number), f"{file}.hea", patient=str(number),
                           targets={name: float(name == true) for name in names})  # fmt: skip

    rows = [of(k, "p", "A") for k in range(12)] + [of(50 + k, "r", "B") for k in range(10)]
    result = recalibrate(classes, mapped(Manifest(tuple(rows), folder)), tmp_path / "new")
    assert result.fitted == () and result.sets is not None and result.sets.absent is None
    # The rarest class with labels speaks for those without any.
    assert result.sets.shared == ("B", "H", "never alone")
    with pytest.raises(ManifestError, match="nor labels of 19 people"):
        few = Manifest(tuple(rows[:18]), folder)
        recalibrate(classes, mapped(few), tmp_path / "other", coverage=0.95)


def test_a_target_without_labels_stays_uncalibrated(folder: Path, tmp_path: Path) -> None:
    bare = build(tmp_path, calibration=None, thresholds=None)
    data = mapped(Manifest(tuple(table(10, 10)), folder))
    result = recalibrate(bare, data, tmp_path / "new")
    assert result.fitted == ("A",)
    assert result.kept["B"] == "fewer than 10 positives or negatives with a label"
    bundle = load_bundle(tmp_path / "new")
    assert bundle.calibrated == (True, False, False, False)
    assert bundle.thresholds[1:] == [None, None, None]
    answer = load_model(tmp_path / "new").interpret(record(wave(P, R)))
    assert answer.finding("A").calibrated and not answer.finding("B").calibrated
    assert not answer.calibrated
