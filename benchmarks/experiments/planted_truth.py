"""Does the path from files to laboratory values find what was planted, and nothing else?

    python -m benchmarks.experiments.planted_truth --output FOLDER --seeds 1,2,3

Each seed is a synthetic MC-MED of its own: simulated, built into a corpus, trained on and reported
by the functions behind ``synth mc-med``, ``corpus build``, ``labs train`` and ``labs report``.
One target per indicator, the more frequent direction (a table with both would count each
indicator twice). Four groups with different expectations, fixed before the first run:

- ``feature-visible``: the network beats age + sex + heart rate;
- ``morphology-only``: the network also beats the hand-crafted features;
- ``confounded``: the upper limit of the gain over age + sex + heart rate is below 0.02;
- ``null``: the interval of the AUROC covers 0.5, and nothing is called better after
  Benjamini-Hochberg.

Every stage of a seed is skipped when its result is there; ``table.md`` and ``results.json`` are
written from all finished seeds, whatever they say. Network, sizes and epochs are our choice, made
for a processor without a GPU; they bound what the network can find, not what could be found.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.corpus import build_corpus
from ecgfoundry.datasets.mc_med import open_mc_med
from ecgfoundry.evaluation.laboratory import laboratory_report
from ecgfoundry.evaluation.settings import Settings
from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med
from ecgfoundry.synthesis.truth import INDICATORS
from ecgfoundry.training.recipes.labs_mcmed import LaboratorySettings, labs_mcmed

GROUPS = ("feature-visible", "morphology-only", "confounded", "null")
UPPER_LIMIT = 0.02
CONTROLS = ("age_sex_rate", "features")


@dataclass(frozen=True)
class Size:
    """How large one seed is."""

    visits: int = 9000
    minutes: float = 0.35
    shares: tuple[float, float, float] = (0.4, 0.1, 0.5)
    model: str = "net1d-tiny"
    preprocessing: str = "ptbxl-bandpass@1"
    epochs: int = 4
    batch: int = 32
    draws: int = 200
    oracle_draws: int = 50_000


def settings_of(size: Size, seed: int) -> LaboratorySettings:
    """Return the settings of one training; a result counts for the whole visit."""
    return LaboratorySettings(
        window_minutes=None, segments_per_visit=1, validation_segments=1, test_segments=1,
        epochs=size.epochs, batch=size.batch, threads=1, seed=seed, patience=None,
        augmentations=("shift",), checkpoint_every=25,
    )  # fmt: skip


def frequent_targets() -> dict[str, str]:
    """Return target -> group: of each indicator the direction with the larger planted share."""
    return {
        f"{p.name} {'low' if p.share_low > p.share_high else 'high'}": p.group for p in INDICATORS
    }


def run_seed(folder: Path, seed: int, size: Size) -> list[dict[str, Any]]:
    """Do what is not done yet of one seed, and return its rows."""
    done = folder / "rows.json"
    if done.is_file():
        rows: list[dict[str, Any]] = json.loads(done.read_text())
        return rows
    data, corpus = folder / "data", folder / "corpus"
    if not (data / "data" / "waveform_summary.csv").is_file():
        options = SyntheticOptions(
            visits=size.visits, minutes=size.minutes, seed=seed, shares=size.shares,
            oracle_draws=size.oracle_draws,
        )  # fmt: skip
        write_synthetic_mc_med(data, options)
    if not (corpus / "corpus.json").is_file():
        opened = open_mc_med(data, labs=False)
        build_corpus(opened.manifest(), corpus, provenance=opened.report())
    run = folder / "run"
    if not (run / "bundle" / "bundle.json").is_file():
        labs_mcmed(
            corpus, run, tables=data, model=size.model, preprocessing=size.preprocessing,
            settings=settings_of(size, seed), say=lambda line: print(line, flush=True),
        )  # fmt: skip
    report = folder / "report"
    if not (report / "laboratory.json").is_file():
        laboratory_report(
            run / "bundle", corpus, data, report,
            window_minutes=None, segments_per_visit=1,
            targets=tuple(frequent_targets()), settings=Settings.of(draws=size.draws, seed=seed),
        )  # fmt: skip
    rows = _rows(json.loads((report / "laboratory.json").read_text()), data, seed)
    done.write_text(json.dumps(rows))
    return rows


def _rows(document: dict[str, Any], data: Path, seed: int) -> list[dict[str, Any]]:
    oracle = {
        f"{row['indicator']} {row['direction']}": row["auroc"]
        for row in _oracle(data / "truth" / "oracle.json")
    }
    groups = frequent_targets()
    rows = []
    for row in document["rows"]:
        if row["level"] == "visit" and row["ecg"] == "all" and row["target"] in groups:
            best = oracle[row["target"]]["whole ECG"]
            rows.append({"seed": seed, "group": groups[row["target"]], "oracle": best, **row})
    return rows


def _oracle(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text())
    rows: list[dict[str, Any]] = found if isinstance(found, list) else found["indicators"]
    return rows


def summary(rows: list[dict[str, Any]]) -> str:
    """Return the table: one line per group, over all seeds and indicators."""
    joint, features = CONTROLS
    seeds = sorted({row["seed"] for row in rows})
    least = min((row["positive_patients"] for row in rows), default=0)
    lines = [
        f"{len(seeds)} seed(s): {', '.join(map(str, seeds))}; at least {least} test patients with "
        "a positive visit per target.",
        "",
        "| group | targets x seeds | AUROC, mean | oracle | gain over age + sex + rate, mean | "
        "better than it | upper limit < 0.02 | better than features | covers 0.5 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for group in GROUPS:
        own = [row for row in rows if row["group"] == group]
        if not own:
            continue
        cells = [
            group,
            str(len(own)),
            _mean(own, "auroc"),
            _mean(own, "oracle"),
            _mean(own, f"{joint}_gain"),
            _count(own, lambda row: bool(row.get(f"{joint}_beaten"))),
            _count(own, lambda row: (row.get(f"{joint}_gain_high") or 1.0) < UPPER_LIMIT),
            _count(own, lambda row: bool(row.get(f"{features}_beaten"))),
            _count(own, lambda row: row["auroc_low"] <= 0.5 <= row["auroc_high"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| seed | target | group | positive patients | AUROC | oracle | gain over age + sex + rate "
        "| gain over features |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda r: (r["seed"], GROUPS.index(r["group"]), r["target"])):
        lines.append(
            f"| {row['seed']} | {row['target']} | {row['group']} | {row['positive_patients']} | "
            f"{_interval(row, 'auroc', row['auroc'])} | {row['oracle']:.3f} | "
            + " | ".join(_interval(row, f"{c}_gain", row.get(f"{c}_gain")) for c in CONTROLS)
            + " |"
        )
    return "\n".join(lines) + "\n"


def _mean(rows: list[dict[str, Any]], name: str) -> str:
    values = [row[name] for row in rows if row.get(name) is not None]
    return f"{np.mean(values):.3f}" if values else "-"


def _count(rows: list[dict[str, Any]], test: Any) -> str:
    return f"{sum(test(row) for row in rows)} of {len(rows)}"


def _interval(row: dict[str, Any], name: str, value: float | None) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if low is None or high is None else f" [{low:.3f}, {high:.3f}]")


def main() -> None:
    """Run the seeds that are asked for and write the table of all that are finished."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--visits", type=int, default=Size.visits)
    parser.add_argument("--epochs", type=int, default=Size.epochs)
    given = parser.parse_args()
    size = Size(visits=given.visits, epochs=given.epochs)
    for seed in (int(text) for text in given.seeds.split(",")):
        folder = given.output / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        run_seed(folder, seed, size)
        rows = [
            row
            for path in sorted(given.output.glob("seed-*/rows.json"))
            for row in json.loads(path.read_text())
        ]
        (given.output / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
        (given.output / "table.md").write_text(summary(rows))
        print(summary(rows), flush=True)


if __name__ == "__main__":
    main()
