"""What was measured in one recording, and its JSON form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.errors import FormatError
from ecgfoundry.extras import require_polars
from ecgfoundry.measurements.atria import AtrialActivity
from ecgfoundry.measurements.beat_list import OPTIONAL_VALUES, Beat, Beats
from ecgfoundry.measurements.gate import MAY_BE_NO_ECG
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.pacing import PacingSpike
from ecgfoundry.measurements.values import GLOBAL_VALUES, LEAD_VALUES, LeadMeasurements, Value
from ecgfoundry.schemas import schema_problems
from ecgfoundry.signals.quality import Notice

__all__ = ["Measurements"]

Float64 = NDArray[np.float64]

SCHEMA_VERSION = 2
"""Of the JSON form: ``ecgfoundry/schemas/measurements.schema.json``."""


class _Global:
    """An attribute of ``Measurements`` that reads one of its global values."""

    def __set_name__(self, owner: type, name: str) -> None:
        if name not in GLOBAL_VALUES:
            raise TypeError(f"{name} is no global value")
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> _Global: ...
    @overload
    def __get__(self, instance: Measurements, owner: type) -> float | None: ...
    def __get__(self, instance: Measurements | None, owner: type) -> _Global | float | None:
        if instance is None:
            return self
        value = instance.values.get(self.name)
        return None if value is None else value.value


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured in one recording.

    Attributes
    ----------
    beats : Beats
    leads : mapping of str to LeadMeasurements
        The readable leads, in the order of the recording.
    values : mapping of str to Value
        Every name of :data:`GLOBAL_VALUES`; also as attributes (``.pr_ms``): float or None.
    median : MedianBeat or None
    pacing : tuple of PacingSpike
    p_relation : AtrialActivity
    refused : Notice or None
        Why nothing was measured: this is no ECG that can be read. Then there are no beats.
    calibrated : bool
        False where the file says that its amplitudes are not mV: those in ``leads`` are then
        in units of the file.
    duration_s, sampling_rate : float
        Of what was measured; Hz.
    source : str or None
        The file.
    notices : tuple of Notice
        What the reader of the values should know.
    """

    beats: Beats
    leads: Mapping[str, LeadMeasurements]
    values: Mapping[str, Value]
    median: MedianBeat | None
    pacing: tuple[PacingSpike, ...] = ()
    p_relation: AtrialActivity = field(default_factory=AtrialActivity.none)
    refused: Notice | None = None
    calibrated: bool = True
    duration_s: float = 0.0
    sampling_rate: float = 0.0
    source: str | None = None
    notices: tuple[Notice, ...] = ()

    heart_rate_bpm = _Global()
    rr_mean_ms = _Global()
    rr_median_ms = _Global()
    rr_shortest_ms = _Global()
    rr_longest_ms = _Global()
    rr_variation_percent = _Global()
    p_share_percent = _Global()
    atrial_rate_bpm = _Global()
    p_ms = _Global()
    pr_ms = _Global()
    qrs_ms = _Global()
    qt_ms = _Global()
    qtc_ms = _Global()
    qtc_bazett_ms = _Global()
    qtc_framingham_ms = _Global()
    qtc_hodges_ms = _Global()
    jt_ms = _Global()
    t_peak_end_ms = _Global()
    p_axis_deg = _Global()
    qrs_axis_deg = _Global()
    t_axis_deg = _Global()
    qrs_t_angle_deg = _Global()
    qrs_t_angle_spatial_deg = _Global()
    sdnn_ms = _Global()
    rmssd_ms = _Global()
    pnn50_percent = _Global()
    hrv_triangular_index = _Global()
    lf_ms2 = _Global()
    hf_ms2 = _Global()
    lf_hf_ratio = _Global()
    nn_share_percent = _Global()

    @property
    def readable(self) -> bool:
        """Whether this is an ECG in which something can be measured."""
        return self.refused is None

    @property
    def doubt(self) -> Notice | None:
        """The notice that this may be no ECG: what is measured stands, nothing is named by it."""
        return next((notice for notice in self.notices if notice.code == MAY_BE_NO_ECG), None)

    def reason(self, name: str) -> str | None:
        """Return why the value ``name`` is None; None where there is a value."""
        return self.values[name].reason

    def __repr__(self) -> str:
        if self.refused is not None:
            return f"<Measurements: refused, {self.refused.message}>"
        shown = ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "qrs_axis_deg")
        words = [f"{len(self.beats)} beats"]
        for name in shown:
            number = getattr(self, name)
            words.append(f"{name} {'-' if number is None else format(number, '.0f')}")
        return f"<Measurements: {', '.join(words)}>"

    def to_dict(self) -> JsonObject:
        """Return the JSON form (schema "measurements", version 2)."""
        return {
            "schema_version": SCHEMA_VERSION,
            "file": self.source,
            "duration_s": _rounded(self.duration_s),
            "sampling_rate_hz": _rounded(self.sampling_rate),
            "calibrated": self.calibrated,
            "refused": None if self.refused is None else self.refused.to_dict(),
            "notices": [notice.to_dict() for notice in self.notices],
            "values": {
                name: {
                    "value": _rounded(value.value),
                    "unit": value.unit,
                    "method": value.method,
                    "reason": value.reason,
                }
                for name, value in self.values.items()
            },
            "leads": {
                lead: {name: _rounded(getattr(figures, name)) for name in LEAD_VALUES}
                for lead, figures in self.leads.items()
            },
            "beats": [_beat_dict(beat) for beat in self.beats],
            "pacing": [
                {"time_s": _rounded(s.time_s), "kind": s.kind, "captured": s.captured}
                for s in self.pacing
            ],
            "p_waves": [
                {"time_s": _rounded(float(time)), "beat": None if beat < 0 else int(beat)}
                for time, beat in zip(self.p_relation.p_time_s, self.p_relation.p_beat, strict=True)
            ],
        }

    @classmethod
    def from_dict(cls, document: Document) -> Measurements:
        """Build from the JSON form. The median beat is not part of it.

        Raises
        ------
        FormatError
            It is no document of measurements by the schema of this version.
        """
        own = Fields(document)
        problems = schema_problems("measurements", own.content)
        if problems:
            raise FormatError(
                f"holds no measurements of version {SCHEMA_VERSION}: {problems[0]}",
                remedy="Make them anew with: ecgfoundry measure FILE --json",
            )
        rate, waves = own.number("sampling_rate_hz"), own.parts("p_waves")
        beats, refused = _beats_from(own.parts("beats"), rate), own.part_or_none("refused")
        places = [wave.whole_or_none("beat") for wave in waves]
        return cls(
            beats=beats,
            leads={lead: _lead_from(row) for lead, row in own.named_parts("leads").items()},
            values={name: _value_from(row) for name, row in own.named_parts("values").items()},
            median=None,
            pacing=tuple(map(_spike_from, own.parts("pacing"))),
            p_relation=AtrialActivity(
                np.array([wave.number("time_s") for wave in waves], dtype=np.float64),
                np.array([-1 if beat is None else beat for beat in places], dtype=np.int64),
                (beats.qrs_onset_s - beats.p_s) * 1000.0,
            ),
            refused=None if refused is None else Notice.from_dict(refused),
            calibrated=own.flag("calibrated"),
            duration_s=own.number("duration_s"),
            sampling_rate=rate,
            source=own.text_or_none("file"),
            notices=tuple(map(Notice.from_dict, own.parts("notices"))),
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the values that a cart prints."""
        import ecgfoundry

        return str(ecgfoundry.notebook_html(self))

    def to_frame(self) -> Any:
        """Return a ``polars.DataFrame``: one row per value, of all leads first, then per lead.

        Columns: name, lead (None for all leads), value, unit, method, reason. ``.to_pandas()`` of
        the result gives a pandas frame.

        Raises
        ------
        MissingExtraError
            The extra ``data`` is not installed.
        """
        pl = require_polars("measurements as a table")
        rows: list[tuple[Any, ...]] = [
            (name, None, value.value, value.unit, value.method, value.reason)
            for name, value in self.values.items()
        ]
        for lead, figures in self.leads.items():
            for name, meaning in LEAD_VALUES.items():
                number = getattr(figures, name)
                reason = None if number is not None else "not there, or cannot be told"
                value = None if number is None else float(number)
                rows.append((name, lead, value, meaning.unit, meaning.definition, reason))
        kinds = {
            "name": pl.String, "lead": pl.String, "value": pl.Float64, "unit": pl.String,
            "method": pl.String, "reason": pl.String,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=kinds, orient="row")


def _rounded(value: float | bool | None) -> float | bool | None:
    """Four digits behind the point, more than any of these is exact to."""
    return value if value is None or isinstance(value, bool) else round(float(value), 4)


def _value_from(row: Fields) -> Value:
    return Value(
        row.number_or_none("value"),
        row.text("unit"),
        row.text("method"),
        row.text_or_none("reason"),
    )


def _lead_from(row: Fields) -> LeadMeasurements:
    # One of them is true or false, as the schema says.
    return LeadMeasurements(**{name: row.value(name) for name in row})  # type: ignore[arg-type]


def _spike_from(row: Fields) -> PacingSpike:
    return PacingSpike(row.number("time_s"), row.text("kind"), row.flag_or_none("captured"))


def _beats_from(rows: Sequence[Fields], sampling_rate: float) -> Beats:
    def column(name: str) -> Float64:
        values = (row.number_or_none(name) for row in rows)
        return np.array([math.nan if value is None else value for value in values], np.float64)

    templates = [row.whole_or_none("template") for row in rows]
    beats = Beats.from_samples(
        [row.whole("sample") for row in rows],
        sampling_rate or 1.0,
        label=[row.text("label") for row in rows],
        template=np.array([-1 if k is None else k for k in templates], np.int64),
        paced=np.array([row.flag("paced") for row in rows], dtype=bool),
        **{name: column(name) for name in OPTIONAL_VALUES},
    )
    # Not of the samples: a beat may have been found at another rate, between two of them.
    return replace(beats, time_s=column("time_s"))


def _beat_dict(beat: Beat) -> JsonObject:
    result = {part.name: getattr(beat, part.name) for part in fields(beat)}
    return {k: _rounded(v) if isinstance(v, float) else v for k, v in result.items()}
