"""``ecgfoundry datasets``: the public data sets that are read, and their manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ecgfoundry.cli.saying import Bar, note, print_json, progress
from ecgfoundry.cli.vocabulary import JsonResult, Output
from ecgfoundry.errors import DatasetError

if TYPE_CHECKING:
    from ecgfoundry.datasets import DatasetReport, Interval
    from ecgfoundry.datasets.base import Dataset
    from ecgfoundry.manifest import ManifestRow

app = App(name="datasets", help="Public data sets: what is read, and the manifest of a folder.")


@app.command(name="list")
def list_datasets(name: str | None = None, *, json: JsonResult = False) -> None:
    """List the data sets, or describe one of them with its options.

    Parameters
    ----------
    name
        Of a data set.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.datasets import DATASETS

    console = Console()
    if json:
        chosen = DATASETS.values() if name is None else [DATASETS[name]]
        print_json({"datasets": [_described(entry) for entry in chosen]})
        return
    if name is None:
        table = Table("name", "data set", box=box.SIMPLE_HEAD, pad_edge=False)
        table.columns[0].no_wrap = True
        for entry in DATASETS.values():
            table.add_row(
                entry.name,
                Text.assemble(f"{entry.title}: {entry.content}\n", (entry.licence, "dim")),
            )
        console.print(table)
        return
    entry = DATASETS[name]
    lines = [
        f"{entry.title}: {entry.content}",
        f"Folder: {entry.folder}",
        f"Licence: {entry.licence}",
        f"Source: {entry.url}",
        f"Cite: {entry.citation}",
    ]
    for option, description in entry.options.items():
        choices = f" ({', '.join(description.choices)})" if description.choices else ""
        lines.append(f"Option {option}: {description.help}{choices}; default {description.default}")
    print("\n".join(lines))


def _described(entry: Dataset) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "content": entry.content,
        "folder": entry.folder,
        "licence": entry.licence,
        "url": entry.url,
        "citation": entry.citation,
        "options": {
            option: {"help": about.help, "choices": about.choices, "default": about.default}
            for option, about in entry.options.items()
        },
    }


@app.command
def manifest(
    name: str,
    folder: Path,
    *,
    output: Output,
    option: Annotated[list[str] | None, Parameter(negative="")] = None,
    vocabulary: str | None = None,
    intervals: Path | None = None,
    report: Path | None = None,
    croissant: Path | None = None,
    json: JsonResult = False,
) -> int:
    """Write the manifest of a data set's folder, with the reasons for what was left out.

    Parameters
    ----------
    name
        One of 'ecgfoundry datasets list'.
    folder
        Where the data set lies, as it is distributed and unpacked.
    output
        The manifest to write (CSV).
    option
        key=value, as 'ecgfoundry datasets list NAME' names them; repeat for several.
    vocabulary
        Map the targets to this vocabulary of a bundle: ptbxl-superclass, ptbxl-diagnosis,
        cinc2017-rhythm, ecgfounder-150, scp-ecg or code-6, through the reviewed label maps.
    intervals
        CSV to write annotated stretches of rhythm to (record, start_s, end_s, label).
    report
        JSON to write the cohort flow to.
    croissant
        JSON-LD to write what the data set is to, for catalogues (Croissant 1.0).
    """
    from ecgfoundry.datasets import DATASETS, DatasetReport
    from ecgfoundry.datasets.base import rows_relative_to, write_intervals
    from ecgfoundry.datasets.vocabulary_labels import in_vocabulary
    from ecgfoundry.datasets.writing import about_dataset, stream_manifest
    from ecgfoundry.io import write_json
    from ecgfoundry.manifest.croissant import croissant_document

    entry = DATASETS[name]
    flow = DatasetReport()
    marks: list[Interval] = []
    items = entry.iterate(folder, flow, **_options(option or []))
    rows = _rows(items, marks)
    if vocabulary is not None:
        rows = in_vocabulary(rows, entry, vocabulary, flow)
    with progress("Reading") as bar:
        written = stream_manifest(
            output,
            _counted(rows_relative_to(rows, source=folder, target=output.resolve().parent), bar),
        )
    if intervals is not None:
        write_intervals(intervals, marks)
    if report is not None:
        write_json(report, flow.to_dict(), indent=2)
    if croissant is not None:
        write_json(croissant, croissant_document(output, about_dataset(entry)))
    _print_flow(flow)
    if json:
        print_json({"output": output, "rows": written, "flow": flow.to_dict()})
    else:
        print(f"{output}: {written} of {flow.found} recordings")
    return 0 if written else 1


def _options(given: list[str]) -> dict[str, str]:
    result = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise DatasetError(
                f"'{text}' is no option", remedy="Write --option key=value, as in labels=super"
            )
        result[key] = value
    return result


def _rows(items: Iterator[ManifestRow | Interval], marks: list[Interval]) -> Iterator[ManifestRow]:
    """Yield the rows; keep the intervals."""
    from ecgfoundry.manifest import ManifestRow

    for item in items:
        if isinstance(item, ManifestRow):
            yield item
        else:
            marks.append(item)


def _counted(rows: Iterator[ManifestRow], bar: Bar) -> Iterator[ManifestRow]:
    for done, row in enumerate(rows, 1):
        bar.update(done)
        yield row


def _print_flow(flow: DatasetReport) -> None:
    for reason, count in flow.skipped.most_common():
        examples = ", ".join(flow.examples.get(reason, []))
        note(f"left out {count}: {reason} ({examples} …)")
    for name, count in flow.counts.most_common(20):
        note(f"{count} {name}")
    for words in flow.notes:
        note(words)
