"""Opening checkpoints that others have made, without running anything that they contain.

A ``.pth`` file is a zip of raw tensors and one pickle, and a pickle can call any function. Here
its names are first compared with a short list (tensors and plain containers), without unpickling;
then torch's restricted unpickler reads it. The one addition is the float64 scalar of NumPy, because
the published ECGFounder checkpoints store ``val_auroc`` as one, and even that is built by a
function of our own and not by NumPy's.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry.errors import CheckpointError, FileAccessError, LimitError, MissingExtraError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MAXIMUM_BYTES", "load_published_checkpoint", "match_state_dict"]

MAXIMUM_BYTES = 4 * 2**30
"""The published files have 353 MiB; nothing of this kind comes near 4 GiB (our choice)."""

_MAXIMUM_PICKLE_BYTES = 64 * 2**20
_MAXIMUM_ENTRIES = 100_000
_ZIP_MAGIC = b"PK\x03\x04"
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_REMEDY = "Take the file from its original source, or save its state dict as .safetensors"


def load_published_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read the tensors of a checkpoint.

    Understood are ``.safetensors`` files and what ``torch.save`` has written since torch 1.6: a
    state dict, or a dict that holds one as "state_dict", "model_state_dict" or "model". A
    "module." that data-parallel training has put before every name is taken off.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict
        ``state_dict``: name to tensor, on the CPU, in the order of the file (of safetensors: by
        name). ``metadata``: the numbers and texts beside it, such as ``epoch`` and ``val_auroc``.
        Optimizer states are not kept.

    Raises
    ------
    FileAccessError
        There is no such file.
    LimitError
        It is larger than any checkpoint of this kind.
    CheckpointError
        It contains anything but tensors and plain values, is damaged, or holds no state dict.
    MissingExtraError
        PyTorch or safetensors is not installed.
    """
    path = Path(path)
    try:
        import torch
    except ImportError:
        raise MissingExtraError.for_extra("opening a checkpoint", "torch") from None
    if not path.is_file():
        raise FileAccessError("there is no such file", path=path)
    size = path.stat().st_size
    if size > MAXIMUM_BYTES:
        raise LimitError(f"has {size} bytes; a checkpoint has at most {MAXIMUM_BYTES}", path=path)
    with path.open("rb") as stream:
        head = stream.read(9)
    metadata: Mapping[Any, Any]
    if head.startswith(_ZIP_MAGIC):
        _check_zip(path)
        content = _load_zip(path)
        state, metadata = _find_state_dict(content, path)
    elif _is_safetensors(head, size):
        state, metadata = _load_safetensors(path)
    else:
        raise CheckpointError(
            "is neither a zip, as torch.save has written since version 1.6, nor a safetensors file",
            path=path,
            remedy=_REMEDY,
        )
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    for name, tensor in state.items():
        problem = _tensor_problem(tensor, size, torch)
        if problem:
            raise CheckpointError(f"the tensor {name} {problem}", path=path, remedy=_REMEDY)
    plain = {
        key: value for key, value in metadata.items() if isinstance(key, str) and _is_plain(value)
    }
    return {"state_dict": state, "metadata": plain}


def match_state_dict(network: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load a state dict into a network; every name and every shape must agree.

    Values of other floating-point types are converted to the network's.

    Raises
    ------
    CheckpointError
        With the tensors that are missing, left over, or of another shape. The network is then
        unchanged.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    misshapen = [
        f"{name} is {tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
        for name, tensor in state_dict.items()
        if name in own and tensor.shape != own[name].shape
    ]
    problems = [
        f"{len(names)} {what}: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        for names, what in (
            (missing, "missing"),
            (unexpected, "unexpected"),
            (misshapen, "of another shape"),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"the tensors do not fit {type(network).__name__}: {'; '.join(problems)}",
            remedy="Name the architecture, number of leads and vocabulary that the checkpoint "
            "was made with",
        )
    network.load_state_dict(dict(state_dict), strict=True)


class _Float64Type:
    """Stands for ``numpy.dtype`` in a pickle, and can only be float64."""

    def __init__(self, code: str, *_: bool) -> None:
        if code != "f8":
            raise CheckpointError(f"contains a NumPy value of type {str(code)[:20]!r}, not float64")
        self.order = "<"

    def __setstate__(self, state: Any) -> None:
        # (version, byte order, ...): nothing else of the state means anything for a float64.
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise CheckpointError("contains a NumPy value of a damaged type")
        self.order = ">" if state[1] == ">" else "<"


def _float64_scalar(kind: Any, data: Any) -> float:
    """Stands for ``numpy.core.multiarray.scalar`` in a pickle."""
    if not isinstance(kind, _Float64Type) or not isinstance(data, bytes) or len(data) != 8:
        raise CheckpointError("contains a NumPy scalar that is not float64")
    return float(struct.unpack(f"{kind.order}d", data)[0])


_ALLOWED: list[Any] = [
    (_float64_scalar, "numpy.core.multiarray.scalar"),  # NumPy 1
    (_float64_scalar, "numpy._core.multiarray.scalar"),  # NumPy 2
    (_Float64Type, "numpy.dtype"),
]


_STORAGES = "Float Half BFloat16 Double Long Int Short Char Byte Bool".split()
_ALLOWED_NAMES = frozenset(
    {
        "collections.OrderedDict",
        "collections.Counter",  # in the state of some schedulers
        "torch._utils._rebuild_tensor_v2",
        "torch._utils._rebuild_parameter",
        "_codecs.encode",  # bytes, in pickle protocol 2
        *(f"torch.{kind}Storage" for kind in _STORAGES),
        *(name for _, name in _ALLOWED),
    }
)


def _check_zip(path: Path) -> None:
    """Refuse archives that are not laid out as torch.save does it."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive, path)
            _check_names(archive, path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise CheckpointError(
            f"is a damaged or truncated zip: {error}", path=path, remedy="Download it again"
        ) from None


def _check_entries(archive: zipfile.ZipFile, path: Path) -> None:
    problem = None
    entries = archive.infolist()
    pickles = [entry for entry in entries if entry.filename.endswith(".pkl")]
    if len(entries) > _MAXIMUM_ENTRIES:
        problem = f"has {len(entries)} entries"
    elif any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        problem = "is compressed, which torch.save never does"
    elif sum(entry.file_size for entry in entries) > path.stat().st_size:
        problem = "announces more data than it has"
    elif len(pickles) != 1 or not pickles[0].filename.endswith("/data.pkl"):
        problem = f"holds {len(pickles)} pickles instead of one data.pkl (a TorchScript archive?)"
    elif pickles[0].file_size > _MAXIMUM_PICKLE_BYTES:
        problem = f"has a pickle of {pickles[0].file_size} bytes"
    if problem:
        raise CheckpointError(problem, path=path, remedy=_REMEDY)


def _check_names(archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse a pickle that names anything which is not on the list, before it is unpickled."""
    name = next(entry for entry in archive.namelist() if entry.endswith("/data.pkl"))
    problem = None
    try:
        for operation, argument, _ in pickletools.genops(archive.read(name)):
            if operation.name == "GLOBAL":
                called = str(argument).replace(" ", ".")
                if called not in _ALLOWED_NAMES:
                    problem = f"contains {called[:100]}, which is neither tensor nor plain value"
            elif operation.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"):
                problem = "is pickled in another way (protocol) than torch.save does by default"
            if problem:
                break
    except Exception as error:  # a damaged pickle can raise nearly anything
        problem = f"has a damaged pickle: {error}"
    if problem:
        raise CheckpointError(f"{problem}; it was not opened", path=path, remedy=_REMEDY)


def _load_zip(path: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except CheckpointError as error:
        raise CheckpointError(error.problem, path=path, remedy=_REMEDY) from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        # Only what is wrong: torch goes on to advise switching the protection off.
        reason = " ".join(str(error).split()).split("WeightsUnpickler error: ")[-1]
        reason = re.split(r"\. | was not an allowed| Please ", reason)[0][:200]
        raise CheckpointError(
            f"is damaged and was not opened: {reason}", path=path, remedy=_REMEDY
        ) from None


def _is_safetensors(head: bytes, size: int) -> bool:
    # Eight bytes of header length, then JSON.
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], Mapping[Any, Any]]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise MissingExtraError.for_extra("opening a safetensors file", "torch") from None
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in sorted(file.keys())}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"is a damaged safetensors file: {error}", path=path, remedy="Download it again"
        ) from None
    if not state:
        raise CheckpointError("holds no tensors", path=path)
    return state, metadata


def _find_state_dict(content: Any, path: Path) -> tuple[dict[str, Tensor], Mapping[Any, Any]]:
    if isinstance(content, Mapping):
        for name in _WRAPPERS:
            if _is_state_dict(content.get(name)):
                return dict(content[name]), content
        if _is_state_dict(content):
            return dict(content), {}
    raise CheckpointError(
        "holds no state dict, neither at the top nor as 'state_dict', 'model_state_dict' or "
        "'model'",
        path=path,
        remedy=_REMEDY,
    )


def _is_plain(value: Any) -> bool:
    """Whether a value can stand in a bundle's description."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (bool, int)) or (isinstance(value, str) and len(value) <= 200)


def _is_state_dict(value: Any) -> bool:
    import torch

    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) for name in value)
        and all(isinstance(tensor, torch.Tensor) for tensor in value.values())
    )


def _tensor_problem(tensor: Tensor, file_size: int, torch: Any) -> str | None:
    """Say what is wrong with a tensor; None if nothing is."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        return f"is of the kind {tensor.layout}, {tensor.dtype}, which no weight has"
    # A view with stride 0 can announce terabytes on top of four bytes.
    if tensor.numel() * tensor.element_size() > file_size:
        return f"announces {tensor.numel()} values, more than the file has"
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        return "has values that are not finite"
    return None
