"""``ecgfoundry manifest``: check and split tables of recordings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cyclopts import App, Parameter

from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import Json, JsonResult, OptionalModel, Output

app = App(name="manifest", help="Check a table of recordings, and split it by patient.")


@app.command
def check(
    manifest: Path,
    *,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    model: OptionalModel = None,
    open_files: bool = True,
    json: Json = False,
) -> int:
    """Explain every problem, with counts and examples, before anything is trained.

    Exit code 1 if there is a leak or an error, 0 with warnings or none.

    Parameters
    ----------
    manifest
        CSV, Parquet or a sheet; see docs/training.md for the columns.
    model
        Check the leads against this bundle.
    open_files
        Read every recording: unreadable files, duplicated signals and unit mistakes.
    json
        One JSON object per problem.
    """
    from ecgfoundry.manifest import check_manifest, class_counts, target_problems
    from ecgfoundry.models.bundle import find_bundle, load_bundle

    table = table or TableOptions()
    data = table.read(manifest, check=False, need_targets=table.target is not None, stated=stated)
    spec = load_bundle(find_bundle(model)).input if model is not None else None
    with progress("Reading", len(data.manifest)) as bar:
        problems = check_manifest(
            data.manifest, targets=data.targets, model_input=spec, open_files=open_files,
            progress=bar.update,
        )  # fmt: skip
    problems = [*target_problems(data), *problems]
    for line in class_counts(data):
        note(line)
    for problem in problems:
        print_json(problem.to_dict()) if json else print(problem)
    rows, patients = len(data.manifest), len(set(data.manifest.groups()))
    grave = sum(problem.severity != "warning" for problem in problems)
    note(
        f"{manifest}: {rows} rows, {patients} patients, {grave} grave problem(s), "
        f"{len(problems) - grave} warning(s)"
    )
    return 1 if grave else 0


@app.command
def split(
    manifest: Path,
    *,
    output: Output,
    table: TableOptions | None = None,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    json: JsonResult = False,
) -> None:
    """Write the manifest with a column 'split': by patient, by a hash that moves nobody later.

    Parameters
    ----------
    manifest
        CSV, Parquet or a sheet; see docs/training.md for the columns.
    output
        The new manifest.
    validation
        Share of the patients.
    test
        Share of the patients.
    seed
        Another seed is another split.
    """
    from dataclasses import replace

    from ecgfoundry.manifest import (
        SplitShares,
        split_by_patient,
        write_manifest,
    )

    data = (table or TableOptions()).read(manifest, check=False)
    shares = SplitShares(1.0 - validation - test, validation, test)
    parted = split_by_patient(data.manifest, shares=shares, seed=seed)
    folder = data.manifest.folder
    rows = [replace(row, path=str((folder / row.path).resolve())) for row in parted.rows]
    write_manifest(output, rows)
    counts = {name: len(parted.of_split(name)) for name in ("train", "validation", "test")}
    if json:
        print_json({"output": output, "rows": counts})
    else:
        print(f"{output}: {', '.join(f'{count} {name}' for name, count in counts.items())}")


@Parameter(name="*")
@dataclass(frozen=True)
class AboutOptions:
    """What a table of recordings is.

    Parameters
    ----------
    name
        Of the data set.
    description
        What it holds.
    license
        Its address, or its SPDX name.
    creator
        Who made it.
    url
        Where it is found.
    cite_as
        How to cite it.
    data_version
        Of the data set.
    """

    name: str
    description: str
    license: str
    creator: str
    url: str
    cite_as: str | None = None
    data_version: str = "1.0.0"


@app.command
def croissant(
    manifest: Path,
    *,
    output: Output,
    of: AboutOptions,
    json: JsonResult = False,
) -> None:
    """Describe a table of recordings in Croissant, for catalogues of data sets.

    Parameters
    ----------
    manifest
        CSV in UTF-8 with commas, or Parquet.
    output
        The JSON-LD document, best croissant.json beside the table.
    """
    from ecgfoundry.io import write_json
    from ecgfoundry.manifest.croissant import CroissantAbout, croissant_document

    about = CroissantAbout(
        of.name, of.description, of.license, of.creator, of.url, of.cite_as, of.data_version
    )
    with progress("Describing"):
        write_json(output, croissant_document(manifest, about))
    if json:
        print_json({"output": output, "conforms_to": "Croissant 1.0"})
    else:
        print(f"{output}: Croissant 1.0")
