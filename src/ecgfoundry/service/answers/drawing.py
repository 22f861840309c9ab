"""What the page shows of a recording itself: its summary, and samples to draw."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import window_source
from ecgfoundry.inference.windows import WindowSource
from ecgfoundry.recording import Recording
from ecgfoundry.service.work import Result, Work, json_body
from ecgfoundry.signals.filters import butterworth_sos, zero_phase_sos

__all__ = ["description"]

DRAWN_S = 60.0
_LARGEST_INT16 = 32767


def description(work: Work) -> Result:
    """Return what the file says of itself, and the samples of a part if they are wanted."""
    from ecgfoundry.reports.recording_summary import QUALITY_SECONDS, recording_summary

    with open_file(work.path, work.options) as file:
        source = window_source(file)
        begun = file.read_seconds(0.0, QUALITY_SECONDS)
        document: dict[str, Any] = recording_summary(begun, file.info, name=work.name)
        if work.samples:
            document["signal"] = _samples(source, work.start_s, work.duration_s, work.filtered)
            document["overview"] = _overview(source) if work.duration_s is None else None
    return Result(json_body(document))


def _band_passed(signal: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """0.67-40 Hz, order 4, zero phase: the band of the recipe ``ecgfounder-finetune``, in mV."""
    missing = np.isnan(signal)
    band = (0.67, min(40.0, 0.45 * rate))
    if signal.shape[1] < rate or band[1] <= band[0]:
        return signal
    sections = butterworth_sos(4, band, "bandpass", rate)
    return np.where(missing, np.nan, zero_phase_sos(sections, np.where(missing, 0.0, signal)))


def _samples(
    source: WindowSource, start_s: float, duration_s: float | None, filtered: bool
) -> dict[str, Any]:
    """Samples as int16 with a gain of their own per part, for drawing; -32768 is missing."""
    rate = source.sampling_rate
    start = min(max(round(start_s * rate), 0), source.samples)
    seconds = DRAWN_S if duration_s is None else min(duration_s, DRAWN_S)
    stop = min(start + max(round(seconds * rate), 0), source.samples)
    part: Recording = source.part(start, stop)
    signal = part.signal.astype(np.float64)
    if filtered:
        signal = _band_passed(signal, rate)
    largest = float(np.nanmax(np.abs(signal))) if np.isfinite(signal).any() else 0.0
    gain = max(largest / _LARGEST_INT16, 1e-6)
    stored = np.where(np.isnan(signal), -32768, np.round(np.nan_to_num(signal) / gain))
    return {
        "encoding": "int16-le-base64, one lead after the other; -32768 is missing",
        "millivolts_per_unit": gain,
        "start_s": start / rate,
        "samples": stop - start,
        "leads": list(part.leads),
        "data": base64.b64encode(stored.astype("<i2").tobytes()).decode(),
    }


def _overview(source: WindowSource, columns: int = 1200) -> dict[str, Any] | None:
    """Lowest and highest value of the first lead in equal parts of a long recording, in mV."""
    seconds = source.samples / source.sampling_rate
    if seconds <= DRAWN_S:
        return None
    edges = np.linspace(0, source.samples, columns + 1).astype(int)
    low: list[float | None] = []
    high: list[float | None] = []
    step = max(round(600 * source.sampling_rate), 1)
    block_start, block = 0, source.part(0, min(step, source.samples)).signal[0]
    for begin, end in pairwise(edges):
        pieces = []
        while begin < end:
            if begin >= block_start + len(block):
                block_start = int(begin)
                block = source.part(block_start, min(block_start + step, source.samples)).signal[0]
            until = min(end, block_start + len(block))
            pieces.append(block[begin - block_start : until - block_start])
            begin = until
        values = np.concatenate(pieces) if pieces else np.empty(0)
        values = values[np.isfinite(values)]
        low.append(round(float(values.min()), 3) if len(values) else None)
        high.append(round(float(values.max()), 3) if len(values) else None)
    return {"lead": source.leads[0], "seconds": seconds, "low": low, "high": high}
