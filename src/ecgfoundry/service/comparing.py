"""Two stored recordings of one person compared, as a document for programs and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.criteria.measured_words import measurement_in_words
from ecgfoundry.criteria.serial import Change, Comparison, compare_recordings
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.inference.files import read_excerpt
from ecgfoundry.reports.compared import left_out_in_words
from ecgfoundry.reports.evidence_words import in_words, listed_in_words

__all__ = ["compare_files", "comparison_document"]


def compare_files(
    earlier: Path, later: Path, options: ReadOptions, *, same_person: bool | None = None
) -> dict[str, Any]:
    """Compare the first minute at most of two files.

    Parameters
    ----------
    earlier, later : Path
    options : ReadOptions
        For both.
    same_person : bool, optional
        True: whatever the identifiers in the files say.

    Raises
    ------
    SignalError
        The files name two persons, or one of them is no ECG that can be read.
    EcgFoundryError
        A file cannot be read.
    """
    before, now = read_excerpt(earlier, options), read_excerpt(later, options)
    document = comparison_document(compare_recordings(before, now, same_person=same_person))
    # Where the files lie on this machine is nobody's business.
    return document | {"earlier": earlier.name, "later": later.name}


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """Return the JSON form with words for a reader and the median beats over each other.

    Returns
    -------
    dict
        As :meth:`~ecgfoundry.criteria.serial.Comparison.to_dict`, and ``reading``: the changes
        beyond the repeat variability, serial statements that are present, and what appeared and
        disappeared, in words, with the remarks; ``median_beats``: per lead ``time_ms`` from the
        QRS onset and the two beats in mV, None where a recording has nothing.
    """
    present = [one for one in comparison.statements if one.present]
    return comparison.to_dict() | {
        "reading": {
            "changes": [_in_words(change) for change in comparison.changes if not change.lead],
            "lead_changes": [_in_words(change) for change in comparison.changed if change.lead],
            "statements": [
                {
                    "words": in_words(one.name),
                    "because": listed_in_words(item for item in one.evidence if item.met),
                    "leads": sorted({item.lead for item in one.evidence if item.lead}),
                }
                for one in present
            ],
            "appeared": [in_words(name) for name in comparison.appeared],
            "disappeared": [in_words(name) for name in comparison.disappeared],
            "left_out": left_out_in_words(comparison),
            "remarks": list(comparison.remarks),
        },
        "median_beats": [
            {
                "lead": beat.lead,
                "time_ms": np.round(beat.time_ms, 1).tolist(),
                "earlier": _millivolts(beat.earlier),
                "later": _millivolts(beat.later),
            }
            for beat in comparison.superimposed()
        ],
    }


def _in_words(change: Change) -> dict[str, Any]:
    return change.to_dict() | {"words": measurement_in_words(change.name)}


def _millivolts(values: NDArray[np.float64]) -> list[float | None]:
    return [round(value, 4) if np.isfinite(value) else None for value in values.tolist()]
