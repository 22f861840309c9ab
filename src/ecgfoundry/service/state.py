"""What a running service holds: workers, figures, kept recordings, jobs, live streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecgfoundry.errors import ModelNotFoundError
from ecgfoundry.models.bundle import Bundle, available_bundles, load_bundle
from ecgfoundry.service.jobs import Jobs
from ecgfoundry.service.live.hub import LiveHub
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.telemetry import Telemetry
from ecgfoundry.service.uploads import KeptRecordings
from ecgfoundry.service.workers import WorkerPool

__all__ = ["ServiceState"]


class ServiceState:
    """Everything that lives as long as the service.

    Parameters
    ----------
    settings : ServiceSettings
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.telemetry = Telemetry()
        self.kept = KeptRecordings(settings.keep_folder, settings.keep_bytes)
        self.closing = False
        self._bundles: dict[Path, tuple[int, Bundle]] = {}
        self.pool = WorkerPool(
            workers=settings.workers,
            queue=settings.queue,
            batch=settings.batch,
            timeout_s=settings.timeout_s,
            arguments={
                "models": settings.models,
                "synthetic_ok": settings.synthetic_ok,
                "warm": tuple(available_bundles()),
            },
            on_restart=lambda reason: self.telemetry.restarts.labels(reason).inc(),
        )
        self.jobs = Jobs(self.pool, waiting_bytes=max(8 * settings.body_bytes, 1))
        self.live = LiveHub(self, limit=settings.streams)

    def start(self) -> None:
        """Start the workers."""
        self.pool.start()
        self.live.start()

    async def close(self) -> None:
        """Take nothing new, finish what was accepted, end the workers."""
        self.closing = True
        await self.live.close()
        await self.jobs.close()
        await self.pool.close()

    def _folders(self) -> dict[str, Path]:
        own = {Path(folder).name: Path(folder) for folder in self.settings.models}
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
            document = self.bundle(candidate).document
            kinds = {target["kind"] for target in document["vocabulary"]["targets"]}
            if "laboratory indicator" not in kinds:
                continue
            data = document["provenance"]["training_data"]
            if self.settings.synthetic_ok or not any(entry.get("synthetic") for entry in data):
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
            document = bundle.document
            result.append(
                {
                    "name": name,
                    "version": document["version"],
                    "title": document.get("title", name),
                    "target_kind": document["target_kind"],
                    "input": document["input"],
                    "kinds": sorted({t["kind"] for t in document["vocabulary"]["targets"]}),
                    "targets": [target["name"] for target in document["vocabulary"]["targets"]],
                    "calibrated": all(bundle.calibrated),
                    "licence": document["licence"],
                }
            )
        return result

    def describe_model(self, name: str) -> dict[str, Any]:
        """Return the whole bundle.json of a model."""
        return dict(self.bundle(name).document)

    def model_card(self, name: str) -> str:
        """Return the model card, Markdown."""
        return self.bundle(name).file("README.md").read_text(encoding="utf-8")
