"""The Predictor: a loaded bundle that answers for recordings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import LeadError, SignalError
from ecgfoundry.formats.base import RecordingInfo
from ecgfoundry.inference.interpretation import (
    Finding,
    Interpretation,
    LeadAnswer,
    WindowResult,
    find_episodes,
)
from ecgfoundry.inference.looks import Look
from ecgfoundry.inference.runtimes.base import Runtime, create_runtime
from ecgfoundry.inference.several_leads import (
    combined_leads,
    combined_logits,
    combined_window,
    combining_notice,
    named_leads,
)
from ecgfoundry.inference.warnings import recording_warnings
from ecgfoundry.inference.windows import (
    InputLeads,
    PreparedWindow,
    WindowSource,
    prepare_windows,
    verdict_of,
)
from ecgfoundry.measurements.gate import DOUBT, Description, mostly_doubted, too_little_ecg
from ecgfoundry.models.bundle import Bundle, find_bundle, load_bundle
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice, merge_notices
from ecgfoundry.signals.windows import is_long

__all__ = [
    "Predictor",
    "SourceTask",
    "load_model",
]

_BATCH = 32
"""Windows per call of the network; bounds memory on long recordings (our choice)."""

Float32 = NDArray[np.float32]


def load_model(
    name_or_folder: str | Path, *, runtime: str = "auto", threads: int | None = None
) -> Predictor:
    """Load a model.

    Parameters
    ----------
    name_or_folder : str or Path
        A shipped name, the name of a pulled model, or a bundle folder.
    runtime : {"auto", "onnxruntime", "torch"}
    threads : int, optional
        Threads within one call of the network; None: all cores of this process.

    Raises
    ------
    ModelNotFoundError, BundleError, IntegrityError, MissingExtraError
    """
    bundle = load_bundle(find_bundle(name_or_folder))
    return Predictor(bundle, create_runtime(bundle, runtime=runtime, threads=threads))


@dataclass
class _Collected:
    """What comes out of the windows of one recording."""

    prepared: list[PreparedWindow]  # without their standardized arrays
    logits: list[NDArray[np.float64] | None]  # None where a window was refused


@dataclass(frozen=True)
class SourceTask:
    """One recording to answer for; see :meth:`Predictor.interpret_source`."""

    source: WindowSource
    recording: Recording | RecordingInfo
    lead: str | None = None
    file: str | None = None


def _without_array(window: PreparedWindow) -> PreparedWindow:
    """Return the window without its input, which is no longer needed and is large."""
    return replace(window, standardized=None)


class Predictor:
    """A bundle on a runtime.

    Parameters
    ----------
    bundle : Bundle
    runtime : Runtime
    """

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.bundle = bundle
        self.runtime = runtime

    def __repr__(self) -> str:
        return f"Predictor({self.bundle.name} {self.bundle.version} on {self.runtime.name})"

    def logits(self, windows: NDArray[np.floating]) -> Float32:
        """Return the logits of standardized windows.

        Parameters
        ----------
        windows : ndarray (windows, leads, samples)
            As :func:`ecgfoundry.standardize` gives them: an absent lead is a row of NaN.

        Returns
        -------
        float32 (windows, targets)

        Raises
        ------
        SignalError
            Wrong shape, or single NaN samples within a lead.
        LeadError
            A lead is absent and the network has no mask for it.
        """
        return self._run(windows)[0]

    def embed(
        self, windows: NDArray[np.floating] | Recording, *, lead: str | None = None
    ) -> Float32:
        """Return the features before the last layer, float32 (windows, features).

        Parameters
        ----------
        windows : ndarray (windows, leads, samples) or Recording
            See :meth:`logits`; of a recording, its windows that can be read.
        lead : str, optional
            Read only this lead of a recording.

        Raises
        ------
        SignalError
            As :meth:`logits`; or no window of the recording can be read.
        """
        if isinstance(windows, Recording):
            return self._run(self.readable_windows(windows, lead=lead))[1]
        return self._run(windows)[1]

    def readable_windows(self, recording: Recording, *, lead: str | None = None) -> Float32:
        """Return the standardized windows of a recording that the gate lets through.

        Parameters
        ----------
        recording : Recording
        lead : str, optional
            Read only this lead.

        Returns
        -------
        float32 (windows, leads, samples)
            What :meth:`logits` and :meth:`embed` take.

        Raises
        ------
        SignalError
            There is none; the message says why.
        LeadError
        """
        spec = self.bundle.input
        leads = InputLeads.choose(spec, recording.leads, lead=lead)
        prepared = list(prepare_windows(recording, spec, leads))
        usable = [w.standardized for w in prepared if w.standardized is not None]
        if not usable:
            reasons = [w.refusal.message for w in prepared if w.refusal is not None]
            raise SignalError(reasons[0] if reasons else "no samples", path=recording.source)
        return np.stack(usable)

    def logits_and_embeddings(self, windows: NDArray[np.floating]) -> tuple[Float32, Float32]:
        """Return both out of one call of the network; see :meth:`logits` and :meth:`embed`."""
        return self._run(windows)

    def outputs_of(self, prepared: Sequence[PreparedWindow]) -> list[tuple[Float32, Float32]]:
        """Return logits (targets,) and embedding (features,) of each window that can be read."""
        readable = [w.standardized for w in prepared if w.standardized is not None]
        return list(zip(*self._run(np.stack(readable)), strict=True)) if readable else []

    def _run(self, windows: NDArray[np.floating]) -> tuple[Float32, Float32]:
        spec = self.bundle.input
        x = np.asarray(windows, dtype=np.float32)
        if x.ndim != 3 or x.shape[1:] != (spec.rows, spec.samples):
            raise SignalError(
                f"{self.bundle.name} takes windows of shape (n, {spec.rows}, {spec.samples}), "
                f"not {x.shape}",
                remedy="Make them with ecgfoundry.standardize(recording, model.bundle.recipe)",
            )
        missing: NDArray[np.bool_] = np.isnan(x)
        absent: NDArray[np.bool_] = np.asarray(missing.all(axis=2))
        if (missing.any(axis=2) & ~absent).any():
            raise SignalError(
                "a standardized lead has single missing samples",
                remedy="Make the windows with ecgfoundry.standardize, which fills gaps",
            )
        if absent.any() and spec.lead_mode != "any-subset":
            names = spec.leads if spec.lead_mode == "exact" else ("the lead",)
            gone = [names[row] for row in np.flatnonzero(absent.any(axis=0))]
            raise LeadError(
                f"{self.bundle.name} needs every lead; {', '.join(gone)} is absent",
                remedy="Use a model that takes any subset of leads",
            )
        if absent.all(axis=1).any():
            raise LeadError("a window has no lead at all")
        signal: Float32 = np.where(missing, np.float32(0), x)
        presence = (~absent).astype(np.float32)
        if len(x) == 0:
            return (
                np.empty((0, len(self.bundle.vocabulary.targets)), np.float32),
                np.empty((0, 0), np.float32),
            )
        parts = [
            self.runtime.run(signal[k : k + _BATCH], presence[k : k + _BATCH])
            for k in range(0, len(x), _BATCH)
        ]
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def interpret(
        self,
        recording: Recording,
        *,
        lead: str | None = None,
        file: str | None = None,
        describe: Description = "all",
    ) -> Interpretation:
        """Answer for one recording.

        Parameters
        ----------
        recording : Recording
            Of any length, rate and set of leads.
        lead : str, optional
            Read only this lead. A one-lead model also reads several, each alone ("I,II,V5", or
            "all"), and answers for each and for all (:mod:`ecgfoundry.inference.several_leads`).
        file : str, optional
            What the answer calls the recording; its source by default.
        describe : {"all", "noise", "nothing"}
            As in :func:`ecgfoundry.measurements.gate.judge_windows`.

        Returns
        -------
        Interpretation
            With findings, or with ``refused`` where the recording cannot be read by this model.
        """
        return self.interpret_source(
            recording,
            recording=recording,
            lead=lead,
            file=file or recording.source,
            describe=describe,
        )

    def interpret_source(
        self,
        source: WindowSource,
        *,
        recording: Recording | RecordingInfo,
        lead: str | None = None,
        file: str | None = None,
        describe: Description = "all",
    ) -> Interpretation:
        """Answer for a source that is read window by window, in bounded memory.

        Parameters
        ----------
        source : WindowSource
        recording : Recording or RecordingInfo
            For what is said about the whole (subject, device).
        lead, file, describe
            As in :meth:`interpret`.
        """
        task = SourceTask(source, recording, lead, file)
        try:
            if several := self._several(task):
                return self._each_lead(task, several, describe)
            leads = InputLeads.choose(self.bundle.input, source.leads, lead=lead)
        except LeadError as error:
            return self._refusal(source, Notice("leads", str(error)), file=file)
        collected = self._collect(
            prepare_windows(source, self.bundle.input, leads, describe=describe)
        )
        return self._conclude(task, leads, collected)

    def _several(self, task: SourceTask) -> tuple[str, ...]:
        """Return the leads that a one-lead model shall read one by one; none: not several."""
        named = named_leads(task.lead, task.source.leads)
        one_lead = self.bundle.input.lead_mode == "any-single"
        return named if one_lead and len(named) > 1 else ()

    def _each_lead(
        self, task: SourceTask, names: Sequence[str], describe: Description
    ) -> Interpretation:
        """Answer for each lead, and for all of them by the mean of their logits."""
        source, spec = task.source, self.bundle.input
        chosen = {name: InputLeads.choose(spec, source.leads, lead=name) for name in names}
        collected = {
            name: self._collect(prepare_windows(source, spec, leads, describe=describe))
            for name, leads in chosen.items()
        }
        alone = {
            name: self._conclude(replace(task, lead=name), leads, collected[name])
            for name, leads in chosen.items()
        }
        together = _Collected(
            [
                combined_window(dict(zip(names, same, strict=True)))
                for same in zip(*(one.prepared for one in collected.values()), strict=True)
            ],
            [
                combined_logits(same)
                for same in zip(*(one.logits for one in collected.values()), strict=True)
            ],
        )
        read = [name for name, answer in alone.items() if answer.refused is None]
        leads = combined_leads([chosen[name] for name in read or names])
        answer = self._conclude(task, leads, together)
        if answer.refused is None:
            answer = replace(answer, warnings=(combining_notice(read), *answer.warnings))
        by_lead = {name: LeadAnswer(one.findings, one.refused) for name, one in alone.items()}
        return replace(answer, by_lead=by_lead)

    def interpret_many(
        self,
        tasks: Sequence[SourceTask],
        *,
        seen: Callable[[int, Look], None] = lambda number, look: None,
    ) -> list[Interpretation]:
        """Answer for several short recordings with as few calls of the network as possible.

        Each answer is the one that :meth:`interpret_source` gives, up to the rounding of the
        network (1e-5 in the logits). Long recordings are read window by window, each for itself.

        Parameters
        ----------
        tasks : sequence of SourceTask
        seen : callable
            Called for each short recording that has the leads, with its number and what the gate
            and the network make of it.

        Returns
        -------
        list of Interpretation
            In the order of the tasks.
        """
        answers: dict[int, Interpretation] = {}
        waiting: list[tuple[int, InputLeads, list[PreparedWindow]]] = []
        for number, task in enumerate(tasks):
            source = task.source
            if is_long(source.samples / source.sampling_rate) or self._several(task):
                answers[number] = self.interpret_source(
                    source, recording=task.recording, lead=task.lead, file=task.file
                )
                continue
            try:
                leads = InputLeads.choose(self.bundle.input, source.leads, lead=task.lead)
            except LeadError as error:
                answers[number] = self._refusal(source, Notice("leads", str(error)), file=task.file)
                continue
            windows = list(prepare_windows(source, self.bundle.input, leads))
            waiting.append((number, leads, windows))
        inputs = [w.standardized for _, _, ws in waiting for w in ws if w.standardized is not None]
        found = zip(*self._run(np.stack(inputs)), strict=True) if inputs else iter(())
        for number, leads, windows in waiting:
            outputs = [None if w.standardized is None else next(found) for w in windows]
            logits = [None if out is None else out[0].astype(np.float64) for out in outputs]
            seen(number, Look.of(windows, leads, [out for out in outputs if out is not None]))
            answers[number] = self._conclude(
                tasks[number], leads, _Collected([_without_array(w) for w in windows], logits)
            )
        return [answers[number] for number in range(len(tasks))]

    def _conclude(
        self, task: SourceTask, leads: InputLeads, collected: _Collected
    ) -> Interpretation:
        leads = leads.read_in(collected.prepared)
        if not any(logits is not None for logits in collected.logits):
            return self._refused_windows(task.source, collected, leads, file=task.file)
        if is_long(task.source.samples / task.source.sampling_rate):
            doubt = too_little_ecg([window.refusal for window in collected.prepared])
            if doubt is not None:
                refused = [replace(w, refusal=w.refusal or doubt) for w in collected.prepared]
                nothing = _Collected(refused, [None] * len(refused))
                return self._refused_windows(
                    task.source, nothing, leads, file=task.file, reason=doubt
                )
        return self._answer(task.source, task.recording, leads, collected, file=task.file)

    def _collect(self, windows: Iterator[PreparedWindow]) -> _Collected:
        collected = _Collected([], [])
        while batch := list(islice(windows, _BATCH)):
            readable = [w.standardized for w in batch if w.standardized is not None]
            outputs = iter(())  # type: Iterator[NDArray[np.float64]]
            if readable:
                outputs = iter(self.logits(np.stack(readable)).astype(np.float64))
            for window in batch:
                collected.logits.append(None if window.standardized is None else next(outputs))
                collected.prepared.append(_without_array(window))
        return collected

    def _answer(
        self,
        source: WindowSource,
        recording: Recording | RecordingInfo,
        leads: InputLeads,
        collected: _Collected,
        *,
        file: str | None,
    ) -> Interpretation:
        bundle, task = self.bundle, self.bundle.task
        duration = source.samples / source.sampling_rate
        windows = self._window_results(source, collected)
        findings: tuple[Finding, ...]
        episodes = burden = readable = None
        if is_long(duration):
            names = task.vocabulary.names
            # A measured value is not present or absent: the windows have it.
            decided = [names[k] for k in task.shown] if task.decides else []
            episodes, burden, readable = find_episodes(windows, decided)
            findings = task.long_findings(burden)
        else:
            known = [logits for logits in collected.logits if logits is not None]
            level = "reduced_leads" if leads.absent else "record"
            findings = task.findings(np.mean(known, axis=0), level=level)
        # The verdict is about the signal; what is unknown about its source does not change it.
        about_signal = merge_notices([window.quality.warnings for window in collected.prepared])
        about_signal += _refused_part(collected.prepared)
        warnings = recording_warnings(recording, bundle, leads, duration) + about_signal
        answer = replace(
            self._refused(source, file),
            verdict=verdict_of(collected.prepared),
            warnings=warnings,
            acceptable=_mean_acceptable(collected.prepared),
            lead_figures=_mean_figures(collected.prepared),
            leads_used=leads.recorded + leads.derived,
            leads_derived=leads.derived,
            findings=findings,
            windows=windows,
            episodes=episodes,
            burden=burden,
            readable_s=readable,
        )
        doubt = mostly_doubted(
            [window.quality.warnings for window in collected.prepared if window.refusal is None]
        )
        return answer if doubt is None else answer.undecided(DOUBT)

    def _window_results(
        self, source: WindowSource, collected: _Collected
    ) -> tuple[WindowResult, ...]:
        rate, task, spec = source.sampling_rate, self.bundle.task, self.bundle.input
        results = []
        for window, logits in zip(collected.prepared, collected.logits, strict=True):
            start, duration = window.start / rate, (window.stop - window.start) / rate
            answers = None
            if logits is not None:
                answers = task.answers(logits, level=spec.window_level(duration))
            results.append(
                task.window(logits, start, duration, refused=window.refusal, answers=answers)
            )
        return tuple(results)

    def _refused(self, source: WindowSource, file: str | None) -> Interpretation:
        """Say who answers and about what, before anything is found."""
        bundle = self.bundle
        return Interpretation(
            file=file,
            model=bundle.name,
            model_version=bundle.version,
            preprocessing=bundle.input.preprocessing,
            runtime=self.runtime.name,
            target_kind=bundle.target_kind,
            calibrated=all(bundle.calibrated),
            duration_s=source.samples / source.sampling_rate,
            verdict="refused",
        )

    def _refused_windows(
        self,
        source: WindowSource,
        collected: _Collected,
        leads: InputLeads,
        *,
        file: str | None,
        reason: Notice | None = None,
    ) -> Interpretation:
        reasons = [window.refusal for window in collected.prepared if window.refusal is not None]
        first = reasons[0] if reasons else Notice("missing", "the recording has no samples")
        return self._refusal(
            source,
            reason or first,
            file=file,
            leads=leads,
            acceptable=_mean_acceptable(collected.prepared),
            lead_figures=_mean_figures(collected.prepared),
            windows=self._window_results(source, collected),
        )

    def _refusal(
        self,
        source: WindowSource,
        reason: Notice,
        *,
        file: str | None,
        leads: InputLeads | None = None,
        acceptable: float | None = None,
        lead_figures: dict[str, dict[str, float | None]] | None = None,
        windows: Sequence[WindowResult] = (),
    ) -> Interpretation:
        return replace(
            self._refused(source, file),
            acceptable=acceptable,
            leads_used=leads.recorded if leads else (),
            lead_figures=lead_figures or {},
            windows=tuple(windows),
            refused=reason,
        )


def _refused_part(prepared: Sequence[PreparedWindow]) -> tuple[Notice, ...]:
    refused = [window.refusal for window in prepared if window.refusal is not None]
    if not refused:
        return ()
    words = f"{len(refused)} of {len(prepared)} windows could not be read: {refused[0].message}"
    return (Notice("windows-refused", words),)


def _mean_acceptable(prepared: Sequence[PreparedWindow]) -> float | None:
    """Mean over the windows that were read."""
    known = [w.quality.acceptable for w in prepared if w.quality.acceptable is not None]
    return math.fsum(known) / len(known) if known else None


def _mean_figures(
    prepared: Sequence[PreparedWindow],
) -> dict[str, dict[str, float | None]]:
    """Mean of each quality figure of each lead over the windows."""
    if len(prepared) == 1:
        return {lead: own.to_dict() for lead, own in prepared[0].quality.leads.items()}
    sums: dict[str, dict[str, list[float]]] = {}
    for window in prepared:
        for lead, figures in window.quality.leads.items():
            for name, value in figures.to_dict().items():
                values = sums.setdefault(lead, {}).setdefault(name, [])
                if value is not None:
                    values.append(value)
    return {
        lead: {
            name: round(math.fsum(values) / len(values), 4) if values else None
            for name, values in figures.items()
        }
        for lead, figures in sums.items()
    }
