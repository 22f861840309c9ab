"""The beats of a recording with their classes, times and waves: a sequence held as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEAT_LABELS", "OPTIONAL_VALUES", "Beat", "Beats"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

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
class Beat:
    """One heart beat. Times are seconds from the start of the recording.

    Attributes
    ----------
    time_s : float
        Of the R peak (largest deflection of the QRS complex).
    label : str
        One of :data:`BEAT_LABELS`.
    sample : int
        Sample number of the R peak, in the recording as it was given: the nearest to ``time_s``.
    template : int or None
        Number of the shape cluster, 0 for the dominant one.
    paced : bool
        Whether a pacing spike starts the QRS complex.
    rr_s : float or None
        Seconds since the beat before; None for the first.
    p_s, qrs_onset_s, qrs_offset_s, t_offset_s : float or None
        P onset, QRS onset, QRS offset (J), T offset; None where not found.
    confidence : float or None
        Of the label, 0 to 1, as the classifier states it; None where it did not give this label
        (:mod:`ecgfoundry.measurements.settled_classes`).
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


OPTIONAL_VALUES = ("rr_s", "p_s", "qrs_onset_s", "qrs_offset_s", "t_offset_s", "confidence")
"""The fields of a beat that may be None: NaN in the arrays."""


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
        for name in OPTIONAL_VALUES:
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
        optional = {name: _or_none(getattr(self, name)[index]) for name in OPTIONAL_VALUES}
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
