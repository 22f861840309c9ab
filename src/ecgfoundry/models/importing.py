"""Checkpoints to bundles: the weights of others, with everything that their answers depend on."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry._version import __version__
from ecgfoundry.documents import JsonObject, JsonValue
from ecgfoundry.errors import CheckpointError, MissingExtraError
from ecgfoundry.io import sha256_of
from ecgfoundry.leads import STANDARD_12_LEADS, canonical_lead
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.bundle import InputSpec, write_bundle
from ecgfoundry.models.cards import imported_card, upstream_statement
from ecgfoundry.models.document import Architecture, BundleDocument, Provenance
from ecgfoundry.models.published import published_with_hash
from ecgfoundry.models.registry import ARCHITECTURES
from ecgfoundry.preprocessing import Preprocessing, get_preprocessing
from ecgfoundry.tasks.representation import NOTHING
from ecgfoundry.vocabularies import load_vocabulary

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["import_checkpoint"]


def import_checkpoint(
    checkpoint: str | Path,
    *,
    architecture: str,
    leads: int,
    vocabulary: str,
    output: str | Path,
    preprocessing: str | Path | Preprocessing | None = None,
    onnx: bool = True,
    name: str | None = None,
    lead: str = "I",
) -> Path:
    """Make a bundle of a checkpoint, without running anything that it contains.

    The bundle holds the weights in float32, the same network as an ONNX graph that was compared
    with them, and a description without calibration and thresholds: those are fitted afterwards,
    on data with labels.

    Parameters
    ----------
    checkpoint : str or Path
        ``.pth`` or ``.safetensors``.
    architecture : str
        One of :func:`ecgfoundry.models.registry.available_architectures`.
    leads : int
        12 (I, II, III, aVR, aVL, aVF, V1-V6, in this order) or 1.
    vocabulary : str
        What the outputs mean; one of :data:`ecgfoundry.vocabularies.VOCABULARIES`, or
        "representation" for an encoder without a classifier.
    output : str or Path
        The folder to make. A bundle that is there already is replaced.
    preprocessing : str, Path or Preprocessing, optional
        What the weights need to be fed with: a name, or the file of a recipe; None: the usual one
        of the architecture.
    onnx : bool
        Write the graph too.
    name : str, optional
        Of the bundle; None: that of the published weights with this hash, else the folder's.
    lead : str
        With one lead: the one that the weights were trained on, and that is read where it is there.

    Returns
    -------
    Path
        ``output``.

    Raises
    ------
    CheckpointError
        The checkpoint is unsafe or damaged, or does not fit the architecture, the number of leads
        or the vocabulary.
    FileAccessError, ModelNotFoundError, VocabularyError, PreprocessingError, MissingExtraError
    VerificationError
        The graph does not agree with the weights; no bundle is written.
    """
    checkpoint, output = Path(checkpoint), Path(output)
    recipe = preprocessing or ARCHITECTURES[architecture].preprocessing
    spec = _input_spec(leads, lead, get_preprocessing(recipe))
    encoder = vocabulary == NOTHING.name
    targets = NOTHING if encoder else load_vocabulary(vocabulary)
    network, metadata = _load_network(
        checkpoint, architecture=architecture, leads=leads, classes=len(targets), encoder=encoder
    )
    sha256 = sha256_of(checkpoint)
    published = published_with_hash(sha256)
    statement = upstream_statement(published, vocabulary, architecture)
    about = BundleDocument(
        name=name or (published.name if published else _slug(output.name)),
        # Upstream gives its files no versions: the hash says which weights these are.
        version=f"sha256-{sha256[:12]}",
        title=statement.title,
        architecture=Architecture(
            architecture, network.config, sum(tensor.numel() for tensor in network.parameters())
        ),
        input=spec.document,
        vocabulary=targets,
        target_kind=NOTHING.name if encoder else "multilabel",
        provenance=Provenance(
            statement.training_data,
            statement.code,
            dt.datetime.now(dt.UTC).date().isoformat(),
            imported_with=f"ecgfoundry {__version__}",
            checkpoint={"file": checkpoint.name, "sha256": sha256, **metadata},
        ),
        metrics=_stored_metrics(metadata),
        licence=statement.licence,
        intended_use=statement.intended_use,
        known_failures=statement.known_failures,
        references=statement.references,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".import.", dir=output.parent) as folder:
        files = _write_files(network, about, Path(folder), leads=leads, onnx=onnx)
        return write_bundle(output, about=about, files=files, recipe=spec.recipe)


def _input_spec(leads: int, lead: str, recipe: Preprocessing) -> InputSpec:
    one = (canonical_lead(lead) or lead,)
    modes = {12: ("exact", STANDARD_12_LEADS), 1: ("any-single", one)}
    if leads not in modes:
        raise CheckpointError(
            f"a checkpoint with {leads} leads cannot be imported",
            remedy="Give 12 (I, II, III, aVR, aVL, aVF, V1-V6) or 1",
        )
    mode, names = modes[leads]
    return InputSpec(mode, names, recipe)


def _load_network(
    checkpoint: Path, *, architecture: str, leads: int, classes: int, encoder: bool
) -> tuple[nn.Module, JsonObject]:
    from ecgfoundry.models.registry import create_model
    from ecgfoundry.models.safe_checkpoint import load_published_checkpoint, match_state_dict

    configuration: JsonObject = {"classes": classes}
    known = ARCHITECTURES[architecture]
    if "leads" in known.defaults:
        configuration["leads"] = leads
    elif known.takes_presence or known.example_shape[0] != leads:
        raise CheckpointError(
            f"{architecture} is no network for exactly {leads} lead(s); only networks for all "
            "twelve leads or for one are imported",
            path=checkpoint,
        )
    content = load_published_checkpoint(checkpoint)
    try:
        own, state = known.from_published(content["state_dict"])
        if own.get("leads", leads) != leads:
            raise CheckpointError(
                f"the weights read {own['leads']} leads, not {leads}",
                remedy=f"Give --leads {own['leads']}",
            )
        network = create_model(architecture, **{**own, **configuration})
        if encoder:
            state = _without_answers(network, state)
        match_state_dict(network, state)
    except CheckpointError as error:
        raise CheckpointError(error.problem, path=checkpoint, remedy=error.remedy) from None
    return network.eval(), content["metadata"]


def _without_answers(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the classifier off: an encoder answers zero until it is taught."""
    own = network.state_dict()
    kept = dict(state)
    for name in list(own)[-2:]:  # weight and bias of the last layer
        kept[name] = own[name].new_zeros(own[name].shape)
    return kept


def _write_files(
    network: nn.Module, about: BundleDocument, folder: Path, *, leads: int, onnx: bool
) -> dict[str, Path]:
    try:
        from safetensors.torch import save_file
    except ImportError:
        raise MissingExtraError.for_extra("writing a bundle", "torch") from None
    files = {name: folder / name for name in ("model.safetensors", "README.md")}
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, files["model.safetensors"])
    difference = None
    if onnx:
        from ecgfoundry.models.onnx_export import export_onnx, verify_onnx

        samples = about.input.samples
        files["model.onnx"] = export_onnx(
            network,
            leads=leads,
            samples=samples,
            takes_presence=False,
            path=folder / "model.onnx",
        )
        signal = _probe(leads, samples, about.input.sampling_rate)
        difference = verify_onnx(network, files["model.onnx"], signal)
    card = imported_card(about, onnx_difference=difference)
    files["README.md"].write_text(card, encoding="utf-8")
    return files


def _probe(leads: int, samples: int, sampling_rate: float) -> NDArray[np.float32]:
    """Two reproducible windows to compare graph and weights on: regular bumps, and noise."""
    generator = np.random.default_rng(0)
    phase = (np.arange(samples) / sampling_rate * 1.2) % 1.0
    centres, widths = np.array([[0.35], [0.5], [0.75]]), np.array([[0.03], [0.012], [0.05]])
    bumps = np.exp(-0.5 * ((phase - centres) / widths) ** 2)
    beats = generator.normal(0, 1, (leads, 3)) @ bumps + generator.normal(0, 0.05, (leads, samples))
    x = np.stack([beats, generator.normal(0, 1, (leads, samples))])
    x -= x.mean(axis=(1, 2), keepdims=True)
    x /= x.std(axis=(1, 2), keepdims=True)
    return x.astype(np.float32)


def _stored_metrics(metadata: Mapping[str, JsonValue]) -> tuple[Metric, ...]:
    value = metadata.get("val_auroc")
    if not isinstance(value, float):
        return ()
    note = "as stored in the checkpoint; not measured here"
    return (Metric("auroc", value, "the authors' validation set", note=note),)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:100] or "imported"
