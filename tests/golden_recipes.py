"""Golden outputs of the preprocessing recipes, made apart from the code that they check.

The values in ``fixtures/golden/recipes.npz`` come from :func:`exact` below: every recipe written
out once more, with its filters designed and run in 80-bit floating point (x86), so that they are
the right answer to more digits than a float32 has and belong to no machine. A recipe, once
released, never changes its output, so neither does this file.

::

    python -m tests.golden_recipes write     # make the file anew (x86 only; a new recipe or case)
    python -m tests.golden_recipes digests   # SHA-256 of the outputs of this installation

Two installations, or one before and after a change, give the same bits if ``digests`` prints the
same for both. That is asked of one machine with one set of libraries: NumPy and SciPy round
differently elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import scipy.signal as ss
from numpy.typing import NDArray

FIXTURES = Path(__file__).with_name("fixtures")
STORED = FIXTURES / "golden" / "recipes.npz"

Array = NDArray[Any]
Long = np.longdouble
PI = 4 * np.arctan(Long(1))


# --- cases ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One raw window (leads, samples), and what is known of it."""

    window: Array
    sampling_rate: float
    mains_frequency: float | None = None
    gain: float | None = None

    @property
    def millivolts(self) -> Array:
        """The window in mV, as every way in takes integers: product in float64, then float32."""
        if self.gain is None:
            return self.window.astype(np.float64)
        return (self.window * self.gain).astype(np.float32).astype(np.float64)


def _matlab(name: str) -> Array:
    return scipy.io.loadmat(FIXTURES / f"{name}.mat")["val"] / 1000.0


def cases(recipe: str) -> dict[str, Case]:
    """Return the windows of a recipe: real records of the fixtures, at four rates."""
    mitdb = np.fromfile(FIXTURES / "mitdb" / "201_450s.dat", "<i2").reshape(-1, 2).T / 200.0
    if recipe == "single-lead-rhythm@1":
        gaps = mitdb[:1, 3600:14_400].copy()
        gaps[0, 2000:2777] = np.nan
        gaps[0, :90] = np.nan
        spike = _matlab("cinc2017/A00005")[:, 9000:].copy()
        spike[0, 4321:4323] += 100.0  # a z-score beyond the limit of 15
        return {
            "cinc2017-A00001": Case(_matlab("cinc2017/A00001"), 300.0),
            "cinc2017-A00005-spike": Case(spike, 300.0),
            "mitdb-201-gaps": Case(gaps, 360.0),
            "ptbxl-HR06005-10s": Case(_matlab("cinc2021/HR06005")[1:2], 500.0),
        }
    ludb = np.fromfile(FIXTURES / "ludb" / "8.dat", "<i2").reshape(-1, 12).T
    if recipe == "ecg-fm@1":  # up to 5 s
        gaps = _matlab("cinc2021/E07500")[:, :2150].copy()
        gaps[1, 1000:1500] = np.nan
        gaps[0, 2100:] = np.nan
        gaps[10, :120] = np.nan
        gaps[7] = np.nan  # V2 is absent
        return {
            "ptbxl-HR06005-5s": Case(_matlab("cinc2021/HR06005")[:, :2500], 500.0),
            "georgia-E07500-gaps": Case(gaps, 500.0),
            "mitdb-201-5s": Case(mitdb[:, 3600:5400], 360.0),
            "ludb-8-integers-4s": Case(
                np.ascontiguousarray(ludb[:3, 100:2100]), 500.0, gain=1 / 1000
            ),
        }
    gaps = _matlab("cinc2021/E07500")[:, :3650].copy()
    gaps[1, 1000:1500] = np.nan
    gaps[0, 3600:] = np.nan
    gaps[10, :120] = np.nan
    gaps[7] = np.nan  # V2 is absent
    return {
        "ptbxl-HR06005": Case(_matlab("cinc2021/HR06005"), 500.0),
        "georgia-E07500-gaps-60Hz": Case(gaps, 500.0, mains_frequency=60.0),
        "mitdb-201-50Hz": Case(mitdb[:, 3600:7200], 360.0, mains_frequency=50.0),
        "ludb-8-integers-4s": Case(np.ascontiguousarray(ludb[:3, 100:2100]), 500.0, gain=1 / 1000),
    }


RECIPES = (
    "ecg-cpc@1",
    "ecg-fm@1",
    "ecgfounder-finetune@1",
    "ecgfounder-paper@1",
    "ecgfounder-ptbxl-eval@1",
    "ptbxl-bandpass@1",
    "single-lead-rhythm@1",
    "twelve-lead-100hz@1",
)


def kept(samples: int) -> Array:
    """Return which samples are stored: 40 at each end, where the edges are, and every 20th."""
    k = np.arange(samples)
    return np.flatnonzero((k < 40) | (k >= samples - 40) | (k % 20 == 0))


# --- the exact answer -----------------------------------------------------------------------------


def _design(
    order: int, cutoff: tuple[str, ...], kind: str, rate: float
) -> list[tuple[list[Long], list[Long]]]:
    """Return sections (b, a) of a Butterworth filter; cut-offs as decimals, in Hz."""
    poles = [-np.exp(1j * PI * m / (2 * order)) for m in range(-order + 1, order, 2)]
    warped = [4 * np.tan(PI * Long(edge) / Long(rate)) for edge in cutoff]
    gain = Long(1)
    if kind == "lowpass":
        poles, zero = [p * warped[0] for p in poles], [1, 2, 1]
        gain = warped[0] ** order
    elif kind == "highpass":
        poles, zero = [warped[0] / p for p in poles], [1, -2, 1]
    else:
        width, centre = warped[1] - warped[0], warped[0] * warped[1]
        halves = [p * width / 2 for p in poles]
        roots = [np.sqrt(half * half - centre) for half in halves]
        poles = [h + s * r for h, r in zip(halves, roots, strict=True) for s in (1, -1)]
        zero, gain = [1, 0, -1], width**order
    # Bilinear transform with a sampling rate of 2: zeros at 0 become 1 (a factor 4 each), those at
    # infinity -1 (a factor 1).
    zeros_at_0 = {"lowpass": 0, "highpass": len(poles), "bandpass": order}[kind]
    gain = gain * Long(4) ** zeros_at_0 / np.prod([4 - p for p in poles]).real
    digital = [(4 + p) / (4 - p) for p in poles]
    upper = sorted((p for p in digital if p.imag > 1e-9), key=abs)
    real = [p.real for p in digital if abs(p.imag) <= 1e-9]
    denominators = [[Long(1), -2 * p.real, abs(p) ** 2] for p in upper]
    if real:
        denominators.append([Long(1), -(real[0] + real[1]), real[0] * real[1]])
    sections = [([Long(z) for z in zero], a) for a in denominators]
    sections[0] = ([gain * z for z in sections[0][0]], sections[0][1])
    return sections


def _notch(frequency: str, quality: str, rate: float) -> list[tuple[list[Long], list[Long]]]:
    angle = 2 * PI * Long(frequency) / Long(rate)
    gain = 1 / (1 + np.tan(angle / Long(quality) / 2))
    middle = -2 * np.cos(angle) * gain
    return [([gain, middle, gain], [Long(1), middle, 2 * gain - 1])]


def _zero_phase(x: Array, sections: list[tuple[list[Long], list[Long]]], pad: int) -> Array:
    """Forwards and backwards over an odd extension, each way from its steady state."""
    x = x.astype(Long)
    before = 2 * x[:, :1] - x[:, pad:0:-1]
    after = 2 * x[:, -1:] - x[:, -2 : -pad - 2 : -1]
    y = np.concatenate([before, x, after], axis=1)
    for _ in range(2):
        for b, a in sections:
            level = sum(b) / sum(a)
            s1, s2 = (level - b[0]) * y[:, 0], (b[2] - a[2] * level) * y[:, 0]
            out = np.empty_like(y)
            for t in range(y.shape[1]):
                value = y[:, t]
                result = b[0] * value + s1
                s1 = b[1] * value - a[1] * result + s2
                s2 = b[2] * value - a[2] * result
                out[:, t] = result
            y = out
        y = y[:, ::-1]
    return y[:, pad:-pad]


def _float32(x: Array) -> Array:
    return x.astype(np.float32).astype(Long)


def _linear(x: Array, source: float, target: float) -> Array:
    if source == target:
        return x
    time = np.arange(round(x.shape[1] * target / source)) / target
    return np.stack([np.interp(time, np.arange(len(row)) / source, row) for row in x])


def _bridged(x: Array) -> Array:
    x = x.copy()
    index = np.arange(x.shape[1])
    for row in x:
        gap = np.isnan(row)
        row[gap] = np.interp(index[gap], index[~gap], row[~gap])
    return x


def _polyphase(x: Array, source: float, target: float) -> Array:
    up, down = {
        (500.0, 500.0): (1, 1),
        (360.0, 500.0): (25, 18),
        (300.0, 200.0): (2, 3),
        (360.0, 200.0): (5, 9),
        (500.0, 200.0): (2, 5),
        (360.0, 100.0): (5, 18),
        (500.0, 100.0): (1, 5),
        (360.0, 240.0): (2, 3),
        (500.0, 240.0): (12, 25),
    }[source, target]
    if up == down:
        return x
    centre = np.median(x, axis=1, keepdims=True)
    return centre + ss.resample_poly(x - centre, up, down, axis=1, padtype="line")


def _less_median(x: Array, kernel: int) -> Array:
    padded = np.pad(x, ((0, 0), (kernel // 2, kernel // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=1)
    return x - np.stack([np.sort(row, axis=1)[:, kernel // 2] for row in windows])


def _joint(x: Array) -> Array:
    return (x - x.mean()) / (x.std() + Long("1e-8"))


def _each(x: Array) -> Array:
    return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)


def _blanked(x: Array, gaps: Array, source: float, target: float) -> Array:
    nearest = np.rint(np.arange(x.shape[1]) * (source / target)).astype(int)
    return np.where(gaps[:, np.minimum(nearest, gaps.shape[1] - 1)], 0, x)


def exact(recipe: str, case: Case) -> NDArray[np.float32]:
    """Return the standardized window (leads, samples) to more digits than float32 has."""
    raw = case.millivolts
    there = ~np.isnan(raw).all(axis=1)
    raw = raw[there]
    gaps, rate = np.isnan(raw), case.sampling_rate
    zeros = np.where(gaps, 0.0, raw)
    if recipe == "ecg-cpc@1":
        length = 2400
        x = _polyphase(zeros, rate, 240.0)
    elif recipe == "ecg-fm@1":
        length = 2500
        x = _float32(_linear(_bridged(raw), rate, 500.0))
        x = (x - x.mean(axis=1, keepdims=True)) / (x.std(axis=1, keepdims=True) + Long("1e-8"))
    elif recipe == "ecgfounder-finetune@1":
        length = 5000
        x = _float32(_linear(zeros, rate, 500.0))
        x = _zero_phase(x, _notch("50", "30", 500), 9)
        x = _zero_phase(x, _design(4, ("0.67", "40"), "bandpass", 500), 27)
        x = _joint(_less_median(x, 201))
    elif recipe == "ecgfounder-paper@1":
        length = 5000
        x = _float32(_linear(zeros, rate, 500.0))
        x = _zero_phase(x, _design(2, ("0.5",), "highpass", 500), 9)
        x = _zero_phase(x, _design(2, ("50",), "lowpass", 500), 9)
        known = case.mains_frequency
        for frequency in ("50", "60") if known is None else (f"{known:g}",):
            x = _zero_phase(x, _notch(frequency, "30", 500), 9)
        x = _joint(np.pad(x, ((0, 0), (0, 5000 - x.shape[1]))))
    elif recipe == "ecgfounder-ptbxl-eval@1":
        length = 5000
        x = _linear(_joint(zeros.astype(Long)).astype(np.float64), rate, 500.0)
    elif recipe == "ptbxl-bandpass@1":
        length = 2500
        x = _float32(_polyphase(_bridged(raw), rate, 500.0))
        x = _zero_phase(x, _design(4, ("0.5", "40"), "bandpass", 500), 27)
        x = _blanked(_each(x[:, ::2]), gaps, rate, 250.0)
    elif recipe == "twelve-lead-100hz@1":
        length = 1000
        x = _float32(_polyphase(_bridged(raw), rate, 100.0))
        x = _zero_phase(x, _design(3, ("0.5", "40"), "bandpass", 100), 21)
        x = _blanked(_each(x), gaps, rate, 100.0)
    else:
        length = 6000
        x = _float32(_polyphase(_bridged(raw), rate, 200.0))
        x = _zero_phase(x, _design(3, ("0.5", "40"), "bandpass", 200), 21)
        x = _blanked(np.clip(_each(x), -15, 15), gaps, rate, 200.0)
    result = np.full((len(there), length), np.nan, dtype=np.float32)
    result[there] = np.pad(x, ((0, 0), (0, length - x.shape[1]))).astype(np.float32)
    return result


# --- stored ---------------------------------------------------------------------------------------


def stored(recipe: str, case: str) -> NDArray[np.float32]:
    """Return the stored samples (leads, len(kept)) of one case."""
    with np.load(STORED) as archive:
        values: NDArray[np.float32] = archive[f"{recipe}/{case}"]
    return values


def write() -> None:
    """Make the file anew."""
    if np.finfo(Long).eps > 1.1e-19:
        sys.exit("there are no 80-bit numbers on this processor")
    arrays = {}
    for recipe in RECIPES:
        for name, case in cases(recipe).items():
            whole = exact(recipe, case)
            arrays[f"{recipe}/{name}"] = whole[:, kept(whole.shape[1])]
    np.savez_compressed(STORED, **arrays)


def digests() -> dict[str, str]:
    """Return the SHA-256 of the whole output of every case, with and without kernels."""
    from ecgfoundry import native
    from ecgfoundry.preprocessing import standardize_windows

    result = {}
    for engine in ("auto", "0"):
        os.environ[native.VARIABLE] = engine
        for recipe in RECIPES:
            for name, case in cases(recipe).items():
                output = standardize_windows(
                    case.window[np.newaxis],
                    case.sampling_rate,
                    recipe,
                    mains_frequency=case.mains_frequency,
                    gain=case.gain,
                )[0]
                key = f"{recipe} {name} {'kernels' if engine == 'auto' else 'numpy'}"
                result[key] = hashlib.sha256(output.tobytes()).hexdigest()
    return result


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    elif sys.argv[1:] == ["digests"]:
        for key, digest in digests().items():
            print(digest, key)
    else:
        sys.exit(__doc__)
