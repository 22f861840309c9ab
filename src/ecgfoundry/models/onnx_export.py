"""Networks to ONNX files, and the check that the file computes what the network computes.

The exporter is torch's TorchScript one by default. It needs nothing beside torch and onnx, takes
seconds, and works alike in every torch that is supported; the newer one (``exporter="dynamo"``)
also needs onnxscript and took ten to thirty times as long on one CPU core (measured, torch 2.13).
Tracing can go wrong silently (torch writes Python's floor division of a traced length as ONNX
division, which rounds towards zero), so no file is to be used that has not passed
:func:`verify_onnx`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import MissingExtraError, VerificationError
from ecgfoundry.io import write_atomically

if TYPE_CHECKING:
    import onnx
    from torch import Tensor, nn

__all__ = ["OPSET", "export_onnx", "round_to_float16", "verify_onnx"]

OPSET = 18
"""ONNX operator set; read by ONNX Runtime from 1.14 and OpenVINO from 2023.1 on (our choice)."""

_EXAMPLE_BATCH = 2  # not 1: exporters take a batch of one for a constant
_SAMPLES_AXIS = 2  # of the signal


def export_onnx(
    network: nn.Module,
    *,
    leads: int,
    samples: int,
    takes_presence: bool,
    path: str | Path,
    float16_weights: bool = False,
    free_samples: bool = False,
    exporter: str = "torchscript",
) -> Path:
    """Write a network as one ONNX file with a free batch axis.

    Inputs are ``signal`` (batch, leads, samples) float32 and, if the network takes it,
    ``presence`` (batch, leads) float32 with 1 for a lead that is there; outputs are ``logits``
    (batch, classes) and ``embedding`` (batch, features), float32.

    Parameters
    ----------
    network : nn.Module
        With ``forward_features``, which ``forward`` calls once. Evaluated in evaluation mode; its
        mode afterwards is the one before.
    leads, samples : int
        Of one window. The number of samples is fixed in the file, or the largest one.
    takes_presence : bool
        Whether ``forward`` takes the presence mask as its second argument.
    path : str or Path
        Where to write; an existing file is replaced only when the export has worked.
    float16_weights : bool
        Store matrices and kernels as float16 with a cast to float32 behind each: half the file,
        the same arithmetic. The file then computes what ``round_to_float16(network)`` computes.
    free_samples : bool
        Leave the number of samples free: for networks that mask the zeros at the right end of a
        window, so that a runtime may leave them out (see
        :class:`ecgfoundry.models.registry.Architecture`).
    exporter : {"torchscript", "dynamo"}
        Which of torch's exporters to use.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    MissingExtraError
        torch or onnx is not installed.
    VerificationError
        The network has no usable ``forward_features``, or the graph is not valid ONNX.
    """
    try:
        import onnx
        import torch

        from ecgfoundry.models.onnx_graph import store_as_float16, tidy_graph
    except ImportError as error:
        raise MissingExtraError.for_extra("exporting to ONNX", "torch") from error

    path = Path(path)
    if float16_weights:
        network = round_to_float16(network)
    parameter = next(network.parameters())
    signal = torch.randn(
        (_EXAMPLE_BATCH, leads, samples), generator=torch.Generator().manual_seed(0)
    ).to(parameter.device)
    inputs: dict[str, Tensor] = {"signal": signal}
    if takes_presence:
        inputs["presence"] = torch.ones((_EXAMPLE_BATCH, leads), device=parameter.device)
    with _evaluation_mode(network), torch.no_grad(), _quiet():
        wrapper = _with_embedding(network).eval()
        outputs = dict(zip(("logits", "embedding"), wrapper(*inputs.values()), strict=True))
        data = _export(wrapper, inputs, list(outputs), exporter, free_samples=free_samples)
    model = onnx.load_model_from_string(data)
    tidy_graph(
        model,
        prefix="network.",
        inputs={
            name: [
                "samples" if free_samples and axis == _SAMPLES_AXIS else length
                for axis, length in enumerate(tensor.shape)
            ][1:]
            for name, tensor in inputs.items()
        },
        outputs={name: list(tensor.shape[1:]) for name, tensor in outputs.items()},
    )
    if float16_weights:
        store_as_float16(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise VerificationError(
            f"the exported graph is not valid ONNX: {error}",
            path=path,
            remedy="Simplify the network's forward, or export with another torch version",
        ) from error
    _write(path, model.SerializeToString(deterministic=True))
    return path


def verify_onnx(
    network: nn.Module,
    path: str | Path,
    signal: NDArray[np.float32] | Tensor,
    presence: NDArray[np.float32] | Tensor | None = None,
    tolerance: float = 1e-4,
) -> float:
    """Compare an ONNX file, as ONNX Runtime runs it by default, with the network.

    Both outputs are compared, for the whole batch and for its first window alone.

    Parameters
    ----------
    network : nn.Module
        For a file with float16 weights, ``round_to_float16(network)``.
    path : str or Path
        The ONNX file.
    signal : ndarray or Tensor, float32 (batch, leads, samples)
        Windows as the network takes them.
    presence : ndarray or Tensor, float32 (batch, leads), optional
        For networks that take it.
    tolerance : float
        Largest accepted difference.

    Returns
    -------
    float
        The largest difference of one logit, divided by the root mean square of the network's
        logits, or the same for the embedding if that is larger.

    Raises
    ------
    VerificationError
        The difference is not within the tolerance, or a value is not finite.
    """
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, torch.get_num_threads())
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            Path(path).read_bytes(), options, providers=["CPUExecutionProvider"]
        )
    except OSError:
        raise
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise VerificationError(
            f"ONNX Runtime cannot open the file: {error}", path=path, remedy="Export it again"
        ) from error
    device = next(network.parameters()).device
    arrays = {"signal": torch.as_tensor(signal, dtype=torch.float32)}
    if presence is not None:
        arrays["presence"] = torch.as_tensor(presence, dtype=torch.float32)
    worst = 0.0
    for rows in dict.fromkeys((len(arrays["signal"]), 1)):
        part = {name: tensor[:rows] for name, tensor in arrays.items()}
        with _evaluation_mode(network), torch.no_grad():
            expected = _with_embedding(network)(*(tensor.to(device) for tensor in part.values()))
        answers = session.run(
            ["logits", "embedding"], {name: tensor.cpu().numpy() for name, tensor in part.items()}
        )
        for wanted, answer in zip(expected, answers, strict=True):
            worst = max(worst, _relative_difference(wanted.cpu().numpy(), answer))
    if not worst <= tolerance:
        raise VerificationError(
            f"the graph is {worst:.1e} of the size of the logits away from the network; "
            f"{tolerance:.1e} is allowed",
            path=path,
            remedy="Do not use this file; export it again, from the same weights",
        )
    return worst


def round_to_float16(network: nn.Module) -> nn.Module:
    """Return a float32 copy whose matrices and kernels have values that float16 can hold.

    What a file with ``float16_weights`` computes. Tensors of one dimension (biases, norms) keep
    their float32 values, there as here.
    """
    import copy

    import torch

    from ecgfoundry.models.onnx_graph import fits_float16

    rounded = copy.deepcopy(network)
    with torch.no_grad():
        for tensor in rounded.state_dict().values():
            if tensor.dtype == torch.float32 and fits_float16(tensor.cpu().numpy()):
                tensor.copy_(tensor.half().float())
    return rounded


def _with_embedding(network: nn.Module) -> nn.Module:
    """Wrap the network so that one pass returns (logits, embedding)."""
    import torch

    class WithEmbedding(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
            original = self.network.forward_features
            seen: list[Tensor] = []

            def recording(*arguments: Tensor) -> Tensor:
                seen.append(original(*arguments))
                return seen[-1]

            # An attribute of the instance, so that the class and its other instances are left
            # alone; deleting it uncovers the method again.
            self.network.forward_features = recording
            try:
                logits = self.network(*inputs)
            finally:
                del self.network.forward_features
            if len(seen) != 1:
                raise VerificationError(
                    f"forward of {type(self.network).__name__} calls forward_features "
                    f"{len(seen)} times instead of once, so that its embedding is not defined"
                )
            return logits, seen[0]

    if not hasattr(network, "forward_features"):
        raise VerificationError(f"{type(network).__name__} has no forward_features")
    return WithEmbedding()


def _export(
    wrapper: nn.Module,
    inputs: dict[str, Tensor],
    outputs: list[str],
    exporter: str,
    *,
    free_samples: bool,
) -> bytes:
    import torch

    arguments = tuple(inputs.values())
    free: dict[str, dict[int, str]] = {name: {0: "batch"} for name in [*inputs, *outputs]}
    if free_samples:
        free["signal"][_SAMPLES_AXIS] = "samples"
    if exporter == "torchscript":
        buffer = io.BytesIO()
        torch.onnx.export(
            wrapper,
            arguments,
            buffer,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=free,
            opset_version=OPSET,
            # The network is in evaluation mode. "Preserve" keeps torch from multiplying its batch
            # norms into the kernels, so that the file holds the weights of the state dict.
            training=torch.onnx.TrainingMode.PRESERVE,
            dynamo=False,
        )
        return buffer.getvalue()
    if exporter == "dynamo":
        axes = {name: torch.export.Dim(name) for name in ("batch", "samples")}
        program = torch.onnx.export(
            wrapper,
            arguments,
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=(
                tuple(
                    {axis: axes[length] for axis, length in free[name].items()} for name in inputs
                ),
            ),
            opset_version=OPSET,
            dynamo=True,
            optimize=False,  # as above; tidy_graph does the part that is wanted
            verbose=False,
        )
        model: onnx.ModelProto = program.model_proto
        return model.SerializeToString()
    raise ValueError(f"exporter is {exporter!r}; 'torchscript' or 'dynamo' is needed")


@contextlib.contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporters say to developers of torch; the result is verified anyway."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _relative_difference(wanted: NDArray[Any], answer: NDArray[Any]) -> float:
    if wanted.shape != answer.shape or not np.isfinite(wanted).all():
        return math.inf
    difference = float(np.max(np.abs(wanted.astype(np.float64) - answer)))
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    return difference / max(size, 1e-12) if math.isfinite(difference) else math.inf


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(path) as temporary:
        temporary.write_bytes(data)
