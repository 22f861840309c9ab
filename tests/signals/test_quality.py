"""The gate refuses what cannot be read, and names everything else."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.signals.quality import Notice, assess_window, lead_quality, merge_notices

RATE = 500.0


@pytest.fixture
def real(fixtures) -> np.ndarray:
    return scipy.io.loadmat(fixtures / "cinc2021" / "HR06005.mat")["val"] / 1000.0


def codes(x: np.ndarray, leads=STANDARD_12_LEADS, rate: float = RATE) -> set[str]:
    return {notice.code for notice in assess_window(x, rate, leads).warnings}


def test_a_clean_record_passes_without_a_word(real: np.ndarray) -> None:
    quality = assess_window(real, RATE, STANDARD_12_LEADS)
    assert quality.verdict == "good" and quality.refusal is None


@pytest.mark.parametrize(
    ("x", "code"),
    [
        (np.full((1, 5000), np.nan), "missing"),
        (np.zeros((1, 0)), "missing"),
        (np.zeros((1, 5000)), "flat"),
        (np.full((1, 5000), 1.7), "flat"),
        (np.random.default_rng(0).normal(size=(1, 1000)), "too-short"),
    ],
)
def test_what_is_refused(x: np.ndarray, code: str) -> None:
    quality = assess_window(x, RATE, ("I",))
    assert quality.refusal is not None and quality.refusal.code == code
    assert quality.verdict == "refused"


def test_mostly_missing_is_refused_and_small_gaps_are_named(real: np.ndarray) -> None:
    x = real[:1].copy()
    x[0, 1000:1400] = np.nan
    assert "gaps" in codes(x, ("I",))
    x[0, 1000:4000] = np.nan
    refusal = assess_window(x, RATE, ("I",)).refusal
    assert refusal is not None and refusal.code == "missing"


def test_one_bad_lead_is_a_warning_and_not_a_refusal(real: np.ndarray) -> None:
    x = real.copy()
    x[7] = 0.001
    quality = assess_window(x, RATE, STANDARD_12_LEADS)
    assert quality.refusal is None
    assert quality.warnings[0] == Notice(
        "lead-unreadable", "V2: flat or mostly missing, read as an absent lead", ("V2",)
    )


def test_every_warning_has_its_cause(real: np.ndarray) -> None:
    time = np.arange(5000) / RATE
    clean = codes(real)
    changes = {
        "amplitude-implausible": real * 100,
        "low-amplitude": real * 0.05,
        "saturation": np.clip(real, -0.1, 0.1),
        "mains": real + 0.4 * np.sin(2 * np.pi * 50 * time),
        "baseline-wander": real + 2.0 * np.sin(2 * np.pi * 0.15 * time),
        "noise": real + np.random.default_rng(0).normal(0, 0.5, real.shape),
        "flat-parts": np.where(time < 4, 0.0, real),
        "leads-disagree": real[[0, 1, 2, 5, 4, 3, 6, 7, 8, 9, 10, 11]],
    }
    for code, x in changes.items():
        assert code not in clean
        assert code in codes(x), code


def test_swapped_arm_electrodes_are_named(real: np.ndarray) -> None:
    swapped = real.copy()  # RA and LA exchanged: I is inverted, II and III, aVR and aVL change
    swapped[0], swapped[1], swapped[2] = -real[0], real[2], real[1]
    swapped[3], swapped[4] = real[4], real[3]
    # Lead I of this record is upright, so after the exchange it points down.
    assert "limb-leads-swapped" in codes(swapped)
    assert "inverted" in codes(-real[:1], ("I",))


def test_pacemaker_spikes_are_named_and_qrs_complexes_are_not(real: np.ndarray) -> None:
    paced = real.copy()
    paced[:, 300::450] += 1.5  # 2-ms spikes
    assert "pacemaker-spikes" in codes(paced)
    assert "pacemaker-spikes" not in codes(real)
    assert "pacemaker-spikes" not in codes(real * 4)


def test_paced_records_of_ludb(shared_data) -> None:
    """Spikes are found in paced records only; LUDB states which are paced."""
    import csv
    import io
    import zipfile

    with zipfile.ZipFile(shared_data / "ludb.zip") as archive:
        table = csv.DictReader(io.TextIOWrapper(archive.open("ludb/ludb.csv"), encoding="utf-8"))
        paced = {row["ID"] for row in table if "pacing" in str(row).lower().split("'cardiac", 1)[-1]
                 and (row.get("Cardiac pacing") or "").strip()}  # fmt: skip
        found = set()
        names = [name for name in archive.namelist() if name.endswith(".hea")]
        for name in names:
            lines = archive.read(name).decode().splitlines()
            gains = [float(line.split()[2].split("(")[0].split("/")[0]) for line in lines[1:13]]
            samples = np.frombuffer(archive.read(name[:-3] + "dat"), "<i2").reshape(-1, 12).T
            if "pacemaker-spikes" in codes(samples / np.array(gains)[:, None]):
                found.add(name.split("/")[-1][:-4])
    assert len(names) > 150
    assert found and found <= paced


def test_warnings_of_windows_are_united() -> None:
    first = Notice("noise", "I: much power above 40 Hz", ("I",))
    second = Notice("noise", "II: much power above 40 Hz", ("II",))
    (united,) = merge_notices([[first], [second], []])
    assert united.leads == ("I", "II")
    assert united.message == "I, II: much power above 40 Hz (in 2 of 3 windows)"
    assert merge_notices([[first]]) == (first,)


@given(
    seed=st.integers(0, 10_000),
    samples=st.integers(0, 3000),
    kind=st.sampled_from(["normal", "nan", "constant", "huge", "step"]),
)
@settings(max_examples=60)
def test_no_signal_makes_it_fail(seed: int, samples: int, kind: str) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(2, samples))
    if kind == "nan":
        x[generator.uniform(size=x.shape) < 0.7] = np.nan
    elif kind == "constant":
        x[:] = generator.normal()
    elif kind == "huge":
        x *= 1e12
    elif kind == "step":
        x[:, samples // 2 :] = 5.0
    quality = assess_window(x.astype(np.float32), 250.0, ("I", "V1"))
    assert quality.verdict in ("good", "usable", "refused")
    for figure in quality.leads.values():
        for value in figure.to_dict().values():
            assert value is None or np.isfinite(value)
    for row in x:
        lead_quality(row, 250.0)
