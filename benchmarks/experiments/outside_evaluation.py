"""The shipped bundles on data sets that they were not trained on.

``python -m benchmarks.experiments.outside_evaluation --data FOLDER --work WORK`` reads every
outside set below FOLDER (zips are unpacked into WORK), answers with the two shipped bundles, and
writes the table between the markers of ``docs/outside-evaluation.md`` and
``docs/outside-evaluation.json`` beside it. Answers are kept in WORK and are not made again.

What is compared with what:

* Labels come from the label maps (``vocabularies/maps``): only ``exact`` and ``narrower`` score; a
  target that a record leaves open is missing there.
* A recording of up to 60 s has one answer. Longer ones (MIT-BIH, CPSC 2021) are compared window by
  window: the label is the rhythm that covers more than half of the window, windows without such a
  rhythm are left out, and intervals resample whole people (records where no person is named).
* Refused recordings have no score; they are counted.
* Controls are those of :mod:`ecgfoundry.evaluation.controls`. The outside sets have no training
  part, so that controls are fitted on the outside set itself, cross-fitted by person: they know the
  set, the network does not.
* A row with fewer than 30 people (recordings, where no person is named) that have a positive, or
  that have a negative, shows counts and no AUROC: windows of three people are not thirty cases.
* What the bundle itself calls present is counted in every row.
"""

from __future__ import annotations

import argparse
import csv
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.internal_sets import cinc2017_holdout, ptbxl_fold_9
from ecgfoundry.datasets import DatasetManifest, read_dataset
from ecgfoundry.datasets.rhythms import share_of_window
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.evaluation.classification import classification_rows
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.controls import CONTROLS, control_scores
from ecgfoundry.evaluation.embeddings import RandomEmbeddings
from ecgfoundry.evaluation.gains import add_gains
from ecgfoundry.evaluation.settings import MINIMUM_CLAIM, Settings
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.measurements.features import FEATURE_NAMES, hand_crafted_features
from ecgfoundry.metrics.resampling import PatientResampling
from ecgfoundry.models.bundle import find_bundle, load_bundle
from ecgfoundry.recording import Recording
from ecgfoundry.vocabularies import load_label_map

RHYTHM, SUPERCLASS = "rhythm-single-lead", "ptbxl-superclass-12lead"
VOCABULARY = {RHYTHM: "cinc2017-rhythm", SUPERCLASS: "ptbxl-superclass"}
SCORED = {RHYTHM: ("atrial fibrillation",), SUPERCLASS: ("NORM", "MI", "STTC", "CD", "HYP")}
"""Targets that a row is made for, where the map has them. "Normal", "other" and "noisy" follow from
no single statement of another set: ectopic beats make a sinus rhythm "other" there."""

MIXED_SHARE = 0.5
DRAWS = 1000
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"

Unit = dict[str, Any]
"""One compared stretch: record, person, label and score per target, age, sex, features."""
Reading = Callable[..., Unit]
"""What is computed of a recording: the answer, or the embedding by an untrained network."""


@dataclass(frozen=True)
class Outside:
    """One set for one model."""

    model: str
    name: str
    title: str
    units: Callable[..., Iterator[Unit]]
    lead: str | None = None
    note: str = ""
    targets: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name of the file of answers."""
        lead = f"-{self.lead}" if self.lead else ""
        return f"{self.model}-{self.name}{lead}"


def labels_of(
    system: str, vocabulary: str, targets: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Return the targets of a model's vocabulary; every code must have been reviewed."""
    label_map = load_label_map(system, vocabulary)
    unreviewed = label_map.unreviewed(set(targets))
    if unreviewed:
        raise SystemExit(f"{system}: codes that no one has reviewed: {', '.join(unreviewed)}")
    return label_map.apply(targets)


def measured(recording: Recording, lead: str | None) -> list[float]:
    """Return the hand-crafted features of what the model reads."""
    chosen = recording.select([lead]) if lead else recording
    values = hand_crafted_features(chosen.signal, chosen.sampling_rate, chosen.leads)
    return [round(float(values[name]), 6) for name in FEATURE_NAMES]


def answer(
    predictor: Predictor,
    recording: Recording,
    lead: str | None,
    *,
    stored: NDArray[np.float32] | None = None,
) -> Unit:
    """Return scores and features, or why there are none; beyond 60 s the mean over the windows.

    ``stored`` is the window as the model reads it, where the data are distributed like that.
    """
    if stored is not None:
        logits = predictor.logits(stored[None])[0].astype(np.float64)
        values = predictor.bundle.task.answers(logits)
        names = predictor.bundle.vocabulary.names
        return {
            "scores": dict(zip(names, values.tolist(), strict=True)),
            "features": measured(recording, lead),
        }
    result = predictor.interpret(recording, lead=lead)
    if result.refused is not None:
        return {"refused": result.refused.code}
    if result.episodes is None:
        scores = {finding.name: finding.probability for finding in result.findings}
    else:
        read = [w.probabilities for w in result.windows if w.probabilities is not None]
        scores = {name: float(np.mean([w[name] for w in read])) for name in read[0]}
    return {"scores": scores, "features": measured(recording, lead)}


def standardized(
    predictor: Predictor,
    recording: Recording,
    lead: str | None,
    *,
    stored: NDArray[np.float32] | None = None,
) -> Unit:
    """Return the windows that the model reads."""
    if stored is not None:
        return {"windows": stored[None]}
    spec = predictor.bundle.input
    leads = InputLeads.choose(spec, recording.leads, lead=lead)
    prepared = prepare_windows(recording, spec, leads)
    windows = [w.standardized for w in prepared if w.standardized is not None]
    return {"windows": np.stack(windows)} if windows else {"refused": "no window"}


def records(
    dataset: str, folder: str, system: str, *, lead: str | None = None, **options: str
) -> Callable[[Path, Path, Predictor], Iterator[Unit]]:
    """Units of a set of short recordings: one each."""

    def units(
        data: Path, work: Path, predictor: Predictor, read: Reading = answer
    ) -> Iterator[Unit]:
        found = read_dataset(dataset, _folder(data, work, folder), **options)
        vocabulary = VOCABULARY[predictor.bundle.name]
        for row in found.manifest:
            labels = labels_of(system, vocabulary, row.targets)
            unit: Unit = {
                "record": row.record,
                "person": row.patient or row.record,
                "person_known": row.patient is not None,
                "age": row.age,
                "sex": row.sex,
                "labels": labels,
            }
            try:
                recording = found.manifest.open(row)
            except EcgFoundryError as error:
                yield unit | {"refused": error.code}
                continue
            yield unit | read(predictor, recording, lead)

    return units


def windows(
    dataset: str, folder: str, *, lead: str | None = None
) -> Callable[[Path, Path, Predictor], Iterator[Unit]]:
    """Units of a set of long recordings: one for each window of the model."""

    def units(data: Path, work: Path, predictor: Predictor) -> Iterator[Unit]:
        found = read_dataset(dataset, _folder(data, work, folder))
        rhythms = _rhythms(found)
        marks = sorted(load_label_map("rhythm-marks", "cinc2017-rhythm").codes)
        for row in found.manifest:
            recording = found.manifest.open(row)
            result = predictor.interpret(recording, lead=lead)
            if result.refused is not None and not result.windows and lead is None:
                # No lead that the model takes by itself: name the first, as a user would.
                result = predictor.interpret(recording, lead=recording.leads[0])
            for window in result.windows:
                start, end = window.start_s, window.start_s + window.duration_s
                shares = share_of_window(rhythms.get(row.record, []), start, end)
                most = max(shares, key=lambda mark: shares[mark], default="")
                covered = shares.get(most, 0.0)
                uncovered = 1.0 - sum(shares.values())
                unit: Unit = {
                    "record": row.record,
                    "person": row.patient or row.record,
                    "person_known": row.patient is not None,
                    "start_s": start,
                    "age": row.age,
                    "sex": row.sex,
                }
                # In CPSC 2021 only AF is marked: what is not covered is not AF.
                none = dataset == "cpsc2021" and uncovered > MIXED_SHARE
                if covered <= MIXED_SHARE and not none:
                    yield unit | {"refused": "mixed rhythms", "labels": {}}
                    continue
                values = {mark: float(mark == most and not none) for mark in marks}
                unit["labels"] = labels_of("rhythm-marks", "cinc2017-rhythm", values)
                if window.probabilities is None:
                    reason = window.refused.code if window.refused else "not read"
                    yield unit | {"refused": reason}
                    continue
                part = recording.window(start, window.duration_s)
                used = result.leads_used[0]
                yield unit | {
                    "scores": window.probabilities,
                    "features": measured(part, used),
                }

    return units


def _rhythms(found: DatasetManifest) -> dict[str, list[tuple[float, float, str]]]:
    result: dict[str, list[tuple[float, float, str]]] = {}
    for mark in found.intervals:
        result.setdefault(mark.record, []).append((mark.start_s, mark.end_s, mark.label))
    return result


def ptbxl_subset(
    data: Path, work: Path, predictor: Predictor, read: Reading = answer
) -> Iterator[Unit]:
    """Units of the standardized PTB-XL subset for the rhythm model: lead I."""
    folder = data / "ptbxl_subset"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        table = {int(row["ecg_id"]): row for row in csv.DictReader(stream)}
    for part in ("train", "val"):
        with np.load(folder / f"ptbxl_z250_{part}.npz") as stored:
            lead_one = np.cumsum(stored["delta"][:, 0], axis=1, dtype=np.int16)
            signals = lead_one / float(stored["scale"])
            names = stored["ecg_id"]
        for name, signal in zip(names.tolist(), signals, strict=True):
            row = table[int(name)]
            codes = {
                column.split(":")[1]: float(value)
                for column, value in row.items()
                if column.startswith("rhythm:")
            }
            recording = Recording.from_array(signal, sampling_rate=250, leads="I", unit="mV")
            yield {
                "record": str(name),
                "person": row["patient_id"],
                "person_known": True,
                "age": None,
                "sex": None,
                "labels": labels_of("scp-ecg", "cinc2017-rhythm", codes),
            } | read(predictor, recording, None)


INTERNAL: tuple[Outside, ...] = (
    Outside(RHYTHM, "cinc2017", "CinC 2017, hold-out", lambda d, w, p, read=answer:
            cinc2017_holdout(d, w, p, read), "I", "one person may have several recordings; the "
            "set does not say", ("normal", "atrial fibrillation", "other rhythm", "noisy")),
    Outside(SUPERCLASS, "ptbxl9", "PTB-XL subset, fold 9", lambda d, w, p, read=answer:
            ptbxl_fold_9(d, w, p, read), note="features are of the standardized signal; the "
            "calibration has seen these records, the weights have not"),
)  # fmt: skip
_C21, _OUT = "formats/cinc2021_wfdb_mat4", {"sources": "outside-ptbxl"}
SETS: tuple[Outside, ...] = (
    Outside(RHYTHM, "mitbih", "MIT-BIH Arrhythmia", windows("mitbih", "mitbih_arrhythmia.zip"),
            note="windows of 30 s; MLII, V5 where there is none"),
    *(Outside(RHYTHM, "cpsc2021", "CPSC 2021", windows("cpsc2021", "formats/cpsc2021_af_wfdb",
              lead=lead), lead, "windows of 30 s") for lead in ("I", "II")),
    *(Outside(RHYTHM, "ludb", "LUDB", records("ludb", "ludb.zip", "ludb", lead=lead), lead)
      for lead in ("I", "II")),
    Outside(RHYTHM, "ptbxl", "PTB-XL subset", ptbxl_subset, "I",
            "stored band-passed at 0.5-40 Hz and z-scored, not raw"),
    Outside(RHYTHM, "cinc2021", "CinC 2020/2021", records("cinc2021", _C21, "snomed-ct", lead="I"),
            "I", "all seven sources"),
    Outside(RHYTHM, "sph", "SPH", records("sph", "formats/sph_hdf5", "aha", lead="I"), "I"),
    Outside(RHYTHM, "code15", "CODE-15 %",
            records("code15", "formats/code15_mat", "code-6", lead="I"), "I"),
    Outside(SUPERCLASS, "ludb", "LUDB", records("ludb", "ludb.zip", "ludb")),
    Outside(SUPERCLASS, "cinc2021", "CinC 2020/2021",
            records("cinc2021", _C21, "snomed-ct", **_OUT), note="without PTB-XL (HR*)"),
    Outside(SUPERCLASS, "sph", "SPH", records("sph", "formats/sph_hdf5", "aha")),
    Outside(SUPERCLASS, "code15", "CODE-15 %", records("code15", "formats/code15_mat", "code-6"),
            note="conduction only: other disturbances than the three are not annotated"),
)  # fmt: skip


def _folder(data: Path, work: Path, name: str) -> Path:
    """Return a folder of the data, unpacking a zip once."""
    source = data / name
    if source.suffix != ".zip":
        return source
    target = work / source.stem
    if not target.is_dir():
        partial = work / f".{source.stem}.part"
        with zipfile.ZipFile(source) as archive:
            archive.extractall(partial)  # zipfile keeps members inside of the folder
        partial.rename(target)
    return target


def answers(outside: Outside, data: Path, work: Path) -> list[Unit]:
    """Return the units of a set, made or kept from an earlier run of the same bundle version."""
    bundle = load_bundle(find_bundle(outside.model))
    path = work / f"{outside.key}-{bundle.version}.json"
    if not path.is_file():
        predictor = load_model(outside.model, threads=1)
        units = list(outside.units(data, work, predictor))
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(units), encoding="utf-8")
        partial.replace(path)
    loaded: list[Unit] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def with_embeddings(outside: Outside, units: list[Unit], data: Path, work: Path) -> list[Unit]:
    """Add the embeddings of an untrained network, made or kept from an earlier run."""
    bundle = load_bundle(find_bundle(outside.model))
    path = work / f"random-{outside.key}-{bundle.version}.json"
    if not path.is_file():
        predictor = load_model(outside.model, threads=1)
        gathered, names = RandomEmbeddings(bundle), []
        for unit in outside.units(data, work, predictor, standardized):
            if "windows" in unit:
                gathered.add(len(names), unit["windows"])
                names.append(unit["record"])
        table = gathered.table(len(names))
        if table is None:
            raise SystemExit(f"{outside.key}: no random encoder: {gathered.not_computed}")
        found = dict(zip(names, np.round(table, 6).tolist(), strict=True))
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(found), encoding="utf-8")
        partial.replace(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    return [unit | {"embedding": stored.get(unit["record"])} for unit in units]


def claims(units: Sequence[Unit], target: str) -> bool:
    """Return whether enough people have a positive, and a negative, for an AUROC."""
    used = scored_units(units, target)
    people = [{u["person"] for u in used if u["labels"][target] == value} for value in (0.0, 1.0)]
    return min(map(len, people)) >= MINIMUM_CLAIM


def scored_units(units: Sequence[Unit], target: str) -> list[Unit]:
    """Return the units that have a score and a label."""
    return [u for u in units if u.get("scores") and u["labels"].get(target) is not None]


def _called(model: str, units: Sequence[Unit], target: str) -> NDArray[np.bool_]:
    """Return which scored units the bundle calls present: the largest score, or its threshold."""
    task = load_bundle(find_bundle(model)).task
    names = task.vocabulary.names
    place = names.index(target)
    return np.array(
        [
            bool(task.present(np.array([unit["scores"][name] for name in names]))[place])
            for unit in scored_units(units, target)
        ],
        dtype=bool,
    )


def evaluation_data(units: Sequence[Unit], target: str) -> EvaluationData:
    """Return labels, scores and what the controls need, of the units that have both."""
    used = scored_units(units, target)
    features = np.array([unit["features"] for unit in used], dtype=np.float64)
    features = features.reshape(len(used), len(FEATURE_NAMES))
    rate = features[:, FEATURE_NAMES.index("heart_rate_bpm")]
    controls = {"features": np.where(np.isfinite(features), features, np.nan)}
    embeddings = [unit.get("embedding") for unit in used]
    known = [e for e in embeddings if e is not None]
    if known:
        empty = [np.nan] * len(known[0])
        controls["random_encoder"] = np.array([e or empty for e in embeddings], dtype=np.float64)
    return EvaluationData(
        targets=(target,),
        labels=np.array([[unit["labels"][target]] for unit in used]).reshape(-1, 1),
        scores=np.array([[unit["scores"][target]] for unit in used]).reshape(-1, 1),
        patients=np.array([unit["person"] for unit in used]),
        covariates={
            "age": np.array([_number(unit["age"]) for unit in used]),
            "sex": np.array([unit["sex"] or "" for unit in used], dtype=object),
            "heart_rate": rate,
        },
        features=controls if used else {},
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def score(outside: Outside, units: Sequence[Unit], target: str) -> dict[str, Any]:
    """Return one row of the table."""
    labelled = [unit for unit in units if unit["labels"].get(target) is not None]
    data = evaluation_data(units, target)
    y = data.labels[:, 0]
    positive = y == 1.0
    row: dict[str, Any] = {
        "model": outside.model,
        "set": outside.name,
        "title": outside.title,
        "lead": outside.lead,
        "note": outside.note,
        "target": target,
        "units": len(units),
        "open_label": len(units) - len(labelled),
        "not_answered": len(labelled) - len(y),
        "n": len(y),
        "positives": int(positive.sum()),
        "negatives": int((~positive).sum()),
        "people": len(set(data.patients.tolist())),
        "people_with_positive": len(set(data.patients[positive].tolist())),
        "person_known": all(unit["person_known"] for unit in units),
    }
    row["people_with_negative"] = len(set(data.patients[~positive].tolist()))
    called = _called(outside.model, units, target)
    row["found"] = int((called & positive).sum())
    row["false_alarms"] = int((called & ~positive).sum())
    row["claim"] = claims(units, target)
    if not row["claim"]:
        return row
    settings = Settings(draws=DRAWS, subgroups=False)
    resampling = PatientResampling.of(data.patients)
    result = classification_rows(data, [0], resampling, settings)
    gains = add_gains(data, [0], result, control_scores(data), resampling, settings)
    cells = gains.rows[0].cells()
    wanted = ("auroc", "auroc_low", "auroc_high", "auprc", "prevalence")
    row |= {name: _plain(cells.get(name)) for name in wanted}
    row["controls"] = {
        control: {
            name: _plain(cells.get(f"{control}_{name}"))
            for name in ("auroc", "gain", "gain_low", "gain_high")
        }
        for control in CONTROLS
        if f"{control}_auroc" in cells
    }
    return row


def _plain(value: Any) -> float | None:
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), 6)


def internal_rows() -> list[dict[str, Any]]:
    """Return the bundles' own figures, from their bundle.json."""
    rows = []
    for model in (RHYTHM, SUPERCLASS):
        bundle = load_bundle(find_bundle(model))
        for metric in bundle.document["metrics"]:
            if metric["name"] in ("AUROC", "macro AUROC") and metric.get("leads") in (
                "I",
                "12 leads",
            ):
                rows.append({"model": model, "version": bundle.version} | metric)
    return rows


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" ({low:.3f}–{high:.3f})"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the generated part of the page: what has enough people, and what has not by name."""
    names = list(CONTROLS)[1:]
    remarks: list[str] = []
    lines = [
        "| bundle | set | lead | target | n | positives (people) | found | false alarms | "
        f"AUROC (95 %) | {' | '.join(CONTROLS[control] for control in names)} |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- | "
        f"{' | '.join('---' for _ in names)} |",
        *(_line(row, names, remarks) for row in rows if row["claim"]),
        "",
        *(f"[{number}] {remark}  " for number, remark in enumerate(remarks, 1)),
        "",
    ]
    few: dict[str, list[str]] = {}
    for row in rows:
        if not row["claim"]:
            count = f"{row['target']} {row['found']} of {row['positives']}"
            few.setdefault(row["title"], []).append(count)
    lines.append("Too few for a claim, found of positives:")
    lines += [f"{title}: {', '.join(dict.fromkeys(counts))};" for title, counts in few.items()]
    lines[-1] = lines[-1][:-1] + "."
    return "\n".join(lines)


def _line(row: Mapping[str, Any], controls: Sequence[str], remarks: list[str]) -> str:
    marks = ""
    if row["note"]:
        remark = f"{row['title']}: {row['note']}."
        if remark not in remarks:
            remarks.append(remark)
        marks = f" [{remarks.index(remark) + 1}]"
    people = f"{row['people_with_positive']}" if row["person_known"] else "not named"
    cells = [
        row["model"],
        row["title"] + marks,
        row["lead"] or ("MLII" if row["set"] == "mitbih" else "12"),
        row["target"],
        str(row["n"]),
        f"{row['positives']} ({people})",
        f"{row['found']} of {row['positives']}",
        f"{row['false_alarms']} of {row['negatives']}",
    ]
    cells.append(f"{row['auroc']:.3f}{_interval(row['auroc_low'], row['auroc_high'])}")
    for control in controls:
        found = row["controls"].get(control)
        if found is None or found["auroc"] is None:
            cells.append("–")
            continue
        interval = _interval(found["gain_low"], found["gain_high"])
        cells.append(f"{found['auroc']:.3f}; {found['gain']:+.3f}{interval}")
    return "| " + " | ".join(cells) + " |"


def finish(page: Path, generated: str) -> None:
    """Put the table between the markers of the page."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{generated}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Answer, score, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--work", type=Path, required=True, help="folder for answers")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the page")
    parser.add_argument("--answers-only", action="store_true", help="stop before scoring")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for outside in (*INTERNAL, *SETS):
        units = answers(outside, arguments.data, arguments.work)
        print(f"{outside.key}: {len(units)} units", flush=True)
        if arguments.answers_only:
            continue
        mapped = {target for unit in units for target in unit["labels"]}
        scored = outside.targets or SCORED[outside.model]
        wanted = [target for target in scored if target in mapped]
        if any(claims(units, target) for target in wanted):
            units = with_embeddings(outside, units, arguments.data, arguments.work)
        # A set without any statement of a target still has its row.
        rows += [score(outside, units, target) for target in wanted or scored[:1]]
    if arguments.answers_only:
        return
    internal = internal_rows()
    own = {outside.name for outside in INTERNAL}
    document = {
        "minimum_for_a_claim": MINIMUM_CLAIM,
        "draws": DRAWS,
        "internal": internal,
        "internal_with_controls": [row for row in rows if row["set"] in own],
        "outside": [row for row in rows if row["set"] not in own],
    }
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (arguments.docs / "outside-evaluation.json").write_text(text + "\n", encoding="utf-8")
    finish(arguments.docs / "outside-evaluation.md", table(rows))


if __name__ == "__main__":
    main()
