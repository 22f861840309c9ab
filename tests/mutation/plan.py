"""Which modules belong to which area, and which tests judge them: ``plan.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


class PlanError(Exception):
    """The plan, or what was asked of it, is wrong; the message is for people."""


@dataclass(frozen=True, slots=True)
class Area:
    """A group of modules that the same tests judge.

    ``modules`` are paths inside the package and ``tests`` paths inside the repository, both with
    forward slashes; ``preload`` what the fork server imports once for all mutants; ``aim`` the
    share of the non-equivalent mutants that has to be noticed; ``build`` a program inside the
    repository that compiles the modules, where they are compiled.
    """

    name: str
    modules: tuple[str, ...]
    tests: tuple[str, ...]
    preload: tuple[str, ...]
    aim: float
    build: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """All areas of a repository.

    ``package`` is the folder of the package inside the repository, such as ``src/ecgfoundry``.
    """

    root: Path
    package: str
    areas: tuple[Area, ...]

    @property
    def source(self) -> Path:
        """The folder of the package."""
        return self.root / self.package

    def chosen(self, names: list[str]) -> list[Area]:
        """Return the areas of these names; ``formats`` also stands for ``formats-wfdb`` and so on.

        Raises
        ------
        PlanError
            There is no such area.
        """
        if not names:
            return list(self.areas)
        chosen: dict[str, Area] = {}
        for name in names:
            found = [area for area in self.areas if f"{area.name}-".startswith(f"{name}-")]
            if not found:
                known = ", ".join(area.name for area in self.areas)
                raise PlanError(f"there is no area {name!r}; there are: {known}")
            chosen |= {area.name: area for area in found}
        return list(chosen.values())


def data_file(root: Path, name: str) -> Path:
    """Return ``plan.toml`` or ``verdicts.toml`` of a repository, or else of this one."""
    own = root / "tests" / "mutation" / name
    return own if own.is_file() else Path(__file__).with_name(name)


def load_plan(root: Path = REPOSITORY) -> Plan:
    """Read the plan of a repository and resolve its patterns.

    Raises
    ------
    PlanError
        A pattern matches no file, a key is not known, or a module belongs to two areas.
    """
    file = data_file(root, "plan.toml")
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    package, defaults = document["package"], document.get("defaults", {})
    areas = []
    owners: dict[str, str] = {}
    for name, entry in document["areas"].items():
        entry = defaults | entry
        if unknown := entry.keys() - {"modules", "tests", "preload", "aim", "build"}:
            raise PlanError(f"{file}: area {name} has unknown keys: {', '.join(sorted(unknown))}")
        modules = _resolved(root / package, entry["modules"], f"{file}: area {name}")
        for module in modules:
            if owner := owners.setdefault(module, name) != name and owners[module]:
                raise PlanError(f"{file}: {module} belongs to {owner} and to {name}")
        tests = _resolved(root, entry["tests"], f"{file}: area {name}")
        areas.append(
            Area(
                name,
                modules,
                tests,
                tuple(entry.get("preload", ())),
                entry["aim"],
                entry.get("build"),
            )
        )
    return Plan(root, package, tuple(areas))


def _resolved(folder: Path, patterns: list[str], where: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for pattern in patterns:
        files = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not files:
            raise PlanError(f"{where}: nothing matches {pattern!r} in {folder}")
        found |= dict.fromkeys(path.relative_to(folder).as_posix() for path in files)
    return tuple(found)
