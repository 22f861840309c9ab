"""How far a runtime may be off, from both sides of each limit, with logits that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.bundles import make_bundle
from tests.hand_waves import SIZE, P, R, record, wave

from ecgfoundry.errors import LeadError, VerificationError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.runtimes import base as runtimes
from ecgfoundry.inference.runtimes.base import OnnxRuntime, is_exact
from ecgfoundry.inference.verification import (
    AUROC_TOLERANCE,
    MINIMUM_POSITIVES,
    TOLERANCE,
    PreprocessingScore,
    RuntimeComparison,
    compare_preprocessing,
    compare_runtimes,
    probe_windows,
    verify_runtime,
)
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import get_preprocessing

pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")


def test_the_limits_are_the_published_ones() -> None:
    assert (TOLERANCE, AUROC_TOLERANCE, MINIMUM_POSITIVES) == (1e-4, 0.001, 30)
    assert is_exact("torch") and is_exact("openvino") and not is_exact("torch-bf16")


def shifted(name: str, change: Any) -> Any:
    """A runtime whose logits are changed by a function of theirs."""

    class Shifted(OnnxRuntime):
        def __init__(self, bundle: Any, *, threads: int | None = None) -> None:
            super().__init__(bundle, threads=threads)
            self.name = f"{name}-0"

        def run(self, signal: Any, presence: Any) -> Any:
            logits, embedding = super().run(signal, presence)
            return change(logits).astype(np.float32), embedding

    return Shifted


def added(shift: list[float]) -> Any:
    return lambda logits: logits + np.array(shift, np.float32)


# ------------------------------------------------------------------------------- the probe windows


def test_probe_windows_are_scaled_and_whole() -> None:
    x = probe_windows(InputSpec("exact", ("I", "II"), get_preprocessing("ptbxl-bandpass@1")))
    assert x.shape == (8, 2, 2500) and x.dtype == np.float32
    np.testing.assert_allclose(x.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=2), 1, atol=1e-4)
    assert not np.isnan(x).any()
    # Bumps that come 0.8 to 2 times a second: what they hold lies between 0.8 and 40 Hz.
    power = np.abs(np.fft.rfft(x.astype(np.float64))) ** 2
    frequency = np.fft.rfftfreq(2500, 1 / 250)
    inside = power[..., (frequency > 0.7) & (frequency < 40)].sum() / power.sum()
    assert inside > 0.9
    spec = InputSpec("exact", ("I", "II"), get_preprocessing("ptbxl-bandpass@1"))
    again = probe_windows(spec, windows=3, seed=1)
    assert again.shape[0] == 3 and not np.array_equal(again, x[:3])


def test_half_of_them_lack_leads_where_a_model_takes_subsets() -> None:
    spec = InputSpec("any-subset", tuple("abcdefgh"), get_preprocessing("ptbxl-bandpass@1"))
    x = probe_windows(spec, windows=40)
    absent = np.isnan(x).all(axis=2)
    assert absent[:20].any(axis=1).sum() >= 15 and not absent[20:].any()
    assert not absent.all(axis=1).any()
    assert 0.35 < absent[:20].mean() < 0.7  # six in ten, and one is always kept


# ---------------------------------------------------------------------------------- the comparison


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """Logits I + V1 and II - V1: 1.6 and 0.8 of P, 2.4 and -1.2 of R; their rms is 1.612."""
    weights = np.array([[1.0, 0], [0, 1], [1, -1]])
    folder = tmp_path_factory.mktemp("pair") / "pair"
    recipe = "ecgfounder-ptbxl-eval@1"
    return load_model(make_bundle(folder, weights, preprocessing=recipe, size=SIZE), threads=1)


@pytest.mark.parametrize(("shift", "passes"), [(1.55e-4, True), (1.7e-4, False)])
def test_a_difference_is_measured_by_the_rms_of_the_logits(
    pair: Predictor, monkeypatch: pytest.MonkeyPatch, shift: float, passes: bool
) -> None:
    """sqrt((2.56 + 0.64 + 5.76 + 1.44) / 4) = 1.612, so 1.612e-4 is 1e-4 of it."""
    windows = np.stack([wave(P), wave(R)]).astype(np.float32)
    monkeypatch.setitem(runtimes.RUNTIMES, "off", shifted("off", added([0, -shift])))
    options = {"reference": "onnxruntime", "other": "off"}
    if passes:
        found = compare_runtimes(pair.bundle, windows, **options)
        assert found == pytest.approx(shift / 1.6125, rel=0.01)
    else:
        with pytest.raises(VerificationError, match="at most 1e-04 is allowed"):
            compare_runtimes(pair.bundle, windows, **options)
    assert compare_runtimes(pair.bundle, windows, **options, tolerance=1.0) > 0
    same = compare_runtimes(pair.bundle, windows, reference="onnxruntime", other="onnxruntime")
    assert same == 0.0


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Thirty of each: the first logit of P is 1.6, of R 2.4; A is R, and B is R but for one."""
    folder = tmp_path_factory.mktemp("records")
    write_wfdb(record(wave(P, P)), folder, "p")
    write_wfdb(record(wave(R)), folder, "r")
    rows = [
        ManifestRow(str(k), f"{'pr'[k % 2]}.hea", targets={"A": float(k % 2), "B": float(k == 1)})
        for k in range(60)
    ]
    return Manifest((*rows, ManifestRow("gone", "gone.hea", targets={"A": 1.0})), folder)


def verify(pair: Predictor, manifest: Manifest, name: str, **options: Any) -> RuntimeComparison:
    return verify_runtime(pair.bundle, manifest, runtime=name, reference="onnxruntime", **options)


def test_thirty_of_each_hold_a_target(
    pair: Predictor, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 x 2 windows of P and 30 of R: rms sqrt((60 x 3.2 + 30 x 7.2) / 180) = 1.506."""
    monkeypatch.setitem(runtimes.RUNTIMES, "off", shifted("off", added([1e-4, 0])))
    done: list[tuple[int, int]] = []
    result = verify(pair, manifest, "off", progress=lambda *k: done.append(k))
    assert done == [(k, 61) for k in range(1, 62)]
    assert (result.records, result.windows, result.held) == (60, 90, ("A",))
    assert (result.runtime, list(result.skipped)) == ("off-0", ["gone"])
    assert result.difference == pytest.approx(1e-4 / 1.506, rel=0.01)
    # A: the second logit does not matter, the first parts them. B is the second: R has -1.2, and
    # one of thirty R is B, so all 30 P are above it and 29 are equal: 14.5 of 59.
    assert result.auroc["A"] == (1.0, 1.0, 30)
    assert result.auroc["B"][:2] == pytest.approx((14.5 / 59, 14.5 / 59))
    assert result.auroc["B"][2] == 1 and result.movement == 0.0
    fewer = Manifest(manifest.rows[1:], manifest.folder)  # 29 negatives
    result = verify(pair, fewer, "off")
    assert result.held == () and np.isnan(result.movement)


@pytest.fixture(scope="module")
def six(manifest: Manifest) -> Manifest:
    """Three of each."""
    return Manifest(manifest.rows[:6], manifest.folder)


@pytest.mark.parametrize(("shift", "passes"), [(1.45e-4, True), (1.6e-4, False)])
def test_logits_that_are_off_are_refused_of_fp32_alone(
    pair: Predictor, six: Manifest, monkeypatch: pytest.MonkeyPatch, shift: float, passes: bool
) -> None:
    """1e-4 of the rms is 1.506e-4."""
    for name in ("off", "off-bf16"):
        monkeypatch.setitem(runtimes.RUNTIMES, name, shifted(name, added([shift, 0])))
    low = verify(pair, six, "off-bf16", minimum_positives=3)
    assert low.difference == pytest.approx(shift / 1.506, rel=0.01) and low.held == ("A",)
    if passes:
        assert verify(pair, six, "off", minimum_positives=4).held == ()
    else:
        with pytest.raises(VerificationError, match="at most 1e-04 is allowed"):
            verify(pair, six, "off")
    with pytest.raises(VerificationError, match="no target has 4 records of each kind"):
        verify(pair, six, "off-bf16", minimum_positives=4)


def test_an_auroc_that_moves_is_refused(
    pair: Predictor, six: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first logit turned round: A goes from 1 to 0."""
    monkeypatch.setitem(runtimes.RUNTIMES, "no-bf16", shifted("no", lambda z: z * [-1, 1]))
    moved = r"AUROC of A from 1\.0000 to 0\.0000; at most 0.001"
    with pytest.raises(VerificationError, match=moved):
        verify(pair, six, "no-bf16", minimum_positives=3)


def comparison(*moves: float, held: int) -> RuntimeComparison:
    areas = {str(k): (0.9, 0.9 + move, 40) for k, move in enumerate(moves)}
    return RuntimeComparison("a", "b", 1, 1, 0.0, areas, tuple(str(k) for k in range(held)), {})


def test_the_movement_is_the_largest_of_the_targets_that_are_held() -> None:
    assert comparison(0.002, -0.005, 0.05, held=2).movement == pytest.approx(0.005)
    assert comparison(0.002, 0.05, held=1).movement == pytest.approx(0.002)


# ------------------------------------------------------------------------------------- the recipes


def test_recipes_are_scored_by_the_mean_of_the_windows(pair: Predictor, manifest: Manifest) -> None:
    seen: list[tuple[str, int, int]] = []
    few = Manifest((*manifest.rows[:4], manifest.rows[-1]), manifest.folder)
    scores = compare_preprocessing(pair, few, progress=lambda *k: seen.append(k))
    assert {s.preprocessing for s in scores} == {
        "ecgfounder-finetune@1", "ecgfounder-paper@1", "ecgfounder-ptbxl-eval@1",
    }  # fmt: skip
    assert [k[1:] for k in seen] == [(k, 5) for k in range(1, 6)] * 3
    (own,) = [s for s in scores if s.preprocessing == "ecgfounder-ptbxl-eval@1"]
    # B is the second R: the first R is its equal, both P are above it: 0.5 of 3.
    assert own.auroc == {"A": 1.0, "B": pytest.approx(0.5 / 3)}
    assert own.macro == pytest.approx((1 + 0.5 / 3) / 2)
    assert (own.records, list(own.skipped)) == (4, ["gone"])
    with pytest.raises(LeadError, match=r"no record.*gone\.hea"):
        compare_preprocessing(pair, Manifest(manifest.rows[-1:], manifest.folder))


def test_the_mean_over_targets_leaves_out_what_is_not_defined() -> None:
    nan = float("nan")
    assert PreprocessingScore("p", {"A": 0.8, "B": nan, "C": 0.6}, 3, {}).macro == pytest.approx(
        0.7
    )
    assert np.isnan(PreprocessingScore("p", {"A": nan}, 3, {}).macro)
