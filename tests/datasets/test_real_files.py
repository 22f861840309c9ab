"""The readers on real files, where the folder of data sets is there."""

from __future__ import annotations

import csv
import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.datasets import DATASETS, read_dataset
from ecgfoundry.datasets.brugada_huca import SAME_RECORDING
from ecgfoundry.datasets.cinc2021 import EQUIVALENT, SCORED
from ecgfoundry.datasets.rhythms import rhythm_intervals, share_of_window
from ecgfoundry.errors import VocabularyError
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.vocabularies import load_label_map

FORMATS = {
    "cinc2021": "formats/cinc2021_wfdb_mat4",
    "cpsc2018": "formats/cpsc2018_mat5",
    "cpsc2021": "formats/cpsc2021_af_wfdb",
    "code15": "formats/code15_mat",
    "sph": "formats/sph_hdf5",
}
KEPT = {"cinc2021": 78, "cpsc2018": 4, "cpsc2021": 7, "code15": 10, "sph": 6}


@pytest.fixture(scope="module")
def unpacked(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MIT-BIH annotations and headers, LUDB's table and headers; no signals, which are large."""
    folder = tmp_path_factory.mktemp("unpacked")
    for name, endings in (
        ("mitbih_arrhythmia.zip", (".hea", ".atr")),
        ("ludb.zip", (".hea", "ludb.csv")),
    ):
        with zipfile.ZipFile(shared_data / name) as archive:
            wanted = [member for member in archive.namelist() if member.endswith(endings)]
            archive.extractall(folder, wanted)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_every_record_that_is_there_is_read(name: str, shared_data: Path) -> None:
    found = read_dataset(name, shared_data / FORMATS[name])
    assert len(found.manifest) == KEPT[name]
    for row in found.manifest.rows[:5]:
        assert found.manifest.open(row).samples > 0


def test_cinc2021_codes_are_those_of_the_headers(shared_data: Path) -> None:
    folder = shared_data / FORMATS["cinc2021"]
    found = read_dataset("cinc2021", folder, equivalent="apart").manifest
    for row in found:
        text = (folder / row.path).read_text().replace("#Dx:", "# Dx:")
        line = next(line for line in text.splitlines() if line.startswith("# Dx:"))
        codes = {code.strip() for code in line.removeprefix("# Dx:").split(",")}
        assert {name for name, value in row.targets.items() if value == 1.0} == codes
    sites = {row.site for row in found}
    assert sites == {"Georgia", "PTB-XL", "PTB", "CPSC", "CPSC-Extra", "Chapman-Shaoxing", "Ningbo"}
    assert len(SCORED) == 26 and not set(EQUIVALENT) & set(SCORED)


def test_mitbih_rhythms_against_the_directory(unpacked: Path) -> None:
    found = read_dataset("mitbih", unpacked)
    assert len(found.manifest) == 12
    seconds: dict[tuple[str, str], float] = {}
    for mark in found.intervals:
        seconds[mark.record, mark.label] = (
            seconds.get((mark.record, mark.label), 0.0) + mark.end_s - mark.start_s
        )
    # The database directory: record 201 has AF for 10:06, 231 2nd degree block for 11:40.
    assert seconds["201", "(AFIB"] == pytest.approx(10 * 60 + 6, abs=1.5)
    assert seconds["231", "(BII"] == pytest.approx(11 * 60 + 40, abs=1.5)
    assert seconds["217", "(P"] == pytest.approx(25 * 60 + 11, abs=2)
    for record in {row.record for row in found.manifest}:
        total = sum(length for (name, _), length in seconds.items() if name == record)
        assert 1800 < total <= 650_000 / 360


def test_rhythms_against_wfdb(unpacked: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    path = unpacked / "mitdb" / "222.atr"
    marks = rhythm_intervals(path, 360.0, 650_000 / 360)
    theirs = wfdb.rdann(str(path.with_suffix("")), "atr")
    rhythms = [
        (sample / 360, note.rstrip("\x00"))
        for sample, note in zip(theirs.sample, theirs.aux_note, strict=True)
        if note.startswith("(")
    ]
    assert [(start, label) for start, _, label in marks] == [
        (pytest.approx(time), note) for time, note in rhythms
    ]
    assert all(end == start for (_, end, _), (start, _, _) in itertools.pairwise(marks))


def test_cpsc2021_episodes_lie_inside_their_records(shared_data: Path) -> None:
    found = read_dataset("cpsc2021", shared_data / FORMATS["cpsc2021"])
    kinds = {
        row.record: next(name for name, v in row.targets.items() if v == 1.0 and " a" in name)
        for row in found.manifest
        if row.targets["non atrial fibrillation"] == 0.0
    }
    assert set(kinds) == {mark.record for mark in found.intervals}
    for row in found.manifest:
        length = found.manifest.open(row).duration_s
        marks = [mark for mark in found.intervals if mark.record == row.record]
        assert all(0 <= mark.start_s < mark.end_s <= length for mark in marks)
        if row.targets["persistent atrial fibrillation"] == 1.0:
            covered = sum(mark.end_s - mark.start_s for mark in marks)
            assert covered > 0.95 * length


def test_brugada_huca_as_distributed(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "brugada_huca.zip") as archive:
        archive.extractall(tmp_path)
    found = read_dataset("brugada-huca", tmp_path)
    assert len(found.manifest) == 257
    # Of the four pairs one is among these records.
    assert len(set(found.manifest.groups())) == 257 - 1
    one, other = (
        found.manifest.open(row).signal
        for row in found.manifest
        if SAME_RECORDING.get(row.record, row.record) == "1303729"
    )
    np.testing.assert_array_equal(one, other)


def test_ludb_counts_agree_with_its_table(unpacked: Path) -> None:
    found = read_dataset("ludb", unpacked).manifest
    assert len(found) == 173
    with (unpacked / "ludb" / "ludb.csv").open(encoding="utf-8") as stream:
        text = stream.read().lower()
    for statement in ("left anterior hemiblock", "atrial flutter, typical", "sinus tachycardia"):
        assert sum(row.targets[statement] or 0 for row in found) == text.count(statement)


def test_ludb_headers_say_the_same_as_the_table(unpacked: Path) -> None:
    """The headers repeat the rhythm as a comment: an independent copy of the table."""
    found = read_dataset("ludb", unpacked).manifest
    compared = 0
    for row in found:
        comments = (unpacked / row.path).read_text(errors="replace").lower()
        if "rhythm:" not in comments:
            continue
        compared += 1
        stated = comments.split("rhythm:", 1)[1].splitlines()[0].strip(" .")
        assert row.targets.get(stated) == 1.0, (row.record, stated)
    assert compared > 150


def test_code_test_labels_give_the_published_network_its_auroc(shared_data: Path) -> None:
    folder = shared_data / "golden" / "code_test"
    gold = read_dataset("code-test", folder, tracings="optional").manifest
    assert len(gold) == 827
    names = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
    # Positives of the published table (Ribeiro et al. 2020, Table 2).
    assert gold.targets(names).sum(axis=0).tolist() == [28, 34, 30, 16, 13, 37]
    scores = np.load(folder / "dnn_predicts" / "model.npy")
    values = [auroc(gold.targets(names)[:, k], scores[:, k]) for k in range(6)]
    assert min(values) > 0.97


def test_cinc2017_as_distributed(shared_data: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared_data / "cinc2017_training2017.zip") as archive:
        wanted = [n for n in archive.namelist() if n.endswith(".csv") or "A0000" in n]
        archive.extractall(tmp_path, wanted)
    found = read_dataset("cinc2017", tmp_path)
    assert found.report.found == 6776
    assert 0 < len(found.manifest) < 10
    row = found.manifest.rows[0]
    assert found.manifest.open(row).sampling_rate == 300


def test_every_code_in_the_real_files_was_reviewed(shared_data: Path, unpacked: Path) -> None:
    folders = {name: shared_data / folder for name, folder in FORMATS.items()}
    folders |= {"mitbih": unpacked, "ludb": unpacked}
    for name, folder in folders.items():
        system = DATASETS[name].labels
        targets = set(read_dataset(name, folder).manifest.target_names)
        if name == "cinc2021":  # as written, before equivalent codes are joined
            targets |= set(read_dataset(name, folder, equivalent="apart").manifest.target_names)
        if name == "cpsc2021":  # its episodes are marks; its types are not
            targets = {mark.label for mark in read_dataset(name, folder).intervals}
        for vocabulary in ("ptbxl-superclass", "cinc2017-rhythm", "ecgfounder-150"):
            try:
                label_map = load_label_map(system, vocabulary)
            except VocabularyError:  # not every system has every map
                continue
            assert label_map.unreviewed(targets) == (), (name, vocabulary)


def test_superclasses_follow_from_the_subclasses_of_the_subset(shared_data: Path) -> None:
    """``labels.csv`` holds both: the map must make one from the other, record by record."""
    label_map = load_label_map("scp-ecg", "ptbxl-superclass")
    subclass_of = {"AMI": ("ASMI", "AMI", "ALMI"), "LAFB/LPFB": ("LAFB", "LPFB"),
                   "ISC": ("ISC_",), "ISCI": ("ISCIN", "ISCIL"),
                   "ISCA": ("ISCAL", "ISCAS", "ISCLA", "ISCAN"), "AVB": ("1AVB", "2AVB", "3AVB"),
                   "NST": ("NST_",), "STTC": ("NDT", "DIG", "LNGQT", "ANEUR", "EL"),
                   "IMI": ("IMI", "ILMI", "IPLMI", "IPMI")}  # fmt: skip
    with (shared_data / "ptbxl_subset" / "labels.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    positive_by_code = {
        code: target for target, codes in label_map.scoring.items() for code in codes
    }
    for row in rows:
        subclasses = [
            column.removeprefix("sub_class:")
            for column, value in row.items()
            if column.startswith("sub_class:") and value == "1"
        ]
        codes = [code for name in subclasses for code in subclass_of.get(name, (name,))]
        implied = {positive_by_code[code] for code in codes}
        stated = {name for name in label_map.scoring if row[f"super_class:{name}"] == "1"}
        assert implied == stated, row["ecg_id"]


def test_windows_take_the_rhythm_that_covers_most_of_them() -> None:
    marks = [(0.0, 4.0, "(N"), (4.0, 12.0, "(AFIB"), (12.0, 30.0, "(N")]
    shares = share_of_window(marks, 0.0, 20.0)
    assert shares == {"(N": pytest.approx(0.6), "(AFIB": pytest.approx(0.4)}
    assert share_of_window(marks, 40.0, 50.0) == {}
