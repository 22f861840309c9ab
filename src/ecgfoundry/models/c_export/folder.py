"""The files of a C export: what is made of the bundle, beside the programs that stay the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError
from ecgfoundry.metrics.calibration import Calibrator
from ecgfoundry.models.bundle import PREPROCESSING_FILE, Bundle
from ecgfoundry.models.c_export.network import SOFTSIGN_KNEE, Network, read_network
from ecgfoundry.models.c_export.quantization import (
    IMAGE_STEPS,
    QuantizedNetwork,
    find_limits,
    quantize,
)
from ecgfoundry.models.c_export.readme import readme
from ecgfoundry.models.c_export.sizes import Memory, Resampling, plan_memory, resampling_of
from ecgfoundry.models.c_export.tables import array, c_string, constants, floats, integers, nested
from ecgfoundry.models.export import GoldenWindow, Logits, model_json, new_folder, recipe_header
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.signals import quality
from ecgfoundry.signals.resampling import anti_aliasing
from ecgfoundry.tasks.classification import Classification
from ecgfoundry.vocabularies.exclusive import exclusive_targets

__all__ = ["CModel", "export_c", "make_c_model"]

LIMIT_ROOM = 1.5
"""How far eight-bit activations reach beyond the calibration windows (our choice; with 1, 1.5 and 2
the shipped model lost less than 0.0005 of any AUROC)."""

C_LEVELS = ("window", "record", "short_window")
"""In the order of ``ecg_level``."""

_FEW = 4  # outputs that a program computes together; weights are laid out for it
_NO_THRESHOLD = 2.0  # above every probability


@dataclass(frozen=True, eq=False)
class CModel:
    """All that the files are made of.

    Parameters
    ----------
    bundle : Bundle
    network : Network
    quantized : QuantizedNetwork
    resampling : Resampling
        From the device's rate to the recipe's.
    memory : Memory
    """

    bundle: Bundle
    network: Network
    quantized: QuantizedNetwork
    resampling: Resampling
    memory: Memory


def make_c_model(
    bundle: Bundle, sampling_rate: float, calibration: Sequence[NDArray[np.floating]]
) -> CModel:
    """Take a bundle apart, plan its memory and bring it to eight bits.

    Parameters
    ----------
    bundle : Bundle
        Of a one-lead RhythmNet.
    sampling_rate : float
        Of the device, Hz.
    calibration : sequence of ndarray (samples,)
        Standardized windows on which the ranges of the activations are found.

    Raises
    ------
    BundleError
        The network, a step of the recipe or the kind of answer has no form in C.
    SamplingRateError
        The rate cannot be brought to the recipe's.
    """
    task = bundle.task
    if not isinstance(task, Classification):
        raise BundleError(
            f"answers of the kind {task.target_kind} have no form in C",
            path=bundle.folder,
            remedy="Answers with probabilities have one; for others use --format onnx",
        )
    hidden = [target.name for target in task.vocabulary.targets if not target.standalone]
    if hidden:
        raise BundleError(
            f"{', '.join(hidden)} may not be reported for a single recording, which the C programs "
            "do not know",
            path=bundle.folder,
            remedy="Use --format onnx",
        )
    network = read_network(bundle)
    resampling = resampling_of(bundle.recipe, sampling_rate)
    memory = plan_memory(bundle.recipe, network, resampling)
    limits = find_limits(network, calibration, LIMIT_ROOM)
    return CModel(bundle, network, quantize(network, limits), resampling, memory)


def export_c(
    bundle: Bundle,
    output: str | Path,
    *,
    sampling_rate: float,
    windows: Sequence[GoldenWindow],
    network: Logits,
    calibration: Sequence[NDArray[np.floating]],
) -> Path:
    """Write a folder of C99 files that run a model on a small device.

    Parameters
    ----------
    bundle : Bundle
        Of a one-lead RhythmNet.
    output : str or Path
        A folder that does not exist yet, or is empty.
    sampling_rate : float
        Of the device, Hz.
    windows : sequence of (raw window, sampling rate)
        Real ECG windows for the test vectors, at the device's rate.
    network : callable (standardized windows) -> logits
        The model here, which the vectors' answers come from.
    calibration : sequence of ndarray (samples,)
        See :func:`make_c_model`.

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    BundleError, SamplingRateError
        See :func:`make_c_model`.
    MissingExtraError
        safetensors is not installed.
    FileAccessError
        The folder exists and has something in it.
    """
    if not windows:
        raise BundleError("there is no window for the test vectors", path=bundle.folder)
    model = make_c_model(bundle, sampling_rate, calibration)
    texts = {
        "ecg_config.h": _config(model),
        "recipe.h": recipe_header(bundle.recipe) + _resampling(model.resampling),
        "ecg_tables.c": _tables(model),
        "ecg_weights_float.c": _float_weights(model.network),
        "ecg_weights_int8.c": _int8_weights(model.quantized),
        "test_vectors.h": _vectors(model, windows, network),
        "model.json": model_json(bundle),
        "README.md": readme(model.bundle, model.network, model.resampling, model.memory),
    }
    with new_folder(output) as folder:
        _copy(files("ecgfoundry.models.c_export") / "files", folder)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        bundle.recipe.write(folder / PREPROCESSING_FILE)
    return Path(output)


def _copy(source: Traversable, folder: Path) -> None:
    for entry in source.iterdir():
        if entry.is_dir():
            (folder / entry.name).mkdir()
            _copy(entry, folder / entry.name)
        else:
            (folder / entry.name).write_bytes(entry.read_bytes())


# --- sizes and limits ---------------------------------------------------------------------------


def _config(model: CModel) -> str:
    bundle, memory, member = model.bundle, model.memory, model.network.members[0]
    rate = model.resampling.from_hz
    values: dict[str, object] = {
        "ECG_INPUT_RATE_HZ": float(rate),
        "ECG_INPUT_SAMPLES": memory.input_samples,
        "ECG_FEWEST_SAMPLES": memory.fewest_samples,
        "ECG_SAMPLES": bundle.recipe.samples,
        "ECG_ROOM": memory.room,
        "ECG_ROW_FIRST": memory.first,
        "ECG_ROW_SECOND": memory.second,
        "ECG_FEWEST_ON_THE_WAY": memory.fewest_on_the_way,
        "ECG_ACTIVATIONS": memory.activations,
        "ECG_IMAGE": 2 * bundle.recipe.samples,
        "ECG_IMAGE_STEPS": IMAGE_STEPS,
        "ECG_TARGETS": model.network.classes,
        "ECG_MULTICLASS": int(bundle.task.exclusive),
        "ECG_MEMBERS": len(model.network.members),
        "ECG_LAYERS": len(member.layers),
        "ECG_HEADS": member.heads,
        "ECG_CHANNELS": member.layers[-1].outputs,
        "ECG_POSITIONS": memory.positions,
        "ECG_FEATURES": model.network.weight.shape[1],
    }
    gate: dict[str, object] = {
        "ECG_MOST_MISSING": quality.MAXIMUM_GAP_SHARE,
        "ECG_FLAT_MV": quality.FLAT_AMPLITUDE_MV,
        "ECG_FLAT_BLOCK": max(2, round(quality.FLAT_BLOCK_S * rate)),
        "ECG_FLAT_SHARE": quality.FLAT_SHARE_WARNING,
        "ECG_SATURATED_RUN": max(3, round(quality.SATURATED_RUN_S * rate)),
        "ECG_SATURATED_SHARE": quality.SATURATED_SHARE_WARNING,
        "ECG_LARGE_MV": quality.LARGE_AMPLITUDE_MV,
        "ECG_LOW_MV": quality.LOW_AMPLITUDE_MV,
    }
    return "\n".join(
        [
            f"/* Made of the bundle {bundle.name} {bundle.version}. */",
            "#ifndef ECG_CONFIG_H",
            "#define ECG_CONFIG_H",
            f"#define ECG_MODEL_NAME {c_string(bundle.name)}",
            f"#define ECG_MODEL_VERSION {c_string(bundle.version)}",
            constants(values),
            f"#define ECG_SOFTSIGN_KNEE {floats(SOFTSIGN_KNEE)[0]}",
            "/* The gate: shares, mV and samples. */",
            constants(gate),
            "#endif\n",
        ]
    )


def _resampling(resampling: Resampling) -> str:
    polyphase = resampling.method == "polyphase"
    larger = max(resampling.up, resampling.down)
    values: dict[str, object] = {
        "RESAMPLING_POLYPHASE": int(polyphase),
        "RESAMPLING_LINEAR": int(resampling.method == "linear"),
        "RESAMPLING_FROM_HZ": float(resampling.from_hz),
        "RESAMPLING_TO_HZ": float(resampling.to_hz),
        "RESAMPLING_UP": resampling.up,
        "RESAMPLING_DOWN": resampling.down,
        "RESAMPLING_HALF": 10 * larger,
    }
    text = constants(values) + "\n"
    if polyphase:
        taps = anti_aliasing(larger) * resampling.up
        text += array("static const float resampling_taps", floats(taps)) + "\n"
    return text


# --- network, calibration and decision ----------------------------------------------------------


def _tables(model: CModel) -> str:
    task, network = model.bundle.task, model.network
    found, identity = task.readout.calibration, Calibrator.identity(network.classes)
    levels = [identity if found is None else found.of(level) for level in C_LEVELS]
    thresholds = [_NO_THRESHOLD if value is None else value for value in task.thresholds]
    names = ",\n    ".join(c_string(name) for name in task.vocabulary.names)
    groups = exclusive_targets(task.vocabulary.names)
    masks = [sum(1 << i for i, g in enumerate(groups) if k in g) for k in range(network.classes)]

    def table(declaration: str, values: Any) -> str:
        return f"const float {declaration} = {nested(np.asarray(values, dtype=np.float64))};"

    return "\n".join(
        [
            "/* Layers, attention, the last layer, calibration and thresholds. */",
            '#include "ecg_internal.h"\n',
            f"const char *const ecg_target_names[ECG_TARGETS] = {{\n    {names}}};\n",
            "const ecg_layer ecg_layers[ECG_MEMBERS][ECG_LAYERS] = {",
            ",\n".join(_layer_rows(network)) + "};\n",
            table(
                "ecg_attention_weight[ECG_MEMBERS][ECG_HEADS][ECG_CHANNELS]",
                [member.attention_weight for member in network.members],
            ),
            table(
                "ecg_attention_bias[ECG_MEMBERS][ECG_HEADS]",
                [member.attention_bias for member in network.members],
            ),
            table("ecg_classifier_weight[ECG_TARGETS][ECG_FEATURES]", network.weight),
            table("ecg_classifier_bias[ECG_TARGETS]", network.bias),
            table("ecg_scale[ECG_LEVELS][ECG_TARGETS]", [level.scale for level in levels]),
            table("ecg_offset[ECG_LEVELS][ECG_TARGETS]", [level.offset for level in levels]),
            table("ecg_threshold[ECG_TARGETS]", thresholds),
            array("const uint8_t ecg_exclusive", integers(masks)) + "\n",
        ]
    )


def _layer_rows(network: Network) -> list[str]:
    members = []
    weight = bias = 0
    for member in network.members:
        rows = []
        for layer in member.layers:
            fields = (layer.inputs, layer.outputs, layer.role, layer.kernel, layer.stride,
                      layer.dilation, weight, bias)  # fmt: skip
            rows.append("    {" + ", ".join(map(str, fields)) + "}")
            outputs = _in_fours(layer.outputs)
            weight += outputs * layer.inputs * layer.kernel
            bias += outputs
        members.append("{\n" + ",\n".join(rows) + "}")
    return members


def _in_fours(outputs: int) -> int:
    return _FEW * math.ceil(outputs / _FEW)


def _laid_out(weight: NDArray[Any]) -> NDArray[Any]:
    """Return (outputs / 4, kernel, inputs, 4) of (outputs, inputs, kernel), zeros at the end."""
    outputs, inputs, kernel = weight.shape
    padded = np.zeros((_in_fours(outputs), inputs, kernel), dtype=weight.dtype)
    padded[:outputs] = weight
    return padded.reshape(-1, _FEW, inputs, kernel).transpose(0, 3, 2, 1)


def _filled(values: NDArray[Any]) -> NDArray[Any]:
    """Return one value per output, zeros at the end."""
    return np.pad(values, (0, _in_fours(len(values)) - len(values)))


def _float_weights(network: Network) -> str:
    layers = [layer for member in network.members for layer in member.layers]
    weights = np.concatenate([_laid_out(layer.weight).ravel() for layer in layers])
    biases = np.concatenate([_filled(layer.bias) for layer in layers])
    return "\n\n".join(
        [
            '/* Weights with the norms folded in, float32. */\n#include "ecg_internal.h"',
            array("const float ecg_weights", floats(weights)),
            array("const float ecg_biases", floats(biases)) + "\n",
        ]
    )


def _int8_weights(quantized: QuantizedNetwork) -> str:
    layers = [layer for member in quantized.members for layer in member]
    weights = np.concatenate([_laid_out(layer.weight).ravel() for layer in layers])
    scalings = ",\n".join(
        "{" + ", ".join(f"{{{part.identity_factor}, {part.shift}}}" for part in member) + "}"
        for member in quantized.members
    )
    last = ", ".join(floats([member[-1].scale for member in quantized.members]))
    return "\n\n".join(
        [
            '/* Weights, biases and scales in integers. */\n#include "ecg_internal.h"',
            array("const int8_t ecg_weights", integers(weights)),
            array(
                "const int32_t ecg_biases",
                integers(np.concatenate([_filled(layer.bias) for layer in layers])),
            ),
            array(
                "const int32_t ecg_factors",
                integers(np.concatenate([_filled(layer.factor) for layer in layers])),
            ),
            f"const ecg_scaling ecg_scalings[ECG_MEMBERS][ECG_LAYERS] = {{\n{scalings}}};",
            f"const float ecg_last_scale[ECG_MEMBERS] = {{{last}}};\n",
        ]
    )


# --- test vectors -------------------------------------------------------------------------------


def _vectors(model: CModel, windows: Sequence[GoldenWindow], network: Logits) -> str:
    bundle = model.bundle
    rows, signals = [], []
    for number, (raw, rate) in enumerate(windows):
        if rate != model.resampling.from_hz:
            raise BundleError(f"a test vector is at {rate:g} Hz, which is not the device's rate")
        x = standardize_window(raw, rate, bundle.recipe)
        expected = [
            ", ".join(floats(bundle.task.answers(np.asarray(logits, dtype=np.float64))))
            for logits in (network(x[np.newaxis])[0], model.quantized.logits(x[0]))
        ]
        signals.append(array(f"static const float vector_{number}", floats(raw[0])))
        answers = ", ".join(f"{{{values}}}" for values in expected)
        rows.append(f"    {{vector_{number}, {raw.shape[1]}, {answers}}}")
    return "\n".join(
        [
            "/* Real ECG windows in mV, and the probabilities of a recording that has one of them:",
            " * of the model where it was exported, and of its eight-bit form in integers. */",
            "typedef struct {",
            "    const float *millivolts;",
            "    int32_t samples;",
            "    float expected_float[ECG_TARGETS], expected_int8[ECG_TARGETS];",
            "} test_vector;\n",
            *signals,
            f"\nenum {{ TEST_VECTORS = {len(rows)} }};",
            "static const test_vector test_vectors[TEST_VECTORS] = {",
            ",\n".join(rows) + "};\n",
        ]
    )
