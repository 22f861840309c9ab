"""What JSON can hold, as types, and its fields, read as what they have to be.

A ``to_dict`` that returns a :data:`JsonObject` cannot hold what JSON cannot; a ``from_dict`` that
asks :class:`Fields` says which field is wrong, where a plain mapping raises a ``KeyError``, or
nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar, Union

from ecgfoundry.errors import FormatError

__all__ = ["Cell", "Cells", "Document", "Fields", "JsonObject", "JsonValue"]

Cell: TypeAlias = str | int | float | bool | None
"""What stands in a cell of a table. NaN is undefined: empty in CSV, null in JSON."""
Cells: TypeAlias = dict[str, Cell]
"""One row of a table: name of a column -> cell, in the order of the columns."""

# Mapping and Sequence, not dict and list: those of a narrower kind are documents too.
JsonValue: TypeAlias = Cell | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
JsonObject: TypeAlias = dict[str, JsonValue]
"""What a ``to_dict`` makes: names -> whatever JSON can hold, numbers of NumPy not."""
Document: TypeAlias = Union[Mapping[str, JsonValue], "Fields"]
"""What a ``from_dict`` takes."""

_Choice = TypeVar("_Choice", bound=str)


class Fields:
    """The fields of one JSON object.

    Parameters
    ----------
    content : mapping, or Fields
    where : str
        Its place in the document, for messages ("" is the document itself).

    Raises
    ------
    FormatError
        Here: it is no object. In every method: the field is missing, or something else. A field
        that may be missing, or null, is asked for by the methods that end with ``_or_none``.
    """

    __slots__ = ("_content", "_where")
    _content: Mapping[str, JsonValue]
    _where: str

    def __init__(self, content: Document | JsonValue, where: str = "") -> None:
        if isinstance(content, Fields):
            where, content = content._where, content.content
        if not isinstance(content, Mapping):
            raise FormatError(f"{where or 'the document'} is no object")
        self._content = content
        self._where = where

    def __contains__(self, name: str) -> bool:
        return name in self._content

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def _place(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def _wrong(self, name: str, kind: str) -> FormatError:
        return FormatError(f"'{self._place(name)}' is no {kind}")

    def value(self, name: str) -> JsonValue:
        """Return a field as it is."""
        try:
            return self._content[name]
        except KeyError:
            raise FormatError(f"'{self._place(name)}' is missing") from None

    def only(self, names: Sequence[str]) -> None:
        """Refuse fields of other names."""
        for name in self._content:
            if name not in names:
                raise FormatError(f"'{self._place(name)}' is not known")

    def _is_there(self, name: str) -> bool:
        return self._content.get(name) is not None

    @property
    def content(self) -> Mapping[str, JsonValue]:
        """The object as it is."""
        return self._content

    def text(self, name: str) -> str:
        """Return a text."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return a text that may be missing."""
        return self.text(name) if self._is_there(name) else None

    def choice(self, name: str, choices: Sequence[_Choice]) -> _Choice:
        """Return one of several texts."""
        value = self.value(name)
        for one in choices:
            if value == one:
                return one
        raise self._wrong(name, f"one of {', '.join(choices)}")

    def number(self, name: str) -> float:
        """Return a number, as it is written: a whole one stays whole."""
        value = self.value(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "number")
        return value

    def number_or_none(self, name: str) -> float | None:
        """Return a number that may be missing."""
        return self.number(name) if self._is_there(name) else None

    def whole(self, name: str) -> int:
        """Return a whole number; JSON does not tell 4 from 4.0."""
        (found,) = self._wholes(name, [self.value(name)])
        return found

    def whole_or_none(self, name: str) -> int | None:
        """Return a whole number that may be missing."""
        return self.whole(name) if self._is_there(name) else None

    def flag(self, name: str) -> bool:
        """Return true or false."""
        value = self.value(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def flag_or_none(self, name: str) -> bool | None:
        """Return true or false that may be missing."""
        return self.flag(name) if self._is_there(name) else None

    def sequence(self, name: str) -> Sequence[JsonValue]:
        """Return a list as it is."""
        value = self.value(name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self._wrong(name, "list")
        return value

    def sequence_or_none(self, name: str) -> Sequence[JsonValue] | None:
        """Return a list that may be missing."""
        return self.sequence(name) if self._is_there(name) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        values = self.sequence(name)
        found = tuple(value for value in values if isinstance(value, str))
        if len(found) < len(values):
            raise self._wrong(name, "list of texts")
        return found

    def texts_or_none(self, name: str) -> tuple[str, ...] | None:
        """Return a list of texts that may be missing."""
        return self.texts(name) if self._is_there(name) else None

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return a list of numbers."""
        return self._numbers(name, self.sequence(name))

    def wholes(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        return self._wholes(name, self.sequence(name))

    def _wholes(self, name: str, values: Sequence[JsonValue]) -> tuple[int, ...]:
        found = self._numbers(name, values)
        if not all(map(float.is_integer, found)):
            raise self._wrong(name, "whole number")
        return tuple(
            value if isinstance(value, int) else int(number)
            for value, number in zip(values, found, strict=True)
        )

    def numbers_or_gaps(self, name: str) -> tuple[float | None, ...]:
        """Return a list of numbers, None where there is none."""
        values = self.sequence(name)
        known = iter(self._numbers(name, [value for value in values if value is not None]))
        return tuple(None if value is None else next(known) for value in values)

    def pairs(self, name: str) -> tuple[tuple[float, float], ...]:
        """Return a list of pairs of numbers."""
        found = []
        for item in self.sequence(name):
            if isinstance(item, str) or not isinstance(item, Sequence) or len(item) != 2:
                raise self._wrong(name, "list of pairs")
            low, high = self._numbers(name, item)
            found.append((low, high))
        return tuple(found)

    def _numbers(self, name: str, values: Sequence[JsonValue]) -> tuple[float, ...]:
        found = tuple(
            float(value)
            for value in values
            if isinstance(value, int | float) and not isinstance(value, bool)
        )
        if len(found) < len(values):
            raise self._wrong(name, "number" if len(values) == 1 else "list of numbers")
        return found

    def words(self, name: str) -> dict[str, str]:
        """Return an object whose fields are texts."""
        part = self.part(name)
        return {key: part.text(key) for key in part}

    def figures(self, name: str) -> dict[str, float]:
        """Return an object whose fields are numbers."""
        part = self.part(name)
        return {key: part.number(key) for key in part}

    def figures_or_none(self, name: str) -> dict[str, float] | None:
        """Return an object whose fields are numbers, that may be missing."""
        return self.figures(name) if self._is_there(name) else None

    def figures_or_gaps(self, name: str) -> dict[str, float | None]:
        """Return an object whose fields are numbers or null."""
        part = self.part(name)
        return {key: part.number_or_none(key) for key in part}

    def part(self, name: str) -> Fields:
        """Return the fields of an object."""
        return Fields(self.value(name), self._place(name))

    def part_or_none(self, name: str) -> Fields | None:
        """Return the fields of an object that may be missing."""
        return self.part(name) if self._is_there(name) else None

    def parts(self, name: str) -> list[Fields]:
        """Return the fields of every object of a list; none of a list that is missing."""
        if name not in self._content:
            return []
        place = self._place(name)
        return [Fields(item, f"{place}[{k}]") for k, item in enumerate(self.sequence(name))]

    def lists_of_parts(self, name: str) -> list[list[Fields]]:
        """Return the fields of every object of a list of lists."""
        rows = {str(k): row for k, row in enumerate(self.sequence(name))}
        lists = Fields(rows, self._place(name))
        return [lists.parts(k) for k in rows]

    def named_parts(self, name: str) -> dict[str, Fields]:
        """Return the fields of every object that a field of this object is."""
        part = self.part(name)
        return {key: part.part(key) for key in part}
