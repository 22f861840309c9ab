"""Where the time of the released 12-lead network goes, layer by layer, on OpenVINO in fp32.

    python -m benchmarks.layer_profile [--batch 1] [--runs 40]

One thread. Each layer's time is its smallest over the runs, which other processes disturb least.
The last column compares a kind of layer with the machine's matrix products: what the whole network
would gain if that kind ran at their speed.
"""

from __future__ import annotations

import argparse
import math
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.limits import peak_gemm
from benchmarks.networks import released

__all__ = ["Kind", "profile"]


@dataclass
class Kind:
    """All layers of one kind; seconds and multiply-adds per record."""

    layers: int = 0
    seconds: float = 0.0
    multiply_adds: float = 0.0


def profile(batch: int, runs: int, *, architecture: str | None = None) -> dict[str, Kind]:
    """Return the kinds of layers, the slowest first."""
    import openvino

    path = released(12, architecture).file("model.onnx")
    core = openvino.Core()
    model = core.read_model(str(path))
    model.reshape([batch, 12, 5000])
    known = {node.get_friendly_name(): _convolution(node) for node in model.get_ordered_ops()}
    options = {
        "INFERENCE_NUM_THREADS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": True,
    }
    request = core.compile_model(model, "CPU", options).create_infer_request()
    signal = np.random.default_rng(0).normal(size=(batch, 12, 5000)).astype(np.float32)
    best: dict[str, tuple[str, float]] = {}
    for _ in range(runs):
        request.infer({"signal": signal})
        for layer in request.get_profiling_info():
            seconds = layer.real_time.total_seconds()
            if seconds > 0:
                before = best.get(layer.node_name, ("", math.inf))[1]
                best[layer.node_name] = (layer.node_type, min(seconds, before))
    kinds: dict[str, Kind] = defaultdict(Kind)
    for name, (node_type, seconds) in best.items():
        label, multiply_adds = known.get(name) or (node_type, 0.0)
        kind = kinds[label]
        kind.layers += 1
        kind.seconds += seconds / batch
        kind.multiply_adds += multiply_adds / batch
    return dict(sorted(kinds.items(), key=lambda item: -item[1].seconds))


def _convolution(node: Any) -> tuple[str, float] | None:
    """Name and multiply-adds of a convolution."""
    kind = node.get_type_name()
    if kind not in ("Convolution", "GroupConvolution"):
        return None
    kernel = list(node.input_value(1).get_partial_shape().to_shape())
    outputs = math.prod(node.output(0).get_partial_shape().to_shape())
    reads = math.prod(kernel[2:] if kind == "GroupConvolution" else kernel[1:])
    return f"{kind}, kernel {kernel[-1]}", float(outputs * reads)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--runs", type=int, default=40)
    arguments = parser.parse_args()
    kinds = profile(arguments.batch, arguments.runs)
    peak = peak_gemm()
    total = sum(kind.seconds for kind in kinds.values())
    print(
        f"batch {arguments.batch}: {1e3 * total:.1f} ms per record; matrix products at "
        f"{peak / 1e9:.0f} GFLOP/s\n\n| layers | | ms | share | GFLOP/s | all at peak |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    for name, kind in kinds.items():
        if kind.seconds < 0.002 * total:
            continue
        rate = gain = ""
        if kind.multiply_adds:
            rate = f"{2e-9 * kind.multiply_adds / kind.seconds:.0f}"
            saved = max(0.0, kind.seconds - 2 * kind.multiply_adds / peak)
            gain = f"x {total / (total - saved):.2f}"
        print(
            f"| {name} | {kind.layers} | {1e3 * kind.seconds:.2f} | {kind.seconds / total:.1%} | "
            f"{rate} | {gain} |"
        )


if __name__ == "__main__":
    main()
