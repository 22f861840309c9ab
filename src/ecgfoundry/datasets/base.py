"""What every data set is: its folder as distributed -> rows of a manifest, with a cohort flow."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import DatasetError, FileAccessError
from ecgfoundry.io import write_atomically
from ecgfoundry.manifest import Manifest, ManifestRow

__all__ = [
    "Dataset",
    "DatasetManifest",
    "DatasetReport",
    "Interval",
    "Option",
    "find_file",
    "multi_hot",
    "rows_relative_to",
    "write_intervals",
]

EXAMPLES = 3
"""Skipped records that the report names for each reason (our choice)."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of one recording with a label (a rhythm): seconds from the first sample."""

    record: str
    start_s: float
    end_s: float
    label: str


@dataclass
class DatasetReport:
    """The cohort flow: how many records were found, left out (and why), and kept.

    Attributes
    ----------
    found : int
        Records that the data set's own tables or folders name.
    kept : int
        Rows that were made.
    skipped : Counter of str
        Reason -> records.
    examples : dict of str to list of str
        Reason -> the first few records, without anything about the person.
    notes : list of str
        What a reader of the manifest must know (which label file, what is not in the data set).
    counts : Counter of str
        Other things worth counting (unmapped statements, values outside their range).
    """

    found: int = 0
    kept: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def skip(self, reason: str, record: str) -> None:
        """Count a record that is left out."""
        self.skipped[reason] += 1
        named = self.examples.setdefault(reason, [])
        if len(named) < EXAMPLES:
            named.append(record)

    def note(self, text: str) -> None:
        """Add a note once."""
        if text not in self.notes:
            self.notes.append(text)

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "found": self.found,
            "kept": self.kept,
            "skipped": dict(self.skipped),
            "examples": {reason: list(names) for reason, names in self.examples.items()},
            "notes": list(self.notes),
            "counts": dict(self.counts),
        }


@dataclass(frozen=True, slots=True)
class Option:
    """A choice that a data set offers.

    Parameters
    ----------
    default : str
    help : str
        One line.
    choices : tuple of str
        Empty: any text.
    """

    default: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetManifest:
    """The manifest of a folder, the intervals of its annotations, and how it came about."""

    manifest: Manifest
    intervals: tuple[Interval, ...]
    report: DatasetReport


Reading = Callable[[Path, DatasetReport, Mapping[str, str]], Iterator[ManifestRow | Interval]]


@dataclass(frozen=True)
class Dataset:
    """One public data set.

    Parameters
    ----------
    name : str
        Stable short name.
    title, licence, citation, url : str
    content : str
        One line: how many recordings of what.
    folder : str
        What the folder looks like, for the error message of a wrong one.
    labels : str
        Label system of its targets (a file of ``vocabularies/maps``); "" where they are those of a
        vocabulary.
    reading : callable (folder, report, options) -> iterator
        Yields rows, and intervals of rows; counts what it leaves out in the report.
    recognise : callable (folder) -> bool
        Whether the folder has the layout.
    options : mapping of str to Option
    large : bool
        Hundreds of thousands of records: its rows should be written as they come.
    """

    name: str
    title: str
    licence: str
    citation: str
    url: str
    content: str
    folder: str
    labels: str
    reading: Reading
    recognise: Callable[[Path], bool]
    options: Mapping[str, Option] = field(default_factory=dict)
    large: bool = False

    def iterate(
        self, folder: str | Path, report: DatasetReport, **options: str
    ) -> Iterator[ManifestRow | Interval]:
        """Yield rows (paths relative to ``folder``) and intervals one after another.

        Parameters
        ----------
        folder : str or Path
            Where the data set lies.
        report : DatasetReport
            Filled while rows are taken.
        **options : str
            See ``options``.

        Raises
        ------
        FileAccessError
            The folder is not there, or a table cannot be read.
        DatasetError
            The folder is not this data set, or an option is unknown.
        """
        folder = Path(folder)
        chosen = self._options(options)
        if not folder.exists():
            raise FileAccessError("the folder does not exist", path=folder)
        if not self.recognise(folder):
            raise DatasetError(
                f"this is not the data set '{self.name}'",
                path=folder,
                remedy=f"Give the folder that holds {self.folder}",
            )
        for item in self.reading(folder, report, chosen):
            if isinstance(item, ManifestRow):
                report.kept += 1
            yield item

    def read(self, folder: str | Path, **options: str) -> DatasetManifest:
        """Return the manifest of a folder; parameters and errors as for :meth:`iterate`.

        Raises
        ------
        DatasetError
            No record could be used; the message says why the others were left out.
        """
        report = DatasetReport()
        rows: list[ManifestRow] = []
        intervals: list[Interval] = []
        for item in self.iterate(folder, report, **options):
            if isinstance(item, ManifestRow):
                rows.append(item)
            else:
                intervals.append(item)
        if not rows:
            reasons = "; ".join(f"{count} {reason}" for reason, count in report.skipped.items())
            raise DatasetError(
                f"no record of the data set '{self.name}' can be used"
                + (f" ({reasons})" if reasons else ""),
                path=folder,
            )
        manifest = Manifest(tuple(rows), Path(folder))
        manifest.check()
        return DatasetManifest(manifest, tuple(intervals), report)

    def _options(self, given: Mapping[str, str]) -> dict[str, str]:
        unknown = [name for name in given if name not in self.options]
        if unknown:
            known = ", ".join(self.options) or "none"
            raise DatasetError(
                f"the data set '{self.name}' has no option '{unknown[0]}'",
                remedy=f"It has: {known}",
            )
        chosen = {name: option.default for name, option in self.options.items()} | dict(given)
        for name, value in chosen.items():
            choices = self.options[name].choices
            if choices and value not in choices:
                raise DatasetError(
                    f"the option {name} of '{self.name}' cannot be '{value}'",
                    remedy=f"It can be: {', '.join(choices)}",
                )
        return chosen


def find_file(folder: Path, *names: str) -> Path | None:
    """Return the first of these files that is there, relative to ``folder``."""
    for name in names:
        if (folder / name).is_file():
            return folder / name
    return None


def rows_relative_to(
    items: Iterable[ManifestRow], *, source: Path, target: Path
) -> Iterator[ManifestRow]:
    """Yield rows whose paths start from ``target`` instead of ``source``.

    A data set below the target folder keeps relative paths; another one gets absolute paths, which
    survive moving the manifest.
    """
    source, target = source.resolve(), target.resolve()
    below = source.is_relative_to(target)
    prefix = Path(os.path.relpath(source, target)) if below else source
    for row in items:
        yield replace(row, path=(prefix / row.path).as_posix())


def write_intervals(path: str | Path, intervals: Iterable[Interval]) -> Path:
    """Write ``record,start_s,end_s,label`` as CSV, whole or not at all."""
    path = Path(path)
    with (
        write_atomically(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream)
        writer.writerow(("record", "start_s", "end_s", "label"))
        for mark in intervals:
            writer.writerow((mark.record, f"{mark.start_s:.6g}", f"{mark.end_s:.6g}", mark.label))
    return path


def multi_hot(present: Iterable[str], names: Sequence[str]) -> dict[str, float | None]:
    """Return 1 for every name that is present and 0 for the others."""
    found = set(present)
    return {name: 1.0 if name in found else 0.0 for name in names}
