"""Errors as RFC 9457 problem details: one stable body for every failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecgfoundry.errors import EcgFoundryError

__all__ = ["MEDIA_TYPE", "Problem", "ProblemError", "problem_of"]

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    "unknown-format": 415,
    "unsupported-variant": 415,
    "limit": 413,
    "disk-full": 507,
    "database": 503,
    "model-not-found": 404,
    "synthetic-model": 409,
    "missing-extra": 501,
    "bundle": 500,
    "integrity": 500,
    "download": 500,
    "verification": 500,
}
"""HTTP status of an error code; anything else that is wrong with the input is 422."""

TITLES = {
    400: "The request cannot be understood",
    401: "A token is needed",
    403: "This is not allowed",
    404: "There is no such thing",
    405: "This address does not take this method",
    408: "It came too slowly",
    409: "This cannot be done now",
    410: "It is gone",
    413: "Too large",
    415: "No reader knows this content",
    422: "The recording cannot be read",
    429: "Too many requests",
    500: "The service failed",
    501: "This installation cannot do it",
    503: "The service cannot answer now",
    504: "It took too long",
    507: "There is no room left",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong: HTTP status, a stable code, words, and what to do."""

    status: int
    code: str
    detail: str
    remedy: str | None = None
    retry_after_s: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the body."""
        body: dict[str, Any] = {
            "type": f"urn:ecgfoundry:problem:{self.code}",
            "title": TITLES.get(self.status, "The request failed"),
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.remedy:
            body["remedy"] = self.remedy
        return body

    def to_message(self) -> dict[str, Any]:
        """Return it as a message of a live stream, whose ``type`` says what kind it is."""
        return {**self.to_dict(), "type": "problem"}

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to it."""
        result = {}
        if self.retry_after_s is not None:
            result["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            result["WWW-Authenticate"] = 'Bearer realm="ecgfoundry"'
        return result


class ProblemError(Exception):
    """A request ends with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def problem_of(error: EcgFoundryError) -> Problem:
    """Return the problem for a typed error. The path is left out: it is one of the server."""
    return Problem(_STATUS.get(error.code, 422), error.code, error.problem, error.remedy)
