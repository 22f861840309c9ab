"""The recipe ``diagnosis_12lead``: run on small data, and the parts that others do not have."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.models.networks.lead_subset import LeadSubsetNet  # noqa: E402
from ecgfoundry.training.recipes.diagnosis_12lead import claims, members, recipe  # noqa: E402
from ecgfoundry.training.recipes.ptbxl_superclass import (  # noqa: E402
    committees,
    data,
    measuring,
)
from ecgfoundry.training.recipes.ptbxl_superclass.members import (  # noqa: E402
    ARCHITECTURE,
    multitask_loss,
)
from ecgfoundry.vocabularies import load_vocabulary  # noqa: E402
from tests.training import small_data  # noqa: E402


def test_unknown_targets_have_no_part_in_the_loss() -> None:
    # At logit 0 any target costs ln 2. Five superclasses count 1 each, what follows 0.2; rows of
    # one lead count 0.7. Unknown: (5 + 0.7 * 5) / 2 * ln 2; known: (5.2 + 0.7 * 5.2) / 2 * ln 2.
    logits = torch.zeros(2, 6, requires_grad=True)
    unknown = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0, float("nan")]] * 2)
    loss = multitask_loss(logits, unknown)
    loss.backward()
    assert loss.item() == pytest.approx(2.945876, abs=1e-5)
    assert logits.grad is not None and logits.grad[:, 5].tolist() == [0.0, 0.0]
    assert multitask_loss(logits, unknown.nan_to_num(1.0)).item() == pytest.approx(
        3.063711, abs=1e-5
    )


def test_a_claim_is_more_often_right_than_wrong() -> None:
    """Wilson's lower 95 % limits (statsmodels 0.14, proportion_confint): 60 of 100 are 0.502, 59
    of 100 0.492, 4 of 4 0.510, 3 of 3 0.438."""
    probabilities = np.full((104, 5), 0.1)
    targets = np.zeros((104, 5), np.float32)
    # Right often enough at 0.5; once too seldom; that, but for four at 0.9; three at 0.9; nothing.
    probabilities[:100, 0], targets[:60, 0] = 0.55, 1
    probabilities[:100, 1], targets[:59, 1] = 0.55, 1
    probabilities[:20, 2] = 0.55
    probabilities[100:, 2], targets[100:, 2] = 0.95, 1
    probabilities[101:, 3], targets[101:, 3] = 0.95, 1
    targets[:50, 4] = 1
    assert claims.claim_thresholds(probabilities, targets) == [0.5, None, 0.6, None, None]


def test_what_is_said_of_a_group_is_not_learned_from_it() -> None:
    """In group 1 the answer is turned round: its own records would have no threshold."""
    logits = np.array([[4.0]] * 10 + [[-4.0]] * 10 + [[4.0]] * 10 + [[-4.0]] * 10)
    targets = np.array([[1.0]] * 10 + [[0.0]] * 20 + [[1.0]] * 10, np.float32)
    groups = np.repeat([0, 1], 20)
    seen = []

    def fit(rows: np.ndarray) -> list[measuring.Calibrator]:
        seen.append(rows.tolist())
        return [measuring.Calibrator.identity(1)]

    (said,) = claims.crossed(("NORM",), fit, [logits], targets, groups)
    assert seen == [list(range(20, 40)), list(range(20))]
    # Group 0 by the turned answers of group 1, which leave no threshold; group 1 by those of 0.
    assert said[:, 0].tolist() == [False] * 20 + [True] * 10 + [False] * 10


def test_of_two_rhythms_the_more_probable_one_is_said() -> None:
    """Both reach 0.5 in the last record of a group: 0.98 tachycardia, 0.88 fibrillation."""
    logits = np.tile([[4.0, -4.0]] * 10 + [[-4.0, 4.0]] * 10 + [[4.0, 2.0]], (2, 1))
    targets = (logits == 4.0).astype(np.float32)
    names = ("SINUS TACHYCARDIA", "ATRIAL FIBRILLATION")
    groups = np.repeat([0, 1], 21)
    (said,) = claims.crossed(
        names, lambda rows: [measuring.Calibrator.identity(2)], [logits], targets, groups
    )
    assert said[:21].tolist() == [[True, False]] * 10 + [[False, True]] * 10 + [[True, False]]
    (said,) = claims.crossed(
        ("MI", "CD"), lambda rows: [measuring.Calibrator.identity(2)], [logits], targets, groups
    )
    assert said[20].tolist() == [True, True]


def test_figures_of_claims_by_hand() -> None:
    said = np.array([[1, 0], [1, 0], [0, 0], [0, 0], [0, 0]], dtype=bool)
    present = np.array([[1, 1], [0, 0], [1, 1], [0, 0], [0, 0]], dtype=bool)
    found, silent = claims.claim_figures(said, present, np.arange(5))
    assert {name: one["value"] for name, one in found.items()} == {
        "sensitivity": 0.5,
        "specificity": pytest.approx(2 / 3),
        "ppv": 0.5,
    }
    assert found["ppv"]["ci95"] == [0.0, 1.0]
    assert silent["ppv"] == {"value": None, "ci95": None}
    # No draw changes a sensitivity of 0: Wilson's interval of 0 of 2 people ends at 0.6576.
    assert silent["sensitivity"]["value"] == 0.0
    assert silent["sensitivity"]["ci95"] == pytest.approx([0.0, 0.6576], abs=1e-4)


@pytest.mark.slow
def test_the_recipe_on_small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"lead_channels": 4, "channels": 8}.items():
        monkeypatch.setitem(ARCHITECTURE, name, value)
    for module in (committees, members):
        monkeypatch.setattr(module, "BATCH", 8)
    monkeypatch.setattr(
        measuring, "statistic_interval", partial(measuring.statistic_interval, draws=20)
    )
    monkeypatch.setattr(recipe, "SHOWN", dict.fromkeys((data.all_leads(), *data.REDUCED)))
    monkeypatch.setattr(recipe, "SETTINGS", replace(recipe.SETTINGS, epochs=1))
    # Whatever has positives and negatives is reported.
    monkeypatch.setattr(recipe, "LEAST_AUROC", -1.0)
    names = recipe.scp_names(load_vocabulary(recipe.VOCABULARY))
    young = ["NORM", *(name for name in names if name in {"SR", "SBRAD", "PAC"})]
    folder = small_data.ptbxl_with_raw(
        tmp_path / "data",
        16,
        young=young,
        old=[name for name in names if name not in {*young, *data.TARGETS}],
        others=[name for name in recipe.CANDIDATES if name not in names],
    )
    run = tmp_path / "run"
    metrics = recipe.run(folder, run, seed=2, members=2, copies=2)
    # 16 of folds 1-8, two of fold 9, one in millivolts, one of Georgia; the example is left out.
    assert metrics["records"] == {"all": 20, "PTB-XL": 19}
    assert metrics["reported"] == names and metrics["members"] == 2
    thresholds = json.loads((run / "calibration.json").read_text())["thresholds"]["values"]
    assert len(thresholds) == 25 and set(thresholds) <= {None, *claims.LEVELS}
    assert set(metrics["claims"]) == {data.all_leads(), "I"}
    assert set(metrics["claims"]["I"]) == set(names)
    curves = (run / "curves.jsonl").read_text().splitlines()
    assert len(curves) == (4 + 1) * 2  # groups and the end, members

    config = json.loads((run / "config.json").read_text())["configuration"]
    assert (config["members"], config["classes"]) == (2, 25)
    with torch.no_grad():
        answer = LeadSubsetNet(**config).eval()(torch.randn(1, 12, 2500), torch.ones(1, 12))
    assert answer.shape == (1, 25) and math.isfinite(float(answer.sum()))
