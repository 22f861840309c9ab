"""Files, folders and patterns in, interpretations out; one bad file never stops the others."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry.errors import EcgFoundryError, FileAccessError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import EcgFile, open_file, read
from ecgfoundry.formats.registry import identify, recordings_in_archive
from ecgfoundry.formats.zip.names import MEMBER_SEPARATOR
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.stating import with_statements
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.followed import Followed
from ecgfoundry.recording import Recording
from ecgfoundry.samples import named_file
from ecgfoundry.signals.windows import is_long
from ecgfoundry.units import MINIMUM_SAMPLING_RATE, check_sampling_rate

__all__ = [
    "FileResult",
    "default_model",
    "expand_paths",
    "interpret_file",
    "interpret_files",
    "model_for_leads",
    "read_excerpt",
    "window_source",
    "without_sidecars",
]

TWELVE_LEAD_MODEL = "ptbxl-superclass-12lead"
SINGLE_LEAD_MODEL = "rhythm-single-lead"
MINIMUM_LEADS_FOR_DIAGNOSES = 3
EXCERPT_S = 60.0

Tell = Callable[[float], None]
"""Told the share of a long file that is read, 0 to 1."""

_SIDECAR_SUFFIXES = (".dat", ".atr", ".md", ".html", ".xml.bak")


def _nobody(share: float) -> None:
    """Nobody wants to know how far it is."""


def window_source(file: EcgFile) -> EcgFile | Recording:
    """Return what the windows of a file are taken from.

    A long file is read window by window, any other once. Its windows are then cut in memory.

    Raises
    ------
    SamplingRateError
        No ECG has this rate.
    """
    check_sampling_rate(file.sampling_rate, minimum=MINIMUM_SAMPLING_RATE)
    return file if is_long(file.duration_s) else file.read(annotations=False)


def default_model(file: EcgFile | Recording) -> str:
    """Return the shipped model that suits a recording when none was named (our choice).

    The twelve-lead model for recordings of up to a minute with at least three standard leads,
    else the single-lead rhythm model.
    """
    return SINGLE_LEAD_MODEL if is_long(file.duration_s) else model_for_leads(file.leads)


def model_for_leads(leads: Sequence[str]) -> str:
    """Return the shipped model that suits a signal of these leads when none was named."""
    standard = sum(lead in STANDARD_12_LEADS for lead in leads)
    return TWELVE_LEAD_MODEL if standard >= MINIMUM_LEADS_FOR_DIAGNOSES else SINGLE_LEAD_MODEL


def read_excerpt(
    path: Path, options: ReadOptions, start_s: float = 0.0, duration_s: float = EXCERPT_S
) -> Recording:
    """Return a part of a recording, by default its first minute, for drawing."""
    return read(path, options, start_s=start_s, duration_s=duration_s)


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file: its interpretation, or why it could not be read."""

    file: str
    interpretation: Interpretation | None = None
    error: EcgFoundryError | None = None


def interpret_file(
    predictor: Predictor,
    path: str | Path,
    *,
    options: ReadOptions | None = None,
    lead: str | None = None,
) -> Interpretation:
    """Read and interpret one file; long ones in bounded memory.

    Raises
    ------
    EcgFoundryError
        The file cannot be read.
    """
    with open_file(path, options) as file:
        return _interpret(predictor, file, lead=lead, name=str(path))


def _interpret(
    predictor: Predictor, file: EcgFile, *, lead: str | None, name: str, tell: Tell = _nobody
) -> Interpretation:
    source = window_source(file)
    about = file.info if isinstance(source, EcgFile) else source
    followed = Followed(source, tell) if isinstance(source, EcgFile) else source
    answer = predictor.interpret_source(followed, recording=about, lead=lead, file=name)
    return with_statements(answer, source, about.subject, lead=lead)


def interpret_files(
    choose: Callable[[EcgFile], Predictor],
    paths: Iterable[Path],
    *,
    options: ReadOptions | None = None,
    lead: str | None = None,
    tell: Tell = _nobody,
) -> Iterator[FileResult]:
    """Interpret many files; each is opened once and gives a result or its error, in order.

    ``choose`` gives the model for an opened file; an error of its own counts as one of that file.
    ``tell`` is called now and then with the share of a long file that is read.
    """
    for path in paths:
        try:
            with open_file(path, options) as file:
                answer = _interpret(choose(file), file, lead=lead, name=str(path), tell=tell)
        except EcgFoundryError as error:
            yield FileResult(str(path), error=error)
        else:
            yield FileResult(str(path), interpretation=answer)


def expand_paths(
    arguments: Sequence[str | Path], *, say: Callable[[str], None] | None = None
) -> list[Path]:
    """Turn files, folders, patterns and ``sample:`` names into a list of recordings, each once.

    A folder stands for the recordings in it and below: of a WFDB record only its header, and no
    hidden files, tables of contents or side-cars. A ZIP archive with several recordings stands for
    them, each as ``archive.zip::member``.

    Parameters
    ----------
    arguments : sequence of str or Path
    say : callable (str), optional
        Told how many files of folders are no recordings.

    Raises
    ------
    FileAccessError
        A pattern or a folder gives nothing, so that a typing mistake does not pass silently.
    """
    paths, unknown = find_recordings(arguments)
    if unknown and say is not None:
        say(
            f"{len(unknown)} file(s) are of no format that is read here and were skipped "
            f"(for example {unknown[0]})"
        )
    return paths


def find_recordings(arguments: Sequence[str | Path]) -> tuple[list[Path], list[Path]]:
    """Return the recordings as :func:`expand_paths` does, and the files of folders that are none.

    Raises
    ------
    FileAccessError
    """
    result: dict[Path, None] = {}
    unknown: dict[Path, None] = {}
    for argument in arguments:
        path = named_file(argument)
        if path.is_dir():
            found, others = _recordings_below(path)
            unknown.update(dict.fromkeys(others))
            problem = "the folder holds no recording that can be read"
        elif glob.has_magic(str(argument)) and not path.exists():
            names = glob.glob(str(argument), recursive=True)  # noqa: PTH207 (absolute patterns)
            matches = map(Path, names)
            found = without_sidecars(sorted(match for match in matches if match.is_file()))
            problem = "nothing matches this pattern"
        else:
            found, problem = [path], ""
        found = [member for file in found for member in _archive_members(file)]
        if not found:
            raise FileAccessError(problem or "the archive holds no recording", path=path)
        result.update(dict.fromkeys(found))
    return list(result), list(unknown)


def _archive_members(path: Path) -> list[Path]:
    """Return the recordings of a ZIP archive with several; any other path as it is."""
    if path.suffix.lower() != ".zip" or not path.is_file():
        return [path]
    try:
        members = recordings_in_archive(path)
    except EcgFoundryError:
        return [path]  # its own row of the result says why
    if len(members) == 1:
        return [path]
    return [Path(f"{path}{MEMBER_SEPARATOR}{member}") for member in members]


def _recordings_below(folder: Path) -> tuple[list[Path], list[Path]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    visible = [
        path
        for path in files
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    recordings, unknown = [], []
    for path in without_sidecars(visible):
        try:
            identify(path)
        except EcgFoundryError:
            unknown.append(path)
            continue
        recordings.append(path)
    return recordings, unknown


def without_sidecars(paths: Sequence[Path]) -> list[Path]:
    """Leave out the signal and annotation files of WFDB records, and metadata."""
    headers = {path.with_suffix("") for path in paths if path.suffix == ".hea"}
    # A .json beside another file is its side-car; on its own it may be a Kardia recording.
    beside = {path.with_suffix("") for path in paths if path.suffix.lower() != ".json"}
    return [
        path
        for path in paths
        if path.suffix == ".hea"
        or (
            path.with_suffix("") not in headers
            and path.suffix.lower() not in _SIDECAR_SUFFIXES
            and (path.suffix.lower() != ".json" or path.with_suffix("") not in beside)
            and path.name not in ("RECORDS", "ANNOTATORS", "REFERENCE.csv")
        )
    ]
