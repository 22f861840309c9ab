"""MC-MED (PhysioNet ``mc-med``): its folder on disk -> tables, waveforms, manifest, cohort flow.

118,385 adult emergency visits of 70,545 patients with bedside waveforms of lead II at 500 Hz and
laboratory results; access needs credentials and a data use agreement. The reader goes on over
everything that is broken and says what it left out: :class:`Issue` for each kind of fault, and a
cohort flow from all rows to the visits that enter a corpus.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecgfoundry.datasets.base import Dataset, DatasetReport, Interval, Option
from ecgfoundry.datasets.mc_med_tables import (
    Issue,
    data_folder,
    find_table,
    read_labs,
    read_splits,
    read_visits,
)
from ecgfoundry.datasets.mc_med_waveforms import Waveform, describe_waveform, find_waveforms
from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import EcgFoundryError, ManifestError
from ecgfoundry.extras import require_polars
from ecgfoundry.io import write_json
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.manifest.rows import plain_id

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "DATASET",
    "SYNTHETIC_MARK",
    "FlowStep",
    "McMed",
    "manifest",
    "open_mc_med",
    "write_report",
]

SYNTHETIC_MARK = "SYNTHETIC.json"
"""A file of this name in the data folder says that no patient stands behind the data."""

SPLIT_KINDS = ("random", "chrono")


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One step of the cohort flow: how many visits and patients are left after it, and why."""

    step: str
    visits: int
    patients: int

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {"step": self.step, "visits": self.visits, "patients": self.patients}


@dataclass(frozen=True)
class McMed:
    """The data set as it was found.

    Parameters
    ----------
    folder : Path
        That holds visits.csv.
    visits : DataFrame
        ``visit, patient, age, sex, arrival_time, roomed_time, departure_time, split``.
    labs : DataFrame
        See :func:`ecgfoundry.datasets.mc_med_tables.read_labs`; only of known visits.
    waveforms : tuple of Waveform
        Readable segments of lead II of known visits, with what their headers say.
    overlaps : mapping (visit, segment) -> float
        Seconds at the start of a segment that the segment before it covers already.
    flow : tuple of FlowStep
    issues : tuple of Issue
    synthetic : bool
    """

    folder: Path
    visits: pl.DataFrame
    labs: pl.DataFrame
    waveforms: tuple[Waveform, ...]
    overlaps: dict[tuple[str, int], float]
    flow: tuple[FlowStep, ...]
    issues: tuple[Issue, ...]
    synthetic: bool

    def manifest(self) -> Manifest:
        """Return one row per readable segment; rows of a visit share ``visit`` and ``patient``.

        ``start_s`` skips what the segment before covers already, so that no second of a visit
        stands in two rows.
        """
        known = {row["visit"]: row for row in self.visits.iter_rows(named=True)}
        rows = []
        for waveform in self.waveforms:
            visit = known[waveform.visit]
            covered = self.overlaps.get((waveform.visit, waveform.segment))
            if covered is not None and covered >= waveform.duration_s:
                continue  # the segment before holds all of it
            rows.append(
                ManifestRow(
                    record=f"{waveform.visit}_{waveform.segment}",
                    path=waveform.path,
                    start_s=covered,
                    patient=visit["patient"],
                    visit=waveform.visit,
                    split=visit["split"],
                    age=visit["age"],
                    sex=visit["sex"],
                    site="mc-med-synthetic" if self.synthetic else "mc-med",
                    device="Philips IntelliVue" if not self.synthetic else "simulated",
                )
            )
        return Manifest(tuple(rows), self.folder)

    def report(self) -> JsonObject:
        """Return the cohort flow and every issue as a JSON document."""
        return {
            "data_set": "MC-MED (synthetic)" if self.synthetic else "MC-MED",
            "synthetic": self.synthetic,
            "flow": [step.to_dict() for step in self.flow],
            "issues": [issue.to_dict() for issue in self.issues],
        }


def manifest(folder: str | Path, *, split: str = "random") -> Manifest:
    """Return the manifest of lead II; see :func:`open_mc_med`."""
    return open_mc_med(folder, split=split, labs=False).manifest()


def open_mc_med(folder: str | Path, *, split: str = "random", labs: bool = True) -> McMed:
    """Read the tables and every header of lead II; no signal is read.

    Parameters
    ----------
    folder : str or Path
        As PhysioNet ships it, or its ``data`` folder; waveforms unpacked or in the zip files.
    split : {"random", "chrono"}
        Which official split to use. Both are by patient.
    labs : bool
        Whether to read labs.csv (752 MB in version 1.0.1).

    Raises
    ------
    FileAccessError
        There is no visits.csv.
    ManifestError
        visits.csv lacks CSN or MRN, or ``split`` is unknown.
    MissingExtraError
        The extra ``data`` is not installed.
    """
    pl = require_polars("reading MC-MED")
    if split not in SPLIT_KINDS:
        raise ManifestError(f"there is no split '{split}'; there are {', '.join(SPLIT_KINDS)}")
    place = data_folder(folder)
    issues: list[Issue] = []
    path = find_table(place, "visits")
    assert path is not None  # noqa: S101 - data_folder has just found it
    visits, found = read_visits(path)
    issues += found
    flow = [_step("visits in visits.csv (one row per CSN)", visits)]
    visits, found = _with_splits(visits, *read_splits(place, split))
    issues += found
    waveforms, found = _waveforms(place, set(visits["visit"]))
    issues += found
    overlaps, found = _clock_overlaps(waveforms)
    issues += found
    recorded = {waveform.visit for waveform in waveforms}
    with_ecg = visits.filter(pl.col("visit").is_in(list(recorded)))
    flow.append(_step("with a readable segment of lead II", with_ecg))
    with_split = with_ecg.filter(pl.col("split").is_not_null())
    flow.append(_step(f"in one of the splits '{split}'", with_split))
    results, found = _labs(place, visits, recorded) if labs else (_no_labs(), [])
    issues += found
    if labs:
        tested = with_split.filter(pl.col("visit").is_in(results["visit"].unique().implode()))
        flow.append(_step("with a laboratory result", tested))
    synthetic = (place / SYNTHETIC_MARK).is_file()
    return McMed(
        place, visits, results, tuple(waveforms), overlaps, tuple(flow), tuple(issues), synthetic
    )


def _step(words: str, visits: pl.DataFrame) -> FlowStep:
    return FlowStep(words, len(visits), visits["patient"].n_unique())


def _with_splits(
    visits: pl.DataFrame, splits: pl.DataFrame, issues: list[Issue]
) -> tuple[pl.DataFrame, list[Issue]]:
    """Join the splits; a patient who stands in two is used in none, so that nothing can leak.

    A number that is written in several ways (9012, 9012.0, 09012) counts as one patient here.
    """
    pl = require_polars("reading MC-MED")
    issues = list(issues)
    unknown = splits.join(visits, on="visit", how="anti")["visit"]
    if len(unknown):
        issues.append(Issue.of("split-unknown-csn", "CSN of a split without a visit", unknown))
    joined = visits.join(splits, on="visit", how="left", maintain_order="left")
    names = {name: plain_id(name) for name in joined["patient"].unique().to_list()}
    joined = joined.with_columns(pl.col("patient").replace_strict(names).alias("person"))
    spelled = len(names) - len(set(names.values()))
    if spelled:
        words = "numbers of patients that are another one in another spelling"
        issues.append(Issue("patient-spelling", words, spelled))
    counts = joined.group_by("person").agg(pl.col("split").drop_nulls().n_unique().alias("n"))
    torn = counts.filter(pl.col("n") > 1)["person"]
    if len(torn):
        words = "patients with visits in two splits; their visits are used in none"
        issues.append(Issue("patient-in-two-splits", words, len(torn)))
        leaking = pl.col("person").is_in(torn.implode())
        joined = joined.with_columns(pl.when(~leaking).then(pl.col("split")).alias("split"))
    joined = joined.drop("person")
    without = int(joined["split"].is_null().sum())
    if without:
        issues.append(Issue("visit-without-split", "visits that stand in no split", without))
    return joined, issues


def _waveforms(folder: Path, known: set[str]) -> tuple[list[Waveform], list[Issue]]:
    found, issues = find_waveforms(folder, "II")
    strangers = [waveform.path for waveform in found if waveform.visit not in known]
    if strangers:
        issues.append(
            Issue.of("waveform-without-visit", "segments of a CSN without a visit", strangers)
        )
    readable: list[Waveform] = []
    faults: dict[str, list[str]] = defaultdict(list)
    timeless: list[str] = []
    for waveform in found:
        if waveform.visit not in known:
            continue
        try:
            described = describe_waveform(folder, waveform)
        except EcgFoundryError as error:
            faults[error.code].append(waveform.path)
            continue
        if described.start_us is None:
            timeless.append(waveform.path)
        readable.append(described)
    for code, names in sorted(faults.items()):
        issues.append(Issue.of(f"waveform-{code}", f"segments left out ({code})", names))
    if timeless:
        words = "segments without a start time; they get no laboratory values by time"
        issues.append(Issue.of("waveform-without-time", words, timeless))
    return readable, issues


def _clock_overlaps(
    waveforms: list[Waveform],
) -> tuple[dict[tuple[str, int], float], list[Issue]]:
    """Find segments that begin before one of the same visit has ended, by their clocks."""
    overlaps: dict[tuple[str, int], float] = {}
    ends: dict[str, int] = {}
    names = []
    timed = [w for w in waveforms if w.start_us is not None]
    for waveform in sorted(timed, key=lambda w: (w.visit, w.start_us, w.segment)):
        start = waveform.start_us or 0
        end = ends.get(waveform.visit)
        if end is not None and start < end:
            overlaps[waveform.visit, waveform.segment] = (end - start) / 1e6
            names.append(waveform.path)
        stop = start + round(1e6 * waveform.duration_s)
        ends[waveform.visit] = stop if end is None else max(end, stop)
    if not names:
        return {}, []
    words = "segments that begin before another of the visit ends; the overlap counts once"
    return overlaps, [Issue.of("clock-overlap", words, names)]


def _no_labs() -> pl.DataFrame:
    pl = require_polars("reading MC-MED")
    return pl.DataFrame(schema={"visit": pl.String})


def _labs(
    folder: Path, visits: pl.DataFrame, recorded: set[str]
) -> tuple[pl.DataFrame, list[Issue]]:
    path = find_table(folder, "labs")
    if path is None:
        return _no_labs(), [Issue("table-missing", "labs.csv is missing: there are no labels", 1)]
    try:
        labs, issues = read_labs(path)
    except ManifestError as error:
        return _no_labs(), [Issue("table-unusable", error.problem, 1, ("labs.csv",))]
    strangers = labs.join(visits, on="visit", how="anti")
    if len(strangers):
        names = strangers["visit"].unique(maintain_order=True)
        words = f"CSN with results but without a visit ({len(strangers)} results left out)"
        issues.append(Issue.of("labs-without-visit", words, names))
        labs = labs.join(visits, on="visit", how="semi", maintain_order="left")
    tested = set(labs["visit"].unique())
    untested = sorted(visit for visit in recorded if visit not in tested)
    if untested:
        issues.append(
            Issue.of("visit-without-labs", "visits with lead II but without results", untested)
        )
    return labs, issues


def write_report(data: McMed, path: str | Path) -> Path:
    """Write the cohort flow and the issues as JSON, whole or not at all."""
    path = Path(path)
    write_json(path, data.report())
    return path


_LEFT_OUT = ("header-missing", "dat-missing", "waveform-misplaced", "waveform-without-visit")
_KEPT = ("waveform-twice", "waveform-without-time")


def recognise(folder: Path) -> bool:
    """Whether visits.csv has the columns of MC-MED."""
    for place in (folder, folder / "data"):
        path = find_table(place, "visits")
        if path is not None and path.suffix == ".csv":
            with path.open("rb") as stream:
                head = stream.readline(4096)
            return b"CSN" in head and b"MRN" in head
        if path is not None:
            return True
    return False


def reading(
    folder: Path, report: DatasetReport, options: Mapping[str, str]
) -> Iterator[ManifestRow | Interval]:
    """Yield the readable segments of lead II."""
    data = open_mc_med(folder, split=options["split"], labs=False)
    prefix = data.folder.relative_to(folder).as_posix()
    for issue in data.issues:
        left_out = issue.code in _LEFT_OUT or issue.code.startswith("waveform-")
        if left_out and issue.code not in _KEPT:
            report.found += issue.count
            report.skipped[issue.message] += issue.count
            report.examples[issue.message] = list(issue.examples[:3])
        else:
            report.counts[issue.message] += issue.count
    report.found += len(data.waveforms)
    rows = data.manifest().rows
    covered = len(data.waveforms) - len(rows)
    if covered:
        report.skipped["the segment before holds all of it"] += covered
    if data.synthetic:
        report.note("synthetic: no patient stands behind these data")
    for step in data.flow:
        report.note(f"{step.visits} visits of {step.patients} patients: {step.step}")
    for row in rows:
        yield row if prefix == "." else replace(row, path=f"{prefix}/{row.path}")


DATASET = Dataset(
    name="mc-med",
    title="MC-MED: Multimodal Clinical Monitoring in the Emergency Department 1.0.1",
    licence="PhysioNet Credentialed Health Data License 1.5.0",
    citation="MC-MED, Sci Data 12:1094 (2025)",
    url="https://physionet.org/content/mc-med/1.0.1/",
    content="lead II at 500 Hz of 83,623 emergency visits, with laboratory results",
    folder="visits.csv and waveforms (unpacked or as zip files), or a folder data/ with them",
    labels="",
    reading=reading,
    recognise=recognise,
    options={"split": Option("random", "which official split", SPLIT_KINDS)},
    large=True,
)
