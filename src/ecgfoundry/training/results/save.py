"""The last step of every run: its weights, calibration and figures become a bundle."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from torch import nn

from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.loading import OWN
from ecgfoundry.models.networks.own import own_configuration
from ecgfoundry.models.onnx_graph import fits_float16
from ecgfoundry.tasks import Readout
from ecgfoundry.training.results.package import BundleDescription, package
from ecgfoundry.training.results.run_folder import RunFolder

__all__ = ["bundle_name", "save_bundle", "sentence", "today"]


def save_bundle(
    network: nn.Module,
    description: BundleDescription,
    folder: RunFolder,
    *,
    readout: Readout,
    metrics: Sequence[Metric],
    notes: Sequence[str] = (),
) -> Path:
    """Write weights, configuration, calibration and figures, and the bundle made of them.

    Parameters
    ----------
    network : nn.Module
        Rounded to float16 (:func:`ecgfoundry.models.onnx_export.round_to_float16`): what was
        measured is what is stored.
    description : BundleDescription
    folder : RunFolder
    readout : Readout
        What was fitted for its answers.
    metrics : sequence of Metric
    notes : sequence of str
        Paragraphs for the card's results section.

    Returns
    -------
    Path
        ``folder/bundle``.
    """
    from safetensors.torch import save_file

    stored = {
        key: (tensor.half() if fits_float16(tensor.numpy()) else tensor).contiguous()
        for key, tensor in network.cpu().state_dict().items()
    }
    save_file(stored, folder.path / "model.safetensors")
    own = network if description.architecture == OWN else None
    configuration = network.config if own is None else own_configuration(own)
    folder.write_json("config.json", {"configuration": configuration})
    folder.write_json("calibration.json", readout.to_dict())
    folder.write_json("metrics.json", {"metrics": [metric.to_dict() for metric in metrics]})
    return package(
        description, folder.path, folder.path / "bundle",
        metrics=metrics, notes=notes, network=own,
    )  # fmt: skip


def bundle_name(text: str) -> str:
    """Return a name that a bundle may have."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text.lower())
    return kept.strip("._-")[:100] or "trained"


def sentence(words: str) -> str:
    """Return the beginning of a sentence; names of classes within keep their capitals."""
    return words[:1].upper() + words[1:]


def today() -> str:
    """Return the date in UTC, as ISO 8601."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()
