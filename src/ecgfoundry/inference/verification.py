"""Does a bundle keep its promises? Graph against weights, and recipes against each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import EcgFoundryError, LeadError, ManifestError, VerificationError
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.runtimes.base import create_runtime
from ecgfoundry.inference.windows import InputLeads
from ecgfoundry.manifest import Manifest
from ecgfoundry.metrics.classification import auroc
from ecgfoundry.models.bundle import Bundle, InputSpec
from ecgfoundry.preprocessing import PREPROCESSINGS, standardize

__all__ = [
    "PreprocessingScore",
    "RuntimeComparison",
    "compare_preprocessing",
    "compare_runtimes",
    "probe_windows",
    "verify_runtime",
]

TOLERANCE = 1e-4
"""Largest allowed difference of logits between two fp32 runtimes, relative to their rms."""

AUROC_TOLERANCE = 0.001
"""Largest allowed movement of an AUROC by a runtime."""

MINIMUM_POSITIVES = 30
"""Positives (and negatives: our choice) from which a target's AUROC is held to the tolerance; with
fewer, one record that changes its rank moves it by more."""


def probe_windows(spec: InputSpec, *, windows: int = 8, seed: int = 0) -> NDArray[np.float32]:
    """Return reproducible ECG-like windows with every lead present, and for models that take
    subsets also some with absent leads.

    They are sums of periodic narrow bumps with noise: enough to drive every layer, and not meant
    to be anybody's ECG.
    """
    generator = np.random.default_rng(seed)
    time = np.arange(spec.samples) / spec.sampling_rate
    x = np.empty((windows, spec.rows, spec.samples), dtype=np.float32)
    for window in x:
        rate = generator.uniform(0.8, 2.0)
        phase = (time * rate + generator.uniform()) % 1.0
        for row in window:
            centres, widths = generator.uniform(0.2, 0.8, 4), generator.uniform(0.01, 0.06, 4)
            heights = generator.normal(0, 3, 4)
            bumps = heights * np.exp(-0.5 * ((phase[:, None] - centres) / widths) ** 2)
            row[:] = bumps.sum(axis=1) + generator.normal(0, 0.2, spec.samples)
    x -= x.mean(axis=2, keepdims=True)
    x /= x.std(axis=2, keepdims=True)
    if spec.lead_mode == "any-subset":
        for window in x[: windows // 2]:
            kept = generator.integers(spec.rows)
            absent = generator.uniform(size=spec.rows) < 0.6
            absent[kept] = False
            window[absent] = np.nan
    return x


def compare_runtimes(
    bundle: Bundle,
    windows: NDArray[np.float32] | None = None,
    *,
    reference: str = "torch",
    other: str = "onnxruntime",
    tolerance: float = TOLERANCE,
) -> float:
    """Compare the logits of two runtimes.

    Parameters
    ----------
    bundle : Bundle
    windows : float32 (windows, leads, samples), optional
        Standardized; :func:`probe_windows` by default.
    reference, other : str
        Names of runtimes.
    tolerance : float
        Allowed largest difference over the rms of the reference logits.

    Returns
    -------
    float
        The largest difference over the rms.

    Raises
    ------
    VerificationError
        It is above the tolerance.
    """
    x = probe_windows(bundle.input) if windows is None else windows
    wanted = Predictor(bundle, create_runtime(bundle, runtime=reference)).logits(x)
    given = Predictor(bundle, create_runtime(bundle, runtime=other)).logits(x)
    scale = max(float(np.sqrt(np.mean(np.square(wanted)))), 1e-12)
    difference = float(np.abs(given - wanted).max()) / scale
    if not difference <= tolerance:
        raise VerificationError(
            f"the logits of {other} are {difference:.1e} away from {reference} (relative to their "
            f"rms); at most {tolerance:.0e} is allowed",
            path=bundle.folder,
            remedy="Export the graph anew; do not use this bundle",
        )
    return difference


@dataclass(frozen=True, slots=True)
class RuntimeComparison:
    """What a runtime changes on real recordings, against PyTorch in fp32.

    ``difference`` is the largest difference of a record's logits, relative to their rms;
    ``auroc`` holds (reference, runtime, positives) of every target that has both kinds of labels;
    ``held`` names the targets with enough of both to be held to the tolerance.
    """

    runtime: str
    reference: str
    records: int
    windows: int
    difference: float
    auroc: dict[str, tuple[float, float, int]]
    held: tuple[str, ...]
    skipped: dict[str, str]

    @property
    def movement(self) -> float:
        """Largest movement of an AUROC among the targets that are held; NaN if there is none."""
        moves = [abs(self.auroc[name][1] - self.auroc[name][0]) for name in self.held]
        return max(moves, default=float("nan"))


def verify_runtime(
    bundle: Bundle,
    manifest: Manifest,
    *,
    runtime: str,
    reference: str = "torch",
    minimum_positives: int = MINIMUM_POSITIVES,
    progress: Callable[[int, int], None] | None = None,
) -> RuntimeComparison:
    """Compare a runtime with the reference on real recordings, and refuse it where it errs.

    Parameters
    ----------
    bundle : Bundle
    manifest : Manifest
        Recordings, with ``target:NAME`` columns for the AUROC. The record score is the mean of
        its windows' logits.
    runtime, reference : str
        Names of runtimes.
    minimum_positives : int
        Of records with the label 1, and of those with 0, for a target to be held.
    progress : callable (done, total), optional

    Raises
    ------
    VerificationError
        An fp32 runtime's logits are more than 1e-4 of their rms away; an AUROC moved by more than
        0.001; or the runtime is not an fp32 one and no target has enough labels to judge it.
    LeadError
        No record could be scored.
    """
    from ecgfoundry.inference.runtimes.base import is_exact

    one = Predictor(bundle, create_runtime(bundle, runtime=reference))
    other = Predictor(bundle, create_runtime(bundle, runtime=runtime))
    names = [name for name in manifest.target_names if name in bundle.vocabulary.names]
    labels = manifest.targets(names)
    targets = len(bundle.vocabulary.targets)
    logits = np.full((2, len(manifest), targets), np.nan)
    squares, count, largest = 0.0, 0, 0.0
    skipped: dict[str, str] = {}
    for k, row in enumerate(manifest):
        try:
            recording = manifest.open(row)
            leads = InputLeads.choose(bundle.input, recording.leads)
            x = standardize(recording, bundle.input.recipe, leads.rows)
            both = [predictor.logits(x).astype(np.float64) for predictor in (one, other)]
        except EcgFoundryError as error:
            skipped[row.record] = str(error)
        else:
            logits[:, k] = [values.mean(axis=0) for values in both]
            squares, count = squares + float(np.square(both[0]).sum()), count + len(x)
            largest = max(largest, float(np.abs(both[1] - both[0]).max()))
        if progress is not None:
            progress(k + 1, len(manifest))
    if count == 0:
        reason = next(iter(skipped.values()), "there is none")
        raise LeadError(f"no record of the manifest could be scored: {reason}")
    difference = largest / max(np.sqrt(squares / (count * targets)), 1e-12)
    scored = ~np.isnan(logits[0]).all(axis=1)
    areas: dict[str, tuple[float, float, int]] = {}
    held = []
    for j, name in enumerate(names):
        column = bundle.vocabulary.index(name)
        known = scored & ~np.isnan(labels[:, j])
        positives = int((labels[known, j] == 1).sum())
        negatives = int((labels[known, j] == 0).sum())
        if positives and negatives:
            pair = [auroc(labels[known, j], values[known, column]) for values in logits]
            areas[name] = (pair[0], pair[1], positives)
            if min(positives, negatives) >= minimum_positives:
                held.append(name)
    result = RuntimeComparison(
        other.runtime.name, one.runtime.name, int(scored.sum()), count, float(difference), areas,
        tuple(held), skipped,
    )  # fmt: skip
    exact = is_exact(runtime)
    if exact and not difference <= TOLERANCE:
        raise VerificationError(
            f"the logits of {result.runtime} are {difference:.1e} away from {result.reference} "
            f"(relative to their rms); at most {TOLERANCE:.0e} is allowed",
            path=bundle.folder,
            remedy="Do not use this runtime with this bundle",
        )
    for name in held:
        before, after, _ = areas[name]
        if not abs(after - before) <= AUROC_TOLERANCE:
            raise VerificationError(
                f"{result.runtime} moves the AUROC of {name} from {before:.4f} to {after:.4f}; at "
                f"most {AUROC_TOLERANCE:g} is allowed",
                path=bundle.folder,
                remedy="Do not use this runtime with this bundle",
            )
    if not exact and not held:
        raise VerificationError(
            f"{result.runtime} does not compute in fp32, and no target has {minimum_positives} "
            "records of each kind to judge it by",
            path=manifest.folder,
            remedy="Give a manifest with more labelled recordings",
        )
    return result


@dataclass(frozen=True, slots=True)
class PreprocessingScore:
    """How a bundle does on a manifest under one recipe."""

    preprocessing: str
    auroc: dict[str, float]
    records: int
    skipped: dict[str, str]

    @property
    def macro(self) -> float:
        """Mean AUROC over the targets where it is defined."""
        values = [value for value in self.auroc.values() if not np.isnan(value)]
        return float(np.mean(values)) if values else float("nan")


def compare_preprocessing(
    predictor: Predictor,
    manifest: Manifest,
    *,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[PreprocessingScore]:
    """Score a bundle on a manifest under every recipe that makes windows of its shape.

    Parameters
    ----------
    predictor : Predictor
    manifest : Manifest
        With ``target:NAME`` columns named as targets of the bundle's vocabulary.
    progress : callable (recipe, done, total), optional

    Returns
    -------
    list of PreprocessingScore
        Best macro AUROC first. The record score is the mean of its windows' logits.

    Raises
    ------
    ManifestError
        No target column is a target of the bundle.
    """
    bundle = predictor.bundle
    names = [name for name in manifest.target_names if name in bundle.vocabulary.names]
    if not names:
        raise ManifestError(
            f"no target column is a target of {bundle.name}",
            path=manifest.folder,
            remedy=f"Its targets are {', '.join(bundle.vocabulary.names[:6])} …",
        )
    columns = [bundle.vocabulary.index(name) for name in names]
    labels = manifest.targets(names)
    scores = []
    # The bundle's own first: it may be one that is unknown here.
    for recipe in dict.fromkeys((bundle.input.recipe, *PREPROCESSINGS.values())):
        if (recipe.sampling_rate, recipe.samples) != (
            bundle.input.sampling_rate,
            bundle.input.samples,
        ):
            continue
        logits = np.full((len(manifest), len(names)), np.nan)
        skipped: dict[str, str] = {}
        for k, row in enumerate(manifest):
            try:
                recording = manifest.open(row)
                leads = InputLeads.choose(bundle.input, recording.leads)
                windows = standardize(recording, recipe, leads.rows)
                logits[k] = predictor.logits(windows).mean(axis=0)[columns]
            except EcgFoundryError as error:
                skipped[row.record] = str(error)
            if progress is not None:
                progress(recipe.name, k + 1, len(manifest))
        scored = ~np.isnan(logits).all(axis=1)
        if not scored.any():
            reason = next(iter(skipped.values()))
            raise LeadError(f"no record of the manifest could be scored: {reason}")
        result = {name: auroc(labels[scored, j], logits[scored, j]) for j, name in enumerate(names)}
        scores.append(PreprocessingScore(recipe.name, result, int(scored.sum()), skipped))
    return sorted(scores, key=lambda score: -np.nan_to_num(score.macro, nan=-1.0))
