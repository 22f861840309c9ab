"""``ecgfoundry stream``: recordings as live signals."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

app = App(name="stream", help="Live signals.")


@app.command
def replay(
    file: str,
    *,
    url: str = "ws://127.0.0.1:8765",
    speed: float = 1.0,
    model: str | None = None,
    lead: str | None = None,
    token_file: Path | None = None,
    json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Send a recording to a running service as if a device were sending it now.

    The page of the service shows it live.

    Parameters
    ----------
    file
        A recording, or sample:12-lead or sample:single-lead.
    url
        Of the service.
    speed
        1 is real time, 10 ten times as fast.
    model
        A model by name; by default what suits the leads.
    lead
        Read only this lead.
    token_file
        File with the token, where one is needed.
    json
        Print every answer as a JSON object.
    """
    import asyncio
    import importlib.util

    from ecgfoundry.errors import MissingExtraError
    from ecgfoundry.formats.files import read
    from ecgfoundry.samples import named_file

    if importlib.util.find_spec("websockets") is None:
        raise MissingExtraError.for_extra("live streams", "serve")
    from ecgfoundry.service.live.replay import replay as send
    from ecgfoundry.service.tokens import read_tokens

    if not speed > 0:
        print("ecgfoundry: --speed must be more than 0")
        return 2
    path = named_file(file)
    shown: list[str] = []

    def tell(message: dict[str, Any]) -> None:
        if json:
            print(json_module.dumps(message, ensure_ascii=False), flush=True)
        elif message["type"] == "answer":
            steady = message["steady"]
            refused = steady["refused"]
            now = refused["message"] if refused else ", ".join(steady["present"] or ["undecided"])
            if [now] != shown:
                shown[:] = [now]
                print(f"{message['time_s']:8.1f} s  {now}", flush=True)

    recording = read(path)
    count = asyncio.run(
        send(
            recording,
            url.rstrip("/"),
            speed=speed,
            model=model,
            lead=lead,
            name=path.stem,
            token=read_tokens(token_file)[0].secret if token_file is not None else None,
            tell=tell,
        )
    )
    if not json:
        print(f"{count} answers for {recording.duration_s:.1f} s of signal")
    return 0
