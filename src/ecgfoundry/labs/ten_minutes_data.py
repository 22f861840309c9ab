"""Ten minutes of ECG and pulse of each MC-MED visit: found by their clocks, read, averaged.

The span is the first one of the wanted length that one segment of lead II and one of Pleth both
cover. It is cut into windows of ten seconds; each readable window goes through a frozen network
and through the hand-crafted features, and a visit is the mean of its windows (SignalMC-MED, arXiv
2603.09940: sixty windows). Which ten minutes, and what counts as readable, the paper does not say:
our choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.datasets.mc_med_waveforms import (
    Waveform,
    describe_waveform,
    find_waveforms,
    read_waveform,
)
from ecgfoundry.errors import EcgFoundryError, TrainingError
from ecgfoundry.formats.common.channels import are_ecg_leads
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.windows import InputLeads, prepare_together
from ecgfoundry.labs.upright import mostly_inverted
from ecgfoundry.measurements.features import feature_matrix
from ecgfoundry.measurements.pulse import pulse_feature_matrix
from ecgfoundry.preprocessing import standardize_windows
from ecgfoundry.recording import Recording

__all__ = ["SIGNALS", "Span", "VisitNumbers", "common_spans", "measure_span"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

SIGNALS = {"ecg": "II", "ppg": "Pleth"}
"""Name -> kind of waveform of MC-MED."""
WINDOW_S = 10.0
FEWEST_READABLE = 0.5
"""Share of a visit's windows that must be readable in each signal (our choice)."""
LARGEST_GAP = 0.2
"""A pulse window of which more is missing is not read (our choice)."""


@dataclass(frozen=True)
class Span:
    """The same seconds of both signals of a visit.

    Attributes
    ----------
    visit : str
    waveforms : mapping of str to Waveform
        By the names of :data:`SIGNALS`.
    start_us : int
        Microseconds since 1970.
    windows : int
        Of ten seconds.
    """

    visit: str
    waveforms: dict[str, Waveform]
    start_us: int
    windows: int

    @property
    def end_us(self) -> int:
        """Where the last window ends."""
        return self.start_us + round(self.windows * WINDOW_S * 1e6)


@dataclass(frozen=True)
class VisitNumbers:
    """The means of a visit's readable windows.

    Attributes
    ----------
    embeddings, features : mapping of str to ndarray (numbers,)
        By the names of :data:`SIGNALS`.
    readable : mapping of str to int
        Windows that the means are of.
    """

    embeddings: dict[str, Float64]
    features: dict[str, Float64]
    readable: dict[str, int]


def common_spans(
    folder: Path, ecg: Sequence[Waveform], *, windows: int
) -> tuple[list[Span], dict[str, int]]:
    """Find the span of each visit, without reading a signal.

    Parameters
    ----------
    folder : Path
        That holds visits.csv.
    ecg : sequence of Waveform
        Readable segments of lead II, described.
    windows : int
        How many windows of ten seconds a span has.

    Returns
    -------
    list of Span
        Sorted by visit.
    dict of str to int
        Why visits have none -> how many.
    """
    pulses: dict[str, list[Waveform]] = defaultdict(list)
    for waveform in find_waveforms(folder, SIGNALS["ppg"])[0]:
        try:
            pulses[waveform.visit].append(describe_waveform(folder, waveform))
        except EcgFoundryError:
            continue  # a broken segment is as good as none
    beside: dict[str, list[Waveform]] = defaultdict(list)
    for waveform in ecg:
        beside[waveform.visit].append(waveform)
    needed = round(windows * WINDOW_S * 1e6)
    spans, reasons = [], {"no pulse": 0, f"both signals shorter than {windows} windows": 0}
    for visit in sorted(beside):
        found = [
            (max(one.start_us, other.start_us), one, other)
            for one in beside[visit]
            for other in pulses.get(visit, ())
            if one.start_us is not None
            and other.start_us is not None
            and min(_end(one), _end(other)) - max(one.start_us, other.start_us) >= needed
        ]
        if found:
            start, one, other = min(found, key=lambda each: each[0])
            spans.append(Span(visit, {"ecg": one, "ppg": other}, start, windows))
        else:
            reasons["no pulse" if visit not in pulses else list(reasons)[1]] += 1
    return spans, {words: count for words, count in reasons.items() if count}


def _end(waveform: Waveform) -> int:
    return (waveform.start_us or 0) + round(1e6 * waveform.samples / waveform.sampling_rate)


def span_windows(folder: Path, span: Span, signal: str) -> Float32:
    """Read the windows (windows, samples) of one signal of a span."""
    waveform = span.waveforms[signal]
    rate = waveform.sampling_rate
    samples = read_waveform(folder, waveform)
    size = round(WINDOW_S * rate)
    first = round((span.start_us - (waveform.start_us or 0)) / 1e6 * rate)
    starts = [first + round(k * WINDOW_S * rate) for k in range(span.windows)]
    if starts[-1] + size > len(samples):  # by rounding of the clocks, one sample at most
        starts = [start - 1 for start in starts]
    return np.stack([samples[max(0, start) : max(0, start) + size] for start in starts])


def measure_span(folder: Path, span: Span, models: dict[str, Predictor]) -> VisitNumbers | None:
    """Return the means of a visit; None where too few of its windows are readable.

    Parameters
    ----------
    folder : Path
    span : Span
    models : mapping of str to Predictor
        A frozen network for each of :data:`SIGNALS`.
    """
    embeddings, features, readable = {}, {}, {}
    for signal in SIGNALS:
        raw = span_windows(folder, span, signal)
        rate = span.waveforms[signal].sampling_rate
        read = _READERS[signal]
        rows, inputs, measured = read(raw, rate, models[signal])
        if rows.sum() < max(1.0, FEWEST_READABLE * span.windows):
            return None
        embeddings[signal] = models[signal].embed(inputs).astype(np.float64).mean(axis=0)
        features[signal] = _means(measured)
        readable[signal] = int(rows.sum())
    return VisitNumbers(embeddings, features, readable)


def check_models(models: dict[str, Predictor]) -> None:
    """Refuse networks that cannot read one lead II, or one pulse, by itself.

    Raises
    ------
    TrainingError
    """
    ecg, pulse = (models[signal].bundle for signal in SIGNALS)
    if ecg.input.lead_mode == "exact" or not are_ecg_leads(ecg.input.leads):
        raise TrainingError(
            f"{ecg.name} cannot read lead II alone",
            remedy="Give --model a one-lead bundle, such as rhythm-single-lead, or one that takes "
            "any subset of leads",
        )
    if pulse.input.rows != 1:
        raise TrainingError(
            f"{pulse.name} reads {pulse.input.rows} leads; the pulse is one signal",
            remedy="Give --pulse-model a bundle of one lead, such as rhythm-single-lead",
        )


def _read_ecg(
    raw: Float32, rate: float, model: Predictor
) -> tuple[NDArray[np.bool_], Float32, Float64]:
    if mostly_inverted(raw, rate):
        raw = -raw
    spec = model.bundle.input
    leads = InputLeads.choose(spec, ("II",), lead="II")
    parts = [(Recording(row[None], rate, ("II",)), leads, 0) for row in raw]
    prepared = prepare_together(parts, spec)
    rows = np.array([window.standardized is not None for window in prepared])
    inputs = [window.standardized for window in prepared if window.standardized is not None]
    stacked = np.stack(inputs) if inputs else np.empty((0, spec.rows, spec.samples), np.float32)
    return rows, stacked, feature_matrix(raw[rows][:, None], rate, ("II",))


def _read_pulse(
    raw: Float32, rate: float, model: Predictor
) -> tuple[NDArray[np.bool_], Float32, Float64]:
    gaps = np.isnan(raw)
    filled = np.where(gaps, 0.0, raw)
    rows = (gaps.mean(axis=1) <= LARGEST_GAP) & (np.ptp(filled, axis=1) > 0)
    inputs = standardize_windows(raw[rows][:, None], rate, model.bundle.recipe)
    return rows, inputs, pulse_feature_matrix(raw[rows], rate)


_READERS: dict[
    str, Callable[[Float32, float, Predictor], tuple[NDArray[np.bool_], Float32, Float64]]
] = {"ecg": _read_ecg, "ppg": _read_pulse}


def _means(measured: Float64) -> Float64:
    """Mean over the windows in which a feature could be measured; NaN where in none."""
    known = ~np.isnan(measured)
    sums = np.where(known, measured, 0.0).sum(axis=0)
    counts = known.sum(axis=0)
    result: Float64 = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return result
