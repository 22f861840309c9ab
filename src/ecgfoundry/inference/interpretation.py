"""The answer of one model for one recording, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks.finding import Finding, WindowResult, rounded

__all__ = ["Episode", "Finding", "Interpretation", "WindowResult"]


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of consecutive windows in which a target is present."""

    name: str
    start_s: float
    end_s: float
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "start_s": round(self.start_s, 4),
            "end_s": round(self.end_s, 4),
            "probability": rounded(self.probability),
        }


@dataclass(frozen=True)
class Interpretation:
    """The result for one recording: findings, quality, windows, or a refusal."""

    file: str | None
    model: str
    model_version: str
    preprocessing: str
    runtime: str
    target_kind: str
    calibrated: bool
    duration_s: float
    verdict: str
    warnings: tuple[Notice, ...] = ()
    lead_figures: dict[str, dict[str, float | None]] = field(default_factory=dict)
    leads_used: tuple[str, ...] = ()
    leads_derived: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    windows: tuple[WindowResult, ...] = ()
    episodes: tuple[Episode, ...] | None = None
    burden: dict[str, float | None] | None = None
    readable_s: float | None = None
    refused: Notice | None = None

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the findings that are present."""
        return tuple(finding.name for finding in self.findings if finding.present)

    def finding(self, name: str) -> Finding:
        """Return the finding of a target by name."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form (schema "interpretation")."""
        result: dict[str, Any] = {
            "schema_version": 1,
            "file": self.file,
            "model": self.model,
            "model_version": self.model_version,
            "preprocessing": self.preprocessing,
            "runtime": self.runtime,
            "target_kind": self.target_kind,
            "calibrated": self.calibrated,
            "duration_s": round(self.duration_s, 4),
            "leads_used": list(self.leads_used),
            "leads_derived": list(self.leads_derived),
            "quality": {
                "verdict": self.verdict,
                "warnings": [notice.to_dict() for notice in self.warnings],
                "leads": self.lead_figures,
            },
            "findings": [finding.to_dict() for finding in self.findings],
            "windows": [window.to_dict() for window in self.windows],
            "refused": None if self.refused is None else self.refused.to_dict(),
        }
        if self.episodes is not None:
            result["episodes"] = [episode.to_dict() for episode in self.episodes]
            result["burden"] = {k: rounded(v) for k, v in (self.burden or {}).items()}
            result["readable_s"] = round(self.readable_s or 0.0, 3)
        return result


def find_episodes(
    windows: Sequence[WindowResult], names: Sequence[str]
) -> tuple[tuple[Episode, ...], dict[str, float | None], float]:
    """Join consecutive windows into episodes, and measure burden.

    Parameters
    ----------
    windows : sequence of WindowResult
        In order of time; a last one may overlap the one before, and only the time that no
        earlier window covered counts for it.
    names : sequence of str
        Targets to look for.

    Returns
    -------
    episodes : tuple of Episode
        A refused window, or a gap between windows, ends an episode.
    burden : dict
        Share of the readable time in which each target is present; None if nothing was readable.
    readable_s : float
        Time in windows that were not refused.
    """
    episodes: list[Episode] = []
    seconds = dict.fromkeys(names, 0.0)
    readable = 0.0
    covered = float("-inf")
    running: dict[str, tuple[float, float, list[float]]] = {}

    def close(name: str) -> None:
        start, end, values = running.pop(name)
        episodes.append(Episode(name, start, end, sum(values) / len(values)))

    for window in windows:
        start = max(window.start_s, covered)
        end = window.start_s + window.duration_s
        touching = start - covered < 1e-3
        covered = end
        here = () if window.refused is not None or window.present is None else window.present
        readable += 0.0 if window.refused is not None else end - start
        for name in names:
            if name in running and (name not in here or not touching):
                close(name)
            if name in here:
                probability = (window.probabilities or {}).get(name, 1.0)
                first, _, values = running.get(name, (start, end, []))
                running[name] = (first, end, [*values, probability])
                seconds[name] += end - start
    for name in list(running):
        close(name)
    episodes.sort(key=lambda episode: (episode.start_s, episode.name))
    burden: dict[str, float | None] = {
        name: (value / readable if readable > 0 else None) for name, value in seconds.items()
    }
    return tuple(episodes), burden, readable
