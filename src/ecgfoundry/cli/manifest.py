"""``ecgfoundry manifest``: check and split tables of recordings."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

app = App(name="manifest", help="Check a table of recordings, and split it by patient.")


@app.command
def check(
    manifest: Path,
    *,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    model: Annotated[str | None, Parameter(name=["--model", "-m"])] = None,
    records: Path | None = None,
    path_column: str | None = None,
    patient_column: str | None = None,
    split_column: str | None = None,
    positive: str | None = None,
    open_files: bool = True,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Explain every problem, with counts and examples, before anything is trained.

    Exit code 1 if there is a leak or an error, 0 with warnings or none.

    Parameters
    ----------
    manifest
        CSV or Parquet.
    target
        Columns to learn, for a table that is no manifest.
    model
        Check the leads against this bundle.
    records
        Folder that the paths are relative to, or one NumPy file.
    path_column
        Column of the files.
    patient_column
        Column of the patients.
    split_column
        Column of the splits.
    positive
        Of two text classes: the one that is looked for.
    open_files
        Read every recording: unreadable files, duplicated signals and unit mistakes.
    json
        One JSON object per problem.
    """
    from ecgfoundry.manifest import (
        ColumnMapping,
        check_manifest,
        class_counts,
        map_table,
        target_problems,
    )
    from ecgfoundry.models.bundle import find_bundle, load_bundle

    names = tuple(part for entry in target or () for part in entry.split(",") if part)
    mapping = ColumnMapping(
        path=path_column, patient=patient_column, split=split_column, targets=names,
        positive=positive,
    )  # fmt: skip
    data = map_table(manifest, mapping, records=records, check=False)
    spec = load_bundle(find_bundle(model)).input if model is not None else None
    problems = check_manifest(
        data.manifest, targets=data.targets, model_input=spec, open_files=open_files
    )
    problems = [*target_problems(data), *problems]
    for line in class_counts(data):
        print(line, file=sys.stderr)
    for problem in problems:
        print(json_module.dumps(problem.to_dict()) if json else problem)
    rows, patients = len(data.manifest), len(set(data.manifest.groups()))
    grave = sum(problem.severity != "warning" for problem in problems)
    print(
        f"{manifest}: {rows} rows, {patients} patients, {grave} grave problem(s), "
        f"{len(problems) - grave} warning(s)",
        file=sys.stderr,
    )
    return 1 if grave else 0


@app.command
def split(
    manifest: Path,
    *,
    output: Path,
    target: Annotated[list[str] | None, Parameter(negative="")] = None,
    validation: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    records: Path | None = None,
    path_column: str | None = None,
    patient_column: str | None = None,
) -> None:
    """Write the manifest with a column 'split': by patient, by a hash that moves nobody later.

    Parameters
    ----------
    manifest
        CSV or Parquet.
    output
        The new manifest.
    target
        Columns to keep, for a table that is no manifest.
    validation
        Share of the patients.
    test
        Share of the patients.
    seed
        Another seed is another split.
    records
        Folder that the paths are relative to, or one NumPy file.
    path_column
        Column of the files.
    patient_column
        Column of the patients.
    """
    from dataclasses import replace

    from ecgfoundry.manifest import (
        ColumnMapping,
        SplitShares,
        map_table,
        split_by_patient,
        write_manifest,
    )

    names = tuple(part for entry in target or () for part in entry.split(",") if part)
    mapping = ColumnMapping(path=path_column, patient=patient_column, targets=names)
    data = map_table(manifest, mapping, records=records, check=False)
    shares = SplitShares(1.0 - validation - test, validation, test)
    parted = split_by_patient(data.manifest, shares=shares, seed=seed)
    folder = data.manifest.folder
    rows = [replace(row, path=str((folder / row.path).resolve())) for row in parted.rows]
    write_manifest(output, rows)
    counts = {name: len(parted.of_split(name)) for name in ("train", "validation", "test")}
    print(f"{output}: {', '.join(f'{count} {name}' for name, count in counts.items())}")
