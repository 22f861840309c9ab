"""Where a training run starts: a bundle's weights, or an architecture with fresh ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgfoundry.documents import JsonValue
from ecgfoundry.errors import EcgFoundryError, ModelNotFoundError, TrainingError
from ecgfoundry.leads import LIMB_LEADS, STANDARD_12_LEADS, canonical_lead
from ecgfoundry.manifest import Manifest, fingerprints_of_bundle
from ecgfoundry.models.bundle import Bundle, InputSpec, available_bundles, find_bundle, load_bundle
from ecgfoundry.models.loading import OWN, load_network
from ecgfoundry.models.networks.own import OwnNetwork
from ecgfoundry.models.registry import ARCHITECTURES, Architecture, create_model
from ecgfoundry.preprocessing import Preprocessing, choose_single_lead, get_preprocessing
from ecgfoundry.training.settings import PretrainInputSettings

__all__ = [
    "FRESH",
    "NewNetwork",
    "Start",
    "architecture_entry",
    "leads_of",
    "on_one_lead",
    "start_from",
]

FRESH = "random weights"
"""The origin of a network that has learned nothing yet."""
OWN_PREPROCESSING = "ecgfounder-finetune@1"
"""What one's own network is given where no other recipe is named (our choice)."""
_LOOK_AT = 20
"""Recordings that are opened to see which leads a manifest has (our choice)."""


@dataclass
class Start:
    """A network ready to train, and what it takes in.

    Attributes
    ----------
    network : nn.Module
    architecture : str
        Its name in the registry.
    spec : InputSpec
    takes_presence : bool
    origin : str
        Where the weights are from, for the card.
    named : str or None
        What the user named.
    bundle : Bundle or None
        That the weights are of.
    """

    network: nn.Module
    architecture: str
    spec: InputSpec
    takes_presence: bool
    origin: str
    named: str | None = None
    bundle: Bundle | None = None

    @property
    def learned_from(self) -> NDArray[np.uint64] | None:
        """Fingerprints of the records that the weights were learned from; None: not recorded.

        Fresh weights were learned from none. One's own module does not say.
        """
        if self.bundle is not None:
            return fingerprints_of_bundle(self.bundle)
        return np.zeros(0, np.uint64) if self.origin == FRESH else None


@dataclass(frozen=True)
class NewNetwork:
    """A network that is to learn from nothing, and what it takes in.

    Attributes
    ----------
    model : str or torch.nn.Module
        An architecture, which starts from random weights; or one's own network, as
        :func:`start_from` takes it.
    spec : InputSpec
    configuration : mapping
        Settings of the architecture beyond ``classes``.
    """

    model: str | nn.Module
    spec: InputSpec
    configuration: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def of(cls, model: str | nn.Module, chosen: PretrainInputSettings) -> NewNetwork:
        """Return the network with the input that was chosen, or that it is meant for.

        Raises
        ------
        TrainingError
            The leads do not fit the architecture.
        """
        rows = tuple(canonical_lead(lead) or lead for lead in chosen.leads) or STANDARD_12_LEADS
        one = "any-single" if len(rows) == 1 else "exact"
        if isinstance(model, nn.Module):
            recipe = get_preprocessing(chosen.preprocessing or OWN_PREPROCESSING)
            return cls(model, InputSpec(chosen.lead_mode or one, rows, recipe))
        entry = architecture_entry(model)
        fixed = "leads" not in entry.defaults and not entry.takes_presence
        if fixed and entry.example_shape[0] == 1 and len(rows) > 1:
            raise TrainingError(
                f"{model} reads one lead, and {len(rows)} were named",
                remedy="Name the one with --leads, for example --leads I",
            )
        mode = chosen.lead_mode or ("any-subset" if entry.takes_presence else one)
        spec = InputSpec(mode, rows, get_preprocessing(chosen.preprocessing or entry.preprocessing))
        return cls(model, spec, {"leads": spec.rows} if "leads" in entry.defaults else {})

    def start(self, outputs: int, seed: int) -> Start:
        """Build it, with a classifier of this many outputs."""
        torch.manual_seed(seed)
        if isinstance(self.model, nn.Module):
            return _with_classifier(self.model, outputs, self.spec)
        entry = ARCHITECTURES[self.model]
        network = create_model(self.model, **{"classes": outputs, **self.configuration})
        return Start(network, self.model, self.spec, entry.takes_presence, FRESH, self.model)


def leads_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the leads that all of the first recordings have or let derive, in model order.

    Raises
    ------
    TrainingError
        None of the first recordings can be read, or they share no lead.
    """
    shared: list[str] | None = None
    problem = ""
    for row in manifest.rows[:_LOOK_AT]:
        try:
            recording = manifest.open(row)
        except EcgFoundryError as error:
            problem = str(error)
            continue
        own = list(recording.leads)
        if sum(lead in LIMB_LEADS for lead in own) >= 2:
            own += [lead for lead in LIMB_LEADS if lead not in own]
        shared = own if shared is None else [lead for lead in shared if lead in own]
    if shared is None:
        raise TrainingError(
            f"none of the first recordings can be read: {problem}", path=manifest.folder
        )
    if not shared:
        raise TrainingError("the recordings share no lead", path=manifest.folder)
    standard = [lead for lead in STANDARD_12_LEADS if lead in shared]
    return tuple(standard + [lead for lead in shared if lead not in standard])


def architecture_entry(name: str) -> Architecture:
    """Return the entry of an architecture.

    Raises
    ------
    ModelNotFoundError
        There is none of this name.
    """
    return ARCHITECTURES[name]


def start_from(
    model: str | Path | nn.Module | None,
    *,
    outputs: int,
    leads: Sequence[str],
    preprocessing: str | Path | Preprocessing | None = None,
    seed: int = 0,
) -> Start:
    """Return the network to train, with a fresh classifier.

    Parameters
    ----------
    model : str, path, nn.Module or None
        A shipped or pulled bundle, a bundle folder, or an architecture (random weights). None: the
        shipped 12-lead bundle for three or more standard leads, else the shipped one-lead bundle.
        A module takes float32 (batch, leads, samples), all leads that the recordings share in the
        order of the standard twelve, and returns features: (batch, features) or (batch, features,
        time); a linear classifier is put on them. It must be exportable by ``torch.onnx``: tensor
        operations only, nothing that depends on values. A module with ``forward_features``,
        ``reset_classifier`` and ``config`` is taken as it is.
    outputs : int
        Logits of the new classifier.
    leads : sequence of str
        What the recordings have; decides the input of a fresh network.
    preprocessing : str, Path or Preprocessing, optional
        For an architecture: a name, or the file of a recipe; a bundle brings its own.
    seed : int
        Of the fresh weights.

    Raises
    ------
    ModelNotFoundError
        Neither a bundle nor an architecture has this name.
    TrainingError
        A bundle was given another preprocessing than its own.
    """
    if model is None:
        several = sum(lead in STANDARD_12_LEADS for lead in leads) >= 3
        model = "ptbxl-superclass-12lead" if several else "rhythm-single-lead"
    torch.manual_seed(seed)
    if isinstance(model, nn.Module):
        return _own(model, outputs, leads, preprocessing)
    named = str(model)
    model = named
    if model in ARCHITECTURES and model not in available_bundles():
        return _fresh(model, outputs, leads, preprocessing)
    try:
        bundle = load_bundle(find_bundle(model))
    except ModelNotFoundError as error:
        raise ModelNotFoundError(
            error.problem,
            path=error.path,
            remedy=f"{error.remedy or ''}; architectures: {', '.join(ARCHITECTURES)}",
        ) from None
    spec = bundle.input
    if preprocessing is not None and get_preprocessing(preprocessing) != spec.recipe:
        raise TrainingError(
            f"{bundle.name} was trained with {spec.preprocessing}, not {preprocessing}",
            remedy="Leave --preprocessing out: it travels with the weights",
        )
    network, takes_presence = load_network(bundle)
    torch.manual_seed(seed)
    network.reset_classifier(outputs)
    spec = replace(spec, taught=())  # what new outputs learn from is this run's
    return Start(
        network,
        bundle.about.architecture.name,
        spec,
        takes_presence,
        f"the weights of {bundle.name} {bundle.version}",
        named,
        bundle,
    )


def on_one_lead(start: Start, shared: Sequence[str], lead: str | None) -> tuple[Start, str | None]:
    """Settle which lead a one-lead network is trained on, so that its bundle can say it.

    Parameters
    ----------
    start : Start
    shared : sequence of str
        Leads that the recordings have or let derive.
    lead : str or None
        The wanted one. None: the first that is shared of the start's own, I and II.

    Returns
    -------
    start, lead
        The start with the lead in its ``spec``; None for a network of several leads.

    Raises
    ------
    TrainingError
        ``lead`` was named for a network of several leads.
    LeadError
        No lead was named, and several are shared, of which none is a usual one.
    """
    spec = start.spec
    if spec.lead_mode != "any-single":
        if lead is not None:
            raise TrainingError(
                f"{start.architecture} reads {len(spec.leads)} leads, not lead {lead} alone",
                remedy="Leave --lead out, or start from a one-lead model: --model "
                "rhythm-single-lead or --model rhythm-net",
            )
        return start, None
    if lead is not None:
        # Recordings without it are left out one by one; others may have it.
        chosen = canonical_lead(lead) or lead
    else:
        chosen = choose_single_lead(shared, trained=spec.leads)
    return replace(start, spec=replace(spec, leads=(chosen,))), chosen


def _own(
    module: nn.Module,
    outputs: int,
    leads: Sequence[str],
    preprocessing: str | Path | Preprocessing | None,
) -> Start:
    """Take somebody's own network; its weights are what they are."""
    recipe = get_preprocessing(preprocessing or OWN_PREPROCESSING)
    standard = tuple(lead for lead in STANDARD_12_LEADS if lead in leads) or tuple(leads[:1])
    mode = "exact" if len(standard) > 1 else "any-single"
    return _with_classifier(module, outputs, InputSpec(mode, standard, recipe))


def _with_classifier(module: nn.Module, outputs: int, spec: InputSpec) -> Start:
    """Put a fresh classifier on somebody's own network."""
    whole = all(
        hasattr(module, name) for name in ("forward_features", "reset_classifier", "config")
    )
    if whole:
        module.reset_classifier(outputs)
        network = module
    else:
        network = OwnNetwork.around(module, leads=spec.rows, samples=spec.samples, classes=outputs)
    kind = type(module).__name__
    return Start(network, OWN, spec, False, f"the network {kind} as it was given", kind)


def _fresh(
    architecture: str,
    outputs: int,
    leads: Sequence[str],
    preprocessing: str | Path | Preprocessing | None,
) -> Start:
    entry = ARCHITECTURES[architecture]
    recipe = get_preprocessing(preprocessing or entry.preprocessing)
    standard = tuple(lead for lead in STANDARD_12_LEADS if lead in leads)
    rows = entry.example_shape[0]
    # Only networks with a free number of leads take fewer or more than they are meant for.
    free = "leads" in entry.defaults and architecture not in ("net1d-12lead", "net1d-1lead")
    if entry.takes_presence:
        mode, names = "any-subset", STANDARD_12_LEADS
    elif rows == 1 or (free and len(standard) < 2):
        mode, names = "any-single", (("I",) if "I" in leads else (leads[0],))
    else:
        mode, names = "exact", (standard if free else STANDARD_12_LEADS)
    configuration = {"classes": outputs}
    if free:
        configuration["leads"] = 1 if mode == "any-single" else len(names)
    spec = InputSpec(mode, tuple(names), recipe)
    network = create_model(architecture, **configuration)
    return Start(network, architecture, spec, entry.takes_presence, FRESH, architecture)
