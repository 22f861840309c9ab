"""What a run writes beside its weights: configuration, environment, data, curves."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgfoundry._version import __version__
from ecgfoundry.errors import TrainingError
from ecgfoundry.manifest import Manifest, write_manifest

__all__ = ["Curves", "RunFolder", "environment", "folder_hash"]

_PACKAGES = ("numpy", "scipy", "torch", "onnxruntime", "polars", "scikit-learn", "safetensors")


def environment() -> dict[str, Any]:
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


def folder_hash(hashes: Mapping[str, str]) -> str:
    """Return one SHA-256 for all signals of a data set, whatever their order."""
    lines = sorted(f"{record}\0{value}\n" for record, value in hashes.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


class RunFolder:
    """The folder of one run.

    ``configuration.json`` (resolved), ``environment.json``, ``data.json`` (hash of each signal,
    what was left out), ``split.csv`` (the manifest with its splits), ``curves.jsonl``,
    ``tensorboard/``, ``last.checkpoint``, ``model.safetensors`` (best), ``metrics.json``,
    ``bundle/``.

    Parameters
    ----------
    path : Path

    Raises
    ------
    TrainingError
        The folder holds a run of another configuration.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    @property
    def checkpoint(self) -> Path:
        """The last state of the run; it continues from there."""
        return self.path / "last.checkpoint"

    @property
    def curves(self) -> Path:
        """One row per epoch."""
        return self.path / "curves.jsonl"

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one document, whole or not at all."""
        temporary = self.path / f".{name}.part"
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self.path / name)

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Write the resolved configuration; refuse to mix two runs in one folder."""
        path = self.path / "configuration.json"
        plain = json.loads(json.dumps(configuration))
        if path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            differing = sorted(
                key for key in {*before, *plain} if before.get(key) != plain.get(key)
            )
            if differing:
                raise TrainingError(
                    f"holds a run of another configuration ({', '.join(differing)})",
                    path=self.path,
                    remedy="Choose another --output, or delete the folder",
                )
        self.write_json("configuration.json", plain)
        self.write_json("environment.json", environment())

    def write_split(self, manifest: Manifest) -> None:
        """Write the manifest with its splits, paths absolute."""
        from dataclasses import replace

        rows = [
            replace(row, path=str((manifest.folder / row.path).resolve())) for row in manifest.rows
        ]
        write_manifest(self.path / "split.csv", rows)


class Curves:
    """Rows of the curves, to TensorBoard as they come."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, row: Mapping[str, Any]) -> None:
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
