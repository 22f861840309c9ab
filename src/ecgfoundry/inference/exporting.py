"""Export of a model with golden vectors from the real ECGs that are part of the installation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, EcgFoundryError
from ecgfoundry.formats.files import read
from ecgfoundry.inference.batch.infer import as_manifest
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.models.bundle import InputSpec, find_bundle, load_bundle
from ecgfoundry.models.c_export.folder import export_c
from ecgfoundry.models.export import GoldenWindow, check_format, export_model
from ecgfoundry.models.web_export.folder import export_web
from ecgfoundry.models.web_export.runtime import find_runtime
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.samples import sample_path
from ecgfoundry.signals.windows import window_bounds

__all__ = ["export_bundle", "sample_windows"]

_VECTORS = 4  # of a C export: a whole window, a short one, one with a gap, one of a wearable
_MOST_CALIBRATION = 500  # windows; ranges hardly move beyond a few dozen (our choice)


def sample_windows(spec: InputSpec, sampling_rate: float | None = None) -> list[GoldenWindow]:
    """Return raw windows of the sample ECGs that a model can read: whole, short, with a gap.

    Parameters
    ----------
    spec : InputSpec
    sampling_rate : float, optional
        Hz, to which the recordings are brought first. None: as they were recorded.
    """
    windows: list[GoldenWindow] = []
    for name in ("12-lead", "single-lead"):
        recording = read(sample_path(name))
        if sampling_rate is not None:
            recording = recording.resample(sampling_rate)
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


def export_bundle(
    model: str | Path,
    output: str | Path,
    *,
    format: str = "onnx",
    sampling_rate: float | None = None,
    calibration: str | Path | None = None,
    runtime_folder: str | Path | None = None,
    fetch_runtime: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Export a shipped, pulled or local bundle.

    See :func:`ecgfoundry.models.export.export_model`, for C
    :func:`ecgfoundry.models.c_export.folder.export_c`, and for a page
    :func:`ecgfoundry.models.web_export.folder.export_web`. The golden logits are computed by ONNX
    Runtime in fp32.

    Parameters
    ----------
    model : str or Path
    output : str or Path
        A folder that does not exist yet, or is empty.
    format : {"onnx", "openvino", "c", "web"}
    sampling_rate : float, optional
        For C: of the device, Hz. None: the recipe's own.
    calibration : str or Path, optional
        For C: a folder or a table of recordings on which the ranges of the eight-bit activations
        are found. None: the two samples.
    runtime_folder, fetch_runtime
        For a page: see :func:`ecgfoundry.models.web_export.runtime.find_runtime`.
    progress : callable, optional
        Called with the recordings of the calibration that are read and their number.

    Raises
    ------
    BundleError
        See these functions; or an argument is given that the format does not have.
    """
    check_format(format)
    for name, value in (("--sampling-rate", sampling_rate), ("--calibration", calibration)):
        if value is not None and format != "c":
            raise BundleError(f"{name} is for --format c", remedy="Leave it out, or export to C")
    for option, given in (
        ("--runtime-folder", runtime_folder is not None),
        ("--fetch-runtime", fetch_runtime),
    ):
        if given and format != "web":
            raise BundleError(f"{option} is for --format web", remedy="Leave it out")
    if format == "web":
        bundle = load_bundle(find_bundle(model))
        return export_web(bundle, output, find_runtime(runtime_folder, fetch=fetch_runtime))
    predictor = load_model(model, runtime="onnxruntime")
    bundle = predictor.bundle
    if format != "c":
        windows = sample_windows(bundle.input)
        return export_model(
            bundle, output, windows=windows, network=predictor.logits, format=format
        )
    if bundle.input.rows != 1:
        raise BundleError(
            f"{bundle.name} reads {bundle.input.rows} leads; only one-lead models have a form in C",
            remedy="Use --format onnx",
        )
    rate = bundle.input.sampling_rate if sampling_rate is None else sampling_rate
    return export_c(
        bundle,
        output,
        sampling_rate=rate,
        windows=sample_windows(bundle.input, rate)[:_VECTORS],
        network=predictor.logits,
        calibration=_calibration_windows(bundle.input, calibration, progress),
    )


def _calibration_windows(
    spec: InputSpec, path: str | Path | None, progress: Callable[[int, int], None] | None
) -> list[NDArray[np.float32]]:
    """Return standardized windows (samples,): of a table or a folder, else of the samples."""
    if path is None:
        return [standardize_window(x, rate, spec.recipe)[0] for x, rate in sample_windows(spec)]
    manifest = as_manifest([path])
    windows: list[NDArray[np.float32]] = []
    total = min(len(manifest), _MOST_CALIBRATION)
    for number, row in enumerate(islice(manifest, total)):
        if progress is not None:
            progress(number, total)
        try:
            recording = manifest.open(replace(row, duration_s=row.duration_s or spec.window_s))
            leads = InputLeads.choose(spec, recording.leads)
        except EcgFoundryError:
            continue  # such a file is of no use here; that none is left is refused below
        prepared = (window.standardized for window in prepare_windows(recording, spec, leads))
        windows += [x[0] for x in islice(prepared, 1) if x is not None]
    if not windows:
        raise BundleError(
            "no recording can be read by this model, so nothing was found about its activations",
            path=path,
            remedy="Give a folder or a table of ECGs of one lead, or leave --calibration out",
        )
    return windows
