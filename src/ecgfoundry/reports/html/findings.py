"""The findings, warnings and the refusal of one interpretation, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecgfoundry.reports.html.style import painted
from ecgfoundry.reports.wording import (
    duration_text,
    escape,
    finding_burden,
    finding_is_calibrated,
    is_long,
    notices_of,
    number_text,
    ranked_findings,
    share_text,
)

__all__ = ["findings_section", "notices_list", "refusal_box", "share_bar"]

SHOWN_AT_LEAST = 10
"""Findings in the open table; what is present always is (our choice)."""

_ICON = '<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{}</svg>'
_ICONS = {
    True: _ICON.format(
        f'<rect {painted("icon-on")} width="16" height="16" rx="4"/><path {painted("icon-check")} '
        'd="M3.8 8.3l2.9 2.9 5.5-6.2" fill="none" stroke-width="2.2" stroke-linecap="round" '
        'stroke-linejoin="round"/>'
    ),
    False: _ICON.format(
        f'<circle {painted("icon-off")} cx="8" cy="8" r="6.2" fill="none" stroke-width="1.4"/>'
    ),
    None: _ICON.format(
        f'<path {painted("icon-off")} d="M8 1.2L14.8 8 8 14.8 1.2 8z" fill="none" '
        'stroke-width="1.4" stroke-dasharray="2.4 1.8"/>'
    ),
}
_DECISIONS = {True: "present", False: "not present", None: "not decided"}


def refusal_box(refused: Mapping[str, Any]) -> str:
    """Return the box that says why a recording was not interpreted."""
    return (
        '<div class="refusal" role="alert"><h3>Not interpreted</h3>'
        f"<p>{escape(refused['message'])}{_of_leads(refused)}</p>"
        f'<span class="notice-code">{escape(refused["code"])}</span></div>'
    )


def notices_list(interpretation: Mapping[str, Any]) -> str:
    """Return the list of warnings, or nothing."""
    items = "".join(
        f"<li><strong>Warning:</strong> {escape(notice['message'])}{_of_leads(notice)} "
        f'<span class="notice-code">({escape(notice["code"])})</span></li>'
        for notice in notices_of(interpretation)
    )
    return f'<ul class="notices" aria-label="Warnings">{items}</ul>' if items else ""


def _of_leads(notice: Mapping[str, Any]) -> str:
    leads = [str(lead) for lead in notice.get("leads", ())]
    # Most messages name the leads themselves.
    if not leads or all(lead in str(notice["message"]) for lead in leads):
        return ""
    return f" ({'lead' if len(leads) == 1 else 'leads'} {escape(', '.join(leads))})"


def share_bar(
    value: float | None,
    label: str,
    threshold: float | None = None,
    *,
    present: bool | None = None,
) -> str:
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
        return ""
    tick = (
        f'<path {painted("tick")} d="M{100 * threshold:.2f} 0V14" stroke-width="2" '
        f'vector-effect="non-scaling-stroke"/>'
        if threshold is not None
        else ""
    )
    fill = painted("fill-present" if present else "fill")
    return (
        f'<svg class="bar" viewBox="0 0 100 14" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(label)}"><rect {painted("track")} y="3" width="100" '
        f'height="8"/><rect {fill} y="3" width="{100 * min(max(value, 0.0), 1.0):.2f}" '
        f'height="8"/>{tick}</svg>'
    )


def findings_section(interpretation: Mapping[str, Any]) -> str:
    """Return the findings of one interpretation, with what they do and do not mean.

    Parameters
    ----------
    interpretation : mapping
        By interpretation.schema.json; not a refused one.
    """
    findings = ranked_findings(interpretation)
    if not findings:
        return "<h3>Findings (unconfirmed)</h3><p>The model gave no findings.</p>"
    shown = max(SHOWN_AT_LEAST, sum(1 for finding in findings if finding["present"]))
    if len(findings) - shown <= 3:
        shown = len(findings)
    caption, head, row = _columns(interpretation)

    def table(part: Sequence[Mapping[str, Any]], title: str) -> str:
        rows = "".join(row(interpretation, finding) for finding in part)
        return (
            f"<table><caption>{title}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>"
        )

    rest = findings[shown:]
    more = (
        f"<details><summary>{len(rest)} further findings</summary>"
        f"{table(rest, 'Further findings, all not present or not decided')}</details>"
        if rest
        else ""
    )
    return (
        f"<h3>Findings (unconfirmed)</h3>{_meaning(interpretation, findings)}"
        f"{table(findings[:shown], caption)}{more}"
    )


def _meaning(interpretation: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]) -> str:
    if interpretation.get("target_kind") == "regression":
        return ""
    notes = []
    if not is_long(interpretation) and not any(
        finding_is_calibrated(interpretation, finding) for finding in findings
    ):
        notes.append(
            '<span class="tag">uncalibrated</span> The scores are not probabilities: they only '
            "rank."
        )
    if all(finding["present"] is None for finding in findings):
        notes.append(
            '<span class="tag">no thresholds</span> The weights came without thresholds: nothing '
            "is decided."
        )
    return "".join(f'<p class="small">{note}</p>' for note in notes)


def _columns(interpretation: Mapping[str, Any]) -> tuple[str, str, Any]:
    finding = '<tr><th scope="col">Finding</th>'
    if interpretation.get("target_kind") == "regression":
        head = f'{finding}<th scope="col">Value</th><th scope="col">Interval</th></tr>'
        return "Estimated values", head, _value_row
    if is_long(interpretation):
        readable = interpretation.get("readable_s")
        of_time = f" of {duration_text(readable)}" if readable is not None else ""
        head = f'{finding}<th scope="col">Burden</th></tr>'
        return f"Burden: share of the readable time{of_time}", head, _burden_row
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
    return caption, f'{finding}<th scope="col">{measure}</th></tr>', _probability_row


def _opening(finding: Mapping[str, Any], *, decided: bool = True) -> str:
    present = finding["present"]
    details = [finding.get("code") or "no code"]
    if finding.get("kind"):
        details.append(finding["kind"])
    if decided:
        details.insert(0, _DECISIONS[present])
    # Each detail stays in one piece; the line breaks between them.
    dotted = [*(f"{detail} ·" for detail in details[:-1]), details[-1]]
    line = " ".join(f'<span class="piece">{escape(detail)}</span>' for detail in dotted)
    more = "".join(
        f'<span class="code">{escape(finding[key])}</span>'
        for key in ("description", "caveat")
        if finding.get(key)
    )
    row = ' class="is-present"' if present else ""
    icon = _ICONS[present] if decided else ""
    return (
        f'<tr{row}><th scope="row"><div class="finding">{icon}<div>{escape(finding["name"])}'
        f'<span class="code">{line}</span>{more}</div></div></th>'
    )


def _probability_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
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
    tag = (
        ' <span class="tag">uncalibrated</span>'
        if uncalibrated and interpretation.get("calibrated")
        else ""
    )
    label = f"{'score' if uncalibrated else 'probability'} {number}"
    words = f"{label}, {limit}" if limit else label
    bar = share_bar(probability, words, threshold, present=finding["present"])
    return (
        f'{_opening(finding)}<td>{bar}<span class="number">{escape(number)}</span>'
        f'{tag}<span class="limit">{escape(limit)}</span></td></tr>'
    )


def _burden_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    burden = finding_burden(interpretation, finding)
    text = share_text(burden)
    readable = interpretation.get("readable_s")
    time = (
        f'<span class="limit">{duration_text(burden * readable)}</span>'
        if burden and readable
        else ""
    )
    bar = share_bar(burden, f"burden {text}", present=finding["present"])
    return f'{_opening(finding)}<td>{bar}<span class="number">{escape(text)}</span>{time}</td></tr>'


def _value_row(interpretation: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    value, low, high = (finding.get(key) for key in ("value", "low", "high"))
    unit = escape(finding.get("unit") or "")
    number = "–" if value is None else f"{value:.3g} {unit}"
    interval = "not stated" if low is None or high is None else f"{low:.3g} to {high:.3g} {unit}"
    return (
        f'{_opening(finding, decided=False)}<td class="number"><strong>{number}</strong></td>'
        f'<td class="number">{interval}</td></tr>'
    )
