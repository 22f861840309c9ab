"""How often do the intervals of an AUROC hold the truth?

``python -m benchmarks.experiments.interval_coverage``

Patients have 1 + Poisson(1.5) records whose scores correlate by 0.5. The true AUROC is known in
closed form. Shapes of the scores:

- ``equal``: two normals of equal spread;
- ``wider``, ``narrower``: positives spread 1.5 times, or two thirds, as wide;
- ``hard``: one positive patient in ten (one in twenty at 0.95) scores like a negative;
- ``uneven``: equal normals, but the logarithm of the records of a patient has a deviation of 1.2,
  so that a few patients hold most of the records.

Labels are constant within a patient, or "mixed": a positive patient's first record is positive and
each other one with probability one half, so that patients hold records of both kinds.

``--kept FILE`` keeps finished rows, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from ecgfoundry.metrics.auroc_intervals import auroc_interval
from ecgfoundry.metrics.bootstrap import auroc_jackknife, bootstrap_ranks
from ecgfoundry.metrics.resampling import PatientResampling, bca_interval, percentile_interval

SIZES = [(30, 30), (30, 100), (30, 1000), (60, 300), (150, 1000), (300, 30)]
AUROCS = (0.6, 0.8, 0.95)
FEW = [(5, 200), (10, 200), (20, 500)]
METHODS = ("reported", "delong", "percentile", "bca")
SPREAD = {"wider": 1.5, "narrower": 2.0 / 3.0}


def settings():
    """Yield positives, negatives, AUROC, shape, mixed, claim."""
    claim = "93 to 97 %"
    for (m, n), auroc in itertools.product(SIZES, AUROCS):
        for shape, mixed in (("equal", False), ("equal", True), ("wider", False),
                             ("narrower", False)):  # fmt: skip
            yield m, n, auroc, shape, mixed, claim
        yield m, n, auroc, "hard", False, "rows not flagged"
    for m, n in SIZES:
        yield m, n, 0.9, "hard", False, "rows not flagged"
    for auroc in AUROCS:
        yield 60, 300, auroc, "uneven", False, "rows not flagged"
    for (m, n), auroc in itertools.product(FEW, (0.6, 0.95)):
        yield m, n, auroc, "equal", False, "flagged"
    for auroc in (0.5, 0.98):
        yield 60, 300, auroc, "equal", False, "flagged"


def simulate(generator, positives, negatives, auroc, shape, mixed):
    """Return labels, scores and patients of one study."""
    patients = positives + negatives
    sizes = 1 + generator.poisson(1.5, patients)
    if shape == "uneven":
        sizes = np.ceil(np.exp(1.2 * generator.normal(size=patients))).astype(int)
    member = np.repeat(np.arange(patients), sizes)
    label = (member < positives).astype(float)
    if mixed:
        first = np.append(True, member[1:] != member[:-1])
        label *= first | (generator.random(len(member)) < 0.5)
    noise = np.sqrt(0.5) * generator.normal(size=patients)[member]
    noise += np.sqrt(0.5) * generator.normal(size=len(member))
    if shape in SPREAD:
        spread = SPREAD[shape]
        shift = ndtri(auroc) * np.sqrt(1 + spread**2)
        return label, np.where(label == 1, shift + spread * noise, noise), member
    hard = 0.0
    if shape == "hard":
        hard = 0.05 if auroc > 0.9 else 0.1
    shift = np.sqrt(2) * ndtri((auroc - hard / 2) / (1 - hard))
    easy = generator.random(patients) >= hard
    return label, noise + shift * label * easy[member], member


def coverage(positives, negatives, auroc, shape, mixed, *, studies, bootstraps, draws, seed):
    """Return method -> (share of intervals that hold the truth, mean width, studies).

    "not flagged" is the reported interval where its row carries no flag.
    """
    inside, width = defaultdict(list), defaultdict(list)
    for study in range(studies):
        generator = np.random.default_rng([seed, study])
        y, s, member = simulate(generator, positives, negatives, auroc, shape, mixed)
        found = auroc_interval(y, s, patients=member)
        intervals = {
            "reported": (found.low, found.high),
            "delong": (found.delong_low, found.delong_high),
        }
        if found.reliable:
            intervals["not flagged"] = (found.low, found.high)
        if study < bootstraps:
            resampling = PatientResampling.of(member, seed=study)
            values = bootstrap_ranks(y[:, None], [s[:, None]], resampling, draws=draws).auroc[0, 0]
            jackknife = auroc_jackknife(y, s, resampling.member)
            intervals["percentile"] = percentile_interval(values)
            intervals["bca"] = bca_interval(values, found.auroc, jackknife)
        for method, (low, high) in intervals.items():
            inside[method].append(low <= auroc <= high)  # an undefined interval holds nothing
            width[method].append(high - low)
    return {
        m: (float(np.mean(inside[m])), float(np.nanmean(width[m])), len(inside[m])) for m in inside
    }


def line(setting, found, studies) -> str:
    """Return a row of the table."""
    m, n, auroc, shape, mixed, claim = setting
    cells = [f"{100 * found[k][0]:.1f}" if k in found else "" for k in METHODS]
    kept = found.get("not flagged")
    # Too few rows say nothing about a coverage.
    few = kept is None or kept[2] < 100
    cells.insert(1, "" if few else f"{100 * kept[0]:.1f} of {100 * kept[2] / studies:.0f} %")
    return (f"| {m} + {n} | {auroc} | {shape} | {'mixed' if mixed else 'by patient'} | "
            f"{' | '.join(cells)} | {claim} |")  # fmt: skip


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--bootstraps", type=int, default=200)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--kept", type=Path, help="file of finished rows")
    options = parser.parse_args()
    amount = {k: getattr(options, k) for k in ("studies", "bootstraps", "draws", "seed")}
    kept = {}
    if options.kept and options.kept.is_file():
        kept = json.loads(options.kept.read_text())
    start = time.process_time()
    print("| positive + other patients | AUROC | scores | labels | reported | not flagged | DeLong "
          "| percentile | BCa | claim |")  # fmt: skip
    print("|" + " --- |" * 10)
    for setting in settings():
        key = json.dumps([setting, amount])
        if key not in kept:
            given = setting[:-1]
            plain = setting[3] == "equal" and not setting[4]
            own = amount | {"bootstraps": options.bootstraps if plain else 0}
            kept[key] = coverage(*given, **own)
            if options.kept:
                options.kept.write_text(json.dumps(kept))
        print(line(setting, kept[key], options.studies), flush=True)
    print(f"\n{options.studies} studies per row (bootstraps: {options.bootstraps}, "
          f"{options.draws} draws), seed {options.seed}; "
          f"{time.process_time() - start:.0f} s of one core.")  # fmt: skip


if __name__ == "__main__":
    main()
