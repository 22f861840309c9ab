"""How often the criteria agree with the labels of public 12-lead sets in real millivolts.

``python -m benchmarks.experiments.statements --data FOLDER`` prints sensitivity and specificity of
every statement that has labels, with counts and 95 % intervals (Wilson), on the records of the
PhysioNet/CinC Challenges 2020/2021 and of PTB-XL at 500 Hz that FOLDER holds
(``cinc2021_more.zip``, ``formats/cinc2021_wfdb_mat4``, ``ptbxl_raw.zip``); ``--csv FILE`` writes
the table too, and ``--rules FILE`` the one of all criteria. ``--repeat`` prints how far
measurements differ between two halves of one recording, ``--serial`` the changes that are found
between two windows of one recording (all of them false), ``--list NAME`` the records on which a
statement and its label differ, and ``--premature`` the figures of premature beats on
``ptbxl_subset``, of other people: there the rules of short recordings were chosen.

Labels are incomplete. A record counts for a statement when its source uses one of the statement's
codes at all (a code that no record of the source bears is one that its readers did not look for),
and when it bears none of the codes that leave the statement open. Children under 16 are left out,
because the limits are those of adults. Limits come from the literature
and were not moved by these figures.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import csv
import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import ecgfoundry
from ecgfoundry.criteria import Statement, compare_recordings, criteria, state
from ecgfoundry.criteria.registry import ADULT_FROM
from ecgfoundry.criteria.variability import REPEAT
from ecgfoundry.criteria.wording import CRITERIA_COLUMNS, criterion_row
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.values import GLOBAL_VALUES, LEAD_VALUES
from ecgfoundry.metrics.decisions import wilson_interval
from ecgfoundry.recording import Recording

CINC = ("cinc2021_more.zip", "formats/cinc2021_wfdb_mat4")
PTBXL = "ptbxl_raw.zip"


@dataclass(frozen=True)
class Truth:
    """What labels mean for a statement.

    ``snomed`` and ``scp`` make it present, ``open_codes`` leave it open. Where ``without`` is
    given, only records that bear one of those codes count as without it. ``statements`` are those
    of which one has to be made; none: the one that the row is named after.
    """

    snomed: tuple[str, ...] = ()
    scp: tuple[str, ...] = ()
    open_codes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()


TRUTHS: dict[str, Truth] = {
    "SINUS RHYTHM": Truth(
        ("426783006", "426177001", "427084000", "427393009"),
        ("SR", "SBRAD", "STACH", "SARRH"),
        without=tuple(
            "164889003 164890007 426761007 10370003 29320008 27885002 AFIB AFLT PSVT SVTAC SVARR "
            "PACE".split()
        ),
    ),
    "SINUS BRADYCARDIA": Truth(("426177001",), ("SBRAD",), ("426627000",)),
    "SINUS TACHYCARDIA": Truth(("427084000",), ("STACH",)),
    "WITH SINUS ARRHYTHMIA": Truth(("427393009",), ("SARRH",)),
    "ATRIAL FIBRILLATION": Truth(
        ("164889003", "282825002", "426749004", "314208002"), ("AFIB",), ("195080001", "164890007")
    ),
    "ATRIAL FLUTTER": Truth(("164890007",), ("AFLT",), ("195080001",)),
    "SUPRAVENTRICULAR TACHYCARDIA": Truth(
        ("426761007", "67198005", "251166008", "233897008", "713422000"), ("SVTAC", "PSVT")
    ),
    "PREMATURE VENTRICULAR COMPLEXES": Truth(
        ("427172004", "17338001", "164884008", "11157007", "251180001", "251182009"), ("PVC",)
    ),
    "PREMATURE ATRIAL COMPLEXES": Truth(
        ("284470004", "63593006", "251173003", "251168009"), ("PAC",), ("251170000", "PRC(S)")
    ),
    "WITH 1ST DEGREE AV BLOCK": Truth(("270492004",), ("1AVB",), ("164947007", "233917008", "LPR")),
    "WITH SHORT PR": Truth(("49578007",), (), ("74390002", "195060002")),
    "RIGHT BUNDLE BRANCH BLOCK": Truth(
        ("59118001", "713427006"), ("CRBBB",), ("6374002", "713426002", "IRBBB")
    ),
    "RBBB, complete or not": Truth(
        ("59118001", "713427006", "713426002"),
        ("CRBBB", "IRBBB"),
        ("6374002",),
        statements=(
            "RIGHT BUNDLE BRANCH BLOCK",
            "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK",
            "RSR' PATTERN IN V1",
            "RSR' OR QR PATTERN IN V1 SUGGESTS RIGHT VENTRICULAR CONDUCTION DELAY",
        ),
    ),
    "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK": Truth(
        ("713426002",), ("IRBBB",), ("59118001", "713427006", "6374002")
    ),
    "LEFT BUNDLE BRANCH BLOCK": Truth(
        ("164909002", "733534002"), ("CLBBB",), ("6374002", "251120003")
    ),
    "LEFT ANTERIOR FASCICULAR BLOCK": Truth(("445118002",), ("LAFB",)),
    "LEFT POSTERIOR FASCICULAR BLOCK": Truth(("445211001",), ("LPFB",)),
    "NONSPECIFIC INTRAVENTRICULAR BLOCK": Truth(("698252002", "82226007"), ("IVCD",), ("6374002",)),
    "WOLFF-PARKINSON-WHITE": Truth(("74390002", "195060002"), ("WPW",)),
    "LEFT AXIS DEVIATION": Truth(("39732003",), (), ("445118002",)),
    "RIGHT AXIS DEVIATION": Truth(("47665007",), (), ("445211001", "251200008")),
    "LOW VOLTAGE QRS": Truth(("251146004",), ("LVOLT",)),
    "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY": Truth(
        ("164873001", "55827005"), ("LVH", "VCLVH"), ("266249003", "HVOLT")
    ),
    "LEFT VENTRICULAR HYPERTROPHY": Truth(("164873001",), ("LVH",), ("266249003", "55827005")),
    "RIGHT VENTRICULAR HYPERTROPHY": Truth(("89792004",), ("RVH",), ("266249003",)),
    "LEFT ATRIAL ENLARGEMENT": Truth(
        ("67741000119109", "253352002", "446813000"), ("LAO/LAE",), ("195126007", "164912004")
    ),
    "RIGHT ATRIAL ENLARGEMENT": Truth(
        ("446358003", "253339007", "67751000119106", "251223006"), ("RAO/RAE",), ("195126007",)
    ),
    "INFERIOR INFARCT": Truth((), ("IMI", "ILMI", "IPMI", "IPLMI")),
    "ANTEROSEPTAL INFARCT": Truth((), ("ASMI",)),
    "ANTERIOR INFARCT": Truth(("54329005",), ("AMI",), ("164865005", "164867002", "ASMI", "ALMI")),
    "ST DEPRESSION": Truth(("429622005", "704997005"), ("STD_",), ("164930006", "55930002")),
    "ST ELEVATION": Truth(("164931005",), ("STE_",), ("164930006", "55930002")),
    "T WAVE INVERSION": Truth(("59931005",), ("INVT",), ("164934002", "TAB_")),
    "NONSPECIFIC T WAVE ABNORMALITY": Truth(
        ("164934002",), ("NDT", "NT_", "LOWT", "TAB_"), ("59931005", "INVT")
    ),
    "PROLONGED QT": Truth(("111975006",), ("LNGQT",)),
    "EARLY REPOLARIZATION": Truth(("428417006",)),
    "VENTRICULAR-PACED RHYTHM": Truth(("251266004",), (), ("10370003", "PACE")),
    "BRUGADA TYPE 1 PATTERN": Truth(("418818005",)),
}
"""What the labels of the data sets mean; a finding that implies another counts for both."""


@dataclass(frozen=True)
class Labelled:
    """One record of a set: its header, source, codes and the person."""

    path: Path
    source: str
    codes: frozenset[str]
    age: float | None
    sex: str | None


@contextlib.contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Give a folder: the source itself, or the content of a zip file for a while."""
    if source.is_dir():
        yield source
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(source) as archive:
        archive.extractall(folder)
        yield Path(folder)


def cinc_records(folder: Path) -> Iterator[Labelled]:
    """Yield the records of the challenges; the source is the letters of the record's name."""
    for header in sorted(folder.rglob("*.hea")):
        text = header.read_text(encoding="utf-8", errors="replace")
        codes = re.search(r"#\s*Dx:\s*([\d,\s]+)", text)
        if codes is None or not header.with_suffix(".mat").exists():
            continue
        age = re.search(r"#\s*Age:\s*(\d+)", text)
        sex = re.search(r"#\s*Sex:\s*(\w+)", text)
        word = sex.group(1).lower()[:1] if sex else ""
        yield Labelled(
            header,
            re.match(r"[A-Za-z]+", header.stem).group(0),  # type: ignore[union-attr]
            frozenset(codes.group(1).replace(" ", "").strip().split(",")),
            float(age.group(1)) if age else None,
            {"m": "male", "f": "female"}.get(word),
        )


def ptbxl_records(folder: Path) -> Iterator[Labelled]:
    """Yield the records of PTB-XL whose signals are there."""
    table = next(folder.rglob("ptbxl_database.csv"))
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            header = table.parent / f"{row['filename_hr']}.hea"
            if header.exists():
                yield Labelled(
                    header,
                    "PTB-XL",
                    frozenset(ast.literal_eval(row["scp_codes"])),
                    float(row["age"]) if row["age"] else None,
                    {"0": "male", "1": "female"}.get(row["sex"]),
                )


def uses(records: list[Labelled]) -> dict[str, frozenset[str]]:
    """Source -> every code that one of its records bears."""
    result: dict[str, frozenset[str]] = {}
    for record in records:
        result[record.source] = result.get(record.source, frozenset()) | record.codes
    return result


def wanted(name: str, record: Labelled, used: dict[str, frozenset[str]]) -> bool | None:
    """Whether the label says that a statement is present; None where it does not say."""
    truth = TRUTHS[name]
    codes = {*truth.snomed, *truth.scp}
    if record.codes & codes:
        return True
    if record.codes & set(truth.open_codes) or not used[record.source] & codes:
        return None
    if truth.without and not record.codes & set(truth.without):
        return None
    return False


def said(name: str, stated: dict[str, Statement]) -> bool | None:
    """Whether one of the statements of a row is made."""
    answers = [stated[n].present for n in TRUTHS[name].statements or (name,) if n in stated]
    if True in answers:
        return True
    return None if None in answers or not answers else False


TALLY_COLUMNS = ["statement", "with", "sensitivity", "without", "specificity", "not to be told"]


@dataclass
class Tally:
    """Counts of one statement."""

    true_positive: int = 0
    false_negative: int = 0
    true_negative: int = 0
    false_positive: int = 0
    untold: int = 0
    missed: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    def add(self, said: bool | None, label: bool, record: str) -> None:
        """Count one record; what cannot be told counts as not said."""
        self.untold += said is None
        if label and said:
            self.true_positive += 1
        elif label:
            self.false_negative += 1
            self.missed.append(record)
        elif said:
            self.false_positive += 1
            self.extra.append(record)
        else:
            self.true_negative += 1

    def cells(self, name: str) -> list[str]:
        """Return a line of the table: what :data:`TALLY_COLUMNS` name."""
        positives = self.true_positive + self.false_negative
        negatives = self.true_negative + self.false_positive
        return [
            name,
            str(positives),
            _share(self.true_positive, positives),
            str(negatives),
            _share(self.true_negative, negatives),
            str(self.untold),
        ]


def _share(count: int, total: int) -> str:
    if total == 0:
        return "–"
    low, high = wilson_interval(np.array([count]), np.array([total]))
    return f"{count / total:.3f} ({float(low[0]):.3f}–{float(high[0]):.3f})"


def measured(records: list[Labelled]) -> Iterator[tuple[Labelled, Measurements]]:
    """Measure every record."""
    for record in records:
        yield record, ecgfoundry.measure(record.path)


def tallies(pairs: list[tuple[Labelled, Measurements]]) -> dict[str, Tally]:
    """Compare statements and labels."""
    used = uses([record for record, _ in pairs])
    adults = [(r, m) for r, m in pairs if r.age is None or r.age >= ADULT_FROM]
    result = {name: Tally() for name in TRUTHS}
    for record, measurements in adults:
        stated = {s.name: s for s in state(measurements, age=record.age, sex=record.sex)}
        for name, tally in result.items():
            label = wanted(name, record, used)
            if label is not None:
                tally.add(said(name, stated), label, record.path.stem)
    return result


def print_repeat(records: list[Labelled]) -> None:
    """Print the differences between the two halves of each record: percentiles."""
    differences: dict[str, list[float]] = {}
    for record in records:
        recording = ecgfoundry.read(record.path)
        half = recording.samples // 2
        first, second = (
            ecgfoundry.measure(recording.slice_samples(start, start + half))
            for start in (0, recording.samples - half)
        )
        for name in GLOBAL_VALUES:
            _add(differences, name, getattr(first, name), getattr(second, name))
        for lead in set(first.leads) & set(second.leads):
            for name in LEAD_VALUES:
                one, two = (getattr(m.leads[lead], name) for m in (first, second))
                if not isinstance(one, bool):
                    own = f"{name} (lead)" if name in GLOBAL_VALUES else name
                    _add(differences, own, one, two)
    print("| measurement | pairs | 50 % | 90 % | 95 % | 98 % | table |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, values in differences.items():
        marks = " | ".join(f"{np.percentile(values, p):.3g}" for p in (50, 90, 95, 98))
        table = REPEAT.get(name)
        shown = "" if table is None else f"{table.absolute:g}, {100 * table.share:g} %"
        print(f"| {name} | {len(values)} | {marks} | {shown} |")


def _add(
    differences: dict[str, list[float]], name: str, one: float | None, two: float | None
) -> None:
    if one is None or two is None:
        return
    difference = abs(one - two)
    if name.endswith("_deg"):
        difference = min(difference, 360.0 - difference)
    differences.setdefault(name, []).append(difference)


BRUGADA = "brugada_huca.zip"


def print_brugada(folder: Path) -> None:
    """Print how often the type 1 pattern is said in Brugada-HUCA, by diagnosis and basal ECG.

    ``brugada`` 2 is not explained by the data set and left out. A syndrome that was found with a
    drug need not show the pattern: ``basal_pattern`` says whether the ECG at rest was abnormal.
    """
    counts: dict[tuple[str, str], list[bool]] = {}
    with next(folder.rglob("metadata.csv")).open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            header = next(folder.rglob(f"{row['patient_id']}.hea"), None)
            if header is None or row["brugada"] not in ("0", "1"):
                continue
            stated = {s.name: s for s in state(ecgfoundry.measure(header))}
            found = stated.get("BRUGADA TYPE 1 PATTERN")
            key = (row["brugada"], row["basal_pattern"])
            counts.setdefault(key, []).append(bool(found and found.present))
    print("| Brugada | abnormal at rest | records | with the statement |")
    print("| --- | --- | --- | --- |")
    for (disease, basal), said_so in sorted(counts.items()):
        print(f"| {disease} | {basal} | {len(said_so)} | {_share(sum(said_so), len(said_so))} |")


SUBSET = "ptbxl_subset"
SUBSET_RATE_HZ = 250.0
_OTHER_PREMATURE = ("form:PRC(S)", "rhythm:SVARR", "rhythm:BIGU", "rhythm:TRIGU")
_NO_ATRIAL_BEATS = ("rhythm:AFIB", "rhythm:AFLT")


def subset_records(folder: Path, without: set[str]) -> Iterator[tuple[dict[str, str], Recording]]:
    """Yield labels and signal of the subset's records, but for some people."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as lines:
        labels = {row["ecg_id"]: row for row in csv.DictReader(lines)}
    for path in sorted(folder.glob("ptbxl_z250_*.npz")):
        stored = np.load(path)
        for number, delta in zip(stored["ecg_id"], stored["delta"], strict=True):
            row = labels[str(number)]
            if row["patient_id"] in without:
                continue
            signal = np.cumsum(delta, axis=1, dtype=np.int16) / np.float32(stored["scale"])
            yield (
                row,
                Recording.from_array(
                    signal.astype(np.float32),
                    sampling_rate=SUBSET_RATE_HZ,
                    leads=STANDARD_12_LEADS,
                    unit="mV",
                ),
            )


def people_of(raw: Path, cinc: list[Labelled]) -> set[str]:
    """Return the people of PTB-XL who are in the tables; HR records are PTB-XL's by number."""
    table = next(raw.rglob("ptbxl_database.csv"))
    numbers = {int(r.path.stem[2:]) for r in cinc if r.source == "HR"}
    with table.open(encoding="utf-8", newline="") as lines:
        return {
            str(int(float(row["patient_id"])))
            for row in csv.DictReader(lines)
            if int(row["ecg_id"]) in numbers
            or (table.parent / f"{row['filename_hr']}.hea").exists()
        }


def print_premature(folder: Path, without: set[str]) -> None:
    """Print how well premature beats agree with the labels of the subset."""
    found = {"PREMATURE VENTRICULAR COMPLEXES": Tally(), "PREMATURE ATRIAL COMPLEXES": Tally()}
    ventricular, atrial = found.values()
    for row, recording in subset_records(folder, without):
        stated = {s.name: s for s in state(ecgfoundry.measure(recording))}
        made = [said(name, stated) for name in found]
        ventricular.add(made[0], row["form:PVC"] == "1", row["ecg_id"])
        label = row["form:PAC"] == "1"
        other = any(row[name] == "1" for name in _OTHER_PREMATURE)
        if not any(row[name] == "1" for name in _NO_ATRIAL_BEATS) and (label or not other):
            atrial.add(made[1], label, row["ecg_id"])
    _print_table([TALLY_COLUMNS, *(tally.cells(name) for name, tally in found.items())])


SERIAL_S = 10.0


def print_serial(records: list[Labelled]) -> None:
    """Compare the first and the last 10 s of records of 20 s or more: every change is false."""
    compared = beyond = statements = appeared = count = 0
    names: dict[str, int] = {}
    for record in records:
        recording = ecgfoundry.read(record.path)
        length = round(SERIAL_S * recording.sampling_rate)
        if recording.samples < 2 * length:
            continue
        first = recording.slice_samples(0, length)
        last = recording.slice_samples(recording.samples - length, recording.samples)
        with contextlib.suppress(EcgFoundryError):
            found = compare_recordings(first, last)
            count += 1
            compared += len(found.changes)
            beyond += len(found.changed)
            statements += sum(bool(s.present) for s in found.statements)
            appeared += len(found.appeared) + len(found.disappeared)
            for change in found.changed:
                names[change.name] = names.get(change.name, 0) + 1
    print(f"{count} records, {compared} values compared")
    print(f"false changes: {beyond} of {compared}: {_share(beyond, compared)}")
    print(f"false serial statements: {_share(statements, 22 * count)}")
    print(f"statements that came or went: {appeared / max(count, 1):.2f} per pair")
    print(", ".join(f"{name} {number}" for name, number in names.items()))


def main() -> None:
    """Print the table, the repeat variability, or the records that differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--rules", type=Path, help="write the table of all criteria to this file")
    parser.add_argument("--csv", type=Path, help="write the table of figures to this file too")
    parser.add_argument("--repeat", action="store_true")
    parser.add_argument("--serial", action="store_true")
    parser.add_argument("--premature", action="store_true", help="on the subset of PTB-XL")
    parser.add_argument("--brugada", action="store_true", help="the type 1 pattern, Brugada-HUCA")
    parser.add_argument("--list", metavar="NAME", help="records that differ on a statement")
    arguments = parser.parse_args()
    if arguments.rules:
        _write_csv(arguments.rules, [CRITERIA_COLUMNS, *map(criterion_row, criteria.values())])
        return
    if arguments.data is None:
        parser.error("--data is needed")
    with contextlib.ExitStack() as stack:
        if arguments.brugada:
            print_brugada(stack.enter_context(opened(arguments.data / BRUGADA)))
            return
        records: list[Labelled] = []
        for name in CINC:
            records += cinc_records(stack.enter_context(opened(arguments.data / name)))
        raw = stack.enter_context(opened(arguments.data / PTBXL))
        if arguments.premature:
            print_premature(arguments.data / SUBSET, people_of(raw, records))
            return
        records += ptbxl_records(raw)
        if arguments.repeat:
            print_repeat(records)
            return
        if arguments.serial:
            print_serial(records)
            return
        found = tallies(list(measured(records)))
    if arguments.list:
        print("missed:", *found[arguments.list].missed)
        print("extra:", *found[arguments.list].extra)
        return
    table = [TALLY_COLUMNS, *(tally.cells(name) for name, tally in found.items())]
    if arguments.csv:
        _write_csv(arguments.csv, table)
    _print_table(table)


def _print_table(table: Sequence[Sequence[str]]) -> None:
    for cells in (table[0], ["---"] * len(table[0]), *table[1:]):
        print(f"| {' | '.join(cells)} |")


def _write_csv(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main()
