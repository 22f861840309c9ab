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
    from ecgfoundry.api.answers import embed, explain, interpret
    from ecgfoundry.api.dataset import Dataset
    from ecgfoundry.api.estimators import EcgClassifier, EcgEmbedding, EcgRegressor
    from ecgfoundry.api.measuring import calibrate, compare, evaluate, evaluate_predictions
    from ecgfoundry.api.models import from_pretrained, list_models
    from ecgfoundry.api.streaming import follow
    from ecgfoundry.cli.serve import serve
    from ecgfoundry.criteria.serial import compare_recordings
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.files import EcgFile, read
    from ecgfoundry.formats.files import open_file as open
    from ecgfoundry.formats.writers import write
    from ecgfoundry.inference.batch.infer import infer_batch as infer
    from ecgfoundry.inference.exporting import export_bundle as export_model
    from ecgfoundry.inference.holter import measure_holter as holter
    from ecgfoundry.inference.interpretation import Interpretation
    from ecgfoundry.inference.predictor import Predictor, load_model
    from ecgfoundry.manifest import ColumnMapping, read_manifest, read_recordings
    from ecgfoundry.measurements.measuring import measure
    from ecgfoundry.measurements.results import Measurements
    from ecgfoundry.models.registry import create_model
    from ecgfoundry.preprocessing import standardize
    from ecgfoundry.recording import Recording
    from ecgfoundry.reports.paper.files import plot
    from ecgfoundry.samples import sample_path
    from ecgfoundry.training.finetuning import finetune
    from ecgfoundry.training.pretraining import pretrain_table as pretrain
    from ecgfoundry.training.settings import FinetuneSettings, PretrainSettings

__all__ = [
    "ColumnMapping",
    "Dataset",
    "EcgClassifier",
    "EcgEmbedding",
    "EcgFile",
    "EcgFoundryError",
    "EcgRegressor",
    "FinetuneSettings",
    "Interpretation",
    "Measurements",
    "Predictor",
    "PretrainSettings",
    "Recording",
    "__version__",
    "calibrate",
    "compare",
    "compare_recordings",
    "create_model",
    "embed",
    "evaluate",
    "evaluate_predictions",
    "explain",
    "export_model",
    "finetune",
    "follow",
    "from_pretrained",
    "holter",
    "infer",
    "interpret",
    "list_models",
    "load_model",
    "measure",
    "open",
    "plot",
    "pretrain",
    "read",
    "read_manifest",
    "read_recordings",
    "sample_path",
    "serve",
    "standardize",
    "write",
]

_HOME = {
    "ColumnMapping": "ecgfoundry.manifest",
    "Dataset": "ecgfoundry.api.dataset",
    "EcgClassifier": "ecgfoundry.api.estimators",
    "EcgEmbedding": "ecgfoundry.api.estimators",
    "EcgFile": "ecgfoundry.formats.files",
    "EcgFoundryError": "ecgfoundry.errors",
    "EcgRegressor": "ecgfoundry.api.estimators",
    "FinetuneSettings": "ecgfoundry.training.settings",
    "Interpretation": "ecgfoundry.inference.interpretation",
    "Measurements": "ecgfoundry.measurements.results",
    "Predictor": "ecgfoundry.inference.predictor",
    "PretrainSettings": "ecgfoundry.training.settings",
    "Recording": "ecgfoundry.recording",
    "calibrate": "ecgfoundry.api.measuring",
    "compare": "ecgfoundry.api.measuring",
    "compare_recordings": "ecgfoundry.criteria.serial",
    "create_model": "ecgfoundry.models.registry",
    "embed": "ecgfoundry.api.answers",
    "evaluate": "ecgfoundry.api.measuring",
    "evaluate_predictions": "ecgfoundry.api.measuring",
    "explain": "ecgfoundry.api.answers",
    "export_model": "ecgfoundry.inference.exporting:export_bundle",
    "finetune": "ecgfoundry.training.finetuning",
    "follow": "ecgfoundry.api.streaming",
    "from_pretrained": "ecgfoundry.api.models",
    "holter": "ecgfoundry.inference.holter:measure_holter",
    "infer": "ecgfoundry.inference.batch.infer:infer_batch",
    "interpret": "ecgfoundry.api.answers",
    "list_models": "ecgfoundry.api.models",
    "load_model": "ecgfoundry.inference.predictor",
    "measure": "ecgfoundry.measurements.measuring",
    "notebook_html": "ecgfoundry.reports.html.notebook",
    "open": "ecgfoundry.formats.files:open_file",
    "plot": "ecgfoundry.reports.paper.files",
    "pretrain": "ecgfoundry.training.pretraining:pretrain_table",
    "read": "ecgfoundry.formats.files",
    "read_manifest": "ecgfoundry.manifest",
    "read_recordings": "ecgfoundry.manifest",
    "sample_path": "ecgfoundry.samples",
    "serve": "ecgfoundry.cli.serve",
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
