"""Runtimes: one interface, arrays in, arrays out."""

from __future__ import annotations

import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, MissingExtraError
from ecgfoundry.models.bundle import Bundle

__all__ = ["RUNTIMES", "OnnxRuntime", "Runtime", "TorchRuntime", "create_runtime"]

Float32 = NDArray[np.float32]


class Runtime(Protocol):
    """A loaded network."""

    name: str

    def run(self, signal: Float32, presence: Float32) -> tuple[Float32, Float32]:
        """Return (logits, embedding) of a batch.

        Parameters
        ----------
        signal : float32 (windows, leads, samples)
            Standardized, absent leads zero.
        presence : float32 (windows, leads)
            1 where the lead is there. Ignored by networks that do not take it.
        """
        ...


class OnnxRuntime:
    """ONNX Runtime on the CPU, fp32."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _usable_cores()
        options.log_severity_level = 3
        self.name = f"onnxruntime-{onnxruntime.__version__}-fp32-cpu"
        try:
            self._session = onnxruntime.InferenceSession(
                str(bundle.file("model.onnx")), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises its own unrelated exception types
            raise BundleError(f"model.onnx cannot be loaded: {error}", path=bundle.folder) from None
        self._inputs = {node.name for node in self._session.get_inputs()}

    def run(self, signal: Float32, presence: Float32) -> tuple[Float32, Float32]:
        """See :class:`Runtime`."""
        feed = {"signal": signal}
        if "presence" in self._inputs:
            feed["presence"] = presence
        logits, embedding = self._session.run(["logits", "embedding"], feed)
        return logits, embedding


class TorchRuntime:
    """PyTorch on the CPU, eager, fp32, from ``model.safetensors``."""

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        try:
            import torch
        except ImportError:
            raise MissingExtraError.for_extra("the PyTorch runtime", "torch") from None
        from ecgfoundry.models.loading import load_network

        if threads:
            torch.set_num_threads(threads)
        self.name = f"torch-{torch.__version__.split('+')[0]}-fp32-cpu"
        self._torch = torch
        self._network, self._takes_presence = load_network(bundle)

    def run(self, signal: Float32, presence: Float32) -> tuple[Float32, Float32]:
        """See :class:`Runtime`."""
        torch = self._torch
        arguments = [torch.from_numpy(np.ascontiguousarray(signal))]
        if self._takes_presence:
            arguments.append(torch.from_numpy(np.ascontiguousarray(presence)))
        with torch.inference_mode():
            embedding = self._network.forward_features(*arguments)
            logits = self._network(*arguments)
        return logits.numpy(), embedding.numpy()


def _usable_cores() -> int:
    """Cores that this process may use, which on a shared machine can be fewer than it has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


RUNTIMES: dict[str, Any] = {"onnxruntime": OnnxRuntime, "torch": TorchRuntime}


def create_runtime(bundle: Bundle, *, runtime: str = "auto", threads: int | None = None) -> Runtime:
    """Load a bundle on a runtime.

    Parameters
    ----------
    bundle : Bundle
    runtime : {"auto", "onnxruntime", "torch"}
        "auto": ONNX Runtime where the bundle has a graph, else PyTorch.
    threads : int, optional
        Threads within one call; None: all cores that this process may use.
    """
    if runtime == "auto":
        runtime = "onnxruntime" if "model.onnx" in bundle.document["files"] else "torch"
    if runtime not in RUNTIMES:
        raise BundleError(
            f"there is no runtime '{runtime}'", remedy=f"Known are: auto, {', '.join(RUNTIMES)}"
        )
    loaded: Runtime = RUNTIMES[runtime](bundle, threads=threads)
    return loaded
