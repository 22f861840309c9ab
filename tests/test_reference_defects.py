"""Defects of ECGFounder's released code, each with a test that it cannot happen here.

The list is of what was read in the authors' repository: an undefined rate and a discarded
resampling, a squeezed time base, an evaluation without the filter, a validation loader that is the
test set, rows instead of people in the split, thresholds tuned where they are reported, intervals
from ten draws, an undefined AUROC counted as 0, lenient weight loads, unpickled checkpoints, a
50-Hz notch for American data, unchecked units and lead names.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.errors import (
    CheckpointError,
    LeadError,
    LeakageError,
    SignalError,
    TrainingError,
    UnitError,
)
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest
from ecgfoundry.metrics.classification import auroc, macro_auroc
from ecgfoundry.preprocessing import get_preprocessing, standardize, standardize_window
from ecgfoundry.recording import Recording

RECIPE = "ecgfounder-finetune@1"


def ecg(rate: float, seconds: float = 10.0, *, hum: float = 0.0, hz: float = 60.0) -> Recording:
    """Twelve leads of band-limited beats, 75 per minute, the same signal at every rate."""
    time = np.arange(round(rate * seconds)) / rate
    wave = sum(np.cos(2 * np.pi * 1.25 * k * time) / (1 + (k / 8) ** 2) for k in range(1, 20)) / 8
    gains = np.linspace(0.4, 1.2, 12)[:, None]
    signal = gains * wave + hum * np.sin(2 * np.pi * hz * time)
    return Recording.from_array(
        signal.astype(np.float32), sampling_rate=rate, leads=STANDARD_12_LEADS, unit="mV"
    )


@pytest.mark.parametrize("rate", [250.0, 400.0, 1000.0])
def test_the_resampled_signal_is_the_one_that_is_used(rate: float) -> None:
    reference = standardize(ecg(500.0), RECIPE)[0]
    other = standardize(ecg(rate), RECIPE)[0]
    assert other.shape == (12, 5000)
    middle = slice(500, 4500)
    assert np.corrcoef(reference[:, middle].ravel(), other[:, middle].ravel())[0, 1] > 0.999


def test_thirty_seconds_are_three_windows_and_never_a_squeezed_one() -> None:
    windows = standardize(ecg(500.0, 30.0), RECIPE)
    assert windows.shape == (3, 12, 5000)
    # The period of 0.8 s is 400 samples in every window: the time base is that of the record.
    for window in windows:
        x = window[5, 500:4500]
        lags = np.array([np.corrcoef(x[:-lag], x[lag:])[0, 1] for lag in range(100, 500)])
        assert 100 + int(lags.argmax()) == pytest.approx(400, abs=1)
    with pytest.raises(SignalError, match="longer than the 10 s"):
        standardize_window(ecg(500.0, 30.0).signal, 500.0, RECIPE)


def test_training_and_inference_see_the_same_bits(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.models.bundle import InputSpec
    from ecgfoundry.training.data.windows import store_windows

    write_wfdb(ecg(500.0, 21.0), tmp_path, "r")
    manifest = Manifest((ManifestRow("r", "r.hea"),), tmp_path)
    spec = InputSpec("exact", STANDARD_12_LEADS, get_preprocessing(RECIPE))
    stored = store_windows(manifest, spec, tmp_path / "cache")
    filtered = standardize(ecgfoundry.read(tmp_path / "r.hea"), RECIPE)
    np.testing.assert_array_equal(np.asarray(stored.signal), filtered)


def test_a_bundle_names_its_preprocessing_so_no_caller_can_forget_it() -> None:
    for name, recipe in (
        ("ptbxl-superclass-12lead", "ptbxl-bandpass@1"),
        ("rhythm-single-lead", "single-lead-rhythm@1"),
    ):
        bundle = ecgfoundry.load_model(name).bundle
        assert bundle.input.preprocessing == recipe
        assert (bundle.folder / "preprocessing.json").is_file()


def labelled(folder: Path, splits: list[str | None], patients: list[str]) -> MappedManifest:
    rows = []
    for k, (split, patient) in enumerate(zip(splits, patients, strict=True)):
        noise = np.random.default_rng(k).normal(0, 0.02, (12, 5000)).astype(np.float32)
        recording = ecg(500.0)
        write_wfdb(replace(recording, signal=recording.signal + noise), folder, f"r{k}")
        rows.append(
            ManifestRow(
                f"r{k}", f"r{k}.hea", patient=patient, split=split, targets={"a": float(k % 2)}
            )
        )
    return MappedManifest(Manifest(tuple(rows), folder), ("a",))


def test_the_test_set_never_validates(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.training.finetuning import finetune

    data = labelled(tmp_path, ["train", "train", "test", "test"], list("abcd"))
    with pytest.raises(TrainingError, match="no row of the split validation.*never serves"):
        finetune(data, tmp_path / "run")


def test_people_are_split_not_rows(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.training.finetuning import finetune

    data = labelled(tmp_path, ["train", "train", "validation", "test"], ["a", "b", "c", "a"])
    with pytest.raises(LeakageError, match="one patient stands in the splits"):
        finetune(data, tmp_path / "run")


def test_the_same_signal_under_another_name_is_found(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.training.finetuning import finetune

    data = labelled(tmp_path, ["train", "train", "validation", "test"], list("abcd"))
    for suffix in (".hea", ".dat"):
        text = (tmp_path / f"r0{suffix}").read_bytes()
        (tmp_path / f"r3{suffix}").write_bytes(
            text.replace(b"r0", b"r3") if suffix == ".hea" else text
        )
    with pytest.raises(LeakageError, match="sample for sample"):
        finetune(data, tmp_path / "run", model="net1d-tiny")


@pytest.mark.slow
def test_the_labels_of_the_test_split_change_nothing_but_its_figures(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from ecgfoundry.training.finetuning import FinetuneSettings, finetune
    from ecgfoundry.training.results.package import RunCard

    splits = ["train"] * 12 + ["validation"] * 24 + ["test"] * 12
    data = labelled(tmp_path, list(splits), [f"p{k}" for k in range(48)])
    turned = tuple(
        replace(row, targets={"a": 1.0 - row.targets["a"]}) if row.split == "test" else row
        for row in data.manifest.rows
    )
    settings = FinetuneSettings.of(epochs=2, batch=8, threads=1)
    card = RunCard(recipe="test", name="same")
    results = [
        finetune(which, tmp_path / name, model="net1d-tiny", settings=settings, card=card)
        for name, which in (
            ("one", data), ("two", MappedManifest(Manifest(turned, tmp_path), ("a",)))
        )
    ]  # fmt: skip
    for name in ("model.safetensors", "calibration.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    document = ecgfoundry.load_model(results[0].bundle).bundle.document
    assert "validation" in document["thresholds"]["fitted_on"]
    tests = [[m.value for m in r.metrics if "test split" in m.data] for r in results]
    assert tests[0][0] == pytest.approx(1 - tests[1][0])


def test_intervals_are_not_from_ten_draws() -> None:
    from ecgfoundry.metrics import intervals

    assert intervals.DRAWS == 1000  # as docs/evaluation.md says


def test_an_undefined_auroc_is_not_zero() -> None:
    assert np.isnan(auroc([1, 1, 1], [0.1, 0.2, 0.3]))
    labels = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert macro_auroc(labels, np.array([[0.0, 0.2], [1.0, 0.9]])) == 1.0


def test_weights_are_loaded_strictly() -> None:
    pytest.importorskip("torch")
    from ecgfoundry.models.registry import create_model
    from ecgfoundry.models.safe_checkpoint import match_state_dict

    network = create_model("net1d-tiny", classes=2, leads=1)
    state = network.state_dict()
    missing = {name: tensor for name, tensor in state.items() if name != "dense.bias"}
    with pytest.raises(CheckpointError):
        match_state_dict(network, missing)
    with pytest.raises(CheckpointError):
        match_state_dict(network, {**state, "extra.weight": state["dense.weight"]})
    with pytest.raises(CheckpointError):
        match_state_dict(network, {**state, "dense.weight": state["dense.weight"][:1]})


class _Bomb:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("exploded"),))


def test_checkpoints_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from ecgfoundry.models.safe_checkpoint import load_published_checkpoint

    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": _Bomb()}, tmp_path / "zip.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps({"state_dict": _Bomb()}))
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(CheckpointError):
            load_published_checkpoint(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_hum_of_either_mains_is_gone(hz: float) -> None:
    clean = standardize(ecg(500.0), RECIPE)[0][:, 500:4500]
    noisy = standardize(ecg(500.0, hum=0.2, hz=hz), RECIPE)[0][:, 500:4500]
    assert np.abs(noisy - clean).max() < 0.25 * np.abs(clean).max()
    # And the paper's recipe cuts the recorded mains frequency, or both.
    for mains in (None, hz):
        x = standardize_window(
            ecg(500.0, hum=0.2, hz=hz).signal, 500.0, "ecgfounder-paper@1", mains_frequency=mains
        )
        spectrum = np.abs(np.fft.rfft(x[0, 500:4500]))
        at = round(hz * 4000 / 500)
        assert spectrum[at] < 0.02 * spectrum.max()


def test_units_are_checked_and_lead_order_does_not_matter() -> None:
    millivolts = ecg(500.0)
    microvolts = Recording.from_array(
        millivolts.signal * 1000, sampling_rate=500.0, leads=STANDARD_12_LEADS, unit="uV"
    )
    np.testing.assert_allclose(microvolts.signal, millivolts.signal, rtol=1e-5)
    with pytest.raises(UnitError):
        Recording.from_array(
            millivolts.signal, sampling_rate=500.0, leads=STANDARD_12_LEADS, unit="furlong"
        )
    order = [0, 1, 2, 3, 5, 4, *range(6, 12)]  # MIMIC-IV-ECG: aVF before aVL
    shuffled = Recording.from_array(
        millivolts.signal[order], sampling_rate=500.0,
        leads=[STANDARD_12_LEADS[k] for k in order], unit="mV",
    )  # fmt: skip
    np.testing.assert_array_equal(standardize(shuffled, RECIPE), standardize(millivolts, RECIPE))
    with pytest.raises(LeadError):
        Recording.from_array(
            millivolts.signal[:2], sampling_rate=500.0, leads=("I", "I"), unit="mV"
        )
