"""How often does the interval of a macro AUPRC hold its own expectation, and is it flagged?

``python -m benchmarks.experiments.macro_auprc_coverage``

Targets are independent, with shares of positives spread evenly on the logarithmic scale; scores are
two normals of equal spread with an AUROC of 0.85; every patient has one record. The expectation is
the mean of the macro AUPRC over the studies. An interval is flagged where
:func:`ecgfoundry.metrics.resampling.is_little_biased` says no.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.special import ndtri

from ecgfoundry.metrics.bootstrap import bootstrap_ranks
from ecgfoundry.metrics.ranking import average_precision
from ecgfoundry.metrics.resampling import (
    PatientResampling,
    is_little_biased,
    percentile_interval,
)

AUROC = 0.85
SETTINGS = [
    # Records, targets, smallest and largest share of positives.
    (1_000, 20, 0.003, 0.05),
    (4_000, 20, 0.003, 0.05),
    (16_000, 20, 0.003, 0.05),
    (3_000, 5, 0.01, 0.01),
    (600, 20, 0.05, 0.3),
    (4_000, 20, 0.05, 0.3),
    (2_000, 5, 0.1, 0.3),
]


def coverage(
    records: int, targets: int, low: float, high: float, *, studies: int, draws: int, seed: int
) -> tuple[float, float, float, float]:
    """Return coverage, flagged share, coverage where not flagged, and bias over spread."""
    generator = np.random.default_rng(seed)
    shares = np.geomspace(low, high, targets)
    shift = np.sqrt(2.0) * ndtri(AUROC)
    value, ends, trusted, bias = [], [], [], []
    for study in range(studies):
        y = (generator.uniform(size=(records, targets)) < shares).astype(float)
        s = generator.normal(size=y.shape) + shift * y
        used = y.any(axis=0)
        patients = PatientResampling.of(np.arange(records), seed=study)
        found = bootstrap_ranks(y[:, used], [s[:, used]], patients, draws=draws, precision=True)
        means = found.average_precision[0].mean(axis=0)
        value.append(np.mean([average_precision(y[:, k], s[:, k]) for k in np.flatnonzero(used)]))
        ends.append(percentile_interval(means))
        trusted.append(is_little_biased(means, value[-1]))
        bias.append((means.mean() - value[-1]) / means.std())
    truth, (lower, upper) = np.mean(value), np.transpose(ends)
    inside, kept = (lower <= truth) & (truth <= upper), np.array(trusted)
    return (
        float(inside.mean()),
        float(1.0 - kept.mean()),
        float(inside[kept].mean()) if kept.any() else float("nan"),
        float(np.mean(bias)),
    )


def main() -> None:
    """Print one row per setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| records | targets | positives | holds | flagged | holds, not flagged | bias / SD |")
    print("|" + " --- |" * 7)
    for records, targets, low, high in SETTINGS:
        holds, flagged, kept, bias = coverage(
            records, targets, low, high,
            studies=options.studies, draws=options.draws, seed=options.seed,
        )  # fmt: skip
        # Too few studies say nothing about a coverage.
        enough = (1.0 - flagged) * options.studies >= 50
        cells = [
            f"{records:,}",
            f"{targets}",
            f"{100 * low:g} to {100 * high:g} %",
            f"{100 * holds:.0f} %",
            f"{100 * flagged:.0f} %",
            f"{100 * kept:.0f} %" if enough else "",
            f"{bias:.2f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
