"""Raw windows in memory, on disk and standardized: units, places, what is missing."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from ecgfoundry.errors import LeadError, TrainingError
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing
from ecgfoundry.training.data.sources import (
    ArraySource,
    SourcePool,
    cache_manifest,
    open_sources,
)
from ecgfoundry.training.data.windows import FreshWindows, store_windows

NAN = np.nan
ONE_LEAD = InputSpec("any-single", ("I",), get_preprocessing("ptbxl-bandpass@1"))


def source(count: int, begin: float = 0.0, *, leads: tuple[str, ...] = ("I",)) -> ArraySource:
    """Windows that hold their number, with a target of ten times that."""
    number = begin + np.arange(count, dtype=np.float32)
    signal = np.broadcast_to(number[:, None, None], (count, len(leads), 4)).copy()
    return ArraySource(signal, 100.0, leads, 10.0 * number[:, None], [f"p{n:g}" for n in number])


def write(folder: Path, name: str, signal: np.ndarray, leads: tuple[str, ...], rate: float) -> None:
    np.save(folder / f"{name}.npy", signal.astype(np.float32))
    (folder / f"{name}.json").write_text(
        json.dumps({"leads": list(leads), "sampling_rate": rate, "unit": "mV"})
    )


def waves(samples: int, rate: float, *, leads: int = 1) -> np.ndarray:
    time = np.arange(samples) / rate
    return np.stack([(k + 1) * np.sin(2 * np.pi * 3 * time) for k in range(leads)])


# --- sources --------------------------------------------------------------------------------------


def test_integers_are_microvolts_and_their_least_is_missing() -> None:
    stored = np.array([[[1000, -1, 0, -32768, 32767, -32767]]], np.int16)
    read = ArraySource(stored, 100.0, ("I",), np.zeros((1, 0)), ["a"]).read(np.array([0]))
    np.testing.assert_allclose(
        read[0, 0], [1.0, -0.001, 0.0, NAN, 32.767, -32.767], rtol=1e-6, equal_nan=True
    )
    assert read.dtype == np.float32


def test_windows_of_several_sources_are_numbered_through() -> None:
    pool = SourcePool((source(3), source(2, 100.0), source(1, 200.0)))
    assert len(pool) == 6
    assert pool.groups == ["p0", "p1", "p2", "p100", "p101", "p200"]
    asked = np.array([5, 2, 3, 0, 4])
    assert pool.targets(asked)[:, 0].tolist() == [2000.0, 20.0, 1000.0, 0.0, 1010.0]
    parts = pool.split(asked)
    assert [own.tolist() for _, own, _ in parts] == [[2, 0], [0, 1], [0]]
    assert [places.tolist() for _, _, places in parts] == [[1, 3], [2, 4], [0]]
    for wrong in (6, -1):
        with pytest.raises(TrainingError, match="there are 6 windows"):
            pool.split(np.array([wrong]))
    with pytest.raises(TrainingError, match="no windows"):
        SourcePool(())
    with pytest.raises(TrainingError, match="no windows"):
        SourcePool((source(0),))


@pytest.fixture
def recordings(tmp_path: Path) -> Manifest:
    """At 100 Hz: 12 s of two leads, 3 s of lead I alone, and 5 s that are flat."""
    write(tmp_path, "long", waves(1200, 100.0, leads=2), ("I", "V1"), 100.0)
    write(tmp_path, "short", waves(300, 100.0), ("I",), 100.0)
    write(tmp_path, "flat", np.zeros((2, 500)), ("I", "V1"), 100.0)
    rows = tuple(
        ManifestRow(name, f"{name}.npy", patient=name, targets={"a": float(k)})
        for k, name in enumerate(("long", "short", "flat", "gone"))
    )
    return Manifest(rows, tmp_path)


@pytest.mark.parametrize(("storage", "step"), [("float32", 0.0), ("int16", 0.00051)])
def test_recordings_are_cut_into_windows_of_five_seconds(
    recordings: Manifest, tmp_path: Path, storage: str, step: float
) -> None:
    (found,), skipped = cache_manifest(
        recordings, tmp_path / "cache", leads=("V1", "I"), window_s=5.0, targets=("a",),
        storage=storage, only_ecg=False,
    )  # fmt: skip
    # 0-5, 5-10 and, because 2 s are left, 7-12 s; the short one once.
    assert found.records == ["long", "long", "long", "short"]
    assert found.groups == ["long", "long", "long", "short"]
    assert (found.sampling_rate, found.leads) == (100.0, ("V1", "I"))
    assert found.values[:, 0].tolist() == [0.0, 0.0, 0.0, 1.0]
    assert set(skipped) == {"flat@0s", "gone"}
    assert "flat" in skipped["flat@0s"]
    windows = found.read(np.arange(4))
    assert windows.shape == (4, 2, 500)
    whole = waves(1200, 100.0, leads=2)[::-1]
    for k, start in enumerate((0, 500, 700)):
        np.testing.assert_allclose(windows[k], whole[:, start : start + 500], atol=step + 1e-6)
    assert np.isnan(windows[3, 0]).all()
    assert np.isnan(windows[3, 1, 300:]).all() and not np.isnan(windows[3, 1, :300]).any()


def test_windows_that_lack_a_lead_are_left_out_where_all_are_needed(
    recordings: Manifest, tmp_path: Path
) -> None:
    (found,), skipped = cache_manifest(
        recordings, tmp_path / "cache", leads=("I", "V1"), window_s=10.0, need_all=True,
        only_ecg=False,
    )  # fmt: skip
    assert found.records == ["long", "long"]
    assert skipped["short@0s"] == "a lead is missing"


def test_stored_integers_are_clipped_at_32767_microvolts(tmp_path: Path) -> None:
    signal = waves(500, 100.0) * 0.5
    signal[0, :5] = [40.0, -40.0, 0.0004, 0.0006, -0.0006]
    write(tmp_path, "r", signal, ("I",), 100.0)
    manifest = Manifest((ManifestRow("r", "r.npy"),), tmp_path)
    (found,), _ = cache_manifest(
        manifest, tmp_path / "cache", leads=("I",), window_s=5.0, storage="int16", only_ecg=False
    )
    assert found.signal.dtype == np.int16
    assert found.signal[0, 0, :5].tolist() == [32767, -32767, 0, 1, -1]
    with pytest.raises(TrainingError, match="float32 or int16"):
        cache_manifest(manifest, tmp_path / "c", leads=("I",), window_s=5.0, storage="int8")


def heartbeats(samples: int, rate: float) -> np.ndarray:
    """Complexes of 1 mV at 75 per minute, 12 ms to either side, with a T wave."""
    phase = (np.arange(samples) / rate) % 0.8
    complexes = np.exp(-0.5 * ((phase - 0.3) / 0.012) ** 2)
    complexes += 0.2 * np.exp(-0.5 * ((phase - 0.55) / 0.04) ** 2)
    noise = np.random.default_rng(2).normal(0, 0.01, samples)
    return np.asarray((complexes + noise)[None])


def test_what_is_no_ecg_is_left_out_and_said(tmp_path: Path) -> None:
    beats = heartbeats(2000, 100.0)
    beats[:, 1000:] = np.random.default_rng(1).normal(0, 0.3, 1000)
    write(tmp_path, "half", beats, ("I",), 100.0)
    write(tmp_path, "wave", waves(1000, 100.0), ("I",), 100.0)
    rows = tuple(
        ManifestRow(name, f"{name}.npy", patient=name, targets={"a": 1.0})
        for name in ("half", "wave")
    )
    manifest = Manifest(rows, tmp_path)
    (found,), skipped = cache_manifest(manifest, tmp_path / "c", leads=("I",), window_s=10.0)
    assert found.records == ["half"]
    assert set(skipped) == {"half@10s", "wave@0s"}
    assert all("not read as an ECG" in reason for reason in skipped.values())
    (found,), skipped = cache_manifest(
        manifest, tmp_path / "c", leads=("I",), window_s=10.0, only_ecg=False
    )
    assert found.records == ["half", "half", "wave"] and not skipped
    said: list[str] = []
    open_sources(
        manifest, tmp_path / "d", leads=("I",), window_s=10.0, targets=("a",), say=said.append
    )
    assert len(said) == 1 and said[0].startswith(
        "2 records or windows were left out: 2 x not read as an ECG (I): "
    )


def test_windows_are_made_anew_when_the_samples_behind_a_header_changed(tmp_path: Path) -> None:
    beats = (1000 * heartbeats(1000, 100.0)).astype("<i2")
    (tmp_path / "r.hea").write_text("r 1 100 1000\nr.dat 16 1000/mV 16 0 0 0 0 I\n")
    manifest = Manifest((ManifestRow("r", "r.hea", patient="r"),), tmp_path)
    first = []
    for number, signal in enumerate((beats, beats[:, ::-1])):
        signal.T.tofile(tmp_path / "r.dat")
        os.utime(tmp_path / "r.dat", ns=(10**18, 10**18 + number))
        (found,), _ = cache_manifest(manifest, tmp_path / "c", leads=("I",), window_s=10.0)
        first.append(found.read(np.arange(1))[0, 0])
    np.testing.assert_allclose(first[1], first[0][::-1], atol=1e-6)


def test_pulse_waves_are_not_asked_whether_they_are_an_ecg(tmp_path: Path) -> None:
    write(tmp_path, "pulse", waves(1000, 100.0), ("PPG",), 100.0)
    manifest = Manifest((ManifestRow("pulse", "pulse.npy"),), tmp_path)
    _, skipped = cache_manifest(manifest, tmp_path / "c", leads=("PPG",), window_s=10.0)
    assert "not read as an ECG" not in str(skipped)


# --- standardized windows -------------------------------------------------------------------------


def beats(count: int, *, leads: tuple[str, ...] = ("I", "II"), rate: float = 250.0) -> ArraySource:
    generator = np.random.default_rng(0)
    time = np.arange(round(10 * rate)) / rate
    wave = np.exp(-((((time % 0.8) - 0.3) / 0.02) ** 2))
    signal = generator.uniform(0.5, 1.5, (count, len(leads), 1)) * wave
    signal = (signal + generator.normal(0, 0.02, signal.shape)).astype(np.float32)
    return ArraySource(signal, rate, leads, np.zeros((count, 1)), ["p"] * count)


def test_lead_replacement_acts_on_its_share_of_one_lead_windows() -> None:
    pool = SourcePool((beats(120),))
    everything = np.arange(120)
    plain, presence = FreshWindows(pool, ONE_LEAD).get(everything, np.random.default_rng(0))
    assert plain.shape == (120, 1, 2500) and (presence == 1).all()
    half, _ = FreshWindows(pool, ONE_LEAD, 0.5).get(everything, np.random.default_rng(0))
    changed = (np.abs(half - plain) > 1e-3).any(axis=(1, 2)).sum()
    # binomial(120, 0.5) but for one in a million
    assert 34 <= changed <= 86
    whole, _ = FreshWindows(pool, ONE_LEAD, 1.0).get(everything, np.random.default_rng(0))
    assert (np.abs(whole - plain) > 1e-3).any(axis=(1, 2)).all()
    # Standardized after the projection: deviation 1.
    np.testing.assert_allclose(whole.std(axis=2), 1.0, atol=0.02)
    twelve = InputSpec("exact", STANDARD_12_LEADS, get_preprocessing("ptbxl-bandpass@1"))
    with pytest.raises(TrainingError, match="for one-lead models"):
        FreshWindows(pool, twelve, 0.5)
    with pytest.raises(LeadError, match="needs I and II; a source has II, V1"):
        FreshWindows(SourcePool((beats(2, leads=("II", "V1")),)), ONE_LEAD, 0.5)


def test_an_absent_lead_is_zero_and_told_where_the_network_allows_it() -> None:
    pool = SourcePool((beats(2, leads=("II", "V1")), beats(1, leads=("I",))))
    any_subset = InputSpec("any-subset", ("II", "V1"), get_preprocessing("ptbxl-bandpass@1"))
    signal, presence = FreshWindows(pool, any_subset).get(
        np.array([1, 0]), np.random.default_rng(0)
    )
    assert presence.tolist() == [[1, 1], [1, 1]]
    other = InputSpec("any-subset", ("V2", "V1"), get_preprocessing("ptbxl-bandpass@1"))
    signal, presence = FreshWindows(pool, other).get(np.array([1, 0]), np.random.default_rng(0))
    assert presence.tolist() == [[0, 1], [0, 1]]
    assert (signal[:, 0] == 0).all() and (signal[:, 1] != 0).any()
    exact = InputSpec("exact", ("V2", "V1"), get_preprocessing("ptbxl-bandpass@1"))
    with pytest.raises(LeadError, match="lacks one of the leads V2, V1"):
        FreshWindows(pool, exact).get(np.array([0]), np.random.default_rng(0))


def test_windows_on_disk_say_what_is_present_and_whose_they_are(tmp_path: Path) -> None:
    for name, leads, seconds in (("a", ("I", "V1"), 21), ("b", ("V1",), 10)):
        own = beats(1, leads=leads).signal[0]
        write(tmp_path, name, np.tile(own, (1, 3))[:, : seconds * 250], leads, 250.0)
    rows = (ManifestRow("a", "a.npy"), ManifestRow("gone", "gone.npy"), ManifestRow("b", "b.npy"))
    spec = InputSpec("any-subset", ("V1", "I"), get_preprocessing("ptbxl-bandpass@1"))
    stored = store_windows(Manifest(rows, tmp_path), spec, tmp_path / "cache")
    # 21 s are two windows and, because a second is left, a third that ends with the recording.
    assert stored.row.tolist() == [0, 0, 0, 2]
    assert stored.presence.tolist() == [[1, 1], [1, 1], [1, 1], [1, 0]]
    assert (stored.signal[3, 1] == 0).all()
    assert list(stored.skipped) == ["gone"] and set(stored.hashes) == {"a", "b"}
    signal, presence = stored.get(np.array([3, 0]), np.random.default_rng(0))
    np.testing.assert_array_equal(signal, np.asarray(stored.signal)[[3, 0]])
    assert presence.tolist() == [[1, 0], [1, 1]]


def test_two_processes_do_not_fill_one_store(tmp_path: Path) -> None:
    """The first to end would learn from zeros, which the other has yet to fill."""
    for name in ("a", "b"):
        write(tmp_path, name, beats(1, leads=("I",)).signal[0], ("I",), 250.0)
    manifest = Manifest((ManifestRow("a", "a.npy"), ManifestRow("b", "b.npy")), tmp_path)
    refused: list[TrainingError] = []

    def another(done: int, total: int) -> None:
        try:
            store_windows(manifest, ONE_LEAD, tmp_path / "cache")
        except TrainingError as error:
            refused.append(error)

    stored = store_windows(manifest, ONE_LEAD, tmp_path / "cache", progress=another)
    assert [error.problem for error in refused] == ["another process is filling this store"] * 2
    again = store_windows(manifest, ONE_LEAD, tmp_path / "cache", progress=another)
    np.testing.assert_array_equal(again.signal, stored.signal)
    assert len(refused) == 2 and (np.asarray(stored.signal) != 0).any(axis=(1, 2)).all()


@pytest.mark.parametrize(
    ("samples", "rate", "recipe", "words"),
    [
        (2500, 250.0, "ptbxl-bandpass@1", None),
        (2500, 250.0, "ecgfounder-paper@1", "is standardized as ecgfounder-paper@1"),
        (2499, 250.0, "ptbxl-bandpass@1", "has 2499 samples at 250 Hz"),
        (2500, 500.0, "ptbxl-bandpass@1", "has 2500 samples at 500 Hz"),
    ],
)
def test_arrays_that_are_standardized_are_taken_as_they_are(
    tmp_path: Path, samples: int, rate: float, recipe: str, words: str | None
) -> None:
    signal = np.random.default_rng(0).normal(0, 1, (1, samples)).astype(np.float32)
    write(tmp_path, "r", signal, ("I",), rate)
    manifest = Manifest((ManifestRow("r", "r.npy", standardized_as=recipe),), tmp_path)
    if words is None:
        stored = store_windows(manifest, ONE_LEAD, tmp_path / "cache")
        np.testing.assert_array_equal(np.asarray(stored.signal)[0], signal)
    else:
        with pytest.raises(TrainingError, match=words):
            store_windows(manifest, ONE_LEAD, tmp_path / "cache")
