"""A recipe as a JSON document: its canonical form, and what is wrong with one.

The schema says which keys and values there are, and this module what no schema can: that the steps
fit each other, and that every filter is stable at the rate at which it runs.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ecgfoundry.documents import Fields, JsonValue
from ecgfoundry.errors import FileAccessError, PreprocessingError
from ecgfoundry.preprocessing.steps import (
    BlankGaps,
    Butterworth,
    Clip,
    FillGaps,
    KeepEvery,
    Notch,
    Resample,
    Step,
    SubtractRunningMedian,
    ZScore,
)
from ecgfoundry.schemas import load_schema

__all__ = [
    "MINIMUM_WINDOW_S",
    "canonical",
    "check_document",
    "check_steps",
    "load_document",
    "pretty",
    "sha256_of_document",
]

MINIMUM_WINDOW_S = 1.0
"""Seconds; below it the zero-phase filters have too little signal for their edges (our choice).
The quality gate refuses much earlier than this."""

MAXIMUM_BYTES = 1_000_000
"""Larger than any recipe."""

_LARGEST_MAINS_HZ = 60.0
_LARGEST_POLE = 1.0 - 1e-9
"""Poles further out ring for longer than any window (our choice)."""


# --- the text ----------------------------------------------------------------------------------


def canonical(document: Mapping[str, JsonValue]) -> str:
    """Return the one text of a document: keys sorted, no spaces, whole numbers without a point."""

    def plain(value: JsonValue) -> JsonValue:
        if isinstance(value, Mapping):
            return {str(key): plain(entry) for key, entry in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(entry) for entry in value]
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    return json.dumps(
        plain(document), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def sha256_of_document(document: Mapping[str, JsonValue]) -> str:
    """Return the SHA-256 of the canonical text: the identity of a recipe."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def pretty(document: Mapping[str, JsonValue]) -> str:
    """Return a document as it is written to a file: one step a line."""
    entries = []
    for key, value in document.items():
        if key == "steps":
            steps = Fields(document).sequence(key)
            rows = ",\n".join(f"    {json.dumps(step, ensure_ascii=False)}" for step in steps)
            entries.append(f'  "steps": [\n{rows}\n  ]')
        else:
            entries.append(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}")
    return "{\n" + ",\n".join(entries) + "\n}\n"


def load_document(path: str | Path) -> Any:
    """Read a JSON file; the content is not checked yet.

    Raises
    ------
    FileAccessError
        It cannot be read.
    PreprocessingError
        It is no JSON, or larger than any recipe.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise PreprocessingError("is larger than any preprocessing recipe", path=path)
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileAccessError(f"cannot be read: {error.strerror}", path=path) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise PreprocessingError(f"is not JSON: {error}", path=path) from None


# --- keys and values -----------------------------------------------------------------------------


def check_document(document: object, *, path: str | Path | None = None) -> None:
    """Check keys, values, and the order and the units of the steps.

    Raises
    ------
    PreprocessingError
        Naming what is wrong first, and what was probably meant.
    """
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(load_schema("preprocessing"))
    errors = sorted(
        validator.iter_errors(document), key=lambda e: [str(part) for part in e.absolute_path]
    )
    if errors:
        place, words = _place(errors[0], document), _words(errors[0])
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise PreprocessingError(f"{place}{words}{more}", path=path)
    content = Fields(cast("Mapping[str, JsonValue]", document))
    entries = content.parts("steps")
    problem = (
        _order([entry.text("step") for entry in entries])
        or _units(entries, content.part("padding"))
        or _cut_offs(entries)
    )
    if problem:
        raise PreprocessingError(problem, path=path)


def _place(error: Any, document: Any) -> str:
    parts = list(error.absolute_path)
    if parts[:1] == ["steps"] and len(parts) > 1:
        step = document["steps"][parts[1]]
        kind = step.get("step") if isinstance(step, Mapping) else None
        inside = "".join(f", {part}" for part in parts[2:])
        return f"step {parts[1] + 1}{f' ({kind})' if isinstance(kind, str) else ''}{inside}: "
    return f"{'.'.join(map(str, parts))}: " if parts else ""


def _words(error: Any) -> str:
    if error.validator == "additionalProperties":
        known = [name for name in error.schema["properties"] if name != "step"]
        unknown = [name for name in error.instance if name not in error.schema["properties"]]
        return f"unknown key '{unknown[0]}'{_meant(unknown[0], known)}"
    if error.validator == "enum":
        known = [str(value) for value in error.validator_value]
        return f"'{error.instance}' is unknown{_meant(str(error.instance), known)}"
    if error.validator == "required" and isinstance(error.instance, Mapping):
        lacking = [name for name in error.validator_value if name not in error.instance]
        return f"'{lacking[0]}' is missing"
    return str(error.message)[:300]


def _meant(given: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known are {', '.join(known)}" if known else "; there is none here"


# --- order and units -----------------------------------------------------------------------------


def _order(kinds: Sequence[str]) -> str | None:
    if FillGaps.kind not in kinds:
        end = (
            ": blank-gaps at the end does not do it, since a gap spreads through every filter"
            if BlankGaps.kind in kinds
            else ""
        )
        return f"fill-gaps is missing; it has to be the first step{end}"
    if kinds[0] != FillGaps.kind:
        return f"step 1 is {kinds[0]}; fill-gaps has to be the first, before a gap can spread"
    for once in (FillGaps.kind, ZScore.kind, BlankGaps.kind):
        if kinds.count(once) > 1:
            return f"{once} is there {kinds.count(once)} times; once is meant"
    if Resample.kind not in kinds:
        return (
            "resample is missing: recordings have many sampling rates (add it even where yours "
            "have the recipe's)"
        )
    first = kinds.index(Resample.kind)
    for number, kind in enumerate(kinds[:first], start=1):
        if kind in (Notch.kind, Butterworth.kind, SubtractRunningMedian.kind, KeepEvery.kind):
            return (
                f"step {number} ({kind}) stands before resample, and would compute something else "
                "at every recorder's rate; resample first"
            )
    if BlankGaps.kind in kinds:
        behind = [kind for kind in kinds[kinds.index(BlankGaps.kind) + 1 :] if kind != Clip.kind]
        if behind:
            return f"blank-gaps stands before {behind[0]}, which would undo it; it comes last"
    return None


def _units(entries: Sequence[Fields], padding: Fields) -> str | None:
    """Amplitudes are in mV before the z-score, and in standard deviations after it."""
    kinds = [entry.text("step") for entry in entries]
    scaled = kinds.index(ZScore.kind) if ZScore.kind in kinds else len(kinds)
    for number, entry in enumerate(entries):
        if kinds[number] == Clip.kind:
            problem = _unit(entry, "limit", after=number > scaled)
            if problem:
                return f"step {number + 1} (clip): {problem}"
        if kinds[number] == ZScore.kind and not (
            entry.number("epsilon_mv") or entry.number("flat_below_mv")
        ):
            return f"step {number + 1} (z-score): a flat lead would be divided by 0; give one limit"
    counted = padding.flag("counted_in_scaling")
    if counted and scaled == len(kinds):
        return "padding: counted_in_scaling is true, and there is no z-score"
    behind = [kind for kind in kinds[scaled + 1 :] if kind != Clip.kind]
    if counted and behind:
        return (
            f"padding: counted_in_scaling puts it before the z-score, so that {behind[0]} after it "
            "would work on the padding too"
        )
    problem = _unit(padding, "value", after=scaled < len(kinds) and not counted)
    return f"padding: {problem}" if problem else None


def _unit(entry: Fields, name: str, *, after: bool) -> str | None:
    wanted, other = (f"{name}_sd", f"{name}_mv") if after else (f"{name}_mv", f"{name}_sd")
    if other in entry:
        where = "after the z-score" if after else "before a z-score"
        return f"{other} is given where the signal is {where}; {wanted} is meant"
    return None if wanted in entry else f"'{wanted}' is missing"


def _cut_offs(entries: Sequence[Fields]) -> str | None:
    for number, entry in enumerate(entries, start=1):
        if entry.text("step") == Notch.kind and (
            (entry.value("frequency_hz") == "mains") != ("unknown_mains_hz" in entry)
        ):
            return (
                f"step {number} (notch): unknown_mains_hz goes with frequency_hz 'mains', and only "
                "with it"
            )
        if entry.text("step") != Butterworth.kind:
            continue
        band = entry.text("band")
        wanted = ["low_hz", "high_hz"] if band == "band-pass" else ["cutoff_hz"]
        given = [name for name in ("low_hz", "high_hz", "cutoff_hz") if name in entry]
        if given != wanted:
            return (
                f"step {number} (butterworth): a {band} has {' and '.join(wanted)}, not "
                f"{' and '.join(given) or 'none'}"
            )
        if band == "band-pass" and not entry.number("low_hz") < entry.number("high_hz"):
            return f"step {number} (butterworth): low_hz is not below high_hz; were they exchanged?"
    return None


# --- rates and stability -------------------------------------------------------------------------


def check_steps(
    steps: Sequence[Step], sampling_rate: float, *, path: str | Path | None = None
) -> None:
    """Check that filters are stable at their rate, and that the steps end at the recipe's.

    Parameters
    ----------
    steps : sequence of Step
        Of a document that was checked.
    sampling_rate : float
        Of the result, Hz.

    Raises
    ------
    PreprocessingError
        Naming the step, and what was probably meant.
    """
    rate: float | None = None
    for number, step in enumerate(steps, start=1):
        problem = _filter_problem(step, rate) if rate is not None else None
        if problem:
            raise PreprocessingError(f"step {number} ({step.kind}): {problem}", path=path)
        if rate is not None or step.kind == Resample.kind:
            rate = step.rate_after(rate or 0.0)
    if rate != sampling_rate:
        raise PreprocessingError(
            f"the steps end at {rate:g} Hz, and sampling_rate_hz says {sampling_rate:g}; a "
            "keep-every or another to_hz may be meant",
            path=path,
        )


def _filter_problem(step: Step, rate: float) -> str | None:
    if isinstance(step, SubtractRunningMedian) and step.kernel_samples % 2 == 0:
        return f"kernel_samples is {step.kernel_samples}; an odd number has a sample in the middle"
    if isinstance(step, Notch):
        largest = step.frequency_hz or max((_LARGEST_MAINS_HZ, *step.unknown_mains_hz))
        return None if largest < rate / 2 else _too_high("frequency_hz", largest, rate)
    if not isinstance(step, Butterworth):
        return None
    highest = step.cutoffs_hz[-1]
    if not highest < rate / 2:
        return _too_high("high_hz" if step.band == "band-pass" else "cutoff_hz", highest, rate)
    return _instability(step, rate)


def _too_high(name: str, value: float, rate: float) -> str:
    return f"{name} {value:g} is not below half of the {rate:g} Hz at this point"


def _instability(step: Butterworth, rate: float) -> str | None:
    """Look where the poles really are: also those of the product, after rounding."""
    (made,) = step.designs(rate)
    if made.pad >= MINIMUM_WINDOW_S * rate:
        return (
            f"order {step.order} needs more than {made.pad} samples for its edges, and a window of "
            f"{MINIMUM_WINDOW_S:g} s has {MINIMUM_WINDOW_S * rate:g}"
        )
    polynomials = [np.array(section[3:]) for section in made.sections]
    if max(float(np.abs(np.roots(p)).max(initial=0.0)) for p in polynomials) > _LARGEST_POLE:
        return "its cut-off is too low for this rate: the filter would ring without end"
    if step.form == "sections":
        return None
    product = np.array([1.0])
    for polynomial in polynomials:
        product = np.convolve(product, polynomial)
    if float(np.abs(np.roots(product)).max(initial=0.0)) >= 1.0:
        return "as a transfer function this filter is unstable in float64; use form 'sections'"
    return None
