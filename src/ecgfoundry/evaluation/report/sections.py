"""The sections of the evaluation report, each from the document alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ecgfoundry.evaluation.controls import CONTROLS
from ecgfoundry.evaluation.report.figures import ForestRow, dumbbell_figure, forest_figure
from ecgfoundry.evaluation.report.tables import (
    Cell,
    band_cell,
    flagged_cell,
    interval_cell,
    number_cell,
    p_cell,
    table,
    text_cell,
)
from ecgfoundry.evaluation.rows import Row, rows_of_quantities
from ecgfoundry.metrics.decisions import DECISION_MEASURES
from ecgfoundry.reports.wording import escape

__all__ = [
    "calibration_section",
    "controls_section",
    "decisions_section",
    "discrimination_section",
    "quantities_section",
    "readers_section",
    "section",
    "subgroups_section",
    "transfer_section",
]


def section(identifier: str, title: str, content: str) -> str:
    """Wrap content as a card with a heading."""
    return f'<section class="card" id="{identifier}"><h2>{title}</h2>{content}</section>\n'


def _weak(row: Row) -> bool:
    return not row["auroc_interval_reliable"]


def _best_control(rows: Sequence[Row]) -> str | None:
    """The control that stands in the forest plot: age and sex if there, else the next one."""
    for name in ("age_sex", "features", "heart_rate", "random_encoder"):
        if any(math.isfinite(row.get(f"{name}_auroc", math.nan)) for row in rows):
            return name
    return None


def discrimination_section(document: Row, rows: Sequence[Row]) -> str:
    """AUROC, AUPRC and bands per target, the forest plot and the averages."""
    heads = ["Target", "n", "Positive", "AUROC", "AUPRC", "Prevalence", "Band", "Band of estimate"]
    cells = [
        [
            text_cell(row["target"]),
            number_cell(row["n"]),
            number_cell(row["positives"]),
            _flagged(row),
            flagged_cell(row, "auprc"),
            number_cell(row["prevalence"]),
            band_cell(row["band"]),
            band_cell(row["band_point"]),
        ]
        for row in rows
    ]
    flagged = sum(map(_weak, rows))
    note = (
        f'<p class="legend">† {flagged} of {len(rows)} rows: fewer than 30 patients with or '
        "without the target (or of so uneven numbers of records that they are worth fewer than "
        "15), or an AUROC outside 0.6 to 0.95, where the interval's coverage is not shown to be "
        "93 to 97 %.</p>"
        if flagged
        else ""
    )
    averages, biased = _averages(document), ""
    means = document["averages"].values()
    if any(map(_biased, [*rows, *means])) or any(_biased(mean, "auroc") for mean in means):
        biased = (
            '<p class="legend">‡ The bootstrap lies beside the estimate by more than a quarter of '
            "its standard deviation (rare targets), or rests on fewer than 30 patients with or "
            "without a target: the interval holds the truth less often than it says.</p>"
        )
    return section(
        "discrimination",
        "Discrimination",
        table(heads, cells, weak=[_weak(row) for row in rows]) + note + averages + biased,
    ) + _forest(rows)


def _flagged(row: Row) -> Cell:
    cell = interval_cell(row["auroc"], row["auroc_low"], row["auroc_high"])
    if _weak(row) and cell.sort:
        return Cell(f"{cell.html}&nbsp;†", cell.sort)
    return cell


def _biased(row: Row, measure: str = "auprc") -> bool:
    """Whether an interval of the bootstrap is there and cannot be trusted."""
    return math.isfinite(row[f"{measure}_low"]) and not row[f"{measure}_interval_reliable"]


def _averages(document: Row) -> str:
    averages = document["averages"].values()
    measures = [
        m for m in DECISION_MEASURES if any(math.isfinite(c.get(m, math.nan)) for c in averages)
    ]
    heads = ["Average", "Targets", "AUROC", "AUPRC", *(_NAMES[m] for m in measures)]
    rows = [
        [
            text_cell(name),
            number_cell(cells["targets"]),
            flagged_cell(cells, "auroc"),
            flagged_cell(cells, "auprc"),
            *(number_cell(cells.get(m, math.nan)) for m in measures),
        ]
        for name, cells in document["averages"].items()
    ]
    return '<h3 class="gap">Averages</h3>' + table(heads, rows, sortable=False)


def _forest(rows: Sequence[Row]) -> str:
    control = _best_control(rows)
    lines = [
        ForestRow(
            row["target"],
            row["auroc"],
            row["auroc_low"],
            row["auroc_high"],
            _forest_note(row),
            weak=_weak(row),
            control=row.get(f"{control}_auroc", math.nan) if control else math.nan,
        )
        for row in sorted(rows, key=lambda row: -_or(row["auroc"], -1.0))
    ]
    legend = "Dot and bar: AUROC and interval (pale where flagged). Dashed: limits of the bands."
    if control:
        legend += f" Diamond: {CONTROLS[control]}."
    return section(
        "forest",
        "All targets",
        f'<p class="legend">{legend}</p>'
        f'<div class="plot" tabindex="0">{forest_figure(lines)}</div>',
    )


def _forest_note(row: Row) -> str:
    if not math.isfinite(row["auroc"]):
        return f"undefined ({row['positives']}/{row['n']})"
    return f"{row['auroc']:.3f} ({row['positives']}/{row['n']})"


def _or(value: float, other: float) -> float:
    return value if math.isfinite(value) else other


_NAMES = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "mcc": "MCC",
    "accuracy": "Accuracy",
}


def decisions_section(document: Row, rows: Sequence[Row]) -> str:
    """Measures at thresholds, or why there are none."""
    decided = [row for row in rows if math.isfinite(row.get("accuracy", math.nan))]
    if not decided:
        reason = document["not_computed"].get("sensitivity, specificity, PPV, NPV, F1, MCC", "")
        return section("decisions", "Decisions", f"<p>Not computed: {escape(reason)}.</p>")
    heads = ["Target", "Threshold", *_NAMES.values()]
    cells = [
        [
            text_cell(row["target"]),
            number_cell(row["threshold"]),
            *(
                interval_cell(row[m], row[f"{m}_low"], row[f"{m}_high"], 2)
                for m in DECISION_MEASURES
            ),
        ]
        for row in decided
    ]
    source = document["thresholds"]["source"] if document["thresholds"] else "the largest score"
    return section(
        "decisions",
        "Decisions",
        f'<p class="legend">Thresholds: {escape(source)}.</p>' + table(heads, cells),
    )


def readers_section(document: Row) -> str:
    """Each reader's decisions beside the network, by target."""
    heads = ["Target", "Reader", "n", "Sensitivity", "Specificity", "PPV", "F1",
             "Network's sensitivity at that specificity", "McNemar p"]  # fmt: skip
    order = {row["target"]: k for k, row in enumerate(document["targets"])}
    cells = [
        [
            text_cell(row["target"]),
            text_cell(row["reader"]),
            number_cell(row["n"]),
            *(number_cell(row[m]) for m in ("sensitivity", "specificity", "ppv", "f1")),
            number_cell(row["network_sensitivity"]),
            p_cell(row["p_mcnemar"]),
        ]
        for row in sorted(document["readers"], key=lambda row: order[row["target"]])
    ]
    note = (
        '<p class="legend">Readers are the hollow marks on the ROC curves below. McNemar compares '
        "the reader's decisions with the network's at its threshold; it takes records as "
        "independent, and p-values are not corrected over rows.</p>"
    )
    return section("readers", "Readers", note + table(heads, cells))


def calibration_section(rows: Sequence[Row]) -> str:
    """Calibration per target."""
    known = [row for row in rows if math.isfinite(row.get("brier", math.nan))]
    if not known:
        return section(
            "calibration", "Calibration", "<p>Not computed: the scores are not within 0 to 1.</p>"
        )
    heads = ["Target", "Brier", "Brier skill", "ECE", "Slope", "Intercept", "In the large"]
    cells = [
        [
            text_cell(row["target"]),
            number_cell(row["brier"], 4),
            number_cell(row["brier_skill"]),
            number_cell(row["ece"]),
            interval_cell(
                row["calibration_slope"],
                row["calibration_slope_low"],
                row["calibration_slope_high"],
                2,
            ),
            number_cell(row["calibration_intercept"], 2),
            number_cell(row["calibration_in_the_large"], 2),
        ]
        for row in known
    ]
    legend = (
        '<p class="legend">A slope of 1 and an intercept of 0 are perfect; a slope below 1 says '
        "that probabilities are too extreme. A Brier skill of 0 is no better than saying the "
        "prevalence to everybody.</p>"
    )
    return section("calibration", "Calibration", legend + table(heads, cells))


def controls_section(document: Row, rows: Sequence[Row]) -> str:
    """What the network adds to each control."""
    controls = document["controls"]
    parts = []
    found = controls["classification"]
    if rows and found:
        parts.append(_controls_summary(found))
        shown = [name for name in CONTROLS if "not_computed" not in found.get(name, {})]
        shown = [name for name in shown if name != "prevalence_only"]
        if shown:
            parts.append(_controls_rows(rows, shown))
    quantities = controls["regression"]
    if quantities:
        parts.append(_quantity_controls(document, quantities))
    return section("controls", "What the waveform adds: controls", "".join(parts))


def _controls_summary(found: Mapping[str, Row]) -> str:
    heads = ["Control", "Its macro AUROC", "Gain of the network", "Targets", "Beaten (q)"]
    cells = []
    for name, words in CONTROLS.items():
        entry = found.get(name, {"not_computed": "not given"})
        if "not_computed" in entry:
            reason = f'<span class="ci">not computed: {escape(entry["not_computed"])}</span>'
            cells.append(
                [text_cell(words), Cell(reason, right=False), Cell(""), Cell(""), Cell("")]
            )
            continue
        cells.append(
            [
                text_cell(words),
                number_cell(entry["macro_auroc"]),
                interval_cell(
                    entry["macro_gain"], entry["macro_gain_low"], entry["macro_gain_high"]
                ),
                number_cell(entry["targets"]),
                Cell(f"{entry['beaten']} of {entry['tested']}", str(entry["beaten"])),
            ]
        )
    return table(heads, cells, sortable=False)


def _controls_rows(rows: Sequence[Row], shown: Sequence[str]) -> str:
    heads = ["Target", "Network"]
    for name in shown:
        heads += [CONTROLS[name].capitalize(), "Gain", "q"]
    cells = []
    for row in rows:
        line = [text_cell(row["target"]), number_cell(row["auroc"])]
        for name in shown:
            line += [
                number_cell(row[f"{name}_auroc"]),
                interval_cell(
                    row[f"{name}_gain"], row[f"{name}_gain_low"], row[f"{name}_gain_high"]
                ),
                p_cell(row[f"{name}_q"]),
            ]
        cells.append(line)
    return '<h3 class="gap">AUROC per target</h3>' + table(
        heads, cells, weak=[_weak(row) for row in rows]
    )


def _quantity_controls(document: Row, found: Mapping[str, Row]) -> str:
    shown = [name for name in CONTROLS if "not_computed" not in found.get(name, {})]
    rows = rows_of_quantities(document["targets"])
    heads = ["Quantity", "MAE of the network"]
    for name in shown:
        heads += [f"MAE, {CONTROLS[name]}", "Saved", "q"]
    cells = []
    for row in rows:
        line = [text_cell(row["target"]), number_cell(row["mae"])]
        for name in shown:
            line += [
                number_cell(row[f"{name}_mae"]),
                interval_cell(
                    row[f"{name}_gain_mae"],
                    row[f"{name}_gain_mae_low"],
                    row[f"{name}_gain_mae_high"],
                ),
                p_cell(row[f"{name}_q"]),
            ]
        cells.append(line)
    return '<h3 class="gap">Absolute error per quantity</h3>' + table(heads, cells)


def quantities_section(rows: Sequence[Row]) -> str:
    """Errors and agreement of predicted quantities; rows of few people are pale."""
    names = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "pearson": "Pearson r",
             "concordance": "Concordance", "bias": "Bias"}  # fmt: skip
    heads = ["Quantity", "n", *names.values(), "Limits of agreement"]
    cells = []
    for row in rows:
        limits = Cell("–")
        if math.isfinite(row["agreement_low"]):
            text = f"{row['agreement_low']:.3g} to {row['agreement_high']:.3g}"
            limits = Cell(text.replace("-", "\u2212"), repr(row["agreement_high"]))
        cells.append(
            [
                text_cell(row["target"]),
                number_cell(row["n"]),
                *(interval_cell(row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in names),
                limits,
            ]
        )
    weak = [not row["intervals_reliable"] for row in rows]
    note = (
        '<p class="legend">Pale rows: fewer than 30 patients, or no interval.</p>'
        if any(weak)
        else ""
    )
    return section("quantities", "Quantities", table(heads, cells, weak=weak) + note)


def subgroups_section(document: Row) -> str:
    """One table per covariate, and per target behind a fold."""
    missing = [
        f"{name.removeprefix('subgroups by ')} ({reason})"
        for name, reason in document["not_computed"].items()
        if name.startswith("subgroups by ")
    ]
    parts = []
    for entry in document["subgroups"]:
        heads = [entry["column"].capitalize(), "Records", "Patients", "Targets", "Macro AUROC"]
        cells = [
            [
                text_cell(level["level"]),
                number_cell(level["records"]),
                number_cell(level["patients"]),
                number_cell(level["macro_targets"]),
                number_cell(level["macro_auroc"]),
            ]
            for level in entry["levels"]
        ]
        if entry["missing"]:
            cells.append([text_cell("missing"), number_cell(entry["missing"]),
                          Cell("–"), Cell("–"), Cell("–")])  # fmt: skip
        parts.append(
            f'<h3 class="gap">By {escape(entry["column"])}</h3>'
            f"{table(heads, cells, sortable=False)}{_subgroup_targets(entry)}"
        )
    if missing:
        parts.append(f'<p class="legend">Not computed: {escape("; ".join(missing))}.</p>')
    parts.append(
        '<p class="legend">Macro figures of two levels are over the targets that are defined '
        "there, which can differ: compare target by target.</p>"
        if document["subgroups"]
        else ""
    )
    return section("subgroups", "Subgroups", "".join(parts))


def _subgroup_targets(entry: Row) -> str:
    levels = entry["levels"]
    heads = ["Target", *(escape(level["level"]) for level in levels)]
    rows = []
    for k, first in enumerate(levels[0]["targets"]):
        line = [text_cell(first["target"])]
        for level in levels:
            cell = level["targets"][k]
            small = min(cell["positive_patients"], cell["negative_patients"]) < 30
            if small:
                text = f'<span class="ci">{cell["positives"]} of {cell["n"]}</span>'
                line.append(Cell(text))
            else:
                line.append(interval_cell(cell["auroc"], cell["auroc_low"], cell["auroc_high"]))
        rows.append(line)
    return (
        f"<details><summary>AUROC of every target by {escape(entry['column'])}</summary>"
        '<p class="legend">Under 30 patients with or without the target: positives of records, '
        f"no claim.</p>{table(heads, rows)}</details>"
    )


def transfer_section(document: Row) -> str:
    """Tables and pictures of the drop between sets."""
    parts = []
    for entry in document["transfer"]:
        home, away = escape(entry["home"]), escape(entry["away"])
        heads = ["Target", f"Positive, {home}", f"AUROC, {home}", f"Positive, {away}",
                 f"AUROC, {away}", "Drop"]  # fmt: skip
        cells, weak = [], []
        for row in entry["rows"]:
            weak.append(not row["claim"])
            cells.append(
                [
                    text_cell(row["target"]),
                    Cell(f"{row['home_positives']:,} / {row['home_n']:,}",
                         str(row["home_positives"])),
                    interval_cell(row["home_auroc"], row["home_low"], row["home_high"]),
                    Cell(f"{row['away_positives']:,} / {row['away_n']:,}",
                         str(row["away_positives"])),
                    interval_cell(row["away_auroc"], row["away_low"], row["away_high"])
                    if row["claim"] else Cell("–"),
                    interval_cell(row["drop"], row["drop_low"], row["drop_high"])
                    if row["claim"] else Cell('<span class="ci">no claim</span>'),
                ]
            )  # fmt: skip
        drops = [
            (r["target"], r["home_auroc"], r["away_auroc"]) for r in entry["rows"] if r["claim"]
        ]
        figure = dumbbell_figure(drops, entry["home"], entry["away"])
        mean = entry["mean_drop"]
        words = (
            f"<p>Mean drop over {entry['targets']} targets: <b>{mean:+.3f}</b>.</p>"
            if math.isfinite(mean)
            else "<p>No target has 30 patients with and without it in both sets.</p>"
        )
        parts.append(
            f'<h3 class="gap">{home} against {away}</h3>{words}'
            f"{table(heads, cells, weak=weak)}"
            f'<p class="legend gap">Ring: {home}. Dot: {away}. At the right: the change from ring '
            "to dot, which is the drop with its sign turned.</p>"
            f'<div class="plot" tabindex="0">{figure}</div>'
        )
    if not parts:
        reason = document["not_computed"].get("temporal or external validation", "")
        parts.append(f"<p>Not computed: {escape(reason)}.</p>")
    return section("transfer", "Temporal and external validation", "".join(parts))
