"""Linear probes on cached embeddings, and embeddings as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ecgfoundry.errors import MissingExtraError, TrainingError
from ecgfoundry.training.starting import classifier_of
from ecgfoundry.training.tasks import TargetScale, Task

if TYPE_CHECKING:
    from ecgfoundry.inference.predictor import Predictor
    from ecgfoundry.manifest import Manifest

__all__ = ["LinearProbe", "embed_manifest", "fit_linear_probe", "put_into"]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PENALTIES: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1)
"""L2 penalties that are tried, on features of unit deviation (our choice)."""
ITERATIONS = 60
"""L-BFGS iterations at most; the problem is convex and small (our choice)."""


@dataclass(frozen=True)
class LinearProbe:
    """``embedding @ weight.T + bias``.

    Attributes
    ----------
    weight : ndarray (outputs, features)
    bias : ndarray (outputs,)
    penalty : float
        The chosen one.
    """

    weight: Float32
    bias: Float32
    penalty: float

    def __call__(self, embeddings: NDArray[np.floating]) -> Float64:
        """Return the outputs (n, outputs)."""
        return np.asarray(embeddings @ self.weight.T + self.bias, dtype=np.float64)


def fit_linear_probe(
    embeddings: Float32,
    values: Float64,
    task: Task,
    *,
    validation: tuple[Float32, Float64] | None = None,
    scale: TargetScale | None = None,
    penalties: tuple[float, ...] = PENALTIES,
    iterations: int = ITERATIONS,
) -> LinearProbe:
    """Fit one linear layer on embeddings by full-batch L-BFGS.

    Parameters
    ----------
    embeddings : ndarray, float32 (n, features)
        Of the training split.
    values : ndarray (n, columns)
        Targets; NaN is missing.
    task : Task
        Gives the loss.
    validation : tuple, optional
        (embeddings, values) that choose the penalty; without it the first penalty is used.
    scale : TargetScale, optional
        Of a regression.
    penalties : tuple of float
    iterations : int

    Returns
    -------
    LinearProbe
        Features were standardized for the fit; weight and bias take them as they are.
    """
    centre = embeddings.mean(axis=0)
    spread = embeddings.std(axis=0)
    spread = np.where(spread > 1e-6 * max(float(spread.max()), 1e-12), spread, np.float32(1.0))
    x = torch.from_numpy((embeddings - centre) / spread)
    y = torch.from_numpy(task.network_targets(values, scale))
    loss = task.make_loss(values)
    chosen = penalties if validation is not None else penalties[:1]
    best: tuple[float, LinearProbe] | None = None
    head = nn.Linear(x.shape[1], task.outputs)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    # From the strongest penalty to the weakest, each from the solution before it.
    for penalty in sorted(chosen, reverse=True):
        _minimise(head, x, y, loss, penalty, iterations)
        weight = head.weight.detach().numpy() / spread
        bias = head.bias.detach().numpy() - weight @ centre
        probe = LinearProbe(weight.astype(np.float32), bias.astype(np.float32), penalty)
        if validation is None:
            return probe
        outside = torch.from_numpy(probe(validation[0]).astype(np.float32))
        wanted = torch.from_numpy(task.network_targets(validation[1], scale))
        error = float(loss(outside, wanted))
        if best is None or error < best[0]:
            best = (error, probe)
    if best is None:
        raise TrainingError("a probe needs at least one penalty")
    return best[1]


def _minimise(
    head: nn.Linear,
    x: Tensor,
    y: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor],
    penalty: float,
    iterations: int,
) -> None:
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=iterations, line_search_fn="strong_wolfe", tolerance_change=1e-7
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        # The loss is a mean over outputs as well, so the penalty is too.
        value = loss(head(x), y) + penalty * head.weight.square().sum() / head.out_features
        value.backward()
        return value

    optimizer.step(closure)


def put_into(network: nn.Module, probe: LinearProbe) -> None:
    """Write a probe into the classifier of a network."""
    head = classifier_of(network)
    if tuple(head.weight.shape) != probe.weight.shape:
        raise TrainingError(
            f"a probe of shape {probe.weight.shape} does not fit a classifier of shape "
            f"{tuple(head.weight.shape)}"
        )
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(probe.weight))
        head.bias.copy_(torch.from_numpy(probe.bias))


def embed_manifest(
    predictor: Predictor,
    manifest: Manifest,
    output: Path,
    *,
    windows: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, str]:
    """Write the embeddings of every recording to Parquet.

    Parameters
    ----------
    predictor : Predictor
    manifest : Manifest
    output : Path
        Columns ``record``, ``patient``, ``split``, ``start_s`` (of a window), the targets, and
        ``embedding``: a list of float32, 1024 long for ECGFounder. The file appears whole.
    windows : bool
        One row per window; else the mean over the windows of each recording.
    progress : callable (done, total), optional

    Returns
    -------
    dict
        Record -> why it was skipped.
    """
    try:
        import polars
    except ImportError:
        raise MissingExtraError.for_extra("writing embeddings to Parquet", "data") from None
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.inference.windows import InputLeads, RecordingSource, prepare_windows

    spec = predictor.bundle.input
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for number, row in enumerate(manifest.rows):
        try:
            recording = manifest.open(row)
            leads = InputLeads.choose(spec, recording.leads)
            prepared = list(prepare_windows(RecordingSource(recording), spec, leads))
        except EcgFoundryError as error:
            skipped[row.record] = str(error)
            continue
        readable = [w for w in prepared if w.standardized is not None]
        if not readable:
            reasons = [w.refusal.message for w in prepared if w.refusal is not None]
            skipped[row.record] = reasons[0] if reasons else "no samples"
            continue
        arrays = [w.standardized for w in readable if w.standardized is not None]
        embeddings = predictor.embed(np.stack(arrays))
        about: dict[str, Any] = {"record": row.record, "patient": row.patient, "split": row.split}
        about |= {f"target:{name}": value for name, value in row.targets.items()}
        if windows:
            rows += [
                about | {"start_s": w.start / recording.sampling_rate, "embedding": e.tolist()}
                for w, e in zip(readable, embeddings, strict=True)
            ]
        else:
            rows.append(
                about | {"windows": len(readable), "embedding": embeddings.mean(0).tolist()}
            )
        if progress is not None:
            progress(number + 1, len(manifest))
    if not rows:
        reason = next(iter(skipped.values()), "the manifest has no rows")
        raise TrainingError(f"no recording could be embedded: {reason}", path=manifest.folder)
    frame = polars.DataFrame(
        rows,
        infer_schema_length=None,
        schema_overrides={"embedding": polars.List(polars.Float32)},
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.part")
    frame.write_parquet(temporary)
    temporary.replace(output)
    return skipped
