"""The compiled standardization: equal to NumPy and SciPy, and to itself in every company."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.signal as ss
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.conftest import REPOSITORY
from tests.test_preprocessing import PLAIN

from ecgfoundry import native
from ecgfoundry.errors import SignalError
from ecgfoundry.native import build
from ecgfoundry.preprocessing import PREPROCESSINGS, design, get_preprocessing, standardize_windows
from ecgfoundry.preprocessing.native import KernelSteps, StridedWindows, standardize_natively

FINETUNE = "ecgfounder-finetune@1"
needs_kernels = pytest.mark.skipif(
    not native.status().available, reason=f"no compiled kernels: {native.status().reason}"
)


@pytest.fixture(scope="module")
def record() -> np.ndarray:
    """The 12-lead record at 500 Hz that is part of the project, in mV."""
    path = REPOSITORY / "tests" / "fixtures" / "cinc2021" / "HR06005.mat"
    return scipy.io.loadmat(path)["val"] / 1000.0


@pytest.fixture
def fallback(monkeypatch: pytest.MonkeyPatch):
    """Calls a function without the compiled kernels."""

    def call(function, *arguments, **options):
        monkeypatch.setenv(native.VARIABLE, "0")
        try:
            return function(*arguments, **options)
        finally:
            monkeypatch.delenv(native.VARIABLE)

    return call


def without_kernels(function, *arguments, **options):
    """As the fixture, for tests that hypothesis repeats."""
    before = os.environ.get(native.VARIABLE)
    os.environ[native.VARIABLE] = "0"
    try:
        return function(*arguments, **options)
    finally:
        if before is None:
            del os.environ[native.VARIABLE]
        else:
            os.environ[native.VARIABLE] = before


# --- designs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "low", "high", "rate"),
    [(4, 0.67, 40, 500), (4, 0.5, 40, 500), (3, 0.5, 40, 200), (2, 5, 15, 250), (1, 0.5, 45, 100)],
)
def test_band_pass_is_scipys(order: int, low: float, high: float, rate: float) -> None:
    ours = design.band_pass(order, low, high, rate)
    _, poles, gain = ss.butter(order, [low, high], btype="bandpass", fs=rate, output="zpk")
    zeros, given, _ = ss.sos2zpk(np.array(ours.sections))
    np.testing.assert_allclose(np.sort_complex(given), np.sort_complex(poles), atol=1e-13)
    assert sorted(zeros.real) == [-1.0] * order + [1.0] * order
    assert ours.gain == pytest.approx(gain, rel=1e-12)
    b, a = ss.butter(order, [low, high], btype="bandpass", fs=rate)
    assert ours.pad == 3 * max(len(a), len(b))


def test_sections_of_second_order_are_scipys() -> None:
    pairs = [
        (design.high_pass(2, 0.5, 500.0), ss.butter(2, 0.5, btype="highpass", fs=500)),
        (design.low_pass(2, 50.0, 500.0), ss.butter(2, 50, btype="lowpass", fs=500)),
        (design.notch(50.0, 30.0, 500.0), ss.iirnotch(50, 30, 500)),
        (design.notch(60.0, 30.0, 500.0), ss.iirnotch(60, 30, 500)),
    ]
    for ours, (b, a) in pairs:
        np.testing.assert_allclose(ours.sections[0], [*b, *a], rtol=1e-11)
        assert ours.gain == 1.0 and ours.pad == 9


# --- equal to the transcription and to the way without kernels ----------------------------------


@needs_kernels
@pytest.mark.parametrize("name", ["ecgfounder-finetune@1", "ecgfounder-paper@1"])
@pytest.mark.parametrize("samples", [500, 777, 3000, 4999, 5000])
def test_windows_of_any_length_meet_the_transcription(name, samples: int, record) -> None:
    x = record[:, :samples]
    ours = standardize_windows(x[None], 500, name)[0]
    wanted = PLAIN[name](x)
    assert np.abs(ours[:, : wanted.shape[1]] - wanted).max() <= 1e-4


@needs_kernels
def test_the_unscaled_signal_is_within_two_hundredths_of_a_microvolt(record) -> None:
    """2e-5 mV before the z-score: between two SciPy installations there are 8e-6 mV."""
    b, a = ss.iirnotch(50, 30, 500)
    x = ss.filtfilt(b, a, record)
    x = ss.filtfilt(*ss.butter(4, [0.67, 40], btype="bandpass", fs=500), x)
    x = x - np.stack([ss.medfilt(lead, 201) for lead in x])
    ours = standardize_windows(record[None], 500, FINETUNE)[0].astype(np.float64)
    unscaled = ours * (x.std() + 1e-8) + x.mean()
    assert np.abs(unscaled - x).max() <= 2e-5


DEFECTS = ("offset", "spike", "step", "quantized", "flat", "zero", "gap", "absent")


@st.composite
def raw_windows(draw):
    """Windows as devices give them: drift, mains, offsets, spikes, steps, gaps, dead leads."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate = draw(st.sampled_from([500, 500, 250, 257, 300, 1000]))
    leads = draw(st.integers(1, 13))
    samples = draw(st.integers(rate, 3 * rate))
    time = np.arange(samples) / rate
    x = np.empty((leads, samples))
    for row in x:
        phase = (time * generator.uniform(0.6, 3)) % 1.0
        row[:] = generator.uniform(-2, 2) * np.exp(-0.5 * ((phase - 0.5) / 0.02) ** 2)
        row += generator.uniform(0, 1) * np.sin(2 * np.pi * generator.uniform(0.05, 0.7) * time)
        row += generator.uniform(0, 0.2) * np.sin(2 * np.pi * 50 * time)
        row += generator.normal(0, generator.choice([0.0, 0.001, 0.05]), samples)
    defects = draw(st.lists(st.sampled_from(DEFECTS), max_size=4))
    for defect in defects:
        row = x[generator.integers(leads)]
        at = int(generator.integers(samples))
        match defect:
            case "offset":
                row += generator.uniform(-50, 50)
            case "spike":
                row[at] += generator.uniform(-30, 30)
            case "step":
                row[at:] += generator.uniform(-5, 5)
            case "quantized":
                row[:] = np.round(row * 20) / 20
            case "flat":
                row[:] = generator.uniform(-1, 1)
            case "zero":
                row[:] = 0
            case "gap":
                row[at : at + int(generator.integers(1, samples))] = np.nan
            case "absent":
                row[:] = np.nan
    return x.astype(draw(st.sampled_from([np.float32, np.float64]))), float(rate)


@needs_kernels
@pytest.mark.parametrize("name", PREPROCESSINGS)
@settings(max_examples=25)
@given(case=raw_windows())
def test_kernels_and_fallback_agree(name: str, case) -> None:
    x, rate = case
    ours = standardize_windows(x[None], rate, name)[0]
    wanted = without_kernels(standardize_windows, x[None], rate, name)[0]
    np.testing.assert_array_equal(np.isnan(ours).all(axis=1), np.isnan(x).all(axis=1))
    present = ~np.isnan(wanted).all(axis=1)
    filled = np.nan_to_num(x[present].astype(np.float64))
    if get_preprocessing(name).joint_scaling and (np.ptp(filled, axis=1) < 1e-9).all():
        return  # only flat leads: rounding residue over epsilon, in both; the gate refuses these
    # 2e-5 mV where the z-score magnifies a nearly flat window, else 1e-4.
    assert np.isfinite(ours[present]).all()
    scale = 1.0
    if get_preprocessing(name).joint_scaling and present.any():
        smallest = filled.std(axis=1).max()
        scale = max(1.0, 0.2 / max(smallest, 1e-12))
    assert np.abs(ours[present] - wanted[present]).max(initial=0.0) <= 1e-4 * scale


@needs_kernels
@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(2, 900) | st.integers(2, 9),
    half=st.integers(1, 120),
    kind=st.sampled_from(["noise", "ties", "crowded", "constant", "walk", "negative", "tiny"]),
)
@example(seed=0, samples=2, half=1, kind="negative")
@example(seed=0, samples=3, half=1, kind="walk")
@example(seed=0, samples=3, half=120, kind="noise")
@example(seed=1, samples=4, half=1, kind="noise")
@example(seed=1, samples=5, half=2, kind="noise")
def test_the_running_median_is_exact(seed: int, samples: int, half: int, kind: str) -> None:
    """Against ``scipy.signal.medfilt``, at rows that make sorting hard."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=samples)
    match kind:
        case "ties":
            x = np.round(x)
        case "crowded":  # all values in a millionth of the range, out of order
            x = x * 1e-7
            x[generator.integers(samples)] = 100.0
        case "constant":
            x[:] = x[0]
        case "walk":
            x = np.cumsum(x)
        case "negative":
            x = -np.abs(x) - 1
        case "tiny":
            x = x * 1e-300
    x = x.astype(np.float32).astype(np.float64)
    padded = np.pad(x, 2 * half + 1)  # medfilt warns where the kernel is longer than the row
    residue = x - ss.medfilt(padded, 2 * half + 1)[2 * half + 1 : -2 * half - 1]
    steps = KernelSteps(500.0, (), median_kernel=2 * half + 1, epsilon=1.0)
    windows = StridedWindows(x, 500.0, [0], leads=1, samples=samples, lead_stride=samples)
    given = standardize_natively(windows, steps, output_samples=samples)
    wanted = (residue - residue.mean()) / (residue.std() + 1.0)
    np.testing.assert_allclose(given[0, 0], wanted, rtol=3e-7, atol=3e-7)


@needs_kernels
def test_integer_samples_are_millivolts_after_the_gain(record) -> None:
    integers = np.round(record * 1000).astype(np.int16)
    floats = (integers.astype(np.float64) * 0.001).astype(np.float32)
    given = standardize_windows(integers[None], 500, FINETUNE, gain=0.001)
    np.testing.assert_array_equal(given, standardize_windows(floats[None], 500, FINETUNE))
    plain = without_kernels(standardize_windows, integers[None], 500, FINETUNE, gain=0.001)
    assert np.abs(given - plain).max() <= 1e-4
    with pytest.raises(SignalError, match="gain"):
        standardize_windows(integers[None], 500, FINETUNE)


# --- the same bits in every company ---------------------------------------------------------


@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_a_window_is_the_same_alone_and_in_a_batch(name: str, record) -> None:
    record = record[:, : round(get_preprocessing(name).window_s * 500)]
    batch = np.stack([np.roll(record, 31 * k, axis=1) for k in range(7)]).astype(np.float32)
    batch[2, 3] = np.nan  # an absent lead moves every later row to another lane
    batch[4, :, 1000:1500] = np.nan
    together = standardize_windows(batch, 500, name)
    for k, window in enumerate(batch):
        np.testing.assert_array_equal(standardize_windows(window[None], 500, name)[0], together[k])
    for threads in (2, 3, 16):
        np.testing.assert_array_equal(
            standardize_windows(batch, 500, name, threads=threads), together
        )


@needs_kernels
@pytest.mark.parametrize("name", PREPROCESSINGS)
def test_every_instruction_set_gives_the_same_bits(name: str, record, monkeypatch) -> None:
    record = record[:, : round(get_preprocessing(name).window_s * 500)]
    best = native.INSTRUCTIONS.index(native.status().instructions or "base")
    results = []
    for instructions in native.INSTRUCTIONS[: best + 1]:
        monkeypatch.setenv(native.VARIABLE, instructions)
        assert native.status().instructions == instructions
        results.append(standardize_windows(record[None], 500, name))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


# --- which way is taken, and bad input ---------------------------------------------------------


def test_the_environment_chooses(monkeypatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "0")
    assert not native.status().available and native.library() is None
    assert "switched off by ECGFOUNDRY_NATIVE" in str(native.status())
    monkeypatch.setenv(native.VARIABLE, "mmx")
    assert "not known" in str(native.status().reason)


def test_an_empty_batch_and_absent_leads() -> None:
    assert standardize_windows(np.empty((0, 12, 5000)), 500, FINETUNE).shape == (0, 12, 5000)
    nothing = standardize_windows(np.full((2, 3, 5000), np.nan), 500, FINETUNE)
    assert np.isnan(nothing).all()


@needs_kernels
def test_a_window_outside_the_signal_is_refused() -> None:
    with pytest.raises(SignalError, match="outside"):
        standardize_natively(
            StridedWindows(np.zeros(1000), 500.0, [501], leads=1, samples=500, lead_stride=500),
            KernelSteps(500.0, ()),
            output_samples=500,
        )


# --- building ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_kernels_pass_the_sanitizers(tmp_path: Path) -> None:
    try:
        compiler = build.find_compiler()
    except build.BuildError as error:
        pytest.skip(str(error))
    options = [*build._COMMON, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    objects = []
    for name, instructions in build._INSTRUCTIONS.items():
        if name != "base" and platform.machine() != "x86_64":
            continue
        for source, own in build._PIECES.items():
            objects.append(str(tmp_path / f"{source}.{name}.o"))
            done = subprocess.run(
                [*compiler, *options, *own, *instructions, f"-DINSTRUCTIONS={name}",
                 "-c", str(build.SOURCES / source), "-o", objects[-1]],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                pytest.skip(f"no sanitizers here: {done.stderr[:200]}")
    program = tmp_path / "sanitize"
    driver = Path(__file__).with_name("sanitize_standardize.c")
    others = [str(build.SOURCES / name) for name in build.PLAIN_SOURCES]
    subprocess.run(
        [*compiler, *options, f"-I{build.SOURCES}", str(driver), *others, *objects,
         "-o", str(program), "-lm"],
        check=True,
    )  # fmt: skip
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "250"


def _build_wheel(folder: Path, **environment: str) -> zipfile.ZipFile:
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=REPOSITORY, env={**os.environ, **environment}, check=True, capture_output=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.slow
def test_a_wheel_has_the_kernels_where_there_is_a_compiler(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    wheel = _build_wheel(tmp_path, ECGFOUNDRY_BUILD_NATIVE="require")
    assert "ecgfoundry/native/kernels.bin" in wheel.namelist()
    assert "-py3-none-" in Path(wheel.filename or "").name
    assert "none-any" not in Path(wheel.filename or "").name


@pytest.mark.slow
def test_a_wheel_without_a_compiler_installs_and_says_why(tmp_path: Path) -> None:
    wheel = _build_wheel(tmp_path, CC=str(tmp_path / "no-such-compiler"))
    assert "ecgfoundry/native/kernels.bin" not in wheel.namelist()
    assert Path(wheel.filename or "").name.endswith("py3-none-any.whl")
    wheel.extractall(tmp_path / "installed")
    code = "import ecgfoundry.native as n; print(n.status())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "no-such-compiler could not be run" in done.stdout
