"""The sections of the evaluation report, each from the evaluation alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ecgfoundry.evaluation.controls import CONTROLS
from ecgfoundry.evaluation.evaluate import (
    NO_DECISIONS,
    NO_DRIFT,
    NO_SUBGROUPS,
    NO_TRANSFER,
    Evaluation,
)
from ecgfoundry.evaluation.report.figures import ForestRow, dumbbell_figure, forest_figure
from ecgfoundry.evaluation.report.tables import (
    DASH,
    Cell,
    Table,
    band_cell,
    flagged_cell,
    interval_cell,
    number_cell,
    p_cell,
    quiet_cell,
    text_cell,
)
from ecgfoundry.evaluation.rows import (
    ClassRow,
    ControlSummary,
    NotComputed,
    QuantityRow,
    SetFigure,
    SubgroupTable,
    TransferRow,
    TransferTable,
)
from ecgfoundry.metrics.decisions import DECISION_MEASURES
from ecgfoundry.metrics.intervals import Interval
from ecgfoundry.templates import Templates, drawn

__all__ = [
    "TEMPLATES",
    "calibration_section",
    "controls_section",
    "decisions_section",
    "discrimination_section",
    "drift_section",
    "quantities_section",
    "readers_section",
    "subgroups_section",
    "transfer_section",
]

TEMPLATES = Templates("ecgfoundry.evaluation.report")

_NAMES = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "mcc": "MCC",
    "accuracy": "Accuracy",
}
FEW_PATIENTS = 30
"""Patients with and without a target from which a subgroup claims a figure."""


def _table_section(
    identifier: str,
    title: str,
    table: Table | None,
    *,
    before: str = "",
    after: str = "",
    missing: str = "",
) -> Markup:
    """A card with a table, and words before or after it, or why there is none."""
    return TEMPLATES.render(
        "table", identifier=identifier, title=title, table=table,
        before=before, after=after, missing=missing,
    )  # fmt: skip


def _weak(row: ClassRow) -> bool:
    return not row.ranking.reliable


def _weak_rows(rows: Sequence[ClassRow]) -> list[bool]:
    return [_weak(row) for row in rows]


def discrimination_section(evaluation: Evaluation) -> Markup:
    """AUROC, AUPRC and bands per target, the forest plot and the averages."""
    rows = evaluation.classes
    heads = ["Target", "n", "Positive", "AUROC", "AUPRC", "Prevalence", "Band", "Band of estimate"]
    cells = [
        [
            text_cell(row.target),
            number_cell(row.n),
            number_cell(row.ranking.positives),
            _auroc_cell(row),
            flagged_cell(row.auprc),
            number_cell(row.prevalence),
            band_cell(row.band),
            band_cell(row.band_point),
        ]
        for row in rows
    ]
    means = evaluation.averages.values()
    control = _best_control(rows)
    return TEMPLATES.render(
        "discrimination",
        table=Table(heads, cells, _weak_rows(rows)),
        flagged=sum(map(_weak, rows)),
        averages=_averages(evaluation),
        biased=any(map(_biased, [row.auprc for row in rows]))
        or any(_biased(mean.auroc) or _biased(mean.auprc) for mean in means),
        forest=drawn(forest_figure(_forest(rows, control))),
        control=CONTROLS[control] if control else "",
    )


def _auroc_cell(row: ClassRow) -> Cell:
    found = Interval.of_auroc(row.ranking)
    cell = interval_cell(found)
    if not _weak(row) or not cell.sort:
        return cell
    return Cell(cell.text, cell.sort, interval=cell.interval, mark="†")


def _biased(found: Interval) -> bool:
    """Whether an interval of the bootstrap is there and cannot be trusted."""
    return math.isfinite(found.low) and not found.reliable


def _averages(evaluation: Evaluation) -> Table:
    means = evaluation.averages
    measures = [
        m
        for m in DECISION_MEASURES
        if any(math.isfinite(mean.decisions.get(m, math.nan)) for mean in means.values())
    ]
    heads = ["Average", "Targets", "AUROC", "AUPRC", *(_NAMES[m] for m in measures)]
    rows = [
        [
            text_cell(name),
            number_cell(mean.targets),
            flagged_cell(mean.auroc),
            flagged_cell(mean.auprc),
            *(number_cell(mean.decisions.get(m)) for m in measures),
        ]
        for name, mean in means.items()
    ]
    return Table(heads, rows, sortable=False)


def _best_control(rows: Sequence[ClassRow]) -> str | None:
    """The control that stands in the forest plot: age and sex if there, else the next one."""
    for name in ("age_sex", "features", "heart_rate", "random_encoder"):
        if any(math.isfinite(_control_auroc(row, name)) for row in rows):
            return name
    return None


def _control_auroc(row: ClassRow, control: str | None) -> float:
    return row.gains[control].auroc if control is not None and control in row.gains else math.nan


def _forest(rows: Sequence[ClassRow], control: str | None) -> list[ForestRow]:
    def highest_first(row: ClassRow) -> float:
        return -row.ranking.auroc if math.isfinite(row.ranking.auroc) else 1.0

    return [
        ForestRow(
            row.target,
            row.ranking.auroc,
            row.ranking.low,
            row.ranking.high,
            _forest_note(row),
            weak=_weak(row),
            control=_control_auroc(row, control),
        )
        for row in sorted(rows, key=highest_first)
    ]


def _forest_note(row: ClassRow) -> str:
    found = row.ranking
    figure = f"{found.auroc:.3f}" if math.isfinite(found.auroc) else "undefined"
    return f"{figure} ({found.positives}/{row.n})"


def decisions_section(evaluation: Evaluation) -> Markup:
    """Measures at thresholds, or why there are none."""
    decided = [
        row for row in evaluation.classes if math.isfinite(row.decisions.measures["accuracy"].value)
    ]
    if not decided:
        reason = evaluation.not_computed.get(NO_DECISIONS, "")
        return _table_section("decisions", "Decisions", None, missing=reason)
    cells = [
        [
            text_cell(row.target),
            number_cell(row.decisions.threshold),
            *(interval_cell(row.decisions.measures[m], 2) for m in DECISION_MEASURES),
        ]
        for row in decided
    ]
    thresholds = evaluation.thresholds
    source = thresholds.source if thresholds is not None else "the largest score"
    return _table_section(
        "decisions",
        "Decisions",
        Table(["Target", "Threshold", *_NAMES.values()], cells),
        before=f"Thresholds: {source}.",
    )


def readers_section(evaluation: Evaluation) -> Markup:
    """Each reader's decisions beside the network, by target."""
    heads = ["Target", "Reader", "n", "Sensitivity", "Specificity", "PPV", "F1",
             "Network's sensitivity at that specificity", "McNemar p"]  # fmt: skip
    order = {row.target: k for k, row in enumerate(evaluation.rows)}
    cells = [
        [
            text_cell(row.target),
            text_cell(row.reader),
            number_cell(row.n),
            *(number_cell(row.measures[m]) for m in ("sensitivity", "specificity", "ppv", "f1")),
            number_cell(row.network_sensitivity),
            p_cell(row.p_mcnemar),
        ]
        for row in sorted(evaluation.readers, key=lambda row: order[row.target])
    ]
    note = (
        "Readers are the hollow marks on the ROC curves below. McNemar compares "
        "the reader's decisions with the network's at its threshold; it takes records as "
        "independent, and p-values are not corrected over rows."
    )
    return _table_section("readers", "Readers", Table(heads, cells), before=note)


def calibration_section(evaluation: Evaluation) -> Markup:
    """Calibration per target."""
    known = [row for row in evaluation.classes if math.isfinite(row.calibration["brier"])]
    if not known:
        return _table_section(
            "calibration", "Calibration", None, missing="the scores are not within 0 to 1"
        )
    heads = ["Target", "Brier", "Brier skill", "ECE", "Slope", "Intercept", "In the large"]
    cells = []
    for row in known:
        found = row.calibration
        cells.append(
            [
                text_cell(row.target),
                number_cell(found["brier"], 4),
                number_cell(found["brier_skill"]),
                number_cell(found["ece"]),
                interval_cell(_slope(found), 2),
                number_cell(found["calibration_intercept"], 2),
                number_cell(found["calibration_in_the_large"], 2),
            ]
        )
    legend = (
        "A slope of 1 and an intercept of 0 are perfect; a slope below 1 says "
        "that probabilities are too extreme. A Brier skill of 0 is no better than saying the "
        "prevalence to everybody."
    )
    return _table_section("calibration", "Calibration", Table(heads, cells), before=legend)


def _slope(calibration: Mapping[str, float]) -> Interval:
    slope = "calibration_slope"
    ends = calibration[f"{slope}_low"], calibration[f"{slope}_high"]
    return Interval(calibration[slope], *ends, method="sandwich", level=0.95, people=0)


def controls_section(evaluation: Evaluation) -> Markup:
    """What the network adds to each control."""
    controls, classes = evaluation.controls, evaluation.classes
    found = controls.classification
    summary = of_classes = of_quantities = None
    if classes and found:
        summary = _controls_summary(found)
        shown = [
            name for name in CONTROLS
            if isinstance(found.get(name), ControlSummary) and name != "prevalence_only"
        ]  # fmt: skip
        of_classes = _controls_rows(classes, shown) if shown else None
    if controls.regression:
        shown = [n for n in CONTROLS if isinstance(controls.regression.get(n), ControlSummary)]
        of_quantities = _quantity_controls(evaluation.quantities, shown)
    return TEMPLATES.render(
        "controls", summary=summary, classes=of_classes, quantities=of_quantities
    )


def _controls_summary(found: Mapping[str, ControlSummary | NotComputed]) -> Table:
    heads = ["Control", "Its macro AUROC", "Gain of the network", "Targets", "Beaten (q)"]
    cells = []
    for name, words in CONTROLS.items():
        entry = found.get(name, NotComputed("not given"))
        if isinstance(entry, NotComputed):
            reason = quiet_cell(f"not computed: {entry.reason}", right=False)
            cells.append([text_cell(words), reason, Cell(""), Cell(""), Cell("")])
            continue
        cells.append(
            [
                text_cell(words),
                number_cell(entry.macro_auroc),
                interval_cell(entry.macro_gain),
                number_cell(entry.targets),
                Cell(f"{entry.beaten} of {entry.tested}", str(entry.beaten)),
            ]
        )
    return Table(heads, cells, sortable=False)


def _controls_rows(rows: Sequence[ClassRow], shown: Sequence[str]) -> Table:
    heads = ["Target", "Network"]
    for name in shown:
        heads += [CONTROLS[name].capitalize(), "Gain", "q"]
    cells = []
    for row in rows:
        line = [text_cell(row.target), number_cell(row.ranking.auroc)]
        for name in shown:
            gain = row.gains[name]
            line += [number_cell(gain.auroc), interval_cell(gain.gain), p_cell(gain.q)]
        cells.append(line)
    return Table(heads, cells, _weak_rows(rows))


def _quantity_controls(rows: Sequence[QuantityRow], shown: Sequence[str]) -> Table:
    heads = ["Quantity", "MAE of the network"]
    for name in shown:
        heads += [f"MAE, {CONTROLS[name]}", "Saved", "q"]
    cells = []
    for row in rows:
        line = [text_cell(row.target), number_cell(row.measures["mae"].value)]
        for name in shown:
            gain = row.gains[name]
            line += [number_cell(gain.mae), interval_cell(gain.gain), p_cell(gain.q)]
        cells.append(line)
    return Table(heads, cells)


def quantities_section(evaluation: Evaluation) -> Markup:
    """Errors and agreement of predicted quantities; rows of few people are pale."""
    rows = evaluation.quantities
    names = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "pearson": "Pearson r",
             "concordance": "Concordance", "bias": "Bias"}  # fmt: skip
    heads = ["Quantity", "n", *names.values(), "Limits of agreement"]
    cells = [
        [
            text_cell(row.target),
            number_cell(row.n),
            *(interval_cell(row.measures[m]) for m in names),
            _agreement(row),
        ]
        for row in rows
    ]
    weak = [not row.reliable for row in rows]
    note = "Pale rows: fewer than 30 patients, or no interval." if any(weak) else ""
    return _table_section("quantities", "Quantities", Table(heads, cells, weak), after=note)


def _agreement(row: QuantityRow) -> Cell:
    low, high = row.measures["agreement_low"].value, row.measures["agreement_high"].value
    if not math.isfinite(low):
        return Cell(DASH)
    return Cell(f"{low:.3g} to {high:.3g}".replace("-", "\u2212"), repr(high))


@dataclass(frozen=True)
class _Subgroups:
    column: str
    levels: Table
    targets: Table


def subgroups_section(evaluation: Evaluation) -> Markup:
    """One table per covariate, and per target behind a fold."""
    return TEMPLATES.render(
        "subgroups",
        tables=[
            _Subgroups(entry.column, _subgroup_levels(entry), _subgroup_targets(entry))
            for entry in evaluation.subgroups
        ],
        missing=[
            f"{name.removeprefix(NO_SUBGROUPS)} ({reason})"
            for name, reason in evaluation.not_computed.items()
            if name.startswith(NO_SUBGROUPS)
        ],
    )


def _subgroup_levels(entry: SubgroupTable) -> Table:
    heads = [entry.column.capitalize(), "Records", "Patients", "Targets", "Macro AUROC"]
    cells = [
        [
            text_cell(level.level),
            number_cell(level.records),
            number_cell(level.patients),
            number_cell(level.macro_targets),
            number_cell(level.macro_auroc),
        ]
        for level in entry.levels
    ]
    if entry.missing:
        none = Cell(DASH)
        cells.append([text_cell("missing"), number_cell(entry.missing), none, none, none])
    return Table(heads, cells, sortable=False)


def _subgroup_targets(entry: SubgroupTable) -> Table:
    heads = ["Target", *(level.level for level in entry.levels)]
    by_target = zip(*(level.targets for level in entry.levels), strict=True)
    rows = [
        [text_cell(figures[0].target), *(_subgroup_cell(figure) for figure in figures)]
        for figures in by_target
    ]
    return Table(heads, rows)


def _subgroup_cell(figure: SetFigure) -> Cell:
    if figure.smaller_class < FEW_PATIENTS:
        return quiet_cell(f"{figure.positives} of {figure.n}")
    return _figure_cell(figure)


def _figure_cell(figure: SetFigure) -> Cell:
    found = Interval(figure.auroc, figure.low, figure.high, method="", level=0.95, people=0)
    return interval_cell(found)


@dataclass(frozen=True)
class _Transfer:
    home: str
    away: str
    targets: int
    mean_drop: str
    table: Table
    drawing: Markup


def transfer_section(tables: Sequence[TransferTable], not_computed: Mapping[str, str]) -> Markup:
    """Tables and pictures of the drop between sets."""
    return TEMPLATES.render(
        "transfer",
        tables=[
            _Transfer(
                entry.home,
                entry.away,
                entry.targets,
                f"{entry.mean_drop:+.3f}" if math.isfinite(entry.mean_drop) else "",
                _transfer_table(entry),
                drawn(_drops(entry)),
            )
            for entry in tables
        ],
        missing=not_computed.get(NO_TRANSFER, ""),
    )


def _transfer_table(entry: TransferTable) -> Table:
    home, away = entry.home, entry.away
    heads = ["Target", f"Positive, {home}", f"AUROC, {home}", f"Positive, {away}",
             f"AUROC, {away}", "Drop"]  # fmt: skip
    cells = [
        [
            text_cell(row.target),
            _positives_cell(row.home),
            _figure_cell(row.home),
            _positives_cell(row.away),
            _figure_cell(row.away) if row.claim else Cell(DASH),
            _drop_cell(row),
        ]
        for row in entry.rows
    ]
    return Table(heads, cells, [not row.claim for row in entry.rows])


def _positives_cell(figure: SetFigure) -> Cell:
    return Cell(f"{figure.positives:,} / {figure.n:,}", str(figure.positives))


def _drop_cell(row: TransferRow) -> Cell:
    if not row.claim:
        return quiet_cell("no claim")
    found = Interval(row.drop, row.drop_low, row.drop_high, method="", level=0.95, people=0)
    return interval_cell(found)


def _drops(entry: TransferTable) -> str:
    claimed = [(row.target, row.home.auroc, row.away.auroc) for row in entry.rows if row.claim]
    return dumbbell_figure(claimed, entry.home, entry.away)


def drift_section(evaluation: Evaluation) -> Markup:
    """How the evaluated records differ from the validation records."""
    found = evaluation.drift
    if found is None:
        missing = evaluation.not_computed[NO_DRIFT]
        return _table_section("drift", "Drift", None, missing=missing)
    heads = ["Target", "Validation", "Answered there", "Answered here", "Estimated here",
             "Labelled here", "Shifted"]  # fmt: skip
    rows = [
        [
            text_cell(shift.target),
            number_cell(shift.reference),
            number_cell(shift.answered_reference),
            number_cell(shift.answered),
            interval_cell(
                Interval(shift.estimated, shift.low, shift.high, method="", level=0.95, people=0)
            ),
            number_cell(shift.observed),
            quiet_cell(shift.problem, right=False)
            if shift.shifted is None
            else text_cell("yes" if shift.shifted else "no"),
        ]
        for shift in found.prevalence
    ]
    return _table_section(
        "drift", "Drift", Table(heads, rows) if rows else None,
        before=f"Shares of records, against {found.reference_records:,} validation records of "
        f"{found.reference_patients:,} patients. What is estimated here comes from the answers "
        "and from the confusions in validation, without the labels, and holds where each class "
        "looks as it did there; labels outside its interval say that it does not.",
        after=f"{_quality_words(evaluation)} {_embedding_words(evaluation)}".strip(),
    )  # fmt: skip


def _embedding_words(evaluation: Evaluation) -> str:
    found = None if evaluation.drift is None else evaluation.drift.embeddings
    if found is None:
        return ""
    return (
        f"Embeddings: energy distance {found.distance:.3f} of {found.points:,} people from "
        f"{found.points_reference:,} in validation, "
        f"{'beyond' if found.shifted else 'within'} what the latter alone give in 99 of 100 draws "
        f"({found.limit:.3f}; people exchanged at random: p {p_cell(found.p_value).text})."
    )


def _quality_words(evaluation: Evaluation) -> str:
    quality = None if evaluation.drift is None else evaluation.drift.quality
    if quality is None:
        return ""
    p = p_cell(quality.p_value).text
    return (
        f"Quality gate: {quality.refused:.1%} of {quality.records:,} records refused and "
        f"{quality.flagged:.1%} with a warning, in validation {quality.refused_reference:.1%} "
        f"and {quality.flagged_reference:.1%} of {quality.records_reference:,} "
        f"(people exchanged at random: p {p})."
    )
