"""The commands from a synthetic MC-MED to a report, and what a synthetic model may not do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("polars")

from ecgfoundry.cli.main import main
from ecgfoundry.errors import SyntheticModelError
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.labs.estimates import estimate_laboratory, refuse_synthetic
from ecgfoundry.labs.training_data import spread_over_visits, visit_means
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.models.bundle import find_bundle, load_bundle
from ecgfoundry.recording import Recording

TARGETS = ("potassium high", "hemoglobin low")


def command(*words: object) -> int:
    """Run a command as a user would and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic MC-MED, its corpus, and a bundle trained for one epoch."""
    root = tmp_path_factory.mktemp("laboratory")
    assert not command(
        "synth", "mc-med", "--visits", 60, "--minutes", 0.35, "--train-share", 0.5,
        "--test-share", 0.3, "--oracle-draws", 0, "--seed", 3, "--output", root / "data",
    )  # fmt: skip
    assert not command("corpus", "build", root / "data", "--output", root / "corpus")
    assert not command(
        "labs", "train", root / "corpus", "--tables", root / "data", "--output", root / "run",
        "--model", "net1d-tiny", "--preprocessing", "ptbxl-bandpass@1", "--window-minutes", "none",
        "--minimum-patients", 2, "--epochs", 1, "--batch", 16, "--segments-per-visit", 1,
        "--threads", 1, "--regression",
    )  # fmt: skip
    return root


@pytest.mark.slow
def test_the_bundle_says_what_it_is(made: Path) -> None:
    document = load_bundle(made / "run" / "bundle").document
    assert document["provenance"]["training_data"][0]["synthetic"] is True
    assert document["title"].startswith("SYNTHETIC")
    for target in document["vocabulary"]["targets"]:
        assert target["kind"] == "laboratory indicator" and target["unit"]
        assert target["name"].split()[-1] in ("low", "high")
    values = load_bundle(made / "run" / "values" / "bundle").document
    assert values["target_kind"] == "regression"
    assert len(values["vocabulary"]["targets"]) == len(values["regression"]["scale"])


@pytest.mark.slow
def test_the_lead_that_was_trained_is_read(made: Path) -> None:
    """The corpus holds lead II alone: of twelve leads II is read, wherever it stands."""
    random = np.random.default_rng(5)
    time = np.arange(5000) / 500
    beat = np.exp(-(((time % 0.8 - 0.3) / 0.02) ** 2))
    signal = random.uniform(0.6, 1.4, (12, 1)) * beat + random.normal(0, 0.02, (12, 5000))
    predictor = load_model(made / "run" / "bundle", threads=1)
    assert predictor.bundle.input.leads == ("II",)

    def answer(*, changed: str | None = None, turned: bool = False) -> list[float | None]:
        own = signal.copy()
        if changed is not None:
            own[STANDARD_12_LEADS.index(changed)] += 0.5 * np.sin(2 * np.pi * 1.25 * time)
        order = slice(None, None, -1 if turned else 1)
        found = predictor.interpret(Recording(own[order], 500.0, STANDARD_12_LEADS[order]))
        assert found.refused is None and found.leads_used == ("II",)
        return [finding.probability for finding in found.findings]

    plain = answer()
    assert answer(turned=True) == plain
    assert [lead for lead in STANDARD_12_LEADS if answer(changed=lead) != plain] == ["II"]


@pytest.mark.slow
def test_a_file_is_answered_only_with_leave(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    header = sorted((made / "data").rglob("II/*.hea"))[0]
    bundle = made / "run" / "bundle"
    assert command("labs", header, "--model", bundle) == 1
    assert "--synthetic-ok" in capsys.readouterr().err
    assert command("labs", header, "--model", bundle, "--synthetic-ok", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["trained_on_synthetic_data"] is True
    assert any(w["code"] == "synthetic-model" for w in answer["warnings"])
    assert all(0 <= e["probability"] <= 1 for e in answer["estimates"]) and answer["windows"] > 0
    assert command("labs", header, "--model", bundle, "--synthetic-ok") == 0
    assert "SYNTHETIC" in capsys.readouterr().out


@pytest.mark.slow
def test_the_report_has_both_levels_and_both_figures(made: Path) -> None:
    names = load_bundle(made / "run" / "bundle").vocabulary.names
    chosen = names[:1]
    assert not command(
        "labs", "report", made / "run" / "bundle", made / "corpus", "--tables", made / "data",
        "--output", made / "report", "--window-minutes", "none", "--draws", 20,
        "--segments-per-visit", 1,
        "--target", chosen[0],
    )  # fmt: skip
    with (made / "report" / "laboratory.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {(r["level"], r["ecg"]) for r in rows} == {
        (a, b) for a in ("segment", "visit") for b in ("all", "before")
    }
    page = (made / "report" / "report.html").read_text()
    assert "SYNTHETIC" in page and "age + sex + heart rate" in page.lower()


@pytest.mark.slow
def test_a_finished_run_gives_the_same_bundle(made: Path) -> None:
    from ecgfoundry.labs.training import LaboratorySettings, labs_mcmed

    before = (made / "run" / "bundle" / "model.safetensors").read_bytes()
    labs_mcmed(
        made / "corpus", made / "run", tables=made / "data", model="net1d-tiny",
        preprocessing="ptbxl-bandpass@1",
        settings=LaboratorySettings.of(
            window_minutes=None, minimum_patients=2, epochs=1, batch=16, segments_per_visit=1,
            threads=1, regression=True,
        ),
    )  # fmt: skip
    assert (made / "run" / "bundle" / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_long_signal_is_averaged(made: Path) -> None:
    predictor = load_model(made / "run" / "bundle", threads=1)
    signal = np.random.default_rng(0).normal(0, 0.2, (1, 500 * 70)).astype(np.float32)
    recording = Recording(signal, 500.0, ("II",))
    source = recording
    with pytest.raises(SyntheticModelError):
        estimate_laboratory(predictor, source, recording)
    told: list[tuple[int, int]] = []
    answer = estimate_laboratory(
        predictor, source, recording, synthetic_ok=True, progress=lambda *done: told.append(done)
    )
    assert told == [(number, 7) for number in range(7)]
    assert answer.windows + answer.refused_windows == 7


def test_a_model_of_people_is_not_refused() -> None:
    refuse_synthetic(load_bundle(find_bundle("rhythm-single-lead")), allowed=False)


def test_visit_means_by_hand() -> None:
    nan = np.nan
    scores = np.array([[1.0, 5.0], [3.0, 7.0], [10.0, 2.0]])
    labels = np.array([[0.0, nan], [1.0, 1.0], [nan, 0.0]])
    means, truth, first = visit_means(scores, labels, np.array([4, 4, 9]))
    np.testing.assert_array_equal(means, [[2.0, 7.0], [nan, 2.0]])
    np.testing.assert_array_equal(truth, [[1.0, 1.0], [nan, 0.0]])
    np.testing.assert_array_equal(first, [0, 2])


def test_spread_keeps_ends_and_order() -> None:
    visits = np.array([1, 1, 1, 1, 1, 2, 2])
    kept = spread_over_visits(np.arange(7), visits, 3)
    np.testing.assert_array_equal(kept, [0, 2, 4, 5, 6])
    np.testing.assert_array_equal(spread_over_visits(np.arange(7), visits, None), np.arange(7))


@pytest.mark.slow
def test_the_service_refuses_it_too(made: Path) -> None:
    pytest.importorskip("fastapi")
    from ecgfoundry.service.handlers import Worker
    from ecgfoundry.service.problems import problem_of

    folder = str(made / "run" / "bundle")
    with pytest.raises(SyntheticModelError) as refused:
        Worker(models=[folder]).predictor("bundle")
    assert problem_of(refused.value).status == 409
    assert Worker(models=[folder], synthetic_ok=True).predictor("bundle").bundle.name == "run"
