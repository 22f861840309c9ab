"""Passes over ONNX graphs: tidying what an exporter wrote, and float16 storage of weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

__all__ = ["fits_float16", "fold_constants", "store_as_float16", "tidy_graph"]

_LARGEST_FOLDED = 4096  # elements; paddings, axes and shapes have a handful (our choice)
_LARGEST_FLOAT16 = 65504.0  # IEEE 754 binary16


def tidy_graph(
    model: onnx.ModelProto,
    *,
    prefix: str,
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Mapping[str, Sequence[int | str]],
) -> None:
    """Make an exported model small, readable and free of traces of where it was made, in place.

    Constant parts are computed, unused ones dropped; weights are named as in the state dict;
    source lines and file names that an exporter has left are removed; inputs and outputs get the
    shapes (batch, ...) with a free batch axis.

    Parameters
    ----------
    model : ModelProto
    prefix : str
        What to take off the front of the names of weights.
    inputs, outputs : mapping of str to sequence of int or str
        Shapes without the batch axis; a name stands for a free length.
    """
    graph = model.graph
    fold_constants(graph)
    _bypass_identities(graph)
    _share_constants(graph)
    _drop_unused(graph)
    _rename(graph, prefix)
    for declared, shapes in ((graph.input, inputs), (graph.output, outputs)):
        kept = [value.name for value in declared if value.name in shapes]
        del declared[:]
        declared.extend(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", *shapes[name]])
            for name in kept
        )
    del graph.value_info[:]
    for item in (model, graph, *_all_nodes(graph.node), *graph.initializer):
        item.doc_string = ""
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
    graph.name = "ecgfoundry"
    model.producer_name, model.producer_version = "ecgfoundry", ""
    model.domain = ""
    model.ir_version = min(model.ir_version, 10)  # ONNX Runtime 1.19 reads no later one


def fold_constants(graph: onnx.GraphProto) -> None:
    """Compute every small node that depends on constants alone, in place."""
    # Weights are left alone: only what is computed from constants of the graph itself is folded.
    constants: dict[str, NDArray[Any]] = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.INT64
    }
    written = set(constants)
    kept: list[onnx.NodeProto] = []
    results = {value.name for value in graph.output}
    for node in graph.node:
        known = all(name in constants for name in node.input if name)
        if known and not _branches(node) and not results.intersection(node.output):
            arguments = {name: constants[name] for name in node.input if name}
            values = ReferenceEvaluator(node).run(None, arguments)
            if all(np.size(value) <= _LARGEST_FOLDED for value in values):
                for name, value in zip(node.output, values, strict=False):
                    constants[name] = np.asarray(value)
                continue
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    needed = _used_names(kept) - written
    graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in constants.items() if name in needed
    )


def _bypass_identities(graph: onnx.GraphProto) -> None:
    results = {value.name for value in graph.output}
    source: dict[str, str] = {}
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        _replace_names([node], source)
        if node.op_type == "Identity" and node.output[0] not in results:
            source[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _share_constants(graph: onnx.GraphProto) -> None:
    """Keep one of each small constant: an exporter writes the paddings anew for every node."""
    first: dict[tuple[Any, ...], str] = {}
    names: dict[str, str] = {}
    kept: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT64:
            content = (tuple(tensor.dims), numpy_helper.to_array(tensor).tobytes())
            names[tensor.name] = first.setdefault(content, tensor.name)
            if names[tensor.name] != tensor.name:
                continue
        kept.append(tensor)
    del graph.initializer[:]
    graph.initializer.extend(kept)
    _replace_names(graph.node, names)


def _drop_unused(graph: onnx.GraphProto) -> None:
    needed = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed |= _used_names([node])
    del graph.node[:]
    graph.node.extend(reversed(kept))
    used = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(used)


def _rename(graph: onnx.GraphProto, prefix: str) -> None:
    """State-dict names for weights, short numbered ones for everything in between."""
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    for tensor in graph.initializer:
        if tensor.name.startswith(prefix):
            names[tensor.name] = tensor.name.removeprefix(prefix)
    for number, tensor in enumerate(t for t in graph.initializer if t.name not in names):
        names[tensor.name] = f"constant_{number}"
    for number, node in enumerate(_all_nodes(graph.node)):
        node.name = f"{node.op_type}_{number}"
        while node.input and not node.input[-1]:
            # An absent optional input; named, it keeps ONNX Runtime from joining Pad and Conv.
            del node.input[-1]
        for place, name in enumerate(node.output):
            names.setdefault(name, f"{node.op_type.lower()}_{number}" + f"_{place}" * (place > 0))
    _replace_names(graph.node, names)
    for tensor in graph.initializer:
        tensor.name = names[tensor.name]


def _replace_names(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    for node in _all_nodes(nodes):
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for branch in _branches(node):
            for value in branch.output:
                value.name = names.get(value.name, value.name)


def _used_names(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Names that the nodes read, inside their branches too."""
    used: set[str] = set()
    for node in _all_nodes(nodes):
        used.update(node.input)
        used.update(value.name for branch in _branches(node) for value in branch.output)
    return used


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for branch in _branches(node):
            yield from _all_nodes(branch.node)


def _branches(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs inside a conditional node."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def fits_float16(array: NDArray[Any]) -> bool:
    """Whether a weight is one that is stored as float16: a matrix or kernel within its range."""
    return array.ndim >= 2 and array.size > 0 and float(np.abs(array).max()) <= _LARGEST_FLOAT16


def _is_float16(array: NDArray[Any]) -> bool:
    return fits_float16(array) and bool(
        (array.astype(np.float16).astype(array.dtype) == array).all()
    )


def store_as_float16(model: onnx.ModelProto) -> None:
    """Store matrices and kernels as float16, each with a cast to float32 behind it, in place.

    Only those whose values float16 holds exactly: the weights of a rounded network. What the
    exporter computed from them (the kernels of a state space) keeps its float32 values. Runtimes
    compute the casts once, when they load the file.
    """
    graph = model.graph
    casts: list[onnx.NodeProto] = []
    tensors: list[onnx.TensorProto] = []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.data_type != onnx.TensorProto.FLOAT or not _is_float16(array):
            tensors.append(tensor)
            continue
        stored = f"{tensor.name}.float16"
        tensors.append(numpy_helper.from_array(array.astype(np.float16), stored))
        casts.append(
            helper.make_node(
                "Cast",
                [stored],
                [tensor.name],
                name=f"Cast.{tensor.name}",
                to=onnx.TensorProto.FLOAT,
            )
        )
    nodes = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(tensors)
    graph.node.extend([*casts, *nodes])
