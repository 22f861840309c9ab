"""An interface engine for tests: takes HL7 v2 over MLLP, or refuses, delays and drops."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["MllpReceiver", "mllp_receiver"]


@dataclass
class MllpReceiver:
    """What it does with the next messages, one word each, then "AA" for ever.

    "AA", "AE", "AR" acknowledge; "drop" closes without an answer; "late" answers when another
    message has come, or the test has ended; "other" acknowledges another message; "noise" sends
    something else.
    """

    port: int = 0
    behaviour: list[str] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)
    seen: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, message: bytes) -> bytes | None:
        self.seen += 1
        does = self.behaviour.pop(0) if self.behaviour else "AA"
        if does == "drop":
            return None
        if does == "late":
            number = self.seen
            while self.seen == number and not self.ended.wait(0.02):
                pass
            does = "AA"
        if does == "noise":
            return b"\x0bhello\x1c\r"
        control = message.split(b"\r")[0].split(b"|")[9].decode()
        if does == "other":
            does, control = "AA", "0"
        if does == "AA" and control != "0":
            self.taken.append(message)
        lines = ("MSH|^~\\&|ENGINE||ECGFOUNDRY||20260101000000||ACK^R01^ACK|1|P|2.5",
                 f"MSA|{does}|{control}|as told", "")  # fmt: skip
        return b"\x0b" + "\r".join(lines).encode() + b"\x1c\r"


@contextmanager
def mllp_receiver(*behaviour: str) -> Iterator[MllpReceiver]:
    receiver = MllpReceiver(behaviour=list(behaviour))

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            received = b""
            while b"\x1c\r" not in received:
                part = self.request.recv(65_536)
                if not part:
                    return
                received += part
            answer = receiver.answer(received.strip(b"\x0b\x1c\r") + b"\r")
            if answer is not None:
                try:
                    self.request.sendall(answer)
                except OSError:
                    return

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.ended.set()
            server.shutdown()
