"""Reference implementations, written plainly from the descriptions of what they measure."""

from __future__ import annotations

import numpy as np
import scipy.signal as ss
from numpy.typing import NDArray


def ecgfounder_finetune_per_lead(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fine-tuning recipe of ECGFounder as its description reads, one lead after the other."""
    notch = ss.iirnotch(50, 30, 500)
    band = ss.butter(4, [0.67, 40], btype="bandpass", fs=500)
    out = np.empty_like(x)
    for k, lead in enumerate(x):
        filtered = ss.filtfilt(*band, ss.filtfilt(*notch, lead))
        out[k] = filtered - ss.medfilt(filtered, 201)
    return (out - out.mean()) / (out.std() + 1e-8)


def single_lead_rhythm(x: NDArray[np.float64], sampling_rate: int) -> NDArray[np.float64]:
    """The recipe of the rhythm models as its card reads: one lead (samples,) to (6000,)."""
    x = ss.resample_poly(x, 200, sampling_rate, padtype="line")
    band = ss.butter(3, [0.5, 40], btype="bandpass", fs=200, output="sos")
    x = ss.sosfiltfilt(band, x)
    x = np.clip((x - x.mean()) / x.std(), -15, 15)
    return np.pad(x, (0, 6000 - len(x)))
