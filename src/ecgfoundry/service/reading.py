"""What a reader sees of an interpretation: a cart's header, statements, the place of evidence.

The words are those of the reports. What is new here is the place on the trace: which leads, which
beats and which part of a beat an item of evidence was measured on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ecgfoundry.criteria import Evidence, Statement, criteria
from ecgfoundry.criteria.derived import counted_beats
from ecgfoundry.criteria.reading import for_reading
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.reports.evidence_words import because, evidence_in_words, in_words
from ecgfoundry.reports.measured import device_values, header_values
from ecgfoundry.reports.told import (
    decided_otherwise,
    doubt_of,
    doubt_sentence,
    general_caveats,
    meanings_of,
    notices_beside,
    statement_words,
    told,
)

__all__ = ["STRETCHES", "reading_document", "stretch_of", "words_of_present"]

STRETCHES: Mapping[str, tuple[str, str]] = {
    "p": ("p_onset", "p_offset"),
    "pr": ("p_onset", "qrs_onset"),
    "qrs": ("qrs_onset", "qrs_offset"),
    "st": ("qrs_offset", "st_end"),
    "jt": ("qrs_offset", "t_offset"),
    "t": ("t_onset", "t_offset"),
    "qt": ("qrs_onset", "t_offset"),
    "rr": ("beat_before", "beat"),
    "beat": ("qrs_onset", "t_offset"),
}
"""Part of a beat -> its two ends."""

_ST_AFTER_J_S = 0.08
"""ST levels are measured up to J + 80 ms (:data:`ecgfoundry.measurements.values.LEAD_VALUES`)."""

_OF_NAMES = (
    (r"(steady_|normal_)?p_share|premature_with_p|p_|pp_", "p"),
    (r"pr_", "pr"),
    (r"rr_|nn_|heart_rate|longest_pause|pause_", "rr"),
    (r"qrs_t_|qtc?_", "qt"),
    (r"jt_", "jt"),
    (r"st_", "st"),
    (r"t2?_", "t"),
    (r"(qrs|q|r|s|r2|s2|delta|sokolow|cornell|peguero|right_sokolow)_", "qrs"),
)

_LEADS_OF_SUMS: Mapping[str, tuple[str, ...]] = {
    "sokolow_lyon_mv": ("V1", "V5", "V6"),
    "right_sokolow_mv": ("V1", "V5", "V6"),
    "cornell_mv": ("aVL", "V3"),
    "peguero_mv": ("V4",),
}
"""Leads in which a sum of voltages is seen; that of Peguero adds the deepest S wherever it is."""


def stretch_of(evidence: Evidence) -> str | None:
    """Return the part of a beat that was measured, a key of :data:`STRETCHES`; None for no part.

    Examples
    --------
    >>> names = ("pr_ms", "r_over_s", "rr_mean_ms")
    >>> [stretch_of(Evidence(name, 1.0, "", "", True, "")) for name in names]
    ['pr', 'qrs', 'qrs']
    """
    if evidence.name in criteria or evidence.name.endswith("probability"):
        return None
    one_beat = isinstance(evidence.beat, int)
    for pattern, stretch in _OF_NAMES:
        if re.match(pattern, evidence.name):
            # Intervals of all beats would light everything: their complexes show them as well.
            return "qrs" if stretch == "rr" and not one_beat else stretch
    return "beat" if one_beat else None


def reading_document(answer: Interpretation, stated: Mapping[str, float]) -> dict[str, Any]:
    """Return what is shown of an interpretation.

    Parameters
    ----------
    answer : Interpretation
        With measurements and statements (:func:`ecgfoundry.inference.stating.with_statements`).
    stated : mapping
        What the device measured, as
        :func:`ecgfoundry.formats.common.measurements.device_measurements` gives it.

    Returns
    -------
    dict
        ``header``: rows of label, text, unit, reason and the device's text (None where it states
        nothing). ``statements``: the present ones as a reader needs them, each with its evidence
        and the place of it. ``doubt``: why nothing is stated, a sentence, or None. ``undecided``:
        reason and names. ``notices``, ``caveats``: sentences about the signal and the statements.
        ``otherwise``: by name of a finding, that the criteria decide otherwise.
        ``absent``: a number. ``names``: words of every statement. ``waves``: ends of the parts of
        the usual beat, s from its R peak.
    """
    measured = answer.measurements
    header: list[dict[str, Any]] = []
    if measured is not None and measured.readable:
        device = device_values(stated)
        header = [
            {
                "label": value.label,
                "text": value.text,
                "unit": value.unit,
                "reason": value.reason,
                "device": None if text == "–" else text,
            }
            for value, text in zip(header_values(measured), device, strict=True)
        ]
    present = {one.name: one for one in answer.statements if one.present}
    meanings = meanings_of(answer)
    doubt = doubt_of(answer)
    return {
        "doubt": None if doubt is None else doubt_sentence(doubt),
        "notices": [notice.message for notice in notices_beside(answer)],
        "caveats": list(general_caveats(present.values())),
        "header": header,
        "statements": [
            _line(one, present, meanings.get(one.name), measured)
            for one in for_reading(answer.statements)
        ],
        "undecided": [] if doubt is not None else _undecided(answer.statements),
        "otherwise": decided_otherwise(answer),
        "names": words_of(answer),
        "absent": sum(one.present is False for one in answer.statements),
        "waves": _waves(None if measured is None else measured.median),
        "stretches": {name: list(ends) for name, ends in STRETCHES.items()},
    }


def _line(
    one: Statement,
    present: Mapping[str, Statement],
    meaning: str | None,
    measured: Measurements | None,
) -> dict[str, Any]:
    return {
        "name": one.name,
        "words": statement_words(one, meaning),
        "meaning": meaning if one.group == "network" else None,
        "group": one.group,
        "possible": one.possible,
        "because": because(one, present),
        "decided_by": one.decided_by,
        "probability": one.probability,
        "needs_confirmation": one.needs_confirmation,
        "code": one.code,
        "caveat": one.caveat,
        "contradicts": [in_words(name) for name in one.contradicts],
        "evidence": [_evidence(item, measured) for item in one.evidence],
    }


def words_of(answer: Interpretation) -> dict[str, str]:
    """Return the words of every statement, by its name."""
    meanings = meanings_of(answer)
    return {one.name: statement_words(one, meanings.get(one.name)) for one in answer.statements}


def words_of_present(answer: Interpretation) -> list[str]:
    """Return the present statements as a list of recordings shows them."""
    return [line.words for line in told(answer)]


def _evidence(item: Evidence, measured: Measurements | None) -> dict[str, Any]:
    leads = [item.lead] if item.lead else list(_LEADS_OF_SUMS.get(item.name, ()))
    return {
        "words": evidence_in_words(item),
        "met": item.met,
        "source": item.source,
        "reason": item.reason,
        "leads": leads,
        "beat": item.beat,
        "beats": [] if measured is None else list(counted_beats(item.name, measured)),
        "stretch": stretch_of(item),
    }


_NO_LEAD = "is not there or cannot be read"
_LEADS_NEEDED = "a lead that it needs is not there or cannot be read"


def _undecided(statements: tuple[Statement, ...]) -> list[dict[str, Any]]:
    """Names by reason: sixty lines that name missing leads would be read by nobody."""
    reasons: dict[str, list[str]] = {}
    for one in statements:
        if one.present is None:
            reason = one.reason or ""
            known = _LEADS_NEEDED if _NO_LEAD in reason else reason.split("; ")[0]
            reasons.setdefault(known, []).append(in_words(one.name))
    return [{"reason": reason, "names": names} for reason, names in reasons.items()]


def _waves(median: MedianBeat | None) -> dict[str, float]:
    if median is None:
        return {}
    waves = {
        name: round((column - median.fiducial) / median.sampling_rate, 4)
        for name, column in median.boundaries.items()
    }
    if "qrs_offset" in waves:
        waves["st_end"] = round(waves["qrs_offset"] + _ST_AFTER_J_S, 4)
    return waves
