"""A model as C99: the files compute what Python does, on this machine and on a Cortex-M."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.c_models import STRICT, CompiledModel, compiler, sources
from tests.bundles import make_about, make_bundle

from ecgfoundry.cli.main import main
from ecgfoundry.errors import BundleError, EcgFoundryError, SamplingRateError
from ecgfoundry.formats.files import read
from ecgfoundry.inference.exporting import export_bundle, sample_windows
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.models.bundle import Bundle, load_bundle, write_bundle
from ecgfoundry.models.c_export.folder import export_c
from ecgfoundry.preprocessing import get_preprocessing, standardize_window
from ecgfoundry.recording import Recording
from ecgfoundry.samples import sample_path
from ecgfoundry.signals.quality import assess_window

EDGE = "rhythm-single-lead-edge"
RATE = 300.0  # of the export that most tests use, Hz
MISSING, TOO_SHORT, FLAT, BAD_ARGUMENT, BAD_SAMPLE, FULL, OUT_OF_ORDER = range(1, 8)
WARNINGS = {
    "gaps": 1, "flat-parts": 2, "saturation": 4, "amplitude-implausible": 8, "low-amplitude": 16,
    "inverted": 32,
}  # fmt: skip

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C compiler")
pytestmark = needs_compiler


@pytest.fixture(scope="module")
def edge() -> Predictor:
    return load_model(EDGE, runtime="onnxruntime")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("c") / "export"
    return export_bundle(EDGE, output, format="c", sampling_rate=RATE)


@pytest.fixture(scope="module")
def compiled(folder: Path) -> CompiledModel:
    return CompiledModel(folder, 4, int8=False)


def expected(predictor: Predictor, window: np.ndarray, rate: float) -> np.ndarray:
    """What Python says about a recording that is one window (samples,) in mV."""
    x = standardize_window(window[np.newaxis], rate, predictor.bundle.recipe)
    return predictor.bundle.task.answers(predictor.logits(x[np.newaxis])[0])


def lead_of(path: Path, rate: float, seconds: float = 30.0) -> np.ndarray:
    """Lead I, or the first, of the first seconds of a file at its own rate."""
    recording = read(path, duration_s=seconds)
    assert recording.sampling_rate == rate
    row = recording.leads.index("I") if "I" in recording.leads else 0
    return np.array(recording.signal[row], dtype=np.float32)


# --- the whole model ----------------------------------------------------------------------------


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_both_kinds_give_the_answers_of_the_test_vectors(folder: Path) -> None:
    done = make(folder, "check", "CFLAGS=-O1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nas expected") == 2
    # The sample is a record of the class AF of CinC 2017; 955 and 922 are what 'diagnose' prints.
    # The eight-bit kind is 4 per thousand away from the first.
    assert "atrial fibrillation, per thousand: 955" in done.stdout
    assert "atrial fibrillation, per thousand: 951" in done.stdout
    assert "other rhythm, per thousand: 922" in done.stdout


@pytest.mark.parametrize("record", ["A00001", "A00005"])
def test_fixtures_are_answered_as_in_python(
    record: str, compiled: CompiledModel, edge: Predictor, fixtures: Path
) -> None:
    window = lead_of(fixtures / "cinc2017" / f"{record}.hea", RATE)
    window[700:900] = np.nan
    answer = compiled.answer(window)
    assert answer.status == 0 and answer.warnings & WARNINGS["gaps"]
    wanted = expected(edge, window, RATE)
    assert np.abs(answer.probabilities - wanted).max() <= 1e-4
    assert answer.present == tuple(int(k == wanted.argmax()) for k in range(4))


def test_levels_of_calibration(compiled: CompiledModel) -> None:
    # Of logits of 0 that is the softmax of the offsets in bundle.json: 0.2250, -0.5474, 0.2691 and
    # 0.0534 for records, 0.2574, -0.6241, 0.3500 and 0.0167 for windows, 0.2923, -0.0478, 0.3981
    # and -0.6426 for windows of up to 15 s.
    zeros = np.zeros(4)
    assert compiled.decide(zeros, level=1).probabilities == pytest.approx(
        [0.2986, 0.1379, 0.3120, 0.2515], abs=1e-4
    )
    assert compiled.decide(zeros, level=0).probabilities == pytest.approx(
        [0.3033, 0.1256, 0.3327, 0.2384], abs=1e-4
    )
    assert compiled.decide(zeros, level=2).probabilities == pytest.approx(
        [0.311, 0.2213, 0.3457, 0.1221], abs=1e-4
    )
    assert compiled.decide(zeros, level=7).status == BAD_ARGUMENT


@pytest.mark.slow
def test_twenty_real_files_of_four_rates(
    edge: Predictor, shared_data: Path, fixtures: Path, tmp_path: Path
) -> None:
    import zipfile

    with zipfile.ZipFile(shared_data / "cinc2017_training2017.zip") as archive:
        names = sorted(n for n in archive.namelist() if re.search(r"A000[0-3]\d\.(hea|mat)$", n))
        archive.extractall(tmp_path / "cinc2017", names)
    files = {
        300.0: sorted((tmp_path / "cinc2017").rglob("*.hea"))[:12],
        200.0: sorted((shared_data / "formats" / "cpsc2021_af_wfdb").rglob("*.hea"))[:4],
        360.0: [fixtures / "mitdb" / "201_450s.hea"],
        500.0: sorted((fixtures / "cinc2021").glob("*.hea")),
    }
    worst, count = 0.0, 0
    for rate, paths in files.items():
        output = export_bundle(EDGE, tmp_path / f"{rate:g}", format="c", sampling_rate=rate)
        model = CompiledModel(output, 4, int8=False)
        for path in paths:
            window = lead_of(path, rate)
            answer = model.answer(window)
            assert answer.status == 0, path
            worst = max(
                worst, float(np.abs(answer.probabilities - expected(edge, window, rate)).max())
            )
            count += 1
    assert count >= 20
    assert worst <= 1e-4


@pytest.mark.slow
def test_eight_bits_keep_the_auroc(edge: Predictor, shared_data: Path, folder: Path) -> None:
    from benchmarks.experiments.c_export import c_probabilities, holdout, model_probabilities

    from ecgfoundry.metrics.classification import auroc

    labels, windows = holdout(shared_data)
    chosen = np.random.default_rng(5).choice(len(labels), 240, replace=False)
    labels, windows = labels[chosen], [windows[k] for k in chosen]
    base = model_probabilities(edge, windows)
    found = c_probabilities(CompiledModel(folder, 4, int8=True, options=("-O3",)), windows)
    for target in range(4):
        truth = (labels == target).astype(float)
        assert auroc(truth, found[:, target]) >= auroc(truth, base[:, target]) - 0.003
    assert np.abs(found - base).max() < 0.1


# --- the gate and what is refused ---------------------------------------------------------------


def ecg_like(seconds: float = 10.0) -> np.ndarray:
    """A spike of 1 mV every 0.8 s on a slow wave: enough for the gate."""
    t = np.arange(round(seconds * RATE)) / RATE
    beat = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.015) ** 2)
    return (beat + 0.1 * np.sin(2 * np.pi * t / 0.8)).astype(np.float32)


def test_refusals(compiled: CompiledModel) -> None:
    good = ecg_like()
    assert compiled.answer(good).status == 0
    assert compiled.answer(np.full(3000, np.nan)).status == MISSING
    assert compiled.answer(good[:749]).status == TOO_SHORT  # 2.5 s are 750 samples
    assert compiled.answer(good[:750]).status == 0
    gap = good.copy()
    gap[:900] = np.nan  # 30 % may be missing
    assert compiled.answer(gap).status == 0
    gap[900] = np.nan
    assert compiled.answer(gap).status == MISSING
    assert compiled.answer(np.full(3000, 0.7)).status == FLAT
    assert compiled.answer(0.001 * good).status == FLAT  # volts taken for millivolts
    refused = compiled.answer(0.001 * good)
    assert not refused.probabilities.any() and not any(refused.present)
    # After a refusal the next window is answered.
    assert compiled.answer(good).status == 0


def test_whether_it_is_an_ecg_is_not_asked_and_the_readme_says_so(
    edge: Predictor, compiled: CompiledModel, folder: Path
) -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.3, 30 * 300)
    refused = edge.interpret(Recording(noise[None].astype(np.float32), 300.0, ("I",))).refused
    assert refused is not None and refused.code in ("no-beats", "not-an-ecg")
    assert compiled.answer(noise).status == 0
    text = (folder / "README.md").read_text()
    assert "**Whether the signal is an ECG is not asked**" in text
    assert "`no-beats`, `not-an-ecg`" in text


def test_samples_that_are_no_samples(compiled: CompiledModel) -> None:
    compiled.reset()
    assert compiled.push(np.array([0.1, np.inf])) == BAD_SAMPLE
    assert compiled.push(np.array([0.1, -np.inf])) == BAD_SAMPLE
    assert compiled.push(np.zeros(9000)) == 0  # 30 s at 300 Hz: nothing of the others was taken
    assert compiled.push(np.zeros(1)) == FULL
    assert compiled.push(np.zeros(0)) == 0
    run = compiled._function("run")
    assert run(None, 1, None) == BAD_ARGUMENT
    assert compiled._function("reset")(None) == BAD_ARGUMENT
    logits = np.zeros(4, dtype=np.float32)
    compiled.reset()
    network, standardize = compiled._function("network"), compiled._function("standardize")
    assert network(compiled._workspace, logits.ctypes.data_as(_pointer())) == OUT_OF_ORDER
    assert standardize(compiled._workspace, None) == OUT_OF_ORDER


def _pointer() -> Any:
    import ctypes

    return ctypes.c_void_p


def test_warnings_are_those_of_python(compiled: CompiledModel) -> None:
    clipped = np.minimum(ecg_like(), 0.3)
    flat = ecg_like()
    flat[:900] = 0.3
    gap = ecg_like()
    gap[300:310] = np.nan
    bridged = flat.copy()
    bridged[250:650] = np.nan
    cases = {
        "plain": (ecg_like(), 0),
        "gap": (gap, WARNINGS["gaps"]),
        "flat for three of ten seconds": (flat, WARNINGS["flat-parts"]),
        "flat across a gap": (bridged, WARNINGS["gaps"] | WARNINGS["flat-parts"]),
        "cut at 0.3 mV": (clipped, WARNINGS["saturation"]),
        "microvolts": (30.0 * ecg_like(), WARNINGS["amplitude-implausible"]),
        "small": (0.1 * ecg_like(), WARNINGS["low-amplitude"]),
        "upside down": (-ecg_like(), WARNINGS["inverted"]),
    }
    for name, (window, wanted) in cases.items():
        assert compiled.answer(window).warnings == wanted, name
        said = {w.code for w in assess_window(window[np.newaxis], RATE, ["I"]).warnings}
        assert sum(bit for code, bit in WARNINGS.items() if code in said) == wanted, name


def test_the_gate_of_random_windows_is_that_of_python(compiled: CompiledModel) -> None:
    """Gaps, levels, steps and scales of chance, against the gate that everything calls."""
    codes = {MISSING: "missing", TOO_SHORT: "too-short", FLAT: "flat", 0: None}
    generator = np.random.default_rng(11)
    found: set[str] = set()
    for _ in range(120):
        window = ecg_like(generator.uniform(2.0, 30.0)) * 10.0 ** generator.uniform(-2.5, 1.7)
        window += generator.uniform(-300, 300) * generator.integers(2)
        for _ in range(generator.integers(4)):
            a, b = sorted(generator.integers(window.size, size=2))
            window[a:b] = generator.choice([np.nan, window[a]])
        if generator.integers(2):
            window = np.minimum(window, np.nanquantile(window, generator.uniform(0.8, 1.0)))
        window = window.astype(np.float32)
        wanted = assess_window(window[np.newaxis], RATE, ["I"])
        status, warnings = compiled.assess(window)
        assert codes[status] == (wanted.refusal.code if wanted.refusal else None)
        said = {warning.code for warning in wanted.warnings}
        assert warnings == sum(bit for code, bit in WARNINGS.items() if code in said)
        found |= said | {str(codes[status])}
    assert found >= {*WARNINGS, "missing", "too-short", "flat", "None"}


# --- any rhythm-net, any recipe -----------------------------------------------------------------

RECIPES: dict[str, dict[str, Any]] = {
    "straight lines, left padding, notch": {
        "sampling_rate_hz": 100,
        "steps": [
            {"step": "fill-gaps", "method": "zero"},
            {"step": "resample", "method": "linear", "to_hz": 200},
            {"step": "notch", "frequency_hz": 50, "quality": 30},
            {"step": "butterworth", "band": "high-pass", "cutoff_hz": 0.5, "order": 2,
             "form": "sections"},
            {"step": "keep-every", "interval_samples": 2},
            {"step": "z-score", "over": "window", "epsilon_mv": 0.01, "flat_below_mv": 0},
        ],
        "padding": {"side": "left", "value_sd": 0, "counted_in_scaling": False},
    },
    "clipped in mV, padding counted": {
        "sampling_rate_hz": 250,
        "steps": [
            {"step": "fill-gaps", "method": "line"},
            {"step": "clip", "limit_mv": 0.8},
            {"step": "resample", "method": "polyphase", "to_hz": 250},
            {"step": "butterworth", "band": "low-pass", "cutoff_hz": 35, "order": 3,
             "form": "sections"},
            {"step": "z-score", "over": "lead", "epsilon_mv": 0.0, "flat_below_mv": 1e-6},
        ],
        "padding": {"side": "right", "value_mv": 0, "counted_in_scaling": True},
    },
}  # fmt: skip


def small_bundle(
    path: Path,
    recipe: dict[str, Any] | str = "single-lead-rhythm@1",
    names: Sequence[str] = "abc",
    *,
    lead: str = "I",
    **document: Any,
) -> Bundle:
    """A committee of two small networks with weights of chance, and channels in no fours."""
    import torch
    from safetensors.torch import save_file

    from ecgfoundry.models.registry import create_model

    torch.manual_seed(3)
    network = create_model(
        "rhythm-net", classes=3, members=2, stem_channels=6, channels=[8, 9, 10, 12],
        kernels=[5, 3, 3], dilations=[1, 2], attention_heads=1,
    ).train()  # fmt: skip
    with torch.no_grad():
        for _ in range(3):  # the norms get means and variances of their own
            network(torch.randn(8, 1, 600))
    network.eval()
    path.mkdir(parents=True)
    save_file(network.state_dict(), path / "weights")
    (path / "stub").write_bytes(b"")
    about = make_about(
        lead_mode="any-single", leads=(lead,), preprocessing=recipe,
        targets=tuple({"name": name, "kind": "rhythm"} for name in names),
        architecture={"name": "rhythm-net", "configuration": network.config}, **document,
    )  # fmt: skip
    files = {"model.safetensors": path / "weights", "model.onnx": path / "stub",
             "README.md": path / "stub"}  # fmt: skip
    folder = write_bundle(
        path / "bundle", about=about, files=files, recipe=get_preprocessing(recipe)
    )
    return load_bundle(folder)


def logits_by_torch(bundle: Bundle, x: np.ndarray) -> np.ndarray:
    import torch

    from ecgfoundry.models.loading import load_network

    network, _ = load_network(bundle)
    with torch.no_grad():
        return network(torch.from_numpy(x)).numpy()


def small_export(bundle: Bundle, output: Path, rate: float) -> Path:
    windows = sample_windows(bundle.input, rate)[:3]
    return export_c(
        bundle,
        output,
        sampling_rate=rate,
        windows=windows,
        network=lambda x: logits_by_torch(bundle, x),
        calibration=[standardize_window(x, hz, bundle.recipe)[0] for x, hz in windows],
    )


def small_recipe(name: str) -> dict[str, Any]:
    return {
        "schema_version": 1, "name": "trial", "version": 1, "window_s": 10, "leads": None,
        "description": name, "source": "tests", **RECIPES[name],
    }  # fmt: skip


def test_the_lead_that_was_trained_is_named_and_sampled(tmp_path: Path) -> None:
    """The code takes one lead: the README says which, and the test vectors are of that lead."""
    bundle = small_bundle(tmp_path / "made", lead="V2")
    export = small_export(bundle, tmp_path / "c", 250.0)
    assert "One lead (trained on V2) at 250 Hz in millivolts" in (export / "README.md").read_text()
    model = CompiledModel(export, 3, int8=False, options=("-O1",))
    recording = read(sample_path("12-lead")).resample(250.0)
    answers = {}
    for lead in ("V2", "I"):
        window = np.ascontiguousarray(recording.select([lead]).signal[0], dtype=np.float32)
        answers[lead] = model.answer(window).logits
    (whole, *_) = [window for window, _ in sample_windows(bundle.input, 250.0)]
    of_the_vectors = model.answer(whole[0]).logits
    np.testing.assert_allclose(of_the_vectors, answers["V2"], atol=1e-5)
    assert np.abs(of_the_vectors - answers["I"]).max() > 1e-3


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("rate", [200.0, 257.0])
def test_other_recipes_and_a_committee(recipe: str, rate: float, tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "made", small_recipe(recipe))
    export = small_export(bundle, tmp_path / "c", rate)
    model = CompiledModel(export, 3, int8=False, options=("-O1",))
    for window, hz in sample_windows(bundle.input, rate)[:3]:
        wanted = standardize_window(window, hz, bundle.recipe)
        found = model.standardized(window[0], bundle.recipe.samples)
        assert np.abs(found - wanted[0]).max() <= 1e-4
        answer = model.answer(window[0])
        assert np.abs(answer.logits - logits_by_torch(bundle, wanted[np.newaxis])[0]).max() <= 1e-4


def test_eight_bits_of_a_committee_are_exact_integers(tmp_path: Path) -> None:
    export = small_export(small_bundle(tmp_path / "made"), tmp_path / "c", 200.0)
    done = make(export, "check", "CFLAGS=-O1")
    assert done.returncode == 0, done.stdout + done.stderr
    # A changed recipe is noticed.
    header = export / "recipe.h"
    header.write_text(header.read_text().replace("{CLIP, 0, 15.0, 0.0}", "{CLIP, 0, 1.0, 0.0}"))
    assert "NOT the expected answers" in make(export, "check", "CFLAGS=-O1").stdout


def test_several_targets_have_thresholds(tmp_path: Path) -> None:
    thresholds = {"values": [0.4, 0.6, None], "criterion": "-", "fitted_on": "-"}
    bundle = small_bundle(tmp_path / "made", thresholds=thresholds)
    model = CompiledModel(
        small_export(bundle, tmp_path / "c", 200.0), 3, int8=False, options=("-O0",)
    )
    answer = model.decide(np.array([0.0, 0.0, 800.0]))  # not calibrated: sigmoid(0) is 0.5
    assert answer.probabilities.tolist() == [0.5, 0.5, 1.0]
    assert answer.present == (1, 0, -1)
    assert model.decide(np.array([-800.0, 800.0, 0.0])).probabilities.tolist() == [0.0, 1.0, 0.5]


def test_of_rhythms_that_exclude_each_other_the_most_probable_is_claimed(tmp_path: Path) -> None:
    names = ("SINUS RHYTHM", "SINUS TACHYCARDIA", "ATRIAL FIBRILLATION")
    thresholds = {"values": [0.5, 0.5, 0.5], "criterion": "-", "fitted_on": "-"}
    bundle = small_bundle(tmp_path / "made", names=names, thresholds=thresholds)
    model = CompiledModel(
        small_export(bundle, tmp_path / "c", 200.0), 3, int8=False, options=("-O0",)
    )
    for logits, present in (
        ([-1.0, 2.0, 1.0], (0, 1, -1)),
        ([-1.0, 1.0, 2.0], (0, -1, 1)),
        ([1.0, 3.0, 2.0], (1, 1, -1)),  # the origin and the rate of one rhythm
        ([1.0, 2.0, 2.0], (1, 1, -1)),  # of two equal ones the first
        ([-1.0, -2.0, 1.0], (0, 0, 1)),
    ):
        assert model.decide(np.array(logits)).present == present


def test_what_has_no_form_in_c(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"reads 12 leads; only one-lead models"):
        export_bundle("ptbxl-superclass-12lead", tmp_path / "c", format="c")
    linear = make_bundle(
        tmp_path / "linear", np.zeros((1, 2)), lead_mode="any-single", leads=("I",),
        preprocessing="single-lead-rhythm@1",
    )  # fmt: skip
    with pytest.raises(BundleError, match=r"network linear has no form in C\. rhythm-net has one"):
        export_bundle(linear, tmp_path / "c", format="c")
    with pytest.raises(BundleError, match="--sampling-rate is for --format c"):
        export_bundle(EDGE, tmp_path / "c", sampling_rate=250.0)
    with pytest.raises(SamplingRateError, match="not a number of Hz"):
        export_bundle(EDGE, tmp_path / "c", format="c", sampling_rate=200.0001e6)
    median = {**small_recipe("clipped in mV, padding counted")}
    median["steps"] = [*median["steps"][:4], {"step": "subtract-running-median",
                       "kernel_samples": 101}, *median["steps"][4:]]  # fmt: skip
    with pytest.raises(BundleError, match="subtract-running-median has no form in C"):
        small_export(small_bundle(tmp_path / "median", median), tmp_path / "c", 200.0)
    assert not (tmp_path / "c").exists()


def test_a_changed_shape_of_the_weights_is_refused(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path / "made")
    document = json.loads((bundle.folder / "bundle.json").read_text())
    document["architecture"]["configuration"]["members"] = 3
    (bundle.folder / "bundle.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match="weights do not fit rhythm-net"):
        small_export(load_bundle(bundle.folder), tmp_path / "c", 200.0)


# --- memory, arithmetic, hygiene ----------------------------------------------------------------


def test_figures_of_the_readme(folder: Path, compiled: CompiledModel) -> None:
    text = (folder / "README.md").read_text()
    # The card of the model: 63.6 million for 30 s, 21.3 million for 10 s.
    assert "Multiply-adds: 21.3 million for 10 s, 63.6 million for 30 s." in text
    # float32: two places of 24,000 activations (3,000 positions of 8 channels), 384 features of the
    # embedding, 9,000 bits rounded up to words, and 8 bytes.
    assert compiled.workspace_bytes == 2 * 4 * 24_000 + 4 * 384 + 1128 + 8 == 194_672
    assert "| workspace, bytes (static RAM) | 194,672 | 63,008 |" in text
    # int8: the raw window of 9,000 samples with 21 beside it, and 6,000 samples with 21, in float.
    eight = CompiledModel(folder, 4, int8=True, options=("-O0",))
    assert eight.workspace_bytes == 4 * (9_000 + 42) + 4 * (6_000 + 42) + 4 * 384 + 1128 + 8
    assert "Not a medical device" in text and "was\nnot measured" in text


def test_no_heap_and_no_writable_data(folder: Path, tmp_path: Path) -> None:
    if shutil.which("nm") is None:
        pytest.skip("no nm")
    found = compiler()
    assert found is not None
    for int8 in (False, True):
        define = ["-DECG_INT8"] if int8 else []
        for source in sources(int8=int8)[:-1]:  # the last holds the weights alone
            target = tmp_path / f"{source}.o"
            command = [found, *STRICT, "-O1", "-fno-pie", *define, "-c", source, "-o", str(target)]
            subprocess.run(command, cwd=folder, check=True)
            symbols = subprocess.run(
                ["nm", str(target)], capture_output=True, text=True, check=True
            ).stdout.split("\n")
            outside = {line.split()[-1] for line in symbols if " U " in line}
            standard = {name for name in outside if not name.startswith("ecg_")}
            assert standard <= {"memcpy", "memset", "memmove", "expf", "rint", "sqrt",
                                "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}, source  # fmt: skip
            writable = [line for line in symbols if re.search(r" [bBdDC] ", line)]
            assert not writable, (source, writable)


@pytest.mark.slow
def test_no_undefined_behaviour_and_no_warning(folder: Path, tmp_path: Path) -> None:
    found = compiler()
    assert found is not None
    pedantic = ["-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wdouble-promotion",
                "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Wcast-qual", "-Wvla",
                "-Wfloat-equal"]  # fmt: skip
    for int8 in (False, True):
        program = tmp_path / f"check_{int8}"
        define = ["-DECG_INT8"] if int8 else []
        command = [found, *STRICT, *pedantic, "-O1", "-g", "-fsanitize=address,undefined",
                   "-fno-sanitize-recover=all", *define, *sources(int8=int8), "example.c", "-lm",
                   "-o", str(program)]  # fmt: skip
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if "cannot find" in built.stderr:
            pytest.skip("the compiler has no sanitizers")
        assert built.returncode == 0, built.stderr
        assert subprocess.run([program], check=False, capture_output=True).returncode == 0


def test_kinds_do_not_link_together(folder: Path, tmp_path: Path) -> None:
    found = compiler()
    assert found is not None
    part = tmp_path / "example.o"
    subprocess.run([found, "-DECG_INT8", "-c", "example.c", "-o", part], cwd=folder, check=True)
    done = subprocess.run(
        [found, *sources(int8=False)[:-1], part, "-lm", "-o", tmp_path / "mixed"],
        cwd=folder, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0 and "undefined reference to `ecg_run_int8'" in done.stderr


# --- on a Cortex-M ------------------------------------------------------------------------------

BOARDS = {
    "cortex-m4": ("mps2-an386", "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16"),
    "cortex-m7": ("mps2-an500", "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-d16"),
    "cortex-m3": ("mps2-an385", "-mcpu=cortex-m3 -mthumb"),  # no FPU at all
}


def need(*programs: str) -> None:
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not here: {', '.join(missing)} (Debian: gcc-arm-none-eabi "
                    "libnewlib-arm-none-eabi qemu-system-arm)")  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("core", "kind"),
    [("cortex-m4", "float"), ("cortex-m4", "int8"), ("cortex-m7", "float"), ("cortex-m3", "int8")],
)
def test_a_cortex_m_in_qemu_gives_the_same_answers(core: str, kind: str, folder: Path) -> None:
    need("arm-none-eabi-gcc", "qemu-system-arm", "make")
    machine, cpu = BOARDS[core]
    (folder / f"{kind}.elf").unlink(missing_ok=True)
    build = [f"{kind}.elf", f"CPU={cpu}"]
    built = make(folder, *build)
    assert built.returncode == 0, built.stderr
    emulator = ["qemu-system-arm", "-M", machine, "-nographic", "-semihosting", "-kernel"]
    done = subprocess.run(  # what semihosting prints comes out as errors
        [*emulator, f"{kind}.elf"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0 and "\nas expected" in done.stdout, done.stdout
    (stack,) = re.findall(r"stack, bytes: (\d+)", done.stdout)
    assert 256 < int(stack) < 2048
    # Pointers are half as wide there, and the workspace has none.
    assert f"workspace, bytes: {194_672 if kind == 'float' else 63_008}\n" in done.stdout


@pytest.mark.slow
def test_flash_on_a_cortex_m4(folder: Path) -> None:
    need("arm-none-eabi-gcc", "arm-none-eabi-size", "make")
    done = make(folder, "size")
    assert done.returncode == 0, done.stderr
    totals = [
        [int(number) for number in line.split()[:3]]
        for line in done.stdout.split("\n")
        if "(TOTALS)" in line
    ]
    # 236,904 weights of four bytes or one, the tables, and code of less than 12 kB.
    assert [bss + data for _, data, bss in totals] == [0, 0]
    assert 947_616 < totals[0][0] < 947_616 + 20_000
    assert 236_904 < totals[1][0] < 236_904 + 27_000
    frames = [int(n) for n in re.findall(r"\t(\d+)\tstatic", done.stdout)]
    assert frames and max(frames) < 1024


# --- the command --------------------------------------------------------------------------------


def test_command_and_calibration_on_recordings(
    folder: Path, fixtures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def scale(of: Path) -> float:
        text = (of / "ecg_weights_int8.c").read_text()
        (found,) = re.findall(r"ecg_last_scale\[ECG_MEMBERS\] = \{(.*)f\};", text)
        return float(found)

    output = tmp_path / "c"
    command = ["models", "export", EDGE, "--format", "c", "-o", str(output)]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--calibration", str(fixtures / "cinc2017")])
    assert ended.value.code == 0
    assert "check it there with: make check" in capsys.readouterr().out.replace("\n", " ")
    config = (output / "ecg_config.h").read_text()
    assert "#define ECG_INPUT_RATE_HZ 200.0\n#define ECG_INPUT_SAMPLES 6000\n" in config
    assert "RESAMPLING_POLYPHASE 0" in (output / "recipe.h").read_text()
    assert scale(output) != scale(folder)  # other recordings, another range
    (tmp_path / "empty").mkdir()
    with pytest.raises(EcgFoundryError):
        export_bundle(EDGE, tmp_path / "none", format="c", calibration=tmp_path / "empty")
