"""Small layout-true data for recipes: generated beats, and tables as the data sets lay them out."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.manifest import ManifestRow, write_manifest
from ecgfoundry.recording import Recording
from ecgfoundry.vocabularies import load_vocabulary

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
MIMIC_ORDER = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


def twelve_leads(age: float, seed: int, *, rate: float = 500.0) -> Recording:
    """Ten seconds whose heart rate and T wave follow ``age``; the limb leads agree."""
    generator = np.random.default_rng(seed)
    time = np.arange(round(10 * rate)) / rate
    period = 0.5 + age / 120
    phase = (time + generator.uniform(0, period)) % period
    wave = np.exp(-(((phase - 0.2) / 0.015) ** 2))
    wave += (0.5 - age / 300) * np.exp(-(((phase - 0.42) / 0.04) ** 2))
    gains = generator.uniform(0.5, 1.2, (len(INDEPENDENT), 1))
    signal = gains * wave + generator.normal(0, 0.02, (len(INDEPENDENT), len(time)))
    recording = Recording.from_array(
        signal.astype(np.float32), sampling_rate=rate, leads=INDEPENDENT, unit="mV"
    )
    return recording.with_derived_leads()


def age_table(folder: Path, count: int, *, per_patient: int = 2, rate: float = 500.0) -> Path:
    """A folder of WFDB records and ``labels.csv`` with ``file,patient,age``."""
    generator = np.random.default_rng(1)
    lines = ["file,patient,age"]
    for k in range(count):
        if k % per_patient == 0:
            age = float(generator.integers(20, 90))
        write_wfdb(twelve_leads(age, k, rate=rate), folder, f"r{k:03d}")
        lines.append(f"r{k:03d},p{k // per_patient},{age:.0f}")
    table = folder / "labels.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def statements_manifest(folder: Path, count: int) -> Path:
    """A manifest with the 150 targets; three of them follow the signal."""
    names = load_vocabulary("ecgfounder-150").names
    rows = []
    for k in range(count):
        age = 25 if k % 2 else 80
        write_wfdb(twelve_leads(age, k), folder, f"s{k:03d}")
        targets = dict.fromkeys(names, 0.0)
        targets["SINUS BRADYCARDIA"] = float(k % 2 == 0)
        targets["SINUS TACHYCARDIA"] = float(k % 2 == 1)
        rows.append(ManifestRow(f"s{k}", f"s{k:03d}.hea", patient=f"p{k // 2}", targets=targets))
    return write_manifest(folder / "manifest.csv", rows)


def age_sex_manifest(folder: Path, count: int) -> Path:
    """A manifest with the columns age and sex."""
    rows = []
    for k in range(count):
        age = 25 + 50 * (k % 2) + k % 7
        write_wfdb(twelve_leads(age, k), folder, f"a{k:03d}")
        sex = "male" if k % 2 else "female"
        rows.append(ManifestRow(f"a{k}", f"a{k:03d}.hea", patient=f"p{k}", age=float(age), sex=sex))
    return write_manifest(folder / "manifest.csv", rows)


def mimic_folder(folder: Path, patients: int) -> Path:
    """MIMIC-IV-ECG and MIMIC-IV as they lie on disk: two ECGs per patient, one of them in a stay.

    Odd patients are ill in every respect. The ECG files have MIMIC's order of leads.
    """
    (folder / "hosp").mkdir(parents=True)
    tables: dict[str, list[list[object]]] = {
        "record_list": [["subject_id", "study_id", "file_name", "ecg_time", "path"]],
        "lvef": [["subject_id", "measured_at", "lvef"]],
    }
    hosp: dict[str, list[list[object]]] = {
        "admissions": [["subject_id", "hadm_id", "admittime", "dischtime"]],
        "diagnoses_icd": [["subject_id", "hadm_id", "seq_num", "icd_code", "icd_version"]],
        "labevents": [["labevent_id", "subject_id", "hadm_id", "itemid", "charttime", "value",
                       "valuenum", "valueuom"]],
    }  # fmt: skip
    for p in range(patients):
        subject, stay, ill = 10000000 + p, 20000000 + p, p % 2
        hosp["admissions"].append([subject, stay, "2150-01-01 08:00:00", "2150-01-05 12:00:00"])
        hosp["diagnoses_icd"] += [
            [subject, stay, 1, "I10", 10],
            *([[subject, stay, 2, "N183", 10], [subject, stay, 3, "41401", 9]] if ill else []),
        ]
        value = ">35000" if p == 1 else str(3000 + p if ill else 60 + p)
        number = "" if p == 1 else value
        hosp["labevents"] += [
            [p, subject, stay, 50963, "2150-01-02 09:00:00", value, number, "pg/mL"],
            [1000 + p, subject, stay, 50971, "2150-01-02 09:00:00", "4.1", "4.1", "mEq/L"],
        ]
        tables["lvef"].append([subject, "2150-01-04 09:00:00", f"{30 + p % 5 if ill else 60}"])
        for number_of, time in enumerate(("2150-01-02 10:00:00", "2150-09-01 10:00:00")):
            study = 40000000 + 10 * p + number_of
            path = f"files/p{str(subject)[:4]}/p{subject}/s{study}/{study}"
            recording = twelve_leads(80 if ill else 25, study).select(MIMIC_ORDER)
            write_wfdb(recording, folder / Path(path).parent, str(study))
            tables["record_list"].append([subject, study, study, time, path])
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    for name, rows in hosp.items():
        with gzip.open(folder / "hosp" / f"{name}.csv.gz", "wt", newline="") as stream:
            csv.writer(stream).writerows(rows)
    return folder


def deepbeat_folder(folder: Path, count: int) -> Path:
    """Three files as DeepBeat lays them out: 25 s at 32 Hz."""
    generator = np.random.default_rng(0)
    time = np.arange(800) / 32
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("train", "validate", "test"):
        signal = np.zeros((count, 800, 1), np.float32)
        rhythm = np.zeros((count, 2))
        for k in range(count):
            irregular = k % 2
            beat = np.cumsum(generator.normal(0.8, 0.25 if irregular else 0.01, 60).clip(0.3))
            signal[k, :, 0] = np.exp(-(((time[:, None] - beat) / 0.12) ** 2)).sum(1)
            signal[k, :, 0] += generator.normal(0, 0.02, 800)
            rhythm[k, irregular] = 1
        parameters = np.stack([np.arange(count), np.arange(count) // 2 % 20], axis=1)
        np.savez(
            folder / f"{part}.npz", signal=signal, rhythm=rhythm, parameters=parameters,
            qa_label=np.eye(3)[np.zeros(count, int)],
        )  # fmt: skip
    return folder


def ptbxl_subset(folder: Path, train: int, validation: int) -> Path:
    """The PTB-XL subset's three files: standardized 250-Hz signals as differences, and labels.

    A high T wave (``NORM``) belongs to the young, a low one (``STTC``) to the old.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scale = 1000.0
    finer = ("sub_class:NST", "form:INVT", "rhythm:SR")
    names = [f"super_class:{c}" for c in ("HYP", "NORM", "MI", "CD", "STTC")] + list(finer)
    lines = [",".join(("ecg_id", "split", "patient_id", "strat_fold", *names))]
    number = 0
    for split, count in (("train", train), ("val", validation)):
        deltas, ids = [], []
        for k in range(count):
            number += 1
            old = k % 2 == 1
            signal = twelve_leads(85.0 if old else 25.0, number, rate=250.0).signal
            centred = signal - signal.mean(axis=1, keepdims=True)
            z = centred / centred.std(axis=1, keepdims=True)
            whole = np.round(z * scale).astype(np.int16)
            deltas.append(np.diff(whole, axis=1, prepend=np.int16(0)))
            ids.append(number)
            fold = 9 if split == "val" else k // 2 % 8 + 1
            third = int(k % 3 == 0)
            flags = (third, int(not old), int(k % 5 == 0), third, int(old), int(old), int(old), 1)
            cells = (number, split, 1000 + number, fold, *flags)
            lines.append(",".join(map(str, cells)))
        np.savez(
            folder / f"ptbxl_z250_{split}.npz",
            delta=np.stack(deltas), ecg_id=np.array(ids), scale=np.float64(scale),
        )  # fmt: skip
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def ptbxl_with_raw(
    folder: Path, count: int, *, young: Sequence[str], old: Sequence[str], others: Sequence[str]
) -> Path:
    """Data of ``diagnosis_12lead``: the subset, ``ptbxl_raw.zip`` and two records of a challenge.

    One record is in millivolts alone. The statements ``others`` are of a record that is not here.
    """
    ptbxl_subset(folder / "ptbxl_subset", count, 2)
    header = ["ecg_id", "patient_id", "age", "sex", "heart_axis", "scp_codes", "strat_fold"]
    rows: list[list[object]] = [list(header)]
    for number in range(1, count + 5):
        is_old = number % 2 == 0
        named = others if number == count + 4 else old if is_old else young
        codes = "{" + ", ".join(f"'{code}': 100.0" for code in named) + "}"
        fold = 9 if number in (count + 1, count + 2) else (number - 1) // 2 % 8 + 1
        rows.append([number, 1000.0 + number, 80 if is_old else 30, 0, "MID", codes, fold])
    raw = folder / "raw" / "records500" / "00000"
    write_wfdb(twelve_leads(30.0, count + 3), raw, f"{count + 3:05d}_hr")
    with (folder / "raw" / "ptbxl_database.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    shutil.make_archive(str(folder / "ptbxl_raw"), "zip", folder / "raw")
    challenge = folder / "formats" / "cinc2021_wfdb_mat4"
    shutil.copytree(Path(__file__).parents[1] / "fixtures" / "cinc2021", challenge)
    return folder
