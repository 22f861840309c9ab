"""Atrial fibrillation from the pulse wave of a wrist: a PPG channel instead of an ECG lead.

Data: DeepBeat (Torres-Soto & Ashley, npj Digital Medicine 3:116, 2020; non-commercial data use
agreement), files ``train.npz``, ``validate.npz`` and ``test.npz`` with ``signal`` (n, 800, 1), 25 s
at 32 Hz, and ``rhythm`` (n, 2) one-hot, the second column AF. ``parameters`` holds the person
(authors' notebooks; taken from the last column here and not confirmed by a published description).
Pickled arrays are refused: convert such a file with NumPy first.

The authors' own split is known to share people between its parts, so the parts are joined and split
anew by person. The pulse has no voltage: each segment is divided by its own deviation, so that the
quality gate sees one unit, and the bundle answers for a channel called "PPG".
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import FileAccessError, TrainingError
from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest
from ecgfoundry.training.finetuning import FinetuneResult, finetune
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.settings import FinetuneSettings

__all__ = ["deepbeat_manifest", "ppg_rhythm"]

SAMPLING_RATE = 32.0
PARTS = ("train", "validate", "test")


def deepbeat_manifest(data: Path, work: Path) -> Manifest:
    """Write the segments as one array and return their manifest.

    Parameters
    ----------
    data : Path
        Folder with the three files.
    work : Path
        Gets ``ppg.npy`` and its description.

    Raises
    ------
    FileAccessError, TrainingError
        A file is missing, pickled, or of another layout.
    """
    signals, rhythms, people = [], [], []
    for part in PARTS:
        content = _read(data / f"{part}.npz")
        signal, rhythm = content["signal"], content["rhythm"]
        if signal.ndim != 3 or signal.shape[2] != 1 or len(rhythm) != len(signal):
            raise TrainingError(
                f"signal {signal.shape} and rhythm {rhythm.shape} are not (n, 800, 1) and (n, 2)",
                path=data / f"{part}.npz",
            )
        signals.append(signal[:, :, 0].astype(np.float32))
        rhythms.append(rhythm[:, 1].astype(float))
        people.append(content["parameters"][:, -1])
    pulse = np.concatenate(signals)
    deviation = np.nanstd(pulse, axis=1, keepdims=True)
    pulse = np.where(deviation > 0, (pulse - np.nanmean(pulse, 1, keepdims=True)) / np.maximum(
        deviation, 1e-12), 0.0).astype(np.float32)  # fmt: skip
    work.mkdir(parents=True, exist_ok=True)
    np.save(work / "ppg.npy", pulse[:, None])
    (work / "ppg.json").write_text(
        json.dumps({"leads": ["PPG"], "sampling_rate": SAMPLING_RATE, "unit": "mV"})
    )
    person = [str(value) for value in np.concatenate(people)]
    rows = tuple(
        ManifestRow(
            f"segment-{k}", "ppg.npy", index=k, patient=person[k],
            targets={"atrial fibrillation": rhythm},
        )
        for k, rhythm in enumerate(np.concatenate(rhythms))
    )  # fmt: skip
    return Manifest(rows, work.resolve())


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileAccessError("is not there", path=path, remedy="Give the folder of DeepBeat")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in ("signal", "rhythm", "parameters")}
    except (KeyError, ValueError) as error:
        raise TrainingError(f"is not laid out as DeepBeat: {error}", path=path) from None


def ppg_rhythm(
    data: Path,
    output: Path,
    *,
    model: str = "rhythm-single-lead",
    settings: FinetuneSettings | None = None,
) -> FinetuneResult:
    """Train a binary rhythm network on the pulse wave.

    Parameters
    ----------
    data : Path
        Folder of DeepBeat.
    output : Path
        Of the run.
    model : str
        A one-lead bundle or architecture.
    settings : FinetuneSettings, optional
    """
    manifest = deepbeat_manifest(data, output / "pulse")
    settings = settings or FinetuneSettings()
    return finetune(
        MappedManifest(manifest, ("atrial fibrillation",)),
        output,
        model=model,
        task="binary",
        settings=replace(settings, input=replace(settings.input, lead="PPG")),
        card=RunCard(
            recipe="ecgfoundry.training.recipes.ppg_rhythm.ppg_rhythm",
            name="ppg-rhythm",
            licence="DeepBeat data use agreement (non-commercial)",
            data_name="DeepBeat",
        ),
    )
