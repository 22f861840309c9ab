"""What every command says: notes and progress on standard error, JSON on standard output."""

from __future__ import annotations

import json
import math
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from rich.table import Table

    from ecgfoundry.errors import EcgFoundryError

__all__ = [
    "SCHEMA_VERSION",
    "Bar",
    "be_quiet",
    "error_document",
    "line",
    "note",
    "print_json",
    "print_whole",
    "progress",
]

SCHEMA_VERSION = 1
"""Of the documents of ``--json`` that have no version of their own; ``commands.schema.json``
describes all."""

_WIDEST = 1000
"""Characters of a line (our choice)."""

BAR_AFTER_S = 2.0
"""A job that ends sooner shows no bar (our choice: sooner it only flickers)."""

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def be_quiet(quiet: bool) -> None:
    """Say nothing but answers and errors from here on, or everything again."""
    _quiet.set(quiet)


def note(words: object) -> None:
    """Say what is no error on standard error, unless the command was asked to be quiet."""
    if not _quiet.get():
        print(f"ecgfoundry: {words}", file=sys.stderr, flush=True)


def line(words: str) -> None:
    """Say a line of a long job (an epoch) on standard error, unless it was asked to be quiet."""
    if not _quiet.get():
        print(words, file=sys.stderr, flush=True)


def print_whole(table: Table) -> None:
    """Print a table as wide as it is: a narrow terminal folds its lines, and no figure is cut."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console()
    wide = console.options.update(max_width=_WIDEST)
    needed = Measurement.get(console, wide, table).maximum
    Console(width=max(console.width, needed)).print(table)


# --- JSON ---------------------------------------------------------------------------------------


def print_json(document: Mapping[str, Any]) -> None:
    """Print one document of ``--json`` as one line, with its schema version.

    Undefined numbers are null. A version that the document brings stays.
    """
    print_standard_json({"schema_version": SCHEMA_VERSION} | dict(document))


def print_standard_json(document: Mapping[str, Any]) -> None:
    """Print one document of a standard (FHIR) as one line, with nothing that the standard lacks."""
    print(json.dumps(_jsonable(document), ensure_ascii=False, allow_nan=False), flush=True)


def error_document(error: EcgFoundryError) -> dict[str, Any]:
    """Return what a program reads where a command fails."""
    return {"error": error.to_dict()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _jsonable(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_jsonable(each) for each in value]
    return value


# --- progress -----------------------------------------------------------------------------------


class Bar:
    """A bar with the share done and the time that is left.

    Parameters
    ----------
    words : str
        What is being done.
    total : int, optional
        Of steps; None: not known yet.
    size : bool
        The steps are bytes.
    """

    def __init__(self, words: str, total: float | None, *, size: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.text import Text

        left, gone = TimeRemainingColumn(elapsed_when_finished=True), TimeElapsedColumn()

        class Time(ProgressColumn):
            """The time that is left; where nobody can know it, the time that has gone by."""

            def render(self, task: Task) -> Text:
                words, column = ("for ", gone) if task.total is None else ("left ", left)
                return Text.assemble(words, cast("Text", column(task)))

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn() if size else MofNCompleteColumn(),
            Time(),
            console=console,
            disable=_quiet.get() or not console.is_terminal,
            # What is printed meanwhile goes above the bar; but never answers that a file or another
            # program is waiting for.
            redirect_stdout=sys.stdout.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task(words, total=total)
        self._knows_its_end = total is not None

    def update(self, done: float, total: float | None = None, words: str | None = None) -> None:
        """Show how much is done, of how much where that is news, and of what."""
        given: dict[str, Any] = {"completed": done}
        if total is not None:
            given["total"] = total
        if words is not None:
            given["description"] = words
        # The end, where it becomes known, is shown at once and not with the next tenth of a second.
        news = total is not None and not self._knows_its_end
        self._knows_its_end |= news
        self._bar.update(self._task, refresh=news, **given)

    def start(self) -> None:
        """Show it."""
        self._bar.start()

    def stop(self) -> None:
        """Take it away."""
        self._bar.stop()


@contextmanager
def progress(words: str, total: float | None = None, *, size: bool = False) -> Iterator[Bar]:
    """Give the bar of a job; it appears on a terminal when the job takes longer than two seconds.

    Parameters
    ----------
    words : str
        What is being done.
    total : int, optional
        Of steps.
    size : bool
        The steps are bytes.
    """
    bar = Bar(words, total, size=size)
    ended, turn = threading.Event(), threading.Lock()

    def appear() -> None:
        with turn:
            if not ended.is_set():
                bar.start()

    timer = threading.Timer(BAR_AFTER_S, appear)
    timer.daemon = True
    if BAR_AFTER_S > 0:
        timer.start()
    else:
        appear()
    try:
        yield bar
    finally:
        with turn:
            ended.set()
        timer.cancel()
        bar.stop()
