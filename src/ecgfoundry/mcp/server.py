"""The MCP server: read, measure, interpret, compare, explain, and check what somebody wrote.

A language model that speaks of an ECG should speak of measurements. Each tool answers with the same
JSON as the command line; ``report`` answers in sentences that cite measurements, and ``check_text``
says which sentences of a text contradict them.

Only recordings below one folder are read (and the two samples), whatever path is asked for, and
nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgfoundry._version import __version__
from ecgfoundry.api.answers import explain as explain_recording
from ecgfoundry.api.answers import interpret as interpret_recording
from ecgfoundry.criteria import compare_recordings
from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import EcgFoundryError, FileAccessError, MissingExtraError
from ecgfoundry.formats.base import ReadOptions
from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.files import read_excerpt
from ecgfoundry.measurements.measuring import measure as measure_recording
from ecgfoundry.reports.claims import check_text as check_sentences
from ecgfoundry.reports.prose import prose
from ecgfoundry.reports.recording_summary import recording_summary
from ecgfoundry.reports.told import meanings_of
from ecgfoundry.reports.wording import DISCLAIMER
from ecgfoundry.samples import SAMPLE_PREFIX, named_file

if TYPE_CHECKING:
    from mcp.server import MCPServer

__all__ = ["TOOLS", "Toolbox", "make_server"]

INSTRUCTIONS = (
    "Measurements and statements of electrocardiograms. Say nothing of an ECG that these tools do "
    f"not say, and name the measurement that a sentence rests on. {DISCLAIMER}"
)

BEGINNING_S = 60.0
"""So much of a recording is judged for what ``read`` says of its quality."""

TOOLS = ("read", "measure", "interpret", "report", "compare", "explain", "check_text")
"""Names of the tools, which are the methods of :class:`Toolbox`."""


class Toolbox:
    """The tools, as methods: each takes paths below ``root`` and returns a document.

    Parameters
    ----------
    root : Path
        The folder whose recordings may be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve(strict=True)

    def _path(self, file: str) -> Path:
        """Return the path of a recording below the root.

        Raises
        ------
        FileAccessError
            It is somewhere else, also by a link.
        """
        if file.startswith(SAMPLE_PREFIX):
            return named_file(file)
        path = (self.root / file).resolve()
        if not path.is_relative_to(self.root):
            raise FileAccessError(
                "is outside the folder that is served",
                path=file,
                remedy="Give a path below it, or sample:12-lead",
            )
        return path

    def read(self, file: str) -> JsonObject:
        """Say what a file holds: leads, rate, duration, device, and what the device states.

        Nothing that may identify a person is among it.
        """
        with open_file(self._path(file)) as opened:
            beginning = opened.read_seconds(0.0, BEGINNING_S)
            return recording_summary(beginning, opened.info, name=file, subject=False)

    def measure(self, file: str) -> JsonObject:
        """Measure an ECG: rate, intervals, axes, waves of every lead, beats and classes, HRV."""
        return measure_recording(self._path(file)).to_dict()

    def interpret(self, file: str, model: str | None = None) -> JsonObject:
        """Name what an ECG shows: statements with evidence, findings of a network, quality."""
        return interpret_recording(self._path(file), model=model).to_dict()

    def report(self, file: str) -> str:
        """Report an ECG in sentences, each of which cites the measurement that it rests on."""
        answer = interpret_recording(self._path(file))
        if answer.measurements is None:
            why = "" if answer.refused is None else answer.refused.message
            return f"This recording was not interpreted: {why}.\n{DISCLAIMER}\n"
        return prose(
            answer.measurements,
            answer.statements,
            file=Path(file).name,
            meanings=meanings_of(answer),
        )

    def compare(self, earlier: str, later: str) -> JsonObject:
        """Compare two ECGs of one person: what has changed beyond the usual variability.

        Of a long recording its first minute, as the service compares it.
        """
        first, second = (read_excerpt(self._path(file), ReadOptions()) for file in (earlier, later))
        return compare_recordings(first, second).to_dict()

    def explain(self, file: str, target: str | None = None) -> JsonObject:
        """Say which parts of which leads the answer of the network rests on."""
        return explain_recording(self._path(file), target=target).saliency.to_dict()

    def check_text(self, file: str, text: str) -> JsonObject:
        """Compare every sentence of a text with the measurements and statements of an ECG.

        Sentences with the verdict "contradicts" are wrong by the measurements; "unchecked" ones
        could not be compared.
        """
        answer = interpret_recording(self._path(file))
        measured = answer.measurements or measure_recording(self._path(file))
        checked = check_sentences(text, measured, answer.statements)
        return {
            "contradictions": sum(one.verdict == "contradicts" for one in checked),
            "sentences": [one.to_dict() for one in checked],
        }


def make_server(root: str | Path) -> MCPServer[Any]:
    """Return the server of the recordings below a folder.

    Raises
    ------
    MissingExtraError
        The extra ``mcp`` is not installed.
    FileAccessError
        The folder is not there.
    """
    try:
        from mcp.server import MCPServer
    except ImportError:
        raise MissingExtraError.for_extra("the MCP server", "mcp") from None
    folder = Path(root)
    if not folder.is_dir():
        raise FileAccessError("is no folder", path=folder, remedy="Give the folder of the ECGs")
    toolbox = Toolbox(folder)
    server = MCPServer(
        "ecgfoundry",
        title="ecgfoundry",
        instructions=INSTRUCTIONS,
        version=__version__,
        log_level="WARNING",  # a line for every request would fill the client's log
    )
    for name in TOOLS:
        tool = getattr(toolbox, name)
        server.tool(name=name, description=_first_line(tool), structured_output=False)(
            _with_reasons(tool)
        )
    return server


def _with_reasons(tool: Callable[..., Any]) -> Callable[..., Any]:
    """Return a tool whose errors reach the client with their words and their remedy.

    Of any other exception the protocol's library tells the client only that there was one.
    """
    from mcp.server.mcpserver.exceptions import ToolError

    @wraps(tool)
    def answered(*arguments: Any, **named: Any) -> Any:
        try:
            return tool(*arguments, **named)
        except EcgFoundryError as error:
            raise ToolError(str(error)) from error

    return answered


def _first_line(tool: Callable[..., Any]) -> str:
    return (tool.__doc__ or "").strip().split("\n\n")[0]
