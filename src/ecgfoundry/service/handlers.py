"""What a worker process does with one request: plain functions, files in, bytes out.

A request is a :class:`Work`; its answer a :class:`Result`. Neither holds a path that came from
outside: the service writes what was sent into a folder of its own and passes that.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, ModelNotFoundError, SignalError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.common.measurements import device_measurements
from ecgfoundry.formats.files import EcgFile, open_file
from ecgfoundry.inference.files import EXCERPT_S, default_model, read_excerpt, window_source
from ecgfoundry.inference.interpretation import Finding, Interpretation
from ecgfoundry.inference.predictor import Predictor, SourceTask, load_model
from ecgfoundry.inference.stating import with_statements
from ecgfoundry.inference.windows import WindowSource
from ecgfoundry.labs.estimates import (
    LaboratoryAnswer,
    caveats,
    estimate_laboratory,
    refuse_synthetic,
)
from ecgfoundry.labs.live import laboratory_timeline, trend_words
from ecgfoundry.recording import Recording
from ecgfoundry.service.problems import Problem, ProblemError, problem_of
from ecgfoundry.service.reading import reading_document, words_of_present
from ecgfoundry.service.samples import SAMPLES_NAME, array_of_samples
from ecgfoundry.signals.filters import butterworth_sos, zero_phase_sos
from ecgfoundry.signals.windows import is_long

if TYPE_CHECKING:
    from ecgfoundry.reports.clinical import PatientLink
    from ecgfoundry.service.senders.documents import DocumentOrder

__all__ = ["FORMATS", "Result", "Work", "Worker"]

FORMATS = {
    "json": "application/json",
    "fhir": "application/fhir+json",
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "reading": "application/vnd.ecgfoundry.reading+json",
}
DRAWN_S = 60.0
_LARGEST_INT16 = 32767
_SALIENCY_STEP_S = 0.04
_TOLD_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Work:
    """One request.

    Parameters
    ----------
    kind : str
        diagnose, labs, embed, explain, read, document, identity, holter or
        compare.
    path : str
        The recording, in a folder of the service.
    name : str
        What the caller called it; only repeated in the answer.
    options : ReadOptions
    model, lead : str, optional
    format : str
        One of :data:`FORMATS`.
    start_s, duration_s : float, optional
        Part whose samples are wanted (kind read).
    target : str, optional
        What is to be explained (kind explain); by default the most probable finding.
    samples, filtered : bool
        Whether samples are wanted, and whether band-passed ones (kind read).
    trend : bool
        Whether the estimates are followed through a long recording (kind labs).
    timeout_s : float, optional
        Time for this request, where it is another than that of the service.
    patient : PatientLink, optional
        Who the person is, where the request says so (format fhir).
    document : DocumentOrder, optional
        What a destination is to get (kind document).
    earlier : str, optional
        The recording that this one is compared with (kind compare).
    same_person : bool, optional
        Whether both are of one person, whatever their files say (kind compare).
    """

    kind: str
    path: str
    name: str
    options: ReadOptions = field(default_factory=ReadOptions)
    model: str | None = None
    lead: str | None = None
    format: str = "json"
    start_s: float = 0.0
    duration_s: float | None = None
    samples: bool = False
    filtered: bool = False
    target: str | None = None
    trend: bool = False
    timeout_s: float | None = None
    patient: PatientLink | None = None
    document: DocumentOrder | None = None
    earlier: str | None = None
    same_person: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """An answer: a body of a media type, or a problem; ``summary``: a few words for lists."""

    body: bytes = b""
    media_type: str = "application/json"
    problem: Problem | None = None
    verdict: str | None = None
    summary: dict[str, Any] | None = None


Tell = Callable[[int, float], None]
"""Called with the number of a request and the share of its recording that is done."""


class FollowedFile:
    """An opened file that tells how far its reading is, at most every half second.

    It is a source of windows, like the file itself. Close it when its windows were read.
    """

    def __init__(self, file: EcgFile, tell: Callable[[float], None]) -> None:
        self.leads, self.sampling_rate, self.samples = file.leads, file.sampling_rate, file.samples
        self._file = file
        self._source = window_source(file)
        self._tell, self._told = tell, time.monotonic()

    @property
    def head(self) -> Recording:
        """The recording, or nothing but what its header says: for subject and device."""
        return self._source if isinstance(self._source, Recording) else self._file.part(0, 0)

    def part(self, start: int, stop: int) -> Recording:
        """Return the samples from start to stop."""
        if time.monotonic() - self._told > _TOLD_EVERY_S:
            self._told = time.monotonic()
            self._tell(stop / max(self.samples, 1))
        return self._source.part(start, stop)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Worker:
    """Loaded models and what is done with them.

    Parameters
    ----------
    threads : int
        Threads within one call of a network.
    models : sequence of str
        Bundle folders that may be asked for by their path, beside shipped and pulled names.
    synthetic_ok : bool
        Whether models trained on synthetic data may answer.
    """

    def __init__(
        self, *, threads: int = 1, models: Sequence[str] = (), synthetic_ok: bool = False
    ) -> None:
        self._threads = threads
        self._folders = {Path(folder).name: folder for folder in models}
        self.synthetic_ok = synthetic_ok
        self._loaded: dict[str, Predictor] = {}

    @property
    def loaded(self) -> int:
        """How many models are loaded."""
        return len(self._loaded)

    def predictor(self, name: str) -> Predictor:
        """Return a model by name; a path is no name.

        Raises
        ------
        ModelNotFoundError
        """
        if name not in self._loaded:
            from ecgfoundry.models.bundle import available_bundles

            known = {name: name for name in available_bundles()} | self._folders
            if name not in known:
                raise ModelNotFoundError(
                    f"there is no model '{name[:80]}' here", remedy="See /v1/models"
                )
            loaded = load_model(known[name], threads=self._threads)
            refuse_synthetic(loaded.bundle, allowed=self.synthetic_ok)
            self._loaded[name] = loaded
        return self._loaded[name]

    def run(self, works: Sequence[Work], tell: Tell = lambda number, share: None) -> list[Result]:
        """Do several requests; those of kind diagnose share calls of the network.

        Every request has its own answer, whatever becomes of the others.
        """
        results: dict[int, Result] = {}
        groups: dict[str, list[tuple[int, SourceTask]]] = {}
        works = list(works)
        for number, sent in enumerate(works):
            found, problem = _guarded(partial(_readable, sent))
            if found is None:
                results[number] = problem
                continue
            work = works[number] = found
            if work.kind == "diagnose":
                task, problem = _guarded(partial(self._prepare, work, partial(tell, number)))
                if task is None:
                    results[number] = problem
                else:
                    groups.setdefault(task[0], []).append((number, task[1]))
            else:
                results[number] = self._alone(work, partial(tell, number))
        for model, tasks in groups.items():
            try:
                answers = self._answers(model, tasks)
            finally:
                for _, task in tasks:
                    if isinstance(task.source, FollowedFile):
                        task.source.close()
            for number, answer in answers:
                results[number] = self._dressed(works[number], answer)
        return [results[number] for number in range(len(works))]

    def _prepare(self, work: Work, tell: Callable[[float], None]) -> tuple[str, SourceTask]:
        file = open_file(work.path, work.options)
        try:
            model = work.model or default_model(file)
            self.predictor(model)
            source = FollowedFile(file, tell)
            return model, SourceTask(source, source.head, work.lead, work.name)
        except BaseException:
            file.close()
            raise

    def _answers(
        self, model: str, tasks: Sequence[tuple[int, SourceTask]]
    ) -> list[tuple[int, Interpretation | Result]]:
        predictor = self.predictor(model)
        try:
            together = predictor.interpret_many([task for _, task in tasks])
        except (EcgFoundryError, MemoryError):
            # One of them cannot be read to its end: each for itself, so that only it fails.
            alone: list[tuple[int, Interpretation | Result]] = []
            for number, task in tasks:
                answer, problem = _guarded(partial(predictor.interpret_many, [task]))
                alone.append((number, problem if answer is None else _stated(task, answer[0])))
            return alone
        return [(n, _stated(task, one)) for (n, task), one in zip(tasks, together, strict=True)]

    def _dressed(self, work: Work, answer: Interpretation | Result) -> Result:
        if isinstance(answer, Result):
            return answer
        result, problem = _guarded(partial(_in_format, work, answer))
        if result is None:
            return problem
        return replace(result, verdict=answer.verdict, summary=_summary(answer))

    def _alone(self, work: Work, tell: Callable[[float], None]) -> Result:
        result, problem = _guarded(
            {
                "labs": partial(_labs, self, work, tell),
                "embed": partial(_embed, self, work, tell),
                "explain": partial(_explain, self, work),
                "read": partial(_read, work),
                "document": partial(_document, work),
                "identity": partial(_identity, work),
                "holter": partial(_holter, work, tell),
                "compare": partial(_compare, work),
            }[work.kind]
        )
        return problem if result is None else result


def _readable(work: Work) -> Work:
    """The request about files that the readers know."""
    earlier = None if work.earlier is None else _known_file(work.earlier)
    return replace(work, path=_known_file(work.path), earlier=earlier)


def _known_file(sent: str) -> str:
    path = Path(sent)
    return str(array_of_samples(path)) if path.name == SAMPLES_NAME else sent


def _stated(task: SourceTask, answer: Interpretation) -> Interpretation | Result:
    """The answer with measurements and statements; what cannot be measured is a problem."""
    subject = task.recording.subject
    stated, problem = _guarded(
        partial(with_statements, answer, task.source, subject, lead=task.lead)
    )
    return problem if stated is None else stated


def _guarded(function: Callable[[], Any]) -> tuple[Any, Result]:
    """Return (value, _) or (None, problem). An untyped error of one request stays its own."""
    try:
        return function(), Result()
    except EcgFoundryError as error:
        return None, Result(problem=problem_of(error))
    except ProblemError as error:
        return None, Result(problem=error.problem)
    except MemoryError:
        words = "the recording needs more memory than there is"
        return None, Result(problem=Problem(413, "limit", words))
    except Exception as error:
        words = f"an unexpected {type(error).__name__}; the recording was not interpreted"
        return None, Result(problem=Problem(500, "unexpected", words))


def _summary(answer: Interpretation) -> dict[str, Any]:
    return {
        "model": answer.model,
        "model_version": answer.model_version,
        "verdict": answer.verdict,
        "refused": None if answer.refused is None else answer.refused.code,
        "present": [finding.name for finding in answer.findings if finding.present],
        "statements": [one.name for one in answer.statements if one.present],
        "words": words_of_present(answer),
    }


def _json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _in_format(work: Work, answer: Interpretation) -> Result:
    if work.format == "reading":
        beginning = read_excerpt(Path(work.path), work.options, 0.0, 1.0)
        stated = device_measurements(beginning.header)
        document = answer.to_dict() | {"reading": reading_document(answer, stated)}
        return Result(_json(document), FORMATS["reading"])
    if work.format == "fhir":
        from ecgfoundry.reports.clinical import report_on_file
        from ecgfoundry.reports.fhir import to_fhir

        now = dt.datetime.now(dt.UTC)
        report = report_on_file(
            answer, Path(work.path), work.options, issued=now, patient=work.patient
        )
        return Result(_json(to_fhir(report)), FORMATS["fhir"])
    if work.format in ("html", "pdf"):
        from ecgfoundry.reports.html.report import ReportItem, html_report

        read_part = partial(read_excerpt, Path(work.path), work.options)
        page = html_report([ReportItem(read_part(), answer, read_part)])
        if work.format == "html":
            return Result(page.encode(), FORMATS["html"])
        from ecgfoundry.reports.pdf import html_to_pdf

        return Result(html_to_pdf(page), FORMATS["pdf"])
    return Result(_json(answer.to_dict()))


def _document(work: Work) -> Result:
    from ecgfoundry.service.senders.documents import write_document

    assert work.document is not None  # noqa: S101
    body = write_document(work.document, Path(work.path), work.options)
    return Result(body, "application/octet-stream")


def _identity(work: Work) -> Result:
    from ecgfoundry.service.senders.documents import identity_in_file

    known, day = identity_in_file(Path(work.path), work.options)
    return Result(_json({"identity": known.to_dict(), "day": day}))


def _labs(worker: Worker, work: Work, tell: Callable[[float], None]) -> Result:
    """Estimates as ``ecgfoundry labs --json`` gives them, with what must be said beside them."""
    if work.model is None:
        raise ModelNotFoundError("no model for laboratory values was named")
    predictor = worker.predictor(work.model)
    with open_file(work.path, work.options) as file:
        source = FollowedFile(file, tell)
        answer = estimate_laboratory(
            predictor,
            source,
            source.head,
            lead=work.lead,
            file=work.name,
            synthetic_ok=worker.synthetic_ok,
        )
        trend = None
        if work.trend and answer.refused is None and is_long(answer.duration_s):
            trend = laboratory_timeline(predictor, source, lead=work.lead)
    verdict = "refused" if answer.refused else "usable" if answer.refused_windows else "good"
    if work.format != "json":
        result = _in_format(work, _as_interpretation(answer, predictor, verdict))
        return replace(result, verdict=verdict)
    document = answer.to_dict() | {"caveats": caveats(answer)}
    if trend is not None:
        document["trend"] = trend | {"caveats": trend_words(predictor.bundle)}
    return replace(Result(_json(document)), verdict=verdict)


def _as_interpretation(
    answer: LaboratoryAnswer, predictor: Predictor, verdict: str
) -> Interpretation:
    """The estimates as findings, for the forms that are made from an interpretation."""
    findings = tuple(
        Finding(
            estimate.target,
            probability=estimate.probability,
            threshold=estimate.threshold,
            present=None
            if estimate.probability is None or estimate.threshold is None
            else estimate.probability >= estimate.threshold,
            calibrated=answer.calibrated,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
        )
        for estimate in answer.estimates
    )
    return Interpretation(
        file=answer.file,
        model=answer.model,
        model_version=answer.model_version,
        preprocessing=predictor.bundle.input.preprocessing,
        runtime=predictor.runtime.name,
        target_kind=predictor.bundle.target_kind,
        calibrated=answer.calibrated,
        duration_s=answer.duration_s,
        verdict=verdict,
        warnings=answer.warnings,
        leads_used=answer.leads_used,
        findings=findings,
        refused=answer.refused,
    )


def _embed(worker: Worker, work: Work, tell: Callable[[float], None]) -> Result:
    with open_file(work.path, work.options) as file:
        return _embedded(worker.predictor(work.model or default_model(file)), file, work, tell)


def _embedded(
    predictor: Predictor, file: EcgFile, work: Work, tell: Callable[[float], None]
) -> Result:
    from ecgfoundry.inference.windows import InputLeads, prepare_windows

    source = FollowedFile(file, tell)
    spec = predictor.bundle.input
    leads = InputLeads.choose(spec, source.leads, lead=work.lead)
    windows = []
    for prepared in prepare_windows(source, spec, leads):
        row: dict[str, Any] = {
            "start_s": round(prepared.start / source.sampling_rate, 4),
            "duration_s": round((prepared.stop - prepared.start) / source.sampling_rate, 4),
            "refused": None if prepared.refusal is None else prepared.refusal.to_dict(),
            "embedding": None,
        }
        if prepared.standardized is not None:
            values = predictor.embed(prepared.standardized[None])[0]
            row["embedding"] = [float(f"{value:.6g}") for value in values]
        windows.append(row)
    bundle = predictor.bundle
    return Result(
        _json(
            {
                "file": work.name,
                "model": bundle.name,
                "model_version": bundle.version,
                "preprocessing": spec.preprocessing,
                "runtime": predictor.runtime.name,
                "leads_used": list(leads.recorded + leads.derived),
                "windows": windows,
            }
        )
    )


def _explain(worker: Worker, work: Work) -> Result:
    """Saliency of one finding, in steps of time that a page can draw; 1 is the largest."""
    from ecgfoundry.explanations.explain import explain_recording

    with open_file(work.path, work.options) as file:
        predictor = worker.predictor(work.model or default_model(file))
        recording = file.read_seconds(0.0, EXCERPT_S, annotations=False)
    target = work.target
    if target is None:
        answer = predictor.interpret(recording, lead=work.lead)
        if answer.refused is not None:
            raise SignalError(answer.refused.message)
        target = max(answer.findings, key=lambda f: f.probability or 0.0).name
    saliency = explain_recording(predictor, recording, target, lead=work.lead)
    step = max(round(saliency.sampling_rate * _SALIENCY_STEP_S), 1)
    count = saliency.values.shape[1] // step
    values = np.nan_to_num(saliency.values[:, : count * step]).reshape(-1, count, step).mean(2)
    largest = float(values.max(initial=0.0))
    scaled = np.clip(values / largest, 0.0, 1.0) if largest > 0 else np.zeros_like(values)
    document = saliency.to_dict() | {
        "leads": list(saliency.leads),
        "step_s": step / saliency.sampling_rate,
        "values": np.round(scaled, 3).tolist(),
    }
    return Result(_json(document))


def _holter(work: Work, tell: Callable[[float], None]) -> Result:
    """What ``ecgfoundry holter`` finds, with the course of the rate and every beat."""
    from ecgfoundry.service.long_recordings import holter_of_file

    return Result(_json(holter_of_file(work, tell)))


def _compare(work: Work) -> Result:
    from ecgfoundry.service.comparing import compare_files

    if work.earlier is None:
        raise SignalError("no earlier recording was named")
    earlier, later = Path(work.earlier), Path(work.path)
    document = compare_files(earlier, later, work.options, same_person=work.same_person)
    return Result(_json(document))


def _read(work: Work) -> Result:
    from ecgfoundry.reports.recording_summary import QUALITY_SECONDS, recording_summary

    with open_file(work.path, work.options) as file:
        source = window_source(file)
        begun = file.read_seconds(0.0, QUALITY_SECONDS)
        document: dict[str, Any] = recording_summary(begun, file.info, name=work.name)
        if work.samples:
            document["signal"] = _samples(source, work.start_s, work.duration_s, work.filtered)
            document["overview"] = _overview(source) if work.duration_s is None else None
    return Result(_json(document))


def _band_passed(signal: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """0.67-40 Hz, order 4, zero phase: the band of the recipe ``ecgfounder-finetune``, in mV."""
    missing = np.isnan(signal)
    band = (0.67, min(40.0, 0.45 * rate))
    if signal.shape[1] < rate or band[1] <= band[0]:
        return signal
    sections = butterworth_sos(4, band, "bandpass", rate)
    return np.where(missing, np.nan, zero_phase_sos(sections, np.where(missing, 0.0, signal)))


def _samples(
    source: WindowSource, start_s: float, duration_s: float | None, filtered: bool
) -> dict[str, Any]:
    """Samples as int16 with a gain of their own per part, for drawing; -32768 is missing."""
    rate = source.sampling_rate
    start = min(max(round(start_s * rate), 0), source.samples)
    seconds = DRAWN_S if duration_s is None else min(duration_s, DRAWN_S)
    stop = min(start + max(round(seconds * rate), 0), source.samples)
    part: Recording = source.part(start, stop)
    signal = part.signal.astype(np.float64)
    if filtered:
        signal = _band_passed(signal, rate)
    largest = float(np.nanmax(np.abs(signal))) if np.isfinite(signal).any() else 0.0
    gain = max(largest / _LARGEST_INT16, 1e-6)
    stored = np.where(np.isnan(signal), -32768, np.round(np.nan_to_num(signal) / gain))
    return {
        "encoding": "int16-le-base64, one lead after the other; -32768 is missing",
        "millivolts_per_unit": gain,
        "start_s": start / rate,
        "samples": stop - start,
        "leads": list(part.leads),
        "data": base64.b64encode(stored.astype("<i2").tobytes()).decode(),
    }


def _overview(source: WindowSource, columns: int = 1200) -> dict[str, Any] | None:
    """Lowest and highest value of the first lead in equal parts of a long recording, in mV."""
    seconds = source.samples / source.sampling_rate
    if seconds <= DRAWN_S:
        return None
    edges = np.linspace(0, source.samples, columns + 1).astype(int)
    low: list[float | None] = []
    high: list[float | None] = []
    step = max(round(600 * source.sampling_rate), 1)
    block_start, block = 0, source.part(0, min(step, source.samples)).signal[0]
    for begin, end in pairwise(edges):
        pieces = []
        while begin < end:
            if begin >= block_start + len(block):
                block_start = int(begin)
                block = source.part(block_start, min(block_start + step, source.samples)).signal[0]
            until = min(end, block_start + len(block))
            pieces.append(block[begin - block_start : until - block_start])
            begin = until
        values = np.concatenate(pieces) if pieces else np.empty(0)
        values = values[np.isfinite(values)]
        low.append(round(float(values.min()), 3) if len(values) else None)
        high.append(round(float(values.max()), 3) if len(values) else None)
    return {"lead": source.leads[0], "seconds": seconds, "low": low, "high": high}
