"""``ecgfoundry evaluate BUNDLE MANIFEST`` on real recordings, with all controls from signals."""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path

import pytest

from ecgfoundry.cli.main import main
from ecgfoundry.datasets import read_dataset
from ecgfoundry.vocabularies import load_label_map

NAMES = ("normal", "atrial fibrillation", "other rhythm", "noisy")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as found:
        main(list(arguments))
    return int(found.value.code or 0)


def write_manifest(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def controls_of(folder: Path) -> dict[str, dict[str, object]]:
    document = json.loads((folder / "metrics.json").read_text())
    found: dict[str, dict[str, object]] = document["controls"]["classification"]
    return found


@pytest.mark.slow
def test_windows_of_a_change_to_fibrillation_with_all_signal_controls(
    fixtures: Path, tmp_path: Path
) -> None:
    """MIT-BIH 201: sinus rhythm to second 27, then atrial fibrillation (its own annotations)."""
    pytest.importorskip("torch", reason="the random encoder needs PyTorch")
    pytest.importorskip("sklearn", reason="the linear controls need scikit-learn")
    rows: list[dict[str, object]] = []
    for start in [*range(0, 18), *range(28, 51)]:
        present = float(start >= 28)
        rows.append(
            {
                "record": f"201-{start}",
                "path": str(fixtures / "mitdb" / "201_450s.hea"),
                "start_s": start,
                "duration_s": 9,
                "split": "test" if start % 2 else "validation",
                "target:normal": 1.0 - present,
                "target:atrial fibrillation": present,
            }
        )
    manifest = write_manifest(tmp_path / "manifest.csv", rows)
    code = run("evaluate", "rhythm-single-lead", str(manifest), "--output", str(tmp_path / "out"),
               "--draws", "50")  # fmt: skip
    assert code == 0
    with (tmp_path / "out" / "metrics.csv").open() as stream:
        measured = {row["target"]: row for row in csv.DictReader(stream)}
    row = measured["atrial fibrillation"]
    tests = [r for r in rows if r["split"] == "test"]
    assert int(row["n"]) == len(tests)
    assert int(row["positives"]) == sum(r["target:atrial fibrillation"] == 1.0 for r in tests)
    controls = controls_of(tmp_path / "out")
    for name in ("heart_rate", "features", "random_encoder", "prevalence_only"):
        assert "not_computed" not in controls[name], (name, controls[name])
        assert 0.0 <= float(row[f"{name}_auroc"]) <= 1.0
    # Neighbouring windows overlap by eight seconds: what cannot tell these apart reads nothing.
    assert float(row["features_auroc"]) > 0.9
    assert float(row["random_encoder_auroc"]) > 0.7
    assert "no age was given" in str(controls["age_sex"]["not_computed"]) or "age is empty" in str(
        controls["age_sex"]["not_computed"]
    )
    document = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "validation records" in document["controls"]["fitted_on"]


@pytest.mark.slow
def test_cinc2017_part_with_all_signal_controls(shared_data: Path, tmp_path: Path) -> None:
    """A hundred and twenty hand-held recordings; the two signal controls are fitted and beaten."""
    archive = shared_data / "cinc2017_training2017.zip"
    if not archive.is_file():
        pytest.skip("CinC 2017 is not here")
    with zipfile.ZipFile(archive) as stored:
        reference = next(n for n in stored.namelist() if n.endswith("REFERENCE.csv"))
        labels = dict(line.split(",") for line in stored.read(reference).decode().split())
        chosen = [
            record for code in "NAO" for record in [r for r, c in labels.items() if c == code][:40]
        ]
        wanted = set(chosen)
        for member in stored.namelist():
            file = member.rsplit("/", 1)[-1]
            if file.split(".")[0] in wanted:
                (tmp_path / file).write_bytes(stored.read(member))
    words = dict(zip("NAO~", NAMES, strict=True))
    rows = [
        {
            "record": record,
            "path": f"{record}.hea",
            "split": "test" if k % 2 else "validation",
            **{f"target:{name}": float(words[labels[record]] == name) for name in NAMES},
        }
        for k, record in enumerate(chosen)
    ]
    manifest = write_manifest(tmp_path / "manifest.csv", rows)
    code = run("evaluate", "rhythm-single-lead", str(manifest), "--output", str(tmp_path / "out"),
               "--draws", "100")  # fmt: skip
    assert code == 0
    controls = controls_of(tmp_path / "out")
    for name in ("features", "random_encoder"):
        assert controls[name]["targets"] == 3, controls[name]


@pytest.mark.slow
def test_ludb_superclasses_with_all_signal_controls(shared_data: Path, tmp_path: Path) -> None:
    """LUDB's statements through the reviewed map; every second patient fits the controls."""
    archive = shared_data / "ludb.zip"
    if not archive.is_file():
        pytest.skip("LUDB is not here")
    with zipfile.ZipFile(archive) as stored:
        stored.extractall(tmp_path / "ludb")
    dataset = read_dataset("ludb", tmp_path / "ludb")
    mapping = load_label_map("ludb", "ptbxl-superclass")
    names = ("MI", "STTC", "CD", "HYP")
    rows: list[dict[str, object]] = []
    for k, row in enumerate(dataset.manifest):
        labels = mapping.apply(row.targets)
        values = {f"target:{n}": "" if labels.get(n) is None else labels[n] for n in names}
        rows.append(
            {
                "record": row.record,
                "path": str(dataset.manifest.folder / row.path),
                "patient": row.patient or row.record,
                "split": "test" if k % 2 else "validation",
                "age": "" if row.age is None else row.age,
                "sex": row.sex or "",
                **values,
            }
        )
    manifest = write_manifest(tmp_path / "manifest.csv", rows)
    code = run("evaluate", "ptbxl-superclass-12lead", str(manifest), "--output",
               str(tmp_path / "out"), "--draws", "100")  # fmt: skip
    assert code == 0
    controls = controls_of(tmp_path / "out")
    for name in ("age_sex", "heart_rate", "features", "random_encoder"):
        assert controls[name].get("targets", 0) >= 3, (name, controls[name])
