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
