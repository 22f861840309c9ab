"""Which records of CinC 2017 are kept from every training, and that the command scores them."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from benchmarks.experiments.held_aside import figures, held_aside, main


def test_the_rule_names_records_and_not_chance() -> None:
    # The first four by `printf "cinc2017/A00004" | sha1sum` and bc (ibase=16).
    names = [f"A{number:05d}" for number in range(1, 8529)]
    aside = [name for name in names if held_aside(name)]
    assert len(aside) == 1752  # the number that the published figures rest on
    assert aside[:4] == ASIDE


ASIDE = ["A00004", "A00013", "A00019", "A00021"]
"""The first four, by ``int(sha1("cinc2017/" + name), 16) % 5`` in another language (bc)."""


def test_perfect_answers_score_one() -> None:
    classes = np.array([0, 1, 2, 3] * 10)
    found = figures(np.eye(4)[classes], classes)
    assert found["mean F1"][0] == 1.0 and found["AF AUROC"][0] == 1.0
    wrong = figures(np.eye(4)[(classes + 1) % 4], classes)
    assert wrong["mean F1"][0] == 0.0


def test_the_records_of_the_training_set_here_are_none_of_them(shared_data: Path) -> None:
    with zipfile.ZipFile(shared_data / "cinc2017_training2017.zip") as archive:
        names = [Path(name).stem for name in archive.namelist() if name.endswith(".hea")]
    assert len(names) == 6776 and not any(held_aside(name) for name in names)


def test_a_folder_as_distributed_is_scored(
    tmp_path: Path, fixtures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "training2017"
    folder.mkdir()
    source = next((fixtures / "cinc2017").glob("*.mat"))
    signal = scipy.io.loadmat(source)["val"]
    with (folder / "REFERENCE.csv").open("w", newline="") as stream:
        for name, label in zip(ASIDE, "NAO~", strict=True):
            scipy.io.savemat(folder / f"{name}.mat", {"val": signal}, format="4")
            csv.writer(stream).writerow([name, label])
    assert main(["--data", str(tmp_path)]) == 0
    table = capsys.readouterr().out
    assert table.count("| 4 |") == 4 and "rhythm-single-lead-edge" in table
