"""ecgfoundry: an ECG in as the device wrote it, named and calibrated findings out.

>>> import ecgfoundry
>>> recording = ecgfoundry.read("file.hea")                                    # doctest: +SKIP
>>> predictor = ecgfoundry.load_model("rhythm-single-lead")                    # doctest: +SKIP
>>> result = predictor.interpret(recording)                                    # doctest: +SKIP

Everything here is loaded on first use, so ``import ecgfoundry`` is fast and needs no PyTorch.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecgfoundry._version import __version__

# ONNX Runtime from 1.29 on sends figures about the machine and the network to its maker, and writes
# an identifier into the home folder, unless this is set before it is first imported. A hospital's
# computer tells nobody anything that it was not asked to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.files import EcgFile, read
    from ecgfoundry.formats.files import open_file as open
    from ecgfoundry.formats.writers import write
    from ecgfoundry.inference.interpretation import Interpretation
    from ecgfoundry.inference.predictor import Predictor, load_model
    from ecgfoundry.measurements.measuring import measure
    from ecgfoundry.measurements.values import Measurements
    from ecgfoundry.models.registry import create_model
    from ecgfoundry.preprocessing import standardize
    from ecgfoundry.recording import Recording
    from ecgfoundry.reports.paper.files import plot
    from ecgfoundry.samples import sample_path
    from ecgfoundry.training.finetuning import finetune
    from ecgfoundry.training.pretraining import pretrain_table as pretrain
    from ecgfoundry.training.settings import FinetuneSettings, PretrainSettings

__all__ = [
    "EcgFile",
    "EcgFoundryError",
    "FinetuneSettings",
    "Interpretation",
    "Measurements",
    "Predictor",
    "PretrainSettings",
    "Recording",
    "__version__",
    "create_model",
    "finetune",
    "load_model",
    "measure",
    "open",
    "plot",
    "pretrain",
    "read",
    "sample_path",
    "standardize",
    "write",
]

_HOME = {
    "EcgFile": "ecgfoundry.formats.files",
    "EcgFoundryError": "ecgfoundry.errors",
    "FinetuneSettings": "ecgfoundry.training.settings",
    "Interpretation": "ecgfoundry.inference.interpretation",
    "Measurements": "ecgfoundry.measurements.values",
    "Predictor": "ecgfoundry.inference.predictor",
    "PretrainSettings": "ecgfoundry.training.settings",
    "Recording": "ecgfoundry.recording",
    "create_model": "ecgfoundry.models.registry",
    "finetune": "ecgfoundry.training.finetuning",
    "load_model": "ecgfoundry.inference.predictor",
    "measure": "ecgfoundry.measurements.measuring",
    "open": "ecgfoundry.formats.files:open_file",
    "plot": "ecgfoundry.reports.paper.files",
    "pretrain": "ecgfoundry.training.pretraining:pretrain_table",
    "read": "ecgfoundry.formats.files",
    "sample_path": "ecgfoundry.samples",
    "standardize": "ecgfoundry.preprocessing",
    "write": "ecgfoundry.formats.writers",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ecgfoundry' has no attribute '{name}'")
    module, _, attribute = home.partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
