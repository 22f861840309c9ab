"""``ecgfoundry watch``: interpret what appears in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ecgfoundry.service.watch import Watched


def watch(
    folder: Path,
    *,
    output: Path | None = None,
    dead_letters: Path | None = None,
    model: str | None = None,
    lead: str | None = None,
    format: Literal["json", "fhir", "html", "pdf"] = "json",
    every: float = 2.0,
    settle: float = 2.0,
    workers: int = 1,
    once: bool = False,
) -> int:
    """Interpret every recording that appears in a folder, once.

    Parameters
    ----------
    folder
        Folder to watch, with what is below it.
    output
        Folder for the answers; beside the recordings by default.
    dead_letters
        Folder for what cannot be read, with the reason; FOLDER/dead-letters by default.
    model
        A model by name; by default what suits each recording.
    lead
        Read only this lead.
    format
        Of the answers.
    every
        Seconds between two looks.
    settle
        A file counts when it has not changed for so many seconds.
    workers
        Processes.
    once
        Do what is there and end.
    """
    import asyncio
    import importlib.util

    from ecgfoundry.errors import MissingExtraError

    if importlib.util.find_spec("fastapi") is None:
        raise MissingExtraError.for_extra("watching a folder", "serve")
    from ecgfoundry.service.watch import FolderWatch

    failed = 0

    def tell(watched: Watched) -> None:
        nonlocal failed
        if watched.problem is None:
            print(f"{watched.path}: {watched.answer}", flush=True)
        else:
            failed += 1
            print(f"ecgfoundry: {watched.path}: {watched.problem.detail}", file=sys.stderr)

    job = FolderWatch(
        folder,
        output,
        dead_letters,
        model=model,
        lead=lead,
        format=format,
        settle_s=settle,
        workers=workers,
    )
    asyncio.run(job.run(every_s=every, once=once, tell=tell))
    return 1 if failed else 0
