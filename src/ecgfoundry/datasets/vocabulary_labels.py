"""The targets of a data set in the vocabulary of a bundle, through the reviewed label maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecgfoundry.datasets.base import Dataset, DatasetReport
from ecgfoundry.errors import DatasetError
from ecgfoundry.manifest import ManifestRow
from ecgfoundry.vocabularies import load_label_map

__all__ = ["in_vocabulary"]


def in_vocabulary(
    rows: Iterable[ManifestRow], dataset: Dataset, vocabulary: str, report: DatasetReport
) -> Iterator[ManifestRow]:
    """Yield the rows with their targets mapped; codes that no one has reviewed are counted.

    A target is present where a statement is it or a kind of it, missing where a broader or related
    statement leaves it open, else absent; see :meth:`ecgfoundry.vocabularies.LabelMap.apply`. A
    target that no statement of the data set can make present gets no column.

    Parameters
    ----------
    rows : iterable of ManifestRow
        With the targets that ``dataset`` gives.
    dataset : Dataset
    vocabulary : str
        Of the bundle that is to be scored: "ptbxl-superclass", "cinc2017-rhythm" ...
    report : DatasetReport
        Gets the counts.

    Raises
    ------
    DatasetError
        The targets of the data set are of no label system.
    VocabularyError
        There is no map from its label system to this vocabulary.
    """
    if not dataset.labels:
        raise DatasetError(
            f"the targets of '{dataset.name}' have no label map",
            remedy="Leave the vocabulary out: they are those of the data set's own vocabulary",
        )
    label_map = load_label_map(dataset.labels, vocabulary)
    report.note(f"targets mapped from {dataset.labels} to {vocabulary}")
    for row in rows:
        for code in label_map.unreviewed(set(row.targets)):
            if row.targets[code] == 1.0:
                report.counts[f"statements that no one has mapped: {code}"] += 1
        yield replace(row, targets=label_map.apply(row.targets))
