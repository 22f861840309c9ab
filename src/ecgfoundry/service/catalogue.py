"""The models that a service may answer with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecgfoundry.errors import ModelNotFoundError
from ecgfoundry.models.bundle import Bundle, available_bundles, load_bundle
from ecgfoundry.service.problems import Problem, ProblemError

__all__ = ["ModelCatalogue"]


class ModelCatalogue:
    """Bundles by name: the shipped, the pulled, and those that the service was given.

    Parameters
    ----------
    models : tuple of str
        Bundle folders beside the shipped and the pulled.
    synthetic_ok : bool
        Whether models trained on synthetic data may answer.
    """

    def __init__(self, models: tuple[str, ...] = (), *, synthetic_ok: bool = False) -> None:
        self._models, self._synthetic_ok = models, synthetic_ok
        self._bundles: dict[Path, tuple[int, Bundle]] = {}

    def _folders(self) -> dict[str, Path]:
        own = {Path(folder).name: Path(folder) for folder in self._models}
        return {**available_bundles(), **own}

    def bundle(self, name: str) -> Bundle:
        """Return a bundle by its name; a path is no name.

        Raises
        ------
        ModelNotFoundError
        """
        folder = self._folders().get(name)
        if folder is None:
            raise ModelNotFoundError(
                f"there is no model '{name[:80]}' here", remedy="See /v1/models"
            )
        # Reading checks the hash of every file: once, until the folder's description is another.
        state = (folder / "bundle.json").stat().st_mtime_ns
        if self._bundles.get(folder, (0, None))[0] != state:
            self._bundles[folder] = state, load_bundle(folder)
        return self._bundles[folder][1]

    def laboratory_model(self, name: str | None) -> str:
        """Return the model that answers for laboratory values.

        Raises
        ------
        ProblemError
            404: there is none. 409: it was trained on synthetic data and the service was not
            started to let such models answer.
        """
        synthetic = None
        for candidate in [name] if name is not None else list(self._folders()):
            about = self.bundle(candidate).about
            kinds = {target.kind for target in about.vocabulary.targets}
            if "laboratory indicator" not in kinds:
                continue
            if self._synthetic_ok or not about.provenance.synthetic:
                return candidate
            synthetic = candidate
        if synthetic is not None:
            words = f"the model '{synthetic}' was trained on synthetic data"
            remedy = "It may answer when the service is started with --synthetic-ok"
            raise ProblemError(Problem(409, "synthetic-model", words, remedy))
        raise ProblemError(
            Problem(404, "no-laboratory-model", "no model for laboratory values is installed")
        )

    def describe_models(self) -> list[dict[str, Any]]:
        """Return the models in a few words each."""
        result = []
        for name in self._folders():
            bundle = self.bundle(name)
            about = bundle.about
            result.append(
                {
                    "name": name,
                    "version": about.version,
                    "title": about.title or name,
                    "target_kind": about.target_kind,
                    "input": about.input.to_dict(),
                    "kinds": sorted({target.kind for target in about.vocabulary.targets}),
                    "targets": list(about.vocabulary.names),
                    "calibrated": all(bundle.calibrated),
                    "licence": about.licence,
                }
            )
        return result

    def describe_model(self, name: str) -> dict[str, Any]:
        """Return the whole bundle.json of a model."""
        return dict(self.bundle(name).document)

    def model_card(self, name: str) -> str:
        """Return the model card, Markdown."""
        return self.bundle(name).file("README.md").read_text(encoding="utf-8")
