"""Does the rhythm model know when it does not know: its sets at home, and at three other sites.

``python -m benchmarks.experiments.rhythm_sites --data FOLDER --network NETWORK``

NETWORK is ``WORK/rhythm-single-lead/first`` of ``ecgfoundry train-defaults --work WORK``: the
recipe's first stage, which was version 1.1.1 and learned from three quarters of CinC 2017 alone.
Without it the shipped weights answer, which learned from records of all four sites: they prove
nothing there.

FOLDER holds CinC 2017 (``cinc2017_training2017.zip``), the PTB-XL subset (``ptbxl_subset``),
``ludb.zip`` and MIT-BIH (``mitbih_arrhythmia.zip``, ``mitbih_arrhythmia_ds1.zip``). For each site
the table gives how often the model's prediction sets hold the truth (they say: 9 times in 10) and
how often they decide: with sets from CinC 2017 (its validation part and hold-out), and, over many
draws, with sets from 50 labelled records of the site, as ``ecgfoundry calibrate`` makes them. Each
draw labels records of half of the people at most and is measured on all others.

What counts as what is our choice. PTB-XL lead I: AFIB is atrial fibrillation; SR or SARRH without
premature beats is normal; every other rhythm, and premature beats, are other. LUDB lead I: the same
from its statements; paced is other. MIT-BIH, MLII, windows of 30 s of the records that are not in
DS2: atrial fibrillation for at least half of the window; normal where the whole of it is sinus
rhythm and no beat is ectopic (bundle branch block is normal rhythm); else other. PTB-XL's signals
are z-scored already and LUDB's scaled; the model standardizes them again.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import ecgfoundry
from benchmarks.experiments import held_aside
from ecgfoundry.datasets.rhythms import rhythm_intervals, share_of_window
from ecgfoundry.errors import EcgFoundryError
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.metrics.calibration import fit_calibrator
from ecgfoundry.recording import Recording
from ecgfoundry.tasks import Calibration, Task
from ecgfoundry.training.recipes.rhythm_single_lead.data import parts, read

MODEL = "rhythm-single-lead"
NORMAL, ATRIAL, OTHER = 0, 1, 2
WINDOW_S = 30.0
DS2 = ("100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234"
       ).split()  # fmt: skip
"""De Chazal et al. 2004: kept from everything."""
SAME_PERSON = {"202": "201"}

Float64 = NDArray[np.float64]
Labelled = Iterator[tuple[str, int, Recording]]
"""Person, class, recording."""
Answering = Callable[[NDArray[np.float32]], NDArray[np.floating]]
"""Windows (windows, 1, samples) to logits (windows, classes)."""


@dataclass(frozen=True, eq=False)
class Site:
    """The records of one place: people (records,), classes (records,), logits (records, 4)."""

    name: str
    people: NDArray[np.str_]
    classes: NDArray[np.int64]
    logits: Float64

    def select(self, rows: NDArray[np.generic]) -> Site:
        """Return some of the records."""
        return Site(self.name, self.people[rows], self.classes[rows], self.logits[rows])

    @property
    def counts(self) -> str:
        """Records, people and classes, in words."""
        each = np.bincount(self.classes, minlength=4)
        return (
            f"{len(self.classes)} of {len(set(self.people.tolist()))} ({'/'.join(map(str, each))})"
        )


def _lead(signal: NDArray[np.floating], rate: float, name: str) -> Recording:
    return Recording.from_array(signal[None], sampling_rate=rate, leads=[name], unit="mV")


def cinc2017(data: Path) -> Labelled:
    """The validation part and the hold-out, which the first stage did not learn from."""
    recordings = read(data / "cinc2017_training2017.zip")
    rows = zip(recordings.names, recordings.classes, recordings.raw,
               parts(recordings, 3), strict=True)  # fmt: skip
    for name, label, signal, part in rows:
        if part in ("validation", "holdout"):
            yield name, int(label), _lead(signal, held_aside.RATE, "I")


def ptbxl(data: Path) -> Labelled:
    """Lead I of the subset."""
    folder = data / "ptbxl_subset"
    with (folder / "labels.csv").open(newline="", encoding="utf-8") as stream:
        table = {int(row["ecg_id"]): row for row in csv.DictReader(stream)}
    for part in ("train", "val"):
        with np.load(folder / f"ptbxl_z250_{part}.npz") as stored:
            whole = np.cumsum(stored["delta"], axis=2, dtype=np.int16) / float(stored["scale"])
            names = stored["ecg_id"].tolist()
        for name, signal in zip(names, whole, strict=True):
            row = table[int(name)]
            found = {key.split(":")[1] for key, mark in row.items()
                     if key.split(":")[0] in ("rhythm", "form") and float(mark) > 0}  # fmt: skip
            rhythms = {key.split(":")[1] for key in row if key.startswith("rhythm:")} & found
            if rhythms:
                sinus = rhythms <= {"SR", "SARRH"} and not {"PVC", "PAC"} & found
                label = ATRIAL if "AFIB" in rhythms else NORMAL if sinus else OTHER
                yield row["patient_id"], label, _lead(signal[0].astype(np.float32), 250.0, "I")


def ludb(data: Path) -> Labelled:
    """Lead I of every record."""
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(data / "ludb.zip") as archive:
            archive.extractall(folder)
        base = Path(folder) / "ludb"
        text = (base / "ludb.csv").read_text(encoding="utf-8-sig")
        for row in csv.DictReader(io.StringIO(text)):
            path = base / "data" / f"{row['ID'].strip()}.hea"
            if not path.is_file():
                continue
            rhythm = row["Rhythms"].lower()
            sinus = rhythm.strip() in ("sinus rhythm", "sinus arrhythmia", "irregular sinus rhythm")
            clean = not row["Extrasystolies"].strip() and not row["Cardiac pacing"].strip()
            fibrillates = "atrial fibrillation" in rhythm
            label = ATRIAL if fibrillates else NORMAL if sinus and clean else OTHER
            whole = ecgfoundry.read(path)
            place = whole.leads.index("I")
            yield row["ID"].strip(), label, _lead(whole.signal[place], whole.sampling_rate, "I")


def mitbih(data: Path) -> Labelled:
    """Windows of the records outside DS2."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mitbih_arrhythmia.zip", "mitbih_arrhythmia_ds1.zip"):
            with zipfile.ZipFile(data / name) as archive:
                archive.extractall(folder)
        for header in sorted(Path(folder).rglob("*.hea")):
            if header.stem in DS2:
                continue
            whole = ecgfoundry.read(header)
            rate, lead = whole.sampling_rate, "MLII" if "MLII" in whole.leads else whole.leads[0]
            signal = whole.signal[whole.leads.index(lead)]
            total = len(signal) / rate
            marks = rhythm_intervals(header.with_suffix(".atr"), rate, total)
            ectopic = np.array([mark.time_s for mark in whole.annotations
                                if mark.kind == "beat" and mark.text not in "NLRej"])  # fmt: skip
            for start in np.arange(0.0, total - WINDOW_S + 1e-6, WINDOW_S):
                end = start + WINDOW_S
                shares = share_of_window(marks, start, end)
                early = bool(((ectopic >= start) & (ectopic < end)).any())
                sinus = shares.get("(N", 0.0) > 0.999 and not early
                fibrillates = shares.get("(AFIB", 0.0) >= 0.5
                label = ATRIAL if fibrillates else NORMAL if sinus else OTHER
                part = signal[round(start * rate) : round(end * rate)]
                yield SAME_PERSON.get(header.stem, header.stem), label, _lead(part, rate, lead)


SITES = {
    "CinC 2017": cinc2017,
    "PTB-XL, lead I": ptbxl,
    "LUDB, lead I": ludb,
    "MIT-BIH, MLII": mitbih,
}


def answering(network: Path | None, predictor: Predictor) -> Answering:
    """Return what answers: a network of the recipe, or the shipped weights."""
    if network is None:
        print("The shipped weights learned from records of these sites: no outside figures "
              "(see --network)", file=sys.stderr)  # fmt: skip
        return predictor.logits
    # PyTorch takes seconds to import, and the shipped weights do without.
    from ecgfoundry.training.recipes.rhythm_single_lead import measuring, read_network

    made = read_network(network)
    return lambda windows: measuring.window_logits(made, list(windows[:, 0]))


def site(name: str, data: Path, predictor: Predictor, answer: Answering) -> Site:
    """Ask the model about every record of a site that can be read."""
    people, classes, logits = [], [], []
    for person, label, recording in SITES[name](data):
        spec = predictor.bundle.input
        try:
            leads = InputLeads.choose(spec, recording.leads)
            prepared = list(prepare_windows(recording, spec, leads))
        except EcgFoundryError:
            continue
        windows = [w.standardized for w in prepared if w.standardized is not None]
        if windows:
            people.append(person)
            classes.append(label)
            logits.append(answer(np.stack(windows)).astype(np.float64).mean(axis=0))
    return Site(name, np.array(people), np.array(classes), np.stack(logits))


@dataclass(frozen=True)
class Sites:
    """Where the sites' records lie, who is asked, and where answers are kept between runs."""

    data: Path
    predictor: Predictor
    answer: Answering
    kept: Path | None

    def named(self, name: str) -> Site:
        """Return a site, from an earlier run where that is kept."""
        if self.kept is None:
            return site(name, self.data, self.predictor, self.answer)
        file = self.kept / f"{name.split(',')[0].replace(' ', '-')}.npz"
        if file.is_file():
            with np.load(file) as stored:
                return Site(name, stored["people"], stored["classes"], stored["logits"])
        found = site(name, self.data, self.predictor, self.answer)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, people=found.people, classes=found.classes, logits=found.logits)
        return found


def measured(task: Task, there: Site) -> tuple[float, float, float]:
    """Return how often the sets hold the truth, decide, and are right where they decide."""
    sets = task.readout.sets
    if sets is None:
        return (float("nan"),) * 3
    answers = task.answers(there.logits)
    may: NDArray[np.bool_] = answers >= np.array(sets.present, dtype=np.float64)
    held = may[np.arange(len(may)), there.classes]
    decided = may.sum(axis=1) == 1
    return float(held.mean()), float(decided.mean()), float(held[decided].mean())


def drawn(there: Site, labels: int, rng: np.random.Generator) -> tuple[Site, Site]:
    """Return records to label, of as many people as can be, and all records of the others.

    Where there are fewer than twice as many people as labels, the records are of half of them.
    """
    people = rng.permutation(np.unique(there.people))
    enough = len(people) >= 2 * labels
    chosen = people[:labels] if enough else people[: len(people) // 2]
    inside = np.isin(there.people, chosen)
    rows = np.flatnonzero(inside)
    if enough:
        rows = np.array([rng.choice(np.flatnonzero(there.people == name)) for name in chosen])
    else:
        rows = rng.permutation(rows)[:labels]
    return there.select(rows), there.select(~inside)


def fitted(task: Task, own: Site, *, recalibrate: bool = False) -> Task:
    """Fit sets, and with ``recalibrate`` vector scaling before, on labelled records of a site."""
    values, who = own.classes[:, None].astype(np.float64), own.people.tolist()
    if recalibrate:
        one = fit_calibrator(own.logits, own.classes, method="vector", multiclass=True)
        task = task.with_readout(replace(task.readout, calibration=Calibration(one, one)))
    return task.with_sets(own.logits, values, who, source="labels of the site", crossed=recalibrate)


def log_loss(task: Task, there: Site) -> float:
    """Return the mean negative logarithm of the probability of the true class."""
    answers = task.answers(there.logits)
    return float(-np.log(answers[np.arange(len(answers)), there.classes]).mean())


def rows_of(
    task: Task, there: Site, *, labels: int, draws: int, home: bool, calibration: bool
) -> list[str]:
    """Return the lines of the table for one site."""
    lines = []

    def add(what: str, found: Float64) -> None:
        low, high = np.nanpercentile(found[:, 0], (2.5, 97.5))
        mean = np.nanmean(found, axis=0)
        spread = f" ({low:.3f}-{high:.3f})" if len(found) > 1 else ""
        lines.append(
            f"| {there.name} | {there.counts} | {what} | {mean[0]:.3f}{spread} | {mean[1]:.3f} | "
            f"{mean[2]:.3f} | {mean[3]:.3f} |"
        )

    if not home:
        add("none", np.array([[*measured(task, there), log_loss(task, there)]]))
    for what, again in (("sets", False), ("sets and calibration", True))[: 1 + calibration]:
        rng, found = np.random.default_rng(0), []
        for _ in range(draws):
            own, rest = drawn(there, labels, rng)
            local = fitted(task, own, recalibrate=again)
            found.append([*measured(local, rest), log_loss(local, rest)])
        add(f"{labels} labels: {what}", np.array(found))
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", type=Path, help="folder of a network of the recipe")
    parser.add_argument("--labels", type=int, default=50, help="labelled records of a site")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument(
        "--calibration", action="store_true", help="also with vector scaling from the same labels"
    )
    parser.add_argument("--only", choices=tuple(SITES), action="append", help="these sites")
    parser.add_argument("--kept", type=Path, help="folder in which logits are kept between runs")
    options = parser.parse_args(arguments)
    predictor = load_model(MODEL)
    sites = Sites(options.data, predictor, answering(options.network, predictor), options.kept)
    print(
        "| site | records of people (normal/AF/other/noisy) | fitted there | truth in the set "
        "(95 % of draws) | decided | right where decided | log loss |\n"
        "| --- | --- | --- | --- | --- | --- | --- |"
    )
    home = sites.named("CinC 2017")
    # The bundle's calibration is that of its own weights.
    task = fitted(predictor.bundle.task, home, recalibrate=options.network is not None)
    for name in options.only or SITES:
        at_home = name == home.name
        there = home if at_home else sites.named(name)
        how = {"labels": options.labels, "draws": options.draws, "home": at_home}
        for line in rows_of(task, there, **how, calibration=options.calibration):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
