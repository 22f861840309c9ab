"""``ecgfoundry datasets``: the public data sets that are read, and their manifests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from ecgfoundry.cli.vocabulary import Output
from ecgfoundry.errors import DatasetError

if TYPE_CHECKING:
    from ecgfoundry.datasets import DatasetReport, Interval
    from ecgfoundry.manifest import ManifestRow

app = App(name="datasets", help="Public data sets: what is read, and the manifest of a folder.")


@app.command(name="list")
def list_datasets(name: str | None = None) -> None:
    """List the data sets, or describe one of them with its options.

    Parameters
    ----------
    name
        Of a data set.
    """
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.datasets import DATASETS

    console = Console()
    if name is None:
        table = Table("name", "data set", "content", "licence")
        for entry in DATASETS.values():
            table.add_row(entry.name, entry.title, entry.content, entry.licence)
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


@app.command
def manifest(
    name: str,
    folder: Path,
    *,
    output: Output,
    option: list[str] | None = None,
    vocabulary: str | None = None,
    intervals: Path | None = None,
    report: Path | None = None,
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
        Map the targets to this vocabulary of a bundle: ptbxl-superclass, cinc2017-rhythm,
        ecgfounder-150, scp-ecg or code-6, through the reviewed label maps.
    intervals
        CSV to write annotated stretches of rhythm to (record, start_s, end_s, label).
    report
        JSON to write the cohort flow to.
    """
    import json

    from ecgfoundry.datasets import DATASETS, DatasetReport
    from ecgfoundry.datasets.base import rows_relative_to, write_intervals
    from ecgfoundry.datasets.vocabulary_labels import in_vocabulary
    from ecgfoundry.datasets.writing import stream_manifest

    entry = DATASETS[name]
    flow = DatasetReport()
    marks: list[Interval] = []
    items = entry.iterate(folder, flow, **_options(option or []))
    rows = _rows(items, marks)
    if vocabulary is not None:
        rows = in_vocabulary(rows, entry, vocabulary, flow)
    written = stream_manifest(
        output, rows_relative_to(rows, source=folder, target=output.resolve().parent)
    )
    if intervals is not None:
        write_intervals(intervals, marks)
    if report is not None:
        report.write_text(json.dumps(flow.to_dict(), indent=2) + "\n", encoding="utf-8")
    _print_flow(flow)
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


def _print_flow(flow: DatasetReport) -> None:
    for reason, count in flow.skipped.most_common():
        examples = ", ".join(flow.examples.get(reason, []))
        print(f"ecgfoundry: left out {count}: {reason} ({examples} …)", file=sys.stderr)
    for name, count in flow.counts.most_common(20):
        print(f"ecgfoundry: {count} {name}", file=sys.stderr)
    for note in flow.notes:
        print(f"ecgfoundry: {note}", file=sys.stderr)
