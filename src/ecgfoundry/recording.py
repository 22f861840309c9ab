"""The value types of a signal as it was recorded: ``Recording`` and what belongs to it.

A ``Recording`` always holds ECG leads in millivolts, under names. What a file holds beside them
(pulse, respiration, pressure) stands in ``other_channels`` with its own rate and unit, so that
nothing can be taken for an ECG lead by its position.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry import interoperability
from ecgfoundry.errors import LeadError, SignalError, SubjectError
from ecgfoundry.leads import canonical_lead, complete_limb_leads, normalize_lead_names
from ecgfoundry.units import MINIMUM_SAMPLING_RATE, check_sampling_rate, millivolts_per_unit

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "HOW_FROM_AN_ARRAY",
    "MAXIMUM_AGE_YEARS",
    "Annotation",
    "Channel",
    "Recording",
    "Subject",
    "annotations_between",
    "check_is_recording",
]

MAXIMUM_AGE_YEARS = 120.0
"""Above it an age is a code for "unknown" or "over 89" (300 in PTB-XL), not an age (our choice)."""

SEXES = ("female", "male")

HOW_FROM_AN_ARRAY = (
    "Make a recording of an array: "
    "Recording.from_array(array, sampling_rate=500, leads=('I', 'II'), unit='mV')"
)
"""What to do where an array was given, and a recording or a file is asked for."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a file says about the person; None: it does not say it.

    Parameters
    ----------
    age : float, optional
        Years, 0 to 120.
    sex : str, optional
        "female" or "male".
    identifier : str, optional
    birth_date : date, optional
        Where it is stated in full.

    Raises
    ------
    SubjectError
        Another age or word: limits that depend on sex and age would not be applied without a word.
    """

    age: float | None = None
    sex: str | None = None
    identifier: str | None = None
    birth_date: dt.date | None = None

    def __post_init__(self) -> None:
        if self.age is not None and not 0.0 <= self.age <= MAXIMUM_AGE_YEARS:
            raise SubjectError(
                f"the age of the person is {self.age!r}, not a number of years from 0 to "
                f"{MAXIMUM_AGE_YEARS:.0f}",
                remedy="Pass age=None where it is not known",
            )
        if self.sex is not None and self.sex not in SEXES:
            raise SubjectError(
                f"the sex of the person is {self.sex!r}, not 'female' or 'male'",
                remedy="Pass one of these words, or sex=None where it is not known",
            )


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark on the time axis.

    Parameters
    ----------
    time_s : float
        Seconds from the first sample.
    kind : str
        "beat", "rhythm", "wave", "noise" or "note".
    text : str
        The code or the words of the source, as they stand there.
    duration_s : float
        0 for a point.
    lead : str, optional
        Lead it belongs to; None for all.
    """

    time_s: float
    kind: str
    text: str
    duration_s: float = 0.0
    lead: str | None = None


def annotations_between(
    marks: Iterable[Annotation], begin_s: float, end_s: float, *, origin_s: float
) -> tuple[Annotation, ...]:
    """Return the marks that touch ``begin_s`` up to, without it, ``end_s``.

    Parameters
    ----------
    marks : iterable of Annotation
    begin_s, end_s : float
        Seconds; infinite where the part reaches the start or the end of the recording, so that
        marks beyond it are kept.
    origin_s : float
        Where the times of the result are counted from.
    """
    return tuple(
        replace(mark, time_s=mark.time_s - origin_s) if origin_s else mark
        for mark in marks
        if mark.time_s < end_s and mark.time_s + mark.duration_s >= begin_s
    )


def check_is_recording(given: object) -> None:
    """Refuse what is no recording: an array says neither its rate nor its leads nor its unit.

    Raises
    ------
    SignalError
        ``given`` has no sampling rate and no leads.
    """
    if not (hasattr(given, "sampling_rate") and hasattr(given, "leads")):
        raise SignalError(
            f"a recording is asked for, and a {type(given).__name__} was given",
            remedy=f"{HOW_FROM_AN_ARRAY}; of a file: ecgfoundry.read(path)",
        )


def _moment(start: dt.datetime | None) -> dt.datetime | None:
    """Return a start time with a fixed offset instead of a zone with rules.

    Adding hours to a time of such a zone moves the hands of its clock: across a change of clocks
    the result is an hour beside the moment of the sample.

    Raises
    ------
    SignalError
        It is a text, or a date without a time.
    """
    if start is None:
        return None
    if not isinstance(start, dt.datetime):
        raise SignalError(
            f"the start time is {start!r}, not a date with a time",
            remedy="Pass a datetime.datetime",
        )
    offset = start.utcoffset()
    if offset is None or isinstance(start.tzinfo, dt.timezone):
        return start
    return start.replace(tzinfo=dt.timezone(offset), fold=0)


def _numbers(values: ArrayLike) -> NDArray[Any]:
    """Return an array of real numbers, masked elements as NaN; it may share the caller's memory.

    Raises
    ------
    SignalError
        The values are complex, times or texts: a cast to numbers would lose a part of them.
    """
    masked = np.ma.isMaskedArray(values)
    try:
        array = np.ma.asarray(values) if masked else np.asarray(values)
        if array.dtype.kind == "O":  # as a table with columns of several types gives it
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise SignalError(
            f"the signal is no array of numbers ({error})", remedy="Pass one row per lead"
        ) from None
    if array.dtype.kind not in "biuf":
        raise SignalError(
            f"the signal has values of the type {array.dtype}, not real numbers",
            remedy="Convert them to numbers first",
        )
    return np.ma.filled(array.astype(np.float64), np.nan) if masked else array


def _may_change(array: NDArray[Any]) -> bool:
    """Whether somebody can still write to the memory of an array.

    A read-only view changes with the array that it is a view of; tensors and mapped files stand
    at the end of such a chain, too.
    """
    owner: Any = array
    while isinstance(owner, np.ndarray):
        if owner.flags.writeable:
            return True
        owner = owner.base
    return False


@dataclass(frozen=True, eq=False, slots=True)
class Channel:
    """A channel that is no ECG lead: its signal (samples,) in its own unit, at its own rate."""

    name: str
    kind: str
    unit: str
    sampling_rate: float
    signal: NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """An ECG as it was recorded.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        float32, in mV; NaN marks a missing sample, and infinities become missing. Made read-only.
    sampling_rate : float
        Hz.
    leads : sequence of str
        One distinct name per row; known names are brought to their canonical spelling.
    start_time : datetime, optional
        Of the first sample. A zone whose clocks change becomes the offset that it has then, so
        that what is counted from the start is right after a change as well.
    subject : Subject
    device : mapping
        What the source says about the device and its filters.
    header : mapping
        Further fields of the source, as text.
    annotations : tuple of Annotation
    other_channels : tuple of Channel
        Channels that are not ECG.
    source : str, optional
        The file it came from.
    format : str, optional
        The name of the reader.
    mains_frequency : float, optional
        Hz (50 or 60) if the source or the caller states it.

    Raises
    ------
    SignalError, LeadError, SamplingRateError
    """

    signal: NDArray[np.float32]
    sampling_rate: float
    leads: tuple[str, ...]
    start_time: dt.datetime | None = None
    subject: Subject = field(default_factory=Subject)
    device: Mapping[str, str] = field(default_factory=dict)
    header: Mapping[str, str] = field(default_factory=dict)
    annotations: tuple[Annotation, ...] = ()
    other_channels: tuple[Channel, ...] = ()
    source: str | None = None
    format: str | None = None
    mains_frequency: float | None = None

    def __post_init__(self) -> None:
        given = _numbers(self.signal)
        if given.ndim != 2:
            raise SignalError(
                f"the signal has {given.ndim} dimensions instead of 2 (leads, samples)",
                remedy="Pass one row per lead",
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes missing
            signal = np.ascontiguousarray(given, dtype=np.float32)
        infinite = np.isinf(signal)
        if infinite.any():
            signal = np.where(infinite, np.float32(np.nan), signal)
        elif (signal is given or signal.base is not None) and _may_change(signal):
            signal = signal.copy()
        signal.flags.writeable = False
        leads = normalize_lead_names(self.leads)
        if len(leads) != signal.shape[0]:
            raise LeadError(
                f"{len(leads)} lead names are given for {signal.shape[0]} rows of signal",
                remedy="Supply exactly one name per row; the signal has shape (leads, samples)",
            )
        set_field = object.__setattr__  # the dataclass is frozen for everybody else
        set_field(self, "signal", signal)
        set_field(self, "leads", leads)
        rate = check_sampling_rate(self.sampling_rate, minimum=MINIMUM_SAMPLING_RATE)
        set_field(self, "sampling_rate", rate)
        set_field(self, "start_time", _moment(self.start_time))
        if not isinstance(self.subject, Subject):
            raise SubjectError(
                f"the person is given as a {type(self.subject).__name__}",
                remedy="Pass Subject(age=…, sex=…, identifier=…)",
            )
        set_field(self, "device", MappingProxyType(dict(self.device)))
        set_field(self, "header", MappingProxyType(dict(self.header)))
        set_field(self, "annotations", tuple(self.annotations))
        set_field(self, "other_channels", tuple(self.other_channels))

    @classmethod
    def from_array(
        cls,
        x: ArrayLike,
        *,
        sampling_rate: float | None,
        leads: Sequence[str] | str | None,
        unit: str | None,
        **fields: Any,
    ) -> Recording:
        """Build a recording from an array, with everything that cannot be guessed said.

        Parameters
        ----------
        x : array_like (leads, samples) or (samples,)
            One lead per row. NaN (or a masked element) is a missing sample; infinities become
            missing.
        sampling_rate : float
            Hz.
        leads : sequence of str
            Names in the order of the rows, in any usual spelling; a single name for one lead.
        unit : str
            "mV", "uV", "V", or with a factor as in "1e-4V".
        **fields
            Further fields of :class:`Recording` (``subject=``, ``start_time=`` …).

        Raises
        ------
        LeadError, UnitError, SamplingRateError, SignalError
            With a message that says what to supply.

        Examples
        --------
        >>> r = Recording.from_array([[0, 500.0]], sampling_rate=250, leads=["DI"], unit="uV")
        >>> r.leads, float(r.signal[0, 1]), r.duration_s
        (('I',), 0.5, 0.008)
        """
        rate = check_sampling_rate(sampling_rate)
        factor = millivolts_per_unit(unit)
        array = _numbers(x).astype(np.float64)
        if array.ndim == 1:
            array = array[np.newaxis]
        if array.ndim != 2:
            raise SignalError(
                f"the array has {array.ndim} dimensions; (leads, samples) is needed",
                remedy="Pass one recording at a time, one row per lead",
            )
        if leads is None or len(leads) == 0:
            raise LeadError(
                f"the names of the {array.shape[0]} lead(s) are missing",
                remedy="Supply them in the order of the rows, for example leads=('I', 'II') or "
                "--leads I,II",
            )
        names = (leads,) if isinstance(leads, str) else tuple(leads)
        if len(names) != array.shape[0] and len(names) == array.shape[1]:
            raise LeadError(
                f"{len(names)} lead names are given for an array of shape {array.shape}",
                remedy="The array seems to be (samples, leads): pass its transpose",
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes missing
            signal = (array * factor).astype(np.float32)
        return cls(signal=signal, sampling_rate=rate, leads=names, **fields)

    def __repr__(self) -> str:
        """Leads, rate and length; nothing about the person."""
        leads = ", ".join(self.leads[:3]) + (", …" if len(self.leads) > 3 else "")
        count = f"{len(self.leads)} lead{'s' * (len(self.leads) != 1)}"
        parts = [f"{count} ({leads})", f"{self.sampling_rate:g} Hz", f"{self.duration_s:g} s"]
        if self.other_channels:
            parts.append(f"{len(self.other_channels)} other channels")
        if self.annotations:
            parts.append(f"{len(self.annotations)} annotations")
        if self.format:
            parts.append(self.format)
        return f"<Recording: {', '.join(parts)}>"

    @property
    def samples(self) -> int:
        """Samples per lead."""
        return int(self.signal.shape[1])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.samples / self.sampling_rate

    def lead(self, name: str) -> NDArray[np.float32]:
        """Return one lead (samples,) by any spelling of its name."""
        wanted = canonical_lead(name) or name
        try:
            return self.signal[self.leads.index(wanted)]
        except ValueError:
            raise LeadError(
                f"there is no lead {name}; the recording has {', '.join(self.leads)}",
                path=self.source,
            ) from None

    def with_derived_leads(self) -> Recording:
        """Return the recording with every derivable limb lead that is missing appended."""
        derived = complete_limb_leads(dict(zip(self.leads, self.signal, strict=True)))
        if not derived:
            return self
        signal = np.concatenate([self.signal, np.stack(list(derived.values()))])
        return replace(self, signal=signal, leads=(*self.leads, *derived))

    def select(
        self, leads: Sequence[str], *, derive: bool = True, missing: str = "error"
    ) -> Recording:
        """Return the named leads in the given order.

        Parameters
        ----------
        leads : sequence of str
            Any usual spelling.
        derive : bool
            Derive limb leads that are not recorded from those that are.
        missing : {"error", "nan"}
            What to do with leads that are neither there nor derivable: raise, or a row of NaN.

        Raises
        ------
        LeadError
            A lead is missing and ``missing`` is "error".
        """
        if tuple(leads) == self.leads or (wanted := normalize_lead_names(leads)) == self.leads:
            return self  # recordings do not change
        source = self
        if derive and any(lead not in self.leads for lead in wanted):
            source = self.with_derived_leads()
        absent = [lead for lead in wanted if lead not in source.leads]
        if absent and missing == "error":
            raise LeadError(
                f"there is no lead {', '.join(absent)} and it cannot be derived from "
                f"{', '.join(self.leads)}",
                path=self.source,
            )
        signal = np.full((len(wanted), self.samples), np.nan, dtype=np.float32)
        for row, lead in enumerate(wanted):
            if lead in source.leads:
                signal[row] = source.signal[source.leads.index(lead)]
        return replace(self, signal=signal, leads=wanted)

    def slice_samples(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop`` (exclusive); annotations move along.

        A mark on the border of two parts belongs to the later one; what is marked before the first
        sample or from the end on belongs to the part that reaches there.
        """
        start = min(max(int(start), 0), self.samples)
        stop = min(max(int(stop), start), self.samples)
        offset = start / self.sampling_rate
        end = stop / self.sampling_rate
        kept = annotations_between(
            self.annotations,
            -math.inf if start == 0 else offset,
            math.inf if stop == self.samples else end,
            origin_s=offset,
        )
        channels = tuple(
            channel
            if channel.kind == "representative-beat"  # it has a time axis of its own
            else replace(
                channel,
                signal=channel.signal[
                    round(offset * channel.sampling_rate) : round(end * channel.sampling_rate)
                ],
            )
            for channel in self.other_channels
        )
        begin = self.start_time + dt.timedelta(seconds=offset) if self.start_time else None
        return replace(
            self,
            signal=self.signal[:, start:stop],
            start_time=begin,
            annotations=kept,
            other_channels=channels,
        )

    def part(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop`` of the ECG leads alone, as models read them.

        Annotations and other channels are left out, which is faster than :meth:`slice_samples`.
        """
        start = min(max(int(start), 0), self.samples)
        stop = min(max(int(stop), start), self.samples)
        return replace(
            self,
            signal=self.signal[:, start:stop],
            start_time=self.start_time
            and self.start_time + dt.timedelta(seconds=start / self.sampling_rate),
            annotations=(),
            other_channels=(),
        )

    def window(self, start_s: float, duration_s: float) -> Recording:
        """Return the part of ``duration_s`` seconds that starts at ``start_s`` seconds."""
        start = round(start_s * self.sampling_rate)
        return self.slice_samples(start, start + round(duration_s * self.sampling_rate))

    def resample(self, sampling_rate: float) -> Recording:
        """Return the recording at another rate, by an anti-aliased polyphase filter.

        Missing samples stay missing at the times where they were. Other channels are unchanged.
        """
        from ecgfoundry.signals.resampling import resample_polyphase

        rate = check_sampling_rate(sampling_rate)
        signal = resample_polyphase(self.signal, self.sampling_rate, rate)
        return replace(self, signal=signal, sampling_rate=rate)

    def without_subject(self) -> Recording:
        """Return a copy without what it says of the person, start time and free header text."""
        return replace(self, subject=Subject(), start_time=None, header={})

    # Packages above this one are reached through the public face, which imports on first use.

    def write(
        self,
        path: str | Path,
        *,
        format: str | None = None,
        keep_subject: bool = True,
        overwrite: bool = False,
    ) -> Any:
        """Write to a file: :func:`ecgfoundry.write`.

        Parameters
        ----------
        path : str or Path
            Its ending names the format unless ``format`` does.
        format : str, optional
            "wfdb", "edf", "dicom", "npz" or "parquet".
        keep_subject : bool
            False leaves out age, sex, identifier, birth date, start time and free header text.
        overwrite : bool
            Whether a file that is there may be replaced.

        Returns
        -------
        ecgfoundry.formats.common.writing.Written
            The path, the distance of two stored values, and in ``notes`` what the format could
            not hold.
        """
        import ecgfoundry

        return ecgfoundry.write(
            self, path, format=format, keep_subject=keep_subject, overwrite=overwrite
        )

    def plot(self, **options: Any) -> Any:
        """Draw on ECG paper, true to scale: :func:`ecgfoundry.plot`.

        Parameters
        ----------
        **options
            ``layout="3x4"``, ``start_s=``, ``title=`` … as for
            :func:`ecgfoundry.reports.paper.ecg_paper.ecg_paper_svg`.

        Returns
        -------
        ecgfoundry.reports.paper.files.Plot
            A notebook shows it; ``save(path)`` writes SVG, PNG, PDF or HTML.
        """
        import ecgfoundry

        return ecgfoundry.plot(self, **options)

    def _repr_html_(self) -> str:
        """What a notebook shows: the short description, and at most ten seconds on ECG paper."""
        import html

        words = f"<p>{html.escape(repr(self)[1:-1])}</p>"
        if not self.samples or bool(np.isnan(self.signal).all()):
            return words
        first = self if self.duration_s <= 10 else self.window(0, 10)
        return words + str(first.plot().svg)

    def to_frame(self) -> Any:
        """Return a ``polars.DataFrame``: ``time_s`` and one column per lead, in mV.

        Missing samples are NaN. ``.to_pandas()`` of the result gives a pandas frame.

        Raises
        ------
        MissingExtraError
            The extra ``data`` is not installed.
        """
        return interoperability.to_frame(self)

    def to_mne(self) -> Any:
        """Return an ``mne.io.RawArray`` of the ECG leads, in volts, with annotations and start.

        Annotations are called "kind: text" and keep their lead. A start time without a zone is
        taken for UTC, since MNE knows no other. Other channels are left out.

        Raises
        ------
        MissingExtraError
            The package ``mne`` is not installed.
        """
        return interoperability.to_mne(self)

    def to_wfdb(self, name: str = "recording") -> Any:
        """Return a ``wfdb.Record`` of the ECG leads with its signal in mV.

        Parameters
        ----------
        name : str
            Of the record; characters that WFDB does not allow become "_".

        Raises
        ------
        MissingExtraError
            The package ``wfdb`` is not installed.
        """
        return interoperability.to_wfdb(self, name)
