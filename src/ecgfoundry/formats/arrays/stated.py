"""What a file, its sidecar and the caller state about an array of samples -> ``Recording``.

Arrays, MAT and HDF5 files hold numbers whose leads, unit and rate are known from the layout of a
data set, from a sidecar, or from the caller, in rising order of precedence, and never guessed.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import (
    EcgFoundryError,
    FileAccessError,
    FormatError,
    LeadError,
    LimitError,
    SamplingRateError,
    SignalError,
    UnitError,
)
from ecgfoundry.formats.base import FormatFile, Limits, ReadOptions, RecordingInfo
from ecgfoundry.formats.common.channels import (
    channel_kinds,
    known_non_ecg_kind,
    no_lead_error,
)
from ecgfoundry.formats.common.document import START_DATE
from ecgfoundry.formats.common.moments import day_of, iso_moment
from ecgfoundry.formats.common.multichannel import part_annotations
from ecgfoundry.formats.common.subjects import birth_before, parse_age, parse_sex
from ecgfoundry.leads import canonical_lead, normalize_lead_names
from ecgfoundry.recording import Annotation, Channel, Recording, Subject
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = [
    "WRITER",
    "ArrayFile",
    "Stated",
    "build_recording",
    "describe",
    "load_sidecar",
    "stated_from_mapping",
    "with_options",
]

WRITER = "ecgfoundry"
"""Value of the member "writer" of what is written here: its names are those of ECG leads."""
_BESIDE = frozenset({"start_time", "device", "annotations", "mains_frequency"})
_PERSON = frozenset({"age", "sex", "identifier", "birth_date"})
_KNOWN = _BESIDE | _PERSON | {"leads", "sampling_rate", "unit", "writer"}
_MAXIMUM_SIDECAR_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class About:
    """What our own files of arrays say beside the signal (times from their first sample)."""

    start_time: dt.datetime | None = None
    device: Mapping[str, str] = field(default_factory=dict)
    annotations: tuple[Annotation, ...] = ()
    mains_frequency: float | None = None


@dataclass(frozen=True, slots=True)
class Stated:
    """What is said about an array (leads, samples); None where nothing is said."""

    leads: tuple[str, ...] | None = None
    unit: str | None = None
    sampling_rate: float | None = None
    subject: Subject = field(default_factory=Subject)
    header: Mapping[str, str] = field(default_factory=dict)
    about: About | None = None
    leads_are_certain: bool = False
    """Whether the names are those of a recording that was written here: all rows are its leads."""
    own_rate: float | None = None
    """Hz, as the file states it; ``sampling_rate`` may be the caller's."""


def with_options(stated: Stated, options: ReadOptions) -> Stated:
    """Return the statement with what the caller supplies put in its place."""
    rate = options.sampling_rate
    return replace(
        stated,
        leads=stated.leads if options.leads is None else options.leads,
        leads_are_certain=stated.leads_are_certain or options.leads is not None,
        unit=options.unit or stated.unit,
        sampling_rate=stated.sampling_rate if rate is None else rate,
        own_rate=stated.sampling_rate,
    )


def load_sidecar(path: Path) -> Stated:
    """Read ``<name>.json`` beside an array file, if there is one.

    The object may have "leads" (list of names), "sampling_rate" (Hz), "unit", "age", "sex"; other
    members go to the header as text.

    Raises
    ------
    FormatError, LimitError, FileAccessError
    """
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return Stated()
    try:
        if sidecar.stat().st_size > _MAXIMUM_SIDECAR_BYTES:
            raise LimitError("the sidecar is larger than 1 MB", path=sidecar)
        content = json.loads(sidecar.read_bytes())
    except OSError as error:
        raise FileAccessError(
            f"the sidecar cannot be read ({error.strerror})", path=sidecar
        ) from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the sidecar is no JSON ({error})", path=sidecar) from None
    if not isinstance(content, dict):
        raise FormatError("the sidecar is no JSON object", path=sidecar)
    return stated_from_mapping(content, sidecar)


def stated_from_mapping(content: Mapping[str, Any], path: Path) -> Stated:
    """Turn untrusted members ("leads", "sampling_rate", "unit", "age", "sex") into a statement."""
    leads = content.get("leads")
    if isinstance(leads, str):
        leads = [leads]
    if leads is not None and not (
        isinstance(leads, list | tuple) and all(isinstance(name, str) for name in leads)
    ):
        raise FormatError("'leads' is not a list of names", path=path)
    rate = content.get("sampling_rate")
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float)):
        raise FormatError("'sampling_rate' is not a number", path=path)
    unit = content.get("unit")
    if unit is not None and not isinstance(unit, str):
        raise FormatError("'unit' is not a text", path=path)
    content = _with_about(content, path)
    if "device" in content and not isinstance(content["device"], dict):
        content = {**content, "device": {"model": content["device"]}}  # a side-car's one word
    identifier, about = content.get("identifier"), _about(content, path)
    return Stated(
        leads=None if leads is None else tuple(leads),
        unit=unit,
        sampling_rate=None if rate is None else float(rate),
        subject=Subject(
            age=parse_age(content.get("age")),
            sex=parse_sex(content.get("sex")),
            identifier=identifier if isinstance(identifier, str) and identifier else None,
            birth_date=birth_before(day_of(str(content.get("birth_date") or "")), None),
        ),
        header={str(key): str(value) for key, value in content.items() if key not in _KNOWN}
        | _day_alone(content, about),
        about=about,
        leads_are_certain=content.get("writer") == WRITER,
    )


def _with_about(content: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return the members with those of the JSON text "about" put among them."""
    text = content.get("about")
    if not isinstance(text, str):
        return content
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"'about' is no JSON ({error})", path=path) from None
    if not isinstance(inner, dict):
        raise FormatError("'about' is no JSON object", path=path)
    return {**inner, **{key: value for key, value in content.items() if key != "about"}}


def _day_alone(content: Mapping[str, Any], about: About | None) -> dict[str, str]:
    start = content.get("start_time")
    return {START_DATE: str(start)} if start and about and about.start_time is None else {}


def _moment(text: str) -> dt.datetime | None:
    """Return a start, None where it is a date alone.

    Raises
    ------
    TypeError, ValueError
        What is no date of ISO 8601.
    """
    dt.datetime.fromisoformat(text)
    return iso_moment(text)


def _about(content: Mapping[str, Any], path: Path) -> About | None:
    if not _BESIDE & set(content):
        return None
    device, mains = content.get("device", {}), content.get("mains_frequency")
    try:
        start = content.get("start_time")
        return About(
            start_time=None if start is None else _moment(start),
            device={str(key): str(value) for key, value in device.items()},
            annotations=tuple(_mark(entry) for entry in content.get("annotations", [])),
            mains_frequency=None if mains is None else float(mains),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f"the start time, the device or the annotations are damaged ({error})", path=path
        ) from None


def _mark(entry: Any) -> Annotation:
    time_s, kind, text, duration_s, lead = entry
    if not (math.isfinite(time_s) and math.isfinite(duration_s)):
        raise ValueError("a time is not finite")
    return Annotation(
        float(time_s), str(kind), str(text), float(duration_s), None if lead is None else str(lead)
    )


def build_recording(
    array: np.ndarray,
    stated: Stated,
    options: ReadOptions,
    *,
    path: Path,
    format: str,
    start: int = 0,
    stop: int | None = None,
    kinds: Sequence[str] | None = None,
) -> Recording:
    """Build a recording from samples ``start`` to ``stop`` of an array (leads, samples).

    ``stated`` is taken as it is; put the caller's options in with :func:`with_options` before.
    Rows whose kind is not "ecg" become other channels.

    Raises
    ------
    LeadError, UnitError, SamplingRateError, SignalError, LimitError
    """
    array = _as_leads(array, path)
    leads, unit, rate = _complete(array, stated, path)
    start = min(max(start, 0), array.shape[1])
    stop = array.shape[1] if stop is None else min(max(stop, start), array.shape[1])
    _check_samples(array.shape[0] * (stop - start), options.limits, path)
    about = stated.about or About()
    begin = about.start_time
    part = array[:, start:stop]
    others = [n for n, kind in enumerate(kinds or ()) if kind != "ecg"]
    if others:
        ecg = [n for n in range(len(leads)) if n not in others]
        part, leads = part[ecg], tuple(leads[n] for n in ecg)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes a missing sample
        return Recording.from_array(
            part,
            sampling_rate=rate,
            leads=leads,
            unit=unit,
            subject=stated.subject,
            header=stated.header,
            source=str(path),
            format=format,
            mains_frequency=options.mains_frequency or about.mains_frequency,
            start_time=begin and begin + dt.timedelta(seconds=start / rate),
            device=about.device,
            other_channels=tuple(
                Channel(
                    name=(stated.leads or ())[n],
                    kind=(kinds or ())[n],
                    unit=unit,
                    sampling_rate=rate,
                    signal=array[n, start:stop].astype(np.float32),
                )
                for n in others
            ),
        )


class ArrayFile(FormatFile):
    """An array (leads, samples), in memory or mapped, of which parts are turned into mV.

    Rows that the file itself names as something else than an ECG lead become other channels. Where
    none is a lead and all are named as other signals (a pulse wave), they are read as they are.

    Parameters
    ----------
    stated : Stated
        Taken as it is; the caller's options are put in by :func:`with_options` before.
    unknown_is_ecg : bool
        Whether a row of any other name is a lead, or only what is named as one.
    """

    def __init__(
        self,
        array: np.ndarray,
        stated: Stated,
        *,
        path: Path,
        options: ReadOptions,
        format: str,
        recordings: int = 1,
        undecided: EcgFoundryError | None = None,
        unknown_is_ecg: bool = True,
    ) -> None:
        info = describe(array, stated, path=path, format=format, recordings=recordings)
        names = list(stated.leads or ())
        self._kinds = _kinds(stated, path, unknown_is_ecg=unknown_is_ecg)
        if len(set(self._kinds)) > 1:
            pairs = list(zip(names, self._kinds, strict=True))
            info = replace(
                info,
                leads=normalize_lead_names([name for name, kind in pairs if kind == "ecg"]),
                other_channels=tuple(name for name, kind in pairs if kind != "ecg"),
            )
        super().__init__(path, options, info, undecided=undecided)
        self._array, self._stated = array, stated

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``, without annotations."""
        return build_recording(
            self._array,
            self._stated,
            self.options,
            path=self.path,
            format=self.info.format,
            start=start,
            stop=stop,
            kinds=self._kinds,
        )

    def read_annotations(self, start: int, stop: int) -> tuple[Annotation, ...]:
        """Return the annotations that touch samples ``start`` to ``stop``."""
        marks = self._stated.about.annotations if self._stated.about is not None else ()
        info = self.info
        rate = info.sampling_rate
        own = self._stated.own_rate or rate
        return part_annotations(marks, start, stop, info.samples, own, stated_rate=rate)

    def close(self) -> None:
        """Release what the file holds."""
        self._array = np.empty((0, 0), np.float32)


def _kinds(stated: Stated, path: Path, *, unknown_is_ecg: bool) -> list[str]:
    """Return the kind of every row; names that are certain are those of leads."""
    names = list(stated.leads or ())
    if stated.leads_are_certain:
        return ["ecg"] * len(names)
    units = [stated.unit] * len(names)
    kinds = channel_kinds(names, units, unknown_is_ecg=unknown_is_ecg)
    if "ecg" in kinds:
        return kinds
    if all(canonical_lead(name) is None and known_non_ecg_kind(name) for name in names):
        return ["ecg"] * len(names)
    raise no_lead_error(names, units, path)


def describe(
    array: np.ndarray, stated: Stated, *, path: Path, format: str, recordings: int = 1
) -> RecordingInfo:
    """Return the info of an array (leads, samples), of which only the shape is looked at."""
    array = _as_leads(array, path)
    leads, _, rate = _complete(array, stated, path)
    return RecordingInfo(
        format=format,
        leads=leads,
        sampling_rate=rate,
        samples=int(array.shape[1]),
        recordings=recordings,
    )


def _as_leads(array: np.ndarray, path: Path) -> np.ndarray:
    if array.dtype.kind not in "iuf":
        raise SignalError(f"the array holds {array.dtype}, not real numbers", path=path)
    if array.ndim == 1:
        array = array[np.newaxis]
    if array.ndim != 2:
        raise SignalError(
            f"the array has the shape {array.shape}; (leads, samples) is needed", path=path
        )
    if 0 in array.shape:
        raise SignalError(f"the array of shape {array.shape} holds no samples", path=path)
    return array


def _complete(array: np.ndarray, stated: Stated, path: Path) -> tuple[tuple[str, ...], str, float]:
    rows, columns = array.shape
    if stated.leads is None:
        raise LeadError(
            f"the file does not name its {rows} lead(s) (array of shape {array.shape})",
            path=path,
            remedy="Supply them in the order of the rows, for example --leads I,II or "
            "leads=('I', 'II')",
        )
    if len(stated.leads) != rows:
        turned = len(stated.leads) == columns
        raise LeadError(
            f"{len(stated.leads)} lead names are given for an array of shape {array.shape}",
            path=path,
            remedy="It seems to be (samples, leads): store its transpose, (leads, samples)"
            if turned
            else "Supply exactly one name per row; the array is read as (leads, samples)",
        )
    try:
        unit = stated.unit
        millivolts_per_unit(unit)
        return (
            normalize_lead_names(stated.leads),
            str(unit),
            check_sampling_rate(stated.sampling_rate),
        )
    except (LeadError, UnitError, SamplingRateError) as error:
        raise type(error)(error.problem, path=path, remedy=error.remedy) from None


def _check_samples(samples: int, limits: Limits, path: Path) -> None:
    if samples > limits.samples:
        raise LimitError(
            f"{samples} samples are asked for; the limit is {limits.samples}",
            path=path,
            remedy="Read a part with start_s and duration_s, or iterate over windows",
        )
