"""The page of suspicious labels: traces, and a decision for each, saved as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ecgfoundry.evaluation.label_review import CSV_HEADER, Suspect, suspects_csv
from ecgfoundry.evaluation.report.report import page
from ecgfoundry.evaluation.report.sections import TEMPLATES
from ecgfoundry.recording import Recording
from ecgfoundry.reports.paper.ecg_paper import ecg_paper_svg
from ecgfoundry.templates import drawn

__all__ = ["review_page"]

_SCRIPT = """
const cards=[...document.querySelectorAll('.label')];
const decided=()=>cards.map(c=>[c.dataset.row,c.querySelector('input:checked').value]);
const count=()=>{document.getElementById('count').textContent=
 decided().filter(d=>d[1]).length+' of '+cards.length+' decided';};
document.addEventListener('change',count);count();
document.getElementById('save').addEventListener('click',()=>{
 const lines=decided().map(([row,d])=>JSON.parse(row)+d);
 const a=document.createElement('a');
 a.href=URL.createObjectURL(new Blob([HEADER+lines.join('\\n')+'\\n'],{type:'text/csv'}));
 a.download='review-decided.csv';a.click();});
"""


@dataclass(frozen=True)
class _Card:
    suspect: Suspect
    given: str
    suggested: str
    row: str
    picture: Markup


def review_page(
    found: Sequence[Suspect], recordings: Mapping[str, Recording], *, title: str, total: int
) -> str:
    """Return the page of the first suspicious labels.

    Parameters
    ----------
    found : sequence of Suspect
        Those that are shown.
    recordings : mapping
        Record -> its recording; one that cannot be read has no picture.
    title : str
    total : int
        Labels in the whole list.
    """
    cards = [
        _Card(
            one,
            f"{one.probability_given:.0%}",
            f"{one.probability_suggested:.0%}",
            # The line of the list, up to the empty decision at its end.
            json.dumps(suspects_csv([one]).splitlines()[1]),
            _picture(recordings.get(one.record), number),
        )
        for number, one in enumerate(found)
    ]
    body = TEMPLATES.render("review", cards=cards, total=total)
    script = f"const HEADER={json.dumps(','.join(CSV_HEADER))}+'\\n';{_SCRIPT}"
    lead = f"{total:,} labels compared with models that never saw them."
    return page(title, lead, [("labels", "Labels to judge")], body, script=script)


def _picture(recording: Recording | None, number: int) -> Markup:
    if recording is None:
        return Markup("<p>The recording cannot be read.</p>")
    return drawn(ecg_paper_svg(recording, identifier=f"label{number}"))
