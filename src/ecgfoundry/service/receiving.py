"""How recordings come in by other ways than HTTP: two functions for receivers, from any thread."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from ecgfoundry.io import write_whole
from ecgfoundry.service.jobs import Question
from ecgfoundry.service.recording_files import safe_name
from ecgfoundry.service.tokens import Caller
from ecgfoundry.service.uploads import Upload

if TYPE_CHECKING:
    from ecgfoundry.service.state import ServiceState

__all__ = ["enqueue_job", "keep_recording"]


def keep_recording(
    state: ServiceState, content: bytes, filename: str, owner: str, source: str
) -> tuple[str, bool]:
    """Keep a recording of one file that came in by another way than HTTP.

    Parameters
    ----------
    state : ServiceState
    content : bytes
    filename : str
        What the sender calls it.
    owner : str
        Whom it belongs to, as the tokens name owners.
    source : str
        The way by which it came, for the worklist and the audit trail.

    Returns
    -------
    name : str
    new : bool
        False: its owner keeps the same content already, under this name.

    Raises
    ------
    ProblemError
        403: nothing is kept here. 413: no room is left.
    DiskFullError, FileAccessError
    """
    folder = state.workspace.folder("received")
    try:
        path = folder / safe_name(filename)
        write_whole(path, content)
        upload = Upload(folder, (path,), (filename[:255] or path.name,), len(content))
        return state.kept.keep(upload, Caller(owner, "write", source), source=source)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def enqueue_job(
    state: ServiceState, recording: str, owner: str, source: str, *, kind: str = "diagnose"
) -> str:
    """Order a job about a kept recording; return its name.

    Ordered again, before the job is forgotten, it is the same job.

    Parameters
    ----------
    state : ServiceState
    recording : str
        As :func:`keep_recording` has named it.
    owner, source : str
        As there.
    kind : str
        One of :data:`~ecgfoundry.service.jobs.KINDS`.

    Raises
    ------
    ProblemError
        404: there is no such recording. 429: too many jobs are waiting.
    """
    caller = Caller(owner, "write", source)
    about = state.kept.known(recording, caller)
    job, _ = state.jobs.order(caller, kind, Question(), [about], key=f"{kind} {recording}")
    return str(job["job"])
