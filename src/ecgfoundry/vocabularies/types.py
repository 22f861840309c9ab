"""Targets and vocabularies: what the outputs of a model mean, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from ecgfoundry.documents import Document, Fields, JsonObject
from ecgfoundry.errors import FormatError, VocabularyError

__all__ = ["KINDS", "Target", "Vocabulary"]

KINDS: tuple[str, ...] = (
    "diagnosis",
    "rhythm",
    "modifier",
    "serial comparison",
    "verdict",
    "quality",
    "measurement",
    "demographic",
    "laboratory indicator",
)
"""What a target can be; the same list as in the bundle schema."""


@dataclass(frozen=True, slots=True)
class Target:
    """One output of a model.

    Parameters
    ----------
    name : str
        As its source writes it.
    kind : str
        One of :data:`KINDS`.
    codes : mapping of str to str
        Coding system ("SNOMED CT", "SCP-ECG", "LOINC") to code. Empty where no code is certain.
    unit : str, optional
        Of a measurement or laboratory indicator.
    description : str
        What it means, where the name does not say it.
    caveat : str
        What it does not mean.
    standalone : bool
        False: never to be reported on its own for a single recording (modifiers, fragments and
        statements that compare with an earlier ECG).

    Raises
    ------
    VocabularyError
        The name is empty or the kind unknown.
    """

    name: str
    kind: str
    codes: Mapping[str, str] = field(default_factory=dict, hash=False)
    unit: str | None = None
    description: str = ""
    caveat: str = ""
    standalone: bool = True

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise VocabularyError("a target has no name")
        if self.kind not in KINDS:
            raise VocabularyError(
                f"the target '{self.name}' is of the unknown kind '{self.kind}'",
                remedy=f"Kinds are: {', '.join(KINDS)}",
            )
        # A copy, so that nobody else's dictionary can change under a frozen target.
        object.__setattr__(self, "codes", dict(self.codes))

    def to_dict(self) -> JsonObject:
        """Return the JSON form; what is empty is left out."""
        result: JsonObject = {"name": self.name, "kind": self.kind}
        if self.codes:
            result["codes"] = dict(self.codes)
        if self.unit is not None:
            result["unit"] = self.unit
        if self.description:
            result["description"] = self.description
        if self.caveat:
            result["caveat"] = self.caveat
        if not self.standalone:
            result["standalone"] = False
        return result

    @classmethod
    def from_dict(cls, document: Document) -> Target:
        """Build a target from its JSON form.

        Raises
        ------
        VocabularyError
            A field is missing or not known.
        """
        try:
            own = Fields(document)
            own.only([part.name for part in fields(cls)])
            return cls(
                name=own.text("name"),
                kind=own.text("kind"),
                codes=own.words("codes") if "codes" in own else {},
                unit=own.text_or_none("unit"),
                description=own.text_or_none("description") or "",
                caveat=own.text_or_none("caveat") or "",
                standalone=own.flag("standalone") if "standalone" in own else True,
            )
        except FormatError as error:
            raise VocabularyError(f"a target is not described as it must be: {error}") from None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """An ordered list of targets.

    Parameters
    ----------
    name : str
    targets : tuple of Target
        In the order of the outputs.
    source : str
        Where names, kinds and codes are from.

    Raises
    ------
    VocabularyError
        There is no target, or two have one name.
    """

    name: str
    targets: tuple[Target, ...]
    source: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        names = [target.name for target in self.targets]
        if not names:
            raise VocabularyError(f"the vocabulary '{self.name}' has no targets")
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise VocabularyError(
                f"the vocabulary '{self.name}' has targets more than once: {', '.join(repeated)}"
            )

    def __len__(self) -> int:
        """Return the number of targets."""
        return len(self.targets)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets, in order."""
        return tuple(target.name for target in self.targets)

    def index(self, name: str) -> int:
        """Return the position of the target of this name, upper and lower case alike.

        Raises
        ------
        VocabularyError
            There is none.
        """
        wanted = name.casefold()
        for position, target in enumerate(self.targets):
            if target.name.casefold() == wanted:
                return position
        similar = [own for own in self.names if wanted in own.casefold()][:5]
        raise VocabularyError(
            f"the vocabulary '{self.name}' has no target '{name}'",
            remedy=f"Did you mean: {', '.join(similar)}" if similar else None,
        )

    def to_dict(self) -> JsonObject:
        """Return the JSON form, as it stands in a bundle."""
        result: JsonObject = {"name": self.name}
        if self.source:
            result["source"] = self.source
        result["targets"] = [target.to_dict() for target in self.targets]
        return result

    @classmethod
    def from_dict(cls, document: Document) -> Vocabulary:
        """Build a vocabulary from its JSON form.

        Raises
        ------
        VocabularyError
            It is not described as it must be.
        """
        try:
            own = Fields(document)
            own.sequence("targets")
            return cls(
                name=own.text("name"),
                targets=tuple(map(Target.from_dict, own.parts("targets"))),
                source=own.text_or_none("source") or "",
            )
        except FormatError as error:
            raise VocabularyError(f"is not described as it must be: {error}") from None
