"""``ecgfoundry convert``: recordings in, the same signals in another format out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import ReadingOptions
from ecgfoundry.cli.saying import error_document, note, print_json, progress
from ecgfoundry.cli.vocabulary import JsonResult

if TYPE_CHECKING:
    from ecgfoundry.formats.common.writing import Written
    from ecgfoundry.recording import Recording


def convert(
    *paths: str,
    to: Annotated[str | None, Parameter(name="--to")] = None,
    subject: Annotated[bool, Parameter(name="--subject", negative="--no-subject")] = True,
    force: Annotated[bool, Parameter(name="--force", negative="")] = False,
    reading: ReadingOptions | None = None,
    start: float = 0.0,
    duration: float | None = None,
    json: JsonResult = False,
) -> int:
    """Convert recordings: ecgfoundry convert IN... OUT.

    Reading the output back gives the same leads, rate and samples, each within half the step that
    is printed. What the format cannot hold is said. A batch goes on after a file that cannot be
    converted; the exit code is then 1.

    Parameters
    ----------
    paths
        Files, folders or patterns, and last the output: a file whose ending names the format, or
        a folder for several recordings.
    to
        wfdb, edf, dicom, npz or parquet, where the output is a folder (or to overrule its ending).
    subject
        With --no-subject, age, sex, identifier, start time and free header text are left out.
    force
        Replace files that are there.
    start
        Seconds from the beginning to leave out.
    duration
        Seconds to convert; by default all.
    """
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.files import read
    from ecgfoundry.formats.writers import write

    if len(paths) < 2:
        print("ecgfoundry: name at least one input and the output; see: ecgfoundry convert --help",
              file=sys.stderr)  # fmt: skip
        return 2
    options = (reading or ReadingOptions()).to_read()
    failed = 0
    taken: dict[Path, Path] = {}
    jobs = _jobs(paths[:-1], Path(paths[-1]), to)
    with progress("Converting", len(jobs)) as bar:
        for done, (source, target) in enumerate(jobs):
            bar.update(done)
            try:
                _refuse_collision(source, target, taken)
                recording = read(source, options, start_s=start, duration_s=duration)
                written = write(recording, target, format=to, keep_subject=subject, overwrite=force)
            except EcgFoundryError as error:
                failed += 1
                if json:
                    print_json({"file": source} | error_document(error))
                print(f"ecgfoundry: {error}", file=sys.stderr)
                continue
            if json:
                print_json(_document(source, recording, written))
            else:
                print(_line(source, recording, written))
    if len(jobs) > 1:
        note(f"{len(jobs) - failed} of {len(jobs)} recordings were converted")
    return 1 if failed else 0


def _jobs(inputs: Sequence[str], output: Path, to: str | None) -> list[tuple[Path, Path]]:
    """Pair every input with its output file, before anything is read."""
    from ecgfoundry.errors import UnknownFormatError
    from ecgfoundry.formats.writers import writer_for
    from ecgfoundry.inference.files import expand_paths

    sources = expand_paths(inputs, say=note)
    is_folder = output.is_dir() or len(sources) > 1 or any(Path(one).is_dir() for one in inputs)
    if not is_folder and (output.suffix or to):
        writer_for(output, to)
        return [(sources[0], output)]
    if to is None:
        raise UnknownFormatError(
            "the output is a folder, so the format has to be named",
            path=output,
            remedy="Add --to wfdb, edf, dicom, npz or parquet",
        )
    extension = writer_for(output, to).extension
    return [(one, output / _below(one, inputs).with_suffix(extension)) for one in sources]


def _below(source: Path, inputs: Sequence[str]) -> Path:
    """Return the path of a source below the folder that was named, else its name."""
    for one in inputs:
        if Path(one).is_dir() and source.is_relative_to(one):
            return source.relative_to(one)
    return Path(source.name)


def _refuse_collision(source: Path, target: Path, taken: dict[Path, Path]) -> None:
    from ecgfoundry.errors import FileAccessError

    first = taken.setdefault(target, source)
    if first != source:
        raise FileAccessError(
            f"'{first.name}' was already converted to '{target.name}'",
            path=source,
            remedy="Rename one of them, or convert them into different folders",
        )


def _document(source: Path, recording: Recording, written: Written) -> dict[str, Any]:
    return {
        "file": source,
        "output": written.path,
        "leads": recording.leads,
        "sampling_rate_hz": recording.sampling_rate,
        "duration_s": recording.duration_s,
        "step_mv": written.step_mv,
        "notes": written.notes,
    }


def _line(source: Path, recording: Recording, written: Written) -> str:
    from ecgfoundry.samples import shown_name

    leads = len(recording.leads)
    step = f"step {written.step_mv * 1000:g} uV" if written.step_mv else "exact"
    parts = [
        f"{leads} lead{'s' if leads > 1 else ''}",
        f"{recording.sampling_rate:g} Hz",
        f"{recording.duration_s:g} s",
        step,
        *written.notes,
    ]
    return f"{shown_name(str(source))} -> {written.path}: {'; '.join(parts)}"
