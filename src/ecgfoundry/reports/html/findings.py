"""The findings, warnings and the refusal of one interpretation, as HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from ecgfoundry.inference.interpretation import Finding, Interpretation
from ecgfoundry.reports.certainty import certainty_text, common_reason
from ecgfoundry.reports.html.environment import render
from ecgfoundry.reports.html.style import painted
from ecgfoundry.reports.told import decided_otherwise, doubt_of, doubt_sentence, notices_beside
from ecgfoundry.reports.wording import (
    duration_text,
    number_text,
    share_text,
)
from ecgfoundry.signals.quality import Notice

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


def notices_box(interpretation: Interpretation) -> Markup:
    """Return why a recording was not interpreted, or nothing is stated of it, and its warnings."""
    refused, doubt = interpretation.refused, doubt_of(interpretation)
    return render(
        "notices",
        refused=None if refused is None else _Notice.of(refused),
        doubt=None if doubt is None else doubt_sentence(doubt),
        warnings=[_Notice.of(notice) for notice in notices_beside(interpretation)],
    )


@dataclass(frozen=True)
class _Notice:
    code: str
    message: str
    leads: str

    @classmethod
    def of(cls, notice: Notice) -> _Notice:
        leads = notice.leads
        # Most messages name the leads themselves.
        named = all(lead in notice.message for lead in leads)
        words = f" ({'lead' if len(leads) == 1 else 'leads'} {', '.join(leads)})"
        return cls(notice.code, notice.message, "" if named else words)


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


def findings_section(interpretation: Interpretation) -> Markup:
    """Return the findings of one interpretation, with what they do and do not mean.

    Parameters
    ----------
    interpretation : Interpretation
        Not a refused one.
    """
    findings = interpretation.ranked
    shown = max(SHOWN_AT_LEAST, sum(1 for finding in findings if finding.present))
    if len(findings) - shown <= 3:
        shown = len(findings)
    caption, heads, row = _columns(interpretation)
    rows = [row(interpretation, finding) for finding in findings]
    return render(
        "findings",
        notes=_meaning(interpretation),
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


def _meaning(interpretation: Interpretation) -> list[tuple[str, str]]:
    """Return what must be said above the table, each as a tag and a sentence."""
    findings = interpretation.findings
    if not interpretation.decides or not findings:
        return []
    notes = []
    if not interpretation.is_long and not any(finding.calibrated for finding in findings):
        notes.append(
            ("uncalibrated", "The scores are not probabilities: they only rank."),
        )
    certainty = certainty_text(interpretation)
    if certainty is not None:
        notes.append(("certainty", certainty))
    undecided = common_reason(findings)
    if doubt_of(interpretation) is not None:
        pass  # which is told above, once
    elif undecided is not None:
        notes.append(("not decided", f"Nothing is decided: {undecided}."))
    elif all(finding.present is None for finding in findings):
        notes.append(
            (
                "no thresholds",
                "The weights came without thresholds: nothing is decided.",
            )
        )
    return notes


def _columns(
    interpretation: Interpretation,
) -> tuple[str, list[str], Callable[[Interpretation, Finding], _Row]]:
    """Return the caption, the heads of the columns, and what makes the rows."""
    if not interpretation.decides:
        return "Estimated values", ["Finding", "Value", "Interval"], _value_row
    if interpretation.is_long:
        readable = interpretation.readable_s
        of_time = f" of {duration_text(readable)}" if readable is not None else ""
        caption = f"Burden: share of the readable time{of_time}"
        return caption, ["Finding", "Burden"], _burden_row
    calibrated = any(finding.calibrated for finding in interpretation.findings)
    if interpretation.exclusive:
        caption = "One class per recording"
        if any(finding.present for finding in interpretation.findings):
            caption += ": the most probable one is marked present"
    elif any(finding.threshold is not None for finding in interpretation.findings):
        caption = "The tick on a bar is the threshold"
    else:
        caption = "In order of the score"
    measure = "Calibrated probability" if calibrated else "Score, uncalibrated"
    return caption, ["Finding", measure], _probability_row


def _row(interpretation: Interpretation, finding: Finding, *cells: Markup) -> _Row:
    present, target = finding.present, finding.target
    decided = interpretation.decides
    reason = None if doubt_of(interpretation) else finding.reason
    otherwise = decided_otherwise(interpretation).get(finding.name)
    details = [finding.code or "no code", target.kind]
    if decided:
        details.insert(0, _DECISIONS[present])
    return _Row(
        name=finding.name,
        present=present,
        icon=_ICONS[present] if decided else Markup(),
        details=details,
        notes=[text for text in (reason, otherwise, target.description, target.caveat) if text],
        cells=list(cells),
    )


def _probability_row(interpretation: Interpretation, finding: Finding) -> _Row:
    probability, threshold = finding.probability, finding.threshold
    number = number_text(probability)
    if threshold is not None:
        limit = f"threshold {number_text(threshold)}"
    elif interpretation.exclusive:
        limit = ""
    else:
        limit = "no threshold"
    uncalibrated = not finding.calibrated
    # Said once above the table when it is true of all of them.
    tagged = uncalibrated and any(other.calibrated for other in interpretation.findings)
    label = f"{'score' if uncalibrated else 'probability'} {number}"
    words = f"{label}, {limit}" if limit else label
    bar = share_bar(probability, words, threshold, present=finding.present)
    share = render("share", bar=bar, number=number, tagged=tagged, limit=limit)
    return _row(interpretation, finding, share)


def _burden_row(interpretation: Interpretation, finding: Finding) -> _Row:
    burden, readable = finding.burden, interpretation.readable_s
    text = share_text(burden)
    time = duration_text(burden * readable) if burden and readable else ""
    bar = share_bar(burden, f"burden {text}", present=finding.present)
    share = render("share", bar=bar, number=text, tagged=False, limit=time)
    return _row(interpretation, finding, share)


def _value_row(interpretation: Interpretation, finding: Finding) -> _Row:
    value, low, high = finding.value, finding.low, finding.high
    unit = finding.target.unit or ""
    number = "–" if value is None else f"{value:.3g} {unit}"
    interval = "not stated" if low is None or high is None else f"{low:.3g} to {high:.3g} {unit}"
    cells = (
        render("value", text=number, strong=True),
        render("value", text=interval, strong=False),
    )
    return _row(interpretation, finding, *cells)
