"""The methods section: every choice of the evaluation, in words that can go into a paper."""

from __future__ import annotations

from ecgfoundry.evaluation.evaluate import SOFTWARE, Evaluation
from ecgfoundry.evaluation.settings import FEWEST_DRAWS, MINIMUM_CLAIM, Settings
from ecgfoundry.metrics.auroc_intervals import (
    PRIOR_PATIENTS,
    RELIABLE_AUROC,
    RELIABLE_EFFECTIVE,
    RELIABLE_PATIENTS,
)
from ecgfoundry.metrics.bands import MODERATE, STRONG
from ecgfoundry.metrics.resampling import LITTLE_BIAS

__all__ = ["methods_paragraphs"]


def methods_paragraphs(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return (heading, text) pairs that fit what was computed."""
    settings = evaluation.settings
    parts = [("Data", _data(evaluation))]
    if evaluation.classes:
        parts += [
            ("Discrimination", _discrimination()),
            ("Intervals", _intervals(settings, known=evaluation.patients_known)),
            ("Bands", _bands()),
            ("Decisions", _decisions(evaluation)),
            ("Calibration", _calibration()),
        ]
    if evaluation.quantities:
        parts.append(("Quantities", _quantities(settings)))
    parts.append(("Controls", _controls(evaluation)))
    if evaluation.subgroups or evaluation.transfer:
        parts.append(("Subgroups and other sets", _subgroups()))
    parts.append(
        (
            "Software",
            f"ecgfoundry {SOFTWARE['ecgfoundry']}, NumPy {SOFTWARE['numpy']}, Python "
            f"{SOFTWARE['python']}; random seed {settings.seed}.",
        )
    )
    return parts


def _data(evaluation: Evaluation) -> str:
    known = evaluation.patients_known
    units = "patients" if known else "records taken as patients of their own"
    return (
        f"{evaluation.records:,} records of {evaluation.patients:,} {units} were evaluated on "
        f"{len(evaluation.rows)} targets. A missing label or prediction is left out of its "
        "target and never counted as negative. A measure that is undefined (one class only, an "
        "empty denominator) is left empty and leaves every average."
    )


def _discrimination() -> str:
    return (
        "AUROC is the Mann-Whitney statistic with ties counted one half; AUPRC is average "
        "precision (a step function without interpolation). The macro average is the unweighted "
        "mean over targets where the measure is defined, the weighted average weighs targets by "
        "their positives, the micro average pools all records and targets."
    )


def _intervals(settings: Settings, *, known: bool) -> str:
    level = f"{100 * settings.level:g} %"
    low, high = RELIABLE_AUROC
    unit = "patients" if known else "records (no patients were given)"
    return (
        f"{level} intervals. AUROC: variance by DeLong's method, clustered by patient (Obuchowski "
        f"1997), raised where it is smaller towards the binormal one at the observed ratio of "
        f"spreads, worth {PRIOR_PATIENTS} patients; symmetric on the logit scale about the logit "
        "less its bias; Student's t with Satterthwaite's degrees of freedom by patients; where the "
        "data give no variance (AUROC of 0 or 1, one patient in a class) Newcombe's method 5. In "
        "simulations of scores that are normal up to a monotone function (equal spreads, unequal "
        "by half, several records per patient) it covered the truth in 93 to 97 % with at least "
        f"{RELIABLE_PATIENTS} patients with and without the target and an AUROC of {low:g} to "
        f"{high:g}; where a few positives score like negatives, in at least 93 % of the rows that "
        "are not flagged. Flagged is every row with fewer patients, or with patients of so uneven "
        f"numbers of records that they are worth fewer than {RELIABLE_EFFECTIVE}, or with another "
        "AUROC. The plain DeLong, percentile and BCa "
        f"intervals stand beside it in metrics.csv. All other intervals are percentiles of "
        f"{settings.draws} bootstrap draws of {unit}{_fewer(settings)}; draws are shared by all "
        "targets and models, and a draw that holds one class only is redrawn for that target, the "
        "share being reported. Intervals of predictive values and the like leave out draws in "
        "which they are undefined; where no draw differs (a specificity of 1), shares have "
        "Wilson's interval with their patients as sample size, and other measures none. "
        "Intervals of AUPRC and of averages are flagged where the draws lie beside the estimate by "
        f"more than {LITTLE_BIAS:g} of their standard deviation (Efron and Tibshirani 1993), as "
        "they do for rare targets. "
        "Calibration slopes have normal intervals from a sandwich "
        "variance clustered by patient."
    )


def _fewer(settings: Settings) -> str:
    """Say that an input of this size got fewer draws than were asked for."""
    if not settings.draws_asked:
        return ""
    return (
        f" ({settings.draws_asked} were asked for; an input of this size gets at most "
        f"{settings.draw_budget:,} records x targets x draws, and at least {FEWEST_DRAWS} draws)"
    )


def _bands() -> str:
    return (
        f"Bands as in AnyECG-Lab: strong from {STRONG:g}, moderate from {MODERATE:g}, else "
        "limited; once by the estimate and once by the lower end of its interval."
    )


def _decisions(evaluation: Evaluation) -> str:
    if evaluation.multiclass:
        return "The targets exclude each other; the one with the largest score is called present."
    if evaluation.thresholds is None:
        return "No thresholds were given or could be chosen on validation data: none is reported."
    return (
        f"A record is positive at or above its threshold; thresholds were "
        f"{evaluation.thresholds.source}. None was chosen on the evaluated records."
    )


def _calibration() -> str:
    return (
        "Slope and intercept are those of a logistic regression of the outcome on the logit of the "
        "prediction (Cox 1958); in the large: the intercept with slope 1. ECE uses 15 bins of "
        "equal width. The Brier skill is one less the Brier score over that of the prevalence. "
        "Reliability figures have ten bins of equal count with Wilson intervals, which take "
        "records as independent."
    )


def _quantities(settings: Settings) -> str:
    return (
        "Errors are predicted less true. R² is about the mean truth of the evaluated records, "
        "concordance is Lin's coefficient, limits of agreement are bias ± 1.96 standard deviations "
        "(Bland and Altman) without a correction for repeated records of a patient; intervals are "
        f"percentiles of {settings.draws} draws of patients."
    )


def _controls(evaluation: Evaluation) -> str:
    fitted = evaluation.controls.fitted_on
    if fitted is None:
        return "Controls were switched off."
    return (
        "Controls are scored on exactly the records where the network is scored. They are ridge "
        "logistic (for quantities: ridge linear) models of age, its square and sex; of heart rate "
        "and its square; of hand-crafted ECG features; of the embedding of an untrained network; "
        f"with indicators of missing values. Fitted on {fitted}. The gain is the paired difference "
        "of AUROC; its interval is a percentile one over shared draws, its p-value that of "
        "DeLong's paired test clustered by patient; q is corrected over targets by "
        "Benjamini and Hochberg, and a control counts as beaten at "
        f"q ≤ {evaluation.settings.false_discovery_rate:g}."
    )


def _subgroups() -> str:
    return (
        "Subgroup and set figures use the analytic interval above within the subgroup. Differences "
        "between sets are those of independent samples, with DeLong standard errors. With fewer "
        f"than {MINIMUM_CLAIM} patients with or without the target, counts are shown and no "
        "difference is claimed."
    )
