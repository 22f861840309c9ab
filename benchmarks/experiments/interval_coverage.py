"""How often do the intervals of an AUROC hold the truth?

``python -m benchmarks.experiments.interval_coverage``

Patients have 1 + Poisson(1.5) records whose scores correlate by 0.5. The true AUROC is known in
closed form. Shapes of the scores:

- ``equal``: two normals of equal spread;
- ``wider``: positives spread 1.5 times as wide;
- ``hard``: one positive patient in ten (one in twenty at 0.95) scores like a negative.

Labels are constant within a patient, or "mixed": a positive patient's first record is positive and
each other one with probability one half, so that patients hold records of both kinds.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict

import numpy as np
from scipy.special import ndtri

from ecgfoundry.metrics.auroc_intervals import auroc_interval
from ecgfoundry.metrics.bootstrap import auroc_jackknife, bootstrap_ranks
from ecgfoundry.metrics.resampling import PatientResampling, bca_interval, percentile_interval

INSIDE = [(30, 30), (30, 100), (30, 1000), (60, 300), (150, 1000)]
OUTSIDE = [(5, 200), (10, 200), (20, 500)]
METHODS = ("reported", "delong", "percentile", "bca")


def simulate(generator, positives, negatives, auroc, shape, mixed):
    """Return labels, scores and patients of one study."""
    patients = positives + negatives
    sizes = 1 + generator.poisson(1.5, patients)
    member = np.repeat(np.arange(patients), sizes)
    label = (member < positives).astype(float)
    if mixed:
        first = np.append(True, member[1:] != member[:-1])
        label *= first | (generator.random(len(member)) < 0.5)
    noise = np.sqrt(0.5) * generator.normal(size=patients)[member]
    noise += np.sqrt(0.5) * generator.normal(size=len(member))
    if shape == "wider":
        shift, spread = ndtri(auroc) * np.sqrt(1 + 1.5**2), 1.5
        return label, np.where(label == 1, shift + spread * noise, noise), member
    hard = 0.0
    if shape == "hard":
        hard = 0.05 if auroc > 0.9 else 0.1
    shift = np.sqrt(2) * ndtri((auroc - hard / 2) / (1 - hard))
    easy = generator.random(patients) >= hard
    return label, noise + shift * label * easy[member], member


def coverage(positives, negatives, auroc, shape, mixed, *, studies, bootstraps, draws, seed):
    """Return method -> (share of intervals that hold the truth, mean width, studies)."""
    inside, width = defaultdict(list), defaultdict(list)
    for study in range(studies):
        generator = np.random.default_rng([seed, study])
        y, s, member = simulate(generator, positives, negatives, auroc, shape, mixed)
        found = auroc_interval(y, s, patients=member)
        intervals = {
            "reported": (found.low, found.high),
            "delong": (found.delong_low, found.delong_high),
        }
        if study < bootstraps:
            resampling = PatientResampling.of(member, seed=study)
            values = bootstrap_ranks(y[:, None], [s[:, None]], resampling, draws=draws).auroc[0, 0]
            jackknife = auroc_jackknife(y, s, resampling.member)
            intervals["percentile"] = percentile_interval(values)
            intervals["bca"] = bca_interval(values, found.auroc, jackknife)
        for method, (low, high) in intervals.items():
            inside[method].append(low <= auroc <= high)  # an undefined interval holds nothing
            width[method].append(high - low)
    return {m: (np.mean(inside[m]), np.nanmean(width[m]), len(inside[m])) for m in inside}


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--bootstraps", type=int, default=200)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    start = time.process_time()
    print("| positive + other patients | AUROC | scores | labels | reported | DeLong | percentile "
          "| BCa | claim |")  # fmt: skip
    print("|" + " --- |" * 9)
    for claim, sizes in (("93 to 97 %", INSIDE), ("flagged", OUTSIDE)):
        aurocs = (0.6, 0.8, 0.95) if claim != "flagged" else (0.6, 0.95)
        shapes = ("equal", "wider", "hard") if claim != "flagged" else ("equal",)
        for (m, n), auroc, shape in itertools.product(sizes, aurocs, shapes):
            for mixed in (False, True) if shape == "equal" else (False,):
                boot = options.bootstraps if shape == "equal" and not mixed else 0
                found = coverage(
                    m, n, auroc, shape, mixed,
                    studies=options.studies, bootstraps=boot, draws=options.draws,
                    seed=options.seed,
                )  # fmt: skip
                cells = [f"{100 * found[k][0]:.1f}" if k in found else "" for k in METHODS]
                said = "measured" if shape == "hard" else claim
                print(f"| {m} + {n} | {auroc} | {shape} | {'mixed' if mixed else 'by patient'} | "
                      f"{' | '.join(cells)} | {said} |", flush=True)  # fmt: skip
    for auroc in (0.5, 0.98):
        found = coverage(60, 300, auroc, "equal", False, studies=options.studies,
                         bootstraps=options.bootstraps, draws=options.draws,
                         seed=options.seed)  # fmt: skip
        cells = [f"{100 * found[k][0]:.1f}" for k in METHODS]
        print(f"| 60 + 300 | {auroc} | equal | by patient | {' | '.join(cells)} | flagged |",
              flush=True)  # fmt: skip
    print(f"\n{options.studies} studies per row (bootstraps: {options.bootstraps}, "
          f"{options.draws} draws), seed {options.seed}; "
          f"{time.process_time() - start:.0f} s of one core.")  # fmt: skip


if __name__ == "__main__":
    main()
