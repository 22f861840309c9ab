"""Does the path from files to laboratory values find what was planted, and nothing else?

    python -m benchmarks.experiments.planted_truth --output FOLDER --seeds 101,102,103

Each seed is a SYNTHETIC MC-MED of its own: simulated, built into a corpus, trained on and measured
by the functions behind ``synth mc-med``, ``corpus build``, ``labs train --probe`` and ``labs
report``. The network starts from the shipped 12-lead bundle, which learned from real ECG (PTB-XL)
and reads any subset of leads: lead II is the one that is there, and a linear layer on its
embeddings is fitted for each seed anew. One target per indicator, its more frequent direction (a
table with both would count each indicator twice). What is expected of the four groups stands in
:mod:`benchmarks.experiments.planted_truth_summary` and was fixed before the first test patient of
the reported seeds was looked at.

All choices were made on a development seed (``--development-seed``), which is reported by itself.
Its bundle, a network that no other seed has touched, is also applied to the test patients of every
other seed: its AUROC there has one true value, which the intervals of the seeds have to cover.

Every stage of a seed is skipped when its result is there; an interrupted run continues when it is
started again. ``results.json`` and ``table.md`` are written after each seed from all that are
finished, whatever they say.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.experiments.planted_truth_summary import Results, summary
from ecgfoundry.corpus import build_corpus
from ecgfoundry.datasets.mc_med import open_mc_med
from ecgfoundry.evaluation.cohort import EvaluationData
from ecgfoundry.evaluation.controls import covariate_design, patient_folds
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.labs.evaluation import (
    LaboratoryEvaluation,
    Scope,
    laboratory_evaluation,
    laboratory_logits,
)
from ecgfoundry.labs.settings import LaboratoryReportSettings
from ecgfoundry.labs.training import LaboratorySettings, labs_mcmed
from ecgfoundry.labs.training_data import spread_over_visits, visit_means
from ecgfoundry.metrics.auroc_intervals import auroc_interval
from ecgfoundry.metrics.delong import delong_test
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med
from ecgfoundry.synthesis.truth import INDICATORS, oracle, with_frequent_share

Float64 = NDArray[np.float64]

COLUMNS = (
    "target", "n", "patients", "positives", "positive_patients", "auroc", "auroc_low",
    "auroc_high", "auroc_standard_error", "prevalence_only_p", "prevalence_only_q",
    *(
        f"{control}_{cell}"
        for control in ("age_sex_rate", "features")
        for cell in ("auroc", "gain", "gain_low", "gain_high", "p", "q", "beaten")
    ),
)  # fmt: skip
"""Cells of the laboratory report that the results keep."""


@dataclass(frozen=True)
class Size:
    """How large one seed is, and what is trained: all our choice, on the development seed.

    Two visits in five are abnormal in the direction that is tested, so that few visits give the 400
    positive test patients; one segment of 10 s for each visit.
    """

    visits: int = 2800
    minutes: float = 0.17
    shares: tuple[float, float, float] = (0.33, 0.07, 0.6)
    frequent_share: float = 0.4
    model: str = "ptbxl-superclass-12lead"
    draws: int = 200
    oracle_draws: int = 400_000
    minimum_patients: int = 10


def frequent_targets() -> dict[str, str]:
    """Return target -> group: of each indicator the direction with the larger planted share."""
    return {f"{p.name} {p.frequent}": p.group for p in INDICATORS}


class Stages:
    """Processor seconds of each stage, kept beside what it made."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stages.json"
        self.seconds: dict[str, float] = {}
        if self._path.is_file():
            self.seconds = json.loads(self._path.read_text())

    def run(self, name: str, done: bool, work: Callable[[], None]) -> None:
        """Do the work unless its result is there."""
        if done:
            return
        start = time.process_time()
        work()
        self.seconds[name] = round(time.process_time() - start, 1)
        _write(self._path, self.seconds)
        print(f"{self._path.parent.name}: {name}, {self.seconds[name]} s of CPU", flush=True)


def run_seed(folder: Path, seed: int, size: Size, fixed: Path | None = None) -> dict[str, Any]:
    """Do what is not done yet of one seed, and return its rows.

    Parameters
    ----------
    folder : Path
        Of this seed.
    seed : int
    size : Size
    fixed : Path, optional
        A bundle that is measured on the same test patients too.

    Returns
    -------
    dict
        ``seed``, ``rows`` (one per target), ``fixed`` (the same of the fixed bundle, or empty),
        ``flow`` (what the corpus was made of) and ``seconds`` (of processor, by stage).
    """
    done = folder / "rows.json"
    if done.is_file():
        finished: dict[str, Any] = json.loads(done.read_text())
        return finished
    folder.mkdir(parents=True, exist_ok=True)
    stages = Stages(folder)
    data, corpus, run = folder / "data", folder / "corpus", folder / "run"

    def synthesize() -> None:
        shutil.rmtree(data, ignore_errors=True)  # of an interrupted attempt
        options = SyntheticOptions(
            visits=size.visits, minutes=size.minutes, seed=seed, shares=size.shares,
            pulse_share=0.0, oracle_draws=0, interruptions=False,
            frequent_share=size.frequent_share,
        )  # fmt: skip
        write_synthetic_mc_med(data, options)

    def build() -> None:
        opened = open_mc_med(data, labs=False)
        build_corpus(opened.manifest(), corpus, provenance=opened.report())

    def train() -> None:
        settings = LaboratorySettings.of(
            window_minutes=None, segments_per_visit=1, validation_segments=1, test_segments=0,
            minimum_patients=size.minimum_patients, probe=True, threads=1, seed=seed,
        )  # fmt: skip
        labs_mcmed(
            corpus, run, tables=data, model=size.model, settings=settings,
            say=lambda line: print(line, flush=True),
        )  # fmt: skip

    def measure() -> None:
        _write(done, _measure(folder, seed, size, fixed))

    written = data / "data" / "waveform_summary.csv"  # the last file of a data set
    stages.run("synthesis", written.is_file(), synthesize)
    stages.run("corpus", (corpus / "corpus.json").is_file(), build)
    stages.run("training", (run / "bundle" / "bundle.json").is_file(), train)
    stages.run("measurement", done.is_file(), measure)
    document: dict[str, Any] = json.loads(done.read_text())
    document["seconds"] = stages.seconds
    _write(done, document)
    return document


def _measure(folder: Path, seed: int, size: Size, fixed: Path | None) -> dict[str, Any]:
    measured = laboratory_evaluation(
        load_model(folder / "run" / "bundle", threads=1),
        folder / "corpus", folder / "data",
        settings=LaboratoryReportSettings.of(window_minutes=None, segments_per_visit=1),
        evaluation=Settings(draws=size.draws, draw_budget=None, seed=seed, subgroups=False),
        scope=Scope(
            targets=tuple(frequent_targets()), levels=("visit",), ecg=("all",),
            features_folder=folder / "features",
        ),
    )  # fmt: skip
    own = measured.inputs["visit", "all"]
    added = {target: added_to_control(own, target, seed=seed) for target in own.targets}
    groups = frequent_targets()
    rows = [
        {
            "seed": seed,
            "group": groups[row["target"]],
            **{name: _rounded(row[name]) for name in COLUMNS},
            **{f"added_{name}": _rounded(value) for name, value in added[row["target"]].items()},
        }
        for row in (each.cells() for each in measured.rows)
    ]
    flow = json.loads((folder / "corpus" / "corpus.json").read_text())
    return {
        "seed": seed,
        "rows": rows,
        "fixed": [] if fixed is None else _fixed_rows(fixed, measured, seed),
        "flow": {"records": flow["records"], "segments": flow["segments"]},
    }


def added_to_control(data: EvaluationData, target: str, *, seed: int = 0) -> dict[str, float]:
    """Return what the network's score adds to age, sex and heart rate in one model.

    The network alone cannot see age or sex, so that it may lose to them and still know something.
    Two logistic regressions, with and without its score, are cross-fitted by patient on the test
    visits; DeLong's paired interval, clustered by patient.
    """
    from scipy.special import logit
    from sklearn.linear_model import LogisticRegression

    column = data.targets.index(target)
    y, score = data.labels[:, column], data.scores[:, column]
    control = covariate_design(data, "age_sex_rate")
    known = ~np.isnan(y) & ~np.isnan(score) & ~np.isnan(control).any(axis=1)
    y, patients = y[known], data.patients[known]
    evidence = logit(np.clip(score[known], 1e-6, 1 - 1e-6))
    folds = patient_folds(patients, seed=seed)
    answers = []
    for x in (np.column_stack([control[known], evidence]), control[known]):
        z = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
        out = np.empty(len(y))
        for fold in np.unique(folds):
            model = LogisticRegression(solver="newton-cholesky").fit(
                z[folds != fold], y[folds != fold]
            )
            out[folds == fold] = model.decision_function(z[folds == fold])
        answers.append(out)
    test = delong_test(y, *answers, patients=patients)
    return {f"gain{end}": test[name] for end, name in
            (("", "difference"), ("_low", "low"), ("_high", "high"))}  # fmt: skip


def _fixed_rows(bundle: Path, measured: LaboratoryEvaluation, seed: int) -> list[dict[str, Any]]:
    """AUROC and interval of another seed's network on these test visits."""
    predictor, data = load_model(bundle, threads=1), measured.segments
    positions = spread_over_visits(data.positions("test"), data.visits, 1)
    logits = laboratory_logits(predictor, data, positions)
    place = [predictor.bundle.vocabulary.names.index(name) for name in data.names]
    scores, labels, first = visit_means(
        logits[:, place], data.binary()[positions], data.visits[positions]
    )
    patients = data.patients[positions][first]
    rows = []
    for k, target in enumerate(data.names):
        known = ~np.isnan(labels[:, k])
        found = auroc_interval(labels[known, k], scores[known, k], patients=patients[known])
        rows.append(
            {
                "seed": seed, "target": target, "auroc": _rounded(found.auroc),
                "low": _rounded(found.low), "high": _rounded(found.high),
            }
        )  # fmt: skip
    return rows


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.5g}")
    return value


def _write(path: Path, document: Any) -> None:
    _write_text(path, json.dumps(document, default=float) + "\n")


def _write_text(path: Path, text: str) -> None:
    # Several processes may do different seeds into one folder.
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.write_text(text)
    partial.replace(path)


def _oracle(path: Path, size: Size) -> dict[str, dict[str, float]]:
    """Return target -> the best possible AUROC of each set of observations, worked out once."""
    if not path.is_file():
        planted = with_frequent_share(size.frequent_share)
        rows = oracle(draws=size.oracle_draws, indicators=planted)
        found = {f"{row['indicator']} {row['direction']}": row["auroc"] for row in rows}
        _write(path, {name: found[name] for name in frequent_targets()})
    document: dict[str, dict[str, float]] = json.loads(path.read_text())
    return document


def collect(output: Path, size: Size, development_seed: int | None) -> Results:
    """Read all finished seeds of a folder."""
    seeds = [json.loads(path.read_text()) for path in sorted(output.glob("seed-*/rows.json"))]
    own = [found for found in seeds if found["seed"] == development_seed]
    return Results(
        settings=asdict(size),
        oracle=_oracle(output / "oracle.json", size),
        development=own[0] if own else None,
        seeds=[found for found in seeds if found["seed"] != development_seed],
    )


def main() -> None:
    """Run the seeds that are asked for and write the table of all that are finished."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", default="", help="such as 101,102; empty: only write the table")
    parser.add_argument(
        "--development-seed",
        type=int,
        default=1,
        help="run first, reported by itself; its bundle is the fixed network",
    )
    parser.add_argument("--visits", type=int, default=Size.visits)
    parser.add_argument(
        "--delete-bulk",
        action="store_true",
        help="delete data and corpus of a seed (about 100 MB) once it has its rows",
    )
    given = parser.parse_args()
    size = Size(visits=given.visits)
    given.output.mkdir(parents=True, exist_ok=True)
    development = given.output / f"seed-{given.development_seed}"
    asked = [int(text) for text in given.seeds.split(",") if text.strip()]
    wanted = dict.fromkeys([given.development_seed, *asked]) if asked else {}
    for seed in wanted:
        folder = given.output / f"seed-{seed}"
        own = seed == given.development_seed
        run_seed(folder, seed, size, None if own else development / "run" / "bundle")
        if given.delete_bulk:
            for name in ("data", "corpus"):
                shutil.rmtree(folder / name, ignore_errors=True)
        results = collect(given.output, size, given.development_seed)
        _write(given.output / "results.json", results.compact())
        _write_text(given.output / "table.md", summary(results))
        print(f"{len(results.seeds)} seeds finished", flush=True)
    if not asked:
        results = collect(given.output, size, given.development_seed)
        _write(given.output / "results.json", results.compact())
        _write_text(given.output / "table.md", summary(results))
        print(summary(results))


if __name__ == "__main__":
    main()
