"""From a file to findings against the network alone: one file, warm, one thread.

``python -m benchmarks.experiments.file_to_findings [--runs 30]`` prints medians of processor time
(milliseconds), of runs in which all steps alternate, so that a machine that is shared disturbs
them alike:

- network: ``Predictor.logits`` of the prepared windows;
- file to findings: open, read, judge, standardize, network, calibrate
  (:meth:`ecgfoundry.Predictor.interpret_source`), and its ratio to the network;
- of which: reading, the quality gate, standardization;
- with measurements and statements: all that ``ecgfoundry diagnose`` answers.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import interpret_file
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.inference.windows import InputLeads, prepare_windows
from ecgfoundry.measurements.gate import judge_windows
from ecgfoundry.preprocessing import standardize_windows
from ecgfoundry.samples import sample_path

FILES = {
    "ptbxl-superclass-12lead": "12-lead",
    "rhythm-single-lead": "single-lead",
    "rhythm-single-lead-edge": "single-lead",
}
"""Shipped model -> shipped sample that it reads."""


def steps(model: str, sample: str) -> dict[str, Callable[[], object]]:
    """Return what is timed, by name."""
    predictor, path = load_model(model, threads=1), sample_path(sample)
    spec = predictor.bundle.input
    with open_file(path) as file:
        recording = file.part(0, file.samples)
    leads = InputLeads.choose(spec, recording.leads)
    raw = recording.select(leads.rows, missing="nan").signal[None]
    raw = raw[..., : round(spec.window_s * recording.sampling_rate)]
    windows = np.stack(
        [
            w.standardized
            for w in prepare_windows(recording, spec, leads)
            if w.standardized is not None
        ]
    )

    def findings() -> object:
        with open_file(path) as file:
            return predictor.interpret_source(file, recording=file.info)

    def reading() -> object:
        with open_file(path) as file:
            return file.part(0, file.samples)

    return {
        "network": lambda: predictor.logits(windows),
        "file to findings": findings,
        "reading": reading,
        "gate": lambda: judge_windows(raw, recording.sampling_rate, leads.rows),
        "standardization": lambda: standardize_windows(raw, recording.sampling_rate, spec.recipe),
        "with statements": lambda: interpret_file(predictor, path),
    }


def measure(model: str, sample: str, runs: int) -> dict[str, float]:
    """Return the median processor time of every step, in milliseconds."""
    timed = steps(model, sample)
    spent: dict[str, list[float]] = {name: [] for name in timed}
    for run in range(runs + 3):
        for name, call in timed.items():
            started = time.process_time()
            call()
            if run >= 3:  # the first ones warm up
                spent[name].append(1000.0 * (time.process_time() - started))
    return {name: float(np.median(values)) for name, values in spent.items()}


def main() -> None:
    """Print a line per model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    print("| model | network | file to findings | ratio | reading | gate | standardization |"
          " with statements |\n| --- | --- | --- | --- | --- | --- | --- | --- |")  # fmt: skip
    for model, sample in FILES.items():
        found = measure(model, sample, runs)
        ratio = found["file to findings"] / found["network"]
        print(
            f"| {model} | {found['network']:.1f} | {found['file to findings']:.1f} | {ratio:.2f} |"
            f" {found['reading']:.1f} | {found['gate']:.1f} | {found['standardization']:.1f} |"
            f" {found['with statements']:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
