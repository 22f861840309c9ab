"""A model for other programs: graph, preprocessing and golden vectors in one folder.

A graph without its preprocessing is what receivers fail with, so the folder holds the recipe twice
(``preprocessing.py`` with NumPy alone, ``standardize.c`` in plain C) and real ECG windows with what
every step has to give; ``check.py`` and ``standardize.c -DCHECK`` compare. These files are kept
in ``export_files`` as they are delivered; what differs between models is data (``recipe.json``
and ``recipe.h``).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, FileAccessError, MissingExtraError
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.preprocessing import design, get_preprocessing, standardize_window
from ecgfoundry.preprocessing.design import ZeroPhaseFilter

__all__ = ["EXPORT_FORMATS", "GoldenWindow", "export_model", "fix_samples", "recipe_document"]

EXPORT_FORMATS = ("onnx", "openvino")

GoldenWindow = tuple[NDArray[np.float32], float]
"""A raw window (leads, samples) in mV, NaN = missing, and its sampling rate in Hz."""

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_STEPS: dict[str, dict[str, Any]] = {
    "ecgfounder-finetune@1": {
        "filters": [
            design.notch(50.0, 30.0, 500.0),
            design.band_pass(4, 0.67, 40.0, 500.0),
        ],
        "median_kernel": 201,
    },
    "ecgfounder-paper@1": {
        "filters": [
            design.high_pass(0.5, 500.0),
            design.low_pass(50.0, 500.0),
            design.notch(50.0, 30.0, 500.0),
            design.notch(60.0, 30.0, 500.0),
        ],
        "pad_before_scaling": True,
        "note": "with an unknown mains frequency: notches at 50 and 60 Hz",
    },
    "ecgfounder-ptbxl-eval@1": {"scale_first": True},
    "ptbxl-bandpass@1": {
        "filters": [design.band_pass(4, 0.5, 40.0, 500.0)],
        "working_rate": 500.0,
        "decimation": 2,
        "gaps": "bridge",
        "resampling": "polyphase",
        "scaling": "each",
        "epsilon": 1e-6,
    },
    "single-lead-rhythm@1": {
        "filters": [design.band_pass(3, 0.5, 40.0, 200.0)],
        "gaps": "bridge",
        "resampling": "polyphase",
        "scaling": "each",
        "epsilon": 1e-6,
        "clip": 15.0,
    },
}
_DEFAULTS: dict[str, Any] = {
    "gaps": "zero",
    "resampling": "linear",
    "scale_first": False,
    "filters": [],
    "median_kernel": 0,
    "decimation": 1,
    "pad_before_scaling": False,
    "scaling": "joint",
    "epsilon": 1e-8,
    "clip": 0.0,
    "note": "",
}


def recipe_document(name: str) -> dict[str, Any]:
    """Return a preprocessing as data, for ``recipe.json``.

    Raises
    ------
    PreprocessingError
        There is none of this name.
    BundleError
        It has no exportable form.
    """
    recipe = get_preprocessing(name)
    if name not in _STEPS:
        raise BundleError(f"the preprocessing {name} cannot be exported")
    document: dict[str, Any] = {
        "name": recipe.name,
        "description": recipe.description,
        "sampling_rate": recipe.sampling_rate,
        "window_s": recipe.window_s,
        "samples": recipe.samples,
        "working_rate": recipe.sampling_rate,
        **_DEFAULTS,
        **_STEPS[name],
    }
    document["filters"] = [_filter_document(part) for part in document["filters"]]
    return document


def _filter_document(part: ZeroPhaseFilter) -> dict[str, Any]:
    return {
        "pad": part.pad,
        "gain": part.gain,
        "sections": [list(section) for section in part.sections],
    }


def _recipe_header(document: dict[str, Any]) -> str:
    filters = document["filters"]
    most = max((len(part["sections"]) for part in filters), default=1)
    numbers = {
        "RATE": float(document["sampling_rate"]),
        "WORKING_RATE": float(document["working_rate"]),
        "WINDOW_S": float(document["window_s"]),
        "SAMPLES": document["samples"],
        "BRIDGE": int(document["gaps"] == "bridge"),
        "POLYPHASE": int(document["resampling"] == "polyphase"),
        "SCALE_FIRST": int(document["scale_first"]),
        "FILTERS": len(filters),
        "LARGEST_PAD": max((part["pad"] for part in filters), default=0),
        "MEDIAN": document["median_kernel"],
        "DECIMATION": document["decimation"],
        "PAD_FIRST": int(document["pad_before_scaling"]),
        "EACH": int(document["scaling"] == "each"),
        "EPSILON": float(document["epsilon"]),
        "CLIP": float(document["clip"]),
    }
    lines = [f"/* {document['name']}: {document['description']} */"]
    lines += [f"#define RECIPE_{name} {value!r}" for name, value in numbers.items()]

    def row(values: Sequence[Any]) -> str:
        return "{" + ", ".join(repr(value) for value in values) + "}"

    parts = filters or [{"pad": 0, "gain": 1.0, "sections": []}]
    empty = [0.0] * 6
    sections = ",\n    ".join(
        "{" + ", ".join(row(s) for s in [*part["sections"], *[empty] * most][:most]) + "}"
        for part in parts
    )
    count = len(parts)
    lines += [
        f"static const int recipe_pad[{count}] = {row([part['pad'] for part in parts])};",
        f"static const double recipe_gain[{count}] = {row([part['gain'] for part in parts])};",
        f"static const int recipe_sections[{count}] = "
        f"{row([len(part['sections']) for part in parts])};",
        f"static const double recipe_section[{count}][{most}][6] = {{\n    {sections}}};",
    ]
    return "\n".join(lines) + "\n"


def export_model(
    bundle: Bundle,
    output: str | Path,
    *,
    windows: Sequence[GoldenWindow],
    network: Network,
    format: str = "onnx",
) -> Path:
    """Write a folder with everything that another program needs to run a model.

    Parameters
    ----------
    bundle : Bundle
        With ``model.onnx``.
    output : str or Path
        A folder that does not exist yet, or is empty.
    windows : sequence of (raw window, sampling rate)
        Real ECG windows for the golden vectors, leads in the order of the model.
    network : callable (standardized windows) -> logits
        The model here; see :meth:`ecgfoundry.inference.predictor.Predictor.logits`.
    format : {"onnx", "openvino"}

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    BundleError
        The format is not known, the bundle has no graph, or there is no window.
    MissingExtraError
        OpenVINO is asked for and not installed.
    FileAccessError
        The folder exists and has something in it.
    """
    output = Path(output)
    if format not in EXPORT_FORMATS:
        raise BundleError(
            f"there is no export format '{format}'", remedy=f"Known are {', '.join(EXPORT_FORMATS)}"
        )
    if not windows:
        raise BundleError("there is no window for the golden vectors", path=bundle.folder)
    graph = bundle.file("model.onnx")
    document = recipe_document(bundle.input.preprocessing)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileAccessError(
            "exists and is not empty", path=output, remedy="Choose another output folder"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        _write_graph(graph, temporary, format, bundle.input.samples)
        for name in ("preprocessing.py", "standardize.c", "check.py"):
            source = files("ecgfoundry.models") / "export_files" / name
            (temporary / name).write_bytes(source.read_bytes())
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        (temporary / "recipe.json").write_text(text, encoding="utf-8")
        (temporary / "recipe.h").write_text(_recipe_header(document), encoding="utf-8")
        _write_golden(temporary, bundle, windows, network)
        (temporary / "model.json").write_text(_model_json(bundle), encoding="utf-8")
        (temporary / "README.md").write_text(_readme(bundle, format), encoding="utf-8")
        temporary.chmod(0o755)
        if output.exists():
            output.rmdir()
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return output


def fix_samples(model: Any, samples: int) -> None:
    """Fix a free number of samples of an OpenVINO model, in place: free shapes run slower.

    Parameters
    ----------
    model : openvino.Model
    samples : int
        Of the bundle's windows.
    """
    port = model.input("signal")
    shape = port.get_partial_shape()
    if shape[2].is_dynamic:
        shape[2] = samples
        model.reshape({port.get_any_name(): shape})


def _write_graph(graph: Path, folder: Path, format: str, samples: int) -> None:
    if format == "onnx":
        shutil.copyfile(graph, folder / "model.onnx")
        return
    try:
        import openvino
    except ImportError:
        raise MissingExtraError.for_extra("exporting to OpenVINO", "openvino") from None
    model = openvino.Core().read_model(str(graph))
    fix_samples(model, samples)
    # Weights as they are: half precision is a decision of its own.
    openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)


def _write_golden(
    folder: Path, bundle: Bundle, windows: Sequence[GoldenWindow], network: Network
) -> None:
    arrays: dict[str, Any] = {"windows": np.int64(len(windows))}
    raw_bytes, standardized_bytes, lines = b"", b"", []
    for k, (raw, rate) in enumerate(windows):
        window = np.ascontiguousarray(raw, dtype=np.float32)
        standardized = standardize_window(window, rate, bundle.input.preprocessing)
        arrays[f"raw_{k}"] = window
        arrays[f"rate_{k}"] = np.float64(rate)
        arrays[f"standardized_{k}"] = standardized
        arrays[f"logits_{k}"] = network(standardized[np.newaxis])[0]
        raw_bytes += window.astype("<f4").tobytes()
        standardized_bytes += standardized.astype("<f4").tobytes()
        lines.append(f"{window.shape[0]} {window.shape[1]} {rate!r}\n")
    np.savez_compressed(folder / "golden.npz", **arrays)
    (folder / "golden_raw.f32").write_bytes(raw_bytes)
    (folder / "golden_standardized.f32").write_bytes(standardized_bytes)
    (folder / "golden.txt").write_text("".join(lines), encoding="utf-8")


def _model_json(bundle: Bundle) -> str:
    """Return what the graph's inputs and outputs mean: the bundle's description without hashes."""
    document = {k: v for k, v in bundle.document.items() if k not in ("files", "architecture")}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _readme(bundle: Bundle, format: str) -> str:
    spec = bundle.input
    graph = "model.onnx" if format == "onnx" else "model.xml and model.bin"
    package = "onnxruntime" if format == "onnx" else "openvino"
    leads = ", ".join(spec.leads)
    order = f"one lead (trained on {leads})" if spec.rows == 1 else f"in this order: {leads}"
    presence = (
        "The second input, `presence` (batch, leads), is 1 for a lead that is there and 0 for an "
        "absent one, whose row in `signal` is zeros.\n\n"
        if spec.lead_mode == "any-subset"
        else ""
    )
    recipe = get_preprocessing(spec.preprocessing)
    return f"""# {bundle.name} {bundle.version}, exported

{bundle.document["intended_use"]}

Licence: {bundle.document["licence"]}. What the model is, was trained on and fails at: `model.json`.

| file | what it is |
| --- | --- |
| {graph} | the network: standardized windows in, logits and embedding out |
| preprocessing.py, recipe.json | raw windows to its input, with NumPy alone |
| standardize.c, recipe.h | the same in C99, no dependencies |
| golden.npz (golden.txt, golden_*.f32 for C) | real ECG windows: raw, standardized, logits |
| check.py | does all this agree here? |

## Check it first

    pip install numpy {package}
    python check.py
    cc -O2 -DCHECK standardize.c -lm -o check && ./check

## Use it

A window is at most {recipe.window_s:g} s, in **millivolts**, NaN where samples are missing,
{order}. Longer recordings are cut into windows first; each is standardized alone, and the time
base is never squeezed.

    from preprocessing import standardize
    x = standardize(window_mV, sampling_rate)   # ({spec.rows}, {spec.samples}), float32

Preprocessing {recipe.name}: {recipe.description}.

`signal` is (batch, {spec.rows}, {spec.samples}).
{presence}The outputs in order, their thresholds and calibration are in `model.json` (`vocabulary`,
`thresholds`, `calibration`): a probability is sigmoid(scale * logit + offset) for multilabel
models. The answer of a recording is the mean of its windows' logits.
"""
