"""The gate gives the notices and figures of its first version, compiled or not, on real windows."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.signals import reference_quality

from ecgfoundry import native
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.signals.quality import WindowQuality, assess_window, lead_quality

Window = tuple[np.ndarray, float, tuple[str, ...]]


def assert_equal(given: WindowQuality, wanted: WindowQuality) -> None:
    assert given.refusal == wanted.refusal
    assert given.warnings == wanted.warnings
    assert list(given.leads) == list(wanted.leads)
    for lead, figures in wanted.leads.items():
        assert given.leads[lead].readable == figures.readable
        assert given.leads[lead].to_dict() == figures.to_dict(), lead


def check(window: Window) -> None:
    assert_equal(assess_window(*window), reference_quality.assess_window(*window))


def faults(x: np.ndarray, rate: float, leads: tuple[str, ...], seed: int) -> Iterator[Window]:
    """A window with everything that the gate warns about, one fault at a time."""
    generator = np.random.default_rng(seed)
    time = np.arange(x.shape[1]) / rate
    row = int(generator.integers(len(x)))
    changed = x.copy()
    changed[row] = generator.choice([0.0, 0.001, 1.7, np.nan])
    yield changed, rate, leads
    changed = x.copy()
    start = int(generator.integers(x.shape[1]))
    changed[row, start : start + int(generator.integers(1, x.shape[1]))] = np.nan
    changed[generator.integers(len(x)), generator.random(x.shape[1]) < 0.05] = np.nan
    yield changed, rate, leads
    limit = 0.3 * np.nanmax(np.abs(x))
    yield np.clip(x, -limit, limit), rate, leads
    yield np.where(time < 0.4 * time[-1], x[:, :1], x), rate, leads
    yield x + generator.normal(0, 0.3, x.shape).astype(x.dtype), rate, leads
    yield (x + 0.4 * np.sin(2 * np.pi * 50 * time)).astype(x.dtype), rate, leads
    yield (x + 2.0 * np.sin(2 * np.pi * 0.15 * time)).astype(x.dtype), rate, leads
    yield 100 * x, rate, leads
    yield 0.02 * x, rate, leads
    yield -x, rate, leads
    yield x[generator.permutation(len(x))], rate, leads
    paced = x.copy()
    paced[:, 150 :: int(0.9 * rate)] += 1.5
    yield paced, rate, leads
    yield x[:, : int(2.2 * rate)], rate, leads


def test_equal_on_a_12_lead_record_and_with_every_fault(fixtures: Path, way: str) -> None:
    x = scipy.io.loadmat(fixtures / "cinc2021" / "HR06005.mat")["val"] / 1000.0
    for dtype in (np.float32, np.float64):
        check((x.astype(dtype), 500.0, STANDARD_12_LEADS))
        for window in faults(x.astype(dtype), 500.0, STANDARD_12_LEADS, seed=1):
            check(window)
    strided = np.asfortranarray(x.astype(np.float32))
    check((strided, 500.0, STANDARD_12_LEADS))
    check((x[:, 100:4100].astype(np.float32), 500.0, STANDARD_12_LEADS))
    check((x[::2], 500.0, STANDARD_12_LEADS[::2]))


def real_windows(data: Path) -> Iterator[Window]:
    """Raw windows of five data sets."""
    with zipfile.ZipFile(data / "cinc2017_training2017.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".mat"))
        for name in names[::20]:
            x = scipy.io.loadmat(io.BytesIO(archive.read(name)))["val"] / 1000.0
            yield x[:, :9000].astype(np.float32), 300.0, ("I",)
    with zipfile.ZipFile(data / "ludb.zip") as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".hea")):
            lines = archive.read(name).decode().splitlines()[1:13]
            gains = np.array([float(x.split()[2].split("(")[0].split("/")[0]) for x in lines])
            samples = np.frombuffer(archive.read(name[:-3] + "dat"), "<i2").reshape(-1, 12).T
            yield (samples / gains[:, np.newaxis]).astype(np.float32), 500.0, STANDARD_12_LEADS
    for path in sorted((data / "formats" / "cinc2021_wfdb_mat4").rglob("*.mat")):
        x = scipy.io.loadmat(path)["val"] / 1000.0
        yield x[:, :5000].astype(np.float32), 500.0, STANDARD_12_LEADS
    stored = np.load(data / "ptbxl_subset" / "ptbxl_z250_val.npz")
    x = np.cumsum(stored["delta"], axis=2, dtype=np.int16) / float(stored["scale"])
    for window in x[::2]:
        yield window.astype(np.float32), 250.0, STANDARD_12_LEADS
    with zipfile.ZipFile(data / "mitbih_arrhythmia.zip") as archive:
        for name in sorted(n for n in archive.namelist() if n.endswith(".dat")):
            packed = np.frombuffer(archive.read(name), np.uint8)[: 3 * 36_000].reshape(-1, 3)
            wide = packed.astype(np.int16)
            first = ((wide[:, 1] & 15) << 8 | wide[:, 0]) << 4
            second = ((wide[:, 1] >> 4) << 8 | wide[:, 2]) << 4
            x = (np.stack([first, second]) // 16 - 1024) / 200.0
            for start in range(0, 36_000, 3600):
                yield x[:, start : start + 3600].astype(np.float32), 360.0, ("MLII", "V1")


@pytest.mark.slow
def test_equal_on_real_windows_of_five_data_sets(shared_data: Path, way: str) -> None:
    count = 0
    for number, window in enumerate(real_windows(shared_data)):
        check(window)
        count += 1
        if number % 5 == 0:
            for changed in faults(*window, seed=number):
                check(changed)
                count += 1
    assert count > 1500


@given(
    seed=st.integers(0, 10_000),
    samples=st.integers(1, 3000),
    rate=st.sampled_from([100.0, 250.0, 333.3, 500.0, 1000.0]),
    kind=st.sampled_from(["normal", "steps", "gaps", "spread", "constant", "two"]),
    single=st.booleans(),
)
@settings(max_examples=150)
def test_equal_on_any_signal(seed: int, samples: int, rate: float, kind: str, single: bool) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(3, samples))
    if kind == "steps":
        x = np.round(x * generator.integers(1, 30)) / 8
    elif kind == "gaps":
        x[generator.random(x.shape) < generator.random()] = np.nan
    elif kind == "spread":
        x = np.sign(x) * 10.0 ** generator.uniform(-20, 6, x.shape)
    elif kind == "constant":
        x[:2] = generator.normal()
    elif kind == "two":  # most values in one bin, the next far away
        x = np.where(generator.random(x.shape) < 0.995, x * 1e-9, 1.0)
    x = x.astype(np.float32 if single else np.float64)
    given = assess_window(x, rate, ("I", "II", "III"))
    wanted = reference_quality.assess_window(x, rate, ("I", "II", "III"))
    assert (given.refusal, given.warnings) == (wanted.refusal, wanted.warnings)
    for lead, figures in wanted.leads.items():
        for name, value in figures.to_dict().items():
            if value is None and name not in ("noise_share", "mains_share", "wander_share"):
                assert given.leads[lead].to_dict()[name] is None
            elif value is not None and kind != "constant":
                # Rounded at the fourth digit, where a tie may fall to either side.
                assert given.leads[lead].to_dict()[name] == pytest.approx(
                    value, abs=1.01e-4, rel=1e-9
                )


def test_a_lead_alone_has_the_figures_that_it_has_in_a_window(fixtures: Path, way: str) -> None:
    x = (scipy.io.loadmat(fixtures / "cinc2021" / "HR06005.mat")["val"] / 1000.0).astype(np.float32)
    together = assess_window(x, 500.0, STANDARD_12_LEADS)
    for row, lead in enumerate(STANDARD_12_LEADS):
        assert lead_quality(x[row], 500.0) == together.leads[lead]
    assert assess_window(x, 500.0, STANDARD_12_LEADS) == together


def test_every_instruction_set_gives_the_same_bits(
    fixtures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")
    x = scipy.io.loadmat(fixtures / "cinc2021" / "HR06005.mat")["val"] / 1000.0
    x[3, 100:150] = np.nan
    best = native.INSTRUCTIONS.index(native.status().instructions or "base")
    found = []
    for instructions in native.INSTRUCTIONS[: best + 1]:
        monkeypatch.setenv(native.VARIABLE, instructions)
        found.append(assess_window(x, 500.0, STANDARD_12_LEADS))
    assert all(quality == found[0] for quality in found)


def test_infinities_go_the_way_of_numpy(way: str) -> None:
    x = np.random.default_rng(0).normal(size=(2, 5000))
    x[0, 10] = np.inf
    with np.errstate(all="ignore"):
        quality = assess_window(x, 500.0, ("I", "II"))
    assert quality.leads["I"].missing_share == 0.0
