"""The options that say what the columns of a table are; the same for every command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import StatedOptions

if TYPE_CHECKING:
    from ecgfoundry.manifest import ColumnMapping, MappedManifest

__all__ = ["RecordingsOptions", "TableOptions"]


@Parameter(name="*")
@dataclass(frozen=True)
class RecordingsOptions:
    """Which columns of a table say what and where the recordings are.

    Parameters
    ----------
    records
        Folder that the paths are relative to, or one NumPy file (row k of the table is record k).
    path_column
        Column of the files, where it is not called path or file.
    patient_column
        Column of the patients, where it is not called patient or patient_id.
    split_column
        Column of the splits, where it is not called split.
    index_column
        Column of the rows of an array, where it is not called index.
    start_column
        Column of the starts in seconds, where it is not called start_s.
    """

    records: Path | None = None
    path_column: str | None = None
    patient_column: str | None = None
    split_column: str | None = None
    index_column: str | None = None
    start_column: str | None = None

    def _columns(self) -> ColumnMapping:
        from ecgfoundry.manifest import ColumnMapping

        return ColumnMapping(
            path=self.path_column,
            patient=self.patient_column,
            split=self.split_column,
            index=self.index_column,
            start=self.start_column,
        )

    def read(
        self,
        table: str | Path,
        *,
        need_targets: bool = False,
        check: bool = True,
        stated: StatedOptions | None = None,
    ) -> MappedManifest:
        """Read a table; what had to be supposed is said on standard error.

        See :func:`ecgfoundry.manifest.read_recordings` for the parameters and errors.
        """
        from ecgfoundry.cli.saying import note
        from ecgfoundry.manifest import read_recordings

        found = read_recordings(
            table, self._columns(),
            records=self.records, need_targets=need_targets, check=check,
            stated=None if stated is None else stated.to_read(),
        )  # fmt: skip
        for words in found.notes:
            note(words)
        return found

    @property
    def given(self) -> bool:
        """Whether any option was."""
        return self != type(self)()


@Parameter(name="*")
@dataclass(frozen=True)
class TableOptions(RecordingsOptions):
    """What the columns of a table of recordings and labels are.

    Parameters
    ----------
    target
        Column to learn or to measure; repeat it for several.
    positive
        Of two text classes: the one that is looked for.
    """

    target: Annotated[list[str] | None, Parameter(negative="")] = None
    positive: str | None = None

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns that were named, one by one or parted by commas."""
        return tuple(part for entry in self.target or () for part in entry.split(",") if part)

    def _columns(self) -> ColumnMapping:
        return replace(super()._columns(), targets=self.targets, positive=self.positive)
