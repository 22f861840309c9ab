"""CODE-test and CODE-15 % (Ribeiro et al. 2020, 2021): six findings from Brazilian telehealth.

Tracings are HDF5 datasets (recordings, 4096, 12) at 400 Hz, addressed by ``index``. The HDF5 reader
strips the zero padding at both ends, finds the order of the augmented leads from
``aVR = -(I + II)/2`` (the two descriptions of CODE-test contradict each other) and knows the units.

CODE-15 % comes as 18 parts. Each names its exams in ``exam_id``, so that a part that is not there
only loses its own exams; the parts end with a row of padding whose exam does not exist. Some
exams are still in their zip: unzip them first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option, find_file
from ecgfoundry.datasets.metadata_tables import integer_text, iterate_table
from ecgfoundry.errors import DatasetError, EcgFoundryError
from ecgfoundry.formats.arrays.hdf5_files import checked_dataset, open_hdf5
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.manifest import ManifestRow

__all__ = ["CODE15", "CODE_TEST", "FINDINGS"]

FINDINGS = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
ANNOTATORS = (
    "gold_standard",
    "cardiologist1",
    "cardiologist2",
    "cardiology_residents",
    "emergency_residents",
    "medical_students",
    "dnn",
)
_TRUTH = {"1": 1.0, "true": 1.0, "1.0": 1.0, "0": 0.0, "false": 0.0, "0.0": 0.0}


def truth(text: str) -> float | None:
    """Return 1, 0 or None from the spellings of the tables ("True", "1", "")."""
    return _TRUTH.get(text.strip().lower())


def _test_folder(folder: Path) -> Path:
    return folder / "data" if (folder / "data" / "attributes.csv").is_file() else folder


def recognise_test(folder: Path) -> bool:
    """Whether attributes and annotations are there."""
    base = _test_folder(folder)
    return (base / "attributes.csv").is_file() and (base / "annotations").is_dir()


def reading_test(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the tracings in order; attributes, annotations and tracings have the same order."""
    base = _test_folder(folder)
    tracings = base / "ecg_tracings.hdf5"
    annotator = options["annotator"]
    attributes = list(iterate_table(base / "attributes.csv", required=("age", "sex")))
    table = base / "annotations" / f"{annotator}.csv"
    annotations = list(iterate_table(table, required=FINDINGS))
    if len(attributes) != len(annotations):
        raise DatasetError(
            f"{len(annotations)} annotations do not belong to {len(attributes)} attributes",
            path=table,
        )
    if tracings.is_file():
        with open_hdf5(tracings) as file:
            count = int(checked_dataset(file, "tracings", tracings).shape[0])
        if count != len(attributes):
            raise DatasetError(
                f"{count} tracings do not belong to {len(attributes)} attributes", path=tracings
            )
    elif options["tracings"] == "required":
        raise DatasetError(
            "the tracings are not there",
            path=tracings,
            remedy="Add the file, or use the labels alone with the option tracings=optional",
        )
    else:
        report.note("The tracings are not there: the rows serve to score predictions only")
    report.note(f"Annotations of {annotator}")
    for number, (person, findings) in enumerate(zip(attributes, annotations, strict=True)):
        report.found += 1
        yield ManifestRow(
            record=f"code-test-{number:04d}",
            path=tracings.relative_to(folder).as_posix(),
            index=number,
            split="test",
            age=parse_age(person["age"]),
            sex=parse_sex(person["sex"]),
            targets={name: truth(findings[name]) for name in FINDINGS},
        )


def recognise_15(folder: Path) -> bool:
    """Whether the table of exams is there, as distributed or as fairseq-signals writes it."""
    return find_file(folder, "exams.csv", "meta.csv") is not None


def reading_15(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the exams whose part is there."""
    if (folder / "exams.csv").is_file():
        yield from _from_parts(folder, report)
    else:
        yield from _from_matlab(folder, report)


def _from_parts(folder: Path, report: DatasetReport) -> Iterator[ManifestRow]:
    places: dict[str, dict[str, int] | None] = {}
    required = ("exam_id", "age", "is_male", "patient_id", "trace_file", *FINDINGS)
    for cells in iterate_table(folder / "exams.csv", required=required):
        report.found += 1
        exam, part = integer_text(cells["exam_id"]) or "", Path(cells["trace_file"]).name
        if part not in places:
            places[part] = _exams_of(folder / part, report)
        index = places[part]
        if index is None:
            report.skip(f"{part} {_why_not(folder / part)}", exam)
        elif exam not in index:
            report.skip("exam not in its part", exam)
        else:
            yield _exam(cells, exam, part, index[exam])


def _why_not(path: Path) -> str:
    """Say why a part gives no exams, and what to do if it is only packed."""
    if path.is_file():
        return "is not readable"
    return "is still zipped" if path.with_suffix(".zip").is_file() else "is not there"


def _exams_of(path: Path, report: DatasetReport) -> dict[str, int] | None:
    """Return exam -> row of a part, None if the part cannot be read."""
    if not path.is_file():
        return None
    try:
        with open_hdf5(path) as file:
            exams = checked_dataset(file, "exam_id", path)[:].tolist()
            rows = int(checked_dataset(file, "tracings", path).shape[0])
    except EcgFoundryError as error:
        report.note(error.problem if error.path is None else f"{path.name}: {error.problem}")
        return None
    result: dict[str, int] = {}
    for row, exam in enumerate(exams[:rows]):
        result.setdefault(str(int(exam)), row)
    return result


def _from_matlab(folder: Path, report: DatasetReport) -> Iterator[ManifestRow]:
    """Rows for single .mat files with ``meta.csv``, as fairseq-signals preprocesses the set."""
    report.note("Single MATLAB files in the layout of fairseq-signals, described by meta.csv")
    required = ("exam_id", "age", "is_male", "patient_id", "save_file", *FINDINGS)
    for cells in iterate_table(folder / "meta.csv", required=required):
        report.found += 1
        exam, file = integer_text(cells["exam_id"]) or "", Path(cells["save_file"]).name
        if not (folder / file).is_file():
            report.skip("file not there", exam)
            continue
        yield _exam(cells, exam, file, None)


def _exam(cells: Mapping[str, str], exam: str, path: str, index: int | None) -> ManifestRow:
    male = truth(cells["is_male"])
    names = (*FINDINGS, *(("normal_ecg",) if "normal_ecg" in cells else ()))
    return ManifestRow(
        record=exam,
        path=path,
        index=index,
        patient=integer_text(cells["patient_id"]),
        age=parse_age(cells["age"]),
        sex=None if male is None else "male" if male else "female",
        targets={name: truth(cells[name]) for name in names},
    )


CODE_TEST = Dataset(
    name="code-test",
    title="CODE-test",
    licence="CC BY 4.0 (tracings), MIT (annotations in the authors' repository)",
    citation="Ribeiro AH, Ribeiro MH, Paixão GMM, et al. Automatic diagnosis of the 12-lead ECG "
    "using a deep neural network. Nature Communications 11, 1760 (2020)",
    url="https://doi.org/10.5281/zenodo.3625006",
    content="827 twelve-lead recordings of 7 or 10 s at 400 Hz, six findings by cardiologists",
    folder="attributes.csv, annotations/ and ecg_tracings.hdf5 (or a folder data/ with them)",
    labels="code-6",
    reading=reading_test,
    recognise=recognise_test,
    options={
        "annotator": Option("gold_standard", "whose findings are the targets", ANNOTATORS),
        "tracings": Option(
            "required", "optional: rows even without the tracings", ("required", "optional")
        ),
    },
)

CODE15 = Dataset(
    name="code15",
    title="CODE-15 %",
    licence="CC BY 4.0",
    citation="Ribeiro AH, Paixão GMM, Lima EM, et al. CODE-15%: a large scale annotated dataset of "
    "12-lead ECGs. doi 10.5281/zenodo.4916206",
    url="https://doi.org/10.5281/zenodo.4916206",
    content="345,779 twelve-lead recordings of 7 or 10 s at 400 Hz, 233,770 patients, six findings",
    folder="exams.csv and exams_part0.hdf5 … exams_part17.hdf5",
    labels="code-6",
    reading=reading_15,
    recognise=recognise_15,
    large=True,
)
