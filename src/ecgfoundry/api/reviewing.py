"""Reviewing labels: what is suspicious, and a table corrected by people's decisions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.evaluation.label_review import (
    Suspect,
    correct_labels,
    crossed_probabilities,
    folds_of,
    measured_features,
    probabilities_of_table,
    questions_of,
    suspects,
    suspects_csv,
)
from ecgfoundry.evaluation.report.review import review_page
from ecgfoundry.evaluation.writing import write_text
from ecgfoundry.manifest import MappedManifest, read_recordings

__all__ = ["correct", "review"]


def review(
    data: str | Path | MappedManifest,
    output: str | Path | None = None,
    *,
    predictions: str | Path | None = None,
    shown: int = 50,
    title: str = "Labels",
    progress: Callable[[int, int], None] | None = None,
) -> list[Suspect]:
    """Return every label of a table, the most suspicious first.

    Parameters
    ----------
    data : path or MappedManifest
        Recordings and labels.
    output : path, optional
        Folder for ``review.csv`` and ``review.html``.
    predictions : path, optional
        Probabilities of a model that did not learn from these records. None: of trees on
        measured features, each fitted without the record's person.
    shown : int
        Labels with a trace on the page.
    title : str
    progress : callable (done, total), optional

    Raises
    ------
    EvaluationError, ManifestError
    MissingExtraError
        Without predictions, scikit-learn is needed.
    """
    mapped = data if isinstance(data, MappedManifest) else read_recordings(data)
    records = [row.record for row in mapped.manifest]
    questions = questions_of(mapped)
    features = None if predictions is not None else measured_features(mapped, progress)
    found: list[Suspect] = []
    for question in questions:
        if predictions is not None:
            probabilities = probabilities_of_table(Path(predictions), question, records)
        else:
            assert features is not None  # noqa: S101 - measured where nothing was predicted
            probabilities = crossed_probabilities(features, question.given, folds_of(mapped))
        found += suspects(question, probabilities, records)
    found.sort(key=lambda one: -one.suspicion)
    if output is not None:
        rows = {row.record: row for row in mapped.manifest}
        recordings = {}
        for record in {one.record for one in found[:shown]}:
            try:
                recordings[record] = mapped.manifest.open(rows[record])
            except EcgFoundryError:
                continue
        page = review_page(found[:shown], recordings, title=title, total=len(found))
        write_text(Path(output), {"review.csv": suspects_csv(found), "review.html": page})
    return found


def correct(
    table: str | Path, data: MappedManifest | None, decisions: str | Path, output: str | Path
) -> dict[str, int]:
    """Write a table of labels as people decided.

    See :func:`ecgfoundry.evaluation.label_review.correct_labels` for parameters and errors; without
    ``data`` the table is read.
    """
    data = data or read_recordings(table)
    return correct_labels(Path(table), data, Path(decisions), Path(output))
