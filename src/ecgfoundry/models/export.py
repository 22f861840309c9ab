"""A model for other programs: graph, preprocessing and golden vectors in one folder.

A graph without its preprocessing is what receivers fail with, so the folder holds the recipe's
document (``preprocessing.json``), two programs that run it (``preprocessing.py`` with NumPy alone,
``standardize.c`` in plain C) and real ECG windows with what they have to give; ``check.py`` and
``standardize.c -DCHECK`` compare. The programs are kept in ``export_files`` as they are delivered,
and ``filter_design.py`` is this project's own; what differs between models is data
(``preprocessing.json``, and ``recipe.h`` made of it).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, FileAccessError, MissingExtraError
from ecgfoundry.models.bundle import PREPROCESSING_FILE, Bundle
from ecgfoundry.preprocessing import Preprocessing, standardize_window
from ecgfoundry.preprocessing.design import ZeroPhaseFilter
from ecgfoundry.preprocessing.reference import rates_before
from ecgfoundry.preprocessing.steps import (
    BlankGaps,
    Butterworth,
    Clip,
    FillGaps,
    KeepEvery,
    Notch,
    Resample,
    Step,
    SubtractRunningMedian,
    ZScore,
)
from ecgfoundry.tasks.readout import LEVELS
from ecgfoundry.vocabularies.exclusive import exclusive_targets

__all__ = [
    "EXPORT_FORMATS",
    "GRAPH_FORMATS",
    "GoldenWindow",
    "Logits",
    "check_format",
    "export_model",
    "fix_samples",
    "model_json",
    "new_folder",
    "recipe_header",
    "write_preprocessing",
]

GRAPH_FORMATS = ("onnx", "openvino")
EXPORT_FORMATS = (*GRAPH_FORMATS, "c", "web")

GoldenWindow = tuple[NDArray[np.float32], float]
"""A raw window (leads, samples) in mV, NaN = missing, and its sampling rate in Hz."""

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Standardized windows (windows, leads, samples) to logits (windows, targets)."""


# --- the recipe as C ----------------------------------------------------------------------------

_HEADER_KINDS = (
    "FILL_ZERO", "FILL_LINE", "RESAMPLE_LINEAR", "RESAMPLE_POLYPHASE", "FILTER", "MEDIAN",
    "KEEP_EVERY", "Z_SCORE_WINDOW", "Z_SCORE_LEAD", "CLIP", "BLANK_GAPS",
)  # fmt: skip


def recipe_header(recipe: Preprocessing) -> str:
    """Return ``recipe.h``: the steps as numbers, with filters designed for a mains not known.

    Raises
    ------
    BundleError
        A step has no form in C.
    """
    designs: list[ZeroPhaseFilter] = []
    lines: list[str] = []
    for step, rate in zip(recipe.steps, rates_before(recipe, 0.0), strict=True):
        lines += [f"    {row}" for row in _step_rows(step, rate, designs)]
    padding = recipe.padding
    numbers = {
        "WINDOW_S": recipe.window_s,
        "SAMPLES": recipe.samples,
        "PAD_LEFT": int(padding.side == "left"),
        "PAD_VALUE": padding.value,
        "PAD_COUNTED": int(padding.counted_in_scaling),
        "LARGEST_PAD": max((part.pad for part in designs), default=0),
        "STEPS": len(lines),
    }
    text = [f"/* {recipe.name}: {recipe.description} */"]
    text += [f"#define RECIPE_{name} {value!r}" for name, value in numbers.items()]
    text += [
        f"enum {{ {', '.join(_HEADER_KINDS)} }};",
        "typedef struct {",
        "    int kind, index; /* index: of a filter; or a number of samples */",
        "    double number, second;",
        "} recipe_step;",
        f"static const recipe_step recipe_steps[{len(lines)}] = {{",
        ",\n".join(lines) + "};",
    ]
    return "\n".join([*text, *_filter_tables(designs)]) + "\n"


def _step_rows(step: Step, rate: float, designs: list[ZeroPhaseFilter]) -> list[str]:
    """Return a step as initializers of ``recipe_step``; its filters are added to ``designs``."""

    def row(kind: str, index: int = 0, number: float = 0.0, second: float = 0.0) -> str:
        return f"{{{kind}, {index}, {number!r}, {second!r}}}"

    match step:
        case FillGaps():
            return [row("FILL_LINE" if step.method == "line" else "FILL_ZERO")]
        case Resample():
            return [row(f"RESAMPLE_{step.method.upper()}", number=step.to_hz)]
        case Notch() | Butterworth():
            first = len(designs)
            designs += step.designs(rate, None)
            return [row("FILTER", number) for number in range(first, len(designs))]
        case SubtractRunningMedian():
            return [row("MEDIAN", step.kernel_samples)]
        case KeepEvery():
            return [row("KEEP_EVERY", step.interval_samples)]
        case ZScore():
            return [row(f"Z_SCORE_{step.over.upper()}", 0, step.epsilon_mv, step.flat_below_mv)]
        case Clip():
            return [row("CLIP", number=step.limit)]
        case BlankGaps():
            return [row("BLANK_GAPS")]
    raise BundleError(f"the preprocessing step {step.kind} has no form in C")


def _filter_tables(designs: Sequence[ZeroPhaseFilter]) -> list[str]:
    parts = list(designs) or [ZeroPhaseFilter((), 1.0, 0, False)]  # C has no empty arrays
    count = len(parts)
    most = max(1, *(len(part.sections) for part in parts))

    def row(values: Sequence[Any]) -> str:
        return "{" + ", ".join(repr(value) for value in values) + "}"

    sections = ",\n    ".join(
        "{" + ", ".join(row(s) for s in [*part.sections, *[(0.0,) * 6] * most][:most]) + "}"
        for part in parts
    )
    lengths = [len(part.sections) for part in parts]
    return [
        f"static const int recipe_pad[{count}] = {row([part.pad for part in parts])};",
        f"static const double recipe_gain[{count}] = {row([part.gain for part in parts])};",
        f"static const int recipe_sections[{count}] = {row(lengths)};",
        f"static const double recipe_section[{count}][{most}][6] = {{\n    {sections}}};",
    ]


# --- the folder -----------------------------------------------------------------------------------


def export_model(
    bundle: Bundle,
    output: str | Path,
    *,
    windows: Sequence[GoldenWindow],
    network: Logits,
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
        C is written by :func:`ecgfoundry.models.c_export.folder.export_c`.

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    BundleError
        The format is not known, the bundle has no graph, there is no window, or the answers are of
        a kind that another package adds.
    MissingExtraError
        OpenVINO is asked for and not installed.
    FileAccessError
        The folder exists and has something in it.
    """
    check_format(format, GRAPH_FORMATS)
    if bundle.target_kind not in _DECISION:
        raise BundleError(
            f"answers of the kind '{bundle.target_kind}' are made by another package, and the "
            "programs of an export cannot make them",
            path=bundle.folder,
            remedy=f"Exports are for {', '.join(_DECISION)}; use 'ecgfoundry serve' for others",
        )
    if not windows:
        raise BundleError("there is no window for the golden vectors", path=bundle.folder)
    graph = bundle.file("model.onnx")
    with new_folder(output) as folder:
        _write_graph(graph, folder, format, bundle.input.samples)
        write_preprocessing(folder, bundle.recipe)
        for name in ("check.py", "answers.py"):
            program = files("ecgfoundry.models") / "export_files" / name
            (folder / name).write_bytes(program.read_bytes())
        _write_golden(folder, bundle, windows, network)
        (folder / "model.json").write_text(model_json(bundle), encoding="utf-8")
        (folder / "README.md").write_text(_readme(bundle, format), encoding="utf-8")
    return Path(output)


def check_format(format: str, known: Sequence[str] = EXPORT_FORMATS) -> None:
    """Refuse a format that is not among the known ones.

    Raises
    ------
    BundleError
    """
    if format not in known:
        raise BundleError(
            f"there is no export format '{format}'", remedy=f"Known are {', '.join(known)}"
        )


@contextmanager
def new_folder(output: str | Path) -> Iterator[Path]:
    """Give a folder to write into that becomes ``output``, whole or not at all.

    Raises
    ------
    FileAccessError
        ``output`` exists and has something in it.
    """
    output = Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise FileAccessError(
            "exists and is not empty", path=output, remedy="Choose another output folder"
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        if output.exists():
            output.rmdir()
        temporary.replace(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_preprocessing(folder: Path, recipe: Preprocessing) -> None:
    """Write a recipe, and the programs that run it in NumPy alone and in C, into a folder.

    Raises
    ------
    BundleError
        A step has no form in C.
    """
    (folder / "recipe.h").write_text(recipe_header(recipe), encoding="utf-8")
    recipe.write(folder / PREPROCESSING_FILE)
    for source, name in (
        (files("ecgfoundry.models") / "export_files" / "preprocessing.py", "preprocessing.py"),
        (files("ecgfoundry.models") / "export_files" / "standardize.c", "standardize.c"),
        (files("ecgfoundry.preprocessing") / "design.py", "filter_design.py"),
    ):
        (folder / name).write_bytes(source.read_bytes())


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
    folder: Path, bundle: Bundle, windows: Sequence[GoldenWindow], network: Logits
) -> None:
    arrays: dict[str, Any] = {"windows": np.int64(len(windows))}
    raw_bytes, standardized_bytes, lines = b"", b"", []
    for k, (raw, rate) in enumerate(windows):
        window = np.ascontiguousarray(raw, dtype=np.float32)
        standardized = standardize_window(window, rate, bundle.recipe)
        arrays[f"raw_{k}"] = window
        arrays[f"rate_{k}"] = np.float64(rate)
        arrays[f"standardized_{k}"] = standardized
        logits = network(standardized[np.newaxis])[0]
        arrays[f"logits_{k}"] = logits
        for level in LEVELS:
            arrays[f"answer_{level}_{k}"] = _answer(bundle, logits, level)
        raw_bytes += window.astype("<f4").tobytes()
        standardized_bytes += standardized.astype("<f4").tobytes()
        lines.append(f"{window.shape[0]} {window.shape[1]} {rate!r}\n")
    np.savez_compressed(folder / "golden.npz", **arrays)
    (folder / "golden_raw.f32").write_bytes(raw_bytes)
    (folder / "golden_standardized.f32").write_bytes(standardized_bytes)
    (folder / "golden.txt").write_text("".join(lines), encoding="utf-8")


def _answer(bundle: Bundle, logits: NDArray[np.floating], level: str) -> NDArray[np.float64]:
    """What the bundle says here of one window's logits, for the receiver to compare."""
    return bundle.task.answers(np.asarray(logits, dtype=np.float64), level=level)


def model_json(bundle: Bundle) -> str:
    """Return what the graph's inputs and outputs mean: the bundle's description without hashes."""
    document = {k: v for k, v in bundle.document.items() if k not in ("files", "architecture")}
    document["exclusive_targets"] = [list(g) for g in exclusive_targets(bundle.vocabulary.names)]
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
    recipe = bundle.recipe
    return f"""# {bundle.name} {bundle.version}, exported

{bundle.about.intended_use}

Licence: {bundle.about.licence}. What the model is, was trained on and fails at: `model.json`.

| file | what it is |
| --- | --- |
| {graph} | the network: standardized windows in, logits and embedding out |
| preprocessing.json | the recipe: from a raw window to its input, as ordered steps |
| preprocessing.py, filter_design.py | a program that runs it, with NumPy alone |
| standardize.c, recipe.h | the same in C99, no dependencies; the header is made of the recipe |
| golden.npz (golden.txt, golden_*.f32 for C) | real ECG windows: raw, standardized, logits |
| answers.py | from logits to probabilities or values, with NumPy alone |
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
{presence}## From logits to answers

    from answers import answer, present
    said = answer(logits)             # (windows, {len(bundle.vocabulary.names)}) of one recording
    present(said)                     # {_DECISION[bundle.target_kind]}
    answer(logits[k], "window")       # one window of a timeline, for itself

{_answers_text(bundle)}
"""


_DECISION = {
    "multiclass": "the most probable class",
    "multilabel": "at or above its threshold; of rhythms that exclude each other the likeliest",
    "regression": "not for values",
}


def _answers_text(bundle: Bundle) -> str:
    """Say in words what ``answers.py`` computes for such a model."""
    if bundle.target_kind == "regression":
        return (
            "The logits of a recording's windows are averaged; a value is scale * logit + offset, "
            "in the unit of its target (`regression` in `model.json`). `residual_quantiles` there "
            "are what is added to a value for the ends of its 90 % interval."
        )
    form = (
        "softmax over the classes of (scale * logit + offset): the classes exclude each other, and "
        "the probabilities add up to 1"
        if bundle.task.exclusive
        else "sigmoid(scale * logit + offset), for each target by itself"
    )
    text = (
        f"The logits of a recording's windows are averaged first. A probability is then {form}. "
        "`calibration` in `model.json` has scale and offset at two levels, because a mean over "
        "many windows is surer than one of them: `record` for the answer of a recording, `window` "
        "for a window by itself, as in a timeline of episodes."
    )
    calibration = bundle.about.readout.calibration
    if calibration is None:
        return text.partition("`calibration`")[0] + (
            "This model is not calibrated: scale is 1 and offset 0, and the numbers are scores."
        )
    if calibration.short_window is not None:
        text += " `short_window` replaces `window` up to half the model's length."
    if calibration.reduced_leads is not None:
        text += " `reduced_leads` replaces `record` where leads are absent."
    without = [n for n, done in zip(bundle.vocabulary.names, bundle.calibrated, strict=True)
               if not done]  # fmt: skip
    if without:
        text += f" Not calibrated are: {', '.join(without)}."
    return text
