"""Figures of the shipped bundles' recipes as the rows and notes of their cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecgfoundry.metrics.metric import Metric
from ecgfoundry.training.shipped.descriptions import RHYTHM

__all__ = ["diagnosis_metrics", "rhythm_edge_metrics", "rhythm_metrics", "superclass_metrics"]

_LEFT_OUT = "the quarter left out of the same recipe"


def rhythm_metrics(results: Mapping[str, Any]) -> tuple[list[Metric], list[str]]:
    """Return the figures of a rhythm recipe, on the recordings left out of it."""
    figures = results["left_out"]
    records = figures["records"]

    def metric(name: str, key: str, target: str | None = None) -> Metric:
        low, high = figures.get(f"{key}_ci95") or (None, None)
        return Metric(name, figures[key], _LEFT_OUT, low, high, target, "I", records)

    metrics = [
        metric("mean F1 of normal, AF, other", "f1_mean_NAO"),
        metric("F1", "f1_N", "normal"),
        metric("F1", "f1_A", "atrial fibrillation"),
        metric("F1", "f1_O", "other rhythm"),
        metric("F1", "f1_~", "noisy"),
        metric("AUROC", "auroc_A", "atrial fibrillation"),
        metric("expected calibration error before calibration", "ece_before"),
        metric("expected calibration error after calibration, cross-fitted", "ece_after"),
    ]
    noise = results["left_out_noise"]
    for name, key in (
        ("share of answers changed by noise of 5-40 Hz at 6 dB", "changed"),
        ("mean F1 of normal, AF, other in that noise", "f1_mean_NAO"),
    ):
        metrics.append(Metric(name, noise[key], _LEFT_OUT, None, None, None, "I", records))
    short = results["left_out_10s"]
    notes = [
        "F1 is at the largest calibrated probability, as `present` in the answer; calibration is "
        "cross-fitted by recording. Labels version 2. Intervals: 1,000 bootstrap draws of "
        "recordings. Expected calibration error: top class, 15 equal-width bins.",
        f"One 10-s window alone, as a live stream gives it, reaches a mean F1 of "
        f"{short['windows']['f1_mean_NAO']:.3f} and an AF AUROC of "
        f"{short['windows']['auroc_A']:.3f} on the same recordings, labelled as its recording; "
        f"the mean over all 10-s windows of a recording "
        f"{short['records']['f1_mean_NAO']:.3f} and {short['records']['auroc_A']:.3f}.",
    ]
    if "left_out_10s_calibration" in results:
        notes.append(_of_short_windows(results["left_out_10s_calibration"]))
    return metrics, notes


def _of_short_windows(results: Mapping[str, Any]) -> str:
    """What the calibrator of short windows is good for."""
    before, after = results["as_window"], results["short_window"]
    return (
        "Windows of up to 15 s have a calibrator of their own, fitted on 10-s windows of records "
        "that the weights learned from. Made in the same way of a network that learned from three "
        "quarters (the run repeated), it brings the 10-s windows of the quarter left out from a "
        f"log loss of {before['log_loss']:.3f} to {after['log_loss']:.3f} and from an expected "
        f"calibration error of {before['calibration_error']:.3f} to "
        f"{after['calibration_error']:.3f}; {after['answered_A']:.1%} of them are answered as "
        f"atrial fibrillation instead of {before['answered_A']:.1%}, and {after['labelled_A']:.1%} "
        "bear its label."
    )


def rhythm_edge_metrics(results: Mapping[str, Any]) -> tuple[list[Metric], list[str]]:
    """Return the figures of the edge recipe: its own, and how far it is from the committee."""
    metrics, notes = rhythm_metrics(results)
    shown = {
        "auroc_N": ("AUROC", "normal"),
        "auroc_A": ("AUROC", "atrial fibrillation"),
        "auroc_O": ("AUROC", "other rhythm"),
        "auroc_~": ("AUROC", "noisy"),
        "auroc_macro": ("macro AUROC", None),
        "f1_mean_NAO": ("mean F1 of normal, AF, other", None),
    }
    for seconds, figures in results["against_committee"].items():
        for key, (name, target) in shown.items():
            low, high = figures[key]["difference_ci95"] or (None, None)
            metrics.append(
                Metric(
                    f"{name}, less that of {RHYTHM.name}",
                    figures[key]["difference"],
                    f"{_LEFT_OUT}, windows of {seconds}",
                    low,
                    high,
                    target,
                    "I",
                    figures["records"],
                )
            )
    counts = results["multiply_adds"]
    notes.append(
        "Differences: both models with calibration cross-fitted, on the same recordings, intervals "
        "from the same 1,000 draws; AUROC is of each class against all others. Multiply-adds: "
        f"{counts['30 s'] / 1e6:.1f} million for a window of 30 s and {counts['10 s'] / 1e6:.1f} "
        "million for one of 10 s, of which the zeros at the end are left out."
    )
    return metrics, notes


def _calibration_errors(calibration: Mapping[str, Any]) -> list[Metric]:
    return [
        Metric(
            f"expected calibration error {when} calibration",
            errors[key],
            "folds 1-9, cross-fitted by patient",
            leads=leads.split(" (also")[0],
            records=calibration["records"],
        )
        for leads, errors in calibration["cross-fitted"].items()
        for when, key in (("before", "before"), ("after", "after, cross-fitted"))
    ]


def superclass_metrics(results: Mapping[str, Any]) -> tuple[list[Metric], list[str]]:
    """Return the figures of the superclass recipe: cross-validation, lead sets, fold 9."""
    metrics = []
    for part, data in (
        ("out_of_fold", "folds 1-8, out of fold by patient"),
        ("fold_9", "fold 9, reported once"),
    ):
        for leads, figures in results[part]["auroc"].items():
            shown = leads.split(" (also")[0]
            if part == "fold_9" and shown not in ("12 leads", "I"):
                continue
            low, high = figures["macro_ci95"] or (None, None)
            records = results[part]["records"]
            metrics.append(
                Metric("macro AUROC", figures["macro"], data, low, high, None, shown, records)
            )
            if shown in ("12 leads", "I"):
                metrics += [
                    Metric("AUROC", figures[target], data, None, None, target, shown, records)
                    for target in results["targets"]
                ]
    metrics += _calibration_errors(results["calibration"])
    notes = [
        "Intervals: bootstrap of patients. I and II give all six limb leads, so 'I+II' is read as "
        "six leads, and I, II and V1-V6 as all twelve. Expected calibration error: mean over the "
        "five targets, 15 equal-width bins. Out of fold, each record is judged by a committee "
        "that never saw its patient; the shipped committee learned from all of folds 1-8."
    ]
    return metrics, notes


_CLAIMS = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "positive predictive value": "ppv",
}
"""Name on the card -> key in the results of the diagnosis recipe."""

_WEAK = 0.75
"""AUROCs below it are named apart on the card."""


def _of_claims(results: Mapping[str, Any]) -> list[str]:
    """What a reader must not miss among the rows: who is never claimed, and what is missed."""
    every, one = results["claims"]
    infarction = results["claims"][every]["MI"]["sensitivity"]["value"]
    silent = [name for name, limit in results["thresholds"].items() if limit is None]
    weak = [
        f"{name} {results['statements'][one][name]['auroc']:.2f}"
        for name in results["reported"]
        if results["statements"][one][name]["auroc"] < _WEAK
    ]
    return [
        f"Without a threshold, and so never said to be present: {', '.join(silent)}.",
        f"At its threshold, with twelve leads, {100 * (1 - infarction):.0f} % of MI are missed.",
        f"AUROC under {_WEAK} with lead {one}: {', '.join(weak)}.",
    ]


def diagnosis_metrics(results: Mapping[str, Any]) -> tuple[list[Metric], list[str]]:
    """Return the out-of-fold figures of the diagnosis recipe: lead sets, then every statement."""
    metrics = []
    for part, data in (
        ("out_of_fold, folds 1-8", "folds 1-8, out of fold by patient"),
        ("out_of_fold", "folds 1-9, out of fold by patient"),
    ):
        table = results[part]
        for leads, figures in table["auroc"].items():
            shown = leads.split(" (also")[0]
            low, high = figures["macro_ci95"] or (None, None)
            records = table["records"]
            metrics.append(
                Metric("macro AUROC", figures["macro"], data, low, high, None, shown, records)
            )
    for leads, statements in results["statements"].items():
        for name in results["reported"]:
            found = statements[name]
            low, high = found["ci95"] or (None, None)
            metrics.append(
                Metric(
                    "AUROC",
                    found["auroc"],
                    "folds 1-9, out of fold by patient",
                    low,
                    high,
                    name,
                    leads.split(" (also")[0],
                    results["records"]["PTB-XL"],
                )
            )
    for leads, claims in results["claims"].items():
        for target, found in claims.items():
            if results["thresholds"][target] is None:
                continue
            for name, key in _CLAIMS.items():
                if found[key]["value"] is None:
                    continue  # nothing was claimed
                low, high = found[key]["ci95"] or (None, None)
                metrics.append(
                    Metric(
                        name,
                        found[key]["value"],
                        "folds 1-9, cross-fitted by patient",
                        low,
                        high,
                        target,
                        leads.split(" (also")[0],
                        results["records"]["PTB-XL"],
                    )
                )
    metrics += _calibration_errors(results["calibration"])
    notes = [
        "Sensitivity, specificity and positive predictive value are of `present`: calibration and "
        "threshold of each group of folds are those that the other groups give. Of rhythms that "
        "exclude each other the most probable one alone counts as said.",
        *_of_claims(results),
        "Macro AUROC is of the five superclasses. Targets stand under their SCP-ECG codes. "
        "Intervals: bootstrap of patients. I and II give all six limb leads, so 'I+II' is read as "
        "six leads, and I, II and V1-V6 as all twelve. Expected calibration error: mean over the "
        "targets, 15 equal-width bins. Figures are of records of PTB-XL alone.",
    ]
    return metrics, notes
