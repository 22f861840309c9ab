"""The types of a measured ECG: beats, values with their method, leads, median beat, pacing, atria.

Whatever cannot be had is None, and says why. 0 is only ever a measured 0. Inside arrays, where None
has no place, NaN stands for it.

>>> Value(162.0, "ms", "P onset to QRS onset, median over the beats")
Value(value=162.0, unit='ms', method='P onset to QRS onset, median over the beats', reason=None)
>>> missing("ms", "no P wave was found").value is None
True
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.errors import FormatError
from ecgfoundry.extras import require_polars
from ecgfoundry.schemas import schema_problems
from ecgfoundry.signals.quality import Notice

__all__ = [
    "BEAT_LABELS",
    "GLOBAL_VALUES",
    "LEAD_VALUES",
    "AtrialActivity",
    "Beat",
    "Beats",
    "LeadMeasurements",
    "Measured",
    "Measurements",
    "MedianBeat",
    "PacingSpike",
    "Value",
    "missing",
]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SCHEMA_VERSION = 2
"""Of the JSON form: ``ecgfoundry/schemas/measurements.schema.json``."""

BEAT_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "N": "conducted from the atria, bundle branch block included, or an escape beat",
        "S": "supraventricular premature",
        "V": "ventricular",
        "F": "fusion of a ventricular and a normal beat",
        "Q": "paced, or not to be told",
    }
)
"""The five classes of ANSI/AAMI EC57."""


@dataclass(frozen=True, slots=True)
class Value:
    """A number with its unit and method; or no number, and the reason.

    ``value`` is None exactly where ``reason`` is not.
    """

    value: float | None
    unit: str
    method: str = ""
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a value is a finite number or None, not {self.value!r}")
        if (self.value is None) == (self.reason is None):
            raise ValueError("a value that is None needs a reason, and only that one has one")


def missing(unit: str, reason: str, method: str = "") -> Value:
    """Return a value that could not be had."""
    return Value(None, unit, method, reason)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a name in a table of measurements means: its unit and its definition."""

    unit: str
    definition: str


GLOBAL_VALUES: Mapping[str, Measured] = MappingProxyType(
    {
        "heart_rate_bpm": Measured("/min", "ventricular rate: 60 s over the mean RR interval"),
        "rr_mean_ms": Measured("ms", "mean RR interval"),
        "rr_median_ms": Measured("ms", "median RR interval"),
        "rr_shortest_ms": Measured("ms", "shortest RR interval"),
        "rr_longest_ms": Measured("ms", "longest RR interval"),
        "rr_variation_percent": Measured("%", "standard deviation over mean of the RR intervals"),
        "p_share_percent": Measured("%", "share of the beats with a P wave before the QRS"),
        "atrial_rate_bpm": Measured("/min", "60 s over the median PP interval"),
        "p_ms": Measured("ms", "P duration: P onset to P offset"),
        "pr_ms": Measured("ms", "PR interval: P onset to QRS onset"),
        "qrs_ms": Measured("ms", "QRS duration: QRS onset to QRS offset"),
        "qt_ms": Measured("ms", "QT interval: QRS onset to T offset"),
        "qtc_ms": Measured("ms", "QT corrected after Fridericia 1920: QT / cbrt(RR)"),
        "qtc_bazett_ms": Measured("ms", "QT corrected after Bazett 1920: QT / sqrt(RR)"),
        "qtc_framingham_ms": Measured("ms", "after Sagie 1992 (Framingham): QT + 154 (1 - RR)"),
        "qtc_hodges_ms": Measured("ms", "after Hodges 1983: QT + 1.75 (rate - 60)"),
        "jt_ms": Measured("ms", "JT interval: QRS offset to T offset"),
        "t_peak_end_ms": Measured("ms", "T peak to T offset"),
        "p_axis_deg": Measured("deg", "frontal axis of P from net areas"),
        "qrs_axis_deg": Measured("deg", "frontal axis of QRS from net areas"),
        "t_axis_deg": Measured("deg", "frontal axis of T from net areas"),
        "qrs_t_angle_deg": Measured("deg", "angle between QRS and T axis in the frontal plane"),
        "qrs_t_angle_spatial_deg": Measured(
            "deg", "angle between mean QRS and T vector (Kors 1990 matrix)"
        ),
        "sdnn_ms": Measured("ms", "standard deviation of the NN intervals (Task Force 1996)"),
        "rmssd_ms": Measured("ms", "root mean square of successive NN differences"),
        "pnn50_percent": Measured("%", "share of successive NN differences above 50 ms"),
        "hrv_triangular_index": Measured("1", "NN intervals over the height of their histogram"),
        "lf_ms2": Measured("ms2", "power of the NN intervals at 0.04 to 0.15 Hz"),
        "hf_ms2": Measured("ms2", "power of the NN intervals at 0.15 to 0.40 Hz"),
        "lf_hf_ratio": Measured("1", "LF over HF power"),
        "nn_share_percent": Measured("%", "share of the RR intervals that are NN intervals"),
    }
)
"""Every value of a recording as a whole: the keys of ``Measurements.values``, in this order."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One heart beat. Times are seconds from the start of the recording.

    Attributes
    ----------
    time_s : float
        Of the R peak (largest deflection of the QRS complex).
    label : str
        One of :data:`BEAT_LABELS`.
    sample : int
        Sample number of the R peak.
    template : int or None
        Number of the shape cluster, 0 for the dominant one.
    paced : bool
        Whether a pacing spike starts the QRS complex.
    rr_s : float or None
        Seconds since the beat before; None for the first.
    p_s, qrs_onset_s, qrs_offset_s, t_offset_s : float or None
        P onset, QRS onset, QRS offset (J), T offset; None where not found.
    confidence : float or None
        Of the label, 0 to 1.
    """

    time_s: float
    label: str
    sample: int
    template: int | None = None
    paced: bool = False
    rr_s: float | None = None
    p_s: float | None = None
    qrs_onset_s: float | None = None
    qrs_offset_s: float | None = None
    t_offset_s: float | None = None
    confidence: float | None = None


_OPTIONAL = ("rr_s", "p_s", "qrs_onset_s", "qrs_offset_s", "t_offset_s", "confidence")


@dataclass(frozen=True, eq=False)
class Beats(Sequence[Beat]):
    """The beats of a recording in order of time: a sequence of :class:`Beat`, held as arrays.

    All arrays are (beats,). ``template`` holds -1, and the float arrays NaN, for None. A slice is
    a ``Beats`` again; its ``rr_s`` are those of the whole.
    """

    sample: Int64
    time_s: Float64
    label: NDArray[np.str_]
    template: Int64
    paced: NDArray[np.bool_]
    rr_s: Float64
    p_s: Float64
    qrs_onset_s: Float64
    qrs_offset_s: Float64
    t_offset_s: Float64
    confidence: Float64

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, part.name)) for part in fields(self)}
        if len(lengths) != 1:
            raise ValueError(f"the arrays of beats differ in length: {sorted(lengths)}")

    @classmethod
    def from_samples(
        cls,
        sample: Sequence[int] | Int64,
        sampling_rate: float,
        *,
        label: Sequence[str] | NDArray[np.str_] | str = "N",
        **arrays: Any,
    ) -> Beats:
        """Build beats from the sample numbers of their R peaks.

        Parameters
        ----------
        sample : sequence of int (beats,)
            Ascending.
        sampling_rate : float
            Hz.
        label : str or sequence of str (beats,)
            One for all, or one each.
        **arrays
            The other fields by name; what is left out is None (``paced``: False).
        """
        samples = np.asarray(sample, dtype=np.int64)
        count = samples.size
        times = samples / float(sampling_rate)
        given = {
            "template": np.full(count, -1, np.int64),
            "paced": np.zeros(count, bool),
            "rr_s": np.concatenate([np.full(min(count, 1), np.nan), np.diff(times)]),
        } | dict(arrays)
        for name in _OPTIONAL:
            given[name] = np.asarray(given.get(name, np.full(count, np.nan)), dtype=np.float64)
        labels = np.full(count, label) if isinstance(label, str) else np.asarray(label, dtype="<U1")
        return cls(sample=samples, time_s=times, label=labels, **given)

    def __len__(self) -> int:
        return int(self.sample.size)

    @overload
    def __getitem__(self, index: int) -> Beat: ...
    @overload
    def __getitem__(self, index: slice) -> Beats: ...
    def __getitem__(self, index: int | slice) -> Beat | Beats:
        if isinstance(index, slice):
            return Beats(**{part.name: getattr(self, part.name)[index] for part in fields(self)})
        template = int(self.template[index])
        optional = {name: _or_none(getattr(self, name)[index]) for name in _OPTIONAL}
        return Beat(
            time_s=float(self.time_s[index]),
            label=str(self.label[index]),
            sample=int(self.sample[index]),
            template=None if template < 0 else template,
            paced=bool(self.paced[index]),
            **optional,
        )

    def __iter__(self) -> Iterator[Beat]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        counts = {label: int((self.label == label).sum()) for label in BEAT_LABELS}
        words = ", ".join(f"{count} {label}" for label, count in counts.items() if count)
        return f"<Beats: {words or 'none'}>"


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True, slots=True)
class LeadMeasurements:
    """The waves of one lead, on its median beat. None for what is not there or cannot be had.

    Amplitudes in mV from the level before the QRS onset (PR segment; P: from the line between its
    feet), negative below it: Q and S are negative numbers. Durations in ms. A complex without any
    positive part is a QS: it stands in ``q_mv`` and ``q_ms``, and ``r_mv`` and ``s_mv`` are None.
    See :data:`LEAD_VALUES` for each.
    """

    p_mv: float | None = None
    p_ms: float | None = None
    p_notched: bool | None = None
    p_terminal_mv_ms: float | None = None
    p_area_mv_ms: float | None = None
    q_mv: float | None = None
    q_ms: float | None = None
    r_mv: float | None = None
    r_ms: float | None = None
    s_mv: float | None = None
    s_ms: float | None = None
    r2_mv: float | None = None
    r2_ms: float | None = None
    s2_mv: float | None = None
    s2_ms: float | None = None
    qrs_ms: float | None = None
    r_peak_time_ms: float | None = None
    qrs_notched: bool | None = None
    delta_ms: float | None = None
    qrs_area_mv_ms: float | None = None
    st_j_mv: float | None = None
    st_j40_mv: float | None = None
    st_j60_mv: float | None = None
    st_j80_mv: float | None = None
    st_slope_mv_s: float | None = None
    t_mv: float | None = None
    t2_mv: float | None = None
    t_area_mv_ms: float | None = None
    snr_db: float | None = None

    @property
    def qs(self) -> bool | None:
        """Whether the whole complex is negative; None where it was not measured."""
        if self.qrs_area_mv_ms is None:
            return None
        return self.r_mv is None and self.q_mv is not None


LEAD_VALUES: Mapping[str, Measured] = MappingProxyType(
    {
        "p_mv": Measured("mV", "largest deflection of the P wave from its feet, either way"),
        "p_ms": Measured("ms", "P duration in this lead"),
        "p_notched": Measured("", "whether the P wave has two peaks 40 ms apart or more"),
        "p_terminal_mv_ms": Measured("mV ms", "Morris: depth times duration of the last, negative "
                                     "part of P; V1 alone, positive number"),
        "p_area_mv_ms": Measured("mV ms", "net area of the P wave"),
        "q_mv": Measured("mV", "lowest point before R; of the whole complex in a QS"),
        "q_ms": Measured("ms", "duration of Q, or of QS"),
        "r_mv": Measured("mV", "highest point of the first positive part"),
        "r_ms": Measured("ms", "duration of the first positive part"),
        "s_mv": Measured("mV", "lowest point of the negative part after R"),
        "s_ms": Measured("ms", "its duration"),
        "r2_mv": Measured("mV", "R': highest point of the second positive part"),
        "r2_ms": Measured("ms", "its duration"),
        "s2_mv": Measured("mV", "S': lowest point of the negative part after R'"),
        "s2_ms": Measured("ms", "its duration"),
        "qrs_ms": Measured("ms", "QRS duration in this lead"),
        "r_peak_time_ms": Measured("ms", "global QRS onset to the peak of the last R or R'"),
        "qrs_notched": Measured("", "whether the highest part of the complex has two peaks"),
        "delta_ms": Measured("ms", "duration of a slurred upstroke; None where there is none"),
        "qrs_area_mv_ms": Measured("mV ms", "net area of the QRS complex"),
        "st_j_mv": Measured("mV", "level at the J point"),
        "st_j40_mv": Measured("mV", "level at J + 40 ms"),
        "st_j60_mv": Measured("mV", "level at J + 60 ms"),
        "st_j80_mv": Measured("mV", "level at J + 80 ms"),
        "st_slope_mv_s": Measured("mV/s", "slope of the straight line from J to J + 80 ms"),
        "t_mv": Measured("mV", "largest deflection of the T wave, either way"),
        "t2_mv": Measured("mV", "largest deflection of its other part, of opposite sign"),
        "t_area_mv_ms": Measured("mV ms", "net area of the T wave"),
        "snr_db": Measured("dB", "power of the heartbeats over that of noise between 5 and 40 Hz"),
    }
)  # fmt: skip
"""Every field of :class:`LeadMeasurements`."""


@dataclass(frozen=True, eq=False)
class MedianBeat:
    """The usual beat of every lead: sample by sample the median of the dominant class.

    Attributes
    ----------
    leads : tuple of str
    values : ndarray (leads, columns)
        mV above the level before the QRS complex; NaN for a lead that is missing.
    sampling_rate : float
        Hz, that of the recording.
    fiducial : int
        Column of the R peak.
    boundaries : mapping
        Column, a float, of "p_onset", "p_peak", "p_offset", "qrs_onset", "qrs_offset", "t_onset",
        "t_peak", "t_offset" of all leads together. What was not found has no key.
    likeness : ndarray (beats,)
        Correlation of every beat's QRS complex with the usual one; NaN for beats that are cut off.
    noise_mv : ndarray (leads,)
        Root mean square of the usual beats around their median; NaN with a single beat.
    beats_used : int
        How many beats went into it.
    """

    leads: tuple[str, ...]
    values: Float64
    sampling_rate: float
    fiducial: int
    boundaries: Mapping[str, float]
    likeness: Float64
    noise_mv: Float64
    beats_used: int

    def lead(self, name: str) -> Float64:
        """Return one lead (columns,), mV."""
        return self.values[self.leads.index(name)]


@dataclass(frozen=True, slots=True)
class PacingSpike:
    """A pacing spike: its time, the chamber it is meant for, and whether that answered.

    ``kind`` is "atrial", "ventricular" or "unknown"; ``captured`` None where it cannot be told.
    """

    time_s: float
    kind: str = "unknown"
    captured: bool | None = None


@dataclass(frozen=True, eq=False)
class AtrialActivity:
    """P waves and how they stand to the QRS complexes: what rhythm criteria need.

    Attributes
    ----------
    p_time_s : ndarray (waves,)
        Peak of every P wave that was found, those without a QRS complex included.
    p_beat : ndarray, int64 (waves,)
        Number of the beat that the wave stands before; -1 for none (blocked or dissociated).
    pr_ms : ndarray (beats,)
        PR interval of every beat, NaN where there is no P wave before it.
    """

    p_time_s: Float64
    p_beat: Int64
    pr_ms: Float64

    @property
    def p_before(self) -> NDArray[np.bool_]:
        """Whether a P wave stands before each QRS complex: bool (beats,)."""
        return np.isfinite(self.pr_ms)

    @property
    def pp_ms(self) -> Float64:
        """Intervals between neighbouring P peaks, (waves - 1,)."""
        return np.diff(self.p_time_s) * 1000.0

    @property
    def blocked(self) -> int:
        """How many P waves no QRS complex follows."""
        return int((self.p_beat < 0).sum())

    @classmethod
    def none(cls, beats: int = 0) -> AtrialActivity:
        """No P wave at all."""
        return cls(np.empty(0), np.empty(0, np.int64), np.full(beats, np.nan))


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
    return Beats.from_samples(
        [row.whole("sample") for row in rows],
        sampling_rate or 1.0,
        label=[row.text("label") for row in rows],
        template=np.array([-1 if k is None else k for k in templates], np.int64),
        paced=np.array([row.flag("paced") for row in rows], dtype=bool),
        **{name: column(name) for name in _OPTIONAL},
    )


def _beat_dict(beat: Beat) -> JsonObject:
    result = {part.name: getattr(beat, part.name) for part in fields(beat)}
    return {k: _rounded(v) if isinstance(v, float) else v for k, v in result.items()}
