"""What is fitted after the training, to turn outputs into answers: it stands in the bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.metrics.calibration import Calibrator

__all__ = ["LEVELS", "Calibration", "PredictionSets", "Readout", "TargetScale", "Thresholds"]

LEVELS = ("record", "window", "short_window", "reduced_leads")
"""What can be calibrated apart: whole recordings, single windows, windows of up to half the model's
length, recordings that lack leads."""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TargetScale:
    """``value = output * scale + offset``, per target, in the target's own unit.

    Attributes
    ----------
    scale, offset : tuple of float
    residuals : tuple of (float, float), or None
        [low, high] of each target to add to a value: the interval around it.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    residuals: tuple[tuple[float, float], ...] | None = None

    @classmethod
    def of(cls, targets: Float64) -> TargetScale:
        """Mean and standard deviation of the training targets (records, targets); NaN left out.

        Raises
        ------
        TrainingError
            A target has fewer than two different values.
        """
        scales, offsets = [], []
        for k, column in enumerate(targets.T):
            known = column[~np.isnan(column)]
            if known.size < 2 or float(known.std()) == 0.0:
                raise TrainingError(
                    f"target {k} has fewer than two different values in the training split"
                )
            scales.append(float(known.std()))
            offsets.append(float(known.mean()))
        return cls(tuple(scales), tuple(offsets))

    def standardized(self, values: Float64) -> Float64:
        """Values in physical units to standard deviations."""
        return (values - np.asarray(self.offset)) / np.asarray(self.scale)

    def physical(self, outputs: Float64) -> Float64:
        """Outputs of the network to physical units."""
        return outputs * np.asarray(self.scale) + np.asarray(self.offset)

    @classmethod
    def from_dict(cls, document: Document) -> TargetScale:
        """Build from the JSON form in a bundle."""
        own = Fields(document)
        residuals = own.pairs("residual_quantiles") if "residual_quantiles" in own else None
        return cls(own.numbers("scale"), own.numbers("offset"), residuals)

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        result: JsonObject = {"scale": list(self.scale), "offset": list(self.offset)}
        if self.residuals is not None:
            result["residual_quantiles"] = [list(pair) for pair in self.residuals]
        return result


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibrators of a bundle.

    Attributes
    ----------
    record, window : Calibrator
        Of whole recordings, and of single windows.
    reduced_leads : Calibrator or None
        Of recordings that lack leads of the full set; None: the one of recordings serves.
    fitted_on : str or None
    short_window : Calibrator or None
        Of windows of up to half the model's length; None: the one of windows serves.
    short_fitted_on : str or None
        The same of the last.
    """

    record: Calibrator
    window: Calibrator
    reduced_leads: Calibrator | None = None
    fitted_on: str | None = None
    short_window: Calibrator | None = None
    short_fitted_on: str | None = None

    def of(self, level: str) -> Calibrator:
        """Return the calibrator of a level (:data:`LEVELS`), else the one that serves for it."""
        if level == "short_window":
            return self.short_window or self.window
        return {"window": self.window, "reduced_leads": self.reduced_leads}.get(
            level
        ) or self.record

    @classmethod
    def from_dict(cls, document: Document) -> Calibration:
        """Build from the JSON form in a bundle."""
        own = Fields(document)
        reduced, short = own.part_or_none("reduced_leads"), own.part_or_none("short_window")
        return cls(
            Calibrator.from_dict(own.part("record")),
            Calibrator.from_dict(own.part("window")),
            None if reduced is None else Calibrator.from_dict(reduced),
            own.text_or_none("fitted_on"),
            None if short is None else Calibrator.from_dict(short),
            own.text_or_none("short_fitted_on"),
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        result: JsonObject = {}
        for name in ("fitted_on", "short_fitted_on"):
            said = getattr(self, name)
            if said is not None:
                result[name] = said
        for level in LEVELS:
            found = getattr(self, level)
            if found is not None:
                result[level] = found.to_dict()
        return result


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From which calibrated probability on each target is present; None: it is not decided."""

    values: tuple[float | None, ...]
    criterion: str
    fitted_on: str

    @classmethod
    def from_dict(cls, document: Document) -> Thresholds:
        """Build from the JSON form in a bundle."""
        own = Fields(document)
        return cls(own.numbers_or_gaps("values"), own.text("criterion"), own.text("fitted_on"))

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "values": list(self.values),
            "criterion": self.criterion,
            "fitted_on": self.fitted_on,
        }


@dataclass(frozen=True, slots=True)
class PredictionSets:
    """Which answers about a recording are not excluded, so that the truth is among them so often.

    Attributes
    ----------
    coverage : float
        Share of recordings, of new people like those it was fitted on, whose truth is not excluded.
    present : tuple of (float or None)
        Lowest calibrated probability of each target at which it may be there; None: always.
    absent : tuple of (float or None), or None
        Highest probability at which it may not be there; None: always. No tuple: the targets
        exclude each other, and a target may be absent where another one may be there.
    fitted_on : str
    shared : tuple of str
        Targets that had too few people of their own: the coverage holds for all of them together.
    """

    coverage: float
    present: tuple[float | None, ...]
    absent: tuple[float | None, ...] | None
    fitted_on: str
    shared: tuple[str, ...] = ()

    def outcomes(self, answers: Float64) -> list[tuple[str, ...]]:
        """Return what is not excluded of each target, of "present" and "absent".

        Parameters
        ----------
        answers : ndarray (targets,)
            Calibrated probabilities of a recording.

        Returns
        -------
        list of tuple of str
            Of targets that exclude each other all are empty where none of them fits.
        """
        values = answers.tolist()
        may = [low is None or p >= low for p, low in zip(values, self.present, strict=True)]
        if self.absent is None:
            many = sum(may)
            may_not = [many - own > 0 for own in may]
        else:
            may_not = [
                high is None or p <= high for p, high in zip(values, self.absent, strict=True)
            ]
        return [("present",) * yes + ("absent",) * no for yes, no in zip(may, may_not, strict=True)]

    @classmethod
    def from_dict(cls, document: Document) -> PredictionSets:
        """Build from the JSON form in a bundle."""
        own = Fields(document)
        return cls(
            own.number("coverage"),
            own.numbers_or_gaps("present"),
            None if own.sequence_or_none("absent") is None else own.numbers_or_gaps("absent"),
            own.text("fitted_on"),
            own.texts("shared"),
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {
            "coverage": self.coverage,
            "present": list(self.present),
            "absent": None if self.absent is None else list(self.absent),
            "shared": list(self.shared),
            "fitted_on": self.fitted_on,
        }


@dataclass(frozen=True)
class Readout:
    """From outputs to answers; empty before anything was fitted.

    Attributes
    ----------
    calibration : Calibration or None
    thresholds : Thresholds or None
    scale : TargetScale or None
        Of measured values.
    uncalibrated : mapping
        Target -> why its probability is that of the network.
    sets : PredictionSets or None
        Of recordings, not of single windows, nor of recordings that lack leads of the full set.
    """

    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    scale: TargetScale | None = None
    uncalibrated: Mapping[str, str] = field(default_factory=dict, hash=False)
    sets: PredictionSets | None = None

    @classmethod
    def from_dict(cls, document: Document) -> Readout:
        """Build from ``bundle.json``, or from a run's ``calibration.json``."""
        own = Fields(document)
        calibration, thresholds = own.part_or_none("calibration"), own.part_or_none("thresholds")
        scale, sets = own.part_or_none("regression"), own.part_or_none("sets")
        return cls(
            None if calibration is None else Calibration.from_dict(calibration),
            None if thresholds is None else Thresholds.from_dict(thresholds),
            None if scale is None else TargetScale.from_dict(scale),
            own.words("uncalibrated") if "uncalibrated" in own else {},
            None if sets is None else PredictionSets.from_dict(sets),
        )

    def to_dict(self) -> JsonObject:
        """Return the keys of ``bundle.json`` that it fills."""
        result: JsonObject = {
            "calibration": None if self.calibration is None else self.calibration.to_dict(),
            "thresholds": None if self.thresholds is None else self.thresholds.to_dict(),
            "uncalibrated": dict(self.uncalibrated),
        }
        if self.scale is not None:
            result["regression"] = self.scale.to_dict()
        if self.sets is not None:
            result["sets"] = self.sets.to_dict()
        return result

    def lengths(self) -> dict[str, int]:
        """Return how many targets each list is about, by its name in ``bundle.json``."""
        result = {}
        if self.thresholds is not None:
            result["thresholds"] = len(self.thresholds.values)
        if self.calibration is not None:
            for level in LEVELS:
                one = getattr(self.calibration, level)
                if one is not None:
                    result[f"calibration.{level}.scale"] = len(one.scale)
                    result[f"calibration.{level}.offset"] = len(one.offset)
        if self.sets is not None:
            result["sets.present"] = len(self.sets.present)
            if self.sets.absent is not None:
                result["sets.absent"] = len(self.sets.absent)
        if self.scale is not None:
            result["regression.scale"] = len(self.scale.scale)
            result["regression.offset"] = len(self.scale.offset)
            if self.scale.residuals is not None:
                result["regression.residual_quantiles"] = len(self.scale.residuals)
        return result
