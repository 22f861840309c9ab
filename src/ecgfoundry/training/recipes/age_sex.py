"""Age in years and sex from any manifest that states them: two bundles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecgfoundry.errors import TrainingError
from ecgfoundry.manifest import Manifest, MappedManifest, read_manifest
from ecgfoundry.training.finetuning import FinetuneResult, finetune
from ecgfoundry.training.results.package import RunCard
from ecgfoundry.training.settings import FinetuneSettings

__all__ = ["age_sex", "with_age_and_sex"]

_OLDEST = 120.0
"""Years; some sets write 300 for "over 89" (PTB-XL), which is no age."""


def with_age_and_sex(manifest: Manifest) -> Manifest:
    """Return the manifest with the targets "age" (years) and "male" (0, 1) from its columns.

    Raises
    ------
    TrainingError
        Neither column has a value.
    """
    rows = tuple(
        replace(
            row,
            targets={
                "age": row.age if row.age is not None and row.age <= _OLDEST else None,
                "male": None if row.sex is None else float(row.sex == "male"),
            },
        )
        for row in manifest.rows
    )
    if all(value is None for row in rows for value in row.targets.values()):
        raise TrainingError("no row states an age or a sex", path=manifest.folder)
    return manifest.with_rows(rows)


def age_sex(
    data: Path,
    output: Path,
    *,
    model: str | None = None,
    settings: FinetuneSettings | None = None,
) -> dict[str, FinetuneResult]:
    """Train both, on the same split.

    Parameters
    ----------
    data : Path
        A manifest with the columns ``age`` and ``sex``.
    output : Path
        Gets the runs ``age`` and ``sex``.
    model : str, optional
        Bundle or architecture.
    settings : FinetuneSettings, optional
    """
    manifest = with_age_and_sex(read_manifest(data))
    return {
        name: finetune(
            MappedManifest(manifest, (column,)),
            output / name,
            model=model,
            settings=settings,
            card=RunCard(recipe="ecgfoundry.training.recipes.age_sex.age_sex"),
        )
        for name, column in (("age", "age"), ("sex", "male"))
    }
