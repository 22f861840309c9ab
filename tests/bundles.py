"""Small bundles whose answers can be worked out by hand, built without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.models.bundle import write_bundle
from ecgfoundry.models.document import BundleDocument
from ecgfoundry.preprocessing import get_preprocessing


def write_linear_graph(path: Path, weights: np.ndarray, samples: int, size: float = 1.0) -> None:
    """Embedding: mean |signal| of each lead over size; logits: (embedding * presence) @ weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    leads, targets = weights.shape
    nodes = [
        helper.make_node("Abs", ["signal"], ["absolute"]),
        helper.make_node("ReduceMean", ["absolute", "axis"], ["mean"], keepdims=0),
        helper.make_node("Div", ["mean", "size"], ["embedding"]),
        helper.make_node("Mul", ["embedding", "presence"], ["masked"]),
        helper.make_node("MatMul", ["masked", "weights"], ["logits"]),
    ]
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "linear",
        [
            helper.make_tensor_value_info("signal", floats, ["batch", leads, samples]),
            helper.make_tensor_value_info("presence", floats, ["batch", leads]),
        ],
        [
            helper.make_tensor_value_info("logits", floats, ["batch", targets]),
            helper.make_tensor_value_info("embedding", floats, ["batch", leads]),
        ],
        [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            numpy_helper.from_array(np.array([2], dtype=np.int64), "axis"),
            numpy_helper.from_array(np.array(size, dtype=np.float32), "size"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)


def make_document(
    *,
    name: str = "tiny",
    lead_mode: str = "any-subset",
    leads: tuple[str, ...] = ("I", "II", "V1"),
    preprocessing: str | Mapping[str, Any] = "ptbxl-bandpass@1",
    targets: tuple[dict[str, Any], ...] = (
        {"name": "A", "kind": "diagnosis", "codes": {"SNOMED CT": "1"}},
        {"name": "B", "kind": "diagnosis"},
    ),
    target_kind: str = "multilabel",
    **changes: Any,
) -> dict[str, Any]:
    """A valid bundle.json; the hashes of its files are none."""
    recipe = get_preprocessing(preprocessing)
    document: dict[str, Any] = {
        "schema_version": 2,
        "name": name,
        "version": "1.0.0",
        "architecture": {"name": "linear", "configuration": {}},
        "input": {
            "lead_mode": lead_mode,
            "leads": list(leads),
            "sampling_rate": recipe.sampling_rate,
            "samples": recipe.samples,
            "preprocessing": recipe.name,
            "preprocessing_sha256": recipe.sha256,
        },
        "vocabulary": {"name": "letters", "targets": list(targets)},
        "target_kind": target_kind,
        "calibration": None,
        "thresholds": None,
        "provenance": {"training_data": [], "code": "tests", "created": "2026-01-01"},
        "metrics": [],
        "licence": "Apache-2.0",
        "intended_use": "tests",
        "known_failures": [],
        "files": {"model.safetensors": "0" * 64, "preprocessing.json": "0" * 64},
    }
    return document | changes


def make_about(**document: Any) -> BundleDocument:
    """The same as an object; what breaks the schema is refused."""
    return BundleDocument.from_dict(make_document(**document))


def make_bundle(folder: Path, weights: np.ndarray, *, size: float = 1.0, **document: Any) -> Path:
    """Write a bundle with the linear graph; see :func:`make_document` for the rest."""
    content = make_document(**document)
    recipe = get_preprocessing(document.get("preprocessing", "ptbxl-bandpass@1"))
    folder.parent.mkdir(parents=True, exist_ok=True)
    graph = folder.parent / f"{folder.name}.onnx"
    stub = folder.parent / f"{folder.name}.safetensors"
    card = folder.parent / f"{folder.name}.md"
    write_linear_graph(graph, np.asarray(weights), content["input"]["samples"], size)
    stub.write_bytes(b"")
    card.write_text("# tiny\n")
    files = {"model.onnx": graph, "model.safetensors": stub, "README.md": card}
    return write_bundle(folder, about=BundleDocument.from_dict(content), files=files, recipe=recipe)
