"""Bootstrap of AUROC by patient against a scikit-learn loop.

``python -m benchmarks.bootstrap_intervals``


150 targets x 10,000 records x 1,000 draws; two records per patient on average. Both run in turn in
one process on one thread. The loop is projected from a few draws, spread over the run, on which the
two must agree to 1e-12.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from ecgfoundry.metrics.bootstrap import bootstrap_ranks
from ecgfoundry.metrics.resampling import PatientResampling


def loop(labels, scores, resampling, numbers):
    """AUROC of every target on the records of some draws, one call each."""
    order = np.argsort(resampling.member, kind="stable")
    start = np.searchsorted(resampling.member[order], np.arange(resampling.patients + 1))
    values = np.empty((labels.shape[1], len(numbers)))
    for column, number in enumerate(numbers):
        chosen = resampling.draw(number)
        rows = np.concatenate([order[start[p] : start[p + 1]] for p in chosen])
        for k in range(labels.shape[1]):
            values[k, column] = roc_auc_score(labels[rows, k], scores[rows, k])
    return values


def main() -> None:
    """Print the ratio, its spread, and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=150)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    n, k = options.records, options.targets
    prevalence = np.exp(generator.uniform(np.log(0.01), np.log(0.4), k))
    labels = (generator.random((n, k)) < prevalence).astype(np.float64)
    scores = np.round(generator.normal(size=(n, k)) + labels, 3)  # with ties
    resampling = PatientResampling.of(generator.integers(0, n // 2, n), seed=1)
    ratios, ours, theirs, worst = [], [], [], 0.0
    for number in range(options.rounds):
        start = time.process_time()
        found = bootstrap_ranks(labels, [scores], resampling, draws=options.draws).auroc[0]
        ours.append(time.process_time() - start)
        start = time.process_time()
        values = loop(labels, scores, resampling, [2 * number, 2 * number + 1])
        theirs.append((time.process_time() - start) / 2 * options.draws)
        worst = max(worst, float(np.abs(values - found[:, [2 * number, 2 * number + 1]]).max()))
        ratios.append(theirs[-1] / ours[-1])
    start = time.process_time()
    bootstrap_ranks(labels, [scores], resampling, draws=options.draws, precision=True)
    both = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{k} targets x {n} records x {options.draws} draws, {resampling.patients} patients, "
          f"CPU seconds of one thread")  # fmt: skip
    print(f"ours {np.median(ours):.2f} s (with average precision {both:.2f} s); scikit-learn loop "
          f"{np.median(theirs):.0f} s, projected; ratio {np.median(ratios):.0f} "
          f"({min(ratios):.0f} to {max(ratios):.0f})")  # fmt: skip
    print(f"largest difference on the same draws {worst:.1e}; peak memory {peak:.2f} GiB")
    assert worst <= 1e-12


if __name__ == "__main__":
    main()
