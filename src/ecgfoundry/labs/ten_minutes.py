"""What ECG and pulse say about laboratory values: the protocol of SignalMC-MED.

Ten minutes of lead II and of Pleth of each visit, a frozen network averaged over sixty windows, a
ridge or logistic regression on top, the chronological split (arXiv 2603.09940). Beside each
embedding stand the hand-crafted features of the same windows, and both together, so that a reader
sees what a network adds. Every arm has the same visits, folds and people, so that gains are paired.

Our choices, not from the paper: which ten minutes, readable windows
(:mod:`ecgfoundry.labs.ten_minutes_data`), which result belongs to a visit, and the penalty, which
three folds of the patients of train and validation choose for each target and arm.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecgfoundry._version import __version__
from ecgfoundry.documents import Cells, JsonObject
from ecgfoundry.errors import TrainingError
from ecgfoundry.evaluation.writing import csv_text, json_text, write_text
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.io import write_atomically
from ecgfoundry.labs.settings import TenMinuteSettings
from ecgfoundry.labs.ten_minutes_data import (
    SIGNALS,
    Span,
    VisitNumbers,
    check_models,
    common_spans,
    measure_span,
)
from ecgfoundry.metrics.bands import auroc_band
from ecgfoundry.metrics.comparison import benjamini_hochberg
from ecgfoundry.metrics.delong import delong_test
from ecgfoundry.metrics.intervals import Interval, metric_interval, statistic_interval
from ecgfoundry.metrics.regression import regression_measures
from ecgfoundry.models.baselines import create_baseline

if TYPE_CHECKING:
    import polars as pl

    from ecgfoundry.datasets.mc_med import McMed

__all__ = ["ARMS", "Arm", "TenMinuteRow", "TenMinutes", "ten_minutes"]

Float64 = NDArray[np.float64]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Arm:
    """What a regression is given.

    Attributes
    ----------
    signals : tuple of str
        Names of :data:`ecgfoundry.labs.ten_minutes_data.SIGNALS`; none: age and sex alone.
    numbers : tuple of str
        "embeddings", "features" or both.
    """

    signals: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Such as "ecg + ppg, features"."""
        if not self.signals:
            return "age and sex"
        return f"{' + '.join(self.signals)}, {' + '.join(self.numbers)}"

    @property
    def over(self) -> tuple[Arm, ...]:
        """The arms that this one is compared with: the ECG alone, and the features alone."""
        found = []
        if self.signals == tuple(SIGNALS):
            found.append(Arm(("ecg",), self.numbers))
        if len(self.numbers) == 2:
            found.append(Arm(self.signals, ("features",)))
        return tuple(found)


ARMS = (
    Arm(),
    *(
        Arm(signals, numbers)
        for signals in (("ecg",), ("ppg",), ("ecg", "ppg"))
        for numbers in (("embeddings",), ("features",), ("embeddings", "features"))
    ),
)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """A difference to another arm on the same visits, with its interval.

    ``p`` is of DeLong's test, clustered by patient, and None for values; ``q`` is Benjamini and
    Hochberg's over the targets of the same comparison.
    """

    over: str
    value: float
    low: float
    high: float
    p: float | None = None
    q: float | None = None


@dataclass(frozen=True, kw_only=True)
class TenMinuteRow:
    """A target by one arm.

    Attributes
    ----------
    target : str
        "potassium high", or "potassium" where the value itself is estimated.
    loinc, unit : str or None
    arm : Arm
    found : Interval
        AUROC, or R2 of values, on the test visits.
    visits, patients, positives : int
        Of the test; ``positives`` is None for values.
    gains : tuple of Gain
    """

    target: str
    loinc: str | None
    unit: str | None
    arm: Arm
    found: Interval
    visits: int
    patients: int
    positives: int | None
    gains: tuple[Gain, ...] = ()

    @property
    def metric(self) -> str:
        """ "auroc" or "r2"."""
        return "r2" if self.positives is None else "auroc"

    @property
    def band(self) -> str | None:
        """By the lower end of the interval; None for values."""
        return auroc_band(self.found.low) if self.metric == "auroc" else None

    def cells(self) -> Cells:
        """Return the row of ``ten-minutes.csv``."""
        gains = {
            f"over {gain.over} {name}": value
            for gain in self.gains
            for name, value in (
                ("gain", gain.value), ("low", gain.low), ("high", gain.high),
                ("p", gain.p), ("q", gain.q),
            )
        }  # fmt: skip
        return {
            "target": self.target,
            "loinc": self.loinc,
            "unit": self.unit,
            "arm": self.arm.name,
            "visits": self.visits,
            "patients": self.patients,
            "positives": self.positives,
            "metric": self.metric,
            "value": self.found.value,
            "low": self.found.low,
            "high": self.found.high,
            "band": self.band,
            **gains,
        }


@dataclass(frozen=True, eq=False)
class TenMinutes:
    """What was found.

    Attributes
    ----------
    rows : list of TenMinuteRow
        Of each target in turn, an arm each.
    visits : mapping of str to int
        Split -> visits that entered.
    left_out : mapping of str to int
        Why -> visits.
    synthetic : bool
    """

    rows: list[TenMinuteRow]
    visits: Mapping[str, int]
    left_out: Mapping[str, int]
    synthetic: bool

    def row(self, target: str, arm: Arm) -> TenMinuteRow:
        """Return one row."""
        return next(row for row in self.rows if (row.target, row.arm) == (target, arm))

    def bands(self) -> dict[str, dict[str, int]]:
        """Return arm -> band -> number of targets, by the lower ends of the intervals."""
        found = {arm.name: [r.band for r in self.rows if r.arm == arm and r.band] for arm in ARMS}
        return {
            name: {band: own.count(band) for band in ("strong", "moderate", "limited")}
            for name, own in found.items()
        }


def ten_minutes(
    folder: str | Path,
    output: str | Path,
    *,
    model: str | Path,
    pulse_model: str | Path | None = None,
    targets: Sequence[str] | None = None,
    settings: TenMinuteSettings | None = None,
    progress: Progress | None = None,
) -> TenMinutes:
    """Compare ECG, pulse and both on MC-MED, and write the tables.

    Parameters
    ----------
    folder : str or Path
        Of MC-MED, as PhysioNet ships it.
    output : str or Path
        Folder for ``ten-minutes.csv``, ``ten-minutes.json`` and ``table.md``; what was computed of
        each visit is kept in ``visits/``, so that an interrupted run goes on.
    model : str or Path
        A bundle that reads lead II alone; nothing of it is trained.
    pulse_model : str or Path, optional
        A bundle of one lead for the pulse; None: ``model``, whose recipe then standardizes the
        pulse as if it were a lead.
    targets : sequence of str, optional
        Such as "potassium high"; None: all that enter.
    settings : TenMinuteSettings, optional
    progress : callable (step, done, total), optional

    Raises
    ------
    TrainingError
        A network cannot read its signal alone, no visit has enough of both signals, or no target
        enters.
    LeakageError
        A patient stands in two splits.
    """
    from ecgfoundry.datasets.mc_med import open_mc_med

    settings = settings or TenMinuteSettings()
    ecg_model = load_model(model)
    models = {"ecg": ecg_model, "ppg": load_model(pulse_model) if pulse_model else ecg_model}
    check_models(models)
    data = open_mc_med(folder, split=settings.results.split)
    spans, left_out = common_spans(data.folder, data.waveforms, windows=settings.windows)
    splits = dict(data.visits.select("visit", "split").iter_rows())
    inside = [span for span in spans if splits.get(span.visit) is not None]
    if len(inside) < len(spans):
        left_out["in no split"] = len(spans) - len(inside)
    numbers = _measured(data.folder, inside, models, Path(output) / "visits", progress)
    readable = [k for k, found in enumerate(numbers) if found is not None]
    if len(readable) < len(inside):
        left_out["too few readable windows"] = len(inside) - len(readable)
    if not readable:
        reasons = ", ".join(f"{count} {words}" for words, count in left_out.items())
        raise TrainingError(
            f"no visit has {settings.windows} windows of lead II and Pleth ({reasons or 'none'})",
            path=data.folder,
            remedy="Give fewer with --windows",
        )
    cohort = _Cohort.of(
        data, [inside[k] for k in readable], [found for found in numbers if found is not None]
    )
    rows = _rows(data, cohort, targets, settings, progress)
    counts = {
        split: int((cohort.splits == split).sum()) for split in ("train", "validation", "test")
    }
    found = TenMinutes(rows, counts, left_out, data.synthetic)
    _write(Path(output), found, models, settings)
    return found


def _measured(
    folder: Path,
    spans: Sequence[Span],
    models: dict[str, Predictor],
    kept: Path,
    progress: Progress | None,
) -> list[VisitNumbers | None]:
    """Compute every visit that is not kept yet."""
    kept.mkdir(parents=True, exist_ok=True)
    bundles = [json.dumps(models[signal].bundle.document, sort_keys=True) for signal in SIGNALS]
    about = hashlib.sha256("\n".join([__version__, *bundles]).encode())
    found = []
    for done, span in enumerate(spans, 1):
        key = about.copy()
        key.update(_stamp(folder, span).encode())
        path = kept / f"{span.visit}-{key.hexdigest()[:16]}.npz"
        if not path.is_file():
            _keep(path, measure_span(folder, span, models))
        found.append(_kept(path))
        if progress is not None:
            progress("visits", done, len(spans))
    return found


def _stamp(folder: Path, span: Span) -> str:
    """What the numbers of a span depend on: its place, and its files as they are now."""
    from ecgfoundry.datasets.mc_med_waveforms import split_member

    parts = [f"{span.start_us} {span.windows}"]
    for waveform in span.waveforms.values():
        archive, member = split_member(folder / waveform.path)
        files = [archive] if member is not None else [archive, archive.with_suffix(".dat")]
        stats = [(file.stat().st_size, file.stat().st_mtime_ns) for file in files if file.is_file()]
        parts.append(f"{waveform.path} {stats}")
    return "\n".join(parts)


def _keep(path: Path, numbers: VisitNumbers | None) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    if numbers is not None:
        for signal in SIGNALS:
            arrays[f"{signal} embeddings"] = numbers.embeddings[signal]
            arrays[f"{signal} features"] = numbers.features[signal]
            arrays[f"{signal} readable"] = np.array(numbers.readable[signal])
    with write_atomically(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _kept(path: Path) -> VisitNumbers | None:
    with np.load(path, allow_pickle=False) as content:
        if not content.files:
            return None
        return VisitNumbers(
            {signal: content[f"{signal} embeddings"] for signal in SIGNALS},
            {signal: content[f"{signal} features"] for signal in SIGNALS},
            {signal: int(content[f"{signal} readable"]) for signal in SIGNALS},
        )


@dataclass(frozen=True, eq=False)
class _Cohort:
    """The visits that entered, row by row."""

    segments: pl.DataFrame
    patients: NDArray[np.str_]
    splits: NDArray[np.str_]
    age_sex: Float64
    numbers: Mapping[tuple[str, str], Float64] = field(default_factory=dict)

    @classmethod
    def of(cls, data: McMed, spans: Sequence[Span], numbers: Sequence[VisitNumbers]) -> _Cohort:
        import polars as pl

        from ecgfoundry.manifest.leakage import check_leakage

        ends = pl.DataFrame(
            {"visit": [span.visit for span in spans], "end_us": [span.end_us for span in spans]}
        )
        segments = ends.join(data.visits, on="visit", how="left", maintain_order="left")
        segments = segments.with_columns(pl.from_epoch("end_us", time_unit="us").alias("end_time"))
        check_leakage(segments)
        male = [{"male": 1.0, "female": 0.0}.get(sex, np.nan) for sex in segments["sex"]]
        ages = segments["age"].cast(pl.Float64).fill_null(np.nan).to_numpy()
        return cls(
            segments,
            segments["patient"].to_numpy().astype(str),
            segments["split"].to_numpy().astype(str),
            np.column_stack([ages, np.array(male, dtype=np.float64)]),
            {
                (signal, kind): np.stack([getattr(found, kind)[signal] for found in numbers])
                for signal in SIGNALS
                for kind in ("embeddings", "features")
            },
        )

    def design(self, arm: Arm) -> Float64:
        """Return the columns of an arm."""
        if not arm.signals:
            return self.age_sex
        return np.concatenate(
            [self.numbers[signal, kind] for signal in arm.signals for kind in arm.numbers], axis=1
        )


@dataclass(frozen=True, eq=False)
class _Target:
    """One column to learn; ``kind`` is that of its task."""

    name: str
    loinc: str | None
    unit: str | None
    kind: str
    values: Float64


def _targets(
    data: McMed, cohort: _Cohort, wanted: Sequence[str] | None, settings: TenMinuteSettings
) -> list[_Target]:
    from ecgfoundry.labs.targets.generation import data_catalogue
    from ecgfoundry.labs.targets.labels import LabelRule, label_segments
    from ecgfoundry.labs.targets.results import indicator_results
    from ecgfoundry.labs.training_data import chosen_targets

    results = indicator_results(data.labs).table
    asked = settings.results
    counted = data_catalogue(results, cohort.segments, minimum_patients=asked.minimum_patients)
    catalogue = chosen_targets(counted, wanted, data.folder)
    names = tuple(catalogue["indicator"].unique(maintain_order=True).to_list())
    rule = LabelRule(time=asked.time, window_minutes=asked.window_minutes)
    labels = label_segments(cohort.segments, results, names, rule)
    found = []
    for row in catalogue.iter_rows(named=True):
        column = labels[row["indicator"]].target(row["direction"]).astype(np.float64)
        column[column < 0] = np.nan
        name = f"{row['indicator']} {row['direction']}"
        found.append(_Target(name, row["loinc"], row["unit"], "multilabel", column))
    for indicator in names if settings.values else ():
        row = next(r for r in catalogue.iter_rows(named=True) if r["indicator"] == indicator)
        own = labels[indicator]
        values = np.where(own.censoring == 0, own.value, np.nan).astype(np.float64)
        found.append(_Target(indicator, row["loinc"], row["unit"], "regression", values))
    return found


def _rows(
    data: McMed,
    cohort: _Cohort,
    wanted: Sequence[str] | None,
    settings: TenMinuteSettings,
    progress: Progress | None,
) -> list[TenMinuteRow]:
    targets = _targets(data, cohort, wanted, settings)
    test = cohort.splits == "test"
    answers: dict[Arm, Float64] = {}
    for done, arm in enumerate(ARMS, 1):
        design = cohort.design(arm)
        columns = [_answers(design, cohort, test, target, settings.seed) for target in targets]
        answers[arm] = np.column_stack(columns)
        if progress is not None:
            progress("arms", done, len(ARMS))
    patients = cohort.patients[test]

    def gains(target: _Target, arm: Arm, place: int) -> tuple[Gain, ...]:
        truth, own = target.values[test], answers[arm][:, place]
        return tuple(
            _gain(target, other, truth, own, answers[other][:, place], patients, settings)
            for other in arm.over
        )

    rows = []
    for place, target in enumerate(targets):
        truth = target.values[test]
        known = ~np.isnan(truth)
        for arm in ARMS:
            own = answers[arm][:, place]
            classes = target.kind == "multilabel"
            rows.append(
                TenMinuteRow(
                    target=target.name,
                    loinc=target.loinc,
                    unit=target.unit,
                    arm=arm,
                    found=metric_interval(
                        "auroc" if classes else "r2", truth, own,
                        patients=patients, draws=settings.draws, seed=settings.seed,
                    ),
                    visits=int(known.sum()),
                    patients=len(np.unique(patients[known])),
                    positives=int(truth[known].sum()) if classes else None,
                    gains=gains(target, arm, place),
                )
            )  # fmt: skip
    return _with_q(rows)


def _answers(
    design: Float64, cohort: _Cohort, test: NDArray[np.bool_], target: _Target, seed: int
) -> Float64:
    """Fit on train and validation, answer for the test."""
    fits = ~test & ~np.isnan(target.values)
    head = create_baseline("linear", target.kind)
    head.fit(design[fits], target.values[fits, None], cohort.patients[fits], seed)
    return head.predict(design[test])[:, 0]


def _gain(
    target: _Target,
    other: Arm,
    truth: Float64,
    own: Float64,
    beside: Float64,
    patients: NDArray[np.str_],
    settings: TenMinuteSettings,
) -> Gain:
    known = ~np.isnan(truth)
    y, a, b, who = truth[known], own[known], beside[known], patients[known]
    if target.kind == "multilabel":
        test = delong_test(y, a, b, patients=who)
        p = None if np.isnan(test["p"]) else test["p"]
        return Gain(
            over=other.name, value=test["difference"], low=test["low"], high=test["high"], p=p
        )

    def difference(rows: NDArray[np.int64]) -> float:
        both = (regression_measures(y[rows], scores[rows])["r2"] for scores in (a, b))
        return float(next(both) - next(both))

    found = statistic_interval(difference, who, draws=settings.draws, seed=settings.seed)
    return Gain(over=other.name, value=found.value, low=found.low, high=found.high)


def _with_q(rows: Sequence[TenMinuteRow]) -> list[TenMinuteRow]:
    """Give the gains their q, over the targets of each comparison."""
    families: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        for gain in row.gains:
            if gain.p is not None:
                families.setdefault((row.arm.name, gain.over), []).append(gain.p)
    adjusted = {key: iter(benjamini_hochberg(found)) for key, found in families.items()}
    return [
        replace(
            row,
            gains=tuple(
                gain
                if gain.p is None
                else replace(gain, q=float(next(adjusted[row.arm.name, gain.over])))
                for gain in row.gains
            ),
        )
        for row in rows
    ]


def _write(
    output: Path, found: TenMinutes, models: dict[str, Predictor], settings: TenMinuteSettings
) -> None:
    rows = [row.cells() for row in found.rows]
    document: JsonObject = {
        "schema_version": 1,
        "models": {s: f"{models[s].bundle.name} {models[s].bundle.version}" for s in SIGNALS},
        "settings": settings.to_dict(),
        "synthetic": found.synthetic,
        "visits": dict(found.visits),
        "left_out": dict(found.left_out),
        "rows": rows,
    }
    write_text(
        output,
        {
            "ten-minutes.csv": csv_text(rows, first=()),
            "ten-minutes.json": json_text(document),
            "table.md": table(found),
        },
    )


def table(found: TenMinutes) -> str:
    """Return Markdown: a line per target, and for each arm its figure, interval and band."""
    signals = {row.arm.signals for row in found.rows if row.arm.signals}
    order = [own for own in (("ecg",), ("ppg",), ("ecg", "ppg")) if own in signals]
    lines = [
        "SYNTHETIC data: it says nothing about medicine.\n" if found.synthetic else "",
        f"Test visits: {found.visits['test']}. AUROC (abnormal) or R2 (value), 95 % interval by "
        "patient, band by its lower end.\n",
        "| target | numbers | age and sex | " + " | ".join(" + ".join(own) for own in order) + " |",
        "| --- | --- | --- |" + " --- |" * len(order),
    ]
    for target in dict.fromkeys(row.target for row in found.rows):
        control = _cell(found.row(target, Arm()))
        for numbers in (("embeddings",), ("features",), ("embeddings", "features")):
            cells = [_cell(found.row(target, Arm(own, numbers))) for own in order]
            lines.append(f"| {target} | {' + '.join(numbers)} | {control} | {' | '.join(cells)} |")
    return "\n".join(line for line in lines if line) + "\n"


def _cell(row: TenMinuteRow) -> str:
    if np.isnan(row.found.value):
        return "-"
    text = f"{row.found.value:.3f}"
    if not np.isnan(row.found.low):
        text += f" ({row.found.low:.3f} to {row.found.high:.3f})"
    return f"{text} {row.band}" if row.band else text
