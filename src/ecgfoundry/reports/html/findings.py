"""The findings, warnings and the refusal of one interpretation, as HTML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ecgfoundry.reports.html.environment import render
from ecgfoundry.reports.html.style import painted
from ecgfoundry.reports.wording import (
    duration_text,
    finding_burden,
    finding_is_calibrated,
    is_long,
    notices_of,
    number_text,
    ranked_findings,
    share_text,
)

__all__ = ["findings_section", "notices_box", "share_bar"]

SHOWN_AT_LEAST = 10
"""Findings in the open table; what is present always is (our choice)."""

_ICONS = {
    present: render(
        "icon",
        present=present,
        on=painted("icon-on"),
        check=painted("icon-check"),
        off=painted("icon-off"),
    )
    for present in (True, False, None)
}
_DECISIONS = {True: "present", False: "not present", None: "not decided"}


def notices_box(interpretation: Mapping[str, Any]) -> Markup:
    """Return why a recording was not interpreted, if so, and the list of its warnings."""
    refused = interpretation["refused"]
    return render(
        "notices",
        refused=_Notice.of(refused) if refused else None,
        warnings=[_Notice.of(notice) for notice in notices_of(interpretation)],
    )


@dataclass(frozen=True)
class _Notice:
    code: str
    message: str
    leads: str

    @classmethod
    def of(cls, notice: Mapping[str, Any]) -> _Notice:
        leads = [str(lead) for lead in notice.get("leads", ())]
        # Most messages name the leads themselves.
        named = all(lead in str(notice["message"]) for lead in leads)
        words = f" ({'lead' if len(leads) == 1 else 'leads'} {', '.join(leads)})"
        return cls(notice["code"], notice["message"], "" if named else words)


def share_bar(
    value: float | None,
    label: str,
    threshold: float | None = None,
    *,
    present: bool | None = None,
) -> Markup:
    """Return a bar from 0 to 1 with a tick at the threshold, as an SVG that also prints.

    Parameters
    ----------
    value : float or None
        0 to 1; None draws no bar.
    label : str
        What a screen reader says.
    threshold : float, optional
        0 to 1.
    present : bool, optional
        Whether the finding is; its bar is the darker one.
    """
    if value is None:
        return Markup()
    return render(
        "bar",
        label=label,
        width=f"{100 * min(max(value, 0.0), 1.0):.2f}",
        tick=None if threshold is None else f"{100 * threshold:.2f}",
        track_paint=painted("track"),
        fill_paint=painted("fill-present" if present else "fill"),
        tick_paint=painted("tick"),
    )


def findings_section(interpretation: Mapping[str, Any]) -> Markup:
    """Return the findings of one interpretation, with what they do and do not mean.

    Parameters
    ----------
    interpretation : mapping
        By interpretation.schema.json; not a refused one.
    """
    findings = ranked_findings(interpretation)
    shown = max(SHOWN_AT_LEAST, sum(1 for finding in findings if finding["present"]))
    if len(findings) - shown <= 3:
        shown = len(findings)
    caption, heads, row = _columns(interpretation)
    rows = [row(interpretation, finding) for finding in findings]
    return render(
        "findings",
        notes=_meaning(interpretation, findings) if findings else [],
        caption=caption,
        heads=heads,
        rows=rows[:shown],
        further=rows[shown:],
    )


@dataclass(frozen=True)
class _Row:
    """One finding; ``cells`` are the columns behind its name."""

    name: str
    present: bool | None
    icon: Markup
    details: list[str]
    notes: list[str]
    cells: list[Markup]


def _meaning(
    interpretation: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """Return what must be said above the table, each as a tag and a sentence."""
    if interpretation.get("target_kind") == "regression":
        return []
    notes = []
    if not is_long(interpretation) and not any(
        finding_is_calibrated(interpretation, finding) for finding in findings
    ):
        notes.append(
            ("uncalibrated", "The scores are not probabilities: they only rank."),
        )
    if all(finding["present"] is None for finding in findings):
        notes.append(
            (
                "no thresholds",
                "The weights came without thresholds: nothing is decided.",
            )
        )
    return notes


def _columns(
    interpretation: Mapping[str, Any],
) -> tuple[str, list[str], Callable[[Mapping[str, Any], Mapping[str, Any]], _Row]]:
    """Return the caption, the heads of the columns, and what makes the rows."""
    if interpretation.get("target_kind") == "regression":
        return "Estimated values", ["Finding", "Value", "Interval"], _value_row
    if is_long(interpretation):
        readable = interpretation.get("readable_s")
        of_time = f" of {duration_text(readable)}" if readable is not None else ""
        caption = f"Burden: share of the readable time{of_time}"
        return caption, ["Finding", "Burden"], _burden_row
    calibrated = any(
        finding_is_calibrated(interpretation, entry) for entry in interpretation["findings"]
    )
    if interpretation.get("target_kind") == "multiclass":
        caption = "One class per recording: the most probable one is marked present"
    elif any(entry.get("threshold") is not None for entry in interpretation["findings"]):
        caption = "The tick on a bar is the threshold"
    else:
        caption = "In order of the score"
    measure = "Calibrated probability" if calibrated else "Score, uncalibrated"
    return caption, ["Finding", measure], _probability_row


def _row(finding: Mapping[str, Any], *cells: Markup, decided: bool = True) -> _Row:
    present = finding["present"]
    details = [finding.get("code") or "no code"]
    if finding.get("kind"):
        details.append(finding["kind"])
    if decided:
        details.insert(0, _DECISIONS[present])
    return _Row(
        name=finding["name"],
        present=present,
        icon=_ICONS[present] if decided else Markup(),
        details=details,
        notes=[finding[key] for key in ("description", "caveat") if finding.get(key)],
        cells=list(cells),
    )


def _probability_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any]) -> _Row:
    probability, threshold = finding.get("probability"), finding.get("threshold")
    number = number_text(probability)
    if threshold is not None:
        limit = f"threshold {number_text(threshold)}"
    elif interpretation.get("target_kind") == "multiclass":
        limit = ""
    else:
        limit = "no threshold"
    uncalibrated = not finding_is_calibrated(interpretation, finding)
    # Said once above the table when it is true of all of them.
    tagged = uncalibrated and bool(interpretation.get("calibrated"))
    label = f"{'score' if uncalibrated else 'probability'} {number}"
    words = f"{label}, {limit}" if limit else label
    bar = share_bar(probability, words, threshold, present=finding["present"])
    return _row(finding, render("share", bar=bar, number=number, tagged=tagged, limit=limit))


def _burden_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any]) -> _Row:
    burden = finding_burden(interpretation, finding)
    text = share_text(burden)
    readable = interpretation.get("readable_s")
    time = duration_text(burden * readable) if burden and readable else ""
    bar = share_bar(burden, f"burden {text}", present=finding["present"])
    return _row(finding, render("share", bar=bar, number=text, tagged=False, limit=time))


def _value_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any]) -> _Row:
    value, low, high = (finding.get(key) for key in ("value", "low", "high"))
    unit = finding.get("unit") or ""
    number = "–" if value is None else f"{value:.3g} {unit}"
    interval = "not stated" if low is None or high is None else f"{low:.3g} to {high:.3g} {unit}"
    cells = (
        render("value", text=number, strong=True),
        render("value", text=interval, strong=False),
    )
    return _row(finding, *cells, decided=False)
