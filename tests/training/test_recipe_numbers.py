"""The numbers of each recipe: limits from both sides, tables as literals, losses by hand."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.labs.trained import SEGMENT_AUROC, VISIT_AUROC  # noqa: E402
from ecgfoundry.labs.training_data import (  # noqa: E402
    spread_over_visits,
    visit_means,
)
from ecgfoundry.labs.training_run import PROBE_PENALTIES  # noqa: E402
from ecgfoundry.leads import LIMB_LEADS, complete_limb_leads  # noqa: E402
from ecgfoundry.manifest import Manifest, ManifestRow  # noqa: E402
from ecgfoundry.metrics.calibration import Calibrator  # noqa: E402
from ecgfoundry.training.pretraining import PretrainSettings  # noqa: E402
from ecgfoundry.training.recipes import mimic_linkage as linkage  # noqa: E402
from ecgfoundry.training.recipes import rhythm_single_lead_edge as edge  # noqa: E402
from ecgfoundry.training.recipes.age_sex import with_age_and_sex  # noqa: E402
from ecgfoundry.training.recipes.ecgfounder import ecgfounder_pretrain  # noqa: E402
from ecgfoundry.training.recipes.ppg_rhythm import deepbeat_manifest  # noqa: E402
from ecgfoundry.training.recipes.ptbxl_superclass import data as ptbxl  # noqa: E402
from ecgfoundry.training.recipes.ptbxl_superclass import measuring as ptbxl_measuring  # noqa: E402
from ecgfoundry.training.recipes.ptbxl_superclass import members as ptbxl_members  # noqa: E402
from ecgfoundry.training.recipes.ptbxl_superclass import views as ptbxl_views  # noqa: E402
from ecgfoundry.training.recipes.registry import RECIPES  # noqa: E402
from ecgfoundry.training.recipes.rhythm_single_lead import data as rhythm  # noqa: E402
from ecgfoundry.training.recipes.rhythm_single_lead import (  # noqa: E402
    measuring as rhythm_measuring,
)
from ecgfoundry.training.recipes.rhythm_single_lead import (  # noqa: E402
    members as rhythm_members,
)
from tests.training.small_data import statements_manifest  # noqa: E402

NAN = math.nan
NOON = datetime(2150, 6, 15, 12)


def test_where_the_numbers_of_the_recipes_are_from() -> None:
    paper = "ECGFounder (arXiv 2410.04133), relayed"
    sources = {name: recipe.source for name, recipe in RECIPES.items()}
    assert sources["ecgfounder_pretrain"] == sources["ecgfounder_finetune"] == paper
    assert sources["cinc2017_rhythm"] == sources["ptbxl_superclass"] == "ours"
    assert sources["lvef"] == f"task: {paper}; linkage rules: ours"


@pytest.mark.parametrize(
    ("one_lead", "replacement", "architecture", "mode", "leads"),
    [
        (True, 0.5, "net1d-1lead", "any-single", ["I"]),  # 0.5: the paper's, relayed
        (False, 0.0, "net1d-12lead", "exact",
         ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]),
    ],
)  # fmt: skip
def test_one_lead_pretraining_replaces_leads_with_a_half_chance(
    tmp_path: Path, one_lead: bool, replacement: float, architecture: str, mode: str,
    leads: list[str],
) -> None:  # fmt: skip
    data = statements_manifest(tmp_path, 4)
    # A checkpoint of other settings ends the run after its configuration was written.
    (tmp_path / "run").mkdir()
    torch.save({"settings": {"seed": 99}}, tmp_path / "run" / "last.checkpoint")
    settings = PretrainSettings.of(batch=8, validation_share=0.5)
    with pytest.raises(TrainingError, match="under other settings"):
        ecgfounder_pretrain(data, tmp_path / "run", one_lead=one_lead, settings=settings)
    document = json.loads((tmp_path / "run" / "configuration.json").read_text())
    assert document["settings"]["augmentation"]["lead_replacement"] == replacement
    assert document["architecture"] == architecture
    assert len(document["input"].pop("preprocessing_sha256")) == 64
    assert document["input"] == {
        "lead_mode": mode, "leads": leads, "sampling_rate": 500.0, "samples": 5000,
        "preprocessing": "ecgfounder-finetune@1",
    }  # fmt: skip
    assert document["task"]["kind"] == "positive-unlabelled"
    assert document["task"]["loss"] == "hill" and len(document["task"]["columns"]) == 150


# --- age and sex ----------------------------------------------------------------------------------


def test_ages_over_120_are_none(tmp_path: Path) -> None:
    rows = tuple(
        ManifestRow(f"r{k}", "r.hea", age=age, sex=sex)
        for k, (age, sex) in enumerate(
            [(120.0, "male"), (120.5, "female"), (300.0, None), (0.0, "male"), (None, "female")]
        )
    )
    table = with_age_and_sex(Manifest(rows, tmp_path)).targets(["age", "male"])
    np.testing.assert_array_equal(
        table, [[120.0, 1.0], [NAN, 0.0], [NAN, NAN], [0.0, 1.0], [NAN, 0.0]]
    )
    with pytest.raises(TrainingError, match="no row states"):
        with_age_and_sex(Manifest((ManifestRow("r", "r.hea", age=121.0),), tmp_path))


# --- MIMIC ----------------------------------------------------------------------------------------


def write_tables(folder: Path, **tables: str) -> Path:
    """Each table as text, rows by blanks, cells by commas."""
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text("\n".join(rows.split(";")) + "\n")
    return folder


def ecgs(*times: datetime) -> str:
    """One ECG of subject 1 at each time; its study is numbered."""
    rows = [f"1,{k},{time.isoformat(sep=' ')},files/{k}" for k, time in enumerate(times)]
    return ";".join(["subject_id,study_id,ecg_time,path", *rows])


def test_nt_probnp_within_24_hours_of_the_ecg(tmp_path: Path) -> None:
    minute = timedelta(minutes=1)
    day = timedelta(hours=24)
    folder = write_tables(
        tmp_path,
        labevents="subject_id,itemid,charttime,value,valuenum;"
        f"1,50963,{NOON},125,125;1,50964,{NOON},900,900",
        record_list=ecgs(NOON - day - minute, NOON - day, NOON + day, NOON + day + minute),
    )
    manifest = linkage.link_mimic(folder, "nt_probnp")
    assert [row.record for row in manifest] == ["1", "2"]
    assert [row.path for row in manifest] == ["files/1.hea", "files/2.hea"]
    # log10 125 = 2.0969100; 125 pg/mL is not below the limit.
    assert dict(manifest.rows[0].targets) == pytest.approx(
        {"log10 NT-proBNP": 2.0969100, "NT-proBNP >= 125 pg/mL": 1.0}
    )
    write_tables(
        tmp_path,
        labevents="subject_id,itemid,charttime,value,valuenum;"
        f"1,50963,{NOON},124.9,124.9;1,50963,{NOON + timedelta(hours=3)},<5,",
        record_list=ecgs(NOON, NOON + timedelta(hours=2)),
    )
    manifest = linkage.link_mimic(folder, "nt_probnp")
    assert manifest.rows[0].targets["NT-proBNP >= 125 pg/mL"] == 0.0
    assert manifest.rows[1].targets["log10 NT-proBNP"] == pytest.approx(math.log10(5))


def test_ejection_fractions_within_seven_days(tmp_path: Path) -> None:
    week, minute = timedelta(days=7), timedelta(minutes=1)
    times = (NOON - week - minute, NOON - week, NOON + week, NOON + week + minute)
    folder = write_tables(
        tmp_path,
        lvef=f"subject_id,measured_at,lvef;1,{NOON},50",
        record_list=ecgs(*times),
    )
    manifest = linkage.link_mimic(folder, "lvef")
    assert [row.record for row in manifest] == ["1", "2"]
    assert dict(manifest.rows[0].targets) == {"LVEF": 50.0, "LVEF < 50 %": 0.0}


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        ("49.9", {"LVEF": 49.9, "LVEF < 50 %": 1.0}),
        ("5", {"LVEF": 5.0, "LVEF < 50 %": 1.0}),
        ("95", {"LVEF": 95.0, "LVEF < 50 %": 0.0}),
        ("4.9", None),
        ("95.1", None),
        ("0.55", None),
    ],
)
def test_ejection_fractions_of_5_to_95_per_cent(
    tmp_path: Path, text: str, targets: dict[str, float] | None
) -> None:
    folder = write_tables(
        tmp_path, lvef=f"subject_id,measured_at,lvef;1,{NOON},{text}", record_list=ecgs(NOON)
    )
    if targets is None:
        with pytest.raises(TrainingError, match="no ECG has a target"):
            linkage.link_mimic(folder, "lvef")
    else:
        assert dict(linkage.link_mimic(folder, "lvef").rows[0].targets) == targets


@pytest.mark.parametrize(
    ("task", "code", "version", "positive"),
    [
        # ICD-10-CM N18 chronic kidney disease, I20-I25 ischaemic heart diseases; ICD-9-CM 585 and
        # 410-414 the same. Codes are without their point, as MIMIC-IV writes them.
        ("ckd", "N18", "10", True),
        ("ckd", "N186", "10", True),
        ("ckd", "N17", "10", False),
        ("ckd", "N19", "10", False),
        ("ckd", "5859", "9", True),
        ("ckd", "5849", "9", False),
        ("ckd", "586", "9", False),
        ("ckd", "5859", "10", False),
        *[("chd", code, "10", True) for code in ("I200", "I214", "I220", "I230", "I248", "I2510")],
        ("chd", "I1310", "10", False),
        ("chd", "I260", "10", False),
        *[("chd", code, "9", True) for code in ("41001", "4111", "412", "4139", "41401")],
        ("chd", "4019", "9", False),
        ("chd", "4150", "9", False),
        ("chd", "I200", "9", False),
    ],
)
def test_codes_of_the_discharge_diagnoses(
    tmp_path: Path, task: str, code: str, version: str, positive: bool
) -> None:
    folder = write_tables(
        tmp_path,
        admissions=f"subject_id,hadm_id,admittime,dischtime;1,9,{NOON},{NOON}",
        diagnoses_icd=f"subject_id,hadm_id,icd_code,icd_version;1,9,{code.lower()},{version}",
        record_list=ecgs(NOON),
    )
    (row,) = linkage.link_mimic(folder, task)
    assert dict(row.targets) == {task.upper(): float(positive)}


def test_an_ecg_counts_from_admission_to_discharge(tmp_path: Path) -> None:
    second, hour = timedelta(seconds=1), timedelta(hours=1)
    times = (NOON - second, NOON, NOON + hour, NOON + hour + second)
    folder = write_tables(
        tmp_path,
        admissions=f"subject_id,hadm_id,admittime,dischtime;1,9,{NOON},{NOON + hour};"
        f"1,8,{NOON - 2 * hour},{NOON - hour}",
        diagnoses_icd="subject_id,hadm_id,icd_code,icd_version;1,9,I10,10",
        record_list=ecgs(*times, NOON - hour),  # the last in a stay that was never coded
    )
    assert [row.record for row in linkage.link_mimic(folder, "ckd")] == ["1", "2"]


# --- DeepBeat -------------------------------------------------------------------------------------


def test_deepbeat_is_25_s_at_32_hz_and_af_the_second_column(tmp_path: Path) -> None:
    signal = np.tile(np.arange(800.0)[None, :, None], (2, 1, 1))
    signal[1] = 7.0  # a flat segment
    rhythm = np.array([[0.0, 1.0], [1.0, 0.0]])
    person = np.array([[0, 5], [1, 5]])
    for part in ("train", "validate", "test"):
        np.savez(tmp_path / f"{part}.npz", signal=signal, rhythm=rhythm, parameters=person)
    manifest = deepbeat_manifest(tmp_path, tmp_path / "work")
    assert manifest.targets(["atrial fibrillation"])[:, 0].tolist() == [1, 0] * 3
    assert set(manifest.groups()) == {"5"}
    recording = manifest.open(manifest.rows[0])
    assert (recording.sampling_rate, recording.samples) == (32.0, 800)
    # 0 to 799 have the mean 399.5 and the deviation 230.9399 (ddof 0).
    assert recording.signal[0, [0, -1]].tolist() == pytest.approx([-1.7298875, 1.7298875])
    assert (np.load(tmp_path / "work" / "ppg.npy")[1] == 0).all()


# --- rhythm from one lead -------------------------------------------------------------------------


def test_numbers_of_the_rhythm_recipe() -> None:
    # Data set (Clifford et al. 2017): 300 Hz, 1,000 units per mV; classes N, A, O, ~.
    assert (rhythm.SOURCE_RATE, rhythm.SOURCE_GAIN) == (300.0, 1000.0)
    assert rhythm.LABELS == ("N", "A", "O", "~")
    assert rhythm.NAMES == ("normal", "atrial fibrillation", "other rhythm", "noisy")
    assert (rhythm.PREPROCESSING, rhythm.ATRIAL) == ("single-lead-rhythm@1", 1)
    # Ours.
    members = rhythm_members
    assert members.ARCHITECTURE == {
        "classes": 4, "members": 1, "stem_channels": 16, "channels": [32, 64, 96, 112],
        "kernels": [7, 5, 5], "dilations": [1, 2, 4], "attention_heads": 2, "dropout": 0.3,
    }  # fmt: skip
    assert members.BATCH == 32
    assert members.CROPS == (10.0, 15.0, 20.0, 30.0)
    assert members.TEACHER_CROP_SHARES == (0.3, 0.3, 0.3, 0.1)
    assert members.STUDENT_CROP_SHARES == (0.2, 0.25, 0.3, 0.25)
    assert members.BALANCE == 0.3
    teacher = dataclasses.asdict(members.TEACHER)
    assert {
        "epochs": 14, "learning_rate": 2e-3, "schedule": "one-cycle", "warmup": 0.2,
        "weight_decay": 0.05, "gradient_clip": 2.0, "ema_decay": 0.998, "evaluate_every": 4,
        "monitor": None,
    }.items() <= teacher.items()  # fmt: skip
    assert dataclasses.asdict(members.STUDENT) == teacher | {"epochs": 18}
    assert dataclasses.asdict(edge.SETTINGS) == teacher | {"epochs": 24}
    assert edge.ARCHITECTURE == members.ARCHITECTURE | {
        "stem_channels": 8, "channels": [16, 32, 64, 96], "kernels": [5, 5, 3],
    }  # fmt: skip


def test_a_training_crop_is_filtered_to_half_a_hertz_to_40_at_200() -> None:
    # 30 s of 10 Hz stay as they are; 0.1 and 60 Hz are gone; 9,000 samples become 6,000.
    time = np.arange(9000) / 300.0
    kept = rhythm.filtered(np.sin(2 * np.pi * 10 * time).astype(np.float32))
    assert kept.shape == (6000,) and kept.dtype == np.float32
    middle = slice(1000, 5000)
    np.testing.assert_allclose(
        kept[middle], np.sin(2 * np.pi * 10 * np.arange(6000) / 200.0)[middle], atol=0.01
    )

    def gain(hz: float) -> float:
        return float(
            rhythm.filtered(np.sin(2 * np.pi * hz * time).astype(np.float32))[middle].std() * 2**0.5
        )

    # Butterworth of order 3, forwards and backwards: at either edge half the amplitude; at half the
    # lower edge 1 / (1 + 2^6) = 0.0154; at 60 Hz, by the bilinear transform, the ratio to the upper
    # edge is tan(0.3 pi) / tan(0.2 pi) = 1.8944, so that 1 / (1 + 1.8944^6) = 0.0212 is left.
    assert gain(0.5) == pytest.approx(0.5, abs=0.03)
    assert gain(40.0) == pytest.approx(0.5, abs=0.03)
    assert gain(0.25) == pytest.approx(0.0154, abs=0.006)
    assert gain(60.0) == pytest.approx(0.0212, abs=0.004)


def test_a_training_crop_is_standardized_clipped_and_padded() -> None:
    # 99 zeros and 1: mean 0.01, deviation 0.0994987 (ddof 0): -0.1005 and 9.9499.
    crop = np.zeros(100, np.float32)
    crop[3] = 1.0
    found = rhythm.standardized(crop, 120)
    assert found[[0, 3, 110]].tolist() == pytest.approx([-0.1005038, 9.9498744, 0.0], abs=1e-5)
    # One of 400 would be at 19.97: clipped at 15, either way.
    crop = np.zeros(400, np.float32)
    crop[3] = -1.0
    assert rhythm.standardized(crop, 400).min() == -15.0
    assert rhythm.standardized(-crop, 400).max() == 15.0
    assert (rhythm.standardized(np.full(10, 3.0, np.float32), 12) == 0).all()
    assert (rhythm.standardized(np.float32([0, 1e-7] * 5), 12) == 0).all()
    assert rhythm.standardized(np.float32([0, 1e-5] * 5), 12)[:2].tolist() == pytest.approx([-1, 1])


@pytest.fixture(scope="module")
def sine_crops() -> np.ndarray:
    """1,920 crops of 10 s from a 2-Hz wave with flat tops and deep troughs, as they are drawn."""
    angle = 2 * np.pi * 2 * np.arange(8000) / 200.0
    wave = (np.sin(angle) + 0.35 * np.cos(2 * angle)).astype(np.float32)
    sampler = rhythm_members.Sampler(
        [wave] * 8, np.zeros(8, np.int64), np.eye(4, dtype=np.float32)[[0] * 8], 60, (1, 0, 0, 0)
    )
    batches = list(sampler(0, np.random.default_rng(0)))
    assert len(batches) == 60 and batches[0][0].shape == (32, 1, 2000)
    return np.concatenate([x.numpy()[:, 0] for x, _ in batches])


def longest_flat(row: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (np.diff(row) == 0).astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max()) + 1 if len(edges) else 1


def test_crops_are_augmented_as_often_as_stated(sine_crops: np.ndarray) -> None:
    """Limits of binomial counts of 1,920, one in a million, unless said otherwise."""
    # A quarter has a piece of 0.25 to 2 s at one value.
    flat = np.array([longest_flat(row) for row in sine_crops])
    cut = flat >= 40
    assert 389 <= int(cut.sum()) <= 574
    assert 50 <= flat[cut].min() <= 53 and 390 <= flat[cut].max() <= 400
    # 0.3 are upside down: their peaks reach farther than their troughs.
    turned = ((sine_crops**3).mean(axis=1) > 0)[~cut]
    assert turned.mean() == pytest.approx(0.3, abs=0.06)
    # White noise in 0.4, a burst of it in 0.15: neither in 0.51. A clean row is smooth.
    rough = np.abs(np.diff(sine_crops, n=4, axis=1))
    noisy = np.quantile(rough, 0.995, axis=1) > 0.1
    assert noisy[~cut].mean() == pytest.approx(0.49, abs=0.07)
    # The noise is uniform up to 0.25 deviations of the crop; the median of its fourth differences
    # is 0.6745 * sqrt 70 deviations, and a little more where a burst of up to 3 s adds to it.
    level = np.median(rough, axis=1)[~cut] / (0.6745 * 70**0.5) / sine_crops[~cut].std(axis=1)
    assert 0.22 < level.max() < 0.32
    # Bursts alone last 0.5 to 3 s.
    burst = rough[~cut][(level < 0.002) & (rough[~cut].max(axis=1) > 1.0)] > 0.1
    extent = burst.shape[1] - burst.argmax(axis=1) - burst[:, ::-1].argmax(axis=1)
    assert len(extent) > 50
    assert 90 <= extent.min() <= 150 and 540 <= extent.max() <= 605
    # Slow waves in 0.3 of the clean ones, uniform up to half a deviation.
    clean = sine_crops[~cut & ~noisy]
    clean /= clean.std(axis=1, keepdims=True)
    slow = np.abs(np.fft.rfft(clean * np.hanning(2000), axis=1))[:, :9].max(axis=1) / 500
    assert (slow > 0.05).mean() == pytest.approx(0.3 * 0.9, abs=0.09)
    assert 0.35 < slow.max() < 0.52
    # Half of them at a speed of 0.9 to 1.1.
    spectrum = np.abs(np.fft.rfft(clean * np.hanning(2000), 40_000, axis=1))
    speed = (200 + spectrum[:, 200:].argmax(axis=1)) * 200 / 40_000 / 2
    assert 0.895 < speed.min() < 0.92 and 1.08 < speed.max() < 1.105
    assert (np.abs(speed - 1) > 0.006).mean() == pytest.approx(0.5 * 0.94, abs=0.1)


def test_crops_have_a_gain_of_their_own(sine_crops: np.ndarray) -> None:
    gain = np.log(sine_crops.std(axis=1))
    assert gain.std() == pytest.approx(0.15, abs=0.015)
    assert gain.mean() == pytest.approx(0.0, abs=0.02)


def test_lengths_of_the_crops_and_the_balance_of_classes() -> None:
    signals = [np.random.default_rng(k).normal(size=7000).astype(np.float32) for k in range(40)]
    classes = np.array([0] * 36 + [1] * 4)
    targets = np.eye(4, dtype=np.float32)[classes]
    sampler = rhythm_members.Sampler(signals, classes, targets, 40, (0.0, 0.0, 0.0, 1.0))
    batches = list(sampler(0, np.random.default_rng(0)))
    assert {x.shape[2] for x, _ in batches} == {6000}
    # A power of 0.3: 36^0.7 = 12.29 against 4^0.7 = 2.639, so 0.1768 of 1,280 are of the class.
    rare = sum(float(y[:, 1].sum()) for _, y in batches)
    assert rare == pytest.approx(0.1768 * 1280, abs=3)
    sampler = rhythm_members.Sampler(signals, classes, targets, 3, (0.0, 0.5, 0.5, 0.0))
    lengths = {x.shape[2] for e in range(4) for x, _ in sampler(e, np.random.default_rng(e))}
    assert lengths == {3000, 4000}


def test_smoothed_cross_entropy() -> None:
    # Probabilities 1/8, 1/8, 2/8, 4/8. Target (0, 0, 0, 1) smoothed by 0.05 over four classes:
    # 0.0125 each and 0.9625: 0.0125 (2 * 2.0794415 + 1.3862944) + 0.9625 * 0.6931472.
    logits = torch.log(torch.tensor([[1.0, 1.0, 2.0, 4.0]]))
    target = torch.tensor([[0.0, 0.0, 0.0, 1.0]])
    found = float(rhythm_members.soft_cross_entropy(logits, target))
    assert found == pytest.approx(0.7364689, abs=1e-6)


def test_half_of_a_students_target_is_the_answer_of_the_teachers() -> None:
    logits = np.log(np.array([[6.0, 2.0, 1.0, 1.0]] * 30 + [[1.0, 7.0, 1.0, 1.0]] * 30))
    classes = np.repeat([0, 1], 30)
    classes[:12] = 1
    classes[30:39] = 0

    class Few:
        pass

    data: Any = Few()
    data.classes = classes
    answers = dict(enumerate(logits))
    found = rhythm_members.blended_targets(data, np.arange(60), answers)
    assert found.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-6)
    # The class on the label has half and half of the answer; any other half of the answer.
    same = found[12] - found[0]
    np.testing.assert_allclose(same, [0.5, -0.5, 0.0, 0.0], atol=1e-6)


def test_figures_of_the_challenge() -> None:
    # Five records, classes N A O ~ N; answers N A N ~ A.
    logits = np.eye(4)[[0, 1, 0, 3, 1]] * math.log(5.0)
    classes = np.array([0, 1, 2, 3, 0])
    found = rhythm_measuring.figures(logits, classes)
    # F1 of N: 2 / (2 + 1 + 1); of A: 2 / (2 + 1); of O: 0; the noisy class is not counted.
    assert found["f1_mean_NAO"] == pytest.approx((0.5 + 2 / 3 + 0.0) / 3)
    assert found["f1_~"] == 1.0
    # A has 5/8 in two records, one of them AF, and 1/8 in three: 3 wins and a tie of 4.
    assert found["auroc_A"] == pytest.approx(3.5 / 4)
    assert found["log_loss"] == pytest.approx((3 * math.log(8 / 5) + 2 * math.log(8)) / 5)
    # Odds 5 : 3 and 1 : 7.
    np.testing.assert_allclose(
        rhythm_measuring.atrial_odds(logits)[:2], [math.log(1 / 7), math.log(5 / 3)], atol=1e-12
    )


def test_recordings_are_judged_by_the_mean_of_their_windows() -> None:
    class Sum(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([x.sum(dim=(1, 2)), x[:, 0, 0]], dim=1)

    windows = [np.full(6000, value, np.float32) for value in (1.0, 3.0, 10.0)]
    found = rhythm_measuring.record_logits(Sum(), [windows[:2], windows[2:]])
    assert found.tolist() == [[12000.0, 2.0], [60000.0, 10.0]]


# --- PTB-XL ---------------------------------------------------------------------------------------


def test_numbers_of_the_ptbxl_recipe() -> None:
    assert ptbxl.TARGETS == ("NORM", "MI", "STTC", "CD", "HYP")  # Wagner et al. 2020
    assert ptbxl.TRAINING_FOLDS == (1, 2, 3, 4, 5, 6, 7, 8) and ptbxl.CALIBRATION_FOLD == 9
    assert ptbxl.FOLD_GROUPS == {
        4: ((1, 2), (3, 4), (5, 6), (7, 8)),
        8: ((1,), (2,), (3,), (4,), (5,), (6,), (7,), (8,)),
    }
    assert ptbxl.REDUCED == ("I", "II", "I+II (also six limb leads)", "I+II+V1", "I+V5")
    members = ptbxl_members
    assert members.ARCHITECTURE == {
        "members": 1, "lead_channels": 32, "channels": 96, "kernel": 5, "blocks": 1,
        "time_maps": 2, "dropout": 0.3, "channel_dropout": 0.1,
    }  # fmt: skip
    assert {
        "epochs": 20, "learning_rate": 4e-3, "schedule": "one-cycle", "warmup": 0.25,
        "weight_decay": 0.05, "gradient_clip": 5.0, "ema_decay": 0.99, "monitor": None,
    }.items() <= dataclasses.asdict(members.MEMBER).items()  # fmt: skip
    assert (members.BATCH, members.AUXILIARY_POSITIVES) == (64, 8)


def test_leads_that_are_measured() -> None:
    limb = ("I", "II", "III", "aVR", "aVL", "aVF")
    chest = ("V1", "V2", "V3", "V4", "V5", "V6")
    expected = {"12 leads (also I+II+V1-V6)": limb + chest}
    expected |= {lead: (lead,) for lead in limb + chest}
    expected |= {
        "I+II (also six limb leads)": limb,
        "I+II+V1": (*limb, "V1"), "I+II+V2": (*limb, "V2"), "I+II+V5": (*limb, "V5"),
        "I+II+V2+V5": (*limb, "V2", "V5"), "I+II+V1+V3+V5": (*limb, "V1", "V3", "V5"),
        "I+V2": ("I", "V2"), "I+V5": ("I", "V5"), "II+V1": ("II", "V1"), "II+V5": ("II", "V5"),
        "V1-V6": chest,
    }  # fmt: skip
    assert ptbxl.lead_subsets() == expected
    assert ptbxl.all_leads() == "12 leads (also I+II+V1-V6)"
    assert ptbxl_measuring.presence_of(("II", "V1")).tolist() == [0, 1, 0, 0, 0, 0, 1] + [0] * 5


def test_loss_of_many_and_of_one_lead() -> None:
    """Two rows, one record: six logits, five classes of weight 1 and one other of 0.2.

    Many leads: logits ln 3, labels 1, so that each costs 0.2876821: (5 + 0.2) * 0.2876821.
    One lead: logits 0, each ln 2 whatever its target: 5.2 * 0.6931472, times 0.7; half of both.
    """
    logits = torch.tensor([[math.log(3.0)] * 6, [0.0] * 6], requires_grad=True)
    value = ptbxl_members.multitask_loss(logits, torch.ones(2, 6))
    value.backward()
    expected = (5.2 * 0.2876821 + 0.7 * 5.2 * 0.6931472) / 2
    assert float(value.detach()) == pytest.approx(expected, abs=1e-5)
    # The target of one lead is half the label, half the answer of many: (1 + 3/4) / 2. Gradient
    # (1/2 - 7/8) * 0.7 / 2; that of many leads (3/4 - 1) / 2, without a share of the other's.
    assert logits.grad[1].tolist() == pytest.approx([-0.13125] * 5 + [-0.02625])
    assert logits.grad[0].tolist() == pytest.approx([-0.125] * 5 + [-0.025])


def test_thresholds_are_the_middle_of_the_best() -> None:
    # Positives at 0.705, negatives at 0.305: of the hundredths 0.31 to 0.70 are best, whichever
    # patients are drawn, and 0.505 is their middle.
    probabilities = np.array([[0.705]] * 10 + [[0.305]] * 10)
    targets = np.array([[1.0]] * 10 + [[0.0]] * 10, np.float32)
    find = ptbxl_measuring.best_thresholds
    assert find(probabilities, targets, np.arange(20), draws=50) == [0.505]
    # As the bundle's card says.
    assert inspect.signature(find).parameters["draws"].default == 500


def test_calibration_figures_by_hand() -> None:
    calibrator = Calibrator.identity(5).to_dict()
    document = {
        "calibration": {"record": calibrator, "reduced_leads": calibrator},
        "thresholds": {"values": [0.5, 0.5, 0.5, 0.75, 0.76]},
    }
    # Probabilities 3/4, 1/4 in every class; labels 1, 0.
    logits = np.array([[math.log(3.0)] * 5, [-math.log(3.0)] * 5])
    names = (ptbxl.all_leads(), *ptbxl.REDUCED)
    found = ptbxl_measuring.calibration_figures(
        document, dict.fromkeys(names, logits), np.array([[1.0] * 5, [0.0] * 5], np.float32)
    )
    assert found["I"]["record"]["log_loss"] == pytest.approx(0.2876821, abs=1e-7)
    assert found["I"]["before"]["ece"] == pytest.approx(0.25)
    at = found["at the thresholds, all leads"]
    assert at["NORM"] == {"sensitivity": 1.0, "specificity": 1.0}
    assert at["CD"]["sensitivity"] == 1.0  # at the threshold is above it
    assert at["HYP"] == {"sensitivity": 0.0, "specificity": 1.0}


def bank(copies: int = 3, records: int = 400) -> ptbxl_views.ViewBank:
    """Views whose average is the copy's number and whose rhythm in one lead is that lead's."""
    number = np.arange(copies, dtype=np.float16)
    average = np.broadcast_to(number[:, None, None, None], (copies, records, 12, 130)).copy()
    lead = np.broadcast_to(
        np.arange(12, dtype=np.float16)[None, None, :, None], (copies, records, 12, 6)
    ).copy()
    six = np.zeros((copies, records, 6), np.float16)
    return ptbxl_views.ViewBank(average, average * 2, six, six, average, average * 2, lead)


def test_batches_of_views_show_each_record_twice() -> None:
    views = bank()
    targets = np.arange(400, dtype=np.float32)[:, None]
    sampler = ptbxl_members.Sampler(views, np.arange(400), targets)
    batches = list(sampler(0, np.random.default_rng(0)))
    assert len(batches) == 6  # of 64 records; 16 are left over
    seen = np.concatenate([wanted[:64, 0].numpy() for _, wanted in batches])
    assert len(np.unique(seen)) == 384
    single = []
    for packed, wanted in batches:
        assert packed.shape == (128, 2 * 12 * 130 + 6 + 6 + 12)
        assert torch.equal(wanted[:64], wanted[64:])
        own, presence = ptbxl_views.unpack(packed)
        assert (presence[64:].sum(dim=1) == 1).all() and (presence[:64].sum(dim=1) >= 1).all()
        lead = presence[64:].argmax(dim=1)
        # The rhythm of a row of one lead is that of this very lead.
        assert torch.equal(own.rhythm[64:, 0], lead.float())
        assert (own.average[presence == 0] == 0).all() and (own.spread[presence == 0] == 0).all()
        single.append(lead)
    # Lead I has 0.3 and a twelfth of the rest: 0.35833 of 384, but for one in a million 94-184.
    assert 94 <= int((torch.cat(single) == 0).sum()) <= 184
    assert len(torch.unique(torch.cat(single))) == 12


def test_views_are_disturbed_slightly() -> None:
    one = np.ones((800, 12, 130), np.float16)
    packed = ptbxl_members.disturbed(
        one, 2 * one, np.ones((800, 6), np.float16), np.zeros((800, 6), np.float16),
        np.ones((800, 12), np.float32), np.random.default_rng(0),
    )  # fmt: skip
    views, _ = ptbxl_views.unpack(packed)
    gain = views.spread.mean(dim=2) / 2
    # Gains of deviation 0.15 from 9,600 draws, noise of 0.03 beside them, scales of 0.05.
    assert float(gain.std()) == pytest.approx(0.15, abs=0.006)
    assert float(gain.mean()) == pytest.approx(1.0, abs=0.008)
    assert float((views.average - gain[..., None]).std()) == pytest.approx(0.03, abs=0.001)
    assert float(views.limb_scales.std()) == pytest.approx(0.05, abs=0.003)
    assert (views.rhythm == 1).all()


def test_augmented_copies() -> None:
    """Windows whose parts can be told apart afterwards.

    Chest leads: a 2-Hz sine, whose frequency tells the stretching, and where it ends the length.
    Frontal plane: 2 Hz along lead I, 5 Hz across it, equally large. Turned by an angle, lead I has
    5 Hz in the share of its tangent.
    """
    time = np.arange(2500) / 250.0
    along, across = np.sin(2 * np.pi * 2 * time), np.sin(2 * np.pi * 5 * time)
    limb = {"I": along, "II": (along + 3**0.5 * across) / 2}  # across = (2 II - I) / sqrt 3
    limb |= complete_limb_leads(limb)
    wave = np.stack([limb[lead] for lead in LIMB_LEADS] + [along] * 6)
    wave /= wave.std(axis=1, keepdims=True)
    signal = np.broadcast_to(wave.astype(np.float32), (300, 12, 2500)).copy()
    after = ptbxl_views.augmented(signal, np.random.default_rng(0))

    zeros = (after == 0).all(axis=1)
    length = 2500 - zeros[:, ::-1].argmin(axis=1)
    shortened = length < 2500
    assert 29 <= int(shortened.sum()) <= 96  # binomial(300, 0.2), one in a million
    assert length.min() >= 1250 and length[shortened].min() < 1400

    spectrum = np.abs(np.fft.rfft(after[~shortened][:, [0, 8]] * np.hanning(2500), 25_000, axis=2))
    factor = spectrum[:, 1].argmax(axis=1) * 0.01 / 2
    # 0.06 times a normal draw that is clipped at 2, of deviation 0.9595.
    assert 0.875 < factor.min() < 0.90 and 1.10 < factor.max() < 1.125
    assert factor.std() == pytest.approx(0.06 * 0.9595, abs=0.006)

    slow, fast = (spectrum[:, 0, a:b].max(axis=1) for a, b in ((150, 250), (420, 600)))
    angle = np.degrees(np.arctan2(fast, slow))
    turned = angle > 0.6
    # 0.7 of them, less those of under 0.6 degrees; 11.5 degrees of deviation.
    assert turned.mean() == pytest.approx(0.7 * 0.96, abs=0.13)
    assert np.sqrt((angle[turned] ** 2).mean()) == pytest.approx(11.5, abs=2.0)


def test_beats_of_the_views_are_misplaced_and_left_out() -> None:
    """Equal beats 0.32 s apart, of which one alone is followed by a bump after 0.16 s."""
    time = np.arange(2500) / 250.0
    one = sum(np.exp(-0.5 * ((time - 0.4 - 0.32 * k) / 0.02) ** 2) for k in range(29))
    one = one + 0.2 * np.exp(-0.5 * ((time - 0.4 - 0.32 * 15 - 0.16) / 0.02) ** 2)
    signal = np.broadcast_to(one.astype(np.float32), (1000, 1, 2500)).copy()
    drawn = ptbxl_views._beats(torch.from_numpy(signal), np.random.default_rng(0))[0][:, 0].numpy()
    plain = ptbxl_views._beats(torch.from_numpy(signal[:1]), None)[0][0, 0].numpy()
    # Positions are two samples apart: the middle of the beat moves by half a position a sample.
    place = np.arange(38, 63)
    middle = (drawn[:, place] * place).sum(axis=1) / drawn[:, place].sum(axis=1)
    moved = 2 * (middle - (plain[place] * place).sum() / plain[place].sum())
    assert np.unique(np.round(moved)).tolist() == [-2, -1, 0, 1, 2]
    assert np.abs(moved - np.round(moved)).max() < 0.1
    # A beat is left out with a chance that is uniform on 0 to 0.7: 0.35 on average, of 1,000 by
    # the binomial 0.277 to 0.425 but for one in a million.
    left_out = drawn[:, 66:75].max(axis=1) < 0.003
    assert left_out.mean() == pytest.approx(0.35, abs=0.074)


# --- laboratory values ----------------------------------------------------------------------------


def test_numbers_of_the_laboratory_recipe() -> None:
    assert PROBE_PENALTIES == (1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)
    assert (VISIT_AUROC, SEGMENT_AUROC) == ("AUROC, visit", "AUROC, segment")


def test_segments_are_spread_evenly_over_a_visit() -> None:
    visits = np.array([7] * 10 + [3] * 2)
    positions = np.arange(12)
    assert spread_over_visits(positions, visits, None).tolist() == list(range(12))
    # linspace(0, 9, 4) = 0, 3, 6, 9; of two segments both.
    assert spread_over_visits(positions, visits, 4).tolist() == [0, 3, 6, 9, 10, 11]
    assert spread_over_visits(positions, visits, 1).tolist() == [0, 10]
    assert spread_over_visits(positions, visits, 3).tolist() == [0, 4, 9, 10, 11]
    assert spread_over_visits(np.array([], dtype=np.intp), visits, 2).tolist() == []


def test_visits_by_hand() -> None:
    scores = np.array([[1.0, 5.0], [3.0, 7.0], [10.0, 1.0]])
    labels = np.array([[0.0, NAN], [1.0, 0.0], [NAN, 0.0]])
    visits = np.array([4, 4, 2])
    means, found, first = visit_means(scores, labels, visits)
    np.testing.assert_array_equal(means, [[NAN, 1.0], [2.0, 7.0]])
    np.testing.assert_array_equal(found, [[NAN, 0.0], [1.0, 0.0]])
    assert first.tolist() == [2, 0]
    # Scores 0 and ln 3 of attention: weights 1/4 and 3/4 where both are known.
    joined, _, _ = visit_means(scores, labels, visits, np.array([0.0, math.log(3.0), 9.0]))
    np.testing.assert_allclose(joined, [[NAN, 1.0], [2.5, 7.0]], equal_nan=True)
