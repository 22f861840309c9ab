"""The indicators as data: what is measured, its code, unit and names, in one reviewable file.

``catalogue.csv`` beside this module is the reviewed table: one row per indicator with its LOINC
code (empty where the assay or method is not certain: no code is better than a wrong one), its
canonical unit (UCUM), the component names that are merged into it, the values that are physically
possible, and the directions in which it can be abnormal. Names that stand in MC-MED's published
code are there as they are; the others are the usual spellings and stand to be checked against the
real file, which is what ``ecgfoundry labs catalogue FOLDER`` does: it lists every component of the
data with its counts, and which of them no indicator claims.

Point of care and laboratory: ``POC:X, ISTAT`` is X by another method. It is merged into the
indicator of X (our choice) unless the table names it as an indicator of its own (a fingertip
glucose, a blood gas).
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry.errors import VocabularyError
from ecgfoundry.labs.targets.units import UCUM_UNITS, conversion_factor, ucum_code

__all__ = [
    "CATALOGUE_FILE",
    "Catalogue",
    "Indicator",
    "component_key",
    "load_catalogue",
    "loinc_check_digit",
    "reviewed_catalogue",
]

CATALOGUE_FILE = Path(__file__).with_name("catalogue.csv")
_SEPARATOR = " | "
_POINT_OF_CARE = re.compile(r"^(?:POCT?[:\s]\s*)(?P<name>.+?)(?:,\s*I-?STAT)?$")
_COLUMNS = (
    "name display specimen loinc unit molar_mass valence lowest highest directions components "
    "other_names"
).split()


@dataclass(frozen=True, slots=True)
class Indicator:
    """One laboratory indicator.

    Parameters
    ----------
    name : str
        Stable identifier, as in ``target:potassium:high``.
    display, specimen : str
        In words.
    loinc : str or None
        None where the method is not certain.
    unit : str
        UCUM code that values are brought to.
    molar_mass : float or None
        g/mol, to convert between mass and amount of substance.
    valence : int or None
        To convert equivalents.
    lowest, highest : float
        Values outside cannot be (our choice, wide): they are masked and counted.
    directions : tuple of {"low", "high"}
        In which an abnormal value means something.
    components : tuple of str
        Names in MC-MED, as :func:`component_key` writes them.
    other_names : tuple of str
        Names in other systems (the eICU database).
    """

    name: str
    display: str
    specimen: str
    loinc: str | None
    unit: str
    molar_mass: float | None
    valence: int | None
    lowest: float
    highest: float
    directions: tuple[str, ...]
    components: tuple[str, ...]
    other_names: tuple[str, ...]

    def factor(self, unit: str | None) -> float | None:
        """Return the factor from ``unit`` as it is written to the canonical one.

        A missing unit counts as the canonical one (our choice: many rows of ratios and counts
        carry none); an unknown or unconvertible one gives None.
        """
        if unit is None or not unit.strip():
            return 1.0
        code = ucum_code(unit)
        if code is None:
            return None
        return conversion_factor(code, self.unit, molar_mass=self.molar_mass, valence=self.valence)


@dataclass(frozen=True)
class Catalogue:
    """Indicators and the map from component names to them."""

    indicators: tuple[Indicator, ...]

    def __len__(self) -> int:
        return len(self.indicators)

    @functools.cached_property
    def by_name(self) -> Mapping[str, Indicator]:
        """Indicators by their identifier."""
        return {indicator.name: indicator for indicator in self.indicators}

    @functools.cached_property
    def by_component(self) -> Mapping[str, Indicator]:
        """Indicators by the key of every name that is merged into them."""
        return {
            component_key(name): indicator
            for indicator in self.indicators
            for name in (*indicator.components, *indicator.other_names)
        }

    def find(self, component: str) -> tuple[Indicator, str] | None:
        """Return the indicator of a component and the method: "laboratory" or "point-of-care".

        None if no indicator claims the name.
        """
        key = component_key(component)
        match = _POINT_OF_CARE.match(key)
        method = "laboratory" if match is None else "point-of-care"
        found = self.by_component.get(key)
        if found is None and match is not None:
            found = self.by_component.get(match["name"])
        return None if found is None else (found, method)


def component_key(name: str) -> str:
    r"""Return a name in the form in which names are compared: capitals, single blanks.

    Examples
    --------
    >>> component_key("Protein,\n  Total")
    'PROTEIN, TOTAL'
    """
    return " ".join(name.upper().split())


def loinc_check_digit(number: str) -> int:
    """Return the check digit of a LOINC number (modulo 10, as the LOINC users' guide defines).

    Examples
    --------
    >>> loinc_check_digit("2823")
    3
    """
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return -total % 10


@functools.lru_cache(maxsize=1)
def reviewed_catalogue() -> Catalogue:
    """Return the catalogue that is part of the package."""
    return load_catalogue(CATALOGUE_FILE)


def load_catalogue(path: str | Path) -> Catalogue:
    """Read and check a catalogue.

    Raises
    ------
    VocabularyError
        With the line: a wrong LOINC check digit, an unknown unit or direction, a name that two
        indicators claim, limits that are no interval.
    """
    path = Path(path)
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames is None or any(name not in reader.fieldnames for name in _COLUMNS):
            raise VocabularyError(
                f"the catalogue needs the columns {', '.join(_COLUMNS)}", path=path
            )
        catalogue = Catalogue(
            tuple(_indicator(row, f"line {number}", path) for number, row in enumerate(reader, 2))
        )
    _check_names(catalogue, path)
    return catalogue


def _indicator(row: Mapping[str, str], line: str, path: Path) -> Indicator:
    try:
        indicator = Indicator(
            name=row["name"],
            display=row["display"],
            specimen=row["specimen"],
            loinc=row["loinc"] or None,
            unit=row["unit"],
            molar_mass=float(row["molar_mass"]) if row["molar_mass"] else None,
            valence=int(row["valence"]) if row["valence"] else None,
            lowest=float(row["lowest"]),
            highest=float(row["highest"]),
            directions=tuple(row["directions"].split()),
            components=_names(row["components"]),
            other_names=_names(row["other_names"]),
        )
    except (ValueError, AttributeError) as error:
        raise VocabularyError(f"{line}: {error}", path=path) from None
    problem = _problem(indicator)
    if problem:
        raise VocabularyError(f"{line} ({indicator.name}): {problem}", path=path)
    return indicator


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(_SEPARATOR) if name.strip())


def _problem(indicator: Indicator) -> str | None:
    if not re.fullmatch(r"[a-z0-9_]+", indicator.name):
        return "a name has small letters, digits and underscores only"
    if indicator.unit not in UCUM_UNITS:
        return f"the unit '{indicator.unit}' is not among those that are known"
    if indicator.loinc is not None:
        number, _, digit = indicator.loinc.partition("-")
        if not number.isdigit() or digit != str(loinc_check_digit(number)):
            return f"the LOINC code '{indicator.loinc}' has a wrong check digit"
    if not indicator.directions or set(indicator.directions) - {"low", "high"}:
        return "the directions are not 'low', 'high' or both"
    if not indicator.lowest < indicator.highest:
        return "the lowest possible value is not below the highest"
    return None


def _check_names(catalogue: Catalogue, path: Path) -> None:
    _refuse_repeated([i.name for i in catalogue.indicators], "indicator", path)
    _refuse_repeated([i.loinc for i in catalogue.indicators if i.loinc], "LOINC code", path)
    for field in ("components", "other_names"):
        keys = [component_key(n) for i in catalogue.indicators for n in getattr(i, field)]
        _refuse_repeated(keys, "component", path)
    owners: dict[str, str] = {}
    for indicator in catalogue.indicators:
        for name in (*indicator.components, *indicator.other_names):
            owner = owners.setdefault(component_key(name), indicator.name)
            if owner != indicator.name:
                raise VocabularyError(
                    f"'{name}' is claimed by {owner} and {indicator.name}", path=path
                )


def _refuse_repeated(names: Iterable[str], what: str, path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise VocabularyError(f"duplicate {what} '{name}'", path=path)
        seen.add(name)
