"""``bundle.json`` as objects: what a model is, what goes in and out, and where it is from.

The JSON form (schema ``bundle``) is made and read here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ecgfoundry.documents import Document, Fields, JsonObject, JsonValue
from ecgfoundry.errors import BundleError
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.schemas import schema_problems
from ecgfoundry.tasks import Readout
from ecgfoundry.vocabularies.types import Vocabulary

__all__ = [
    "SCHEMA_VERSION",
    "Architecture",
    "BundleDocument",
    "InputDocument",
    "Provenance",
    "TrainingData",
]

SCHEMA_VERSION = 2


def _stated(record: Architecture | Provenance | TrainingData) -> JsonObject:
    """Return the fields of a record that say something."""
    return {name: value for name, value in asdict(record).items() if value is not None}


@dataclass(frozen=True)
class Architecture:
    """The network: its name in the registry, its settings, and how many numbers it has."""

    name: str
    configuration: Mapping[str, JsonValue]
    parameters: int | None = None

    @classmethod
    def from_dict(cls, document: Document) -> Architecture:
        """Build from the JSON form."""
        own = Fields(document)
        configuration = dict(own.part("configuration").content)
        return cls(own.text("name"), configuration, own.whole_or_none("parameters"))


@dataclass(frozen=True)
class InputDocument:
    """What goes in, by the name and the hash of the recipe (see :class:`InputSpec`)."""

    lead_mode: str
    leads: tuple[str, ...]
    sampling_rate: float
    samples: int
    preprocessing: str
    preprocessing_sha256: str

    @classmethod
    def from_dict(cls, document: Document) -> InputDocument:
        """Build from the JSON form."""
        own = Fields(document)
        return cls(
            lead_mode=own.text("lead_mode"),
            leads=own.texts("leads"),
            sampling_rate=own.number("sampling_rate"),
            samples=own.whole("samples"),
            preprocessing=own.text("preprocessing"),
            preprocessing_sha256=own.text("preprocessing_sha256"),
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON form."""
        return {**asdict(self), "leads": list(self.leads)}


@dataclass(frozen=True)
class TrainingData:
    """A set of recordings that the model learned from.

    Attributes
    ----------
    name, licence : str
    citation, use : str or None
    records : int or None
    synthetic : bool or None
        Simulated; such a model answers only where that is asked for.
    """

    name: str
    licence: str
    citation: str | None = None
    records: int | None = None
    use: str | None = None
    synthetic: bool | None = None

    @classmethod
    def from_dict(cls, document: Document) -> TrainingData:
        """Build from the JSON form."""
        own = Fields(document)
        return cls(
            name=own.text("name"),
            licence=own.text("licence"),
            citation=own.text_or_none("citation"),
            records=own.whole_or_none("records"),
            use=own.text_or_none("use"),
            synthetic=own.flag_or_none("synthetic"),
        )


@dataclass(frozen=True)
class Provenance:
    """Where a model is from.

    Attributes
    ----------
    training_data : tuple of TrainingData
    code : str
        And its licence.
    created : str
        Date, ISO 8601.
    recipe : str or None
        What trained it.
    seed : int or None
    imported_with : str or None
    checkpoint : mapping or None
        Of imported weights: ``file``, ``sha256`` and what it says about itself.
    """

    training_data: tuple[TrainingData, ...]
    code: str
    created: str
    recipe: str | None = None
    seed: int | None = None
    imported_with: str | None = None
    checkpoint: Mapping[str, JsonValue] | None = None

    @classmethod
    def from_dict(cls, document: Document) -> Provenance:
        """Build from the JSON form."""
        own = Fields(document)
        checkpoint = own.part_or_none("checkpoint")
        return cls(
            training_data=tuple(map(TrainingData.from_dict, own.parts("training_data"))),
            code=own.text("code"),
            created=own.text("created"),
            recipe=own.text_or_none("recipe"),
            seed=own.whole_or_none("seed"),
            imported_with=own.text_or_none("imported_with"),
            checkpoint=None if checkpoint is None else dict(checkpoint.content),
        )

    @property
    def synthetic(self) -> bool:
        """Whether any of the training data was simulated."""
        return any(data.synthetic for data in self.training_data)


@dataclass(frozen=True, kw_only=True)
class BundleDocument:
    """What a bundle says about itself.

    Attributes
    ----------
    name, version : str
    title : str or None
    architecture : Architecture
    input : InputDocument
    vocabulary : Vocabulary
        What comes out, in order.
    target_kind : str
        Kind of its answers, a name in :data:`ecgfoundry.tasks.TASKS`.
    readout : Readout
        From outputs to answers.
    provenance : Provenance
    metrics : tuple of Metric
        The figures of its card.
    licence, intended_use : str
    known_failures, references : tuple of str
    files : mapping
        Name of every other file of the folder -> its SHA-256; empty before it is written.
    """

    name: str
    version: str
    architecture: Architecture
    input: InputDocument
    vocabulary: Vocabulary
    target_kind: str
    provenance: Provenance
    licence: str
    intended_use: str
    title: str | None = None
    readout: Readout = field(default_factory=Readout)
    metrics: tuple[Metric, ...] = ()
    known_failures: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> JsonObject:
        """Return the content of ``bundle.json``."""
        result: JsonObject = {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "version": self.version,
        }
        if self.title is not None:
            result["title"] = self.title
        return result | {
            "architecture": _stated(self.architecture),
            "input": self.input.to_dict(),
            "vocabulary": self.vocabulary.to_dict(),
            "target_kind": self.target_kind,
            **self.readout.to_dict(),
            "provenance": {
                **_stated(self.provenance),
                "training_data": [_stated(data) for data in self.provenance.training_data],
            },
            "metrics": [metric.to_dict() for metric in self.metrics],
            "licence": self.licence,
            "intended_use": self.intended_use,
            "known_failures": list(self.known_failures),
            "references": list(self.references),
            "files": dict(self.files),
        }

    @classmethod
    def from_dict(cls, document: Document, *, path: Path | None = None) -> BundleDocument:
        """Build from the content of ``bundle.json``.

        Raises
        ------
        BundleError
            It breaks the schema; the message names ``path``.
        """
        check_schema(document.content if isinstance(document, Fields) else document, path)
        own = Fields(document)
        return cls(
            name=own.text("name"),
            version=own.text("version"),
            title=own.text_or_none("title"),
            architecture=Architecture.from_dict(own.part("architecture")),
            input=InputDocument.from_dict(own.part("input")),
            vocabulary=Vocabulary.from_dict(own.part("vocabulary")),
            target_kind=own.text("target_kind"),
            readout=Readout.from_dict(own),
            provenance=Provenance.from_dict(own.part("provenance")),
            metrics=tuple(map(Metric.from_dict, own.parts("metrics"))),
            licence=own.text("licence"),
            intended_use=own.text("intended_use"),
            known_failures=own.texts("known_failures"),
            references=own.texts_or_none("references") or (),
            files=own.words("files"),
        )


def check_schema(document: Any, path: Path | None) -> None:
    """Refuse what breaks the bundle schema.

    Raises
    ------
    BundleError
        Names the first problem and how many there are.
    """
    problems = schema_problems("bundle", document)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise BundleError(f"breaks the bundle schema: {problems[0]}{more}", path=path)
