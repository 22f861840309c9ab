"""``labs train --probe``: a linear layer on embeddings, and a network for any subset of leads that
learned from lead II alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("polars")
pytest.importorskip("sklearn")

from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression

import ecgfoundry
from ecgfoundry.corpus import build_corpus
from ecgfoundry.datasets.mc_med import open_mc_med
from ecgfoundry.errors import TrainingError
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.labs.estimates import estimate_laboratory
from ecgfoundry.labs.training import LaboratorySettings, labs_mcmed
from ecgfoundry.labs.training_run import PROBE_PENALTIES, probe_by_target
from ecgfoundry.models.bundle import find_bundle
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med
from ecgfoundry.tasks.multilabel import Multilabel
from ecgfoundry.vocabularies import Target, Vocabulary

MODEL = "ptbxl-superclass-12lead"


def test_each_target_has_the_fit_of_its_own_penalty():
    """Against scikit-learn, target by target: the same optimum, the penalty that validates best."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(300, 12)) * np.linspace(0.5, 4.0, 12)
    strong, weak = x @ generator.normal(size=12), 0.1 * x[:, 0]
    labels = np.stack([strong, weak, np.zeros(300)], axis=1) + generator.logistic(size=(300, 3))
    y = (labels > 0).astype(float)
    y[generator.random(y.shape) < 0.2] = np.nan
    words = Vocabulary("t", tuple(Target(n, "laboratory indicator") for n in "abc"), "test")
    task = Multilabel(columns=words.names, vocabulary=words)
    inside, outside = np.arange(300) < 200, np.arange(300) >= 200
    probe, penalties = probe_by_target(
        x[inside].astype(np.float32), y[inside], x[outside].astype(np.float32), y[outside], task
    )
    z = (x - x[inside].mean(axis=0)) / x[inside].std(axis=0)
    entries = int((~np.isnan(y[inside])).sum())
    for k in range(3):
        train, check = inside & ~np.isnan(y[:, k]), outside & ~np.isnan(y[:, k])
        losses, answers = [], []
        for penalty in PROBE_PENALTIES:
            # Mean over all known entries + penalty |w|^2 / targets, in scikit-learn's terms.
            model = LogisticRegression(C=3 / (2 * penalty * entries), tol=1e-8, max_iter=5000)
            model.fit(z[train], y[train, k])
            out = model.decision_function(z[check])
            losses.append(np.mean(np.logaddexp(0, out) - y[check, k] * out))
            answers.append(out)
        assert penalties[k] == PROBE_PENALTIES[int(np.argmin(losses))]
        mine = probe(x[check].astype(np.float32))[:, k]
        np.testing.assert_allclose(mine, answers[int(np.argmin(losses))], atol=5e-3)
    assert penalties[0] < penalties[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("probe")
    options = SyntheticOptions(visits=60, minutes=0.17, shares=(0.5, 0.2, 0.3), seed=3,
                               oracle_draws=0, interruptions=False, frequent_share=0.4)  # fmt: skip
    data = open_mc_med(write_synthetic_mc_med(root / "data", options).parent, labs=False)
    build_corpus(data.manifest(), root / "corpus", provenance=data.report())
    return root


@pytest.mark.slow
def test_only_the_last_layer_learns_and_only_lead_two_is_read(made: Path) -> None:
    settings = LaboratorySettings.of(
        window_minutes=None, minimum_patients=2, test_segments=0, probe=True, threads=1
    )
    result = labs_mcmed(
        made / "corpus", made / "run", tables=made / "data", model=MODEL, settings=settings
    )
    assert result.metrics == []
    own = load_file(result.bundle / "model.safetensors")
    start = load_file(find_bundle(MODEL) / "model.safetensors")
    changed = {
        name for name in start
        if own[name].shape != start[name].shape or not np.array_equal(own[name], start[name])
    }  # fmt: skip
    assert changed == {"classifier.weight", "classifier.bias"}
    predictor = load_model(result.bundle, threads=1)
    assert "lead II alone" in " ".join(predictor.bundle.document["known_failures"])
    # An ECG: of noise, which is refused, both lists were empty.
    sample = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    answers = []
    for recording in (sample, sample.select(("II",))):
        answer = estimate_laboratory(predictor, recording, recording, synthetic_ok=True)
        assert answer.leads_used == ("II",)
        answers.append([e.probability for e in answer.estimates])
    assert len(answers[0]) == len(predictor.bundle.vocabulary.names)
    assert answers[0] == answers[1]
    other = estimate_laboratory(predictor, sample, sample, lead="V1", synthetic_ok=True)
    assert [e.probability for e in other.estimates] != answers[0]


@pytest.mark.slow
def test_a_probe_learns_no_values(made: Path) -> None:
    with pytest.raises(TrainingError, match="probe"):
        labs_mcmed(
            made / "corpus", made / "other", tables=made / "data", model=MODEL,
            settings=LaboratorySettings.of(window_minutes=None, minimum_patients=2, probe=True,
                                        regression=True),
        )  # fmt: skip
