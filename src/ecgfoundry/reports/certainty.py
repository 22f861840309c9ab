"""How sure a model's answers are: what its sets leave open, and why none is decided."""

from __future__ import annotations

from collections.abc import Iterable

from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.tasks.finding import Finding

__all__ = ["certainty_text", "common_reason"]


def common_reason(findings: Iterable[Finding]) -> str | None:
    """Return why no finding is decided, where one reason holds for all of them."""
    reasons = {None if one.present is not None else one.reason for one in findings}
    return reasons.pop() if len(reasons) == 1 else None


def certainty_text(interpretation: Interpretation) -> str | None:
    """Return which answers are open at the coverage of the sets; None where the model has none.

    Parameters
    ----------
    interpretation : Interpretation
    """
    findings = [one for one in interpretation.findings if one.outcomes is not None]
    if not findings:
        return None
    coverage = f"{findings[0].coverage or 0:.0%} sets"
    possible = [one.name for one in findings if "present" in (one.outcomes or ())]
    if interpretation.exclusive:
        if not possible:
            return f"{coverage}: no class fits this recording, the model abstains"
        if len(possible) == 1:
            return f"{coverage}: {possible[0]}, all others excluded"
        return f"{coverage}: {' or '.join(possible)}, the model abstains"
    open_ones = [one.name for one in findings if one.abstains]
    if not open_ones:
        return f"{coverage}: every finding is decided"
    return f"{coverage}: not decided are {', '.join(open_ones)}"
