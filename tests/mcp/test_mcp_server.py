"""The MCP server, asked by the protocol's own client: in this process, and as a command."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.errors import FileAccessError
from ecgfoundry.mcp.server import TOOLS, Toolbox, make_server

mcp = pytest.importorskip("mcp", reason="the extra 'mcp' is not installed")


def call(server: Any, tool: str, **arguments: Any) -> Any:
    async def ask() -> Any:
        async with mcp.Client(server) as client:
            return await client.call_tool(tool, arguments)

    return asyncio.run(ask())


def document(result: Any) -> Any:
    assert not result.is_error, result.content
    return json.loads(result.content[0].text)


def test_every_tool_is_listed_with_what_it_does(tmp_path: Path) -> None:
    async def ask() -> Any:
        async with mcp.Client(make_server(tmp_path)) as client:
            return await client.list_tools()

    tools = {tool.name: tool for tool in asyncio.run(ask()).tools}
    assert tuple(tools) == TOOLS
    assert all(tool.description for tool in tools.values())
    assert tools["compare"].input_schema["required"] == ["earlier", "later"]


def test_measure_and_interpret_the_samples(tmp_path: Path) -> None:
    server = make_server(tmp_path)
    measured = document(call(server, "measure", file="sample:12-lead"))
    assert round(measured["values"]["heart_rate_bpm"]["value"]) == 117
    answer = document(call(server, "interpret", file="sample:single-lead"))
    present = {one["name"] for one in answer["statements"] if one["present"]}
    assert "ATRIAL FIBRILLATION" in present


def test_a_text_is_checked(tmp_path: Path) -> None:
    text = "Sinus tachycardia at 117/min. PR 300 ms."
    checked = document(call(make_server(tmp_path), "check_text", file="sample:12-lead", text=text))
    assert checked["contradictions"] == 1
    assert [one["verdict"] for one in checked["sentences"]] == ["supported", "contradicts"]


def test_recordings_below_the_folder_are_read_and_no_others(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        for suffix in (".hea", ".mat"):
            source = ecgfoundry.sample_path("single-lead").with_suffix(suffix)
            shutil.copy(source, folder / f"A01711{suffix}")
    (inside / "link.hea").symlink_to(outside / "A01711.hea")
    tools = Toolbox(inside)
    summary = tools.read("A01711.hea")
    assert summary["leads"] == ["ECG"] and summary["sampling_rate"] == 300.0
    assert summary["subject"] in (None, {}) or not any(summary["subject"].values())
    for path in ("../outside/A01711.hea", str(outside / "A01711.hea"), "link.hea", "/etc/passwd"):
        with pytest.raises(FileAccessError, match="outside the folder"):
            tools.read(path)
    result = call(make_server(inside), "read", file="../outside/A01711.hea")
    assert result.is_error
    assert "outside the folder that is served" in result.content[0].text


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("read", {"file": "absent.hea"}, "there is no such file. Check the path"),
        ("measure", {"file": "note.txt"}, "no reader recognises the content"),
        ("interpret", {"file": "sample:12-lead", "model": "absent"}, "Available here:"),
        ("explain", {"file": "sample:12-lead", "target": "absent"}, "absent"),
    ],
)
def test_a_refusal_says_why_and_what_to_do(
    tool: str, arguments: dict[str, str], words: str, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("no ECG", encoding="utf-8")
    result = call(make_server(tmp_path), tool, **arguments)
    assert result.is_error
    assert words in result.content[0].text


def test_a_start_says_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ecgfoundry", "mcp", str(tmp_path)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_earlier_ecg_is_compared(tmp_path: Path) -> None:
    compared = document(
        call(make_server(tmp_path), "compare", earlier="sample:12-lead", later="sample:12-lead")
    )
    # A recording and itself: nothing has changed.
    assert not [one for one in compared["statements"] if one["present"]]


def test_the_first_minute_of_a_long_ecg_is_compared(tmp_path: Path) -> None:
    """As the service compares it: the rate of this heart is twice as high from then on."""
    ten = ecgfoundry.read("sample:12-lead").lead("II")
    minute = np.tile(ten, 6)
    for name, signal in (("short", minute), ("long", np.r_[minute, np.tile(ten[::2], 24)])):
        recording = ecgfoundry.Recording(signal[np.newaxis], 500, ("II",))
        recording.write(tmp_path / f"{name}.npz")
    compared = document(
        call(make_server(tmp_path), "compare", earlier="short.npz", later="long.npz")
    )
    (rate,) = (one for one in compared["changes"] if one["name"] == "heart_rate_bpm")
    assert rate["difference"] == 0.0
    assert compared["remarks"] == ["Both are one and the same recording."]


@pytest.mark.slow
def test_the_command_speaks_the_protocol_on_standard_input_and_output(tmp_path: Path) -> None:
    parameters = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "ecgfoundry", "mcp", str(tmp_path)],
        env=dict(os.environ),
    )

    async def ask() -> Any:
        async with (
            mcp.stdio_client(parameters) as (reading, writing),
            mcp.ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            return await session.call_tool("report", {"file": "sample:12-lead"})

    text = asyncio.run(ask()).content[0].text
    assert "The heart rate is 117/min" in text
    assert text.rstrip().endswith("Not a medical device. Research use only. Unconfirmed.")
