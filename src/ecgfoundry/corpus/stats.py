"""What is in a corpus: counts, cohort flow, quality; as numbers and as a page with pictures."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.quality_gate import REASONS
from ecgfoundry.io import write_atomically

if TYPE_CHECKING:
    from ecgfoundry.corpus.store import Corpus

__all__ = ["corpus_statistics", "statistics_page"]

_FIGURES = {
    "amplitude_mv": "amplitude (0.5th to 99.5th percentile), mV",
    "noise_share": "share of power above 40 Hz",
    "mains_share": "share of power at the mains",
    "wander_share": "share of power below 0.5 Hz",
    "flat_share": "share of flat seconds",
    "missing_share": "share of missing samples",
}
_BINS = 40
_SHOWN = 12


def corpus_statistics(corpus: Corpus) -> dict[str, Any]:
    """Return counts and quantiles as a JSON document."""
    index, document = corpus.index, corpus.document
    records = corpus.records
    windows = document["windows"]
    hours = float((index["length"] / index["sampling_rate"]).sum()) / 3600.0
    return {
        "segments": len(index),
        "hours": round(hours, 3),
        "records": document["records"],
        "patients": index["patient"].n_unique() if len(index) else 0,
        "visits": index["visit"].n_unique() if len(index) else 0,
        "windows": windows["windows"],
        "left_out": {reason: windows[reason] for reason in REASONS if windows[reason]},
        "clipped_samples": windows["clipped_samples"],
        "errors": dict(records.drop_nulls("error")["error"].value_counts(sort=True).iter_rows()),
        "groups": document["groups"],
        "splits": {
            str(split): count for split, count in index["split"].value_counts(sort=True).iter_rows()
        },
        "inverted_records": int((records["inverted_share"] > 0.5).sum()),
        "bytes": document["bytes"],
        "synthetic": document["synthetic"],
        "quality": {name: _quantiles(index[name].to_numpy()) for name in _FIGURES if len(index)},
    }


def _quantiles(values: NDArray[np.float32]) -> dict[str, float | None]:
    known = values[np.isfinite(values)]
    if not known.size:
        return {}
    found = np.quantile(known, (0.01, 0.5, 0.99))
    return dict(zip(("p01", "p50", "p99"), (round(float(v), 5) for v in found), strict=True))


def statistics_page(corpus: Corpus) -> str:
    """Return a self-contained HTML page: tables, histograms and some segments, as inline SVG."""
    statistics = corpus_statistics(corpus)
    parts = [f"<h1>Corpus <code>{html.escape(corpus.path.name)}</code></h1>"]
    if statistics["synthetic"]:
        parts.append("<p class=warn>SYNTHETIC: simulated signals, no patient behind them.</p>")
    plain = {k: v for k, v in statistics.items() if not isinstance(v, dict)}
    parts.append(_table(plain))
    for name in ("records", "left_out", "errors", "splits", "groups"):
        if statistics[name]:
            parts += [f"<h2>{name.replace('_', ' ')}</h2>", _table(statistics[name])]
    for plan in corpus.document["generations"]:
        flow = plan["provenance"].get("flow", [])
        if flow:
            parts.append("<h2>Cohort flow</h2>")
            parts.append(_table({s["step"]: f"{s['visits']} visits" for s in flow}))
        issues = plan["provenance"].get("issues", [])
        if issues:
            parts.append("<h2>Issues in the source</h2>")
            parts.append(_table({i["message"]: i["count"] for i in issues}))
    parts.append("<h2>Quality of the segments</h2><div class=grid>")
    parts += [_histogram(corpus.index[name].to_numpy(), title) for name, title in _FIGURES.items()]
    parts.append("</div><h2>Some segments</h2><div class=grid>")
    parts += _traces(corpus)
    parts.append("</div>")
    return _PAGE.format(body="\n".join(parts))


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Corpus</title><style>
body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse}}td{{padding:.15rem .8rem .15rem 0;border-bottom:1px solid #ddd}}
td+td{{text-align:right;font-variant-numeric:tabular-nums}}
.grid{{display:grid;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr));gap:1rem}}
.warn{{background:#fff3cd;padding:.5rem 1rem}}figure{{margin:0}}figcaption{{font-size:13px}}
</style><body>
{body}
</body></html>
"""


def _table(rows: dict[str, Any]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(str(k).replace('_', ' '))}<td>{html.escape(str(v))}"
        for k, v in rows.items()
    )
    return f"<table>{cells}</table>"


def _histogram(values: NDArray[np.float32], title: str) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return ""
    high = max(float(np.quantile(known, 0.995)), 1e-6)
    counts, _ = np.histogram(np.minimum(known, high), bins=_BINS, range=(0.0, high))
    width, height = 320.0, 110.0
    step = width / _BINS
    bars = "".join(
        f'<rect x="{k * step:.1f}" y="{height - h:.1f}" width="{step - 1:.1f}" height="{h:.1f}"/>'
        for k, h in enumerate(counts / max(counts.max(), 1) * (height - 4))
    )
    label = html.escape(title)
    return (
        f'<figure><svg viewBox="0 0 320 128" role="img" aria-label="{label}">'
        f'<g fill="#2b6cb0">{bars}</g>'
        f'<text x="0" y="125" font-size="11" fill="#444">0</text>'
        f'<text x="320" y="125" font-size="11" fill="#444" text-anchor="end">{high:.3g}</text>'
        "</svg>"
        f"<figcaption>{label}</figcaption></figure>"
    )


def _traces(corpus: Corpus) -> list[str]:
    """Draw segments spread evenly over the corpus; the first lead of each."""
    count = min(_SHOWN, len(corpus))
    pictures = []
    for position in np.linspace(0, len(corpus) - 1, count).astype(int) if count else []:
        trace = corpus.read([int(position)])[0, 0]
        row = corpus.index.row(int(position), named=True)
        step = max(1, len(trace) // 1250)
        points, pen = [], "M"
        for k, value in enumerate(trace[::step].tolist()):
            if value != value:  # a gap
                pen = "M"
                continue
            x = 320.0 * k * step / len(trace)
            points.append(f"{pen}{x:.1f} {60 - 25 * max(-2.2, min(2.2, value)):.1f}")
            pen = "L"
        words = f"{row['sampling_rate']:g} Hz, {row['leads'].split(',')[0]}, "
        words += f"{row['amplitude_mv']:.2f} mV, noise {row['noise_share'] or 0:.3f}"
        pictures.append(
            f'<figure><svg viewBox="0 0 320 120" role="img" aria-label="ECG trace">'
            f'<path d="{" ".join(points)}" fill="none" stroke="#222" stroke-width=".7"/></svg>'
            f"<figcaption>{html.escape(words)}</figcaption></figure>"
        )
    return pictures


def write_page(corpus: Corpus, path: str | Path) -> Path:
    """Write :func:`statistics_page`, whole or not at all."""
    path = Path(path)
    with write_atomically(path) as temporary:
        temporary.write_text(statistics_page(corpus), encoding="utf-8")
    return path
