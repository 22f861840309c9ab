"""The typed errors of ecgfoundry.

Every error names what it is about (usually a file), what is wrong and what to do, on one line,
so that a command-line user, a log reader and a program can all act on it. ``code`` is stable and
goes into JSON answers; ``remedy`` is the part of the message that says what to do.
"""

from __future__ import annotations

from pathlib import Path


class EcgFoundryError(Exception):
    """Base of all errors that ecgfoundry raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong, without a trailing full stop.
    path : str or Path, optional
        The file or folder that it is about.
    remedy : str, optional
        What the reader can do about it.
    """

    code = "error"

    def __init__(
        self, problem: str, *, path: str | Path | None = None, remedy: str | None = None
    ) -> None:
        self.problem = problem
        self.path = None if path is None else str(path)
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.path}: {self.problem}" if self.path is not None else self.problem
        if self.remedy:
            text = f"{text.rstrip('.')}. {self.remedy}"
        return " ".join(text.split())

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling between worker processes.
        return (_rebuild, (type(self), self.problem, self.path, self.remedy))

    def to_dict(self) -> dict[str, str | None]:
        """Return ``{"code", "message", "remedy"}`` for JSON answers."""
        return {"code": self.code, "message": str(self), "remedy": self.remedy}


def _rebuild(
    kind: type[EcgFoundryError], problem: str, path: str | None, remedy: str | None
) -> EcgFoundryError:
    return kind(problem, path=path, remedy=remedy)


class FileAccessError(EcgFoundryError):
    """A file does not exist or cannot be opened."""

    code = "file-access"


class DiskFullError(FileAccessError):
    """There is no space, or no quota, left to write a file; nothing of it stays behind."""

    code = "disk-full"


class OutputInUseError(FileAccessError):
    """Another process is writing the same output; nothing of it was touched."""

    code = "output-in-use"


class UnknownFormatError(EcgFoundryError):
    """No reader recognises the content of a file."""

    code = "unknown-format"


class FormatError(EcgFoundryError):
    """A file claims a format but its content breaks that format's rules."""

    code = "format"


class TruncatedFileError(FormatError):
    """A file ends before the data that its header announces."""

    code = "truncated"


class UnsupportedVariantError(EcgFoundryError):
    """A valid file uses a part of its format that is not read here."""

    code = "unsupported-variant"


class LimitError(EcgFoundryError):
    """A file announces more data than the configured limit; nothing was allocated."""

    code = "limit"


class LeadError(EcgFoundryError):
    """Leads are unnamed, unknown, repeated, missing for this purpose, or contradict each other."""

    code = "leads"


class UnitError(EcgFoundryError):
    """The unit of a signal is missing, unknown, or is not a voltage."""

    code = "unit"


class SamplingRateError(EcgFoundryError):
    """The sampling rate is missing or not a usable number."""

    code = "sampling-rate"


class SignalError(EcgFoundryError):
    """An array does not have the shape or the content that it should have."""

    code = "signal"


class SubjectError(EcgFoundryError):
    """The age or the sex of a person is not one."""

    code = "subject"


class PreprocessingError(EcgFoundryError):
    """An unknown preprocessing was asked for, or it does not fit the model."""

    code = "preprocessing"


class VocabularyError(EcgFoundryError):
    """An unknown vocabulary, or one whose content contradicts itself."""

    code = "vocabulary"


class ModelNotFoundError(EcgFoundryError):
    """No shipped, pulled or local bundle has this name, or no architecture does."""

    code = "model-not-found"


class BundleError(EcgFoundryError):
    """A bundle folder is incomplete or its parts contradict each other."""

    code = "bundle"


class IntegrityError(EcgFoundryError):
    """The content of a file does not have the recorded hash."""

    code = "integrity"


class CheckpointError(EcgFoundryError):
    """A checkpoint is unsafe to open or does not match the architecture."""

    code = "checkpoint"


class DownloadError(EcgFoundryError):
    """A download could not be started or completed."""

    code = "download"


class MissingExtraError(EcgFoundryError):
    """An optional dependency is needed that is not installed."""

    code = "missing-extra"

    @classmethod
    def for_extra(cls, purpose: str, extra: str) -> MissingExtraError:
        """Build the error for ``purpose`` (a verb phrase) that needs the extra ``extra``."""
        return cls(
            f"{purpose} needs the extra '{extra}', which is not installed",
            remedy=f"Run: pip install 'ecgfoundry[{extra}]'",
        )


class TableError(EcgFoundryError):
    """A table or a JSON document cannot be read as one, or a cell is not what its column holds."""

    code = "table"


class ManifestError(TableError):
    """A manifest breaks its schema or contradicts itself."""

    code = "manifest"


class DatasetError(EcgFoundryError):
    """A folder is not laid out as its data set is distributed, or none of its records is usable."""

    code = "dataset"


class LeakageError(ManifestError):
    """One patient or one signal stands in two splits."""

    code = "leakage"


class VerificationError(EcgFoundryError):
    """A bundle's graph and its weights, or two runtimes, disagree."""

    code = "verification"


class RuntimeUnavailableError(EcgFoundryError):
    """A runtime was asked for that this machine cannot run."""

    code = "runtime-unavailable"


class TrainingError(EcgFoundryError):
    """A training run was asked for that cannot be carried out."""

    code = "training"


class DivergenceError(TrainingError):
    """The loss of a training run is not finite any more, or explodes."""

    code = "divergence"


class EvaluationError(EcgFoundryError):
    """Predictions, targets or what stands beside them cannot be evaluated together."""

    code = "evaluation"


class StreamError(EcgFoundryError):
    """A live source is not there, is not one signal, or does not say what it sends."""

    code = "stream"


class ServiceError(EcgFoundryError):
    """The service cannot be started with these settings."""

    code = "service"


class DatabaseError(ServiceError):
    """The service's database does not answer."""

    code = "database"


class CorpusError(EcgFoundryError):
    """A corpus cannot be built, continued or read as it was asked for."""

    code = "corpus"


class EngineError(EcgFoundryError):
    """The processes or machines that a long job runs on are gone, or do not fit together."""

    code = "engine"


class SyntheticModelError(EcgFoundryError):
    """A model that was trained on simulated data was asked without leave to let it answer."""

    code = "synthetic-model"
