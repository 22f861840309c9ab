"""Machine reports -> the 150 labels, by whole statements.

**12SL codes** (HEEDB). A report is a list of statement codes in the order in which they are read
aloud: "possible" + "left atrial enlargement". The table ``maps/12sl.csv`` says what a statement is;
this module says when it does not count:

* after a word of doubt (possible, cannot rule out, borderline, criteria for) the next statement is
  open; a doubt with nothing after it shows a list that was sorted, and then every diagnosis of
  that report is open;
* "or" leaves both of its neighbours open;
* after "when compared with ECG of", other ECGs are spoken of: only statements of change count;
* "is no longer", "has replaced" and the like outside of a comparison leave their neighbours open.

**MIMIC-IV-ECG** (``report_0`` … ``report_17``): each cell is one statement, looked up as a whole
after :func:`normalize_statement`; never a part of it, so that NORMAL ECG is not found in ABNORMAL
ECG.

An open or unnamed label is missing, which the positive-unlabelled loss takes as "not annotated".
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecgfoundry.vocabularies.label_maps import SCORING, MapRow, load_label_map
from ecgfoundry.vocabularies.loading import load_vocabulary

__all__ = [
    "ReportLabels",
    "labels_of_12sl_codes",
    "labels_of_statements",
    "normalize_statement",
]

LABELS = "ecgfounder-150"

# Codes of the 12SL statement dictionary.
_DOUBT = frozenset({"1680", "1682", "1694", "843", "845", "846"})
"""Possible, cannot rule out, borderline, criteria for, minimal and borderline criteria for."""
_OR = "178"
_COMPARED = "1301"
_CHANGE = frozenset(
    {"1405", "1406", "1407", "1408", "1409", "1411", "1412", "1415", "1416", "1417", "1418"}
)
"""Is no longer, is now, has changed, has not changed, are now, have not changed, have changed, has
replaced, has increased, has decreased, are no longer."""

_SILENT = frozenset(
    {"177", "179", "211", "212", "233", "830", "831", "832", "833", "844", "1139", "1400", "1410"}
    | {"1510", "1511", "1665", "1666", "1683", "163", "176", "33", "325"}
    | {str(code) for code in (*range(1450, 1456), *range(1457, 1460), *range(1537, 1623))}
)
"""Joining words, ages of infarcts, leads and other parts that change no label."""


@dataclass(frozen=True, slots=True)
class ReportLabels:
    """What a machine report says in terms of the 150.

    Attributes
    ----------
    positive, open : frozenset of str
        Labels that are stated, and that are stated with doubt; no label is in both.
    unmapped : tuple of str
        Statements (or codes) that no scoring row maps, in order.
    statements : int
        Statements that were looked at, without joining words.
    """

    positive: frozenset[str]
    open: frozenset[str]
    unmapped: tuple[str, ...]
    statements: int


@functools.cache
def _rows(source: str) -> dict[str, tuple[MapRow, ...]]:
    result: dict[str, tuple[MapRow, ...]] = {}
    for row in load_label_map(source, LABELS).rows:
        result[row.source_code] = (*result.get(row.source_code, ()), row)
    return result


@functools.cache
def _kinds() -> dict[str, str]:
    return {target.name: target.kind for target in load_vocabulary(LABELS).targets}


def labels_of_12sl_codes(codes: Sequence[str]) -> ReportLabels:
    """Return the labels of a list of 12SL statement codes; the rules are those of the module.

    Parameters
    ----------
    codes : sequence of str
        In the order of the report.

    Examples
    --------
    >>> found = labels_of_12sl_codes(["22", "1680", "360", "1687"])
    >>> sorted(found.positive), sorted(found.open)
    (['NORMAL SINUS RHYTHM', 'otherwise normal ecg'], ['LEFT ATRIAL ENLARGEMENT'])
    """
    table, kinds = _rows("12sl"), _kinds()
    positive: set[str] = set()
    doubtful: set[str] = set()
    unmapped: list[str] = []
    compared = doubt = sorted_list = False
    statements = 0
    for place, code in enumerate(codes):
        if code == _COMPARED:
            compared, doubt = True, False
            continue
        if code in _DOUBT:
            doubt = True
            sorted_list = not any(later in table for later in codes[place + 1 :])
            continue
        if code == _OR or code in _CHANGE or code in _SILENT:
            continue
        statements += 1
        rows = [row for row in table.get(code, ()) if row.relation != "unmapped"]
        if not any(row.relation in SCORING for row in rows):
            unmapped.append(code)
        beside = {*codes[max(place - 1, 0) : place], *codes[place + 1 : place + 2]}
        unsure = doubt or _OR in beside or (not compared and bool(beside & _CHANGE))
        doubt = False
        for row in rows:
            if compared and kinds[row.target] != "serial comparison":
                continue
            sure = row.relation in SCORING and not unsure
            (positive if sure else doubtful).add(row.target)
    if sorted_list:
        loose = {label for label in positive if kinds[label] == "diagnosis"}
        positive, doubtful = positive - loose, doubtful | loose
    return ReportLabels(
        frozenset(positive), frozenset(doubtful - positive), tuple(unmapped), statements
    )


def normalize_statement(text: str) -> str:
    """Return a statement in lower case without the marks around it.

    Examples
    --------
    >>> normalize_statement("*** CONSIDER ACUTE ST ELEVATION MI ***")
    'consider acute st elevation mi'
    >>> normalize_statement(" Sinus  rhythm. ")
    'sinus rhythm'
    >>> normalize_statement("Summary: Abnormal ECG")
    'abnormal ecg'
    """
    plain = text.lower().replace("’", "'")
    plain = re.sub(r"^[\s*\-.,;:]+|[\s*\-.,;:]+$", "", plain)
    plain = re.sub(r"^summary:\s*", "", plain)
    return " ".join(plain.split())


def labels_of_statements(statements: Iterable[str]) -> ReportLabels:
    """Return the labels of the statements of a MIMIC-IV-ECG report; empty ones are left out.

    Examples
    --------
    >>> found = labels_of_statements(["Sinus rhythm with 1st degree A-V block", "Abnormal ECG"])
    >>> sorted(found.positive)
    ['ABNORMAL ECG', 'SINUS RHYTHM', 'WITH 1ST DEGREE AV BLOCK']
    """
    table = _rows("mimic-iv-ecg")
    positive: set[str] = set()
    doubtful: set[str] = set()
    unmapped: list[str] = []
    count = 0
    for statement in statements:
        plain = normalize_statement(statement)
        if not plain:
            continue
        count += 1
        rows = [row for row in table.get(plain, ()) if row.relation != "unmapped"]
        if not any(row.relation in SCORING for row in rows):
            unmapped.append(plain)
        for row in rows:
            (positive if row.relation in SCORING else doubtful).add(row.target)
    return ReportLabels(frozenset(positive), frozenset(doubtful - positive), tuple(unmapped), count)
