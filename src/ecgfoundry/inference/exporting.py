"""Export of a model with golden vectors from the real ECGs that are part of the installation."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.formats.files import read
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.inference.windows import InputLeads
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.models.export import GoldenWindow, export_model
from ecgfoundry.samples import sample_path
from ecgfoundry.signals.windows import window_bounds

__all__ = ["export_bundle", "sample_windows"]


def sample_windows(spec: InputSpec) -> list[GoldenWindow]:
    """Return raw windows of the sample ECGs that a model can read: whole, short, with a gap."""
    windows: list[GoldenWindow] = []
    for name in ("12-lead", "single-lead"):
        recording = read(sample_path(name))
        try:
            leads = InputLeads.choose(spec, recording.leads)
        except EcgFoundryError:
            continue
        chosen = recording.select(leads.rows, missing="nan")
        rate = chosen.sampling_rate
        start, stop = window_bounds(chosen.samples, rate, spec.window_s)[0]
        whole = np.array(chosen.signal[:, start:stop], dtype=np.float32)
        windows.append((whole, rate))
        windows.append((np.ascontiguousarray(whole[:, : round(0.6 * whole.shape[1])]), rate))
        gap = whole.copy()
        gap[0, 200:450] = np.nan
        windows.append((gap, rate))
    return windows


def export_bundle(model: str | Path, output: str | Path, *, format: str = "onnx") -> Path:
    """Export a shipped, pulled or local bundle; see :func:`ecgfoundry.models.export.export_model`.

    The golden logits are computed by ONNX Runtime in fp32.
    """
    predictor = load_model(model, runtime="onnxruntime")
    bundle = predictor.bundle
    return export_model(
        bundle,
        output,
        windows=sample_windows(bundle.input),
        network=predictor.logits,
        format=format,
    )
