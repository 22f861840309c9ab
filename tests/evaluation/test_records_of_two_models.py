"""Two models are compared on the same records, or it is said on which not and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.api.measuring import Comparison, evaluate_predictions
from ecgfoundry.evaluation.inputs import InputFiles
from ecgfoundry.evaluation.settings import Settings

QUICK = Settings.of(draws=20, seed=1)
COUNT = 60
LABELS = [k % 3 == 0 for k in range(COUNT)]


def plain(k: int) -> str:
    return f"a{k:03d}"


@pytest.fixture
def sides(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    def made(name: Callable[[int], str], first: Sequence[int], second: Sequence[int]) -> tuple:
        labels = tmp_path / "labels.csv"
        every = {plain(k): LABELS[k] for k in range(COUNT)}
        every |= {name(k): LABELS[k] for k in range(COUNT)}
        labels.write_text("id,af\n" + "".join(f"{n},{int(v)}\n" for n, v in every.items()))
        paths = []
        for side, names, rows, seed in (("a", plain, first, 1), ("b", name, second, 2)):
            scores = np.random.default_rng(seed).uniform(size=COUNT)
            path = tmp_path / f"{side}.csv"
            lines = "".join(f"{names(k)},{scores[k]:.6f}\n" for k in rows)
            path.write_text("id,af\n" + lines)
            paths.append(path)
        return paths[0], paths[1]

    return made


def compared(tmp_path: Path, pair: tuple[Path, Path]) -> Comparison:
    return ecgfoundry.compare(*pair, targets=tmp_path / "labels.csv", settings=QUICK)


def test_records_that_one_side_lacks_are_told(
    tmp_path: Path, sides: Callable[..., tuple[Path, Path]]
) -> None:
    pair = sides(plain, range(0, 50), range(30, 60))
    found = compared(tmp_path, pair)
    assert found.document["records"] == 20
    words = "30 record(s) of A and 10 of B are not in the other: left out."
    assert words in found.notes
    whole = compared(tmp_path, sides(plain, range(COUNT), list(range(COUNT))[::-1]))
    assert whole.document["records"] == COUNT
    assert not any("not in the other" in note for note in whole.notes)


def test_records_in_other_spellings_are_told(
    tmp_path: Path, sides: Callable[..., tuple[Path, Path]]
) -> None:
    """Forty of sixty are written in capitals: the comparison is of the twenty others."""
    pair = sides(lambda k: plain(k).upper() if k >= 20 else plain(k), range(COUNT), range(COUNT))
    found = compared(tmp_path, pair)
    assert found.document["records"] == 20
    (note,) = (note for note in found.notes if "not in the other" in note)
    assert note.endswith("40 of them are in both, in other spellings: write each in one way.")


def test_two_evaluations_of_the_same_people_are_no_independent_samples(
    tmp_path: Path, sides: Callable[..., tuple[Path, Path]]
) -> None:
    a, b = sides(lambda k: plain(k).upper(), range(COUNT), range(COUNT))
    for path in (a, b):
        files = InputFiles(path, tmp_path / "labels.csv")
        evaluate_predictions(files, tmp_path / path.stem, settings=QUICK)
    found = ecgfoundry.compare(tmp_path / "a", tmp_path / "b", settings=QUICK)
    assert not found.paired
    words = "60 record(s) stand in both, in other spellings: the sets are not independent."
    assert any(note.startswith(words) for note in found.notes)
