"""Corpus, tables, split and model belong together, or a run says so before it answers."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pl = pytest.importorskip("polars")

from ecgfoundry.corpus import build_corpus  # noqa: E402
from ecgfoundry.datasets.mc_med import open_mc_med  # noqa: E402
from ecgfoundry.errors import EvaluationError, TrainingError  # noqa: E402
from ecgfoundry.inference.predictor import load_model  # noqa: E402
from ecgfoundry.labs.evaluation import Scope, laboratory_evaluation  # noqa: E402
from ecgfoundry.labs.settings import LaboratoryReportSettings  # noqa: E402
from ecgfoundry.labs.training import LABORATORY_CARD, LaboratorySettings, labs_mcmed  # noqa: E402
from ecgfoundry.labs.training_data import open_laboratory  # noqa: E402
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med  # noqa: E402

OPTIONS = SyntheticOptions(
    visits=40, minutes=0.4, shares=(0.5, 0.2, 0.3), seed=5, oracle_draws=0
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people")
    write_synthetic_mc_med(root / "data", OPTIONS)
    data = open_mc_med(root / "data", labs=False)
    build_corpus(data.manifest(), root / "corpus", provenance=data.report())
    return root


def opened(made: Path, tables: Path):
    return open_laboratory(made / "corpus", tables, window_minutes=None, minimum_patients=1)


def test_tables_of_another_copy_are_refused(made: Path, tmp_path: Path) -> None:
    """Both number their visits from the same one: the labels were those of strangers."""
    write_synthetic_mc_med(tmp_path / "other", replace(OPTIONS, seed=6))
    ours, theirs = (open_mc_med(p, labs=False) for p in (made / "data", tmp_path / "other"))
    assert set(ours.visits["visit"]) & set(theirs.visits["visit"])
    with pytest.raises(TrainingError, match="of another patient, age or sex"):
        opened(made, tmp_path / "other")


def changed(made: Path, folder: Path, name: str, change) -> Path:
    """A copy of the data whose table ``name`` has its rows changed."""
    shutil.copytree(made / "data", folder)
    path = folder / "data" / name
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    change(rows)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_what_the_tables_lose_is_told(made: Path, tmp_path: Path) -> None:
    def spoil(rows: list[dict[str, str]]) -> None:
        for row in rows[:7]:
            row["Result_time"] = "yesterday"
        for row in rows[7:10]:
            row["CSN"] += ".0"
        rows[10]["Component_value"] = "no specimen"
        rows[10]["Component_result"] = ""

    assert not any("no time" in note for note in opened(made, made / "data").notes)
    found = opened(made, changed(made, tmp_path / "spoiled", "labs.csv", spoil))
    told = "\n".join(found.notes)
    assert "7 labs.csv: Result_time that is no time" in told
    assert "(3 results left out)" in told
    assert "results: the test gave no result" in told


def test_one_patient_in_two_spellings_is_in_no_split(made: Path, tmp_path: Path) -> None:
    """As 9012 and 9012.0 a person trained and tested the same model."""
    official = {
        name: set((made / "data" / "data" / f"split_random_{name}.csv").read_text().split())
        for name in ("train", "test")
    }

    def split_in_two(rows: list[dict[str, str]]) -> None:
        first = next(row for row in rows if row["CSN"] in official["train"])
        second = next(row for row in rows if row["CSN"] in official["test"])
        second["MRN"] = f"{first['MRN']}.0"

    tables = changed(made, tmp_path / "spelled", "visits.csv", split_in_two)
    before = open_mc_med(made / "data", labs=False).visits
    found = open_mc_med(tables, labs=False)
    assert before["split"].null_count() == 0 and found.visits["split"].null_count() >= 2
    told = {issue.code: issue.count for issue in found.issues}
    assert (told["patient-spelling"], told["patient-in-two-splits"]) == (1, 1)


@pytest.mark.slow
def test_a_report_with_the_split_of_another_training_is_refused(made: Path, tmp_path: Path) -> None:
    """Its test visits had trained the model: the bands were those of what it knew by heart."""
    settings = LaboratorySettings.of(
        split="chrono", window_minutes=None, minimum_patients=1, epochs=1, batch=8, threads=1,
        segments_per_visit=1, test_segments=1,
    )  # fmt: skip
    result = labs_mcmed(
        made / "corpus", tmp_path / "run", tables=made / "data", model="net1d-tiny",
        preprocessing="ptbxl-bandpass@1", settings=settings,
        card=replace(LABORATORY_CARD, name="run"),
    )  # fmt: skip
    own = load_model(result.bundle, threads=1)
    assert not any("too good" in line for line in own.bundle.document["known_failures"])

    def report(split: str):
        return laboratory_evaluation(
            own, made / "corpus", made / "data",
            settings=LaboratoryReportSettings.of(
                split=split, window_minutes=None, segments_per_visit=1, draws=20
            ),
            scope=Scope(targets=result.targets[:1], levels=("visit",), ecg=("all",)),
        )  # fmt: skip

    with pytest.raises(EvaluationError, match="test visits of the random split trained run"):
        report("random")
    found = report("chrono")
    (data,) = found.inputs.values()
    assert any(note.startswith("0 of the ") for note in data.notes)
    assert np.isfinite(data.scores).any()
    # A second run that starts from the first, with the other split, says it on its card.
    again = labs_mcmed(
        made / "corpus", tmp_path / "again", tables=made / "data", model=str(result.bundle),
        settings=settings.change(split="random"), card=replace(LABORATORY_CARD, name="again"),
    )  # fmt: skip
    failures = load_model(again.bundle, threads=1).bundle.document["known_failures"]
    assert any("trained the model that it started from" in line for line in failures)
