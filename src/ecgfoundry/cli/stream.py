"""``ecgfoundry stream``: follow live signals, and send recordings as live signals."""

from __future__ import annotations

import json as json_module
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ecgfoundry.cli.saying import note, print_json
from ecgfoundry.cli.vocabulary import Json, OptionalModel

if TYPE_CHECKING:
    from collections.abc import Callable

    from ecgfoundry.streams.description import StreamOptions

app = App(name="stream", help="Live signals.")


@Parameter(name="*")
@dataclass(frozen=True)
class SignalOptions:
    """What is sent, where the source does not say it or says it wrongly.

    Parameters
    ----------
    leads
        Names of the channels in order, such as I,II,V1; or those of the source that are read.
    rate
        Hz.
    unit
        mV, uV, or with a number as in 5uV.
    mains
        Frequency of the mains, Hz.
    silence_s
        End when nothing comes for so long; by default only when the source ends.
    wait_s
        How long to look for the source.
    password_file
        File with the password of the user in the address.
    """

    leads: str | None = None
    rate: float | None = None
    unit: str | None = None
    mains: float | None = None
    silence_s: float | None = None
    wait_s: float = 5.0
    password_file: Path | None = None

    def to_stream(self) -> StreamOptions:
        """Return them as the streams take them."""
        from ecgfoundry.errors import FileAccessError
        from ecgfoundry.streams.description import StreamOptions

        leads = None if self.leads is None else tuple(x.strip() for x in self.leads.split(","))
        secret = None
        if self.password_file is not None:
            try:
                secret = self.password_file.read_text("utf-8").strip()
            except (OSError, ValueError) as error:
                words = f"the password cannot be read ({type(error).__name__})"
                raise FileAccessError(words, path=self.password_file) from None
        return StreamOptions(
            leads, self.rate, self.unit, self.mains, self.silence_s, self.wait_s, secret
        )


@app.command
def follow(
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    model: OptionalModel = None,
    lead: str | None = None,
    signal: SignalOptions | None = None,
    delay_s: float = 0.0,
    publish: str | None = None,
    json: Json = False,
) -> int:
    """Read a live signal here, without a service: an answer for every second from the last ten.

    Parameters
    ----------
    source
        - for standard input, lsl://NAME, mqtt://HOST/TOPIC, ws://HOST:PORT/PATH or ble://polar-h10.
    model
        A model by name; by default what suits the leads.
    lead
        Read only this lead.
    delay_s
        How long to wait for late samples.
    publish
        Also send every answer, as JSON, to mqtt://HOST/TOPIC.
    json
        Print every answer as a JSON object.
    """
    from ecgfoundry.api.streaming import follow as answers
    from ecgfoundry.streams.mqtt import publisher

    signal = signal or SignalOptions()
    options = signal.to_stream()
    tell = _teller(json=json)
    count = 0
    with publisher(publish, options) as send:
        for answer in answers(source, model=model, lead=lead, options=options, delay_s=delay_s):
            document = answer.to_dict()
            tell({"type": "answer", **document})
            send(json_module.dumps(document, ensure_ascii=False))
            count += 1
    if not json:
        print(f"{count} answers")
    return 0


@app.command
def replay(
    file: str,
    *,
    url: str = "ws://127.0.0.1:8765",
    speed: float = 1.0,
    model: OptionalModel = None,
    lead: str | None = None,
    token_file: Path | None = None,
    json: Json = False,
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
        print("ecgfoundry: --speed must be more than 0", file=sys.stderr)
        return 2
    path = named_file(file)
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
            tell=_teller(json=json),
        )
    )
    if not json:
        print(f"{count} answers for {recording.duration_s:.1f} s of signal")
    return 0


def _teller(*, json: bool) -> Callable[[dict[str, Any]], None]:
    """Return what prints a message: all of it as JSON, or a line whenever the answer changes."""
    shown: list[str] = []
    noted: set[str] = set()

    def tell(message: dict[str, Any]) -> None:
        if json:
            print_json(message)
        elif message["type"] == "answer":
            for notice in message["warnings"]:
                if notice["code"] not in noted:
                    noted.add(notice["code"])
                    note(notice["message"])
            steady = message["steady"]
            refused = steady["refused"]
            now = refused["message"] if refused else ", ".join(steady["present"] or ["undecided"])
            if [now] != shown:
                shown[:] = [now]
                print(f"{message['time_s']:8.1f} s  {now}", flush=True)

    return tell
