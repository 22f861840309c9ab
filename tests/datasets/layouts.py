"""Layout-true samples of every data set: the tables as they are distributed, real signals inside.

One function per data set makes a folder and returns what its manifest must say.
"""

from __future__ import annotations

import csv
import functools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from ecgfoundry import read
from ecgfoundry.datasets.echonext import FLAGS as ECHONEXT_FLAGS
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording

FIXTURES = Path(__file__).parents[1] / "fixtures"
MIMIC_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
HEEDB_LEADS = ("I", "II", "III", "V1", "V2", "V3", "V4", "V5", "V6", "aVF", "aVL", "aVR")


@dataclass(frozen=True)
class Sample:
    """What a sample must give.

    ``rows``: record -> (expected fields, expected targets); ``skipped``: reason -> count.
    """

    folder: Path
    found: int
    rows: Mapping[str, tuple[Mapping[str, object], Mapping[str, float | None]]]
    skipped: Mapping[str, int] = field(default_factory=dict)
    intervals: int = 0
    options: Mapping[str, str] = field(default_factory=dict)


def _write_csv(path: Path, rows: list[list[object]], *, delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)


@functools.cache
def twelve_leads(order: tuple[str, ...] = STANDARD_12_LEADS) -> Recording:
    """A real twelve-lead recording of 10 s with its leads in this order."""
    return read(FIXTURES / "cinc2021" / "HR06005.hea").select(order)


def ptbxl(folder: Path) -> Sample:
    statements = [
        ["", "description", "diagnostic", "form", "rhythm", "diagnostic_class",
         "diagnostic_subclass", "Statement Category"],
        ["NDT", "non-diagnostic T abnormalities", 1.0, 1.0, "", "STTC", "STTC", "other"],
        ["NORM", "normal ECG", 1.0, "", "", "NORM", "NORM", "Normal/abnormal"],
        ["IMI", "inferior myocardial infarction", 1.0, "", "", "MI", "IMI", "Infarction"],
        ["ASMI", "anteroseptal myocardial infarction", 1.0, "", "", "MI", "AMI", "Infarction"],
        ["LVH", "left ventricular hypertrophy", 1.0, "", "", "HYP", "LVH", "Hypertrophy"],
        ["1AVB", "first degree AV block", 1.0, "", "", "CD", "_AVB", "Conduction"],
        ["PVC", "ventricular premature complex", "", 1.0, "", "", "", "Ectopy"],
        ["SR", "sinus rhythm", "", "", 1.0, "", "", "Rhythm"],
    ]  # fmt: skip
    _write_csv(folder / "scp_statements.csv", statements)
    header = "ecg_id patient_id age sex height weight nurse site device recording_date report "
    header += "scp_codes strat_fold filename_lr filename_hr"
    rows: list[list[object]] = [header.split()]
    records = [
        (1, 15709.0, 56.0, 1, "{'NORM': 100.0, 'LVOLT': 0.0, 'SR': 0.0}", 3),
        (2, 13243.0, 300.0, 0, "{'IMI': 35.0, 'ASMI': 100.0, 'SR': 0.0}", 9),
        (3, 20372.0, 37.0, 1, "{'IMI': 35.0, 'LVH': 0.0, 'PVC': nan}", 10),
        (1001, 17014.0, 24.0, 0, "{'SR': 0.0}", 10),
    ]
    for number, patient, age, sex, codes, fold in records:
        base = f"{number // 1000 * 1000:05d}/{number:05d}"
        names = [f"records100/{base}_lr", f"records500/{base}_hr"]
        rows.append([number, patient, age, sex, "", "", 2.0, 0.0, "CS-12   E",
                     "1984-11-09 09:17:34", "sinusrhythmus", codes, fold, *names])  # fmt: skip
        if number != 1001:
            path = folder / names[1]
            recording = twelve_leads()
            write_wfdb(recording, path.parent, path.name)
    _write_csv(folder / "ptbxl_database.csv", rows)
    first = {"path": "records500/00000/00001_hr.hea", "patient": "15709", "split": "train",
             "age": 56.0, "sex": "female", "device": "CS-12   E"}  # fmt: skip
    none = {"NORM": 0.0, "MI": 0.0, "STTC": 0.0, "CD": 0.0, "HYP": 0.0}
    return Sample(
        folder,
        found=4,
        rows={
            "1": (first, none | {"NORM": 1.0}),
            "2": ({"split": "validation", "age": None, "sex": "male"}, none | {"MI": 1.0}),
            "3": ({"split": "test"}, none | {"MI": 1.0, "HYP": 1.0}),
        },
        skipped={"file not there": 1},
    )


def code_test(folder: Path) -> Sample:
    base = folder / "data"
    names = ["1dAVb", "RBBB", "LBBB", "SB", "AF", "ST"]
    _write_csv(base / "attributes.csv", [["age", "sex"], [74, "M"], [45, "F"]])
    _write_csv(base / "annotations" / "gold_standard.csv",
               [names, [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0]])  # fmt: skip
    _write_csv(base / "annotations" / "cardiologist1.csv",
               [names, [1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]])  # fmt: skip
    # The order of the data description: aVL, aVF, aVR; 10 s and 7 s, zero-padded at both ends.
    order = ("I", "II", "III", "aVL", "aVF", "aVR", *STANDARD_12_LEADS[6:])
    signal = twelve_leads(order).resample(400).signal.T * 10  # 1e-4 V
    tracings = np.zeros((2, 4096, 12), dtype=np.float32)
    tracings[0, 48:4048] = signal[:4000]
    tracings[1, 648:3448] = signal[:2800]
    with h5py.File(base / "ecg_tracings.hdf5", "w") as file:
        file["tracings"] = tracings
    zeros: dict[str, float | None] = dict.fromkeys(names, 0.0)
    return Sample(
        folder,
        found=2,
        rows={
            "code-test-0000": ({"path": "data/ecg_tracings.hdf5", "index": 0, "age": 74.0,
                                "sex": "male"}, zeros),
            "code-test-0001": ({"index": 1, "sex": "female"}, zeros | {"RBBB": 1.0, "AF": 1.0}),
        },
    )  # fmt: skip


def code15(folder: Path) -> Sample:
    names = ["1dAVb", "RBBB", "LBBB", "SB", "ST", "AF"]
    header = ["exam_id", "age", "is_male", "nn_predicted_age", *names, "patient_id", "death",
              "timey", "normal_ecg", "trace_file"]  # fmt: skip
    _write_csv(
        folder / "exams.csv",
        [
            header,
            [
                1169160,
                38,
                "True",
                40.1,
                *["False"] * 6,
                523632,
                "False",
                2.1,
                "True",
                "exams_part0.hdf5",
            ],
            [
                2873686,
                73,
                "False",
                67.0,
                "True",
                *["False"] * 5,
                1724173,
                "",
                "",
                "False",
                "exams_part0.hdf5",
            ],
            [
                168405,
                67,
                "True",
                79.6,
                *["False"] * 5,
                "True",
                51421,
                "False",
                4.2,
                "False",
                "exams_part1.hdf5",
            ],
            [
                271011,
                41,
                "True",
                69.7,
                *["False"] * 6,
                1737282,
                "False",
                2.5,
                "True",
                "exams_part17.hdf5",
            ],
        ],
    )
    signal = twelve_leads().resample(400).signal.T
    tracings = np.zeros((3, 4096, 12), dtype=np.float32)
    tracings[:2, 48:4048] = signal[:4000]
    with h5py.File(folder / "exams_part0.hdf5", "w") as file:
        file["tracings"] = tracings
        file["exam_id"] = np.array([2873686, 1169160, 0])  # padding at the end, any order
    (folder / "exams_part1.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    zeros: dict[str, float | None] = dict.fromkeys(names, 0.0)
    return Sample(
        folder,
        found=4,
        rows={
            "1169160": ({"path": "exams_part0.hdf5", "index": 1, "patient": "523632",
                         "sex": "male", "age": 38.0}, zeros | {"normal_ecg": 1.0}),
            "2873686": ({"index": 0, "sex": "female"}, zeros | {"1dAVb": 1.0, "normal_ecg": 0.0}),
        },
        skipped={"exams_part1.hdf5 is still zipped": 1, "exams_part17.hdf5 is not there": 1},
    )  # fmt: skip


def cinc2011(folder: Path) -> Sample:
    place = folder / "set-a"
    for name in ("1002603", "1005639", "1009404"):
        write_wfdb(twelve_leads(), place, name)
    (place / "RECORDS").write_text("1002603\n1005639\n1009404\n1023541\n")
    (place / "RECORDS-acceptable").write_text("1002603\n1023541\n")
    (place / "RECORDS-unacceptable").write_text("1005639\n")
    rows: dict[str, tuple[dict[str, object], dict[str, float | None]]] = {
        "1002603": ({"path": "set-a/1002603.hea", "patient": None}, {"acceptable": 1.0}),
        "1005639": ({}, {"acceptable": 0.0}),
        "1009404": ({}, {"acceptable": None}),  # on which the annotators did not agree
    }
    return Sample(folder, found=4, rows=rows, skipped={"file not there": 1})


def brugada_huca(folder: Path) -> Sample:
    for name in ("188981", "841869", "844915"):
        write_wfdb(twelve_leads(), folder / "files" / name, name)
    _write_csv(folder / "metadata.csv", [
        ["patient_id", "basal_pattern", "sudden_death", "brugada"],
        ["188981", "1", "0", "1"], ["841869", "0", "0", "2"], ["844915", "0", "0", "0"],
        ["999999", "0", "0", "0"],
    ])  # fmt: skip

    def targets(*values: float | None) -> dict[str, float | None]:
        names = ("Brugada syndrome", "abnormal at rest", "sudden death")
        return dict(zip(names, values, strict=True))

    return Sample(
        folder,
        found=4,
        rows={
            "188981": ({"path": "files/188981/188981.hea", "patient": "188981"},
                       targets(1.0, 1.0, 0.0)),
            "841869": ({"patient": "841869"}, targets(None, 0.0, 0.0)),
            "844915": ({"patient": "841869"}, targets(0.0, 0.0, 0.0)),  # the same recording
        },
        skipped={"file not there": 1},
    )  # fmt: skip


def cinc2017(folder: Path) -> Sample:
    inside = folder / "training2017"
    inside.mkdir(parents=True)
    for name in ("A00001", "A00005"):
        for ending in (".hea", ".mat"):
            shutil.copy(FIXTURES / "cinc2017" / f"{name}{ending}", inside)
    (inside / "RECORDS").write_text("A00001\nA00005\nA00009\n")
    (inside / "REFERENCE.csv").write_text("A00001,N\nA00005,A\nA00009,O\n")
    (folder / "REFERENCE-v3.csv").write_text("A00001,~\nA00005,A\nA00009,O\n")
    none: dict[str, float | None] = dict.fromkeys(
        ("normal", "atrial fibrillation", "other rhythm", "noisy"), 0.0
    )
    return Sample(
        folder,
        found=3,
        rows={
            "A00001": ({"path": "training2017/A00001.hea", "patient": None},
                       none | {"normal": 1.0}),
            "A00005": ({}, none | {"atrial fibrillation": 1.0}),
        },
        skipped={"file not there": 1},
    )  # fmt: skip


def cinc2021(folder: Path) -> Sample:
    for name, place in (
        ("E07500", "georgia/g8"),
        ("JS20000", "ningbo/g10"),
        ("HR06005", "ptb-xl/g7"),
    ):
        target = folder / "training" / place
        target.mkdir(parents=True)
        for ending in (".hea", ".mat"):
            shutil.copy(FIXTURES / "cinc2021" / f"{name}{ending}", target)
    broken = folder / "training" / "georgia" / "g8"
    (broken / "E07501.hea").write_bytes(b"\x00\x01 not a header")
    header = (FIXTURES / "cinc2021" / "E07500.hea").read_text()
    unlabelled = [line for line in header.splitlines() if "Dx" not in line]
    (broken / "E07502.hea").write_text("\n".join(unlabelled).replace("E07500", "E07502"))
    codes = ["67741000119109", "426177001", "284470004", "427084000", "698252002", "55930002",
             "426783006"]  # fmt: skip
    none: dict[str, float | None] = dict.fromkeys(codes, 0.0)
    return Sample(
        folder,
        found=5,
        rows={
            "E07500": ({"site": "Georgia", "age": 78.0, "sex": "male",
                        "path": "training/georgia/g8/E07500.hea"},
                       none | {"67741000119109": 1.0, "426177001": 1.0}),
            "HR06005": ({"site": "PTB-XL"}, none | {"426783006": 1.0}),
            "JS20000": ({"site": "Ningbo", "sex": "female"},
                        none | dict.fromkeys(codes[2:6], 1.0)),
        },
        skipped={"header not readable (format)": 1, "header without diagnoses": 1},
    )  # fmt: skip


def _chagas_header(place: Path, name: str, *comments: str) -> None:
    write_wfdb(twelve_leads().without_subject(), place, name)
    with (place / f"{name}.hea").open("a") as stream:
        stream.writelines(f"# {comment}\n" for comment in comments)


def cinc2025(folder: Path) -> Sample:
    """As the challenge's scripts write it."""
    _chagas_header(folder / "a", "1169160", "Age: 38", "Sex: Male", "Chagas label: True",
                   "Source: CODE-15%")  # fmt: skip
    _chagas_header(folder / "b", "00001_hr", "Age: 56", "Sex: Female", "Chagas label: False",
                   "Source: PTB-XL")  # fmt: skip
    _chagas_header(folder / "b", "no_label", "Age: 56")
    rows: dict[str, tuple[dict[str, object], dict[str, float | None]]] = {
        "a/1169160": ({"path": "a/1169160.hea", "sex": "male", "age": 38.0, "site": "CODE-15%"},
                      {"Chagas disease": 1.0}),
        "b/00001_hr": ({"sex": "female", "site": "PTB-XL"}, {"Chagas disease": 0.0}),
        "b/no_label": ({"patient": None}, {"Chagas disease": None}),
    }  # fmt: skip
    return Sample(folder, found=3, rows=rows)


def cinc2025_code15(folder: Path) -> Sample:
    """CODE-15 % as it is distributed, with the challenge's table of labels."""
    sample = code15(folder)
    _write_csv(folder / "code15_chagas_labels.csv", [
        ["exam_id", "patient_id", "chagas"], [1169160, 523632, "True"], [271011, 1737282, "False"],
    ])  # fmt: skip
    rows: dict[str, tuple[dict[str, object], dict[str, float | None]]] = {
        "1169160": ({"index": 1, "patient": "523632", "site": "CODE-15%"},
                    {"Chagas disease": 1.0}),
        "2873686": ({"index": 0, "sex": "female"}, {"Chagas disease": None}),  # has no label
    }  # fmt: skip
    return Sample(folder, found=4, rows=rows, skipped=sample.skipped)


def cinc2025_samitrop(folder: Path) -> Sample:
    _write_csv(folder / "exams.csv", [
        ["exam_id", "age", "is_male", "normal_ecg", "death", "timey", "nn_predicted_age"],
        [294669, 49, "False", "True", "False", 2.1, 51.0], [291209, 62, "True", "", "", "", ""],
    ])  # fmt: skip
    tracings = np.zeros((2, 4096, 12), dtype=np.float32)
    tracings[:, 48:4048] = twelve_leads().resample(400).signal.T[:4000] * 10  # in 1e-4 V
    with h5py.File(folder / "exams.hdf5", "w") as file:
        file["tracings"] = tracings
    rows: dict[str, tuple[dict[str, object], dict[str, float | None]]] = {
        "samitrop-294669": ({"path": "exams.hdf5", "index": 0, "sex": "female", "age": 49.0,
                             "site": "SaMi-Trop"}, {"Chagas disease": 1.0}),
        "samitrop-291209": ({"index": 1, "sex": "male"}, {"Chagas disease": 1.0}),
    }  # fmt: skip
    return Sample(folder, found=2, rows=rows)


def echonext(folder: Path) -> Sample:
    flags = list(ECHONEXT_FLAGS)
    none = ["0"] * len(flags)
    _write_csv(folder / "echonext_metadata_100k.csv", [
        ["patient_key", "ecg_key", "split", "sex", "age_at_ecg", "lvef_value", *flags],
        ["7", "11", "train", "female", "61", "35.0", "1", *none[2:], "1"],
        ["8", "12", "val", "male", "47", "", *none],
        ["7", "13", "train", "female", "62", "60.0", *none],
        ["9", "14", "no_split", "1", "90", "55.0", *none],
        ["9", "15", "test", "male", "33", "55.0", *none],
    ])  # fmt: skip
    for split, count in (("train", 2), ("val", 1), ("no_split", 1)):
        np.save(folder / f"EchoNext_{split}_waveforms.npy", np.zeros((count, 1, 2500, 12)))
    absent: dict[str, float | None] = dict.fromkeys(flags, 0.0)
    rows: dict[str, tuple[dict[str, object], dict[str, float | None]]] = {
        "11": ({"path": "EchoNext_train_waveforms.npy", "index": 0, "split": "train",
                "patient": "7", "sex": "female", "age": 61.0},
               absent | {"lvef_lte_45_flag": 1.0, "shd_moderate_or_greater_flag": 1.0}),
        # The ejection fraction was not measured: its flag of 0 says nothing.
        "12": ({"split": "validation", "index": 0}, absent | {"lvef_lte_45_flag": None}),
        "13": ({"index": 1, "patient": "7"}, absent),
        "14": ({"split": None, "sex": None}, absent),  # a code of sex that nothing explains
    }  # fmt: skip
    return Sample(
        folder, found=5, rows=rows,
        skipped={"EchoNext_test_waveforms.npy is not there": 1},
    )  # fmt: skip


def cpsc2018(folder: Path) -> Sample:
    place = folder / "TrainingSet1"
    place.mkdir(parents=True)
    signal = twelve_leads().signal.astype(np.float64)
    for name, sex, age in (("A0001", "Male", 74.0), ("A0002", "Female", np.nan)):
        scipy.io.savemat(place / f"{name}.mat", {"ECG": {"sex": sex, "age": age, "data": signal}})
    (place / "A0003.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    (place / "REFERENCE.csv").write_text(
        "Recording,First_label,Second_label,Third_label\nA0001,5,,\nA0002,2,5,8\nA0003,1,,\n"
    )
    names = ("Normal", "AF", "I-AVB", "LBBB", "RBBB", "PAC", "PVC", "STD", "STE")
    none: dict[str, float | None] = dict.fromkeys(names, 0.0)
    return Sample(
        folder,
        found=3,
        rows={
            "A0001": ({"path": "TrainingSet1/A0001.mat", "sex": "male", "age": 74.0},
                      none | {"RBBB": 1.0}),
            "A0002": ({"sex": "female", "age": None}, none | {"AF": 1.0, "RBBB": 1.0, "STD": 1.0}),
        },
        skipped={"file not readable": 1},
    )  # fmt: skip


def _rhythm_record(folder: Path, name: str, comment: str) -> None:
    """A minute of MIT-BIH record 201 (AF from 27 s on) under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    source = FIXTURES / "mitdb" / "201_450s"
    header = source.with_suffix(".hea").read_text().replace("201_450s", name)
    lines = [line for line in header.splitlines() if not line.startswith("#")]
    (folder / f"{name}.hea").write_text("\n".join([*lines, comment]) + "\n")
    shutil.copy(source.with_suffix(".dat"), folder / f"{name}.dat")
    shutil.copy(source.with_suffix(".atr"), folder / f"{name}.atr")


def cpsc2021(folder: Path) -> Sample:
    _rhythm_record(folder / "Training_set_I", "data_3_1", "#paroxysmal atrial fibrillation")
    _rhythm_record(folder / "Training_set_II", "data_54_2", "#persistent atrial fibrillation")
    (folder / "Training_set_II" / "data_54_2.atr").unlink()
    return Sample(
        folder,
        found=2,
        rows={
            "data_3_1": (
                {"patient": "3", "path": "Training_set_I/data_3_1.hea"},
                {"non atrial fibrillation": 0.0, "paroxysmal atrial fibrillation": 1.0,
                 "persistent atrial fibrillation": 0.0, "atrial fibrillation": 1.0},
            )
        },
        skipped={"not readable (file-access)": 1},
        intervals=1,
    )  # fmt: skip


def mitbih(folder: Path) -> Sample:
    _rhythm_record(folder / "mitdb", "201", "# 68 M 1960 2851 x1")
    _rhythm_record(folder / "mitdb", "202", "# 68 M 1960 2851 x1")
    from ecgfoundry.datasets.mitbih import RHYTHMS

    present: dict[str, float | None] = dict.fromkeys(RHYTHMS, 0.0)
    present |= {"(N": 1.0, "(AFIB": 1.0}
    fields = {"patient": "201", "age": 68.0, "sex": "male", "path": "mitdb/201.hea"}
    second = {"patient": "201"}  # the same man
    return Sample(
        folder, found=2, rows={"201": (fields, present), "202": (second, present)}, intervals=4
    )


def ludb(folder: Path) -> Sample:
    place = folder / "ludb"
    (place / "data").mkdir(parents=True)
    for path in (FIXTURES / "ludb").glob("8.*"):
        shutil.copy(path, place / "data")
    header = ["ID", "Sex", "Age", "Rhythms", "Electric axis of the heart",
              "Conduction abnormalities", "Extrasystolies", "Hypertrophies", "Cardiac pacing",
              "Ischemia", "Non-specific repolarization abnormalities", "Other states"]  # fmt: skip
    _write_csv(place / "ludb.csv", [
        header,
        ["8", "F\n", "51\n", "Atrial fibrillation", "Electric axis of the heart: normal", "", "",
         "Left ventricular overload\nLeft ventricular hypertrophy", "", "", "", ""],
        ["9", "M\n", "30\n", "Sinus rhythm", "Electric axis of the heart: vertical", "", "", "", "",
         "STEMI: anterior wall", "", "Early repolarization syndrome"],
    ])  # fmt: skip
    present = {"atrial fibrillation": 1.0, "axis: normal": 1.0, "axis: vertical": 0.0,
               "left ventricular overload": 1.0, "left ventricular hypertrophy": 1.0,
               "sinus rhythm": 0.0, "stemi: anterior wall": 0.0,
               "early repolarization syndrome": 0.0}  # fmt: skip
    fields = {"patient": "8", "age": 51.0, "sex": "female", "path": "ludb/data/8.hea"}
    return Sample(folder, found=2, rows={"8": (fields, present)}, skipped={"file not there": 1})


def sph(folder: Path) -> Sample:
    (folder / "records").mkdir(parents=True)
    for number in range(1, 4):
        shutil.copy(FIXTURES / "sph" / "SPH00001.h5", folder / "records" / f"A{number:05d}.h5")
    _write_csv(folder / "metadata.csv", [
        ["ECG_ID", "AHA_Code", "Patient_ID", "Age", "Sex", "N", "Date"],
        ["A00001", "22;60+310", "S00001", 55, "M", 5000, "2020-03-04"],
        ["A00002", "22+312;1", "S00002", 32, "F", 5000, "2019-09-03"],
        ["A00003", "", "S00002", 32, "F", 5000, "2019-09-03"],
        ["A00004", "1", "S00004", 41, "M", 5000, "2020-07-14"],
    ])  # fmt: skip
    return Sample(
        folder,
        found=4,
        rows={
            "A00001": ({"path": "records/A00001.h5", "patient": "S00001", "sex": "male"},
                       {"1": 0.0, "22": 1.0, "60": 1.0}),
            "A00002": ({"sex": "female"}, {"1": 1.0, "22": None, "60": 0.0}),
        },
        skipped={"no statement": 1, "file not there": 1},
    )  # fmt: skip


def mimic_iv_ecg(folder: Path) -> Sample:
    reports = [f"report_{line}" for line in range(18)]
    times = ["rr_interval", "p_onset", "p_end", "qrs_onset", "qrs_end", "t_end"]
    header = ["subject_id", "study_id", "cart_id", "ecg_time", *reports, "bandwidth", "filtering",
              *times, "p_axis", "qrs_axis", "t_axis"]  # fmt: skip
    studies = [
        (
            10000032,
            40689238,
            [
                "Sinus rhythm with 1st degree A-V block",
                "Possible left atrial abnormality",
                "Left axis deviation.",
                "Abnormal ECG",
            ],
            [659, 40, 128, 170, 258, 518, 81, 77, 75],
        ),
        (
            10000032,
            44458630,
            [
                "Atrial fibrillation",
                "*** CONSIDER ACUTE ST ELEVATION MI ***",
                "Some statement of nobody",
            ],
            [29999, 29999, 29999, 0, 90, 6000, 999, 13, -400],
        ),
        (10000117, 45090959, [], [659, 40, 128, 170, 258, 518, 81, 77, 75]),
        (10000117, 45090960, ["Normal ECG"], [659, 40, 128, 170, 258, 518, 81, 77, 75]),
    ]
    rows, listed = [header], [["subject_id", "study_id", "file_name", "ecg_time", "path"]]
    for patient, study, lines, values in studies:
        path = f"files/p{str(patient)[:4]}/p{patient}/s{study}/{study}"
        when = "2180-07-23 08:44:00"
        rows.append([str(patient), str(study), "6848296", when, *lines,
                     *[""] * (18 - len(lines)), "0.005-150 Hz", "60 Hz notch",
                     *map(str, values)])  # fmt: skip
        listed.append([str(patient), str(study), str(study), when, path])
        if study != 45090960:
            target = folder / path
            write_wfdb(twelve_leads(MIMIC_LEADS), target.parent, target.name)
    _write_csv(folder / "machine_measurements.csv", [rows[0], *reversed(rows[1:])])
    _write_csv(folder / "record_list.csv", listed)
    first = {"patient": "10000032", "device": "6848296",
             "path": "files/p1000/p10000032/s40689238/40689238.hea"}  # fmt: skip
    stated = ("SINUS RHYTHM", "WITH 1ST DEGREE AV BLOCK", "LEFT AXIS DEVIATION", "ABNORMAL ECG")
    return Sample(
        folder,
        found=4,
        rows={
            "40689238": (first, dict.fromkeys(stated, 1.0)),
            "44458630": ({}, {"ATRIAL FIBRILLATION": 1.0}),
        },
        skipped={"no report": 1, "file not there": 1},
    )


def ecgfounder_labels(folder: Path) -> Sample:
    """Made-up people in the form of the released table: class 1 is an ejection fraction >= 50 %."""
    lines = [["subject_id", "waveform_path", "LVEF", "class"]]
    for patient, study, percent, named in (
        ("19000001", "49000001", "55", "1"),
        ("19000001", "49000002", "50", "1"),
        ("19000002", "49000003", "45", "0"),
        ("19000002", "49000004", "555", "1"),
        ("19000003", "49000005", "30", "1"),
        ("19000003", "49000006", "60", "1"),
        ("19000001", "49000001", "40", "0"),
    ):
        path = f"files/p{patient[:4]}/p{patient}/s{study}/{study}"
        lines.append([patient, path, percent, named])
        if study != "49000006":
            write_wfdb(twelve_leads(MIMIC_LEADS), (folder / path).parent, study)
    lines.append(["19000009", "p19000009/49000009", "60", "1"])
    _write_csv(folder / "csv" / "LVEF.csv", lines)  # type: ignore[arg-type]
    first = {"patient": "19000001", "path": "files/p1900/p19000001/s49000001/49000001.hea"}
    return Sample(
        folder,
        found=8,
        rows={
            "49000001": (first, {"lvef": 55.0, "lvef_below_50": 0.0}),
            "49000002": ({}, {"lvef": 50.0, "lvef_below_50": 0.0}),
            "49000003": ({"patient": "19000002"}, {"lvef": 45.0, "lvef_below_50": 1.0}),
            "49000004": ({}, {"lvef": None, "lvef_below_50": None}),
            "49000005": ({}, {"lvef": 30.0, "lvef_below_50": 1.0}),  # against its class, counted
        },
        skipped={
            "file not there": 1,
            "a further line of the same record": 1,
            "path of no record of MIMIC-IV-ECG": 1,
        },
    )


def heedb(folder: Path) -> Sample:
    dictionary = [["codes", "diagnoses"], [22, "normal sinus rhythm"], [161, "atrial fibrillation"]]
    records = {
        "I0001": [
            ("/S0001/2018/12/de_111_2018_a", 111, "Female", 20000, "22,251,1699", ""),
            ("/S0001/2018/12/de_112_2018_b", 112, "Male", 30000, "19,1680,360,1687", "22,1684"),
        ],
        "I0006": [
            (
                "./WFDB/2019/01/MUSE_20190101_080000_00001",
                222,
                "Male",
                25000,
                "161,171,1699",
                "161",
            ),
            ("./WFDB/2019/01/MUSE_20190101_080000_00002", 223, "Male", 25000, "", ""),
        ],
    }
    for institution, listed in records.items():
        place = folder / institution
        sex = "SexDSC" if institution == "I0001" else "Sex"
        metadata: list[list[object]] = [
            ["BDSPPatientID", sex, "AgeAtAcquisition", "FileName", "FileID", "ECGAcquisitionTime"]
        ]
        diagnoses: list[list[object]] = [["FileName", "codes_software", "codes_physician"]]
        newer: list[list[object]] = [["FileName", "codes"]]
        for name, patient, who, days, software, physician in listed:
            bare = name.removeprefix(".").removeprefix("/").removeprefix("WFDB/")
            metadata.append([patient, who, days, name, bare[-5:], "2018-12-01 08:00:00"])
            diagnoses.append([name, software, physician])
            newer.append([f"./{bare}.hea\n", software])
            target = place / "WFDB" / bare
            write_wfdb(twelve_leads(HEEDB_LEADS), target.parent, target.name)
        _write_csv(place / "metadata" / "metadata.csv", metadata)
        _write_csv(place / "12SL_diagnoses" / "diagnoses_acquisition.csv", diagnoses)
        _write_csv(place / "12SL_diagnoses" / "diagnoses_v24.csv", newer)
        _write_csv(place / "12SL_diagnoses" / "diagnoses_dictionary.csv", dictionary)
    first = {"path": "I0001/WFDB/S0001/2018/12/de_111_2018_a.hea", "patient": "111", "age": 54.76,
             "sex": "female", "site": "I0001"}  # fmt: skip
    return Sample(
        folder,
        found=4,
        rows={
            "S0001/2018/12/de_111_2018_a": (first, dict.fromkeys(
                ("NORMAL SINUS RHYTHM", "WITH SINUS ARRHYTHMIA", "ABNORMAL ECG"), 1.0)),
            "S0001/2018/12/de_112_2018_b": ({"sex": "male"}, dict.fromkeys(
                ("SINUS RHYTHM", "otherwise normal ecg"), 1.0)),
            "2019/01/MUSE_20190101_080000_00001": (
                {"path": "I0006/WFDB/2019/01/MUSE_20190101_080000_00001.hea", "site": "I0006"},
                dict.fromkeys(("ATRIAL FIBRILLATION", "WITH RAPID VENTRICULAR RESPONSE",
                               "ABNORMAL ECG"), 1.0)),
        },
        skipped={"no statements": 1},
    )  # fmt: skip


def heedb_v1(folder: Path) -> Sample:
    names = ["S0001/2018/12/de_111_a", "S0001/2018/12/de_112_b", "S0001/2018/12/de_113_c"]
    metadata = folder / "Metadata"
    _write_csv(metadata / "demographics_ECG.csv", [
        ["FileName", "BDSPPatientID", "SexDSC", "PatientRace", "Age"],
        *[[f"{name}.hea", 100 + k, "Female", "", 50 + k] for k, name in enumerate(names)],
    ])  # fmt: skip
    codes = [["file_source", "diagnostic_codes"], ["de_111_a", "22,1684"], ["de_112_b", "161,1699"],
             ["de_113_c", "19"]]  # fmt: skip
    _write_csv(metadata / "ECG_Interpretations.psv", codes, delimiter="|")
    _write_csv(metadata / "duplicated.csv", [["file_name"], [f"{names[2]}.hea"]])
    for name in names:
        target = folder / "ECG" / "WFDB" / name
        write_wfdb(twelve_leads(HEEDB_LEADS), target.parent, target.name)
    return Sample(
        folder,
        found=3,
        rows={
            "de_111_a": ({"path": f"ECG/WFDB/{names[0]}.hea", "patient": "100", "age": 50.0},
                         dict.fromkeys(("NORMAL SINUS RHYTHM", "NORMAL ECG"), 1.0)),
            "de_112_b": ({}, dict.fromkeys(("ATRIAL FIBRILLATION", "ABNORMAL ECG"), 1.0)),
        },
        skipped={"listed as a duplicate": 1},
    )  # fmt: skip


def mc_med(folder: Path) -> Sample:
    data = folder / "data"
    lead = twelve_leads().select(["II"])
    for csn, segment in (("98767007", 1), ("98767007", 2), ("98000012", 1)):
        write_wfdb(lead, data / "waveforms" / csn[-3:] / csn / "II", f"{csn}_{segment}")
    visits = [["MRN", "CSN", "Age", "Gender"], ["1", "98767007", "51", "F"],
              ["2", "98000012", "90", "U"]]  # fmt: skip
    _write_csv(data / "visits.csv", visits)
    for ending, csn in (("train", "98767007"), ("val", "98000012"), ("test", "98000099")):
        _write_csv(data / f"split_random_{ending}.csv", [[csn]])
    half = data / "waveforms" / "012" / "98000012" / "II" / "98000012_1.dat"
    half.write_bytes(half.read_bytes()[:1000])
    fields = {"patient": "1", "visit": "98767007", "age": 51.0, "sex": "female", "split": "train",
              "path": "data/waveforms/007/98767007/II/98767007_1.hea"}  # fmt: skip
    return Sample(
        folder,
        found=3,
        rows={"98767007_1": (fields, {}), "98767007_2": ({"visit": "98767007"}, {})},
        skipped={"segments left out (truncated)": 1},
    )


def plugin_set(folder: Path) -> Sample:
    """Of the package in tests/plugins."""
    write_wfdb(twelve_leads(), folder, "one")
    _write_csv(folder / "plugin.csv", [
        ["name", "file", "person", "rhythm"],
        ["one", "one.hea", "p1", "hurried"], ["two", "two.hea", "p2", "calm"],
    ])  # fmt: skip
    rows = {"one": ({"patient": "p1", "path": "one.hea"}, {"calm": 0.0, "hurried": 1.0})}
    return Sample(folder, found=2, rows=rows, skipped={"file not there": 1}, intervals=1)


SAMPLES: dict[str, tuple[str, Callable[[Path], Sample]]] = {
    "ptbxl": ("ptbxl", ptbxl),
    "code-test": ("code-test", code_test),
    "code15": ("code15", code15),
    "cinc2011": ("cinc2011", cinc2011),
    "cinc2017": ("cinc2017", cinc2017),
    "cinc2021": ("cinc2021", cinc2021),
    "cinc2025": ("cinc2025", cinc2025),
    "cinc2025 code15": ("cinc2025", cinc2025_code15),
    "cinc2025 samitrop": ("cinc2025", cinc2025_samitrop),
    "echonext-mini": ("echonext-mini", echonext),
    "cpsc2018": ("cpsc2018", cpsc2018),
    "cpsc2021": ("cpsc2021", cpsc2021),
    "mitbih": ("mitbih", mitbih),
    "ludb": ("ludb", ludb),
    "brugada-huca": ("brugada-huca", brugada_huca),
    "sph": ("sph", sph),
    "mimic-iv-ecg": ("mimic-iv-ecg", mimic_iv_ecg),
    "ecgfounder-labels": ("ecgfounder-labels", ecgfounder_labels),
    "heedb": ("heedb", heedb),
    "heedb v1": ("heedb", heedb_v1),
    "mc-med": ("mc-med", mc_med),
    "plugin-set": ("plugin-set", plugin_set),
}
