"""Answers about recordings: interpret one, explain it, embed many."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry.errors import FileAccessError, SignalError
from ecgfoundry.explanations.explain import explain_recording
from ecgfoundry.explanations.saliency import Saliency
from ecgfoundry.extras import require_polars
from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import EXCERPT_S, default_model, interpret_file
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.stating import with_statements
from ecgfoundry.io import write_whole
from ecgfoundry.manifest import Manifest, MappedManifest
from ecgfoundry.recording import Recording
from ecgfoundry.samples import named_file

if TYPE_CHECKING:
    import polars as pl

    from ecgfoundry.inference.batch.resumable import BatchProgress

__all__ = ["Explanation", "embed", "explain", "interpret"]


def interpret(
    source: str | Path | Recording,
    *,
    model: str | Path | Predictor | None = None,
    lead: str | None = None,
) -> Interpretation:
    """Interpret one recording: measurements, named statements with evidence, findings, quality.

    Criteria and network stand in one list of statements; who decides on which is written in
    :mod:`ecgfoundry.criteria.decisions`. ``findings`` are those of the network alone.

    Parameters
    ----------
    source : str, Path or Recording
        A file (long ones are read window by window), ``sample:12-lead``, or a recording.
    model : str, Path or Predictor, optional
        None: the shipped model that suits the recording. For many recordings, give one that was
        loaded once (:func:`ecgfoundry.load_model`).
    lead : str, optional
        Read only this lead.

    Raises
    ------
    EcgFoundryError

    Examples
    --------
    >>> answer = interpret("sample:single-lead", model="rhythm-single-lead-edge")
    >>> [finding.name for finding in answer.findings if finding.present]
    ['atrial fibrillation']
    """
    if isinstance(source, Recording):
        answer = _predictor(model or default_model(source)).interpret(source, lead=lead)
        return with_statements(answer, source, source.subject, lead=lead)
    path = named_file(source)
    if model is None:
        with open_file(path) as opened:
            model = default_model(opened)
    return interpret_file(_predictor(model), path, lead=lead)


def _predictor(model: str | Path | Predictor) -> Predictor:
    return model if isinstance(model, Predictor) else load_model(model)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where in a recording an answer is seen.

    Attributes
    ----------
    recording : Recording
    interpretation : Interpretation
    saliency : Saliency
        Which parts of which leads the answer rests on; ``to_dict()`` is its JSON form.
    model : str
        Name and version.
    """

    recording: Recording = field(repr=False)
    interpretation: Interpretation = field(repr=False)
    saliency: Saliency
    model: str

    @property
    def answer(self) -> str:
        """What the model says of the target, in one line."""
        target = self.saliency.target
        found = next((f for f in self.interpretation.findings if f.name == target), None)
        if found is None or found.probability is None:
            return f"{target}: no probability is reported for this recording"
        present = {True: "present", False: "not present", None: "undecided"}[found.present]
        calibrated = "calibrated" if self.interpretation.calibrated else "not calibrated"
        return f"{target}: {present}, probability {found.probability:.2f} ({calibrated})"

    def svg(self, *, layout: str = "auto") -> str:
        """Return the recording on ECG paper, the parts that count shaded."""
        from ecgfoundry.reports.paper.saliency import saliency_svg

        return saliency_svg(self.recording, self.saliency, layout=layout)

    def _repr_html_(self) -> str:
        return self.svg()

    def save(self, path: str | Path, *, layout: str = "auto") -> Path:
        """Write an ``.svg`` picture or an ``.html`` page.

        Raises
        ------
        FileAccessError
            The suffix is another one, or nothing can be written there.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".svg":
            text = self.svg(layout=layout)
        elif suffix in (".html", ".htm"):
            from ecgfoundry.reports.paper.saliency import saliency_page

            text = saliency_page(
                self.recording, self.saliency,
                model=self.model, answer=self.answer, layout=layout,
            )  # fmt: skip
        else:
            raise FileAccessError(
                "the output is neither a picture nor a page", path=path, remedy="Use .svg or .html"
            )
        write_whole(path, text.encode())
        return path


def explain(
    source: str | Path | Recording,
    target: str | None = None,
    *,
    model: str | Path | Predictor | None = None,
    lead: str | None = None,
    **how: Any,
) -> Explanation:
    """Show which parts of which leads an answer rests on.

    Parameters
    ----------
    source : str, Path or Recording
        As in :func:`interpret`; of a long file the first minute.
    target : str, optional
        What to explain; None: the most probable finding.
    model, lead
        As in :func:`interpret`.
    **how
        ``method``, ``by``, ``start_s`` and ``progress`` of
        :func:`ecgfoundry.explanations.explain_recording`.

    Raises
    ------
    SignalError
        The recording is refused, or no finding has a probability.
    EcgFoundryError
    """
    if not isinstance(source, Recording):
        with open_file(source) as opened:
            model = model or default_model(opened)
            source = opened.read_seconds(0.0, EXCERPT_S, annotations=False)
    predictor = _predictor(model or default_model(source))
    interpretation = predictor.interpret(source, lead=lead)
    target = target or _most_probable(interpretation)
    saliency = explain_recording(predictor, source, target, lead=lead, **how)
    name = f"{predictor.bundle.name} {predictor.bundle.version}"
    return Explanation(source, interpretation, saliency, name)


def _most_probable(interpretation: Interpretation) -> str:
    if interpretation.refused is not None:
        raise SignalError(
            f"the recording is refused: {interpretation.refused.message}", path=interpretation.file
        )
    known = [item for item in interpretation.findings if item.probability is not None]
    if not known:
        raise SignalError(
            "there is no most probable finding", remedy="Name what to explain as the target"
        )
    return max(known, key=lambda item: item.probability or 0.0).name


def embed(
    data: str | Path | Manifest | MappedManifest,
    model: str | Path,
    output: str | Path | None = None,
    *,
    windows: bool = False,
    workers: int = 1,
    runtime: str = "auto",
    progress: Callable[[BatchProgress], None] | None = None,
) -> pl.DataFrame:
    """Return the embedding of every recording of a table, or every segment of a corpus.

    Parameters
    ----------
    data : path, Manifest or MappedManifest
        A table of recordings, a file, a folder, or a corpus.
    model : str or Path
    output : path, optional
        Keep the table there, as ``.parquet`` or ``.csv``; an interrupted call then goes on, and a
        finished table is read.
    windows : bool
        One row per window instead of the mean of each recording.
    workers, runtime, progress
        As in :func:`ecgfoundry.inference.batch.embed.embed_manifest`.

    Returns
    -------
    polars.DataFrame
        ``record``, ``patient``, ``split``, the targets and ``embedding``, a list of float32. What
        cannot be read is left out. For one recording: ``load_model(...).embed(recording)``.

    Raises
    ------
    ManifestError
        No recording can be embedded.
    EcgFoundryError
    """
    polars = require_polars("embeddings as a table")
    from ecgfoundry.inference.batch.embed import embed_manifest
    from ecgfoundry.inference.batch.infer import as_recordings
    from ecgfoundry.inference.batch.resumable import BatchOptions

    if isinstance(data, MappedManifest):
        data = data.manifest
    recordings = data if isinstance(data, Manifest) else as_recordings([data])
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-") as folder:
        path = Path(folder) / "embeddings.parquet" if output is None else Path(output)
        options = BatchOptions(windows=windows, workers=workers, runtime=runtime, progress=progress)
        embed_manifest(recordings, model, path, options)
        read = polars.read_csv if path.suffix.lower() == ".csv" else polars.read_parquet
        frame: pl.DataFrame = read(path)
        return frame
