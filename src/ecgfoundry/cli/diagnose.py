"""``ecgfoundry diagnose``: files in, findings out."""

from __future__ import annotations

import csv
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import ReadingOptions
from ecgfoundry.cli.saying import note, print_json, print_standard_json, progress
from ecgfoundry.cli.vocabulary import Csv, Json, OptionalModel

if TYPE_CHECKING:
    from ecgfoundry.criteria import Comparison
    from ecgfoundry.formats.base import ReadOptions
    from ecgfoundry.formats.files import EcgFile
    from ecgfoundry.inference.files import FileResult
    from ecgfoundry.inference.interpretation import Interpretation
    from ecgfoundry.inference.predictor import Predictor


@Parameter(name="*")
@dataclass(frozen=True)
class PersonOptions:
    """Who the person is for the receiver of --fhir.

    Parameters
    ----------
    patient
        With --fhir: a reference (Patient/7) or an identifier; by default the one in the file.
    patient_system
        With --fhir: whose numbers identifiers are, as an address.
    """

    patient: str | None = None
    patient_system: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class AnswerOptions:
    """What is written, and in which form.

    Parameters
    ----------
    json
        One JSON object per file (JSON Lines when several).
    csv
        One row per file and finding, and per episode of a long recording.
    fhir
        One FHIR R4 transaction per file (JSON Lines when several), with the report as PDF where the
        extra 'plot' is installed.
    report
        Also write a report here: .html, self-contained, or .pdf.
    earlier
        An earlier recording of the same person: what changed since. Needs one file of up to a
        minute.
    same_person
        With --earlier: both are of one person, whatever the files say.
    highlight
        Paint what this present statement rests on in the report, such as "ST DEPRESSION".
    """

    json: Json = False
    csv: Csv = False
    fhir: Annotated[bool, Parameter(name="--fhir", negative="")] = False
    report: Path | None = None
    earlier: str | None = None
    same_person: Annotated[bool, Parameter(negative="")] = False
    highlight: str | None = None

    def problem(self, who: PersonOptions) -> str | None:
        """Return what does not go together, in words."""
        if self.json + self.csv + self.fhir > 1:
            return "give one of --json, --csv and --fhir"
        if self.fhir and self.earlier is not None:
            return "--fhir holds no comparison; leave out --earlier"
        if self.same_person and self.earlier is None:
            return "--same-person belongs to --earlier"
        if who != PersonOptions() and not self.fhir:
            return "--patient and --patient-system belong to --fhir"
        if self.highlight and self.report is None:
            return "--highlight paints a --report; give one"
        return None


def diagnose(
    *files: str,
    model: OptionalModel = None,
    lead: str | None = None,
    answer: AnswerOptions | None = None,
    person: PersonOptions | None = None,
    reading: ReadingOptions | None = None,
    runtime: str = "auto",
    threads: int | None = None,
) -> int:
    """Interpret ECG files: findings, calibrated probabilities, quality, warnings.

    Parameters
    ----------
    files
        Files, folders, patterns such as 'data/*.hea', or sample:12-lead and sample:single-lead.
    model
        A shipped or pulled model, or a bundle folder. Without it: the 12-lead model for recordings
        of up to a minute with three or more standard leads, else the single-lead rhythm model.
    lead
        Read only this lead. A one-lead model takes several too ("I,II,V5", or all): an answer for
        each, and one by the mean of their logits.
    runtime
        auto, onnxruntime or torch.
    threads
        Threads within one call of the network.
    """
    if not files:
        print("ecgfoundry: no file was given; see: ecgfoundry diagnose --help", file=sys.stderr)
        return 2
    form, who = answer or AnswerOptions(), person or PersonOptions()
    if problem := form.problem(who):
        print(f"ecgfoundry: {problem}", file=sys.stderr)
        return 2
    options = (reading or ReadingOptions()).to_read()
    comparison = None if form.earlier is None else _compare(form, files, options)
    results = _interpret(
        files, model=model, lead=lead, options=options, runtime=runtime, threads=threads
    )
    if form.json or form.fhir:
        say: Callable[[Interpretation], None] = (
            partial(_say_fhir, options=options, who=who)
            if form.fhir
            else partial(_say_document, comparison)
        )
        collected = _say_each(results, model, say, keep=form.report is not None)
    else:
        collected = list(results)
        if form.csv:
            _print_csv(collected)
        else:
            _print_table(collected, comparison)
    failed = _print_failures(collected)
    if form.report is not None:
        _write_report(collected, form.report, options, comparison, form.highlight)
    return 1 if failed else 0


def _interpret(
    files: Sequence[str],
    *,
    model: str | None,
    lead: str | None,
    options: ReadOptions,
    runtime: str,
    threads: int | None,
) -> Iterator[FileResult]:
    from ecgfoundry.inference.files import default_model, expand_paths, interpret_files
    from ecgfoundry.inference.predictor import load_model

    paths = expand_paths(files, say=note)
    predictors: dict[str, Predictor] = {}
    if model is not None:  # a wrong name is one error, not one per file
        predictors[model] = load_model(model, runtime=runtime, threads=threads)

    def choose(file: EcgFile) -> Predictor:
        name = model or default_model(file)
        if name not in predictors:
            predictors[name] = load_model(name, runtime=runtime, threads=threads)
        return predictors[name]

    with progress("Interpreting", len(paths)) as bar:
        done = 0

        def tell(share: float) -> None:
            bar.update(done + share)

        for answer in interpret_files(choose, paths, options=options, lead=lead, tell=tell):
            done += 1
            bar.update(done)
            yield answer


def _say_document(comparison: Comparison | None, answer: Interpretation) -> None:
    """Print the JSON form of an answer, with what changed since an earlier recording beside it."""
    document = answer.to_dict()
    if comparison is not None:
        document = {"interpretation": document, "comparison": comparison.to_dict()}
    print_json(document)


def _say_each(
    results: Iterator[FileResult],
    model: str | None,
    say: Callable[[Interpretation], None],
    *,
    keep: bool,
) -> list[FileResult]:
    """Print each answer as soon as it is there; keep only failures unless a report follows."""
    from ecgfoundry.inference.interpretation import Interpretation

    kept = []
    for result in results:
        answer = result.interpretation
        if answer is None and result.error is not None:
            answer = Interpretation.of_failure(result.error, result.file, model)
        if answer is not None:
            say(answer)
        refused = result.interpretation is None or result.interpretation.refused is not None
        if keep or refused:
            kept.append(result)
    return kept


def _say_fhir(answer: Interpretation, *, options: ReadOptions, who: PersonOptions) -> None:
    import datetime as dt

    from ecgfoundry.reports.clinical import ClinicalReport, PatientLink, report_on_file
    from ecgfoundry.reports.fhir import to_fhir

    now, patient = dt.datetime.now(dt.UTC), PatientLink.said(who.patient, who.patient_system)
    if answer.duration_s is None or answer.file is None:  # it could not be read
        print_standard_json(to_fhir(ClinicalReport(answer, now, patient=patient)))
        return
    report = report_on_file(answer, Path(answer.file), options, issued=now, patient=patient)
    print_standard_json(to_fhir(report))


def _print_csv(results: Sequence[FileResult]) -> None:
    from ecgfoundry.reports.tables import csv_rows

    answers = [r.interpretation for r in results if r.interpretation is not None]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerows(csv_rows(answers))


def _print_table(results: Sequence[FileResult], comparison: Comparison | None) -> None:
    from rich.console import Console

    from ecgfoundry.reports.compared import comparison_table
    from ecgfoundry.reports.tables import terminal_table

    answers = [r.interpretation for r in results if r.interpretation is not None]
    if answers:
        terminal_table(answers, console=Console())
    if comparison is not None:
        comparison_table(comparison)


def _print_failures(results: Sequence[FileResult]) -> int:
    """Print one line per file that failed or was refused; return how many there are."""
    from ecgfoundry.samples import shown_name

    count = 0
    for result in results:
        if result.error is not None:
            print(f"ecgfoundry: {result.error}", file=sys.stderr)
            count += 1
        elif result.interpretation is not None and result.interpretation.refused is not None:
            reason = result.interpretation.refused
            name = shown_name(str(result.file))
            print(f"ecgfoundry: {name}: refused: {reason.message}", file=sys.stderr)
            count += 1
    if count and len(results) > 1:
        print(f"ecgfoundry: {count} of the files could not be interpreted", file=sys.stderr)
    return count


def _compare(form: AnswerOptions, files: Sequence[str], options: ReadOptions) -> Comparison:
    """Compare the one file with an earlier one.

    Raises
    ------
    EcgFoundryError
        There are several files, one is long, or they cannot be compared.
    """
    from ecgfoundry.criteria import compare_recordings
    from ecgfoundry.errors import SignalError
    from ecgfoundry.formats.files import open_file
    from ecgfoundry.inference.files import expand_paths
    from ecgfoundry.signals.windows import is_long

    later = expand_paths(files)
    if len(later) != 1:
        raise SignalError(
            f"{len(later)} files cannot be compared with one earlier recording",
            remedy="Give one file with --earlier",
        )
    recordings = []
    for path in (*expand_paths([form.earlier or ""]), *later):
        with open_file(path, options) as file:
            if is_long(file.duration_s):
                raise SignalError(
                    "is too long to be compared; recordings of up to a minute are",
                    path=path,
                    remedy="Cut a part out of it: ecgfoundry convert "
                    f"{shlex.quote(str(path))} part.edf --start 0 --duration 10",
                )
            recordings.append(file.read(annotations=False))
    return compare_recordings(*recordings, same_person=form.same_person or None)


def _write_report(
    results: Sequence[FileResult],
    path: Path,
    options: ReadOptions,
    comparison: Comparison | None,
    highlight: str | None,
) -> None:
    from ecgfoundry.inference.files import read_excerpt
    from ecgfoundry.inference.interpretation import Interpretation
    from ecgfoundry.io import write_whole
    from ecgfoundry.reports.html.report import ReportItem, html_report

    items = []
    for result in results:
        if result.interpretation is not None:
            read_part = partial(read_excerpt, Path(result.file), options)
            items.append(
                ReportItem(
                    read_part(),
                    result.interpretation,
                    read_part,
                    comparison=comparison,
                    highlight=highlight,
                )
            )
        elif result.error is not None:
            items.append(ReportItem(None, Interpretation.of_failure(result.error, result.file)))
    page = html_report(items)
    if path.suffix.lower() == ".pdf":
        from ecgfoundry.reports.pdf import html_to_pdf

        write_whole(path, html_to_pdf(page))
    else:
        write_whole(path, page.encode())
