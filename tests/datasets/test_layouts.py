"""Every data set on a layout-true sample of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.datasets.layouts import SAMPLES, Sample, twelve_leads

from ecgfoundry.datasets import DATASETS, DatasetManifest, read_dataset
from ecgfoundry.datasets.metadata_tables import iterate_joined
from ecgfoundry.datasets.writing import about_dataset
from ecgfoundry.errors import DatasetError, EcgFoundryError, FileAccessError, LeadError
from ecgfoundry.io import write_json
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import read_manifest, write_manifest
from ecgfoundry.manifest.croissant import croissant_document
from ecgfoundry.vocabularies import available_label_maps

OWN_LABELS = (
    "brugada-huca",
    "cinc2011",
    "cinc2017",
    "mc-med",
    "plugin-set",
    "cinc2025",
    "echonext-mini",
    "ecgfounder-labels",
)
"""Whose targets are of no label system that is mapped."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Sample, DatasetManifest]]:
    result = {}
    for key, (name, make) in SAMPLES.items():
        sample = make(tmp_path_factory.mktemp("set") / key.replace(" ", "_"))
        result[key] = sample, read_dataset(name, sample.folder, **sample.options)
    return result


def test_every_data_set_has_a_sample_and_a_description() -> None:
    assert {name for name, _ in SAMPLES.values()} == set(DATASETS)
    maps = available_label_maps()
    for name, entry in DATASETS.items():
        assert entry.name == name
        for text in (entry.title, entry.licence, entry.citation, entry.content, entry.folder):
            assert text
        assert entry.url.startswith(("http://", "https://"))
        assert entry.labels in maps or (entry.labels == "" and name in OWN_LABELS)
        for option in entry.options.values():
            assert option.help
            assert not option.choices or option.default in option.choices


@pytest.mark.parametrize("key", SAMPLES)
def test_rows_are_what_the_tables_say(
    key: str, made: dict[str, tuple[Sample, DatasetManifest]]
) -> None:
    sample, found = made[key]
    rows = {row.record: row for row in found.manifest}
    assert set(rows) == set(sample.rows)
    for record, (fields, targets) in sample.rows.items():
        for name, value in fields.items():
            assert getattr(rows[record], name) == value, (record, name)
        assert dict(rows[record].targets) == dict(targets), record


@pytest.mark.parametrize("key", SAMPLES)
def test_the_flow_adds_up(key: str, made: dict[str, tuple[Sample, DatasetManifest]]) -> None:
    sample, found = made[key]
    report = found.report
    assert report.found == sample.found
    assert report.kept == len(found.manifest)
    assert report.found == report.kept + sum(report.skipped.values())
    for reason, count in sample.skipped.items():
        counted = sum(n for name, n in report.skipped.items() if name.startswith(reason))
        assert counted == count, report.skipped
    assert len(found.intervals) == sample.intervals
    for reason, names in report.examples.items():
        assert 0 < len(names) <= report.skipped[reason]


@pytest.mark.parametrize("key", SAMPLES)
def test_recordings_open_with_the_right_leads(
    key: str, made: dict[str, tuple[Sample, DatasetManifest]]
) -> None:
    _, found = made[key]
    for row in found.manifest:
        if key == "echonext-mini":  # standardized by its publisher: there is no way back to mV
            with pytest.raises(EcgFoundryError):
                found.manifest.open(row)
            continue
        recording = found.manifest.open(row)
        assert recording.samples > 0
        if set(recording.leads) != set(STANDARD_12_LEADS):
            assert key in ("cinc2017", "cpsc2021", "mitbih", "mc-med")
            continue
        if key in ("ludb", "sph", "cinc2021"):
            continue  # other people's signals
        expected = twelve_leads().resample(recording.sampling_rate)
        shared = min(recording.samples, expected.samples)
        for lead in STANDARD_12_LEADS:  # whatever their order in the file
            wanted = expected.lead(lead)[:shared]
            assert np.corrcoef(recording.lead(lead)[:shared], wanted)[0, 1] > 0.999, lead
            ratio = np.std(recording.lead(lead)[:shared]) / np.std(wanted)
            assert ratio == pytest.approx(1, abs=0.01), "the unit is mV"


@pytest.mark.parametrize("key", SAMPLES)
def test_the_manifest_survives_its_file(
    key: str, made: dict[str, tuple[Sample, DatasetManifest]], tmp_path: Path
) -> None:
    _, found = made[key]
    path = write_manifest(tmp_path / "m.csv", found.manifest.rows)
    again = read_manifest(path)
    assert [row.record for row in again] == [row.record for row in found.manifest]
    for before, after in zip(found.manifest, again, strict=True):
        known = {name: value for name, value in before.targets.items() if value is not None}
        assert {n: v for n, v in after.targets.items() if v is not None} == known


@pytest.mark.parametrize("key", SAMPLES)
def test_the_reference_reader_of_croissant_gives_the_rows_back(
    key: str, made: dict[str, tuple[Sample, DatasetManifest]], tmp_path: Path
) -> None:
    croissant = pytest.importorskip("mlcroissant")
    about = about_dataset(DATASETS[SAMPLES[key][0]])
    sample, found = made[key]
    table = write_manifest(tmp_path / "m.csv", found.manifest.rows)
    write_json(tmp_path / "c.json", croissant_document(table, about))
    data = croissant.Dataset(str(tmp_path / "c.json"))
    assert not data.metadata.issues.errors
    assert (data.metadata.url, data.metadata.cite_as) == (about.url, about.cite_as)
    records = [row["recordings/record"] for row in data.records("recordings")]
    names = [one.decode() if isinstance(one, bytes) else str(one) for one in records]
    assert sorted(names) == sorted(sample.rows)


@pytest.mark.parametrize("name", DATASETS)
def test_a_foreign_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(DatasetError, match="Give the folder that holds"):
        read_dataset(name, tmp_path)
    with pytest.raises(FileAccessError, match="does not exist"):
        read_dataset(name, tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="has no option 'colour'"):
        read_dataset(name, tmp_path, colour="red")


def test_ptbxl_label_sets_and_the_likelihood_rule(
    made: dict[str, tuple[Sample, DatasetManifest]],
) -> None:
    folder = made["ptbxl"][0].folder
    sure = read_dataset("ptbxl", folder, minimum_likelihood="50").manifest
    targets = {row.record: row.targets for row in sure}
    assert targets["2"]["MI"] == 1.0  # ASMI has 100
    assert targets["3"]["MI"] is None  # IMI has 35
    assert targets["3"]["HYP"] is None  # LVH has no likelihood
    assert targets["3"]["CD"] == 0.0
    every = read_dataset("ptbxl", folder, labels="all").manifest
    first = every.rows[2].targets
    assert first["diagnostic:IMI"] == first["sub:IMI"] == first["super:MI"] == 1.0
    assert first["form:PVC"] == 1.0 and first["rhythm:SR"] == 0.0
    assert first["diagnostic:NDT"] == first["form:NDT"] == 0.0
    forms = read_dataset("ptbxl", folder, labels="form").manifest
    assert forms.target_names == ("NDT", "PVC")
    with pytest.raises(DatasetError, match="0 to 100"):
        read_dataset("ptbxl", folder, minimum_likelihood="often")
    with pytest.raises(DatasetError, match="cannot be 'super duper'"):
        read_dataset("ptbxl", folder, labels="super duper")
    with pytest.raises(DatasetError, match="no record .*4 file not there"):
        read_dataset("ptbxl", folder, rate="100")


def test_code_test_annotators(made: dict[str, tuple[Sample, DatasetManifest]]) -> None:
    folder = made["code-test"][0].folder
    other = read_dataset("code-test", folder, annotator="cardiologist1").manifest
    assert other.rows[0].targets["1dAVb"] == 1.0
    opened = other.open(other.rows[1])
    assert opened.duration_s == pytest.approx(7.0)  # the padding is gone
    assert opened.header["lead_order"].startswith("checked")


def test_code_limb_leads_that_fit_no_order_are_not_guessed(tmp_path: Path) -> None:
    from tests.datasets.layouts import code_test

    sample = code_test(tmp_path)
    import h5py

    with h5py.File(sample.folder / "data" / "ecg_tracings.hdf5", "r+") as file:
        file["tracings"][0, :, 3:6] = np.random.default_rng(0).normal(size=(4096, 3))
    found = read_dataset("code-test", sample.folder)
    with pytest.raises(LeadError):
        found.manifest.open(found.manifest.rows[0])


def test_cinc2017_versions(made: dict[str, tuple[Sample, DatasetManifest]]) -> None:
    folder = made["cinc2017"][0].folder
    newer = read_dataset("cinc2017", folder, labels="v3")
    assert newer.manifest.rows[0].targets["noisy"] == 1.0
    assert "Labels of REFERENCE-v3.csv" in newer.report.notes
    with pytest.raises(DatasetError, match="There are: distributed, v3"):
        read_dataset("cinc2017", folder, labels="v1")


def test_cinc2021_sources_and_classes(made: dict[str, tuple[Sample, DatasetManifest]]) -> None:
    folder = made["cinc2021"][0].folder
    outside = read_dataset("cinc2021", folder, sources="outside-ptbxl").manifest
    assert [row.record for row in outside] == ["E07500", "JS20000"]
    scored = read_dataset("cinc2021", folder, targets="scored").manifest
    assert len(scored.target_names) == 26
    assert scored.rows[0].targets["426177001"] == 1.0


def test_mimic_measurements_and_their_sentinels(
    made: dict[str, tuple[Sample, DatasetManifest]],
) -> None:
    sample, found = made["mimic-iv-ecg"]
    measured = read_dataset("mimic-iv-ecg", sample.folder, targets="measurements").manifest
    targets = {row.record: row.targets for row in measured}
    assert targets["40689238"]["heart_rate"] == pytest.approx(60_000 / 659)
    assert targets["40689238"]["pr_interval"] == 130
    assert targets["40689238"]["qt_interval"] == 348
    beyond = targets["44458630"]
    assert [name for name, value in beyond.items() if value is not None] == [
        "qrs_onset", "qrs_end", "qrs_axis", "qrs_duration",
    ]  # fmt: skip
    assert found.report.counts["unmapped statements"] == 3
    assert found.report.counts["statements"] == 7


def test_ecgfounder_tables_go_by_their_names(
    made: dict[str, tuple[Sample, DatasetManifest]],
) -> None:
    sample, found = made["ecgfounder-labels"]
    assert found.report.counts == {
        "ejection fractions that no heart has": 1,
        "classes that do not go with their ejection fraction": 1,
    }
    path = "files/p1900/p19000001/s49000001/49000001.hea"
    (sample.folder / "CKD.csv").write_text(f"waveform_path,N18,egfr\n{path},1,\n")
    (row,) = read_dataset("ecgfounder-labels", sample.folder, table="CKD").manifest
    assert (row.patient, dict(row.targets)) == ("19000001", {"N18": 1.0, "egfr": None})
    with pytest.raises(DatasetError, match="takes: CKD, LVEF") as refused:
        list(read_dataset("ecgfounder-labels", sample.folder, table="CHD").manifest)
    assert "'CHD'" in str(refused.value)


def test_heedb_sources_of_statements(made: dict[str, tuple[Sample, DatasetManifest]]) -> None:
    folder = made["heedb"][0].folder
    physician = read_dataset("heedb", folder, codes="physician")
    assert physician.report.kept == 2
    newer = read_dataset("heedb", folder, codes="v24").manifest
    assert [row.targets for row in newer] == [row.targets for row in made["heedb"][1].manifest]
    alone = read_dataset("heedb", folder, targets="standalone").manifest
    assert dict(alone.rows[0].targets) == {"NORMAL SINUS RHYTHM": 1.0, "ABNORMAL ECG": 1.0}
    one = read_dataset("heedb", folder / "I0006").manifest
    assert one.rows[0].path == "WFDB/2019/01/MUSE_20190101_080000_00001.hea"


def test_joins_agree_with_and_without_polars(
    made: dict[str, tuple[Sample, DatasetManifest]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("polars")
    for key in ("heedb", "mimic-iv-ecg"):
        sample, found = made[key]
        with monkeypatch.context() as patch:
            patch.setattr("importlib.util.find_spec", lambda name: None)
            plain = read_dataset(SAMPLES[key][0], sample.folder)
        assert plain.manifest == found.manifest
        assert plain.report == found.report


def test_a_table_too_large_for_a_dictionary_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ecgfoundry.errors import MissingExtraError

    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("k,v\n1,2\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("ecgfoundry.datasets.metadata_tables.MAXIMUM_DICTIONARY_BYTES", 3)
    rows = iterate_joined(
        tmp_path / "a.csv", tmp_path / "b.csv", on="k", left_columns=(), right_columns=("v",)
    )
    with pytest.raises(MissingExtraError, match=r"ecgfoundry\[data\]"):
        next(rows)


def test_a_table_without_its_columns_is_named(tmp_path: Path) -> None:
    (tmp_path / "ptbxl_database.csv").write_text("ecg_id\n1\n")
    (tmp_path / "scp_statements.csv").write_text(",description\nNORM,normal ECG\n")
    with pytest.raises(
        DatasetError, match=r"scp_statements\.csv: the column\(s\) diagnostic, form"
    ):
        read_dataset("ptbxl", tmp_path)
