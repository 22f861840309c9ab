"""What an evaluation finds, as objects: rows of targets, their controls, subgroups and sets.

Each knows its ``cells()``, the columns of ``metrics.csv`` (described in ``docs/evaluation.md``), or
its ``to_dict()``, its part of ``metrics.json``. Undefined numbers are ``nan``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ecgfoundry.documents import Cells, JsonObject
from ecgfoundry.metrics.auroc_intervals import AurocInterval
from ecgfoundry.metrics.bands import auroc_band
from ecgfoundry.metrics.intervals import Interval

__all__ = [
    "CLASSES",
    "QUANTITIES",
    "Average",
    "ClassRow",
    "ControlGain",
    "ControlSummary",
    "Controls",
    "Decisions",
    "NotComputed",
    "QuantityGain",
    "QuantityRow",
    "ReaderRow",
    "SetFigure",
    "SubgroupLevel",
    "SubgroupTable",
    "TransferRow",
    "TransferTable",
]

CLASSES = "classification"
QUANTITIES = "regression"
"""What the column ``kind`` says."""

COUNTS = ("true_positives", "false_positives", "false_negatives", "true_negatives")


def _spread(name: str, found: Interval) -> Cells:
    """The three columns of a value with its interval."""
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


@dataclass(frozen=True)
class Decisions:
    """A target at its threshold.

    Attributes
    ----------
    threshold : float
        ``nan`` where none was given, or where the largest score decides.
    measures : mapping
        Each of :data:`ecgfoundry.metrics.decisions.DECISION_MEASURES` -> value and interval.
    counts : tuple of int, or None
        True positives, false positives, false negatives, true negatives; None: nothing decided.
    """

    threshold: float
    measures: Mapping[str, Interval]
    counts: tuple[int, int, int, int] | None

    def cells(self) -> Cells:
        """Return the columns."""
        cells: Cells = {"threshold": self.threshold}
        for name, found in self.measures.items():
            cells |= _spread(name, found)
        counts = self.counts or (math.nan,) * len(COUNTS)
        return cells | dict(zip(COUNTS, counts, strict=True))


@dataclass(frozen=True, kw_only=True)
class ControlGain:
    """What the network adds to one control, on one target of classes.

    ``gain`` is the paired difference of AUROC. ``p`` is of DeLong's paired test clustered by
    patient, ``q`` corrected over targets. ``beaten`` is None without a test.
    """

    auroc: float
    auprc: float
    brier: float
    gain: Interval
    p: float
    p_bootstrap: float
    q: float = math.nan
    beaten: bool | None = None

    def cells(self) -> Cells:
        """Return the columns, without the name of the control."""
        return {
            "auroc": self.auroc,
            "auprc": self.auprc,
            "brier": self.brier,
            **_spread("gain", self.gain),
            "p": self.p,
            "p_bootstrap": self.p_bootstrap,
            "q": self.q,
            "beaten": self.beaten,
        }


@dataclass(frozen=True, kw_only=True)
class QuantityGain:
    """What the network adds to one control, on one quantity: the mean absolute error saved."""

    mae: float
    r2: float
    gain: Interval
    p: float
    q: float = math.nan
    beaten: bool | None = None

    def cells(self) -> Cells:
        """Return the columns, without the name of the control."""
        return {
            "mae": self.mae,
            "r2": self.r2,
            **_spread("gain_mae", self.gain),
            "p": self.p,
            "q": self.q,
            "beaten": self.beaten,
        }


def _of_controls(gains: Mapping[str, ControlGain] | Mapping[str, QuantityGain]) -> Cells:
    return {
        f"{control}_{name}": cell
        for control, gain in gains.items()
        for name, cell in gain.cells().items()
    }


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A target that is present or absent.

    Attributes
    ----------
    target : str
    ranking : AurocInterval
        AUROC, its interval, and how many records and patients it rests on.
    auprc : Interval
    percentile, bca : tuple of float
        Two other intervals of the AUROC.
    redrawn_share : float
        Draws of one class only, which were drawn again.
    patients, missing_labels, missing_predictions : int
    decisions : Decisions
    calibration : mapping
        Each of :data:`ecgfoundry.metrics.reliability.CALIBRATION_MEASURES` -> value.
    gains : mapping
        Control -> what the network adds to it.
    """

    kind: ClassVar[str] = CLASSES
    target: str
    ranking: AurocInterval
    auprc: Interval
    percentile: tuple[float, float]
    bca: tuple[float, float]
    redrawn_share: float
    patients: int
    missing_labels: int
    missing_predictions: int
    decisions: Decisions
    calibration: Mapping[str, float]
    gains: Mapping[str, ControlGain] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Records with a label and a score."""
        return self.ranking.positives + self.ranking.negatives

    @property
    def prevalence(self) -> float:
        """Positives among them."""
        return self.ranking.positives / self.n if self.n else math.nan

    @property
    def smaller_class(self) -> int:
        """Patients in the smaller class."""
        return min(self.ranking.positive_patients, self.ranking.negative_patients)

    @property
    def band(self) -> str | None:
        """Band of the lower end of the interval."""
        return auroc_band(self.ranking.low)

    @property
    def band_point(self) -> str | None:
        """Band of the estimate."""
        return auroc_band(self.ranking.auroc)

    def cells(self) -> Cells:
        """Return the columns."""
        found = self.ranking
        cells: Cells = {
            "target": self.target,
            "n": self.n,
            "positives": found.positives,
            "auroc": found.auroc,
            "auroc_low": found.low,
            "auroc_high": found.high,
            **_spread("auprc", self.auprc),
            "kind": self.kind,
            "prevalence": self.prevalence,
            "patients": self.patients,
            "positive_patients": found.positive_patients,
            "negative_patients": found.negative_patients,
            "auroc_interval_method": found.method,
            "auroc_interval_reliable": found.reliable,
            "auprc_interval_reliable": self.auprc.reliable,
            "auroc_standard_error": found.standard_error,
            "auroc_delong_low": found.delong_low,
            "auroc_delong_high": found.delong_high,
            "auroc_percentile_low": self.percentile[0],
            "auroc_percentile_high": self.percentile[1],
            "auroc_bca_low": self.bca[0],
            "auroc_bca_high": self.bca[1],
            "redrawn_share": self.redrawn_share,
            "band": self.band,
            "band_point": self.band_point,
            "missing_labels": self.missing_labels,
            "missing_predictions": self.missing_predictions,
        }
        return cells | self.decisions.cells() | dict(self.calibration) | _of_controls(self.gains)


@dataclass(frozen=True, kw_only=True)
class QuantityRow:
    """A measured value.

    Attributes
    ----------
    measures : mapping
        Each of :data:`ecgfoundry.metrics.regression.REGRESSION_MEASURES` -> value and interval.
    reliable : bool
        Of all intervals: they rest on the same people.
    gains : mapping
        Control -> what the network adds to it.
    """

    kind: ClassVar[str] = QUANTITIES
    target: str
    n: int
    patients: int
    missing_labels: int
    missing_predictions: int
    measures: Mapping[str, Interval]
    reliable: bool
    gains: Mapping[str, QuantityGain] = field(default_factory=dict)

    def cells(self) -> Cells:
        """Return the columns."""
        cells: Cells = {
            "target": self.target,
            "n": self.n,
            "kind": self.kind,
            "patients": self.patients,
            "missing_labels": self.missing_labels,
            "missing_predictions": self.missing_predictions,
        }
        for name, found in self.measures.items():
            cells |= _spread(name, found)
        return cells | {"intervals_reliable": self.reliable} | _of_controls(self.gains)


@dataclass(frozen=True, kw_only=True)
class Average:
    """An average over targets.

    ``decisions``: the averages of the measures at thresholds; empty where nothing was decided.
    """

    auroc: Interval
    auprc: Interval
    targets: int
    decisions: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            **_spread("auroc", self.auroc),
            "auroc_interval_reliable": self.auroc.reliable,
            "targets": self.targets,
            **_spread("auprc", self.auprc),
            "auprc_interval_reliable": self.auprc.reliable,
            **self.decisions,
        }


@dataclass(frozen=True)
class NotComputed:
    """A control that there is not, and why."""

    reason: str

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {"not_computed": self.reason}


@dataclass(frozen=True, kw_only=True)
class ControlSummary:
    """One control over all targets: how many were tested and beaten, and the mean gain.

    ``macro_auroc`` (of the control) and ``macro_gain`` are None for quantities.
    """

    targets: int
    tested: int
    beaten: int
    macro_auroc: float | None = None
    macro_gain: Interval | None = None

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        means: Cells = {}
        if self.macro_gain is not None:
            means = {"macro_auroc": self.macro_auroc, **_spread("macro_gain", self.macro_gain)}
        return {**means, "targets": self.targets, "tested": self.tested, "beaten": self.beaten}


Summaries = Mapping[str, ControlSummary | NotComputed]


@dataclass(frozen=True)
class Controls:
    """All controls.

    Attributes
    ----------
    fitted_on : str or None
        None where controls were switched off.
    names : mapping
        Control -> its name in words.
    classification, regression : mapping
        Control -> summary over the targets of this kind; empty without such a target.
    """

    fitted_on: str | None
    names: Mapping[str, str]
    classification: Summaries
    regression: Summaries

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "fitted_on": self.fitted_on,
            **({"names": dict(self.names)} if self.names else {}),
            "classification": {k: found.to_dict() for k, found in self.classification.items()},
            "regression": {k: found.to_dict() for k, found in self.regression.items()},
        }


@dataclass(frozen=True, kw_only=True)
class ReaderRow:
    """The decisions of one reader on one target, beside the network.

    ``network_sensitivity``: of the network at the reader's specificity. ``p_mcnemar``: of the
    decisions of both; ``nan`` without a threshold.
    """

    reader: str
    target: str
    n: int
    positives: int
    measures: Mapping[str, float]
    network_sensitivity: float
    p_mcnemar: float

    def cells(self) -> Cells:
        """Return the columns."""
        return {
            "reader": self.reader,
            "target": self.target,
            "n": self.n,
            "positives": self.positives,
            **self.measures,
            "network_sensitivity": self.network_sensitivity,
            "p_mcnemar": self.p_mcnemar,
        }


@dataclass(frozen=True, kw_only=True)
class SetFigure:
    """The AUROC of one target on one set of records, and what it rests on."""

    target: str
    n: int
    positives: int
    auroc: float
    low: float
    high: float
    standard_error: float
    positive_patients: int
    negative_patients: int
    reliable: bool = False

    @classmethod
    def of(cls, target: str, found: AurocInterval) -> SetFigure:
        """Return the figure of an interval."""
        return cls(
            target=target,
            n=found.positives + found.negatives,
            positives=found.positives,
            auroc=found.auroc,
            low=found.low,
            high=found.high,
            standard_error=found.standard_error,
            positive_patients=found.positive_patients,
            negative_patients=found.negative_patients,
            reliable=found.reliable,
        )

    @property
    def smaller_class(self) -> int:
        """Patients in the smaller class."""
        return min(self.positive_patients, self.negative_patients)

    def cells(self) -> Cells:
        """Return the columns."""
        return {
            "target": self.target,
            "n": self.n,
            "positives": self.positives,
            "auroc": self.auroc,
            "auroc_low": self.low,
            "auroc_high": self.high,
            "auroc_standard_error": self.standard_error,
            "auroc_interval_reliable": self.reliable,
            "positive_patients": self.positive_patients,
            "negative_patients": self.negative_patients,
        }


@dataclass(frozen=True, kw_only=True)
class SubgroupLevel:
    """The records of one level of a covariate; the macro AUROC is over ``macro_targets``."""

    level: str
    records: int
    patients: int
    macro_auroc: float
    macro_targets: int
    targets: Sequence[SetFigure]

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "level": self.level,
            "records": self.records,
            "patients": self.patients,
            "macro_auroc": self.macro_auroc,
            "macro_targets": self.macro_targets,
            "targets": [figure.cells() for figure in self.targets],
        }


@dataclass(frozen=True)
class SubgroupTable:
    """A covariate and its levels; ``missing``: records without a level."""

    column: str
    missing: int
    levels: Sequence[SubgroupLevel]

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "column": self.column,
            "missing": self.missing,
            "levels": [level.to_dict() for level in self.levels],
        }


@dataclass(frozen=True, kw_only=True)
class TransferRow:
    """One target at home and elsewhere, with the drop; no ``claim``: too few patients for one."""

    target: str
    home: SetFigure
    away: SetFigure
    claim: bool
    drop: float
    drop_low: float
    drop_high: float
    z: float

    def cells(self) -> Cells:
        """Return the columns."""
        cells: Cells = {"target": self.target}
        for side, figure in (("home", self.home), ("away", self.away)):
            cells |= {
                f"{side}_n": figure.n,
                f"{side}_positives": figure.positives,
                f"{side}_auroc": figure.auroc,
                f"{side}_low": figure.low,
                f"{side}_high": figure.high,
            }
        return cells | {
            "claim": self.claim,
            "drop": self.drop,
            "drop_low": self.drop_low,
            "drop_high": self.drop_high,
            "z": self.z,
        }


@dataclass(frozen=True)
class TransferTable:
    """Two sets, target by target; the mean drop is over ``targets``."""

    home: str
    away: str
    rows: Sequence[TransferRow]
    mean_drop: float
    targets: int

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "home": self.home,
            "away": self.away,
            "rows": [row.cells() for row in self.rows],
            "mean_drop": self.mean_drop,
            "targets": self.targets,
        }
