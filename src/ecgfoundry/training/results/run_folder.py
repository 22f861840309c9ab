"""What a run writes beside its weights: configuration, environment, data, curves."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry._version import __version__
from ecgfoundry.documents import JsonObject, JsonValue
from ecgfoundry.errors import TrainingError
from ecgfoundry.io import write_whole
from ecgfoundry.locks import locked
from ecgfoundry.manifest import Manifest, write_manifest

if TYPE_CHECKING:
    from torch import nn

    from ecgfoundry.training.telling import EpochRow

__all__ = [
    "Curves",
    "RunFolder",
    "code_versions",
    "environment",
    "folder_hash",
    "labels_hash",
    "weights_hash",
]

_CONFIGURATION = "configuration.json"
_FREE = ("device", "threads", "workers", "checkpoint_every", "processes")
"""Settings that decide how fast a run is, not what it learns; they may differ when it goes on."""
_RESULTS = (
    _CONFIGURATION, "environment.json", "data.json", "split.csv", "curves.jsonl", "tensorboard",
    "last.checkpoint", "model.safetensors", "config.json", "calibration.json", "metrics.json",
    "bundle", "values",
)  # fmt: skip
_PACKAGES = ("numpy", "scipy", "torch", "onnxruntime", "polars", "scikit-learn", "safetensors")


def environment() -> JsonObject:
    """Return versions and the machine's kind; nothing that names a person or a host."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "ecgfoundry": __version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "packages": versions,
    }


def code_versions() -> dict[str, str]:
    """Return the versions that a run may not change while it lasts."""
    return {
        "ecgfoundry": __version__,
        **{name: importlib.metadata.version(name) for name in ("numpy", "torch")},
    }


def folder_hash(hashes: Mapping[str, str]) -> str:
    """Return one SHA-256 for all signals of a data set, whatever their order."""
    lines = sorted(f"{record}\0{value}\n" for record, value in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def labels_hash(manifest: Manifest, targets: Sequence[str]) -> str:
    """Return one SHA-256 for records, patients, splits, pieces and targets, whatever their order.

    Paths do not count: a folder of recordings may be moved.
    """
    lines = sorted(
        repr(
            (
                row.record, row.patient, row.split, row.start_s, row.duration_s,
                row.standardized_as, *(row.targets.get(name) for name in targets),
            )
        )
        for row in manifest.rows
    )  # fmt: skip
    return hashlib.sha256("\n".join([repr(tuple(targets)), *lines]).encode()).hexdigest()


def weights_hash(network: nn.Module) -> str:
    """Return one SHA-256 for names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class RunFolder:
    """The folder of one run.

    ``configuration.json`` (resolved settings, and under ``depends_on`` the hashes of labels,
    signals and start weights and the versions), ``environment.json``, ``data.json`` (hash of each
    signal, what was left out), ``split.csv`` (the manifest with its splits), ``curves.jsonl``,
    ``tensorboard/``, ``last.checkpoint``, ``model.safetensors`` (best), ``metrics.json``,
    ``bundle/``, and ``cache/`` (standardized windows, by what they depend on).

    Parameters
    ----------
    path : Path
    overwrite : bool
        Delete what an earlier run left here, but for the cache, once the new one is configured.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.overwrite = overwrite
        path.mkdir(parents=True, exist_ok=True)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other runs out of the folder while the block runs.

        Raises
        ------
        TrainingError
            Another process trains here; nothing was changed.
        """
        refusal = TrainingError(
            "another run is training in this folder",
            path=self.path,
            remedy="Wait until it has ended, or choose another --output",
        )
        return locked(self.path / ".lock", refusal)

    @property
    def checkpoint(self) -> Path:
        """The last state of the run; it continues from there."""
        return self.path / "last.checkpoint"

    @property
    def curves(self) -> Path:
        """One row per epoch."""
        return self.path / "curves.jsonl"

    def write_json(self, name: str, content: Mapping[str, JsonValue]) -> None:
        """Write one document, whole or not at all."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        write_whole(self.path / name, text.encode())

    def refuse_another(self, configuration: Mapping[str, JsonValue]) -> None:
        """Refuse to go on with a run of other settings, data or weights.

        Compared is what is given: a part of the configuration can be checked before the rest is
        known. Nothing is written.

        Raises
        ------
        TrainingError
            Names what differs.
        """
        path = self.path / _CONFIGURATION
        if self.overwrite or not path.is_file():
            return
        before = _comparable(json.loads(path.read_text(encoding="utf-8")))
        now = _comparable(json.loads(json.dumps(configuration)))
        differing = [
            f"{name} (was {_short(before.get(name))}, is {_short(now[name])})"
            for name in sorted(now)
            if before.get(name) != now[name]
        ]
        if differing:
            more = f" and {len(differing) - 4} more" if len(differing) > 4 else ""
            raise TrainingError(
                f"holds another run, which differs in {'; '.join(differing[:4])}{more}; nothing "
                "was changed",
                path=self.path,
                remedy="Choose another --output, or add --overwrite to train anew from nothing",
            )

    def configure(self, configuration: Mapping[str, JsonValue]) -> None:
        """Write the resolved configuration; refuse to mix two runs in one folder.

        With ``overwrite``, the results of an earlier run are deleted first.
        """
        self.refuse_another(configuration)
        if self.overwrite:
            self._clear()
        self.write_json(_CONFIGURATION, configuration)
        self.write_json("environment.json", environment())

    def _clear(self) -> None:
        for name in _RESULTS:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def write_split(self, manifest: Manifest) -> None:
        """Write the manifest with its splits, paths absolute."""
        from dataclasses import replace

        rows = [
            replace(row, path=str((manifest.folder / row.path).resolve())) for row in manifest.rows
        ]
        write_manifest(self.path / "split.csv", rows)


def _comparable(document: JsonValue, name: str = "") -> JsonObject:
    """Return the leaves of a configuration by their dotted names, without what changes nothing."""
    if not isinstance(document, Mapping):
        return {name: document}
    result: JsonObject = {}
    for key, value in document.items():
        if key not in _FREE:
            result |= _comparable(value, f"{name}.{key}" if name else key)
    return result


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


class Curves:
    """Rows of the curves, to TensorBoard as they come."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, row: EpochRow) -> None:
        """Write one epoch."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # the JSON Lines file has the same rows
            return
        with SummaryWriter(str(self.folder), purge_step=row["epoch"]) as writer:
            for name in ("loss", "learning_rate"):
                writer.add_scalar(f"training/{name}", row[name], row["epoch"])
            for name, value in (row.get("figures") or {}).items():
                writer.add_scalar(f"validation/{name}", value, row["epoch"])
