"""MC-MED: the layout with everything that is ugly about it, and every fault named and survived."""

from __future__ import annotations

import csv
import gzip
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from ecgfoundry.datasets.mc_med import McMed, open_mc_med, write_report  # noqa: E402
from ecgfoundry.datasets.mc_med_tables import LAB_COLUMNS, VISIT_COLUMNS  # noqa: E402
from ecgfoundry.datasets.mc_med_waveforms import (  # noqa: E402
    describe_waveform,
    find_waveforms,
    read_stored,
    waveform_header,
)
from ecgfoundry.errors import FileAccessError, FormatError, ManifestError  # noqa: E402

SAMPLES = 6000


def write_segment(
    data: Path,
    csn: str,
    segment: int,
    clock: str = "12:30:00.250 03/07/2221",
    kind: str = "II",
    rate: str = "500",
) -> Path:
    folder = data / "waveforms" / csn[-3:] / csn / kind
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{csn}_{segment}"
    wave = (np.arange(SAMPLES) * 37 % 2001 - 1000).astype("<i2")
    (folder / f"{name}.dat").write_bytes(wave.tobytes())
    header = f"{name} 1 {rate} {SAMPLES} {clock}\n{name}.dat 16 1000(0)/mV 16 0 0 0 0 {kind}\n"
    (folder / f"{name}.hea").write_text(header)
    return folder / f"{name}.hea"


def write_rows(path: Path, header: list[str] | tuple[str, ...], rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header)
        writer.writeheader()
        writer.writerows(rows)


def visit(csn: str, mrn: str, **more: str) -> dict:
    return {"CSN": csn, "MRN": mrn, "Age": "51", "Gender": "F",
            "Arrival_time": "2221-07-03T12:00:00Z", "CC": "PAIN,\nCHEST"} | more  # fmt: skip


def lab(csn: str, name: str, value: str, **more: str) -> dict:
    return {"CSN": csn, "Component_name": name, "Component_value": value,
            "Order_time": "2221-07-03T12:10:00Z", "Result_time": "2221-07-03T12:50:00Z",
            "Component_nml_low": "3.5", "Component_nml_high": "5.0"} | more  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three visits of two patients."""
    folder = tmp_path / "mc-med" / "data"
    folder.mkdir(parents=True)
    write_rows(
        folder / "visits.csv",
        VISIT_COLUMNS,
        [visit("98767007", "1"), visit("98000012", "2", Gender="U"), visit("98000045", "1")],
    )
    write_rows(
        folder / "labs.csv",
        LAB_COLUMNS,
        [
            lab("98767007", "POTASSIUM", "4.1"),
            lab("98767007", "PROTEIN, TOTAL", ">10.0"),
            lab("98000012", "IMMATURE GRANULOCYTE %\n (AUTODIFF) WAM", "Negative"),
            lab("98000045", "POTASSIUM", "6.0"),
        ],
    )
    for kind in ("random", "chrono"):
        (folder / f"split_{kind}_train.csv").write_text("98767007\n98000045\n")
        (folder / f"split_{kind}_val.csv").write_text("98000012\n")
        (folder / f"split_{kind}_test.csv").write_text("")
    write_segment(folder, "98767007", 1)
    write_segment(folder, "98767007", 2, "12:31:00 03/07/2221")  # no milliseconds
    write_segment(folder, "98000012", 1)
    write_segment(folder, "98000045", 1)
    write_segment(folder, "98000012", 1, kind="Resp", rate="62.5")
    return folder


def codes(found: McMed) -> dict[str, int]:
    return {issue.code: issue.count for issue in found.issues}


def test_the_layout(data: Path):
    found = open_mc_med(data.parent)
    assert codes(found) == {}
    assert [step.visits for step in found.flow] == [3, 3, 3, 3]
    assert [step.patients for step in found.flow] == [2, 2, 2, 2]
    rows = {row.record: row for row in found.manifest()}
    assert list(rows) == ["98000012_1", "98000045_1", "98767007_1", "98767007_2"]
    row = rows["98767007_1"]
    assert (row.patient, row.visit, row.split) == ("1", "98767007", "train")
    assert (row.age, row.sex) == (51.0, "female")
    assert rows["98000012_1"].sex is None
    assert row.path == "waveforms/007/98767007/II/98767007_1.hea"
    assert found.manifest().open(row).leads == ("II",)
    # With and without milliseconds, to the microsecond.
    assert found.waveforms[3].start_us - found.waveforms[2].start_us == 59_750_000


def test_names_keep_their_commas_and_lose_their_newlines(data: Path):
    labs = open_mc_med(data).labs
    assert labs["component"].to_list() == [
        "POTASSIUM",
        "PROTEIN, TOTAL",
        "IMMATURE GRANULOCYTE % (AUTODIFF) WAM",
        "POTASSIUM",
    ]
    assert labs["value"].to_list() == ["4.1", ">10.0", "Negative", "6.0"]
    assert str(labs["result_time"][0]) == "2221-07-03 12:50:00"


def test_respiration_has_no_whole_rate(data: Path):
    found, _ = find_waveforms(data, "Resp")
    described = describe_waveform(data, found[0])
    assert described.sampling_rate == 62.5
    assert described.duration_s == SAMPLES / 62.5


def test_zip_files_are_read_without_unpacking(data: Path):
    whole = open_mc_med(data)
    before = [waveform.start_us for waveform in whole.waveforms]
    for digit in range(10):
        with zipfile.ZipFile(data / f"waveforms_{digit}xx.zip", "w", zipfile.ZIP_DEFLATED) as pack:
            for path in sorted((data / "waveforms").glob(f"{digit}??/**/*.*")):
                pack.write(path, path.relative_to(data).as_posix())
    expected = whole.manifest().open(whole.manifest().rows[0]).signal[0]
    shutil.rmtree(data / "waveforms")
    (data / "waveforms_9xx.zip").write_bytes(b"half a download")
    packed = open_mc_med(data)
    assert [waveform.start_us for waveform in packed.waveforms] == before
    assert codes(packed) == {"zip-unreadable": 1}
    path = data / packed.waveforms[0].path
    assert "waveforms_0xx.zip::waveforms/012/98000012/II/98000012_1.hea" in str(path)
    stored = read_stored(path, waveform_header(path), SAMPLES)
    np.testing.assert_allclose(stored / 1000.0, expected, atol=1e-7)
    opened = packed.manifest().open(packed.manifest().rows[0])
    np.testing.assert_array_equal(opened.signal[0], expected)


def test_tables_may_be_compressed(data: Path):
    plain = open_mc_med(data)
    for path in list(data.glob("*.csv")):
        with gzip.open(f"{path}.gz", "wb") as stream:
            stream.write(path.read_bytes())
        path.unlink()
    packed = open_mc_med(data)
    assert packed.labs.equals(plain.labs) and packed.visits.equals(plain.visits)


def break_columns(data: Path) -> None:
    table = pl.read_csv(data / "labs.csv", infer_schema=False)
    table.drop("Component_abnormal", "Component_units").write_csv(data / "labs.csv")


def break_labs(data: Path) -> None:
    table = pl.read_csv(data / "labs.csv", infer_schema=False)
    table.drop("Component_name").write_csv(data / "labs.csv")


def break_dat(data: Path) -> None:
    path = data / "waveforms/007/98767007/II/98767007_1.dat"
    path.write_bytes(path.read_bytes()[: SAMPLES - 1])


def break_header(data: Path) -> None:
    (data / "waveforms/007/98767007/II/98767007_1.hea").write_text("not a header")


def lose_dat(data: Path) -> None:
    (data / "waveforms/007/98767007/II/98767007_1.dat").unlink()


def lose_clock(data: Path) -> None:
    write_segment(data, "98767007", 1, clock="")


def overlap(data: Path) -> None:
    write_segment(data, "98767007", 2, "12:30:05.250 03/07/2221")


def repeat_csn(data: Path) -> None:
    with (data / "visits.csv").open("a") as stream:
        stream.write("9,98767007" + "," * 31 + "\n")


def add_stranger(data: Path) -> None:
    write_segment(data, "97000999", 1)


def add_labs_of_stranger(data: Path) -> None:
    with (data / "labs.csv").open("a") as stream:
        stream.write("97000999,,,,,POTASSIUM,,4.0,,,,\n" * 2)


def remove_labs(data: Path) -> None:
    (data / "labs.csv").unlink()


def untested(data: Path) -> None:
    write_rows(data / "labs.csv", LAB_COLUMNS, [lab("98767007", "POTASSIUM", "4")])


def cut_labs(data: Path) -> None:
    text = (data / "labs.csv").read_text()
    (data / "labs.csv").write_text(text + '98767007,2221-07-03T12:10:00Z,"half a li')


def leak(data: Path) -> None:
    (data / "split_random_train.csv").write_text("98767007\n")
    (data / "split_random_test.csv").write_text("98000045\n")


def head_split(data: Path) -> None:
    path = data / "split_random_val.csv"
    path.write_text("CSN\n" + path.read_text())


def lose_split(data: Path) -> None:
    (data / "split_random_test.csv").unlink()


def misplace(data: Path) -> None:
    (data / "waveforms/007").rename(data / "waveforms/7")


@pytest.mark.parametrize(
    ("fault", "issues", "segments"),
    [
        (break_columns, {"missing-columns": 2}, 4),
        (break_labs, {"table-unusable": 1}, 4),
        (remove_labs, {"table-missing": 1}, 4),
        (break_dat, {"waveform-truncated": 1}, 3),
        (break_header, {"waveform-format": 1}, 3),
        (lose_dat, {"dat-missing": 1}, 3),
        (lose_clock, {"waveform-without-time": 1}, 4),
        (overlap, {"clock-overlap": 1}, 4),
        (repeat_csn, {"duplicate-csn": 1}, 4),
        (add_stranger, {"waveform-without-visit": 1}, 4),
        (add_labs_of_stranger, {"labs-without-visit": 1}, 4),
        (untested, {"visit-without-labs": 2}, 4),
        (cut_labs, {"broken-lines": 1}, 4),
        (leak, {"patient-in-two-splits": 1, "visit-without-split": 2}, 4),
        (head_split, {"split-not-a-csn": 1}, 4),
        (lose_split, {"split-file-missing": 1}, 4),
        (misplace, {"waveform-misplaced": 2}, 2),
    ],
)
def test_every_fault_is_counted_and_named_and_the_rest_is_read(
    data: Path, tmp_path: Path, fault, issues, segments
):
    fault(data)
    found = open_mc_med(data)
    assert codes(found) == issues
    assert len(found.waveforms) == segments
    for issue in found.issues:
        assert issue.message and len(issue.examples) <= 5
    assert all(
        row.split is None for row in found.manifest() if fault is leak and row.patient == "1"
    )
    report = write_report(found, tmp_path / "report.json").read_text()
    assert all(code in report for code in issues)


def test_with_all_faults_at_once_the_build_goes_on(data: Path, tmp_path: Path):
    """Each is counted and named, and what is whole is in the corpus."""
    from ecgfoundry.corpus import build_corpus, open_corpus, verify_corpus

    for fault in (break_columns, add_labs_of_stranger, add_stranger, repeat_csn, overlap):
        fault(data)
    found = open_mc_med(data)
    half_written = data / "waveforms/012/98000012/II/98000012_1.dat"
    half_written.write_bytes(half_written.read_bytes()[:-101])  # while the plan was being made
    expected = {"missing-columns": 2, "labs-without-visit": 1, "waveform-without-visit": 1,
                "duplicate-csn": 1, "clock-overlap": 1}  # fmt: skip
    assert codes(found) == expected
    result = build_corpus(found.manifest(), tmp_path / "corpus", provenance=found.report())
    assert result.document["records"] == {"used": 2, "empty": 1, "failed": 1}
    corpus = open_corpus(tmp_path / "corpus")
    records = {row["record"]: row for row in corpus.records.iter_rows(named=True)}
    assert records["98000012_1"]["error"] == "truncated"
    assert set(corpus.index["visit"]) == {"98767007", "98000045"}
    assert verify_corpus(tmp_path / "corpus").ok
    provenance = result.document["generations"][0]["provenance"]
    assert all(code in str(provenance) for code in expected)


def test_the_overlap_of_two_segments_counts_once(data: Path):
    overlap(data)
    rows = {row.record: row for row in open_mc_med(data).manifest()}
    # Segment 1 is 12 s long and segment 2 begins 5 s after it.
    assert rows["98767007_2"].start_s == pytest.approx(7.0)
    write_segment(data, "98767007", 2, "12:30:00.250 03/07/2221")
    assert "98767007_2" not in {row.record for row in open_mc_med(data).manifest()}


def test_what_cannot_go_on_is_said(data: Path, tmp_path: Path):
    with pytest.raises(FileAccessError, match=r"visits\.csv"):
        open_mc_med(tmp_path / "nowhere")
    with pytest.raises(ManifestError, match="no split 'best'"):
        open_mc_med(data, split="best")
    write_rows(data / "visits.csv", ("CSN", "Age"), [{"CSN": "1", "Age": "5"}])
    with pytest.raises(ManifestError, match="MRN"):
        open_mc_med(data)


def test_a_damaged_member_of_a_zip_file_is_a_typed_error(data: Path):
    path = data / "waveforms_0xx.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("waveforms/012/98000012/II/98000012_1.hea", "x" * 400)
    content = bytearray(path.read_bytes())
    content[75] ^= 0xFF
    path.write_bytes(content)
    member = f"{path}::waveforms/012/98000012/II/98000012_1.hea"
    with pytest.raises(FormatError):
        waveform_header(member)
    with pytest.raises(FileAccessError):
        waveform_header(f"{path}::../../etc/passwd")


def test_a_zip_file_that_was_replaced_is_opened_anew(data: Path):
    path = data / "waveforms_0xx.zip"
    with zipfile.ZipFile(path, "w") as pack:
        pack.writestr("waveforms/012/98000012/II/98000012_7.hea", "")
    before, _ = find_waveforms(data, "II")
    with zipfile.ZipFile(data / "new.zip", "w") as pack:
        for ending in ("hea", "dat"):
            pack.writestr(f"waveforms/012/98000012/II/98000012_7.{ending}", "")
    (data / "new.zip").replace(path)
    after, _ = find_waveforms(data, "II")
    assert len(after) == len(before) + 1
