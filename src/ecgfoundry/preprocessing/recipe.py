"""Recipes: what one is, and where they are found.

A recipe is a JSON document (``recipes/NAME@VERSION.json``, the schema ``preprocessing``), and the
document is the only place where its numbers stand. It belongs to a set of weights: a bundle carries
its own copy, and that copy is run. Once released, ``name@version`` never changes; a change is a new
version. The identity of a recipe is the SHA-256 of its document, not its name.

Four recipes around ECGFounder exist and differ (the paper, arXiv 2410.04133; the released
fine-tuning code; the released PTB-XL evaluation; a follow-up project). Which of them the released
weights really need is not settled by their authors, whose instructions say to follow the
fine-tuning code; ``ecgfoundry models verify --compare-preprocessing`` measures it.

All recipes share one frame::

    window (leads, samples) at the source rate, mV, NaN = missing
      -> leads that are missing throughout stay NaN rows and take part in nothing
      -> the recipe's steps, in order, on THIS WINDOW ALONE
      -> the recipe's length; a shorter window is padded as the recipe says
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ecgfoundry.documents import Fields, JsonObject, JsonValue
from ecgfoundry.errors import PreprocessingError
from ecgfoundry.preprocessing.document import (
    canonical,
    check_document,
    check_steps,
    load_document,
    pretty,
    sha256_of_document,
)
from ecgfoundry.preprocessing.steps import STEP_KINDS, Padding, Step, ZScore, read_padding
from ecgfoundry.registry import Registry

__all__ = ["PREPROCESSINGS", "Preprocessing", "get_preprocessing"]


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Preprocessing:
    """One recipe, ready to be run. Two are equal when their documents are.

    Made by :func:`get_preprocessing` or :meth:`from_document`.

    Parameters
    ----------
    name : str
        "name@version".
    sampling_rate : float
        Of the output, Hz.
    window_s : float
        Length of a window, s.
    leads : tuple of str or None
        The recipe's own leads in order; None for "one lead, whichever".
    steps : tuple of Step
        In order.
    padding : Padding
        What makes a shorter window as long as the recipe's.
    description : str
        The steps in words.
    source : str
        Where the numbers come from.
    text : str
        The document in its canonical form.
    sha256 : str
        Of ``text``.
    """

    name: str
    sampling_rate: float
    window_s: float
    leads: tuple[str, ...] | None
    steps: tuple[Step, ...]
    padding: Padding
    description: str
    source: str
    text: str
    sha256: str

    @classmethod
    def from_document(
        cls, document: Mapping[str, JsonValue], *, path: str | Path | None = None
    ) -> Preprocessing:
        """Make a recipe of its document.

        Parameters
        ----------
        document : mapping
        path : path, optional
            Where it stands, for messages.

        Raises
        ------
        PreprocessingError
            It breaks the schema, or its steps do not fit each other.
        """
        check_document(document, path=path)
        own = Fields(document)
        steps = tuple(STEP_KINDS[entry.text("step")](entry) for entry in own.parts("steps"))
        rate = float(own.number("sampling_rate_hz"))
        check_steps(steps, rate, path=path)
        return cls(
            name=f"{own.text('name')}@{own.whole('version')}",
            sampling_rate=rate,
            window_s=float(own.number("window_s")),
            leads=own.texts_or_none("leads"),
            steps=steps,
            padding=read_padding(own.part("padding")),
            description=own.text("description"),
            source=own.text("source"),
            text=canonical(document),
            sha256=sha256_of_document(document),
        )

    @property
    def document(self) -> JsonObject:
        """The document, with its keys in the order of the schema."""
        content = json.loads(self.text)
        order = (
            "schema_version", "name", "version", "sampling_rate_hz", "window_s", "leads", "steps",
            "padding", "description", "source",
        )  # fmt: skip
        result = {key: content[key] for key in order}
        result["steps"] = [{"step": step.pop("step"), **step} for step in result["steps"]]
        return result

    @property
    def samples(self) -> int:
        """Samples of a standardized window."""
        return round(self.sampling_rate * self.window_s)

    @property
    def joint_scaling(self) -> bool:
        """Whether one mean and deviation is shared by all leads."""
        return any(isinstance(step, ZScore) and step.over == "window" for step in self.steps)

    def is_meant_by(self, label: str) -> bool:
        """Whether a label beside stored arrays means this recipe: its SHA-256, or its name.

        The name does not do where this installation has another recipe of that name: which of the
        two made the arrays, nobody can tell.
        """
        if label != self.name:
            return label == self.sha256
        return self.name not in PREPROCESSINGS or PREPROCESSINGS[self.name] == self

    def write(self, path: Path) -> Path:
        """Write the document as a file; the same recipe always gives the same bytes."""
        path.write_text(pretty(self.document), encoding="utf-8")
        return path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocessing) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Preprocessing({self.name}, sha256={self.sha256})"


def _make(source: Mapping[str, JsonValue] | str | Path | Preprocessing) -> Preprocessing:
    """Return the recipe of a document, or of a file that holds one."""
    if isinstance(source, Preprocessing):
        return source
    if isinstance(source, Mapping):
        return Preprocessing.from_document(source)
    return Preprocessing.from_document(load_document(source), path=source)


def _add_own(registry: Registry[Preprocessing]) -> None:
    folder = files("ecgfoundry.preprocessing") / "recipes"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json"):
            recipe = registry.add(
                json.loads(entry.read_text(encoding="utf-8")), origin="ecgfoundry"
            )
            if entry.name != f"{recipe.name}.json":
                raise PreprocessingError(f"holds {recipe.name}", path=str(entry))


PREPROCESSINGS: Registry[Preprocessing] = Registry(
    "preprocessing",
    error=PreprocessingError,
    group="ecgfoundry.preprocessing",
    builtin=_add_own,
    convert=_make,
    name_of=lambda recipe: recipe.name,
)
"""All recipes by name: those of this package, and those of other packages, whose entry points in
the group ``ecgfoundry.preprocessing`` give a path to a document, or a document."""


def get_preprocessing(
    recipe: str | Path | Mapping[str, JsonValue] | Preprocessing,
) -> Preprocessing:
    """Return a recipe.

    Parameters
    ----------
    recipe : str, Path, mapping or Preprocessing
        A name ("ecgfounder-finetune@1"), a file (``.json``), a document, or the recipe itself.

    Raises
    ------
    PreprocessingError
        There is none of this name (the message lists those that exist), or the document is wrong.
    FileAccessError
        The file cannot be read.

    Examples
    --------
    >>> get_preprocessing("single-lead-rhythm@1").samples
    6000
    """
    if isinstance(recipe, Preprocessing):
        return recipe
    if isinstance(recipe, str) and not recipe.endswith(".json"):
        return PREPROCESSINGS[recipe]
    return _make(recipe)
