"""Bundles: a model as a folder that carries everything its answers depend on.

``model.safetensors`` (weights), ``model.onnx`` (the same network as a graph, verified against the
weights), ``preprocessing.json`` (the recipe that is run, known to this installation or not),
``bundle.json`` (schema ``bundle``: architecture, input, vocabulary, calibration, thresholds,
provenance, hashes) and ``README.md`` (the model card). Nothing is pickled, and a file whose hash is
not the recorded one is refused.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import BundleError, IntegrityError, ModelNotFoundError
from ecgfoundry.io import sha256_of
from ecgfoundry.metrics.metric import Metric
from ecgfoundry.models.document import BundleDocument, InputDocument, check_schema
from ecgfoundry.preprocessing import PREPROCESSINGS, Preprocessing, get_preprocessing
from ecgfoundry.tasks import TASKS, Task
from ecgfoundry.vocabularies.types import Vocabulary

__all__ = [
    "LEAD_II_RECIPE",
    "SHORT_SHARE",
    "Bundle",
    "InputSpec",
    "available_bundles",
    "cache_folder",
    "find_bundle",
    "load_bundle",
    "sha256_of",
    "shipped_folder",
    "write_bundle",
]

BUNDLE_FILE = "bundle.json"
PREPROCESSING_FILE = "preprocessing.json"
MAXIMUM_BUNDLE_JSON_BYTES = 8_000_000
SHORT_SHARE = 0.5
"""Of a model's length, up to which a window is a short one (our choice): the ten seconds of a live
stream before a model of thirty."""


LEAD_II_RECIPE = "labs_mcmed"
"""Of `ecgfoundry labs train`: whatever the network takes, its outputs have learned from lead II."""


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What a model takes in.

    Parameters
    ----------
    lead_mode : {"exact", "any-subset", "any-single"}
        Every lead is needed; absent ones are masked; or one lead, whichever.
    leads : tuple of str
        Order of the rows; for "any-single" the leads that it was trained on.
    recipe : Preprocessing
        What raw windows go through; it has the rate and the length of a window.
    taught : tuple of str
        Of "any-subset": the only leads that the outputs have learned from. Where one of them is
        there, the others are not read. Empty: all of ``leads``.
    """

    lead_mode: str
    leads: tuple[str, ...]
    recipe: Preprocessing
    taught: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Leads of the input array."""
        return 1 if self.lead_mode == "any-single" else len(self.leads)

    @property
    def preprocessing(self) -> str:
        """Name of the recipe: what people call it. Its identity is ``recipe.sha256``."""
        return self.recipe.name

    @property
    def sampling_rate(self) -> float:
        """Hz."""
        return self.recipe.sampling_rate

    @property
    def samples(self) -> int:
        """Per lead and window."""
        return self.recipe.samples

    @property
    def window_s(self) -> float:
        """Length of a window, s."""
        return self.samples / self.sampling_rate

    def window_level(self, duration_s: float) -> str:
        """Return the calibrator's level of a window of so many seconds."""
        return "short_window" if duration_s <= SHORT_SHARE * self.window_s else "window"

    @property
    def document(self) -> InputDocument:
        """``input`` of ``bundle.json``."""
        return InputDocument(
            self.lead_mode,
            self.leads,
            self.sampling_rate,
            self.samples,
            self.recipe.name,
            self.recipe.sha256,
        )


@dataclass(frozen=True)
class Bundle:
    """A bundle folder that has been read and checked."""

    folder: Path
    about: BundleDocument
    recipe: Preprocessing

    @cached_property
    def document(self) -> JsonObject:
        """``bundle.json``, for those who hand it on as it is."""
        return self.about.to_dict()

    @property
    def name(self) -> str:
        """Its name."""
        return self.about.name

    @property
    def version(self) -> str:
        """Its version."""
        return self.about.version

    @property
    def target_kind(self) -> str:
        """Kind of its answers, a name in :data:`ecgfoundry.tasks.TASKS`."""
        return self.about.target_kind

    @cached_property
    def task(self) -> Task:
        """What its outputs mean, and how they become answers."""
        return _task(self.about)

    @cached_property
    def input(self) -> InputSpec:
        """What goes in."""
        mode, leads = self.about.input.lead_mode, self.about.input.leads
        alone = mode == "any-subset" and self.about.provenance.recipe == LEAD_II_RECIPE
        return InputSpec(mode, leads, self.recipe, taught=("II",) if alone else ())

    @property
    def recipe_notice(self) -> str | None:
        """What to say where this installation has another recipe of the same name; else None."""
        name = self.recipe.name
        if name not in PREPROCESSINGS or PREPROCESSINGS[name] == self.recipe:
            return None
        return f"the bundle's own {name} is run; this installation has another recipe of that name"

    @property
    def vocabulary(self) -> Vocabulary:
        """What comes out, in order."""
        return self.about.vocabulary

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The figures of its card."""
        return self.about.metrics

    @property
    def calibrated(self) -> tuple[bool, ...]:
        """Whether each target's probability is calibrated."""
        return self.task.calibrates

    @property
    def thresholds(self) -> list[float | None]:
        """Threshold of each target on its calibrated probability, None where there is none."""
        return list(self.task.thresholds)

    def file(self, name: str) -> Path:
        """Return the path of a file that the bundle lists.

        Raises
        ------
        BundleError
            The bundle has no such file.
        """
        if name not in self.about.files:
            raise BundleError(f"the bundle has no {name}", path=self.folder)
        return self.folder / name

    def array(self, name: str) -> NDArray[Any] | None:
        """Return an array that stands in a NumPy file of the bundle; None: there is no such file.

        Raises
        ------
        BundleError
            The file is no array.
        """
        if name not in self.about.files:
            return None
        try:
            found: NDArray[Any] = np.load(self.folder / name, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise BundleError(
                f"is no array: {error}", path=self.folder / name, remedy="Get the bundle anew"
            ) from None
        return found


def load_bundle(folder: str | Path, *, verify: bool = True) -> Bundle:
    """Read a bundle folder and check it.

    Parameters
    ----------
    folder : path
    verify : bool
        Compare the hash of every file with the recorded one.

    Raises
    ------
    BundleError
        ``bundle.json`` is missing, breaks the schema or contradicts itself; a file is missing.
    IntegrityError
        A file does not have its recorded hash.
    """
    folder = Path(folder)
    path = folder / BUNDLE_FILE
    if not path.is_file():
        raise BundleError(
            f"there is no {BUNDLE_FILE}",
            path=folder,
            remedy="A bundle is a folder made by 'ecgfoundry models import' or by training",
        )
    if path.stat().st_size > MAXIMUM_BUNDLE_JSON_BYTES:
        raise BundleError("is larger than any bundle description", path=path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BundleError(f"is not JSON: {error}", path=path) from None
    about = BundleDocument.from_dict(document, path=path)
    for name, expected in about.files.items():
        file = folder / name
        if not file.is_file():
            raise BundleError(f"{name} is missing", path=folder, remedy="Get the bundle anew")
        if verify and sha256_of(file) != expected:
            raise IntegrityError(
                f"{name} does not have the recorded SHA-256: it is damaged or was changed",
                path=folder,
                remedy="Get the bundle anew",
            )
    recipe = get_preprocessing(folder / PREPROCESSING_FILE)
    _check_content(about, recipe, path)
    return Bundle(folder, about, recipe)


def _check_content(about: BundleDocument, recipe: Preprocessing, path: Path) -> None:
    """Check what a schema cannot say."""
    spec = about.input
    if (recipe.name, recipe.sha256) != (spec.preprocessing, spec.preprocessing_sha256):
        raise BundleError(
            f"names the preprocessing {spec.preprocessing} with SHA-256 "
            f"{spec.preprocessing_sha256[:12]}…, but {PREPROCESSING_FILE} holds {recipe.name} "
            f"with {recipe.sha256[:12]}…",
            path=path,
            remedy="Get the bundle anew",
        )
    if (recipe.sampling_rate, recipe.samples) != (spec.sampling_rate, spec.samples):
        raise BundleError(
            f"the input is {spec.samples} samples at {spec.sampling_rate:g} Hz, but "
            f"{recipe.name} makes {recipe.samples} at {recipe.sampling_rate:g} Hz",
            path=path,
        )
    strange = set(about.readout.uncalibrated) - set(about.vocabulary.names)
    if strange:
        raise BundleError(
            f"'uncalibrated' names no target: {', '.join(sorted(strange))}", path=path
        )
    if about.target_kind not in TASKS:
        raise BundleError(
            f"its answers are of the kind '{about.target_kind}', which is not known here",
            path=path,
            remedy="Install the package that adds this kind of task",
        )
    problem = _task(about).problem()
    if problem is not None:
        raise BundleError(problem, path=path)


def _task(about: BundleDocument) -> Task:
    return TASKS[about.target_kind].answering(about.vocabulary, about.readout)


def write_bundle(
    output: Path,
    *,
    about: BundleDocument,
    files: Mapping[str, Path],
    recipe: Preprocessing | None = None,
) -> Path:
    """Write a bundle folder, whole or not at all.

    Parameters
    ----------
    output : Path
        The folder to make; an existing bundle there is replaced.
    about : BundleDocument
        The hashes of its files, and name and hash of its recipe, are filled in.
    files : mapping of str to Path
        Name in the bundle -> file to copy ("model.safetensors", "model.onnx", "README.md").
    recipe : Preprocessing, optional
        What the weights are fed with. None: ``preprocessing.json`` of ``files``, else the recipe of
        this installation that ``about.input.preprocessing`` names.

    Returns
    -------
    Path
        ``output``.
    """
    output = Path(output)
    if not _is_replaceable(output):
        raise BundleError(
            "exists and is no bundle", path=output, remedy="Choose another output folder"
        )
    if recipe is None:
        recipe = get_preprocessing(files.get(PREPROCESSING_FILE, about.input.preprocessing))
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        for name, source in files.items():
            shutil.copyfile(source, temporary / name)
        recipe.write(temporary / PREPROCESSING_FILE)
        names = sorted({*files, PREPROCESSING_FILE})
        complete = replace(
            about,
            input=replace(
                about.input, preprocessing=recipe.name, preprocessing_sha256=recipe.sha256
            ),
            files={name: sha256_of(temporary / name) for name in names},
        )
        document = complete.to_dict()
        check_schema(document, output / BUNDLE_FILE)
        _check_content(complete, recipe, output / BUNDLE_FILE)
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        (temporary / BUNDLE_FILE).write_text(text, encoding="utf-8")
        temporary.chmod(0o755)
        _put_in_place(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return output


def _put_in_place(temporary: Path, output: Path) -> None:
    """Give a whole bundle its name, whatever is there; who opens it meanwhile finds one of them.

    Of two that are put there together, one stays.
    """
    before = output.with_name(f".{temporary.name}.before")
    while True:
        with contextlib.suppress(FileNotFoundError):
            output.rename(before)
        try:
            temporary.replace(output)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        finally:
            shutil.rmtree(before, ignore_errors=True)


def _is_replaceable(folder: Path) -> bool:
    """Whether nothing but a bundle would go; others may be putting one there meanwhile."""
    while True:
        try:
            looked_at = folder.stat().st_ino
            names = [path.name for path in folder.iterdir()]
            if not names or BUNDLE_FILE in names:
                return True
            if folder.stat().st_ino == looked_at:
                return False
        except FileNotFoundError:
            return True
        except NotADirectoryError:
            return False


def shipped_folder() -> Path:
    """Return the folder of the bundles that are part of the installation."""
    return Path(str(files("ecgfoundry") / "models" / "shipped"))


def cache_folder() -> Path:
    """Return the folder of pulled bundles: ``$ECGFOUNDRY_CACHE``, else ``~/.cache/ecgfoundry``."""
    chosen = os.environ.get("ECGFOUNDRY_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "ecgfoundry"


def available_bundles() -> dict[str, Path]:
    """Return name -> folder of every shipped and pulled bundle."""
    result: dict[str, Path] = {}
    for root in (shipped_folder(), cache_folder() / "models"):
        if root.is_dir():
            for folder in sorted(root.iterdir()):
                if folder.name.startswith("."):  # one that is being written
                    continue
                if (folder / BUNDLE_FILE).is_file():
                    result.setdefault(folder.name, folder)
    return result


def find_bundle(name_or_folder: str | Path) -> Path:
    """Return the folder of a shipped name, a pulled name, or a bundle folder.

    Raises
    ------
    ModelNotFoundError
        There is none; the message lists those that exist.
    """
    known = available_bundles()
    text = str(name_or_folder)
    if text in known:
        return known[text]
    path = Path(name_or_folder)
    if (path / BUNDLE_FILE).is_file():
        return path
    if path.is_dir():
        raise ModelNotFoundError(f"the folder has no {BUNDLE_FILE}", path=path)
    remedy = f"Available here: {', '.join(known) or 'none'}; or give a bundle folder"
    if text in ("ecgfounder-12lead", "ecgfounder-1lead"):
        remedy = f"Get it with: ecgfoundry models pull {text}"
    raise ModelNotFoundError(f"there is no model '{text}'", remedy=remedy)
