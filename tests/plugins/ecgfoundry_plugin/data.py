"""A data set and a vocabulary."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets import Dataset, DatasetReport, Interval
from ecgfoundry.manifest import ManifestRow
from ecgfoundry.vocabularies import Target, Vocabulary

__all__ = ["DATASET", "VOCABULARY"]

VOCABULARY = Vocabulary(
    "plugin-rhythms",
    (Target("calm", "rhythm"), Target("hurried", "rhythm", description="More than 100/min.")),
    source="Invented for tests.",
)


def _recognise(folder: Path) -> bool:
    return (folder / "plugin.csv").is_file()


def _reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    with (folder / "plugin.csv").open(encoding="utf-8", newline="") as stream:
        for line in csv.DictReader(stream):
            report.found += 1
            if not (folder / line["file"]).is_file():
                report.skip("file not there", line["name"])
                continue
            targets = {name: float(line["rhythm"] == name) for name in VOCABULARY.names}
            yield ManifestRow(line["name"], line["file"], patient=line["person"], targets=targets)
            yield Interval(line["name"], 0.0, 5.0, line["rhythm"])


DATASET = Dataset(
    name="plugin-set",
    title="A data set for tests",
    licence="CC0 1.0",
    citation="nobody",
    url="https://example.org/plugin-set",
    content="as many recordings as its table names",
    folder="plugin.csv",
    labels="",
    reading=_reading,
    recognise=_recognise,
)
