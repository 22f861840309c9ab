"""Units as laboratories write them -> UCUM codes, and factors between them.

``mg/dl``, ``MG/DL`` and ``mg/dL`` are one unit; ``mEq/L`` becomes ``mmol/L`` only with a valence
and ``mg/dL`` only with a molar mass, both stated by the indicator. Codes: the Unified Code for
Units of Measure (UCUM), case-sensitive form. A unit that is not known, or of another kind of
quantity, gives no factor: the value is counted as not convertible and is masked, never guessed.
"""

from __future__ import annotations

import functools
import re
from types import MappingProxyType

__all__ = ["UCUM_UNITS", "conversion_factor", "ucum_code"]

# UCUM code -> (kind of quantity, factor to the kind's own unit)
_UNITS: dict[str, tuple[str, float]] = {
    # mass concentration, g/L
    "g/L": ("mass", 1.0),
    "g/dL": ("mass", 10.0),
    "mg/dL": ("mass", 1e-2),
    "mg/L": ("mass", 1e-3),
    "ug/dL": ("mass", 1e-5),
    "ug/L": ("mass", 1e-6),
    "ug/mL": ("mass", 1e-3),
    "ng/mL": ("mass", 1e-6),
    "ng/dL": ("mass", 1e-8),
    "ng/L": ("mass", 1e-9),
    "pg/mL": ("mass", 1e-9),
    # amount-of-substance concentration, mol/L
    "mol/L": ("substance", 1.0),
    "mmol/L": ("substance", 1e-3),
    "umol/L": ("substance", 1e-6),
    "nmol/L": ("substance", 1e-9),
    "pmol/L": ("substance", 1e-12),
    # equivalents, eq/L
    "meq/L": ("equivalents", 1e-3),
    # catalytic activity, U/L
    "U/L": ("activity", 1.0),
    "kU/L": ("activity", 1e3),
    # arbitrary units, IU/L
    "[IU]/L": ("arbitrary", 1.0),
    "[IU]/mL": ("arbitrary", 1e3),
    "m[IU]/L": ("arbitrary", 1e-3),
    "m[IU]/mL": ("arbitrary", 1.0),
    "u[IU]/mL": ("arbitrary", 1e-3),
    # cells per volume, 10*9/L
    "10*9/L": ("count", 1.0),
    "10*3/uL": ("count", 1.0),
    "10*6/uL": ("count", 1e3),
    "10*12/L": ("count", 1e3),
    "/uL": ("count", 1e-3),
    # fractions
    "%": ("fraction", 1e-2),
    "1": ("fraction", 1.0),
    "{ratio}": ("fraction", 1.0),
    "{INR}": ("fraction", 1.0),
    "{pH}": ("ph", 1.0),
    "[pH]": ("ph", 1.0),
    # others, each its own kind
    "fL": ("volume", 1.0),
    "pg": ("cell mass", 1.0),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "mm[Hg]": ("pressure", 1.0),
    "kPa": ("pressure", 7.50062),  # 1 kPa in mm Hg
    "cm[H2O]": ("pressure", 0.735559),
    "mosm/kg": ("osmolality", 1.0),
    "mm/h": ("sedimentation", 1.0),
    "mL/min/{1.73_m2}": ("filtration", 1.0),
    "mL/min": ("clearance", 1.0),
    "/[HPF]": ("sediment", 1.0),
    "/[LPF]": ("sediment low power", 1.0),
    "/100{WBCs}": ("per leukocytes", 1.0),
    "/min": ("frequency", 1.0),
    "Cel": ("temperature", 1.0),
    "mL/dL": ("gas content", 1.0),
    "L/min": ("flow", 1.0),
    "mL": ("liquid volume", 1.0),
    "mg/(24.h)": ("daily mass", 1.0),
}

UCUM_UNITS = MappingProxyType(_UNITS)
"""Every unit that is known: UCUM code -> (kind of quantity, factor to that kind's own unit)."""

_ALIASES: dict[str, str] = {
    "GM/DL": "g/dL",
    "GRAMS/DL": "g/dL",
    "MCG/ML": "ug/mL",
    "MCG/DL": "ug/dL",
    "MCG/L": "ug/L",
    "NG/MLFEU": "ng/mL",
    "MEQ/L": "meq/L",
    "MMOL/LITER": "mmol/L",
    "MCMOL/L": "umol/L",
    "MICROMOL/L": "umol/L",
    "IU/L": "U/L",  # of enzymes: the international unit of catalytic activity
    "UNIT/L": "U/L",
    "UNITS/L": "U/L",
    "MU/L": "m[IU]/L",
    "MIU/L": "m[IU]/L",
    "MIU/ML": "m[IU]/mL",
    "MCU/ML": "u[IU]/mL",
    "UIU/ML": "u[IU]/mL",
    "MCIU/ML": "u[IU]/mL",
    "MCUNITS/ML": "u[IU]/mL",
    "MICROIU/ML": "u[IU]/mL",
    "IU/ML": "[IU]/mL",
    "PERCENT": "%",
    "%OFTOTAL": "%",
    "%CV": "%",
    "%TOTALHGB": "%",
    "%THB": "%",
    "%SAT.": "%",
    "RATIO": "{ratio}",
    "INR": "{INR}",
    "PH": "[pH]",
    "PHUNITS": "[pH]",
    "U3": "fL",  # cubic micrometres
    "UM3": "fL",
    "CUMICRONS": "fL",
    "UUG": "pg",  # micromicrograms
    "PICOGRAM": "pg",
    "PICOGRAMS": "pg",
    "SEC": "s",
    "SECS": "s",
    "SECOND(S)": "s",
    "SECOND": "s",
    "SECONDS": "s",
    "MMHG": "mm[Hg]",
    "MM(HG)": "mm[Hg]",
    "TORR": "mm[Hg]",
    "MM/HG": "mm[Hg]",  # as typed by several hospitals
    "CMH2O": "cm[H2O]",
    "MOSM/KG": "mosm/kg",
    "MOSM/KGH2O": "mosm/kg",
    "MOS/KG": "mosm/kg",
    "MOSMOL/KG": "mosm/kg",
    "MM/HR": "mm/h",
    "MM/HOUR": "mm/h",
    "MM/HR.": "mm/h",
    "ML/MIN/1.73M2": "mL/min/{1.73_m2}",
    "ML/MIN/1.73": "mL/min/{1.73_m2}",
    "ML/MIN/1.73SQM": "mL/min/{1.73_m2}",
    "ML/MIN/1.73M^2": "mL/min/{1.73_m2}",
    "/100WBC": "/100{WBCs}",
    "/100WBCS": "/100{WBCs}",
    "/HPF": "/[HPF]",
    "/(HPF)": "/[HPF]",
    "/LPF": "/[LPF]",
    "BPM": "/min",
    "DEGC": "Cel",
    "&#176;C": "Cel",
    "°C": "Cel",
    "VOL%": "mL/dL",
    "MLS/DL": "mL/dL",
    "MG/24HR": "mg/(24.h)",
    "MG/24H": "mg/(24.h)",
    "MG/DAY": "mg/(24.h)",
}

# Thousands and millions of cells per microlitre have more spellings than all other units together.
_THOUSANDS = r"(?:K|TH|THS|THOU|THOUS|THOUSAND|10E3|10\*3|10\^3|X10\^?3|X10E3|10X3|X?10\(3\))"
_MILLIONS = r"(?:M|MIL|MILL|MILLION|MI|10E6|10\*6|10\^6|X10\^?6|X10E6|10X6|X?10\(6\))"
_MICROLITRE = r"(?:UL|MCL|CMM|CUMM|MM3|MM\^3|MMCU|MICROLITER)"
_PATTERNS = (
    (re.compile(rf"^{_THOUSANDS}/?{_MICROLITRE}$"), "10*3/uL"),
    (re.compile(rf"^{_MILLIONS}/{_MICROLITRE}$"), "10*6/uL"),
    (re.compile(r"^(?:10E9|10\*9|10\^9|X10\^?9|X10E9|G)/L$"), "10*9/L"),
    (re.compile(r"^(?:10E12|10\*12|10\^12|X10\^?12|T)/L$"), "10*12/L"),
    (re.compile(rf"^(?:CELLS?|#)?/{_MICROLITRE}$"), "/uL"),
)


@functools.lru_cache(maxsize=4096)
def ucum_code(text: str | None) -> str | None:
    """Return the UCUM code of a unit as a laboratory writes it; None if it is not known.

    Examples
    --------
    >>> ucum_code("MG/DL"), ucum_code("thou/cumm"), ucum_code("mEq/L"), ucum_code("furlong")
    ('mg/dL', '10*3/uL', 'meq/L', None)
    """
    if not text or not text.strip():
        return None
    stripped = text.strip()
    if stripped in _UNITS:
        return stripped
    plain = re.sub(r"\s+", "", stripped).replace("µ", "u").replace("μ", "u").upper()
    for pattern, code in _PATTERNS:
        if pattern.match(plain):
            return code
    if plain in _ALIASES:
        return _ALIASES[plain]
    return _BY_UPPER.get(plain)


def _by_upper() -> dict[str, str]:
    """Codes by their capital form, where that is unambiguous."""
    found: dict[str, list[str]] = {}
    for code in _UNITS:
        found.setdefault(code.upper(), []).append(code)
    return {name: codes[0] for name, codes in found.items() if len(codes) == 1}


_BY_UPPER = _by_upper()


def conversion_factor(
    source: str,
    target: str,
    *,
    molar_mass: float | None = None,
    valence: int | None = None,
) -> float | None:
    """Return the factor from one UCUM unit to another; None if there is none.

    Parameters
    ----------
    source, target : str
        UCUM codes.
    molar_mass : float, optional
        g/mol of the substance, for mass to amount of substance and back.
    valence : int, optional
        Charges per ion, for equivalents to amount of substance.

    Examples
    --------
    >>> round(conversion_factor("mmol/L", "mg/dL", molar_mass=180.156), 4)  # glucose
    18.0156
    >>> conversion_factor("meq/L", "mmol/L", valence=1), conversion_factor("g/dL", "fL")
    (1.0, None)
    """
    if source == target:
        return 1.0
    if source not in _UNITS or target not in _UNITS:
        return None
    (kind, factor), (wanted, divisor) = _UNITS[source], _UNITS[target]
    if kind != wanted:
        bridge = _bridge(kind, wanted, molar_mass, valence)
        if bridge is None:
            return None
        factor *= bridge
    return factor / divisor


def _bridge(kind: str, wanted: str, molar_mass: float | None, valence: int | None) -> float | None:
    to_moles = {
        "substance": 1.0,
        "mass": None if molar_mass is None else 1.0 / molar_mass,
        "equivalents": None if valence is None else 1.0 / valence,
    }
    first, second = to_moles.get(kind), to_moles.get(wanted)
    return None if first is None or second is None else first / second
