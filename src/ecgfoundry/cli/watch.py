"""``ecgfoundry watch``: interpret what appears in a folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclopts import Parameter

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import JsonResult, OptionalModel, OptionalOutput

if TYPE_CHECKING:
    from ecgfoundry.service.watch import Watched


@Parameter(name="*")
@dataclass(frozen=True)
class LookingOptions:
    """When a folder is looked at.

    Parameters
    ----------
    every
        Seconds between two looks.
    settle
        A file counts when it has not changed for so many seconds.
    once
        Do what is there and end.
    """

    every: float = 2.0
    settle: float = 2.0
    once: bool = False


def watch(
    folder: Path,
    *,
    output: OptionalOutput = None,
    dead_letters: Path | None = None,
    model: OptionalModel = None,
    lead: str | None = None,
    format: Literal["json", "fhir", "html", "pdf"] = "json",
    workers: int = 1,
    looking: LookingOptions | None = None,
    json: JsonResult = False,
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
    workers
        Processes.
    """
    import asyncio
    import importlib.util

    from ecgfoundry.errors import MissingExtraError

    if importlib.util.find_spec("fastapi") is None:
        raise MissingExtraError.for_extra("watching a folder", "serve")
    from ecgfoundry.service.watch import FolderWatch

    looks = looking or LookingOptions()
    failed = 0

    def tell(watched: Watched) -> None:
        nonlocal failed
        failed += watched.problem is not None or watched.is_refused
        if json:
            problem = None if watched.problem is None else watched.problem.to_dict()
            print_json({"file": watched.path, "answer": watched.answer, "problem": problem})
        elif watched.problem is None:
            refused = " (refused)" if watched.is_refused else ""
            print(f"{watched.path}: {watched.answer}{refused}", flush=True)
        else:
            print(f"ecgfoundry: {watched.path}: {watched.problem.detail}", file=sys.stderr)

    job = FolderWatch(
        folder,
        output,
        dead_letters,
        model=model,
        lead=lead,
        format=format,
        settle_s=looks.settle,
        workers=workers,
    )
    asyncio.run(job.run(every_s=looks.every, once=looks.once, tell=tell))
    return 1 if failed else 0
