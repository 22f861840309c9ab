"""Logs: plain lines, or one JSON object a line, each with the name of its request.

No line holds a file name, an address with its parameters, or anything of a recording.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import secrets
from contextvars import ContextVar

__all__ = ["REQUEST", "JsonLines", "configure_logs", "request_name"]

REQUEST: ContextVar[str | None] = ContextVar("request", default=None)
"""The name of the request that is being answered."""

_GIVEN = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OURS = ("who", "method", "route", "status", "milliseconds")


def request_name(given: str | None) -> str:
    """Return the name that a gateway has given a request, if it is one, else a new one."""
    if given is not None and _GIVEN.fullmatch(given):
        return given
    return secrets.token_hex(8)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request = REQUEST.get()
        if request is not None:
            line["request"] = request
        line |= {name: getattr(record, name) for name in _OURS if hasattr(record, name)}
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logs(level: str, form: str) -> None:
    """Write all logs to standard error, as ``text`` or ``json``."""
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(JsonLines())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
