"""The answer of one model for one recording, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ecgfoundry.criteria.types import Statement
from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.errors import EcgFoundryError, FormatError
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.schemas import schema_problems
from ecgfoundry.signals.quality import Notice
from ecgfoundry.tasks import TASKS
from ecgfoundry.tasks.finding import Finding, WindowResult, rounded

__all__ = ["SCHEMA_VERSION", "Episode", "Finding", "Interpretation", "LeadAnswer", "WindowResult"]

SCHEMA_VERSION = 2
"""Of the JSON form; see ``schemas/interpretation.schema.json``."""


@dataclass(frozen=True, slots=True)
class Episode:
    """A stretch of consecutive windows in which a target is present."""

    name: str
    start_s: float
    end_s: float
    probability: float

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "name": self.name,
            "start_s": round(self.start_s, 4),
            "end_s": round(self.end_s, 4),
            "probability": rounded(self.probability),
        }

    @classmethod
    def from_dict(cls, document: Document) -> Episode:
        """Build from the JSON form."""
        own = Fields(document)
        return cls(
            own.text("name"), own.number("start_s"), own.number("end_s"), own.number("probability")
        )


@dataclass(frozen=True, slots=True)
class LeadAnswer:
    """What a one-lead network says of one of several leads that were combined.

    Attributes
    ----------
    findings : tuple of Finding
    refused : Notice or None
        Why this lead is not in the combined answer.
    """

    findings: tuple[Finding, ...] = ()
    refused: Notice | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "findings": [finding.to_dict() for finding in self.findings],
            "refused": None if self.refused is None else self.refused.to_dict(),
        }

    @classmethod
    def from_dict(cls, document: Document) -> LeadAnswer:
        """Build from the JSON form."""
        own = Fields(document)
        refused = own.part_or_none("refused")
        return cls(
            tuple(map(Finding.from_dict, own.parts("findings"))),
            None if refused is None else Notice.from_dict(refused),
        )


@dataclass(frozen=True)
class Interpretation:
    """The result for one recording: findings, quality, windows, or a refusal.

    Attributes
    ----------
    file : str or None
    model, model_version, preprocessing, runtime, target_kind : str or None
        What answered; None where the file could not be read at all.
    calibrated : bool
        Whether all probabilities are.
    duration_s : float or None
        None where the file could not be read.
    verdict : {"good", "usable", "refused"}
        Of the signal.
    warnings : tuple of Notice
    lead_figures : mapping
        Lead -> figures of its quality (:class:`ecgfoundry.signals.quality.LeadQuality`).
    acceptable : float or None
        0 to 1: a second opinion on the quality, mean over the windows
        (:mod:`ecgfoundry.measurements.acceptability`).
    leads_used, leads_derived : tuple of str
    findings : tuple of Finding
        Of the targets that may be reported for a single recording.
    windows : tuple of WindowResult
    episodes : tuple of Episode, or None
        Beyond 60 s.
    burden : mapping or None
        Beyond 60 s: share of the readable time in which each target is present.
    readable_s : float or None
        Beyond 60 s: seconds that were not refused.
    refused : Notice or None
        Why there is no answer.
    measurements : Measurements or None
        What was measured; None where only a network was asked
        (:meth:`ecgfoundry.Predictor.interpret`).
    statements : tuple of Statement
        Of the criteria and the network in one list, each with its evidence
        (:func:`ecgfoundry.interpret`).
    by_lead : mapping
        Lead -> :class:`LeadAnswer`, where several were read by a one-lead network.
    """

    file: str | None
    model: str | None
    model_version: str | None
    preprocessing: str | None
    runtime: str | None
    target_kind: str | None
    calibrated: bool
    duration_s: float | None
    verdict: str
    warnings: tuple[Notice, ...] = ()
    acceptable: float | None = None
    lead_figures: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    leads_used: tuple[str, ...] = ()
    leads_derived: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    windows: tuple[WindowResult, ...] = ()
    episodes: tuple[Episode, ...] | None = None
    burden: Mapping[str, float | None] | None = None
    readable_s: float | None = None
    refused: Notice | None = None
    measurements: Measurements | None = None
    statements: tuple[Statement, ...] = ()
    by_lead: Mapping[str, LeadAnswer] = field(default_factory=dict)

    def __repr__(self) -> str:
        """In one line, since a notebook and a debugger print it."""
        if self.refused is not None:
            return f"<Interpretation: refused ({self.refused.code}), {self.model}>"
        named = sum(statement.present is True for statement in self.statements)
        present = [finding.target.name for finding in self.findings if finding.present]
        findings = ", ".join(present) or "no finding"
        return f"<Interpretation: {findings}; {named} statements; {self.model}, {self.verdict}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: measurements, statements with their reasons, findings."""
        import ecgfoundry

        return str(ecgfoundry.notebook_html(self))

    @classmethod
    def of_failure(
        cls, error: EcgFoundryError, file: str | None, model: str | None = None
    ) -> Interpretation:
        """Return the answer for a file that could not be read at all, from its error."""
        return cls.unreadable(Notice(error.code, str(error)), file, model)

    @classmethod
    def unreadable(
        cls, reason: Notice, file: str | None, model: str | None = None
    ) -> Interpretation:
        """Return the answer for a file that could not be read at all."""
        return cls(
            file=file,
            model=model,
            model_version=None,
            preprocessing=None,
            runtime=None,
            target_kind=None,
            calibrated=False,
            duration_s=None,
            verdict="refused",
            refused=reason,
        )

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the findings that are present."""
        return tuple(finding.name for finding in self.findings if finding.present)

    def undecided(self, reason: str) -> Interpretation:
        """Return the answer without what it decides: findings, windows and episodes; and why.

        Probabilities stay.
        """
        return replace(
            self,
            findings=tuple(finding.undecided(reason) for finding in self.findings),
            windows=tuple(window.undecided() for window in self.windows),
            episodes=None if self.episodes is None else (),
            burden=None if self.burden is None else dict.fromkeys(self.burden),
        )

    @property
    def is_long(self) -> bool:
        """Whether it speaks in episodes and burden, not in one probability."""
        return self.episodes is not None

    @property
    def decides(self) -> bool:
        """Whether its targets are present or absent; otherwise they have values."""
        return self.target_kind is None or TASKS[self.target_kind].decides

    @property
    def exclusive(self) -> bool:
        """Whether exactly one target is present."""
        return self.target_kind is not None and TASKS[self.target_kind].exclusive

    @property
    def ranked(self) -> tuple[Finding, ...]:
        """The findings for reading: present ones first, then by probability or burden.

        Values keep the order of the model.
        """
        if not self.decides:
            return self.findings

        def rank(finding: Finding) -> tuple[bool, float]:
            size = finding.burden if finding.probability is None else finding.probability
            return not finding.present, -(size or 0.0)

        return tuple(sorted(self.findings, key=rank))

    def finding(self, name: str) -> Finding:
        """Return the finding of a target by name."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def to_dict(self) -> JsonObject:
        """Return the JSON form (schema "interpretation")."""
        result: JsonObject = {
            "schema_version": SCHEMA_VERSION,
            "file": self.file,
            "model": self.model,
            "model_version": self.model_version,
            "preprocessing": self.preprocessing,
            "runtime": self.runtime,
            "target_kind": self.target_kind,
            "calibrated": self.calibrated,
            "duration_s": None if self.duration_s is None else round(self.duration_s, 4),
            "leads_used": list(self.leads_used),
            "leads_derived": list(self.leads_derived),
            "quality": {
                "verdict": self.verdict,
                "warnings": [notice.to_dict() for notice in self.warnings],
                "acceptable": rounded(self.acceptable),
                "leads": {lead: dict(figures) for lead, figures in self.lead_figures.items()},
            },
            "findings": [finding.to_dict() for finding in self.findings],
            "windows": [window.to_dict() for window in self.windows],
            "refused": None if self.refused is None else self.refused.to_dict(),
            "measurements": None if self.measurements is None else self.measurements.to_dict(),
            "statements": [statement.to_dict() for statement in self.statements],
        }
        if self.by_lead:
            result["by_lead"] = {lead: one.to_dict() for lead, one in self.by_lead.items()}
        if self.episodes is not None:
            result["episodes"] = [episode.to_dict() for episode in self.episodes]
            result["burden"] = {k: rounded(v) for k, v in (self.burden or {}).items()}
            result["readable_s"] = round(self.readable_s or 0.0, 3)
        return result

    @classmethod
    def from_dict(cls, document: Document) -> Interpretation:
        """Build from the JSON form.

        Raises
        ------
        FormatError
            It is no interpretation by the schema of this version.
        """
        problems = schema_problems("interpretation", document)
        if problems:
            raise FormatError(
                f"is no interpretation of version {SCHEMA_VERSION}: {problems[0]}",
                remedy="Make it anew with: ecgfoundry diagnose FILE --json",
            )
        own = Fields(document)
        quality, refused = own.part("quality"), own.part_or_none("refused")
        measured, leads = own.part_or_none("measurements"), quality.part("leads")
        episodes = tuple(map(Episode.from_dict, own.parts("episodes")))
        by_lead = own.part_or_none("by_lead") or Fields({})
        return cls(
            file=own.text_or_none("file"),
            model=own.text_or_none("model"),
            model_version=own.text_or_none("model_version"),
            preprocessing=own.text_or_none("preprocessing"),
            runtime=own.text_or_none("runtime"),
            target_kind=own.text_or_none("target_kind"),
            calibrated=own.flag("calibrated"),
            duration_s=own.number_or_none("duration_s"),
            verdict=quality.text("verdict"),
            warnings=tuple(map(Notice.from_dict, quality.parts("warnings"))),
            acceptable=quality.number_or_none("acceptable"),
            lead_figures={lead: leads.figures_or_gaps(lead) for lead in leads},
            leads_used=own.texts("leads_used"),
            leads_derived=own.texts("leads_derived"),
            findings=tuple(map(Finding.from_dict, own.parts("findings"))),
            windows=tuple(map(WindowResult.from_dict, own.parts("windows"))),
            episodes=episodes if "episodes" in own else None,
            burden=own.figures_or_gaps("burden") if "burden" in own else None,
            readable_s=own.number_or_none("readable_s"),
            refused=None if refused is None else Notice.from_dict(refused),
            measurements=None if measured is None else Measurements.from_dict(measured),
            statements=tuple(map(Statement.from_dict, own.parts("statements"))),
            by_lead={lead: LeadAnswer.from_dict(by_lead.part(lead)) for lead in by_lead},
        )


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
        Share of the readable time in which each target is present; None if nothing was readable, or
        nothing decided.
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
    decided = any(window.present is not None for window in windows)
    burden: dict[str, float | None] = {
        name: (value / readable if decided and readable > 0 else None)
        for name, value in seconds.items()
    }
    return tuple(episodes), burden, readable
