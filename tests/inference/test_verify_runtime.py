"""A runtime is judged on real recordings: by its logits, and by what it does to the AUROC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_bundle

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from ecgfoundry.errors import LeadError, VerificationError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.runtimes import base as runtimes
from ecgfoundry.inference.runtimes.base import OnnxRuntime
from ecgfoundry.inference.verification import verify_runtime
from ecgfoundry.manifest import ManifestRow, read_manifest, write_manifest
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.models.bundle import load_bundle
from ecgfoundry.recording import Recording

RECORDS = 16


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    weights = np.random.default_rng(3).normal(size=(3, 2))
    return load_bundle(make_bundle(tmp_path_factory.mktemp("model") / "tiny", weights))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Recordings of several shapes, labelled at random; one of them cannot be read."""
    folder = tmp_path_factory.mktemp("records")
    generator = np.random.default_rng(0)
    time = np.arange(5000) / 500
    rows = []
    for k in range(RECORDS):
        width = generator.uniform(0.01, 0.08, (3, 1))
        x = np.exp(-0.5 * (((time * 1.1) % 1 - 0.5) / width) ** 2)
        x += generator.normal(0, 0.02, x.shape)
        recording = Recording.from_array(x, sampling_rate=500, leads=("I", "II", "V1"), unit="mV")
        write_wfdb(recording, folder, f"r{k}")
        targets = {"A": float(k % 2), "B": float(k < 3), "unknown": 1.0}
        rows.append(ManifestRow(record=f"r{k}", path=f"r{k}.hea", targets=targets))
    rows.append(ManifestRow(record="gone", path="gone.hea", targets={"A": 1.0}))
    return read_manifest(write_manifest(folder / "manifest.csv", rows))


def noisy(size: float):
    """A runtime whose logits are off by noise."""

    class Noisy(OnnxRuntime):
        def __init__(self, bundle, *, threads=None) -> None:
            super().__init__(bundle, threads=threads)
            self.name = f"noisy-{size:g}"
            self._generator = np.random.default_rng(1)

        def run(self, signal, presence):
            logits, embedding = super().run(signal, presence)
            noise = self._generator.normal(0, size, logits.shape).astype(np.float32)
            return logits + noise, embedding

    return Noisy


def verify(bundle, manifest, monkeypatch, name: str, size: float, **options):
    monkeypatch.setitem(runtimes.RUNTIMES, name, noisy(size))
    return verify_runtime(
        bundle,
        manifest,
        runtime=name,
        reference="onnxruntime",
        **{"minimum_positives": 5, **options},
    )


def test_an_equal_runtime_passes_and_both_aurocs_are_those_of_the_records(
    bundle, manifest, monkeypatch
) -> None:
    result = verify(bundle, manifest, monkeypatch, "same", 0.0)
    assert result.records == RECORDS and result.windows == RECORDS
    assert result.difference == 0.0 and result.movement == 0.0
    assert list(result.skipped) == ["gone"]
    assert set(result.auroc) == {"A", "B"} and result.held == ("A",)  # B has 3 positives
    before, after, positives = result.auroc["A"]
    assert before == after and positives == RECORDS // 2
    from ecgfoundry.inference.predictor import Predictor
    from ecgfoundry.preprocessing import standardize

    predictor = Predictor(bundle, OnnxRuntime(bundle, threads=1))
    scores = [
        predictor.logits(standardize(manifest.open(row), "ptbxl-bandpass@1", bundle.input.leads))
        for row in manifest.rows[:RECORDS]
    ]
    labels = np.arange(RECORDS) % 2
    assert before == pytest.approx(auroc(labels, np.array(scores)[:, 0, 0]))


def test_fp32_logits_that_are_off_are_refused(bundle, manifest, monkeypatch) -> None:
    with pytest.raises(VerificationError, match="at most 1e-04 is allowed"):
        verify(bundle, manifest, monkeypatch, "off", 1e-2)


def test_a_low_precision_runtime_is_judged_by_the_auroc(bundle, manifest, monkeypatch) -> None:
    close = verify(bundle, manifest, monkeypatch, "close-bf16", 1e-7)
    assert close.difference > 0 and close.movement == 0.0
    with pytest.raises(VerificationError, match="moves the AUROC of A from"):
        verify(bundle, manifest, monkeypatch, "far-bf16", 3.0)
    with pytest.raises(VerificationError, match="more labelled recordings"):
        verify(bundle, manifest, monkeypatch, "unproven-bf16", 1e-7, minimum_positives=30)


def test_the_difference_is_relative_to_the_reference(bundle, manifest, monkeypatch) -> None:
    """Eleven times the logits keep every rank; the largest is at least their root mean square."""

    class Elevenfold(OnnxRuntime):
        def run(self, signal, presence):
            logits, embedding = super().run(signal, presence)
            return 11 * logits, embedding

    monkeypatch.setitem(runtimes.RUNTIMES, "elevenfold-bf16", Elevenfold)
    result = verify_runtime(
        bundle,
        manifest,
        runtime="elevenfold-bf16",
        reference="onnxruntime",
        minimum_positives=5,
    )
    assert result.movement == 0.0 and result.difference >= 10.0


def test_nothing_that_can_be_read(bundle, tmp_path: Path, monkeypatch) -> None:
    rows = [ManifestRow(record="gone", path="gone.hea")]
    manifest = read_manifest(write_manifest(tmp_path / "manifest.csv", rows))
    with pytest.raises(LeadError, match=r"no record.*gone\.hea"):
        verify(bundle, manifest, monkeypatch, "same", 0.0)
