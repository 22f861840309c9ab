"""From a recording, in memory or in a file, to standardized windows with their quality.

The one way into every network: ``source -> raw window -> quality gate -> standardize``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import LeadError
from ecgfoundry.formats.common.channels import are_ecg_leads
from ecgfoundry.leads import LIMB_LEADS
from ecgfoundry.measurements.gate import Description, judge_windows
from ecgfoundry.models.bundle import InputSpec
from ecgfoundry.preprocessing import choose_single_lead, standardize_windows
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import MAXIMUM_GAP_SHARE, Notice, WindowQuality, assess_windows
from ecgfoundry.signals.windows import window_bounds

__all__ = [
    "InputLeads",
    "PreparedWindow",
    "WindowSource",
    "prepare_together",
    "prepare_window",
    "prepare_windows",
    "verdict_of",
]


class WindowSource(Protocol):
    """Anything that gives parts of a recording by sample number.

    An opened file (:class:`~ecgfoundry.formats.files.EcgFile`), a recording in memory, and a file
    whose reading is followed are such sources.
    """

    @property
    def leads(self) -> tuple[str, ...]:
        """ECG leads, in the order of the rows."""
        ...

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        ...

    @property
    def samples(self) -> int:
        """Per lead."""
        ...

    def part(self, start: int, stop: int) -> Recording:
        """Return the samples from start to stop; annotations are not needed."""
        ...


@dataclass(frozen=True, slots=True)
class InputLeads:
    """Which leads of a recording a model reads.

    ``rows`` are the leads of the input array in order; ``recorded`` those that the recording has,
    ``derived`` those that follow from them, ``absent`` the rest.
    """

    rows: tuple[str, ...]
    recorded: tuple[str, ...]
    derived: tuple[str, ...]
    absent: tuple[str, ...]

    @classmethod
    def choose(
        cls, spec: InputSpec, available: tuple[str, ...], *, lead: str | None = None
    ) -> InputLeads:
        """Decide on the leads.

        Raises
        ------
        LeadError
            A one-lead model finds no lead that it may take; a model that needs every lead does
            not have them; or none of a model's leads is there.
        """
        if spec.lead_mode == "any-single":
            chosen = choose_single_lead(available, lead=lead, trained=spec.leads)
            if chosen in available:
                return cls(rows=(chosen,), recorded=(chosen,), derived=(), absent=())
            return cls(rows=(chosen,), recorded=(), derived=(chosen,), absent=())
        if lead is not None:
            # One lead out of several, as if nothing else had been recorded.
            available = (choose_single_lead(available, lead=lead),)
        recorded = tuple(name for name in spec.leads if name in available)
        limb = [name for name in LIMB_LEADS if name in available]
        derived = tuple(
            name
            for name in spec.leads
            if name in LIMB_LEADS and name not in recorded and len(limb) >= 2
        )
        if any(name in recorded + derived for name in spec.taught):
            recorded = tuple(name for name in recorded if name in spec.taught)
            derived = tuple(name for name in derived if name in spec.taught)
        absent = tuple(name for name in spec.leads if name not in recorded + derived)
        if not recorded and not derived:
            raise LeadError(
                f"none of the leads of this model is in the recording, which has "
                f"{', '.join(available)}",
                remedy="Name the leads with --leads if the file names them wrongly",
            )
        if absent and spec.lead_mode == "exact":
            raise LeadError(
                f"this model needs {', '.join(spec.leads)}; {', '.join(absent)} is missing",
                remedy="Use a model that takes any subset of leads",
            )
        return cls(spec.leads, recorded, derived, absent)

    def read_in(self, windows: Sequence[PreparedWindow]) -> InputLeads:
        """Return the leads that were read: without those that no window holds anything of.

        A lead that is named and has no sample, or is flat throughout, is as absent as one that is
        not named.
        """
        read = [set(window.blank) for window in windows if window.refusal is None]
        gone = set.intersection(*read) if read else set()
        if not gone - set(self.absent):
            return self
        return InputLeads(
            self.rows,
            tuple(name for name in self.recorded if name not in gone),
            tuple(name for name in self.derived if name not in gone),
            tuple(name for name in self.rows if name in gone or name in self.absent),
        )


@dataclass(frozen=True, slots=True)
class PreparedWindow:
    """One window on its way: where it stood, how good it was, and the model input if it may be
    read (None if it was refused), with the leads that it holds nothing of.
    """

    start: int
    stop: int
    quality: WindowQuality
    refusal: Notice | None
    standardized: NDArray[np.float32] | None
    blank: tuple[str, ...] = ()


def verdict_of(prepared: Sequence[PreparedWindow]) -> str:
    """Return the gate's verdict on a source from its windows.

    "good", "usable" (with a warning, or with windows left out) or "refused" (nothing can be read).
    """
    if all(window.refusal is not None for window in prepared):
        return "refused"
    clean = all(w.refusal is None and not w.quality.warnings for w in prepared)
    return "good" if clean else "usable"


TOGETHER = 8
"""Windows that are judged and standardized in one call: more are no faster (our choice)."""


def prepare_windows(
    source: WindowSource, spec: InputSpec, leads: InputLeads, *, describe: Description = "all"
) -> Iterator[PreparedWindow]:
    """Yield every window of a source, judged (``describe`` as the gate has it) and standardized.

    :data:`TOGETHER` windows of the source are in memory at a time.
    """
    bounds = iter(window_bounds(source.samples, source.sampling_rate, spec.window_s))
    while several := list(itertools.islice(bounds, TOGETHER)):
        parts = [(source.part(start, stop), leads, start) for start, stop in several]
        yield from prepare_together(parts, spec, describe=describe)


def prepare_window(
    part: Recording, spec: InputSpec, leads: InputLeads, *, start: int = 0
) -> PreparedWindow:
    """Judge and standardize one window.

    Parameters
    ----------
    part : Recording
        The samples of the window and nothing else; shorter than the model's window is padded by
        the recipe.
    spec : InputSpec
    leads : InputLeads
        As chosen for the whole recording or stream.
    start : int
        Where the window begins, in samples; only kept with the answer.
    """
    return prepare_together([(part, leads, start)], spec)[0]


def prepare_together(
    windows: Sequence[tuple[Recording, InputLeads, int]],
    spec: InputSpec,
    known: Sequence[WindowQuality | None] | None = None,
    *,
    describe: Description = "all",
) -> list[PreparedWindow]:
    """Judge and standardize windows of any recordings, in fewer calls than one by one.

    Every window is still alone: what is said of it and its standardized samples are bit for bit
    those of :func:`prepare_window`.

    Parameters
    ----------
    windows : sequence of (part, leads, start)
        As in :func:`prepare_window`.
    spec : InputSpec
    known : sequence of WindowQuality or None, optional
        One for each window; as in :func:`ecgfoundry.measurements.gate.judge_windows`, like
    describe : {"all", "noise", "nothing"}
    """
    groups: dict[tuple[object, ...], list[int]] = {}
    chosen = []
    for number, (part, leads, _) in enumerate(windows):
        recorded = part.select([lead for lead in part.leads if lead in _needed(leads)])
        chosen.append(recorded)
        alike = (recorded.signal.shape, recorded.leads, leads, part.sampling_rate)
        groups.setdefault((*alike, part.mains_frequency), []).append(number)
    result: dict[int, PreparedWindow] = {}
    for numbers in groups.values():
        recorded, leads = chosen[numbers[0]], windows[numbers[0]][1]
        stacked = np.stack([chosen[number].signal for number in numbers])
        if are_ecg_leads(spec.leads):
            before = None if known is None else [known[number] for number in numbers]
            qualities = judge_windows(
                stacked, recorded.sampling_rate, recorded.leads, before, describe=describe
            )
        else:  # Nobody asks of pulse waves whether they are an ECG.
            qualities = assess_windows(stacked, recorded.sampling_rate, recorded.leads)
        refusals = [q.refusal or _required_lead_missing(spec, leads, q) for q in qualities]
        inputs: dict[int, NDArray[np.float32]] = {}
        for number, quality, refusal in zip(numbers, qualities, refusals, strict=True):
            if refusal is None:
                readable = chosen[number]
                if spec.lead_mode != "exact":
                    readable = _blank_unreadable(readable, quality)
                inputs[number] = readable.select(leads.rows, missing="nan").signal
        standardized = dict(
            zip(
                inputs,
                standardize_windows(
                    np.stack(list(inputs.values())),
                    recorded.sampling_rate,
                    spec.recipe,
                    mains_frequency=recorded.mains_frequency,
                ),
                strict=True,
            )
            if inputs
            else ()
        )
        for number, quality, refusal in zip(numbers, qualities, refusals, strict=True):
            start = windows[number][2]
            stop = start + windows[number][0].samples
            made = standardized.get(number)
            result[number] = PreparedWindow(
                start, stop, quality, refusal, made, _blank_rows(made, leads.rows)
            )
    return [result[number] for number in range(len(windows))]


def _needed(leads: InputLeads) -> set[str]:
    """Recorded leads that are read, and those that only serve to derive others."""
    return {*leads.recorded, *(LIMB_LEADS if leads.derived else ())}


def _required_lead_missing(
    spec: InputSpec, leads: InputLeads, quality: WindowQuality
) -> Notice | None:
    """A model without a mask cannot leave a lead out."""
    if spec.lead_mode != "exact":
        return None
    gone = tuple(
        lead
        for lead in leads.recorded
        if lead not in quality.leads or quality.leads[lead].missing_share > MAXIMUM_GAP_SHARE
    )
    if not gone:
        return None
    words = f"{', '.join(gone)}: more than {MAXIMUM_GAP_SHARE:.0%} missing, and the model needs it"
    return Notice("missing", words, gone)


def _holds(recording: Recording, row: int) -> bool:
    """Whether a lead that the gate says nothing of has a sample."""
    return bool(np.isfinite(recording.signal[row]).any())


def _blank_rows(standardized: NDArray[np.float32] | None, rows: Sequence[str]) -> tuple[str, ...]:
    if standardized is None or not np.isnan(standardized[:, 0]).any():
        return ()  # an absent lead is missing from its first sample on
    return tuple(name for name, row in zip(rows, standardized, strict=True) if np.isnan(row).all())


def _blank_unreadable(recording: Recording, quality: WindowQuality) -> Recording:
    """Make leads that are flat or mostly missing absent, so that they are masked or derived."""
    bad = [
        row
        for row, lead in enumerate(recording.leads)
        if not (quality.leads[lead].readable if lead in quality.leads else _holds(recording, row))
    ]
    if not bad:
        return recording
    keep = [row for row in range(len(recording.leads)) if row not in bad]
    return replace(
        recording,
        signal=recording.signal[keep],
        leads=tuple(recording.leads[row] for row in keep),
    )
