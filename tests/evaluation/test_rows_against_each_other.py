"""Tables whose rows, spellings and scores contradict each other: it is said, whatever command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.evaluation.inputs import InputFiles, load_evaluation_data
from ecgfoundry.manifest import read_recordings

MODEL = "rhythm-single-lead-edge"


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        ecgfoundry.write(ecgfoundry.read("sample:single-lead"), tmp_path / f"{name}.npz")
    return tmp_path


# --- rows of recordings ---------------------------------------------------------------------------


def notes_of(folder: Path, *lines: str) -> list[str]:
    return list(read_recordings(table(folder / "m.csv", *lines), need_targets=False).notes)


HEAD = "record,path,patient,target:AF"


@pytest.mark.parametrize("path", ["a.npz", "./a.npz", "x/../a.npz"])
def test_one_recording_with_two_labels_is_said(folder: Path, path: str) -> None:
    notes = notes_of(folder, HEAD, "r1,a.npz,p1,1", "r2,b.npz,p2,0", f"r3,{path},p3,0")
    assert notes == [
        "1 recording(s) stand in more than one row and count more than others "
        "(for example r1 = r3)",
        "1 time(s) rows with one recording have different values of a target ('AF': r1 says 1 and "
        "r3 says 0): correct the wrong one",
    ]


def test_parts_and_rows_of_one_file_are_recordings_of_their_own(folder: Path) -> None:
    np.save(folder / "x.npy", np.zeros((2, 1, 5000), np.float32))
    head = "record,path,index,start_s,duration_s,target:AF"
    rows = ("r1,x.npy,0,,,1", "r2,x.npy,1,,,0", "r3,a.npz,,0,5,1", "r4,a.npz,,5,5,0")
    assert notes_of(folder, head, *rows) == []


def test_one_person_in_several_spellings_is_said(folder: Path) -> None:
    rows = ("r1,a.npz,P07,1", "r2,b.npz,p07,0", "r3,b.npz,P7,0", "r5,b.npz,,0")
    (words, *_) = notes_of(folder, HEAD, *rows)
    assert words.startswith("1 patient(s) are written in more than one way and count as different")


@pytest.mark.parametrize("command", ["evaluate", "calibrate", "infer"])
def test_every_command_says_it(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "infer":
        pytest.importorskip("polars")
    monkeypatch.chdir(folder)
    head = "record,path,patient,atrial fibrillation"
    table(folder / "m.csv", head, "r1,a.npz,P7,1", "r2,a.npz,p7,0", "r3,b.npz,p8,0")
    words = {
        "evaluate": ["evaluate", MODEL, "m.csv", "--target", "atrial fibrillation", "-o", "out"],
        "calibrate": ["calibrate", MODEL, "m.csv", "--target", "atrial fibrillation", "-o", "out"],
        "infer": ["infer", "m.csv", "-m", MODEL, "--workers", "1", "-o", "out.csv"],
    }[command]
    with pytest.raises(SystemExit):
        main(words)
    said = capsys.readouterr().err
    assert said.count("written in more than one way") == 1
    assert said.count("stand in more than one row") == 1
    assert "Traceback" not in said
    if command != "infer":
        assert said.count("different values of a target") == 1


@pytest.mark.parametrize("command", ["infer", "embed"])
def test_a_standardized_array_is_no_signal(
    command: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be standardized once more, and its answer be that of another signal."""
    pytest.importorskip("polars")
    monkeypatch.chdir(folder)
    head = "record,path,standardized_as"
    table(folder / "m.csv", head, "r1,a.npz,", "r2,b.npz,ecgfounder-finetune@1")
    with pytest.raises(SystemExit) as ended:
        main([command, "m.csv", "-m", MODEL, "--workers", "1", "-o", "out.parquet"])
    said = capsys.readouterr().err
    assert ended.value.code == (1 if command == "infer" else 0)  # embed leaves it out, and says so
    assert "r2: " in said and "r1: " not in said
    assert "is standardized (ecgfounder-finetune@1), and a raw signal is needed" in said


def test_why_nothing_could_be_scored_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    head = "record,path,patient,standardized_as,atrial fibrillation"
    rows = ("r1,a.npz,p1,,", "r2,missing.npz,p2,,1", "r3,b.npz,p3,ecgfounder-finetune@1,0")
    table(folder / "m.csv", head, *rows)
    with pytest.raises(SystemExit):
        main(["evaluate", MODEL, "m.csv", "--target", "atrial fibrillation", "-o", "out"])
    said = capsys.readouterr().err
    assert "no record could be scored (" in said
    assert "1 of 3: file-access" in said
    assert "1 of 3: standardized by another recipe than the model's" in said
    assert "1 of 3: no label of a scored target" in said


# --- tables of predictions ------------------------------------------------------------------------

IDS = ("r1", "r2", "r3", "r4")
SCORES = ("0.9", "0.8", "0.2", "0.1")
LABELS = ("1", "1", "0", "0")


def files(folder: Path, head: str = "id,A", scores: tuple[str, ...] = SCORES) -> InputFiles:
    predictions = table(
        folder / "p.csv", head, *(f"{i},{s}" for i, s in zip(IDS, scores, strict=True))
    )
    targets = table(folder / "t.csv", head, *(f"{i},{y}" for i, y in zip(IDS, LABELS, strict=True)))
    return InputFiles(predictions=predictions, targets=targets)


@pytest.mark.parametrize("name", ["Unnamed: 0", "unnamed: 12", "Unnamed: 0_level_0", "level_0", ""])
def test_row_numbers_are_no_target(tmp_path: Path, name: str) -> None:
    head = f"{name},id,A" if name else ",id,A"
    predictions = table(
        tmp_path / "p.csv",
        head,
        *(f"{k},{i},{s}" for k, (i, s) in enumerate(zip(IDS, SCORES, strict=True))),
    )
    targets = table(
        tmp_path / "t.csv",
        head,
        *(f"{k},{i},{y}" for k, (i, y) in enumerate(zip(IDS, LABELS, strict=True))),
    )
    found = load_evaluation_data(InputFiles(predictions=predictions, targets=targets))
    assert found.targets == ("A",)
    assert found.records is not None and found.records.tolist() == list(IDS)


@pytest.mark.parametrize(
    ("scores", "outside"),
    [
        (("1.0", "0.8", "0.2", "0.0"), 0),
        (("1.2", "0.8", "0.2", "0.1"), 1),
        (("90", "80", "20", "-1"), 4),
    ],
)
def test_scores_that_are_no_probabilities_are_counted(
    tmp_path: Path, scores: tuple[str, ...], outside: int
) -> None:
    found = load_evaluation_data(files(tmp_path, scores=scores))
    words = f"{outside} of 4 scores of 'A' in p.csv are below 0 or above 1"
    said = [note for note in found.notes if "below 0 or above 1" in note]
    assert said == ([f"{words}: all are ranked as they are, and there is no calibration."]
                    if outside else [])  # fmt: skip


def test_a_person_of_the_groups_in_several_spellings(tmp_path: Path) -> None:
    given = files(tmp_path)
    groups = table(tmp_path / "g.csv", "id,patient", "r1,P7", "r2,p7", "r3,8", "r4,9")
    found = load_evaluation_data(
        InputFiles(predictions=given.predictions, targets=given.targets, groups=groups)
    )
    assert any("1 patients of g.csv are written in more than one way" in n for n in found.notes)


@pytest.mark.parametrize(
    ("others", "patients", "words"),
    [
        (("r1", "x", "y", "z"), None, "1 record ids stand in both"),
        (("v", "x", "y", "z"), None, None),
        (("v", "x", "y", "z"), ("P1", "q2", "q3", "q4"), "1 patients stand in both"),
        (("r1", "r2", "y", "z"), ("q1", "q2", "q3", "q4"), "2 patients stand in both"),
        (("v", "x", "y", "z"), ("", "", "", ""), None),
    ],
)
def test_what_stands_in_validation_and_evaluation_is_said(
    tmp_path: Path,
    others: tuple[str, ...],
    patients: tuple[str, ...] | None,
    words: str | None,
) -> None:
    given = files(tmp_path)
    lines = [f"{i},{s}" for i, s in zip(others, SCORES, strict=True)]
    aside = table(tmp_path / "vp.csv", "id,A", *lines)
    truth = table(
        tmp_path / "vt.csv", "id,A", *(f"{i},{y}" for i, y in zip(others, LABELS, strict=True))
    )
    groups = None
    if patients is not None:
        own = [f"{i},p{k}" for k, i in enumerate(IDS, 1) if i not in others]
        named = [f"{i},{p}" for i, p in zip(others, patients, strict=True)]
        groups = table(tmp_path / "g.csv", "id,patient", *own, *named)
    found = load_evaluation_data(
        InputFiles(
            predictions=given.predictions, targets=given.targets, groups=groups,
            validation_predictions=aside, validation_targets=truth,
        )
    )  # fmt: skip
    said = [note for note in found.notes if "stand in both" in note]
    assert len(said) == (words is not None)
    assert words is None or said[0].startswith(words)


# --- one record for two purposes ------------------------------------------------------------------


def test_records_that_calibrated_a_model_are_said_where_it_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured on them, calibration and thresholds look better than they are."""
    monkeypatch.chdir(tmp_path)
    sample = ecgfoundry.read("sample:single-lead")
    noise = np.random.default_rng(3).normal(0, 0.02, (24, *sample.signal.shape))
    rows = []
    for k in range(24):
        signal = (sample.signal + noise[k]).astype(np.float32)
        ecgfoundry.write(
            ecgfoundry.Recording(signal, sample.sampling_rate, sample.leads), f"{k}.npz"
        )
        rows.append(f"r{k},{k}.npz,p{k},{('normal', 'atrial fibrillation')[k % 2]}")
    head = "record,path,patient,rhythm"
    table(tmp_path / "own.csv", head, *rows)
    table(tmp_path / "new.csv", head, "s1,s.npz,q1,normal", "s2,t.npz,q2,atrial fibrillation")
    twelve = ecgfoundry.read("sample:12-lead")
    for name, lead in (("s", "I"), ("t", "V5")):
        other = ecgfoundry.Recording(twelve.lead(lead)[None], twelve.sampling_rate, ("I",))
        ecgfoundry.write(other, f"{name}.npz")

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr().err
        assert ended.value.code == 0, said
        return said

    target = ("--target", "rhythm")
    run("calibrate", MODEL, "own.csv", *target, "-o", "calibrated")
    words = "records calibrated this model"
    assert words not in run("evaluate", MODEL, "own.csv", *target, "-o", "before")
    assert f"24 of the 24 {words}" in run(
        "evaluate", "calibrated", "own.csv", *target, "-o", "after"
    )
    assert words not in run("evaluate", "calibrated", "new.csv", *target, "-o", "others")
