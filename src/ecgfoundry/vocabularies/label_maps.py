"""Label maps: what the statements of one data set mean in the vocabulary of a model.

A map is a reviewed CSV file in ``maps/``, one per label system, with the columns ``source_code,
source_name, target_vocabulary, target, relation, evidence, note``. The relation is that of the
source to the target:

* ``exact``: the same finding;
* ``narrower``: the source is a kind of the target (anterior infarction, MI);
* ``broader``: the target is a kind of the source (bundle-branch block, left bundle-branch block);
* ``related``: neither follows from the other;
* ``unmapped``: there is nothing to map to, for the reason in ``note``.

Only ``exact`` and ``narrower`` score. A source that is broader or related and present makes a
target missing where nothing else makes it present: such a record is neither a positive nor a clean
negative. Nobody writes a map to ``ptbxl-diagnosis``: it is composed of the maps to the vocabularies
that this one is made of (:func:`_composed`). Statements of the 150 that compare with an earlier
ECG, and their modifiers, are a target only for the reports they come from (``12sl``,
``mimic-iv-ecg``), never across vocabularies.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files

from ecgfoundry.errors import VocabularyError
from ecgfoundry.vocabularies.loading import load_vocabulary

__all__ = [
    "RELATIONS",
    "SCORING",
    "LabelMap",
    "MapRow",
    "available_label_maps",
    "load_label_map",
    "sctid_is_valid",
]

RELATIONS = ("exact", "narrower", "broader", "related", "unmapped")
SCORING = ("exact", "narrower")

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class MapRow:
    """One reviewed line of a map; see the module for its columns."""

    source_code: str
    source_name: str
    target_vocabulary: str
    target: str
    relation: str
    evidence: str
    note: str = ""

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise VocabularyError(
                f"'{self.source_code}' has the unknown relation '{self.relation}'",
                remedy=f"Relations are: {', '.join(RELATIONS)}",
            )
        if (self.relation == "unmapped") != (not self.target):
            raise VocabularyError(
                f"'{self.source_code}' is {self.relation} and has the target '{self.target}'"
            )
        if self.relation == "unmapped" and not self.note:
            raise VocabularyError(f"'{self.source_code}' is unmapped without a reason")


@dataclass(frozen=True)
class LabelMap:
    """The rows from one label system to one vocabulary.

    Parameters
    ----------
    source, target : str
        Names of the label system and of the vocabulary.
    rows : tuple of MapRow
    """

    source: str
    target: str
    rows: tuple[MapRow, ...]

    @property
    def codes(self) -> frozenset[str]:
        """Source codes that were reviewed, the unmapped ones too."""
        return frozenset(row.source_code for row in self.rows)

    @functools.cached_property
    def scoring(self) -> dict[str, tuple[str, ...]]:
        """Target -> source codes that make it present."""
        return self._targets(SCORING)

    @functools.cached_property
    def ambiguous(self) -> dict[str, tuple[str, ...]]:
        """Target -> source codes that leave it open."""
        return self._targets(("broader", "related"))

    def _targets(self, relations: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        result: dict[str, tuple[str, ...]] = {}
        for row in self.rows:
            if row.relation in relations:
                result[row.target] = (*result.get(row.target, ()), row.source_code)
        return result

    def apply(self, values: Values) -> dict[str, float | None]:
        """Return the targets of one record.

        Parameters
        ----------
        values : mapping of str to float or None
            Source code -> 1, 0 or None (missing); a code that is not named here is one that the
            data set does not use.

        Returns
        -------
        dict of str to float or None
            Every target that some code OF THIS RECORD's data set can make present: 1 if one does;
            None if that is open, because such a code is missing, or one that is broader or
            related is not absent; else 0.
        """
        result: dict[str, float | None] = {}
        for target, codes in self.scoring.items():
            known = [values[code] for code in codes if code in values]
            if not known:
                continue
            open_codes = (values[code] for code in self.ambiguous.get(target, ()) if code in values)
            if any(value is not None and value > 0.5 for value in known):
                result[target] = 1.0
            elif None in known or any(value is None or value > 0.5 for value in open_codes):
                result[target] = None
            else:
                result[target] = 0.0
        return result

    def unreviewed(self, codes: Values | frozenset[str] | set[str]) -> tuple[str, ...]:
        """Return the codes that are in no row, sorted."""
        return tuple(sorted(set(codes) - self.codes))

    def reversed(self) -> LabelMap:
        """Return the map from the vocabulary to the label system: narrower becomes broader."""
        turned = {"narrower": "broader", "broader": "narrower"}
        rows = tuple(
            MapRow(
                row.target,
                row.target,
                self.source,
                row.source_code,
                turned.get(row.relation, row.relation),
                row.evidence,
                row.note,
            )
            for row in self.rows
            if row.relation != "unmapped"
        )
        return LabelMap(self.target, self.source, rows)


def available_label_maps() -> dict[str, tuple[str, ...]]:
    """Return label system -> vocabularies that it is mapped to, both sorted."""
    names = sorted(
        entry.name.removesuffix(".csv")
        for entry in (files(__package__) / "maps").iterdir()
        if entry.name.endswith(".csv")
    )
    return {
        name: tuple(sorted({row.target_vocabulary for row in _rows_of(name)})) for name in names
    }


@functools.cache
def load_label_map(source: str, target: str) -> LabelMap:
    """Return the map from a label system to a vocabulary.

    Raises
    ------
    VocabularyError
        There is none; the message lists those that exist.

    Examples
    --------
    >>> load_label_map("code-6", "ptbxl-superclass").scoring
    {'CD': ('1dAVb', 'RBBB', 'LBBB')}
    """
    known = available_label_maps()
    if target not in known.get(source, ()):
        listed = "; ".join(f"{name} to {', '.join(targets)}" for name, targets in known.items())
        raise VocabularyError(
            f"there is no label map from '{source}' to '{target}'", remedy=f"There are: {listed}"
        )
    rows = tuple(row for row in _rows_of(source) if row.target_vocabulary == target)
    return LabelMap(source, target, rows)


@functools.cache
def _rows_of(source: str) -> tuple[MapRow, ...]:
    written = _written(source)
    if not any(row.target_vocabulary == _SUPERCLASSES for row in written):
        return written
    return (*written, *_composed(source, written))


@functools.cache
def _written(source: str) -> tuple[MapRow, ...]:
    text = (files(__package__) / "maps" / f"{source}.csv").read_text(encoding="utf-8")
    return tuple(MapRow(**row) for row in csv.DictReader(text.splitlines()))


_DIAGNOSIS, _SUPERCLASSES = "ptbxl-diagnosis", "ptbxl-superclass"
_STATEMENTS, _LABELS = "scp-ecg", "ecgfounder-150"


def _composed(source: str, written: tuple[MapRow, ...]) -> list[MapRow]:
    """Return the rows to ``ptbxl-diagnosis``: superclasses, and statements by their SCP-ECG codes.

    A statement of PTB-XL is itself. Any other code is to a target what the map to ``scp-ecg`` says
    of its statement, or the map to ``ecgfounder-150`` of the label that equals this statement
    (the way of LUDB, which has no map to ``scp-ecg``).
    """
    superclasses = set(load_vocabulary(_SUPERCLASSES).names)
    statements = {
        target.codes["SCP-ECG"]: target.name
        for target in load_vocabulary(_DIAGNOSIS).targets
        if target.name not in superclasses
    }
    labels = {
        row.target: statements[row.source_code]
        for row in _written(_STATEMENTS)
        if row.target_vocabulary == _LABELS
        and row.relation == "exact"
        and row.source_code in statements
    }
    names = {
        _SUPERCLASSES: {name: name for name in superclasses},
        _STATEMENTS: statements,
        _LABELS: labels,
    }
    found: dict[tuple[str, str], MapRow] = {}
    sources = {row.source_code: row for row in written if row.target_vocabulary == _SUPERCLASSES}
    for code, row in sources.items():
        if source == _STATEMENTS and code in statements:
            found[code, statements[code]] = replace(
                row,
                target_vocabulary=_DIAGNOSIS,
                target=statements[code],
                relation="exact",
                note="the statement itself",
            )
    for vocabulary, targets in names.items():
        for row in written:
            if row.target_vocabulary == vocabulary and row.target in targets:
                target = targets[row.target]
                taken = replace(row, target_vocabulary=_DIAGNOSIS, target=target)
                found.setdefault((row.source_code, target), taken)
    mapped = {code for code, _ in found}
    nothing = (
        replace(
            row,
            target_vocabulary=_DIAGNOSIS,
            target="",
            relation="unmapped",
            note="none of the superclasses and none of the statements",
        )
        for code, row in sources.items()
        if code not in mapped
    )
    return [*found.values(), *nothing]


# Verhoeff's dihedral check (Error Detecting Decimal Codes, 1969), as SNOMED CT uses it.
_MULTIPLY = tuple(
    tuple(
        (a + b) % 5 if a < 5 and b < 5
        else (a + b) % 5 + 5 if a < 5
        else (a - b) % 5 + 5 if b < 5
        else (a - b) % 5
        for b in range(10)
    )
    for a in range(10)
)  # fmt: skip
_PERMUTE_ONCE = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def sctid_is_valid(code: str) -> bool:
    """Whether a SNOMED CT identifier has 6 to 18 digits and the right check digit.

    Examples
    --------
    >>> sctid_is_valid("164889003"), sctid_is_valid("164889004")
    (True, False)
    """
    if not (code.isascii() and code.isdigit() and 6 <= len(code) <= 18 and code[0] != "0"):
        return False
    check = 0
    for position, character in enumerate(reversed(code)):
        digit = int(character)
        for _ in range(position % 8):
            digit = _PERMUTE_ONCE[digit]
        check = _MULTIPLY[check][digit]
    return check == 0
