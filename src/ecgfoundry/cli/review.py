"""``ecgfoundry review``: suspicious labels, and a table corrected by people's decisions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import StatedOptions
from ecgfoundry.cli.saying import print_json, progress
from ecgfoundry.cli.table_options import TableOptions
from ecgfoundry.cli.vocabulary import JsonResult, Output


def review(
    labels: Annotated[Path, Parameter(name=["TABLE"])],
    *,
    output: Output,
    predictions: Path | None = None,
    decisions: Path | None = None,
    shown: int = 50,
    table: TableOptions | None = None,
    stated: StatedOptions | None = None,
    json: JsonResult = False,
) -> int:
    """Rank labels that are probably wrong, or correct them as people decided.

    Without --predictions, trees on measured features answer for every record, each fitted without
    the record's person. Writes review.csv (every label, the most suspicious first) and
    review.html (the first ones with their traces). With --decisions, writes the corrected table.

    Parameters
    ----------
    labels
        Recordings and labels: any table that finetune takes.
    output
        Folder for the list; with --decisions, the new table (CSV).
    predictions
        A table of probabilities of a model that did not learn from these records.
    decisions
        The list with accept, reject or another class under "decision".
    shown
        Labels with a trace on the page.
    """
    from ecgfoundry.api.reviewing import correct, review

    data = (table or TableOptions()).read(labels, stated=stated)
    if decisions is not None:
        counts = correct(labels, data, decisions, output)
        words = ", ".join(f"{count} {name}" for name, count in counts.items())
        if json:
            print_json({"output": output, "decisions": counts})
        else:
            print(f"{output}: {words}")
        return 0
    if shown < 0:
        print("ecgfoundry: --shown is at least 0", file=sys.stderr)
        return 2
    with progress("Measuring", len(data.manifest)) as bar:
        found = review(
            data, output, predictions=predictions, shown=shown, title=f"Labels of {labels.name}",
            progress=bar.update,
        )  # fmt: skip
    likely = sum(one.likely_error for one in found)
    if json:
        print_json({"output": output, "labels": len(found), "likely_errors": likely})
    else:
        print(f"{output}: {len(found)} labels, {likely} likely errors; see review.html, review.csv")
    return 0
