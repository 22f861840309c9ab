"""What the numbers of a signal stand for: millivolts per unit, and a usable sampling rate."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ecgfoundry.errors import SamplingRateError, UnitError

__all__ = [
    "MAXIMUM_SAMPLING_RATE",
    "MILLIVOLTS",
    "MINIMUM_SAMPLING_RATE",
    "check_sampling_rate",
    "millivolts_per_unit",
]

MAXIMUM_SAMPLING_RATE = 100_000.0
"""Hz; no ECG device comes near it, so a higher header value is a damaged header (our choice)."""

MINIMUM_SAMPLING_RATE = 1.0
"""Hz, of an ECG; slower channels (temperature, trends) are no leads (our choice)."""

MILLIVOLTS: Mapping[str, float] = {
    "v": 1e3,
    "volt": 1e3,
    "volts": 1e3,
    "mv": 1.0,
    "millivolt": 1.0,
    "millivolts": 1.0,
    "uv": 1e-3,
    "µv": 1e-3,  # U+00B5 micro sign
    "μv": 1e-3,  # U+03BC Greek mu
    "microvolt": 1e-3,
    "microvolts": 1e-3,
    "nv": 1e-6,
    "nanovolt": 1e-6,
}


def millivolts_per_unit(unit: str | None) -> float:
    """Return the factor that turns a value in ``unit`` into millivolts.

    ``unit`` may carry a number, as in ``"1e-4V"`` (the CODE data) or ``"4.88 uV"``.

    Raises
    ------
    UnitError
        The unit is missing or is not a voltage.

    Examples
    --------
    >>> millivolts_per_unit("uV"), millivolts_per_unit("1e-4V")
    (0.001, 0.1)
    """
    text = (unit or "").strip().lower().replace(" ", "")
    split = 0
    while split < len(text) and (text[split] in "0123456789.+-" or _is_exponent(text, split)):
        split += 1
    number, name = text[:split], text[split:]
    try:
        factor = float(number) if number else 1.0
    except ValueError:
        factor = math.nan
    if name not in MILLIVOLTS or not math.isfinite(factor) or factor <= 0:
        known = "missing" if not text else f"'{unit}', which is not a voltage that is known here"
        raise UnitError(
            f"the unit of the signal is {known}",
            remedy="Supply it, for example --unit mV, --unit uV or unit='mV'",
        )
    return factor * MILLIVOLTS[name]


def _is_exponent(text: str, position: int) -> bool:
    return (
        text[position] == "e"
        and 0 < position < len(text) - 1
        and (text[position + 1].isdigit() or text[position + 1] in "+-")
    )


def check_sampling_rate(sampling_rate: float | None, *, minimum: float = 0.0) -> float:
    """Return the rate as a float, or raise :class:`SamplingRateError` if it is not usable.

    ``minimum`` in Hz is itself usable, unless it is 0.
    """
    try:
        rate = float(sampling_rate)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        rate = math.nan
    if not math.isfinite(rate) or rate <= 0 or not minimum <= rate <= MAXIMUM_SAMPLING_RATE:
        raise SamplingRateError(
            f"the sampling rate is {sampling_rate!r}, not a number of Hz between {minimum:.0f} and "
            f"{MAXIMUM_SAMPLING_RATE:.0f}",
            remedy="Supply it, for example --sampling-rate 500 or sampling_rate=500",
        )
    return rate
