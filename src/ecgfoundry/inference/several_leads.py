"""Several leads through a network that reads one: each alone, and combined.

The combined logits of a window are the mean over the leads that can be read in it. A logit is a
sum of evidence, so leads that agree keep their answer and leads that disagree cancel; the mean, not
the sum, because the leads of one heart are no independent witnesses, and because calibration and
thresholds are those of one lead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.inference.windows import InputLeads, PreparedWindow
from ecgfoundry.leads import STANDARD_12_LEADS, canonical_lead
from ecgfoundry.measurements.gate import MAY_BE_NO_ECG
from ecgfoundry.signals.quality import Notice, WindowQuality, merge_notices

__all__ = [
    "combined_leads",
    "combined_logits",
    "combined_window",
    "combining_notice",
    "named_leads",
]

ALL_LEADS = "all"


def named_leads(lead: str | None, available: Sequence[str]) -> tuple[str, ...]:
    """Return the leads that a caller named.

    Parameters
    ----------
    lead : str, optional
        One, or several with commas between them, or "all": the standard leads of the recording,
        where there are any, else its leads.
    available : sequence of str
        What was recorded.
    """
    if lead is None:
        return ()
    if lead.strip().lower() == ALL_LEADS:
        standard = tuple(name for name in STANDARD_12_LEADS if name in available)
        return standard or tuple(available)
    parts = [part.strip() for part in lead.split(",") if part.strip()]
    return tuple(dict.fromkeys(canonical_lead(part) or part for part in parts)) or (lead,)


def combined_leads(read: Sequence[InputLeads]) -> InputLeads:
    """Return the leads of several one-lead inputs as those of one answer."""
    return InputLeads(
        rows=tuple(one.rows[0] for one in read),
        recorded=tuple(name for one in read for name in one.recorded),
        derived=tuple(name for one in read for name in one.derived),
        absent=(),
    )


def combined_logits(
    logits: Sequence[NDArray[np.float64] | None],
) -> NDArray[np.float64] | None:
    """Return the mean over the leads that can be read, (targets,); None: none can."""
    known = [one for one in logits if one is not None]
    return np.mean(known, axis=0) if known else None


def combined_window(windows: Mapping[str, PreparedWindow]) -> PreparedWindow:
    """Join what is known of the same window of several leads.

    It is refused where none can be read; a lead that cannot be is a warning of the others.
    """
    first = next(iter(windows.values()))
    refusals = [
        Notice("lead-not-read", f"{lead}: {window.refusal.message}", (lead,))
        for lead, window in windows.items()
        if window.refusal is not None
    ]
    opinions = [w.quality.acceptable for w in windows.values() if w.quality.acceptable is not None]
    refusal = first.refusal if len(refusals) == len(windows) else None
    read = [window.quality.warnings for window in windows.values() if window.refusal is None]
    noted = [notice for warnings in read for notice in warnings]
    if sum(notice.code == MAY_BE_NO_ECG for notice in noted) < len(read):
        # A lead that is surely an ECG speaks for the others.
        noted = [notice for notice in noted if notice.code != MAY_BE_NO_ECG]
    quality = WindowQuality(
        {name: one for w in windows.values() for name, one in w.quality.leads.items()},
        merge_notices([noted if refusal is not None else [*noted, *refusals]]),
        refusal,
        float(np.mean(opinions)) if opinions else None,
    )
    return PreparedWindow(first.start, first.stop, quality, refusal, None)


def combining_notice(leads: Sequence[str]) -> Notice:
    """Say how the answer was made."""
    words = f"{', '.join(leads)}: the mean of the logits of these leads, each read alone; "
    return Notice(
        "leads-combined", words + "calibration and thresholds are those of one lead", tuple(leads)
    )
