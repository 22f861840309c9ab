"""CODE-test: each reader on the network's ROC curve.

``python -m benchmarks.experiments.code_test_readers`` writes ``docs/figures/code-test-readers.svg``
and, with ``--tables FOLDER``, the tables and the command that put the same marks into a report.

Data: Ribeiro et al. 2020 (MIT), 827 records: gold standard, network (the first of ten seeds, whose
cut the published decisions are), three groups of residents and students, and the two cardiologists
whose agreement made the gold standard, so that they are no independent readers.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.metrics.decisions import decision_counts, decision_measures
from ecgfoundry.metrics.ranking import roc_curve
from ecgfoundry.reports.wording import escape

TARGETS = ("1dAVb", "RBBB", "LBBB", "SB", "AF", "ST")
READERS = {
    "cardiology residents": "cardiology_residents",
    "emergency residents": "emergency_residents",
    "medical students": "medical_students",
    "cardiologist 1": "cardiologist1",
    "cardiologist 2": "cardiologist2",
}
SHAPES = (
    "M-5 -5H5V5H-5Z",
    "M0 -6L6 5H-6Z",
    "M0 -6.5L6.5 0L0 6.5L-6.5 0Z",
    "M0 6L6 -5H-6Z",
    "M-6 -2H-2V-6H2V-2H6V2H2V6H-2V2H-6Z",
)
LEFT_END, LOW_END = 0.03, 0.5
"""The corner that is drawn: 1 - specificity up to 0.03, sensitivity from 0.5."""
PANEL, GAP_X, GAP_Y, MARGIN_X, MARGIN_Y = 200.0, 62.0, 66.0, 52.0, 30.0
STYLE = (
    "svg{font-family:system-ui,sans-serif;--ink:#1d2733;--quiet:#5d6b7a;--line:#dfe5ea;"
    "--curve:#1f6feb;--back:#fff}"
    "@media(prefers-color-scheme:dark){svg{--ink:#e6edf3;--quiet:#9aa7b4;--line:#2d3742;"
    "--curve:#6cb6ff;--back:#0f151b}}"
    "text{fill:var(--ink);font-size:12px}.q{fill:var(--quiet);font-size:10.5px}"
    ".g{stroke:var(--line);stroke-width:1}.c{fill:none;stroke:var(--curve);stroke-width:2}"
    ".m{fill:var(--back);stroke:var(--ink);stroke-width:1.3}.p{fill:var(--curve)}"
    ".b{fill:var(--back)}"
)

Float64 = NDArray[np.float64]


def table(folder: Path, name: str) -> Float64:
    """Return the six decisions of every record."""
    path = folder / "annotations" / f"{name}.csv"
    return np.genfromtxt(path, delimiter=",", skip_header=1)[:, -6:]


def thresholds(scores: Float64, decided: Float64) -> dict[str, float]:
    """Return a cut of the scores that gives the published decisions."""
    cuts = {}
    for k, name in enumerate(TARGETS):
        low, high = scores[decided[:, k] == 0, k].max(), scores[decided[:, k] == 1, k].min()
        if not low < high:
            raise SystemExit(f"{name}: the published decisions are no cut of these scores")
        cuts[name] = float(low + high) / 2
    return cuts


def place(false_positive_rate: float, sensitivity: float) -> tuple[float, float]:
    """Return where a point lies in a panel; what is outside lies on the border."""
    x = min(false_positive_rate / LEFT_END, 1.0) * PANEL
    y = (1.0 - max(sensitivity - LOW_END, 0.0) / (1.0 - LOW_END)) * PANEL
    return x, y


def panel(name: str, truth: Float64, scores: Float64, read: dict[str, Float64], cut: float) -> str:
    """Return one target's curve and marks."""
    parts = [f'<text x="0" y="-10" font-weight="600">{escape(name)}</text>']
    parts.append(
        f'<text class="q" x="{PANEL}" y="-10" text-anchor="end">'
        f"{int(truth.sum())} of {len(truth)}</text>"
    )
    for tick in (0.0, 0.01, 0.02, 0.03):
        x, _ = place(tick, 1.0)
        parts.append(f'<line class="g" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{PANEL}"/>')
        parts.append(
            f'<text class="q" x="{x:.1f}" y="{PANEL + 15}" text-anchor="middle">{tick:g}</text>'
        )
    for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        _, y = place(0.0, tick)
        parts.append(f'<line class="g" x1="0" x2="{PANEL}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="q" x="-9" y="{y + 3.5:.1f}" text-anchor="end">{tick:.1f}</text>'
        )
    curve = roc_curve(truth, scores)
    inside = curve.false_positive_rate <= LEFT_END
    corners = ["M0 " + f"{PANEL}"]
    for a, b in zip(curve.false_positive_rate[inside], curve.sensitivity[inside], strict=True):
        x, y = place(a, b)
        corners.append(f"H{x:.1f}V{y:.1f}")
    corners.append(f"H{PANEL}")
    parts.append(f'<path class="c" d="{"".join(corners)}"/>')
    own = decision_measures(decision_counts(truth, scores, cut))
    x, y = place(1.0 - float(own["specificity"]), float(own["sensitivity"]))
    parts.append(f'<circle class="p" r="5" cx="{x:.1f}" cy="{y:.1f}"/>')
    for shape, (reader, decisions) in zip(SHAPES, read.items(), strict=True):
        found = decision_measures(decision_counts(truth, decisions, 0.5))
        x, y = place(1.0 - float(found["specificity"]), float(found["sensitivity"]))
        words = (
            f"{reader}: sensitivity {found['sensitivity']:.3f}, "
            f"specificity {found['specificity']:.3f}"
        )
        parts.append(
            f'<path class="m" d="{shape}" transform="translate({x:.1f} {y:.1f})">'
            f"<title>{escape(words)}</title></path>"
        )
    return "".join(parts)


def figure(folder: Path) -> str:
    """Return the six panels and the legend as one SVG document."""
    truth, scores = table(folder, "gold_standard"), np.load(folder / "network.npy")
    scores = scores.astype(np.float64)
    cuts = thresholds(scores, table(folder, "dnn"))
    decisions = {words: table(folder, name) for words, name in READERS.items()}
    parts = []
    for k, name in enumerate(TARGETS):
        x = MARGIN_X + (k % 3) * (PANEL + GAP_X)
        y = MARGIN_Y + (k // 3) * (PANEL + GAP_Y)
        read = {words: values[:, k] for words, values in decisions.items()}
        inner = panel(name, truth[:, k], scores[:, k], read, cuts[name])
        parts.append(f'<g transform="translate({x} {y})">{inner}</g>')
    width = MARGIN_X + 3 * PANEL + 2 * GAP_X + 16
    foot = MARGIN_Y + 2 * PANEL + GAP_Y + 40
    parts.append(
        f'<text class="q" x="{width / 2}" y="{foot - 4}" text-anchor="middle">across: 1 − '
        "specificity (to 0.03) · up: sensitivity (from 0.5) · line: network · dot: at its "
        "threshold</text>"
    )
    x = MARGIN_X
    for shape, words in zip(SHAPES, READERS, strict=True):
        parts.append(
            f'<path class="m" d="{shape}" transform="translate({x:.1f} {foot + 18})"/>'
            f'<text x="{x + 12:.1f}" y="{foot + 22}">{words}</text>'
        )
        x += 34 + 6.4 * len(words)
    height = foot + 36
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'role="img" aria-label="Readers on the ROC curves of the network, CODE-test">'
        f'<style>{STYLE}</style><rect class="b" width="100%" height="100%"/>'
        f"{''.join(parts)}</svg>\n"
    )


def write_tables(folder: Path, output: Path) -> None:
    """Write what ``ecgfoundry evaluate`` takes, and print the command."""
    output.mkdir(parents=True, exist_ok=True)
    scores = np.load(folder / "network.npy").astype(np.float64)
    tables = {"predictions": scores, "targets": table(folder, "gold_standard")}
    tables |= {name: table(folder, name) for name in READERS.values()}
    for name, values in tables.items():
        with (output / f"{name}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", *TARGETS])
            writer.writerows([k, *row] for k, row in enumerate(values.tolist()))
    people = (folder / "attributes.csv").read_text(encoding="utf-8").splitlines()
    lines = [f"id,{people[0]}", *(f"{k},{line}" for k, line in enumerate(people[1:]))]
    (output / "covariates.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    cuts = thresholds(scores, table(folder, "dnn"))
    (output / "thresholds.json").write_text(json.dumps(cuts, indent=1) + "\n", encoding="utf-8")
    readers = " ".join(f'--reader "{words}={output}/{name}.csv"' for words, name in READERS.items())
    print(
        f"ecgfoundry evaluate --predictions {output}/predictions.csv --targets "
        f"{output}/targets.csv --covariates {output}/covariates.csv --thresholds "
        f"{output}/thresholds.json {readers} --output {output}/report"
    )


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=Path("tests/fixtures/golden/code_test"))
    parser.add_argument("--output", type=Path, default=Path("docs/figures/code-test-readers.svg"))
    parser.add_argument("--tables", type=Path, help="also write the tables of a report here")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(figure(options.data), encoding="utf-8")
    if options.tables:
        write_tables(options.data, options.tables)


if __name__ == "__main__":
    main()
