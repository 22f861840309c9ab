"""Estimators for scikit-learn: a model's embeddings as features, probes on them, and fine-tuning.

They take recordings: a sequence of :class:`ecgfoundry.Recording` or of files, or an array
(recordings, leads, samples) in mV with ``leads`` and ``sampling_rate``. Everything else is as
scikit-learn has it: ``clone``, ``Pipeline``, ``cross_val_score``, ``GridSearchCV``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecgfoundry.errors import MissingExtraError, SignalError, TrainingError
from ecgfoundry.formats.files import read
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest
from ecgfoundry.recording import Recording

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        RegressorMixin,
        TransformerMixin,
        clone,
    )
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    raise MissingExtraError.for_extra("estimators for scikit-learn", "data") from None

__all__ = ["EcgClassifier", "EcgEmbedding", "EcgRegressor"]

Float64 = NDArray[np.float64]
Recordings = Sequence[Any] | NDArray[np.floating]


class _OfRecordings(BaseEstimator):
    """What all share: recordings in, windows of a model out."""

    model: str | Path
    leads: tuple[str, ...] | None
    sampling_rate: float | None
    lead: str | None

    def _recordings(self, X: Recordings) -> list[Recording]:
        if isinstance(X, np.ndarray) and X.dtype != object:
            if self.leads is None or self.sampling_rate is None:
                raise SignalError(
                    "an array says neither its leads nor its rate",
                    remedy="Give leads=('I', …) and sampling_rate=… in Hz, or recordings",
                )
            if X.ndim != 3:
                raise SignalError(
                    f"an array of shape {X.shape} is none of recordings",
                    remedy="Give (recordings, leads, samples), in mV",
                )
            return [
                Recording.from_array(
                    signal, sampling_rate=self.sampling_rate, leads=self.leads, unit="mV"
                )
                for signal in X
            ]
        return [one if isinstance(one, Recording) else read(one) for one in X]

    def __getstate__(self) -> dict[str, object]:
        """A runtime has handles of its own: the model is loaded anew where it is unpickled."""
        state: dict[str, object] = dict(super().__getstate__())
        state.pop("folder_", None)
        if "predictor_" in state:
            state["predictor_"] = None
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "predictor_" in state:
            self.predictor_ = load_model(state.get("bundle_", self.model))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


class EcgEmbedding(TransformerMixin, _OfRecordings):
    """The embedding of each recording: the mean over its windows.

    Parameters
    ----------
    model : str or Path
        A shipped or pulled name, or a bundle folder.
    leads : tuple of str, optional
        Of arrays.
    sampling_rate : float, optional
        Of arrays, Hz.
    lead : str, optional
        Read only this lead.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> pipeline = make_pipeline(EcgEmbedding("ecgfounder-12lead"), LogisticRegression())
    """

    def __init__(
        self,
        model: str | Path = "ptbxl-superclass-12lead",
        *,
        leads: tuple[str, ...] | None = None,
        sampling_rate: float | None = None,
        lead: str | None = None,
    ) -> None:
        self.model = model
        self.leads = leads
        self.sampling_rate = sampling_rate
        self.lead = lead

    def fit(self, X: Recordings, y: Any = None) -> EcgEmbedding:
        """Load the model; nothing is learned."""
        self.predictor_ = load_model(self.model)
        return self

    def transform(self, X: Recordings) -> NDArray[np.float32]:
        """Return the embeddings, float32 (recordings, features).

        Raises
        ------
        SignalError
            A recording has no window that can be read.
        """
        check_is_fitted(self, "predictor_")
        return np.stack(
            [self.predictor_.embed(one, lead=self.lead).mean(axis=0) for one in self._recordings(X)]
        )


class _Trained(_OfRecordings):
    """A probe on embeddings, or a network fine-tuned to the end."""

    _task = "auto"

    def __init__(
        self,
        model: str | Path = "ptbxl-superclass-12lead",
        *,
        mode: str = "probe",
        probe: Any = None,
        settings: Any = None,
        output: str | Path | None = None,
        leads: tuple[str, ...] | None = None,
        sampling_rate: float | None = None,
        lead: str | None = None,
    ) -> None:
        self.model = model
        self.mode = mode
        self.probe = probe
        self.settings = settings
        self.output = output
        self.leads = leads
        self.sampling_rate = sampling_rate
        self.lead = lead

    def _usual_probe(self) -> Any:
        raise NotImplementedError

    def _fit(self, X: Recordings, values: Float64, y: Any, groups: Any) -> None:
        if self.mode not in ("probe", "finetune"):
            raise TrainingError(f"there is no mode '{self.mode}'", remedy="Use probe or finetune")
        if self.mode == "probe":
            embedding = EcgEmbedding(
                self.model, leads=self.leads, sampling_rate=self.sampling_rate, lead=self.lead
            )
            head = self._usual_probe() if self.probe is None else clone(self.probe)
            self.pipeline_ = make_pipeline(embedding, StandardScaler(), head).fit(X, y)
            return
        self._finetune(self._recordings(X), values, groups)

    def _finetune(self, recordings: list[Recording], values: Float64, groups: Any) -> None:
        from ecgfoundry.training.finetuning import finetune
        from ecgfoundry.training.settings import FinetuneSettings

        if self.output is None:
            self.folder_ = tempfile.TemporaryDirectory(prefix="ecgfoundry-")
        root = Path(self.folder_.name if self.output is None else self.output)
        files = root / "recordings"
        files.mkdir(parents=True, exist_ok=True)
        rows = []
        for number, (recording, value) in enumerate(zip(recordings, values, strict=True)):
            recording.write(files / f"{number:06d}.npz", overwrite=True)
            patient = None if groups is None else str(groups[number])
            rows.append(
                ManifestRow(
                    f"{number:06d}", f"{number:06d}.npz", patient=patient,
                    targets={"y": float(value)},
                )
            )  # fmt: skip
        settings = self.settings or FinetuneSettings()
        if self.lead is not None:
            settings = settings.change(lead=self.lead)
        data = MappedManifest(Manifest(tuple(rows), files), ("y",))
        result = finetune(
            data, root / "run", model=self.model, task=self._task, settings=settings, overwrite=True
        )
        self.bundle_ = result.bundle
        self.predictor_ = load_model(result.bundle)

    def _logits(self, X: Recordings) -> Float64:
        return np.stack(
            [
                self.predictor_.logits(self.predictor_.readable_windows(one, lead=self.lead))
                .astype(float)
                .mean(axis=0)
                for one in self._recordings(X)
            ]
        )


class EcgClassifier(ClassifierMixin, _Trained):
    """A classifier of recordings.

    Parameters
    ----------
    model : str or Path
        Where it starts: a shipped or pulled name, or a bundle folder; to fine-tune also an
        architecture.
    mode : {"probe", "finetune"}
        A linear layer on the mean embedding of each recording, or all weights
        (:func:`ecgfoundry.finetune`, which parts off its own validation recordings).
    probe : estimator, optional
        In place of scikit-learn's LogisticRegression on standardized embeddings.
    settings : FinetuneSettings, optional
    output : path, optional
        Folder of the fine-tuning, which ends as a bundle there; None: a temporary one.
    leads, sampling_rate, lead
        As in :class:`EcgEmbedding`.

    Attributes
    ----------
    classes_ : ndarray
    bundle_ : Path
        Of a fine-tuned network.

    Examples
    --------
    >>> from sklearn.model_selection import cross_val_score
    >>> classifier = EcgClassifier("rhythm-single-lead", leads=("I",), sampling_rate=300)
    >>> scores = cross_val_score(classifier, signals, labels)             # doctest: +SKIP
    """

    def fit(self, X: Recordings, y: ArrayLike, groups: ArrayLike | None = None) -> EcgClassifier:
        """Learn.

        Parameters
        ----------
        X : recordings
        y : array (recordings,)
            Classes, of any type.
        groups : array (recordings,), optional
            Patient of each; a patient's recordings are not parted in fine-tuning.
        """
        labels = np.asarray(y)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise TrainingError(f"there is one class only: {self.classes_[0]}")
        self._task = "binary" if len(self.classes_) == 2 else "multiclass"
        self._fit(X, codes.astype(float), labels, groups)
        return self

    def _usual_probe(self) -> Any:
        return LogisticRegression(max_iter=2000)

    def predict_proba(self, X: Recordings) -> Float64:
        """Return the probability of each class, (recordings, classes)."""
        check_is_fitted(self, "classes_")
        if self.mode == "probe":
            return np.asarray(self.pipeline_.predict_proba(X))
        found = self.predictor_.bundle.task.answers(self._logits(X), level="record")
        return np.concatenate([1 - found, found], axis=1) if found.shape[1] == 1 else found

    def predict(self, X: Recordings) -> NDArray[Any]:
        """Return the most probable class of each recording."""
        chosen = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[chosen])


class EcgRegressor(RegressorMixin, _Trained):
    """An estimator of a measured value; parameters as of :class:`EcgClassifier`.

    ``probe`` stands in place of scikit-learn's Ridge on standardized embeddings.

    Examples
    --------
    >>> regressor = EcgRegressor("ecgfounder-12lead", mode="probe")
    >>> regressor.fit(files, ages).predict(files[:3])                     # doctest: +SKIP
    """

    _task = "regression"

    def fit(self, X: Recordings, y: ArrayLike, groups: ArrayLike | None = None) -> EcgRegressor:
        """Learn; see :meth:`EcgClassifier.fit`."""
        values = np.asarray(y, dtype=float)
        self._fit(X, values, values, groups)
        self.fitted_ = True
        return self

    def _usual_probe(self) -> Any:
        return Ridge()

    def predict(self, X: Recordings) -> Float64:
        """Return the estimated values, (recordings,)."""
        check_is_fitted(self, "fitted_")
        if self.mode == "probe":
            return np.asarray(self.pipeline_.predict(X))
        return self.predictor_.bundle.task.answers(self._logits(X))[:, 0]
