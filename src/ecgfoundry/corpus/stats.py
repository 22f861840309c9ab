"""What is in a corpus: counts, cohort flow, quality; as numbers and as a page with pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.corpus.quality_gate import MOSTLY_INVERTED, REASONS
from ecgfoundry.documents import Fields
from ecgfoundry.io import write_whole
from ecgfoundry.templates import Templates

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


class Statistics(TypedDict):
    """Counts of a corpus, and quantiles of its quality figures (JSON)."""

    segments: int
    hours: float
    records: dict[str, int]
    patients: int
    visits: int
    windows: int
    left_out: dict[str, int]
    clipped_samples: int
    errors: dict[str, int]
    groups: dict[str, int]
    splits: dict[str, int]
    inverted_records: int
    bytes: int
    synthetic: bool
    quality: dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class _Histogram:
    """Bars of a picture, in its units, as text; ``high`` is the value at its right end."""

    title: str
    bars: list[dict[str, str]]
    high: str


def corpus_statistics(corpus: Corpus) -> Statistics:
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
        "left_out": {reason: windows[reason] for reason in REASONS if windows.get(reason)},
        "clipped_samples": windows["clipped_samples"],
        "errors": dict(records.drop_nulls("error")["error"].value_counts(sort=True).iter_rows()),
        "groups": document["groups"],
        "splits": {
            str(split): count for split, count in index["split"].value_counts(sort=True).iter_rows()
        },
        "inverted_records": int((records["inverted_share"] > MOSTLY_INVERTED).sum()),
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


_TEMPLATES = Templates("ecgfoundry.corpus")


def statistics_page(corpus: Corpus) -> str:
    """Return a self-contained HTML page: tables, histograms and some segments, as inline SVG."""
    statistics = corpus_statistics(corpus)
    counts = {
        "records": statistics["records"],
        "left out": statistics["left_out"],
        "errors": statistics["errors"],
        "splits": statistics["splits"],
        "groups": statistics["groups"],
    }
    tables: list[tuple[str, Mapping[str, int | str]]] = [
        (name, rows) for name, rows in counts.items() if rows
    ]
    for plan in corpus.document["generations"]:
        made_of = Fields(plan["provenance"])
        flow = {s.text("step"): f"{s.whole('visits')} visits" for s in made_of.parts("flow")}
        issues = {i.text("message"): i.whole("count") for i in made_of.parts("issues")}
        tables += [(name, rows) for name, rows in
                   (("Cohort flow", flow), ("Issues in the source", issues)) if rows]  # fmt: skip
    drawings = [
        _histogram(corpus.index[name].to_numpy(), title) for name, title in _FIGURES.items()
    ]
    page = _TEMPLATES.render(
        "statistics",
        name=corpus.path.name,
        synthetic=statistics["synthetic"],
        plain={k: v for k, v in statistics.items() if not isinstance(v, dict)},
        tables=tables,
        histograms=[drawing for drawing in drawings if drawing is not None],
        traces=_traces(corpus),
    )
    return str(page)


def _histogram(values: NDArray[np.float32], title: str) -> _Histogram | None:
    """Bars of a picture 320 wide and 110 high; None without any value."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    high = max(float(np.quantile(known, 0.995)), 1e-6)
    counts, _ = np.histogram(np.minimum(known, high), bins=_BINS, range=(0.0, high))
    width, height = 320.0, 110.0
    step = width / _BINS
    bars = [
        {"x": f"{k * step:.1f}", "y": f"{height - h:.1f}",
         "width": f"{step - 1:.1f}", "height": f"{h:.1f}"}
        for k, h in enumerate(counts / max(counts.max(), 1) * (height - 4))
    ]  # fmt: skip
    return _Histogram(title, bars, f"{high:.3g}")


def _traces(corpus: Corpus) -> list[dict[str, str]]:
    """Segments spread evenly over the corpus, as paths; the first lead of each."""
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
        pictures.append({"path": " ".join(points), "words": words})
    return pictures


def write_page(corpus: Corpus, path: str | Path) -> Path:
    """Write :func:`statistics_page`, whole or not at all."""
    path = Path(path)
    write_whole(path, statistics_page(corpus).encode())
    return path
