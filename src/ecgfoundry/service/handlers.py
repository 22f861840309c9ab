"""What a worker process does with one request: plain functions, files in, bytes out.

A request is a :class:`~ecgfoundry.service.work.Work`; its answer a
:class:`~ecgfoundry.service.work.Result`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ecgfoundry.errors import EcgFoundryError, ModelNotFoundError, SignalError
from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import EXCERPT_S, default_model, window_source
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.looks import Look
from ecgfoundry.inference.one_window import look_at_window
from ecgfoundry.inference.predictor import Predictor, SourceTask, load_model
from ecgfoundry.inference.stating import with_median_beat, with_statements
from ecgfoundry.labs.estimates import refuse_synthetic
from ecgfoundry.service.answers import drawing
from ecgfoundry.service.answers.forms import in_format, summary_of
from ecgfoundry.service.answers.laboratory import estimates
from ecgfoundry.service.answers.network import embeddings, saliency
from ecgfoundry.service.drift import REFERENCES, Seen, Sight, person_number
from ecgfoundry.service.followed import FollowedFile
from ecgfoundry.service.problems import Problem, ProblemError, problem_of
from ecgfoundry.service.samples import SAMPLES_NAME, array_of_samples
from ecgfoundry.service.work import Result, Tell, Work, json_body
from ecgfoundry.signals.windows import is_long

__all__ = ["Worker"]

_NUMBERED_S = 60.0
"""Of a recording of nobody, its first minute tells it from others."""


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
    salt : bytes
        Of the numbers of people (:func:`~ecgfoundry.service.drift.person_number`); empty: nobody
        asks for drift.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        models: Sequence[str] = (),
        synthetic_ok: bool = False,
        salt: bytes = b"",
    ) -> None:
        self._threads = threads
        self._folders = {Path(folder).name: folder for folder in models}
        self.synthetic_ok = synthetic_ok
        self._salt = salt
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
            seen: dict[int, Seen] = {}
            try:
                answers = self._answers(model, tasks, seen)
            finally:
                for _, task in tasks:
                    if isinstance(task.source, FollowedFile):
                        task.source.close()
            for number, answer in answers:
                dressed = self._dressed(works[number], answer)
                results[number] = replace(dressed, seen=seen.get(number))
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
        self, model: str, tasks: Sequence[tuple[int, SourceTask]], seen: dict[int, Seen]
    ) -> list[tuple[int, Interpretation | Result]]:
        predictor = self.predictor(model)

        def keep(k: int, look: Look) -> None:
            if self._asked(predictor, "recordings"):
                number, task = tasks[k]
                seen[number] = Seen(
                    model, self._person(task), Sight.of(look, predictor.bundle.task)
                )

        try:
            together = predictor.interpret_many([task for _, task in tasks], seen=keep)
        except (EcgFoundryError, MemoryError):
            # One of them cannot be read to its end: each for itself, so that only it fails.
            alone: list[tuple[int, Interpretation | Result]] = []
            for number, task in tasks:
                answer, problem = _guarded(partial(predictor.interpret_many, [task]))
                alone.append((number, problem if answer is None else _stated(task, answer[0])))
            return alone
        for (number, task), answer in zip(tasks, together, strict=True):
            if is_long(task.source.samples / task.source.sampling_rate):
                refused = answer.refused is not None
                self._keep_window(model, task, number, seen, refused=refused)
        return [(n, _stated(task, one)) for (n, task), one in zip(tasks, together, strict=True)]

    def _asked(self, predictor: Predictor, source: str) -> bool:
        """Whether somebody asks for the drift of a model, and it has what to compare with."""
        return bool(self._salt) and REFERENCES[source] in predictor.bundle.about.files

    def _person(self, task: SourceTask) -> bytes:
        source = task.source
        stop = min(round(_NUMBERED_S * source.sampling_rate), source.samples)
        beginning = source.part(0, stop).signal
        return person_number(self._salt, task.recording.subject.identifier, beginning)

    def _keep_window(
        self,
        model: str,
        task: SourceTask,
        number: int,
        seen: dict[int, Seen],
        *,
        refused: bool,
    ) -> None:
        """Keep a window of a long recording for the drift of its model; none of a refused one."""
        predictor = self.predictor(model)
        if not self._asked(predictor, "long"):
            return
        look = look_at_window(predictor, task.source, lead=task.lead)
        if look is not None:
            sight = Sight("refused") if refused else Sight.of(look, predictor.bundle.task)
            seen[number] = Seen(model, self._person(task), sight, "long")

    def _dressed(self, work: Work, answer: Interpretation | Result) -> Result:
        if isinstance(answer, Result):
            return answer
        result, problem = _guarded(partial(in_format, work, answer))
        if result is None:
            return problem
        return replace(result, verdict=answer.verdict, summary=summary_of(answer))

    def _alone(self, work: Work, tell: Callable[[float], None]) -> Result:
        result, problem = _guarded(
            {
                "stored": partial(_stored, work),
                "labs": partial(_labs, self, work, tell),
                "embed": partial(_embed, self, work, tell),
                "explain": partial(_explain, self, work),
                "read": partial(drawing.description, work),
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


def _stored(work: Work) -> Result:
    if work.answer is None:
        raise SignalError("no stored answer was named")
    answer = Interpretation.from_dict(json.loads(work.answer))
    with open_file(work.path, work.options) as file:
        answer = with_median_beat(answer, window_source(file))
    return in_format(work, answer)


def _document(work: Work) -> Result:
    from ecgfoundry.service.senders.documents import write_document

    assert work.document is not None  # noqa: S101
    body = write_document(work.document, Path(work.path), work.options)
    return Result(body, "application/octet-stream")


def _identity(work: Work) -> Result:
    from ecgfoundry.service.senders.documents import identity_in_file

    known, start = identity_in_file(Path(work.path), work.options)
    taken = None if start is None else start.isoformat()
    return Result(json_body({"identity": known.to_dict(), "start": taken}))


def _labs(worker: Worker, work: Work, tell: Callable[[float], None]) -> Result:
    if work.model is None:
        raise ModelNotFoundError("no model for laboratory values was named")
    predictor = worker.predictor(work.model)
    return estimates(predictor, work, tell, synthetic_ok=worker.synthetic_ok)


def _embed(worker: Worker, work: Work, tell: Callable[[float], None]) -> Result:
    with open_file(work.path, work.options) as file:
        return embeddings(worker.predictor(work.model or default_model(file)), file, work, tell)


def _explain(worker: Worker, work: Work) -> Result:
    with open_file(work.path, work.options) as file:
        predictor = worker.predictor(work.model or default_model(file))
        recording = file.read_seconds(0.0, EXCERPT_S, annotations=False)
    return saliency(predictor, recording, work)


def _holter(work: Work, tell: Callable[[float], None]) -> Result:
    """What ``ecgfoundry holter`` finds, with the course of the rate and every beat."""
    from ecgfoundry.service.long_recordings import holter_of_file

    return Result(json_body(holter_of_file(work, tell)))


def _compare(work: Work) -> Result:
    from ecgfoundry.service.comparing import compare_files

    if work.earlier is None:
        raise SignalError("no earlier recording was named")
    earlier, later = Path(work.earlier), Path(work.path)
    document = compare_files(earlier, later, work.options, same_person=work.same_person)
    return Result(json_body(document))
