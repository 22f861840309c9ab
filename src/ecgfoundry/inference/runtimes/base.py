"""Runtimes: one interface, arrays in, arrays out, and the choice between them.

=================  ==========================================================================
``onnxruntime``    ONNX Runtime, fp32. In every installation
``openvino``       OpenVINO, fp32 (extra ``openvino``); compiles for a second or two when loaded
``openvino-bf16``  the same in bfloat16, only where the processor has it
``torch``          PyTorch, eager, fp32, from the weights (extra ``torch``); the reference
``torch-compiled`` the same through ``torch.compile``: tens of seconds per batch size, once
``torch-bf16``     the same under autocast, only where the processor has bfloat16
``auto``           the fastest fp32 runtime that is installed, by the size of the network
``fastest``        bfloat16 where the processor has it, else as ``auto``
=================  ==========================================================================

``auto`` never leaves fp32: what bfloat16 changes depends on the weights, and is for
``ecgfoundry models verify --runtime`` to say. An 8-bit runtime is left out: quantized after
training, the logits of the released network are 0.3 of their deviation off.
"""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import BundleError, MissingExtraError, RuntimeUnavailableError
from ecgfoundry.inference.runtimes.hardware import cpu_features, has_bfloat16, usable_cores
from ecgfoundry.models.bundle import Bundle

__all__ = [
    "RUNTIMES",
    "OnnxRuntime",
    "Runtime",
    "TorchRuntime",
    "choose_runtime",
    "create_runtime",
    "is_exact",
    "without_padding",
]

Float32 = NDArray[np.float32]

LARGE_NETWORK_BYTES = 20_000_000
"""Size of ``model.onnx`` from which OpenVINO is worth its compilation (our choice: a network of
5 M parameters in fp32; below it one answer takes milliseconds on any runtime)."""

CUT_LENGTHS = 24
"""Lengths to which padded windows are cut (our choice; 10 s of 30 s is one of them)."""


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
        options.intra_op_num_threads = threads or usable_cores()
        options.log_severity_level = 3
        self.name = f"onnxruntime-{onnxruntime.__version__}-fp32-cpu"
        try:
            self._session = onnxruntime.InferenceSession(
                str(bundle.file("model.onnx")), options, providers=["CPUExecutionProvider"]
            )
        except BundleError:
            raise
        except Exception as error:  # onnxruntime raises its own unrelated exception types
            raise BundleError(f"model.onnx cannot be loaded: {error}", path=bundle.folder) from None
        shapes = {node.name: node.shape for node in self._session.get_inputs()}
        self._inputs = set(shapes)
        # A free number of samples says that the network masks its padding (see export_onnx).
        self._cuts = isinstance(shapes["signal"][2], str)

    def run(self, signal: Float32, presence: Float32) -> tuple[Float32, Float32]:
        """See :class:`Runtime`."""
        feed = {"signal": without_padding(signal) if self._cuts else signal}
        if "presence" in self._inputs:
            feed["presence"] = presence
        logits, embedding = self._session.run(["logits", "embedding"], feed)
        return logits, embedding


def without_padding(signal: Float32) -> Float32:
    """Leave out zeros at the right end that all windows have, for networks that mask them.

    What is left has one of :data:`CUT_LENGTHS` lengths, because a runtime plans its memory anew for
    every one. A live window of 10 s, padded to 30 s, then costs a third.

    Parameters
    ----------
    signal : float32 (windows, leads, samples)
        Standardized; what is not padding ends in a value other than 0.

    Returns
    -------
    float32 (windows, leads, up to samples)
    """
    samples = signal.shape[2]
    inside = np.flatnonzero(signal.any(axis=(0, 1)))
    used = int(inside[-1]) + 1 if len(inside) else 1
    step = -(-samples // CUT_LENGTHS)
    kept = min(samples, -(-used // step) * step)
    return signal if kept == samples else np.ascontiguousarray(signal[:, :, :kept])


class TorchRuntime:
    """PyTorch on the CPU, from ``model.safetensors``.

    Parameters
    ----------
    bundle : Bundle
    threads : int, optional
        Sets PyTorch's threads for the whole process.
    compiled : bool
        Through ``torch.compile``; needs a C++ compiler, and compiles anew for every batch size.
    bfloat16 : bool
        Under autocast.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        compiled: bool = False,
        bfloat16: bool = False,
    ) -> None:
        try:
            import torch
        except ImportError:
            raise MissingExtraError.for_extra("the PyTorch runtime", "torch") from None
        from ecgfoundry.models.loading import load_network

        if bfloat16:
            _require_bfloat16("torch-bf16")
        if threads:
            torch.set_num_threads(threads)
        version = torch.__version__.split("+")[0]
        precision = "bf16" if bfloat16 else "fp32"
        self.name = f"torch-{version}{'-compiled' if compiled else ''}-{precision}-cpu"
        self._torch, self._bfloat16 = torch, bfloat16
        self._network, self._takes_presence = load_network(bundle)
        # One pass gives both outputs: the embedding is caught where the network makes it, for
        # every thread its own.
        self._local = threading.local()
        self._features = self._network.forward_features
        self._network.forward_features = self._catching
        self._forward = self._compiled if compiled else self._both
        self._graphs: dict[tuple[int, ...], Any] = {}

    def _compiled(self, *arguments: Any) -> tuple[Any, Any]:
        shape = tuple(arguments[0].shape)
        if shape not in self._graphs:
            from torch.fx.experimental.proxy_tensor import make_fx

            self._graphs[shape] = self._torch.compile(make_fx(self._both)(*arguments))
        logits, embedding = self._graphs[shape](*arguments)
        return logits, embedding

    def _both(self, *arguments: Any) -> tuple[Any, Any]:
        seen: list[Any] = []
        self._local.seen = seen
        logits = self._network(*arguments)
        return logits, seen[0] if len(seen) == 1 else self._features(*arguments)

    def _catching(self, *inputs: Any) -> Any:
        features = self._features(*inputs)
        self._local.seen.append(features)
        return features

    def run(self, signal: Float32, presence: Float32) -> tuple[Float32, Float32]:
        """See :class:`Runtime`."""
        torch = self._torch
        arguments = [torch.from_numpy(np.ascontiguousarray(signal))]
        if self._takes_presence:
            arguments.append(torch.from_numpy(np.ascontiguousarray(presence)))
        cast = torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._bfloat16)
        with torch.no_grad(), cast:
            logits, embedding = self._forward(*arguments)
        return logits.float().numpy(), embedding.float().numpy()


def _compiled(bundle: Bundle, *, threads: int | None = None) -> Runtime:
    return TorchRuntime(bundle, threads=threads, compiled=True)


def _torch_bfloat16(bundle: Bundle, *, threads: int | None = None) -> Runtime:
    return TorchRuntime(bundle, threads=threads, bfloat16=True)


def _openvino(bundle: Bundle, *, threads: int | None = None) -> Runtime:
    from ecgfoundry.inference.runtimes.openvino import OpenVinoRuntime

    return OpenVinoRuntime(bundle, threads=threads)


def _openvino_bfloat16(bundle: Bundle, *, threads: int | None = None) -> Runtime:
    _require_bfloat16("openvino-bf16")
    from ecgfoundry.inference.runtimes.openvino import OpenVinoRuntime

    return OpenVinoRuntime(bundle, threads=threads, bfloat16=True)


RUNTIMES: dict[str, Any] = {
    "onnxruntime": OnnxRuntime,
    "openvino": _openvino,
    "openvino-bf16": _openvino_bfloat16,
    "torch": TorchRuntime,
    "torch-compiled": _compiled,
    "torch-bf16": _torch_bfloat16,
}


def is_exact(runtime: str) -> bool:
    """Whether a runtime computes in fp32, so that its logits are those of the weights."""
    return not runtime.endswith("-bf16")


def _require_bfloat16(runtime: str) -> None:
    if not has_bfloat16():
        raise RuntimeUnavailableError(
            f"'{runtime}' needs a processor that multiplies bfloat16, which this one does not",
            remedy="Use --runtime auto",
        )


def choose_runtime(bundle: Bundle, wish: str = "auto") -> str:
    """Return the name of the runtime that "auto" or "fastest" stands for here.

    Parameters
    ----------
    bundle : Bundle
    wish : {"auto", "fastest"} or the name of a runtime
        The name of a runtime stands for itself.
    """
    if wish not in ("auto", "fastest"):
        return wish
    if "model.onnx" not in bundle.about.files:
        return "torch"
    size = (bundle.folder / "model.onnx").stat().st_size
    # OpenVINO leads on x86 (see docs/performance.md); elsewhere it was not measured.
    vino = find_spec("openvino") is not None and bool(cpu_features() & {"avx2", "avx512f"})
    if not vino or size < LARGE_NETWORK_BYTES:
        return "onnxruntime"
    return "openvino-bf16" if wish == "fastest" and has_bfloat16() else "openvino"


def create_runtime(bundle: Bundle, *, runtime: str = "auto", threads: int | None = None) -> Runtime:
    """Load a bundle on a runtime.

    Parameters
    ----------
    bundle : Bundle
    runtime : str
        See the table of this module.
    threads : int, optional
        Threads within one call; None: all cores that this process may use. With several
        processes or threads of your own, give 1: threads that compete are many times slower.

    Raises
    ------
    BundleError
        There is no such runtime, or the bundle has no graph for it.
    MissingExtraError, RuntimeUnavailableError
        It is not installed, or this processor does not have what it needs.
    """
    name = choose_runtime(bundle, runtime)
    if name not in RUNTIMES:
        raise BundleError(
            f"there is no runtime '{name}'",
            remedy=f"Known are: auto, fastest, {', '.join(RUNTIMES)}",
        )
    loaded: Runtime = RUNTIMES[name](bundle, threads=threads)
    return loaded
