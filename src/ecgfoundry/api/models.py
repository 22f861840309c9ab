"""The models that there are, and their networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry.errors import ModelNotFoundError
from ecgfoundry.extras import require_polars, require_torch
from ecgfoundry.models.bundle import (
    available_bundles,
    find_bundle,
    load_bundle,
    shipped_folder,
)
from ecgfoundry.models.published import PUBLISHED

if TYPE_CHECKING:
    import polars as pl
    from torch import nn

__all__ = ["ModelList", "ModelSummary", "from_pretrained", "list_models"]


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """One model, in short.

    Attributes
    ----------
    name, version : str
    where : {"shipped", "pulled", "to be pulled"}
    lead_mode : str
    leads : tuple of str
    sampling_rate : float
        Hz.
    window_s : float
        Seconds.
    target_kind : str
    targets : tuple of str
    folder : Path or None
        None of a model that is not here yet.
    """

    name: str
    version: str
    where: str
    lead_mode: str
    leads: tuple[str, ...]
    sampling_rate: float
    window_s: float
    target_kind: str
    targets: tuple[str, ...]
    folder: Path | None


class ModelList(list[ModelSummary]):
    """Models, as a list and as a table."""

    def to_frame(self) -> pl.DataFrame:
        """Return a polars frame with a row per model; ``.to_pandas()`` makes it a pandas frame."""
        polars = require_polars("a list of models as a table")
        rows = [
            asdict(model)
            | {"leads": list(model.leads), "targets": list(model.targets)}
            | {"folder": None if model.folder is None else str(model.folder)}
            for model in self
        ]
        return polars.DataFrame(rows)


def list_models() -> ModelList:
    """Return the models that are installed or were pulled, and those that can be pulled.

    Examples
    --------
    >>> [model.name for model in list_models() if model.where == "shipped"]
    ['diagnosis-12lead', 'ptbxl-superclass-12lead', 'rhythm-single-lead', 'rhythm-single-lead-edge']
    """
    found = ModelList()
    installed = available_bundles()
    for name, folder in installed.items():
        bundle = load_bundle(folder, verify=False)
        spec = bundle.input
        found.append(
            ModelSummary(
                name,
                bundle.version,
                "shipped" if folder.is_relative_to(shipped_folder()) else "pulled",
                spec.lead_mode,
                spec.leads,
                spec.sampling_rate,
                spec.window_s,
                bundle.target_kind,
                bundle.vocabulary.names,
                folder,
            )
        )
    found += [_published(name) for name in PUBLISHED if name not in installed]
    return found


def _published(name: str) -> ModelSummary:
    from ecgfoundry.leads import STANDARD_12_LEADS
    from ecgfoundry.preprocessing import get_preprocessing
    from ecgfoundry.vocabularies import load_vocabulary

    entry = PUBLISHED[name]
    recipe = get_preprocessing(entry.preprocessing)
    several = entry.leads > 1
    return ModelSummary(
        name,
        "",
        "to be pulled",
        "exact" if several else "any-single",
        STANDARD_12_LEADS if several else ("I",),
        recipe.sampling_rate,
        recipe.window_s,
        "multilabel",
        load_vocabulary(entry.vocabulary).names,
        None,
    )


def from_pretrained(
    name_or_folder: str | Path,
    *,
    classes: int | None = None,
    encoder: nn.Module | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> nn.Module:
    """Return the network of a model as a ``torch.nn.Module``, with its weights.

    Parameters
    ----------
    name_or_folder : str or Path
        A shipped or pulled name, a bundle folder, or published weights by their name or by their
        file on the hub, ``PKUDigitalHealth/ECGFounder/12_lead_ECGFounder.pth``; those are pulled
        where they are not here yet.
    classes : int, optional
        Put a fresh classifier of so many outputs on it, as for fine-tuning.
    encoder : nn.Module, optional
        Of a bundle made of one's own module; see
        :func:`ecgfoundry.models.loading.load_network`.
    progress : callable (bytes so far, bytes in all or None), optional
        Of a download.

    Returns
    -------
    nn.Module
        In evaluation mode. ``forward`` gives logits, ``forward_features`` embeddings, of
        standardized windows (:func:`ecgfoundry.standardize` with ``network.input_spec.recipe``).

    Raises
    ------
    ModelNotFoundError, BundleError, IntegrityError, DownloadError
    MissingExtraError
        PyTorch is not installed.

    Examples
    --------
    >>> network = from_pretrained("rhythm-single-lead-edge", classes=3)    # doctest: +SKIP
    >>> network.input_spec.sampling_rate                                   # doctest: +SKIP
    200.0
    """
    require_torch("a network of a model")
    from ecgfoundry.models.loading import load_network

    bundle = load_bundle(_folder_of(name_or_folder, progress))
    network, _ = load_network(bundle, encoder=encoder)
    if classes is not None:
        network.reset_classifier(classes)
    network.input_spec = bundle.input
    made: nn.Module = network
    return made


def _folder_of(name: str | Path, progress: Callable[[int, int | None], None] | None) -> Path:
    try:
        return find_bundle(name)
    except ModelNotFoundError:
        text = str(name)
        known: dict[str, Any] = {
            **{f"{entry.repository}/{entry.file}": entry for entry in PUBLISHED.values()},
            **PUBLISHED,
        }
        if text not in known:
            raise
        from ecgfoundry.models.hub import pull

        return pull(known[text], progress=progress)
