"""OpenVINO on the CPU, from ``model.onnx``."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, MissingExtraError
from ecgfoundry.inference.runtimes.hardware import usable_cores
from ecgfoundry.models.bundle import Bundle
from ecgfoundry.models.export import fix_samples

__all__ = ["OpenVinoRuntime", "pad_first_channels"]

Float32 = NDArray[np.float32]

_CHANNELS = 16
"""Input channels that the first convolution is padded to for bfloat16. With 12, OpenVINO 2026.4.1
returns wrong numbers on AMX; with 1 it takes a slow path."""


class OpenVinoRuntime:
    """OpenVINO on the CPU. Calls from several threads each get their own request.

    Parameters
    ----------
    bundle : Bundle
    threads : int, optional
        Threads within one call.
    bfloat16 : bool
        The processor has to have it (:func:`ecgfoundry.inference.runtimes.hardware.has_bfloat16`).
    """

    def __init__(
        self, bundle: Bundle, *, threads: int | None = None, bfloat16: bool = False
    ) -> None:
        try:
            import openvino
        except ImportError:
            raise MissingExtraError.for_extra("the OpenVINO runtime", "openvino") from None

        version = openvino.__version__.split("-")[0]
        self.name = f"openvino-{version}-{'bf16' if bfloat16 else 'fp32'}-cpu"
        core = openvino.Core()
        path = bundle.file("model.onnx")
        try:
            model = core.read_model(str(path))
            fix_samples(model, bundle.input.samples)
            if bfloat16:
                pad_first_channels(model)
            options = {
                "INFERENCE_NUM_THREADS": threads or usable_cores(),
                "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
                "PERFORMANCE_HINT": "LATENCY",
                # Every process would bind its threads to the first cores: two workers to one core.
                "ENABLE_CPU_PINNING": False,
            }
            self._compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[-1]
            raise BundleError(f"OpenVINO cannot load model.onnx: {first}", path=path) from None
        self._inputs = {name for port in self._compiled.inputs for name in port.get_names()}
        self._outputs = [self._compiled.output(name) for name in ("logits", "embedding")]
        self._local = threading.local()

    def run(self, signal: Float32, presence: Float32) -> tuple[Float32, Float32]:
        """See :class:`~ecgfoundry.inference.runtimes.base.Runtime`."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        feed = {"signal": np.ascontiguousarray(signal)}
        if "presence" in self._inputs:
            feed["presence"] = np.ascontiguousarray(presence)
        answer = request.infer(feed, share_inputs=True)
        logits, embedding = (np.array(answer[port], dtype=np.float32) for port in self._outputs)
        return logits, embedding


def pad_first_channels(model: Any, channels: int = _CHANNELS) -> int:
    """Give convolutions with fewer input channels zeros up to ``channels``, in place.

    Signal and kernel are padded alike, so the result is the same.

    Returns
    -------
    int
        How many convolutions were changed.
    """
    import openvino.opset13 as ops

    changed = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution":
            continue
        kernel = node.input_value(1)
        shape = list(kernel.get_partial_shape().to_shape())
        missing = channels - shape[1]
        if missing <= 0:
            continue
        pads = np.zeros(len(shape), dtype=np.int64)
        end = pads.copy()
        end[1] = missing
        zero = np.float32(0)
        for position in (0, 1):
            source = node.input_value(position)
            padded = ops.pad(source, pads.tolist(), end.tolist(), "constant", ops.constant(zero))
            node.input(position).replace_source_output(padded.output(0))
        changed += 1
    if changed:
        model.validate_nodes_and_infer_types()
    return changed
