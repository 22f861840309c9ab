"""Open registries: names to formats, networks, recipes …, from this package and from others.

One registry per kind of thing. It is filled in three ways, all equal afterwards:

- by this package itself, when the registry is first used (``builtin``),
- by a decorator or a call, from any code that runs (``register``, ``add``, ``add_lazy``),
- by entry points of installed packages, in the registry's group (for example
  ``ecgfoundry.preprocessing``); they are looked up once, on first use.

A name stands for one thing. A second one under the same name is an error that names both origins:
which of two recipes of one name runs must never depend on the order of an import path.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from ecgfoundry.errors import EcgFoundryError

__all__ = ["Registry"]

T = TypeVar("T")
Item = TypeVar("Item")


@dataclass(slots=True)
class _Entry(Generic[T]):
    """One thing, loaded (``value``) or not yet (``load``), and where it comes from."""

    origin: str
    load: Callable[[], T] | None = None
    value: T | None = None


class Registry(Generic[T]):
    """Names to things of one kind, open to other packages.

    Iterating gives the names: those of this package first, in its order, then the others in the
    order in which they were added; those of entry points are sorted by package and name.

    Parameters
    ----------
    kind : str
        What is registered, for messages: "preprocessing recipe", "file format".
    error : type of EcgFoundryError
        What an unknown name, a duplicate or a thing that cannot be loaded raises.
    group : str, optional
        Entry-point group through which other packages add theirs.
    builtin : callable (registry) -> None, optional
        Adds the things of this package; called once, on first use.
    convert : callable (object) -> T, optional
        Makes a thing of what was added, an entry point pointed to or a lazy reference named (a path
        to a file, say). It may refuse with the registry's ``error``.
    name_of : callable (T) -> str, optional
        Reads the name out of a thing. Entry points are then loaded when they are found, and what
        they are called in their package does not matter. Without it a thing has the name of its
        entry point and is loaded when it is asked for.

    Examples
    --------
    >>> from ecgfoundry.errors import PreprocessingError
    >>> wavelets = Registry[type]("wavelet", error=PreprocessingError)
    >>> @wavelets.register("haar")
    ... class Haar:
    ...     length = 2
    >>> wavelets["haar"].length
    2
    >>> wavelets["harr"]
    Traceback (most recent call last):
    ...
    ecgfoundry.errors.PreprocessingError: there is no wavelet 'harr'. Did you mean 'haar'? ...
    """

    def __init__(
        self,
        kind: str,
        *,
        error: type[EcgFoundryError],
        group: str | None = None,
        builtin: Callable[[Registry[T]], None] | None = None,
        convert: Callable[[Any], T] | None = None,
        name_of: Callable[[T], str] | None = None,
    ) -> None:
        self.kind = kind
        self.group = group
        self._error = error
        self._builtin = builtin
        self._convert = convert
        self._name_of = name_of
        self._entries: dict[str, _Entry[T]] = {}
        self._lock = threading.RLock()
        self._filled = False
        self._filling = False

    # --- adding ------------------------------------------------------------------------------

    def register(self, name: str | None = None) -> Callable[[Item], Item]:
        """Return a decorator that adds what stands below it, and leaves that as it is.

        Parameters
        ----------
        name : str, optional
            None: the thing's own (``name_of``).
        """

        def decorate(item: Item) -> Item:
            self.add(item, name)
            return item

        return decorate

    def add(self, item: Any, name: str | None = None, *, origin: str | None = None) -> T:
        """Add one thing and return it.

        Parameters
        ----------
        item : T, or what ``convert`` makes a T of
        name : str, optional
            None: the thing's own (``name_of``).
        origin : str, optional
            Where it comes from, for messages; None: the module that defines it.

        Raises
        ------
        EcgFoundryError
            The registry's ``error``: the name is taken, or ``convert`` refuses the thing.
        """
        value: T = self._convert(item) if self._convert is not None else item
        if name is None:
            if self._name_of is None:
                raise TypeError(f"a {self.kind} is registered with its name")
            name = self._name_of(value)
        where = origin or getattr(item, "__module__", None) or "this process"
        self._insert(name, _Entry(origin=where, value=value))
        return value

    def add_lazy(self, name: str, reference: str, *, origin: str | None = None) -> None:
        """Add a thing that is imported when it is asked for.

        Parameters
        ----------
        name : str
        reference : str
            "module:attribute".
        origin : str, optional
            Where it comes from, for messages; None: the module.
        """
        module, _, attribute = reference.partition(":")

        def load() -> T:
            found = getattr(import_module(module), attribute)
            return self._convert(found) if self._convert is not None else found

        self._insert(name, _Entry(origin=origin or module, load=load))

    def _insert(self, name: str, entry: _Entry[T]) -> None:
        with self._lock:
            self._fill()
            taken = self._entries.get(name)
            if taken is not None:
                raise self._error(
                    f"duplicate {self.kind} '{name}': from {taken.origin} and from {entry.origin}",
                    remedy="Rename one of them, or uninstall one of the packages",
                )
            self._entries[name] = entry

    @contextmanager
    def temporarily(self, item: Any, name: str | None = None) -> Iterator[T]:
        """Add one thing for the length of a ``with`` block (for tests and notebooks)."""
        self._fill()
        before = set(self._entries)
        value = self.add(item, name, origin="a 'with' block")
        (added,) = set(self._entries) - before
        try:
            yield value
        finally:
            with self._lock:
                del self._entries[added]

    # --- asking ------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> T:
        """Return the thing called ``name``.

        Raises
        ------
        EcgFoundryError
            The registry's ``error``: there is none (the message lists those that exist), or it
            cannot be loaded.
        """
        self._fill()
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                raise self._unknown(name)
            if entry.load is not None:
                entry.value = self._load(name, entry.load, entry.origin)
                entry.load = None
        value: T = entry.value  # type: ignore[assignment]
        return value

    def __contains__(self, name: object) -> bool:
        self._fill()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        self._fill()
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {len(self)}: {', '.join(self)})"

    def keys(self) -> tuple[str, ...]:
        """Return all names."""
        return tuple(self)

    def values(self) -> tuple[T, ...]:
        """Return all things; those that were not loaded yet are."""
        return tuple(self[name] for name in self)

    def items(self) -> tuple[tuple[str, T], ...]:
        """Return (name, thing) of all; those that were not loaded yet are."""
        return tuple((name, self[name]) for name in self)

    def origin(self, name: str) -> str:
        """Return where a thing comes from: a module, or a package and its version."""
        self._fill()
        entry = self._entries.get(name)
        if entry is None:
            raise self._unknown(name)
        return entry.origin

    def _unknown(self, name: object) -> EcgFoundryError:
        close = difflib.get_close_matches(str(name), self._entries, n=1)
        guess = f"Did you mean '{close[0]}'? " if close else ""
        known = ", ".join(self._entries) or "none"
        return self._error(f"there is no {self.kind} '{name}'", remedy=f"{guess}Known are: {known}")

    def _load(self, name: str, load: Callable[[], T], origin: str) -> T:
        try:
            return load()
        except EcgFoundryError:
            raise
        except Exception as error:  # whatever the other package raises on import
            raise self._error(
                f"the {self.kind} '{name}' of {origin} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                remedy=f"Update or uninstall {origin}",
            ) from error

    # --- filling -----------------------------------------------------------------------------

    def _fill(self) -> None:
        """Add the things of this package and of entry points, once; whole or not at all."""
        if self._filled:
            return
        with self._lock:
            if self._filled or self._filling:
                return
            before = dict(self._entries)
            self._filling = True
            try:
                if self._builtin is not None:
                    self._builtin(self)
                for point in self._entry_points():
                    self._add_entry_point(point)
                self._filled = True
            except BaseException:
                self._entries = before
                raise
            finally:
                self._filling = False

    def _entry_points(self) -> list[EntryPoint]:
        if self.group is None:
            return []
        found = entry_points(group=self.group)
        return sorted(found, key=lambda point: (_package(point), point.name))

    def _add_entry_point(self, point: EntryPoint) -> None:
        def load() -> T:
            found = point.load()
            return self._convert(found) if self._convert is not None else found

        origin = _package(point)
        if self._name_of is None:
            self._insert(point.name, _Entry(origin=origin, load=load))
        else:
            value = self._load(point.name, load, origin)
            self._insert(self._name_of(value), _Entry(origin=origin, value=value))


def _package(point: EntryPoint) -> str:
    """Return "package version" of an entry point."""
    if point.dist is None:
        return point.value
    return f"{point.dist.name} {point.dist.version}"
