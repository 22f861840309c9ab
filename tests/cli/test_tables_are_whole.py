"""What a person reads in a narrow terminal, or in a file: no figure is cut off."""

from __future__ import annotations

import pytest

pytest.importorskip("rich")

from ecgfoundry.cli.labs import _print_answer
from ecgfoundry.labs.estimates import LaboratoryAnswer, LaboratoryEstimate
from ecgfoundry.vocabularies.types import Target


def test_estimates_in_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "40…", "li…": probabilities and bands ended in dots."""
    monkeypatch.setenv("COLUMNS", "80")
    target = Target(
        "alkaline_phosphatase high", "laboratory indicator", codes={"LOINC": "6768-6"}, unit="U/L"
    )
    estimate = LaboratoryEstimate(
        target, probability=0.4051, window_low=0.3952, window_high=0.4153, auroc=0.712,
        auroc_low=0.531, auroc_high=0.845, band="limited", band_point="strong",
    )  # fmt: skip
    _print_answer(
        LaboratoryAnswer(
            file="x.hea", model="run", model_version="1.0.0", synthetic=True, calibrated=True,
            duration_s=24.0, windows=3, refused_windows=0, pooling="mean", effective_windows=3.0,
            leads_used=("II",), warnings=(), estimates=(estimate,),
        )
    )  # fmt: skip
    said = capsys.readouterr().out
    for words in (
        "alkaline_phosphatase high", "6768-6", "U/L", "40.5%", "[39.5%, 41.5%]",
        "0.712 [0.531, 0.845]", "limited", "strong", "3 windows in 24 s",
    ):  # fmt: skip
        assert words in said
    assert "…" not in said
