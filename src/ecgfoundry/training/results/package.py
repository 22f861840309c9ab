"""From what a recipe leaves behind to a bundle with its card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecgfoundry.errors import TrainingError
from ecgfoundry.inference.verification import probe_windows
from ecgfoundry.manifest import FINGERPRINTS_FILE, write_fingerprints
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.bundle import InputSpec, write_bundle
from ecgfoundry.models.card_metrics import HEADER, figure_row
from ecgfoundry.models.document import Architecture, BundleDocument, Provenance, TrainingData
from ecgfoundry.models.loading import OWN, how_to_load
from ecgfoundry.models.onnx_export import export_onnx, verify_onnx
from ecgfoundry.models.registry import ARCHITECTURES, create_model
from ecgfoundry.models.safe_checkpoint import match_state_dict
from ecgfoundry.preprocessing import Preprocessing, get_preprocessing
from ecgfoundry.tasks import PredictionSets, Readout
from ecgfoundry.vocabularies import Vocabulary, load_vocabulary

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DISCLAIMER", "BundleDescription", "RunCard", "package"]

DISCLAIMER = "Not a medical device. For research; findings are unconfirmed."


@dataclass(frozen=True, kw_only=True)
class RunCard:
    """What a run's owner says of it, for the card.

    Attributes
    ----------
    recipe : str
        The command or function that trained.
    name : str, optional
        Of the bundle; None: the folder's.
    licence : str
        Of the data and the weights.
    data_name : str
    intended_use : str, optional
    """

    recipe: str
    name: str | None = None
    licence: str = "the owner's"
    data_name: str = "the owner's recordings"
    intended_use: str | None = None


@dataclass(frozen=True)
class BundleDescription:
    """What a bundle says about itself beyond its figures."""

    name: str
    version: str
    title: str
    architecture: str
    lead_mode: str
    leads: tuple[str, ...]
    preprocessing: str | Preprocessing
    vocabulary: str
    target_kind: str
    training_data: tuple[TrainingData, ...]
    recipe: str
    seed: int
    created: str
    intended_use: str
    known_failures: tuple[str, ...]
    references: tuple[str, ...]
    licence: str
    method: str
    """How it was made, for the card: paragraphs of Markdown."""
    targets: Vocabulary | None = None
    """The vocabulary itself, where it is none of those that are part of the installation."""
    repeat: str = "`make train-defaults`"
    """The command that makes the bundle anew, for the card."""
    learned_from: frozenset[int] | None = None
    """Fingerprints of the records that it, or a model before it, learned from; None: not known."""

    @property
    def input(self) -> InputSpec:
        """What goes in."""
        return InputSpec(self.lead_mode, self.leads, get_preprocessing(self.preprocessing))


def package(
    description: BundleDescription,
    results: Path,
    output: Path,
    *,
    metrics: Sequence[Metric],
    notes: Sequence[str] = (),
    network: nn.Module | None = None,
) -> Path:
    """Make the bundle of a finished recipe.

    Parameters
    ----------
    description : BundleDescription
    results : Path
        With ``model.safetensors``, ``config.json`` (``configuration``) and ``calibration.json``
        (:meth:`ecgfoundry.tasks.Readout.to_dict`).
    output : Path
        The bundle folder.
    metrics : sequence of Metric
        All figures, in the order of the card.
    notes : sequence of str
        Paragraphs for the card's results section.
    network : nn.Module, optional
        The network itself, where no architecture of the registry can build it.

    Returns
    -------
    Path
        ``output``. The graph was verified against the weights, with and without absent leads.

    Raises
    ------
    TrainingError
        A file of the results is missing.
    VerificationError
        The graph does not compute what the network computes.
    """
    from safetensors.torch import load_file

    for name in ("model.safetensors", "config.json", "calibration.json"):
        if not (results / name).is_file():
            raise TrainingError(
                f"{name} is missing", path=results, remedy="Let the recipe finish first"
            )
    configuration = json.loads((results / "config.json").read_text())["configuration"]
    readout = Readout.from_dict(json.loads((results / "calibration.json").read_text()))
    registered = network is None
    if network is None:
        network = create_model(description.architecture, **configuration)
    match_state_dict(network, load_file(results / "model.safetensors"))
    network.eval()
    spec = description.input
    architecture = ARCHITECTURES[description.architecture] if registered else None
    takes_presence = architecture is not None and architecture.takes_presence
    about = BundleDocument(
        name=description.name,
        version=description.version,
        title=description.title,
        architecture=Architecture(
            description.architecture, configuration, sum(p.numel() for p in network.parameters())
        ),
        input=spec.document,
        vocabulary=description.targets or load_vocabulary(description.vocabulary),
        target_kind=description.target_kind,
        readout=readout,
        provenance=Provenance(
            description.training_data,
            "ecgfoundry (Apache-2.0)",
            description.created,
            recipe=description.recipe,
            seed=description.seed,
        ),
        metrics=tuple(metrics),
        licence=description.licence,
        intended_use=description.intended_use,
        known_failures=description.known_failures,
        references=description.references,
    )
    with tempfile.TemporaryDirectory() as folder:
        graph, card = Path(folder) / "model.onnx", Path(folder) / "README.md"
        export_onnx(
            network,
            leads=spec.rows,
            samples=spec.samples,
            takes_presence=takes_presence,
            path=graph,
            float16_weights=True,
            free_samples=architecture is not None and architecture.masks_padding,
        )
        _verify_graph(network, graph, spec, takes_presence=takes_presence)
        card.write_text(_card(about, description, notes), encoding="utf-8")
        files = {
            "model.safetensors": results / "model.safetensors",
            "model.onnx": graph,
            "README.md": card,
        }
        if description.learned_from is not None:
            files[FINGERPRINTS_FILE] = Path(folder) / FINGERPRINTS_FILE
            write_fingerprints(files[FINGERPRINTS_FILE], description.learned_from)
        return write_bundle(output, about=about, files=files, recipe=spec.recipe)


def _verify_graph(network: Any, graph: Path, spec: InputSpec, *, takes_presence: bool) -> None:
    import torch

    windows = probe_windows(spec)
    absent = np.isnan(windows).all(axis=2)
    signal = torch.from_numpy(np.nan_to_num(windows))
    presence = torch.from_numpy((~absent).astype(np.float32)) if takes_presence else None
    verify_onnx(network, graph, signal, presence)


def _knows(learned_from: frozenset[int] | None) -> list[str]:
    if learned_from is None:
        return []
    return [
        f"Carries the fingerprints of {len(learned_from):,} records that it, or a model before it, "
        "learned from: `ecgfoundry evaluate` says how many of the records are among them."
    ]


def _certainty(sets: PredictionSets | None) -> list[str]:
    if sets is None:
        return []
    shared = ""
    if sets.shared:
        shared = f" {', '.join(sets.shared)} had too few people of their own and share theirs."
    return [
        f"Prediction sets hold the truth of {sets.coverage:.0%} of new people like those that they "
        f"were fitted on ({sets.fitted_on}); where a set holds more than one answer, or none, the "
        f"model abstains.{shared} For other people, devices or labels fit them anew with "
        "`ecgfoundry calibrate`, from about 50 labelled recordings."
    ]


def _own_network(architecture: Architecture) -> list[str]:
    if architecture.name != OWN:
        return []
    return [
        "## Network",
        "The network is its owner's. The ONNX graph answers without its code; to train it on, "
        f"{how_to_load(architecture)}.",
    ]


def _card(about: BundleDocument, description: BundleDescription, notes: Sequence[str]) -> str:
    spec = description.input
    leads = {
        "exact": f"all of {', '.join(spec.leads)}",
        "any-subset": f"any of {', '.join(spec.leads)}; absent ones are masked, derivable limb "
        "leads are derived",
        "any-single": f"one lead, whichever; trained on {', '.join(spec.leads)}",
    }[spec.lead_mode]
    data = [
        f"- {source.name} ({source.licence}), "
        f"{'?' if source.records is None else source.records} records: "
        f"{source.use or ''} {source.citation or ''}".rstrip()
        for source in about.provenance.training_data
    ]
    targets = [
        f"- **{target.name}** ({target.kind}): {target.description} {target.caveat}".rstrip()
        for target in about.vocabulary.targets
    ]
    parts = [
        f"# {description.name} {description.version}",
        description.title,
        f"**{DISCLAIMER}**",
        "## Use",
        description.intended_use,
        f"```\necgfoundry diagnose FILE --model {description.name}\n```",
        "## Input",
        f"Leads: {leads}. {spec.window_s:g}-s windows at {spec.sampling_rate:g} Hz, standardized "
        f"by `{spec.preprocessing}`: {spec.recipe.description}.",
        *_own_network(about.architecture),
        "## Targets",
        "\n".join(targets),
        "## Training",
        description.method,
        "\n".join(data),
        *_knows(description.learned_from),
        f"{about.architecture.parameters or 0:,} parameters, stored in half precision. Recipe "
        f"`{description.recipe}`, seed {description.seed}; repeat it with {description.repeat}.",
        "## Results",
        "\n".join([HEADER, *(figure_row(metric) for metric in about.metrics)]),
        *notes,
        *_certainty(about.readout.sets),
        "## Known limits",
        "\n".join(f"- {failure}" for failure in description.known_failures),
        "## Licence and references",
        description.licence,
        "\n".join(f"- {reference}" for reference in description.references),
    ]
    return "\n\n".join(parts) + "\n"
